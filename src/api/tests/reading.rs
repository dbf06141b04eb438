//! Lists and single resources: their content, and when a request waits for it.

use serde_json::json;

use super::*;
use crate::model::InstanceState::{Running, Stopped};
use crate::model::RealmState::{Available, Unavailable};

async fn with_instances() -> House {
    let house = House::new();
    let instances = vec![
        instance("i-1", "us", Running),
        instance("i-2", "eu", Stopped),
        instance("i-3", "us", Stopped),
        instance("i/4 x", "us", Running),
    ];
    house.poll(Kind::Instance, instances).await;
    house
}

/// No request waits until a circuit is closed. What was asked for is made then.
#[tokio::test]
async fn a_refresh_under_an_open_circuit_does_not_wait() {
    let house = House::new();
    house.get("/api/account").await.ok();
    let endpoint: Arc<str> = "mock default".into();
    let endpoints = Arc::clone(house.context.poll_shares.endpoints());
    while endpoints.view(&endpoint).open_until.is_none() {
        endpoints.found(&endpoint, crate::roster::Found::Hangs);
    }
    let refreshed = house.post("/api/refresh", &Value::Null).await;
    assert_eq!(refreshed.status, 202, "{}", refreshed.body);
    let document = refreshed.json();
    for kind in ["instances", "realms"] {
        assert_eq!(document[kind]["outcome"], "waiting", "{document}");
    }
    let asked =
        house.context.store.claim_due_polls(PollClaim::on_all(NOW, Duration::from_secs(60), 9)).await.expect("claimed");
    assert!(!asked.is_empty(), "it is due once the circuit is closed");
}

#[tokio::test]
async fn lists_are_filtered() {
    let house = with_instances().await;
    let check = async |query: &str, want: &[&str]| {
        let list = house.get(&format!("/api/instances?{query}")).await.ok();
        assert_eq!(ids(&list, "instances"), want, "{query}");
    };
    check("", &["i-1", "i-2", "i-3", "i/4 x"]).await;
    check("id=i-2", &["i-2"]).await;
    check("id=i%2F4+x", &["i/4 x"]).await;
    check("state=STOPPED", &["i-2", "i-3"]).await;
    check("realm_id=us&state=STOPPED", &["i-3"]).await;
    check("realm_id=moon", &[]).await;
    check("limit=1&format=json", &["i-1"]).await;
}

#[tokio::test]
async fn pages_lead_to_each_other() {
    let house = with_instances().await;
    let (mut seen, mut next) = (Vec::new(), Some("/api/instances?limit=1&realm_id=us".to_owned()));
    while let Some(path) = next {
        let answer = house.get(&path).await;
        next = answer.header("link").map(|link| {
            let url =
                link.strip_prefix("<https://tracker.example").and_then(|link| link.strip_suffix(">; rel=\"next\""));
            url.unwrap_or_else(|| panic!("{link}")).to_owned()
        });
        seen.extend(ids(&answer.ok(), "instances"));
    }
    assert_eq!(seen, ["i-1", "i-3", "i/4 x"]);
    // The last page has no link, not even a full one.
    assert_eq!(house.get("/api/instances?limit=4").await.header("link"), None);
}

#[tokio::test]
async fn one_resource_is_at_its_own_address() {
    let house = with_instances().await;
    let one = house.get("/api/instances/i%2F4%20x").await.ok();
    assert_eq!((&one["id"], &one["state"]), (&json!("i/4 x"), &json!("RUNNING")));
    assert_eq!(one["href"], "https://tracker.example/api/instances/i%2F4%20x");
    assert_eq!(one["first_seen"], NOW.to_string());
    assert!(one.get("track").is_none());

    house.poll(Kind::Realm, vec![realm("eu", Available), realm("us", Unavailable)]).await;
    let realms = house.get("/api/realms?state=UNAVAILABLE").await.ok();
    assert_eq!(ids(&realms, "realms"), ["us"]);
    let eu = house.get("/api/realms/eu").await.ok();
    assert_eq!((&eu["name"], &eu["state"]), (&json!("EU"), &json!("AVAILABLE")));
}

#[tokio::test]
async fn who_asks_first_waits_for_the_first_list() {
    let house = House::new();
    let signals = house.fresh_signals();
    let asks = house.get("/api/instances");
    let polls = async {
        signals.polls.notified().await;
        house.poll(Kind::Instance, vec![instance("i-1", "us", Running)]).await;
    };
    let (answer, ()) = tokio::join!(asks, polls);
    assert_eq!(ids(&answer.ok(), "instances"), ["i-1"]);

    // What is old is asked for anew; should that fail, the old is better than nothing.
    house.clock.advance(Duration::from_secs(61));
    let signals = house.fresh_signals();
    let polls = async {
        signals.polls.notified().await;
        house.poll_fails(Kind::Instance, "unavailable").await;
    };
    let (answer, ()) = tokio::join!(house.get("/api/instances"), polls);
    assert_eq!(ids(&answer.ok(), "instances"), ["i-1"]);
}

#[tokio::test]
async fn a_first_list_that_fails_is_told() {
    let check = async |code: &str, status: u16, slug: &str| {
        let house = House::new();
        let signals = house.fresh_signals();
        let polls = async {
            signals.polls.notified().await;
            house.poll_fails(Kind::Realm, code).await;
        };
        let (answer, ()) = tokio::join!(house.get("/api/realms"), polls);
        let problem = answer.problem(status, slug);
        // For the next who asks the provider is spared.
        let again = house.get("/api/realms").await.problem(status, slug);
        assert_eq!(problem["detail"], again["detail"]);
        assert_eq!(problem["detail"], "what the provider said");
        assert_eq!(problem["code"], code);
    };
    check("unavailable", 502, "provider-failed").await;
    check("limit.memory", 502, "provider-failed").await;
    check("throttled", 503, "provider-throttled").await;
    check("forbidden", 403, "forbidden").await;
    check("invalid-account", 400, "account-unusable").await;
}

#[tokio::test]
async fn an_account_that_the_provider_no_longer_accepts_is_proven_anew() {
    let house = House::new();
    // Proven, and some time later polled for the first time.
    house.get("/api/account").await.ok();
    house.clock.advance(Duration::from_secs(10));
    let signals = house.fresh_signals();
    let polls = async {
        signals.polls.notified().await;
        house.poll_fails(Kind::Instance, "unauthorized").await;
    };
    let (answer, ()) = tokio::join!(house.get("/api/instances"), polls);
    answer.problem(401, "credentials-refused");
    assert_eq!(house.provider.asked.load(Ordering::SeqCst), 1);
    house.get("/api/account").await.ok();
    assert_eq!(house.provider.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_list_that_takes_too_long_is_not_waited_for() {
    let house = House::with(|settings| settings.poll_wait = Duration::from_millis(1));
    let answer = house.get("/api/instances").await;
    answer.problem(504, "timeout");
    assert_eq!(answer.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn the_account_says_how_it_is_doing() {
    let house = with_instances().await;
    house.clock.advance(Duration::from_secs(7));
    house.poll_fails(Kind::Realm, "throttled").await;
    let account = house.get("/api/account").await.ok();
    assert_eq!(account["user"], "user");
    assert_eq!((&account["origin"], &account["watched"]), (&json!("client"), &json!(false)));
    assert_eq!(account["provider_state"], "available");
    let instances = &account["polls"]["instances"];
    assert_eq!((&instances["last_complete"], &instances["age_seconds"]), (&json!(NOW.to_string()), &json!(7)));
    assert_eq!(instances["last_error"], Value::Null);
    let realms = &account["polls"]["realms"];
    assert_eq!((&realms["failures"], &realms["last_complete"]), (&json!(1), &Value::Null));
    let at = house.now().to_string();
    let error = json!({ "at": at, "code": "throttled", "message": "what the provider said" });
    assert_eq!(realms["last_error"], error);
}

#[tokio::test]
async fn what_a_client_has_already_is_not_sent_again() {
    let house = House::new();
    house.poll(Kind::Instance, vec![instance("i-1", "us", Running)]).await;
    let authorization = basic("user", "right");
    let ask = async |tag: &str| {
        let headers = [("authorization", authorization.as_str()), ("if-none-match", tag)];
        house.send("GET", "/api/instances", &headers, "").await
    };
    let first = ask("\"something else\"").await;
    let tag = first.header("etag").expect("a tag").to_owned();
    assert_eq!(first.header("cache-control"), Some("private, no-cache"));
    assert!(first.ok()["instances"][0]["id"] == "i-1");
    for same in [tag.clone(), tag.replace("W/", ""), format!("\"x\", {tag}"), "*".to_owned()] {
        let again = ask(&same).await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{same}");
        assert_eq!(again.header("etag"), Some(tag.as_str()));
        assert!(again.header("tracker-cursor").is_some());
    }
    house.poll(Kind::Instance, vec![instance("i-1", "us", Stopped)]).await;
    assert_eq!(ask(&tag).await.status, 200);
    // A problem is never the same as anything.
    let headers = [("authorization", authorization.as_str()), ("if-none-match", "*")];
    house.send("GET", "/api/instances?limit=0", &headers, "").await.problem(400, "invalid-parameter");
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_take_it() {
    let house = House::new();
    let many = (0..100).map(|number| instance(&format!("i-{number}"), "us", Running)).collect();
    house.poll(Kind::Instance, many).await;
    let authorization = basic("user", "right");
    let check = async |accepted: &str, want: Option<&str>| {
        let mut request = Request::builder()
            .uri("/api/instances")
            .header("host", "tracker.example")
            .header("authorization", &authorization);
        if !accepted.is_empty() {
            request = request.header("accept-encoding", accepted);
        }
        let request = request.body(Body::empty()).expect("a request");
        let Ok(response) = TowerToHyperService::new(house.router.clone()).call(request).await;
        let coding = response.headers().get("content-encoding").map(|value| value.to_str().expect("text").to_owned());
        assert_eq!(coding.as_deref(), want, "{accepted}");
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        match want {
            Some(_) => assert!(body.starts_with(&[0x1f, 0x8b])),
            None => assert!(body.starts_with(b"{")),
        }
    };
    check("", None).await;
    check("gzip", Some("gzip")).await;
    check("gzip, zstd", Some("gzip")).await;
    check("zstd", None).await;
    check("br", None).await;
}
