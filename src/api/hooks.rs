//! Hooks as a resource: `GET` and `POST /api/hooks`, and `GET`, `PUT` and `DELETE` of one. What else can be done
//! with one has a file of its own. A caller sees its own hooks, those set on single resources (`track_hook`) among
//! them; another's are not there.

pub(super) mod actions;
pub(super) mod deliveries;
mod document;
mod order;
pub(super) mod replay;
pub(super) mod rotation;
pub(super) mod signing;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::LOCATION;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

use super::App;
use super::caller::Caller;
use super::errors::UrlIn;
use super::filter::List;
use super::fresh;
use super::listing::{put_next, read_limit};
use super::parameters::ParameterError;
use super::problem::{Problem, ProblemType};
use super::receiver;
use super::request::{Query, json_object, path_word};
use super::track::{check_room, seal_token};
use crate::model::{Hook, HookId, HookSpec, Sealed};
use crate::store::{DamagedHook, HookPlace, NewHook};

pub(super) use actions::RedrivenDocument;
pub(super) use deliveries::DeliveriesDocument;
pub(super) use document::{HookDocument, ListedHook};

use document::{DamagedHookDocument, link};
use order::{Order, Token};
use signing::Shown;

/// The hook that a path names.
pub(super) struct Number(HookId);

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Number, Problem> {
        let word = path_word(parts, state).await?;
        // What no hook could be called is not there either.
        let number = word.parse().ok().filter(|number: &i64| number.to_string() == word);
        number.map(|number| Number(HookId(number))).ok_or_else(not_found)
    }
}

fn not_found() -> Problem {
    Problem::new(ProblemType::HookNotFound, "there is no such hook among yours; GET /api/hooks lists them")
}

fn place(caller: &Caller, Number(hook): Number) -> HookPlace {
    HookPlace { account: caller.account, owner: caller.owner.clone(), hook }
}

async fn find(app: &App, caller: &Caller, place: &HookPlace) -> Result<Hook, Problem> {
    let found = match app.context.store.hook(place).await? {
        Some(hook) => whole(app, caller, hook).await?.ok(),
        None => None,
    };
    match found {
        Some(hook) => Ok(hook),
        None => Err(missing(app, place).await?),
    }
}

/// Sets a hook aside whose token or secret does not open.
async fn whole(app: &App, caller: &Caller, hook: Hook) -> Result<Result<Hook, DamagedHook>, Problem> {
    let Some(unopened) = signing::unopened(app, caller, &hook) else { return Ok(Ok(hook)) };
    let store = &app.context.store;
    store.set_aside_unopened(unopened).await?;
    // It may have been given another secret since it was read.
    Ok(match store.damaged_hook(&place(caller, Number(hook.id))).await? {
        Some(damaged) => Err(damaged),
        None => Ok(hook),
    })
}

/// Why nothing can be done with a hook: it is not there, or it is damaged.
async fn missing(app: &App, place: &HookPlace) -> Result<Problem, Problem> {
    let Some(damaged) = app.context.store.damaged_hook(place).await? else { return Ok(not_found()) };
    let detail = "the hook can't be read from the host's store: delete it, and set it again";
    Ok(Problem::new(ProblemType::HookConflict, detail).with("damaged", damaged.reason))
}

/// Takes the word of the store that it did something to a hook that there is.
async fn done(app: &App, place: &HookPlace, was_there: bool) -> Result<(), Problem> {
    if was_there { Ok(()) } else { Err(missing(app, place).await?) }
}

fn document<'a>(app: &App, caller: &Caller, hook: &'a Hook, key: Option<Shown>) -> HookDocument<'a> {
    let key = key.or_else(|| signing::present(app, caller, hook));
    HookDocument::of(hook, key, &app.context.public_url, app.context.clock.now())
}

/// The hook as it is now.
async fn shown(app: &App, caller: &Caller, place: &HookPlace, key: Option<Shown>) -> Result<Response, Problem> {
    let hook = find(app, caller, place).await?;
    Ok(Json(document(app, caller, &hook, key)).into_response())
}

/// `GET /api/hooks`: one page, the oldest first.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(parameters): Query,
) -> Result<Response, Problem> {
    parameters.only(&["limit", "after", "format"])?;
    parameters.check_format()?;
    let context = &app.context;
    let page_items = context.settings.page_items;
    let limit = parameters.get("limit").map_or(Ok(page_items), |text| read_limit(text, page_items))?;
    let after = parameters.get("after").map(read_after).transpose()?;
    // One more than is shown, which tells whether there is another page.
    let mut hooks = context.store.hooks(caller.account, &caller.owner, after, limit + 1).await?;
    let is_last = hooks.len() <= limit;
    hooks.truncate(limit);
    for hook in &mut hooks {
        if let Ok(read) = hook {
            *hook = whole(&app, &caller, read.clone()).await?;
        }
    }
    let documents: Vec<ListedHook<'_>> = hooks
        .iter()
        .map(|hook| match hook {
            Ok(hook) => ListedHook::Whole(Box::new(document(&app, &caller, hook, None))),
            Err(damaged) => ListedHook::Damaged(DamagedHookDocument::of(damaged, &context.public_url)),
        })
        .collect();
    let mut response = Json(BTreeMap::from([("hooks", documents)])).into_response();
    if let Some(last) = hooks.last().filter(|_| !is_last) {
        let id = match last {
            Ok(hook) => hook.id,
            Err(damaged) => damaged.id,
        };
        let query = parameters.with("after", &after_text(id));
        put_next(&mut response, &format!("{}/api/hooks?{query}", context.public_url));
    }
    Ok(response)
}

fn after_text(id: HookId) -> String {
    BASE64URL.encode(format!("hook:{id}"))
}

fn read_after(text: &str) -> Result<HookId, ParameterError> {
    let decoded = BASE64URL.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let id = decoded.as_deref().and_then(|text| text.strip_prefix("hook:")).and_then(|id| id.parse().ok());
    id.map(HookId).ok_or_else(|| ParameterError::Invalid {
        name: "after",
        why: "is not from the Link header of a list of hooks".into(),
    })
}

/// `POST /api/hooks`. Answers 201 with the hook, which has its signing secret in this answer and no other.
pub(super) async fn create(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Result<Response, Problem> {
    let context = &app.context;
    let (order, key) = Order::of_new(json_object(request, app.body_bounds()).await?, &context.settings)?;
    if matches!(order.token, Token::Kept) {
        let detail = "/token is true, which keeps the token that a hook has, and a new one has none: give it as text";
        return Err(Problem::new(ProblemType::InvalidMember, detail).with("where", "/token"));
    }
    check_room(&app, &caller).await?;
    let spec = spec(&app, &caller, order, None).await?;
    let (secret, shown) = signing::new_key(&app, &caller, key.signing, key.secret)?;
    let (account, owner, now) = (caller.account, caller.owner.clone(), context.clock.now());
    let kind = spec.filter.leading_kind();
    let id = match context.store.set_hook(NewHook { account, owner, track: None, spec, secret, now }).await {
        Ok(id) => id,
        Err(error) => {
            // The store may have forgotten the account, which a new proof makes known again.
            app.proofs.distrust(&caller.key, caller.proven);
            return Err(error.into());
        }
    };
    fresh::soon(&app, &caller, kind).await?;
    let hook = find(&app, &caller, &place(&caller, Number(id))).await?;
    let location = HeaderValue::from_str(&link(&context.public_url, id)).map_err(Problem::internal)?;
    let document = document(&app, &caller, &hook, Some(shown));
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(document)).into_response())
}

/// `GET` of one.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    number: Number,
    Query(parameters): Query,
) -> Result<Response, Problem> {
    parameters.only(&["format"])?;
    parameters.check_format()?;
    let place = place(&caller, number);
    if let Some(hook) = app.context.store.hook(&place).await?
        && let Ok(hook) = whole(&app, &caller, hook).await?
    {
        return Ok(Json(document(&app, &caller, &hook, None)).into_response());
    }
    let damaged = app.context.store.damaged_hook(&place).await?.ok_or_else(not_found)?;
    Ok(Json(DamagedHookDocument::of(&damaged, &app.context.public_url)).into_response())
}

/// `PUT` of one: all that its owner says of it, anew. Its signing key stays.
pub(super) async fn replace(
    State(app): State<Arc<App>>,
    caller: Caller,
    number: Number,
    request: Request,
) -> Result<Response, Problem> {
    let context = &app.context;
    let place = place(&caller, number);
    let object = json_object(request, app.body_bounds()).await?;
    let hook = find(&app, &caller, &place).await?;
    let now_shown = serde_json::to_value(document(&app, &caller, &hook, None)).map_err(Problem::internal)?;
    let order = Order::of_old(object, &now_shown, &context.settings)?;
    if hook.track.is_some()
        && let Some(list) = List::ALL.into_iter().find(|list| !list.is_empty(&order.filter))
    {
        let detail = format!("/{} has to be empty: a hook set on one resource hears of that alone", list.member());
        return Err(Problem::new(ProblemType::HookConflict, detail).with("where", format!("/{}", list.member())));
    }
    let spec = spec(&app, &caller, order, Some(&hook)).await?;
    done(&app, &place, context.store.change_hook(&place, spec, context.clock.now()).await?).await?;
    // What it is owed may be due at another rate now.
    context.deliver_wake.notify_one();
    shown(&app, &caller, &place, None).await
}

/// `DELETE` of one, with what it is still owed.
pub(super) async fn remove(State(app): State<Arc<App>>, caller: Caller, number: Number) -> Result<StatusCode, Problem> {
    let place = place(&caller, number);
    done(&app, &place, app.context.store.remove_hook(&place).await?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the store keeps of an order, once its URL was found good. That of a hook which has it already was.
async fn spec(app: &App, caller: &Caller, order: Order, old: Option<&Hook>) -> Result<HookSpec, Problem> {
    let rate = match old {
        Some(old) if old.spec.url == order.url => order.rate,
        _ => receiver::admit(app, &order.url, UrlIn::Body, order.rate).await?,
    };
    Ok(HookSpec {
        url: order.url,
        token: token(app, caller, order.token, old)?,
        filter: order.filter,
        format: order.format,
        mode: order.mode,
        rate,
        retries: order.retries,
        description: order.description,
    })
}

fn token(app: &App, caller: &Caller, order: Token, old: Option<&Hook>) -> Result<Option<Sealed>, Problem> {
    match (order, old.and_then(|old| old.spec.token.as_ref())) {
        (Token::None, _) => Ok(None),
        (Token::New(token), _) => seal_token(&app.context.vault, caller, Some(&token)),
        (Token::Kept, Some(token)) => Ok(Some(token.clone())),
        (Token::Kept, None) => {
            let detail =
                "/token is true, which keeps the token that a hook has, and this one has none: give it as text";
            Err(Problem::new(ProblemType::HookConflict, detail).with("where", "/token"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        let check = |text: &str, want: Option<i64>| {
            assert_eq!(read_after(text).ok().map(|id| id.0), want, "{text}");
        };
        check(&after_text(HookId(12)), Some(12));
        check(&BASE64URL.encode("instance:12"), None);
        check(&BASE64URL.encode("hook:x"), None);
        for wrong in ["", "12", "%%%", "_w"] {
            check(wrong, None);
        }
    }
}
