//! Consent, with a receiver that gives any answer.

use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

/// What was asked: paths, and the origin that was named.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// A host that asks, and may call receivers on this machine; and such a receiver.
struct Asking {
    house: House,
    receiver: String,
    asked: Asked,
    _serving: JoinSet<()>,
}

impl Asking {
    async fn start() -> Asking {
        Asking::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Asking {
        let house = House::with(|settings| {
            settings.consent = Consent::Ask;
            change(settings);
        });
        let clients = Clients::new(ClientSettings::default()).expect("clients");
        let open = AddressPolicy::opening(vec!["127.0.0.0/8".parse().expect("a range")]);
        let mut context = house.context.clone();
        context.hooks_client = clients.under(&open).expect("a client");
        let prover: Arc<dyn Prover> = house.provider.clone();
        let router =
            public_routes(&app_with(context.clone(), prover, &Running::new(&context, CancellationToken::new())));
        let house = House { router, context, ..house };

        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let receiver = format!("http://{}", listener.local_addr().expect("bound"));
        let asked = Asked::default();
        let answering = Router::new().fallback(answer).with_state(Arc::clone(&asked));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, answering).await.expect("it serves") });
        Asking { house, receiver, asked, _serving: serving }
    }

    /// Asks for a hook at this path of the receiver.
    async fn post(&self, path: &str, more: Value) -> Answer {
        let mut hook = json!({ "url": format!("{}{path}", self.receiver) });
        hook.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        self.house.post("/api/hooks", &hook).await
    }
}

async fn answer(
    axum::extract::State(asked): axum::extract::State<Asked>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    assert_eq!(method, Method::OPTIONS);
    let origin = headers["webhook-request-origin"].to_str().expect("text").to_owned();
    asked.lock().expect("lock").push((uri.to_string(), origin));
    match uri.path() {
        "/yes" => (StatusCode::OK, [("webhook-allowed-origin", "tracker.example")], "").into_response(),
        "/slowly" => {
            let headers = [("webhook-allowed-origin", "*"), ("webhook-allowed-rate", "120")];
            (StatusCode::NO_CONTENT, headers).into_response()
        }
        "/other" => [("webhook-allowed-origin", "other.example")].into_response(),
        "/redirect" => (StatusCode::FOUND, [("location", "/yes"), ("webhook-allowed-origin", "*")]).into_response(),
        "/hang" => std::future::pending().await,
        _ => StatusCode::OK.into_response(),
    }
}

#[tokio::test]
async fn a_receiver_that_consents_is_called_at_its_rate() {
    let asking = Asking::start().await;
    let made = asking.post("/yes?x=1", json!({})).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(*asking.asked.lock().expect("lock"), [("/yes?x=1".to_owned(), "tracker.example".to_owned())]);
    for (more, rate) in
        [(json!({}), 2.0), (json!({ "rate_per_second": 5 }), 2.0), (json!({ "rate_per_second": 1 }), 1.0)]
    {
        let made = asking.post("/slowly", more).await.json();
        assert_eq!(made["rate_per_second"], rate, "{made}");
    }
}

#[tokio::test]
async fn a_receiver_that_does_not_consent_is_no_hook() {
    let asking = Asking::start().await;
    let check = async |path: &str, why: &str| {
        let problem = asking.post(path, json!({})).await.problem(400, "consent-refused");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(why) && detail.contains("WebHook-Allowed-Origin: tracker.example"), "{detail}");
        assert_eq!(problem["where"], "/url");
    };
    check("/silent", "no WebHook-Allowed-Origin").await;
    check("/other", "neither \"tracker.example\" nor \"*\"").await;
    check("/redirect", "302").await;
    assert_eq!(asking.house.get("/api/hooks").await.ok()["hooks"], json!([]));

    let form = format!("track_hook={}/silent", asking.receiver);
    let problem = asking.house.put("/api/instances/i-1", &form).await.problem(400, "consent-refused");
    assert_eq!(problem["parameter"], "track_hook");
    let form = format!("track_hook={}/yes", asking.receiver);
    assert_eq!(asking.house.put("/api/instances/i-1", &form).await.status, 202);
}

#[tokio::test]
async fn a_receiver_that_gives_no_answer_does_not_consent() {
    let asking = Asking::with(|settings| settings.consent_timeout = Duration::from_millis(1)).await;
    let problem = asking.post("/hang", json!({})).await.problem(400, "consent-refused");
    let detail = problem["detail"].as_str().expect("text");
    assert!(detail.contains("no answer came in time"), "{detail}");
}

#[tokio::test]
async fn a_receiver_that_has_no_public_address_is_told_as_one_that_there_is_not() {
    let house = House::with(|settings| settings.consent = Consent::Ask);
    let mut told = Vec::new();
    for name in ["localhost", "no-such-host.invalid"] {
        let refused = house.post("/api/hooks", &json!({ "url": format!("http://{name}/") })).await;
        told.push(refused.problem(400, "consent-refused"));
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn only_another_url_is_asked_about() {
    let asking = Asking::start().await;
    let mut hook = asking.post("/yes", json!({})).await.json();
    hook.as_object_mut().expect("an object").remove("secret");
    let path = format!("/api/hooks/{}", hook["id"].as_str().expect("an id"));
    hook["mode"] = json!("latest");
    asking.house.put_json(&path, &hook).await.ok();
    assert_eq!(asking.asked.lock().expect("lock").len(), 1);
    hook["url"] = json!(format!("{}/silent", asking.receiver));
    asking.house.put_json(&path, &hook).await.problem(400, "consent-refused");
    assert_eq!(asking.asked.lock().expect("lock").len(), 2);
    assert_eq!(asking.house.get(&path).await.ok()["url"], format!("{}/yes", asking.receiver));
}
