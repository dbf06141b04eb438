//! What stands before an EC2 API, and answers for it in one region. At an endpoint for all regions, the signature alone says
//! which one a request is for.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::client::http;

pub(super) struct Gate {
    pub(super) endpoint: String,
    shut: Arc<Mutex<Option<(&'static str, Instead)>>>,
    _serving: JoinSet<()>,
}

/// What a region answers in place of the API.
#[derive(Clone, Copy, Debug)]
pub(super) enum Instead {
    /// That it is not available.
    Unavailable,
    /// That the account may not ask there, as a service control policy has it.
    Refusal,
    /// Nothing at all.
    Silence,
}

#[derive(Clone)]
struct Passage {
    target: String,
    shut: Arc<Mutex<Option<(&'static str, Instead)>>>,
}

impl Gate {
    pub(super) async fn before(target: &str) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
        let shut = Arc::default();
        let passage = Passage { target: target.to_owned(), shut: Arc::clone(&shut) };
        let router = Router::new().fallback(pass).with_state(passage);
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Gate { endpoint, shut, _serving: serving }
    }

    /// From now on this region answers so.
    pub(super) fn shuts(&self, region: &'static str, instead: Instead) {
        *self.shut.lock().expect("no holder panics") = Some((region, instead));
    }

    pub(super) fn opens(&self) {
        *self.shut.lock().expect("no holder panics") = None;
    }
}

async fn pass(State(passage): State<Passage>, headers: HeaderMap, body: Bytes) -> Response {
    let signature = headers[header::AUTHORIZATION].to_str().expect("text");
    let shut = *passage.shut.lock().expect("no holder panics");
    let instead = shut.and_then(|(region, instead)| signature.contains(&format!("/{region}/ec2/")).then_some(instead));
    match instead {
        None => {}
        Some(Instead::Unavailable) => return error(StatusCode::SERVICE_UNAVAILABLE, "Unavailable"),
        Some(Instead::Refusal) => return error(StatusCode::FORBIDDEN, "UnauthorizedOperation"),
        Some(Instead::Silence) => return std::future::pending().await,
    }
    let answer = http().post(passage.target).headers(headers).body(body).send().await.expect("the API answers");
    let (status, kind) = (answer.status(), answer.headers().get(header::CONTENT_TYPE).cloned());
    let bytes = answer.bytes().await.expect("a body");
    let kind = kind.expect("the API says what it answers");
    (status, [(header::CONTENT_TYPE, kind)], bytes).into_response()
}

fn error(status: StatusCode, code: &str) -> Response {
    let body = format!(
        "<Response><Errors><Error><Code>{code}</Code><Message>Not here, not now</Message></Error></Errors></Response>"
    );
    (status, [(header::CONTENT_TYPE, "text/xml")], body).into_response()
}
