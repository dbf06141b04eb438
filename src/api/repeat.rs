//! `Idempotency-Key`: a client that can't know whether its `POST` arrived sends it again with the same key, and
//! gets the answer to the first. The answer is kept in the store, sealed, as it may hold a secret; while the store can't take
//! it, it is remembered in `unkept`. A request whose answer is lost is not carried out again: its client hears of that.

mod unkept;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::App;
use super::caller::Caller;
use super::observe;
use super::problem::{Problem, ProblemType};
use super::request;
use crate::model::AccountKey;
use crate::store::{Begun, RepeatableRequest, RequestId};
use crate::vault::Purpose;

use unkept::Outcome;
pub(super) use unkept::Unkept;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Tells an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

const MAX_KEY_BYTES: usize = 255;

/// Headers of an answer that are part of it.
const KEPT_HEADERS: [HeaderName; 2] = [CONTENT_TYPE, LOCATION];

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Around a handler that may do something once only. A request without a key is none of its business.
pub(super) async fn once(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match key_of(request.headers()) {
        Ok(None) => next.run(request).await,
        Ok(Some(key)) => keyed(app, key, request, next).await.unwrap_or_else(Problem::into_response),
        Err(problem) => problem.into_response(),
    }
}

fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(KEY).iter();
    let (Some(value), another) = (values.next(), values.next()) else { return Ok(None) };
    let is_key =
        |text: &&str| (1..=MAX_KEY_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    match value.to_str().ok().filter(is_key) {
        Some(key) if another.is_none() => Ok(Some(key.to_owned())),
        _ => {
            let detail = format!("Idempotency-Key is given once, as 1 to {MAX_KEY_BYTES} visible ASCII characters");
            Err(Problem::new(ProblemType::InvalidIdempotencyKey, detail))
        }
    }
}

async fn keyed(app: Arc<App>, key: String, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, &app).await?;
    let body = request::read(body, app.body_bounds()).await?;
    let context = &app.context;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let fingerprint = context.vault.keyed_hash(&[parts.method.as_str().as_bytes(), path.as_bytes(), &body]);
    let id = RequestId { account: caller.account, owner: caller.owner.clone(), key };
    if let Some(outcome) = told(&app, &id).await? {
        return replayed(&app, &caller, &id, &fingerprint, outcome).await;
    }
    let now = context.clock.now();
    let settings = &context.settings;
    let begun = context.store.begin_request(RepeatableRequest {
        id: id.clone(),
        fingerprint,
        now,
        forget: now.before(settings.answers_kept),
        // No request is answered for longer.
        abandoned: now.before(settings.request_timeout),
    });
    match begun.await? {
        Begun::New => {}
        Begun::UnderWay => {
            let detail = "the first request with this Idempotency-Key is still being answered; try again";
            return Err(
                Problem::new(ProblemType::RequestUnderWay, detail).retry_after(std::time::Duration::from_secs(1))
            );
        }
        Begun::Another => return Err(another()),
        Begun::Answered(answer) => {
            return replayed(&app, &caller, &id, &fingerprint, Outcome::Answered { fingerprint, answer }).await;
        }
        Begun::Lost => return Err(lost()),
    }
    // It need not prove itself again.
    let account = caller.key.clone();
    parts.extensions.insert(caller);
    let request = Request::from_parts(parts, Body::from(body));
    // A client that breaks off is just the one that will send the request again: it is answered to its end, be
    // there still somebody who waits for it or not.
    let (sender, answer) = tokio::sync::oneshot::channel();
    let underway = Arc::clone(&app);
    app.underway.spawn(async move {
        let _ = sender.send(answered(&underway, &id, &account, fingerprint, next.run(request)).await);
    });
    answer.await.map_err(|_| stopping())
}

fn another() -> Problem {
    let detail = "this Idempotency-Key came with another method, path or body before: use a new one";
    Problem::new(ProblemType::IdempotencyKeyReused, detail)
}

fn lost() -> Problem {
    let detail = "the first request with this Idempotency-Key may have been carried out, and its answer is lost: look at what \
                  there is now, and use a new key for what is still to be done";
    Problem::new(ProblemType::AnswerLost, detail)
}

/// Tells the store what it could not be told before of the first request with this key. If it can't be told yet, gives what
/// there is to be told.
async fn told(app: &Arc<App>, id: &RequestId) -> Result<Option<Outcome>, Problem> {
    let Some(outcome) = app.unkept.take(id) else { return Ok(None) };
    let (sender, told) = tokio::sync::oneshot::channel();
    let (underway, id) = (Arc::clone(app), id.clone());
    // A client that breaks off would take it along.
    app.underway.spawn(async move {
        let told = outcome.tell(&*underway.context.store, &id).await.map_err(|error| (outcome.clone(), error));
        if told.is_err() {
            underway.unkept.put(id, outcome);
        }
        let _ = sender.send(told);
    });
    match told.await {
        Ok(Ok(())) => Ok(None),
        // It can be begun only once the store can be written again.
        Ok(Err((Outcome::Abandoned, error))) => Err(error.into()),
        Ok(Err((outcome, _))) => Ok(Some(outcome)),
        Err(_) => Err(stopping()),
    }
}

fn stopping() -> Problem {
    Problem::new(ProblemType::Stopping, "the host is stopping")
}

/// Answers as the first request with this key was answered.
async fn replayed(
    app: &App,
    caller: &Caller,
    id: &RequestId,
    fingerprint: &[u8; 32],
    outcome: Outcome,
) -> Result<Response, Problem> {
    let answer = match outcome {
        Outcome::Answered { fingerprint: first, .. } if first != *fingerprint => return Err(another()),
        Outcome::Answered { answer, .. } => answer,
        Outcome::Lost(_) | Outcome::Abandoned => return Err(lost()),
    };
    let opened = app.context.vault.open(Purpose::Answer(&caller.key), &answer).ok();
    let kept = opened.and_then(|kept| serde_json::from_str::<Kept>(kept.expose_secret()).ok());
    match kept.map(Kept::response) {
        Some(Ok(response)) => Ok(response),
        _ => {
            let why = "it does not open with the host's key, or is no answer";
            if let Err(error) = app.context.store.lose_answer(id, why).await {
                tracing::error!(account = %caller.key, %error, "an answer that is lost can't be set aside");
            }
            Err(lost())
        }
    }
}

/// Answers a request for the first time, and keeps the answer.
async fn answered(
    app: &App,
    id: &RequestId,
    account: &AccountKey,
    fingerprint: [u8; 32],
    answer: impl Future<Output = Response>,
) -> Response {
    let limit = app.context.settings.request_timeout;
    let answer = tokio::time::timeout(limit, AssertUnwindSafe(answer).catch_unwind());
    let response = match answer.await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => observe::panicked(panic),
        Err(_) => observe::too_long(limit),
    };
    let (parts, body) = response.into_parts();
    let (outcome, response) = match body.collect().await {
        Ok(body) => {
            let body = body.to_bytes();
            (outcome_of(app, account, fingerprint, &parts, &body), Response::from_parts(parts, Body::from(body)))
        }
        Err(error) => (Outcome::Lost("it broke off while it was written"), Problem::internal(error).into_response()),
    };
    if let Err(error) = outcome.tell(&*app.context.store, id).await {
        // What was asked for is done: the client is better off with the answer.
        tracing::error!(account = %account, %error, "an answer is not kept yet");
        app.unkept.put(id.clone(), outcome);
    }
    response
}

/// What is kept of an answer; what failed is forgotten, so that it can be tried again.
fn outcome_of(
    app: &App,
    account: &AccountKey,
    fingerprint: [u8; 32],
    parts: &axum::http::response::Parts,
    body: &Bytes,
) -> Outcome {
    if parts.status.is_server_error() {
        return Outcome::Abandoned;
    }
    let text = |name: &HeaderName| Some((name.to_string(), parts.headers.get(name)?.to_str().ok()?.to_owned()));
    let Ok(body) = String::from_utf8(body.to_vec()) else { return Outcome::Lost("it is no text") };
    let headers = KEPT_HEADERS.iter().filter_map(text).collect();
    let kept = Kept { status: parts.status.as_u16(), headers, body };
    let Ok(kept) = serde_json::to_vec(&kept) else { return Outcome::Lost("it can't be written") };
    match app.context.vault.seal(Purpose::Answer(account), &kept) {
        Ok(answer) => Outcome::Answered { fingerprint, answer },
        Err(_) => Outcome::Lost("it could not be sealed"),
    }
}

impl Kept {
    fn response(self) -> Result<Response, Problem> {
        let status = StatusCode::from_u16(self.status).map_err(Problem::internal)?;
        let mut response = (status, self.body).into_response();
        let headers = response.headers_mut();
        headers.remove(CONTENT_TYPE);
        for (name, value) in self.headers {
            let name: HeaderName = name.parse().map_err(Problem::internal)?;
            headers.insert(name, value.parse().map_err(Problem::internal)?);
        }
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_given_once_in_visible_characters() {
        let check = |values: &[&[u8]], want: Result<Option<&str>, ProblemType>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(KEY, HeaderValue::from_bytes(value).expect("a header"));
            }
            let got = key_of(&headers).map_err(|problem| problem.problem_type());
            assert_eq!(got, want.map(|key| key.map(str::to_owned)), "{values:?}");
        };
        let wrong = || Err(ProblemType::InvalidIdempotencyKey);
        check(&[], Ok(None));
        check(&[b"8e03978e-40d5-43dd-bc93-6894a57f9324"], Ok(Some("8e03978e-40d5-43dd-bc93-6894a57f9324")));
        check(&[b"\"quoted\""], Ok(Some("\"quoted\"")));
        check(&[&[b'x'; 255]], Ok(Some(&"x".repeat(255))));
        check(&[&[b'x'; 256]], wrong());
        check(&[b""], wrong());
        check(&[b"a b"], wrong());
        check(&["ä".as_bytes()], wrong());
        check(&[b"a", b"a"], wrong());
    }
}
