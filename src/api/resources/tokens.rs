//! Tokens: `POST` and `GET /api/tokens`, `GET` and `DELETE` of one, and `POST .../rotate`. They need the account's own
//! credentials: a token cannot create or show tokens.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::auth::token_secret::{hash, new_secret};
use crate::api::hooks::document::DamagedStatus;
use crate::api::input::json::{BodyError, Object};
use crate::api::input::paging::{put_next, read_limit};
use crate::api::input::parameters::ParameterError;
use crate::api::input::request::{Query, json_object, path_word};
use crate::api::middleware::idempotency::{Answer, Repeatable};
use crate::api::problem::{Problem, ProblemType};
use crate::model::{Scope, Timestamp, Token, TokenId};
use crate::store::{DamagedToken, NewToken, Refusal, RenewedToken, Written};

const MAX_NAME_CHARS: usize = 255;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct TokenDocument<'a> {
    id: String,
    href: String,
    name: &'a str,
    #[schema(value_type = Scope)]
    scope: &'static str,
    created: Timestamp,
    #[schema(required)]
    expires: Option<Timestamp>,
    /// Accurate to the minute.
    #[schema(required)]
    last_used: Option<Timestamp>,
    /// Only in the answer that creates the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token: Option<&'a str>,
}

/// A token in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ListedToken<'a> {
    Whole(TokenDocument<'a>),
    Damaged(DamagedTokenDocument<'a>),
}

/// A token that the host cannot read from its store. It authenticates nobody; it can be revoked and replaced.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DamagedToken)]
pub(crate) struct DamagedTokenDocument<'a> {
    id: String,
    href: String,
    status: DamagedStatus,
    /// The part that cannot be read, and why.
    reason: &'a str,
}

fn listed<'a>(app: &App, token: &'a Result<Token, DamagedToken>) -> ListedToken<'a> {
    match token {
        Ok(token) => ListedToken::Whole(document(app, token, None)),
        Err(DamagedToken { id, reason }) => ListedToken::Damaged(DamagedTokenDocument {
            id: id.to_string(),
            href: link(app, *id),
            status: DamagedStatus::Damaged,
            reason,
        }),
    }
}

fn document<'a>(app: &App, token: &'a Token, secret: Option<&'a SecretString>) -> TokenDocument<'a> {
    TokenDocument {
        id: token.id.to_string(),
        href: link(app, token.id),
        name: &token.name,
        scope: token.scope.as_str(),
        created: token.created,
        expires: token.expires,
        last_used: token.last_used,
        token: secret.map(|secret| secret.expose_secret()),
    }
}

fn link(app: &App, id: TokenId) -> String {
    format!("{}/api/tokens/{id}", app.context.public_url)
}

/// The token that a path names.
pub(crate) struct Number(TokenId);

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Number, Problem> {
        let word = path_word(parts, state).await?;
        // What no token could be called is not there either.
        let number = word.parse().ok().filter(|number: &i64| number.to_string() == word);
        number.map(|number| Number(TokenId(number))).ok_or_else(not_found)
    }
}

fn not_found() -> Problem {
    Problem::new(ProblemType::TokenNotFound, "the account has no token with this id; GET /api/tokens lists its tokens")
}

fn done(was_there: bool) -> Result<(), Problem> {
    was_there.then_some(()).ok_or_else(not_found)
}

/// `POST /api/tokens`. Answers 201 with the token, whose secret is in this answer and in no other.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    repeatable: Repeatable,
    request: Request,
) -> Result<Response, Problem> {
    caller.is_the_account()?;
    let context = &app.context;
    let mut object = json_object(request, app.body_bounds()).await?;
    let order = Order::read(&mut object, context.clock.now())?;
    let limit = context.settings.tokens_per_account;
    let secret = new_secret()?;
    let hash = hash(secret.expose_secret());
    let write = async |once, now| {
        let Order { name, scope, expires } = order;
        let token = NewToken { account: caller.account, name, scope, hash, expires, limit, now };
        context.store.create_token(token, once).await.inspect_err(|_| {
            // The store may have forgotten the account, which a new proof makes known again.
            app.proofs.distrust(&caller.key, caller.proven);
        })
    };
    let of = Arc::clone(&app);
    let answer = move |token: &Token| {
        Answer::json(StatusCode::CREATED, &document(&of, token, Some(&secret))).at(&link(&of, token.id))
    };
    repeatable.carry_out(&app, &caller, write, answer, |refusal| refused(refusal, limit)).await
}

/// Why nothing was done with a token; `limit` says how many an account may have.
fn refused(refusal: Refusal, limit: u64) -> Problem {
    match refusal {
        Refusal::LimitReached => {
            let detail = "the account has the maximum number of tokens: revoke those that are no longer needed";
            Problem::new(ProblemType::TooManyTokens, detail).with("limit", limit)
        }
        Refusal::Damaged(reason) => damaged(reason),
        Refusal::NotFound
        | Refusal::OwnerGone
        | Refusal::VersionDiffers(_)
        | Refusal::TooManyFilterItems
        | Refusal::NoDeadLetter => not_found(),
    }
}

fn damaged(reason: String) -> Problem {
    let detail = "the token cannot be read from the host's store: revoke it, and create a new one";
    Problem::new(ProblemType::TokenDamaged, detail).with("damaged", reason)
}

/// What a new token is to be.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    name: String,
    scope: Scope,
    expires: Option<Timestamp>,
}

impl Order {
    fn read(object: &mut Object, now: Timestamp) -> Result<Order, BodyError> {
        object.only(&["name", "scope", "expires"])?;
        let member = object.need("name", "a name for it in lists")?;
        let name = member.text()?.to_owned();
        if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(member.invalid(format!("has 1 to {MAX_NAME_CHARS} characters and no control characters")));
        }
        let scope = object.need("scope", "read; or track, also for hooks and pending changes")?;
        let scope = scope.word(Scope::parse, &Scope::ALL.map(Scope::as_str))?;
        Ok(Order { name, scope, expires: read_expiry(object, now)? })
    }
}

fn read_expiry(object: &mut Object, now: Timestamp) -> Result<Option<Timestamp>, BodyError> {
    let Some(member) = object.take("expires") else { return Ok(None) };
    let expires = member.text()?.parse::<Timestamp>();
    let expires = expires.map_err(|error| member.invalid(format!("is {error}; a token without it does not expire")))?;
    if expires <= now { Err(member.invalid("is in the past")) } else { Ok(Some(expires)) }
}

/// `GET /api/tokens`: one page, the oldest first.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(parameters): Query,
) -> Result<Response, Problem> {
    caller.is_the_account()?;
    parameters.only(&["limit", "after", "format"])?;
    parameters.check_format()?;
    let context = &app.context;
    let page_items = context.settings.page_items;
    let limit = parameters.get("limit").map_or(Ok(page_items), |text| read_limit(text, page_items))?;
    let after = parameters.get("after").map(read_after).transpose()?;
    let mut tokens = context.store.tokens(caller.account, after, limit + 1).await?;
    let is_last = tokens.len() <= limit;
    tokens.truncate(limit);
    let documents: Vec<ListedToken<'_>> = tokens.iter().map(|token| listed(&app, token)).collect();
    let mut response = Json(BTreeMap::from([("tokens", documents)])).into_response();
    if let Some(last) = tokens.last().filter(|_| !is_last) {
        let id = last.as_ref().map_or_else(|damaged| damaged.id, |token| token.id);
        let query = parameters.with("after", &BASE64URL.encode(format!("token:{id}")));
        put_next(&mut response, &format!("{}/api/tokens?{query}", context.public_url));
    }
    Ok(response)
}

fn read_after(text: &str) -> Result<TokenId, ParameterError> {
    let decoded = BASE64URL.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let id = decoded.as_deref().and_then(|text| text.strip_prefix("token:")).and_then(|id| id.parse().ok());
    id.map(TokenId).ok_or_else(|| ParameterError::Invalid {
        name: "after",
        why: "is not from the Link header of a list of tokens".into(),
    })
}

/// `GET` of one.
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Number(id): Number,
    Query(parameters): Query,
) -> Result<Response, Problem> {
    caller.is_the_account()?;
    parameters.only(&["format"])?;
    parameters.check_format()?;
    let token = app.context.store.token(caller.account, id).await?.ok_or_else(not_found)?;
    Ok(Json(listed(&app, &token)).into_response())
}

/// `POST .../rotate`: another secret, and another end if the body says so; the secret before is not taken any more, and what
/// waits with it ends. What
/// the token owns stays its own. Answers with the token, whose secret is in this answer and in no other.
pub(crate) async fn rotate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Number(id): Number,
    repeatable: Repeatable,
    request: Request,
) -> Result<Response, Problem> {
    caller.is_the_account()?;
    let context = &app.context;
    let mut object = json_object(request, app.body_bounds()).await?;
    object.only(&["expires"])?;
    let expires = read_expiry(&mut object, context.clock.now())?;
    let secret = new_secret()?;
    let renewed = RenewedToken { account: caller.account, id, hash: hash(secret.expose_secret()), expires };
    let write = async |once, _| {
        let written = context.store.renew_token(renewed, once).await;
        if let Ok(Written::Done(_)) = written {
            app.bearers.revoke(caller.account, id);
        }
        written
    };
    let of = Arc::clone(&app);
    let answer = move |token: &Token| Answer::json(StatusCode::OK, &document(&of, token, Some(&secret)));
    let limit = context.settings.tokens_per_account;
    repeatable.carry_out(&app, &caller, write, answer, |refusal| refused(refusal, limit)).await
}

/// `DELETE` of one, with its hooks and their pending deliveries.
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Number(id): Number,
) -> Result<StatusCode, Problem> {
    caller.is_the_account()?;
    done(app.context.store.revoke_token(caller.account, id).await?)?;
    app.bearers.revoke(caller.account, id);
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_whole_or_refused() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().expect("a time");
        let check = |body: &str, want: Result<(&str, Scope, bool), &str>| {
            let got = Object::parse(body.as_bytes()).and_then(|mut object| Order::read(&mut object, now));
            let got = got.map(|order| (order.name, order.scope, order.expires.is_some()));
            let want = want.map(|(name, scope, expires)| (name.to_owned(), scope, expires));
            assert_eq!(got.map_err(|error| error.to_string()), want.map_err(str::to_owned), "{body}");
        };
        check(r#"{"name": "ci", "scope": "read"}"#, Ok(("ci", Scope::Read, false)));
        check(r#"{"name": "ci", "scope": "track", "expires": null}"#, Ok(("ci", Scope::Track, false)));
        check(
            r#"{"name": "ci", "scope": "track", "expires": "2027-01-01T00:00:00+01:00"}"#,
            Ok(("ci", Scope::Track, true)),
        );
        check(r#"{"name": "ci", "scope": "track", "expires": "2026-11-22T10:00:00Z"}"#, Err("/expires is in the past"));
        check(
            r#"{"name": "ci", "scope": "track", "expires": "10000-01-01T00:00:00Z"}"#,
            Err("/expires is out of range: the earliest time is 0000-01-01T00:00:00.000Z, and the latest \
                 9999-12-31T23:59:59.999Z; a token without it does not expire"),
        );
        check(r#"{"name": "ci", "scope": "all"}"#, Err("/scope is one of read, track"));
        check(r#"{"name": "", "scope": "read"}"#, Err("/name has 1 to 255 characters and no control characters"));
        check(
            r#"{"name": "a\u0007", "scope": "read"}"#,
            Err("/name has 1 to 255 characters and no control characters"),
        );
        check(r#"{"scope": "read"}"#, Err("/name is needed: a name for it in lists"));
        check(
            r#"{"name": "ci", "color": "red"}"#,
            Err("\"color\" is not a known member; known members: name, scope, expires"),
        );
    }
}
