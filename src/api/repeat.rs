//! `Idempotency-Key`: a client that can't know whether its `POST` arrived sends it again with the same key, and
//! gets the answer to the first. The answer is kept in the store, sealed, as it may hold a secret.

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
        Begun::Another => {
            let detail = "this Idempotency-Key came with another method, path or body before: use a new one";
            return Err(Problem::new(ProblemType::IdempotencyKeyReused, detail));
        }
        Begun::Answered(sealed) => {
            let kept = context.vault.open(Purpose::Answer(&caller.key), &sealed)?;
            let kept: Kept = serde_json::from_str(kept.expose_secret()).map_err(Problem::internal)?;
            return kept.response();
        }
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
        let _ = sender.send(answered(&underway, &id, &account, next.run(request)).await);
    });
    answer.await.map_err(|_| Problem::new(ProblemType::Stopping, "the host is stopping"))
}

/// Answers a request for the first time, and keeps the answer.
async fn answered(app: &App, id: &RequestId, account: &AccountKey, answer: impl Future<Output = Response>) -> Response {
    let limit = app.context.settings.request_timeout;
    let answer = tokio::time::timeout(limit, AssertUnwindSafe(answer).catch_unwind());
    let response = match answer.await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => observe::panicked(panic),
        Err(_) => observe::too_long(limit),
    };
    let (parts, body) = response.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return Problem::internal(error).into_response(),
    };
    if let Err(problem) = keep(app, id, account, &parts, &body).await {
        // What was asked for is done: the client is better off with the answer.
        tracing::error!(account = %account, "an answer is not kept: {}", problem.logged());
    }
    Response::from_parts(parts, Body::from(body))
}

/// Keeps an answer; what failed is forgotten, so that it can be tried again.
async fn keep(
    app: &App,
    id: &RequestId,
    account: &AccountKey,
    parts: &axum::http::response::Parts,
    body: &Bytes,
) -> Result<(), Problem> {
    let context = &app.context;
    if parts.status.is_server_error() {
        return Ok(context.store.abandon_request(id).await?);
    }
    let text = |name: &HeaderName| Some((name.to_string(), parts.headers.get(name)?.to_str().ok()?.to_owned()));
    let kept = Kept {
        status: parts.status.as_u16(),
        headers: KEPT_HEADERS.iter().filter_map(text).collect(),
        body: String::from_utf8(body.to_vec()).map_err(Problem::internal)?,
    };
    let kept = serde_json::to_vec(&kept).map_err(Problem::internal)?;
    let sealed = context.vault.seal(Purpose::Answer(account), &kept)?;
    Ok(context.store.finish_request(id, sealed).await?)
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
