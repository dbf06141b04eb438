//! `Idempotency-Key`. A client that does not know whether its `POST` arrived sends it again with the same key, and gets
//! the answer to the first one. The store keeps the answer sealed, because it may contain a secret. The answer commits
//! in the transaction that does the work, so it is kept if and only if the work was done. A request that did nothing is
//! not kept: its input is wrong, its receiver does not consent, the DNS does not know a name, or the store fails. The
//! same request with the same key is then carried out as a new one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::input::request;
use crate::api::problem::{Problem, ProblemType};
use crate::model::Timestamp;
use crate::store::{self, Once, Refusal, RepeatableRequest, Replay, RequestId, Written};
use crate::vault::Purpose;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Tells an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

const MAX_KEY_BYTES: usize = 255;

/// What a request that wrote something is answered, as far as it is part of the answer to the same request later.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Around a handler that may do something once only. A request without a key is none of its business.
pub(crate) async fn once(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match key_of(request.headers()) {
        Ok(None) => next.run(request).await,
        Ok(Some(key)) => keyed(&app, key, request, next).await.unwrap_or_else(Problem::into_response),
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
            let detail = format!("Idempotency-Key has to be given once, 1 to {MAX_KEY_BYTES} visible ASCII characters");
            Err(Problem::new(ProblemType::InvalidIdempotencyKey, detail))
        }
    }
}

/// Replays a known answer before anything else is looked at: what a request says may be wrong by now, and its receiver gone.
async fn keyed(app: &Arc<App>, key: String, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, app).await?;
    let body = request::read(body, app.body_bounds()).await?;
    let context = &app.context;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let hashes = context.vault.keyed_hashes(&[parts.method.as_str().as_bytes(), path.as_bytes(), &body]);
    let (fingerprint, old_fingerprints) = hashes.split_first().expect("invariant: a keyring has a key");
    let id = RequestId { account: caller.account, owner: caller.owner.clone(), key };
    let now = context.clock.now();
    let repeatable = RepeatableRequest {
        id,
        fingerprint: *fingerprint,
        old_fingerprints: old_fingerprints.to_vec(),
        now,
        forget: now.before(context.settings.idempotency_for),
    };
    if let Some(replay) = context.store.find_answer(&repeatable).await? {
        return replayed(app, &caller, &repeatable, replay).await;
    }
    // It need not prove itself again.
    parts.extensions.insert(caller);
    parts.extensions.insert(Repeatable(Some(repeatable)));
    Ok(next.run(Request::from_parts(parts, Body::from(body))).await)
}

/// The request under whose key a handler does its work, if it has one.
#[derive(Clone, Debug)]
pub(crate) struct Repeatable(Option<RepeatableRequest>);

impl<S: Send + Sync> FromRequestParts<S> for Repeatable {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Repeatable, Self::Rejection> {
        Ok(parts.extensions.remove().unwrap_or(Repeatable(None)))
    }
}

impl Repeatable {
    /// Has the store carry out `write` at the time that it is given, once if the request has a key, and answers with
    /// what was written. `answer` must give the same whenever it is called.
    pub(crate) async fn carry_out<T: 'static, W>(
        self,
        app: &Arc<App>,
        caller: &Caller,
        write: impl FnOnce(Option<Once<T>>, Timestamp) -> W,
        answer: impl Fn(&T) -> Answer + Clone + Send + Sync + 'static,
        refused: impl FnOnce(Refusal) -> Problem,
    ) -> Result<Response, Problem>
    where
        W: Future<Output = store::Result<Written<T>>>,
    {
        let Repeatable(request) = self;
        caller.require_accepted(app.context.clock.now())?;
        let once = |request: RepeatableRequest, now: Timestamp| {
            let request = request.at(now, app.context.settings.idempotency_for);
            let (app, account, answer) = (Arc::clone(app), caller.key.clone(), answer.clone());
            let seal = move |written: &T| {
                let kept = serde_json::to_vec(&answer(written))?;
                Ok(app.context.vault.seal(Purpose::Answer(&account), &kept)?)
            };
            Once { request, answer: Arc::new(seal) }
        };
        let write = |now| write(request.clone().map(|request| once(request, now)), now);
        match app.context.clock.while_steady(write).await? {
            Written::Done(written) => Ok(answer(&written).into_response()),
            Written::Refused(refusal) => Err(refused(refusal)),
            Written::Replayed(replay) => match request {
                Some(request) => replayed(app, caller, &request, replay).await,
                None => Err(Problem::internal("the store replayed a request that has no key")),
            },
        }
    }
}

fn another() -> Problem {
    let detail = "this Idempotency-Key was used with a different method, path or body: use a new one";
    Problem::new(ProblemType::IdempotencyKeyReused, detail)
}

fn lost() -> Problem {
    let detail = "the first request with this Idempotency-Key may have been carried out, and its answer is lost: look at what \
                  there is now, and use a new key for what is still to be done";
    Problem::new(ProblemType::AnswerLost, detail)
}

/// Answers as the first request with this key was answered.
async fn replayed(
    app: &App,
    caller: &Caller,
    request: &RepeatableRequest,
    replay: Replay,
) -> Result<Response, Problem> {
    let answer = match replay {
        Replay::Answered(answer) => answer,
        Replay::Another => return Err(another()),
        Replay::Lost => return Err(lost()),
    };
    let opened = app.context.vault.open(Purpose::Answer(&caller.key), &answer).ok();
    match opened.and_then(|kept| serde_json::from_str::<Answer>(kept.expose_secret()).ok()) {
        Some(answer) => {
            let mut response = answer.into_response();
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            Ok(response)
        }
        None => {
            let why = "it does not open with the host's key, or is not an answer";
            if let Err(error) = app.context.store.lose_answer(request, why).await {
                tracing::error!(account = %caller.key, %error, "a lost answer cannot be set aside");
            }
            Err(lost())
        }
    }
}

impl Answer {
    pub(crate) fn json(status: StatusCode, document: &impl Serialize) -> Answer {
        let body = serde_json::to_string(document).expect("invariant: documents have text as keys");
        Answer { status: status.as_u16(), headers: vec![(CONTENT_TYPE.to_string(), "application/json".into())], body }
    }

    pub(crate) fn at(self, location: &str) -> Answer {
        self.with(&LOCATION, location)
    }

    pub(crate) fn tagged(self, tag: &str) -> Answer {
        self.with(&ETAG, tag)
    }

    fn with(mut self, name: &HeaderName, value: &str) -> Answer {
        self.headers.push((name.to_string(), value.to_owned()));
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        // What is no header can't have been one of the first answer either.
        let headers = self.headers.into_iter();
        let headers = headers.filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
        response.headers_mut().extend::<Vec<(HeaderName, HeaderValue)>>(headers.collect());
        response
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
