//! Hooks as a resource: `GET` and `POST /api/hooks`, and `GET`, `PUT` and `DELETE` of one. Each other operation on a
//! hook has a separate file. A caller sees only its own hooks, including those on single resources (`track_hook`).

pub(super) mod actions;
pub(super) mod callback_url;
mod consent;
pub(super) mod creation;
pub(super) mod deliveries;
pub(super) mod document;
mod found;
mod order;
pub(super) mod receiver;
pub(super) mod replay;
pub(super) mod rotation;
pub(super) mod signing;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

use super::app::App;
use super::auth::bearer::Ended;
use super::auth::caller::Caller;
use super::input::conditions::{self, Conditions};
use super::input::filter::List;
use super::input::json::Object;
use super::input::paging::{put_next, read_limit};
use super::input::parameters::ParameterError;
use super::input::request::{Query, json_object};
use super::middleware::etag;
use super::middleware::idempotency::Repeatable;
use super::problem::{Problem, ProblemType};
use crate::model::{Hook, HookId, HookSpec, Sealed};
use crate::store::{Condition, HookAction, HookEdit, Refusal, Versions, Written};
use callback_url::UrlIn;
use creation::{check_room, seal_token};

use document::{DamagedHookDocument, ListedHook, link};
use found::{Number, Shower, document, find, not_found, place, refused, whole};
use order::{Order, Token};

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
    let mut hooks = context.store.hooks(caller.account, &caller.owner, after, limit).await?;
    for hook in &mut hooks.items {
        if let Ok(read) = hook {
            *hook = whole(&app, &caller, read.clone()).await?;
        }
    }
    let documents: Vec<ListedHook<'_>> = hooks
        .iter()
        .map(|hook| match hook {
            Ok(hook) => ListedHook::Whole(Box::new(document(&app, &caller, hook))),
            Err(damaged) => ListedHook::Damaged(DamagedHookDocument::of(damaged, &context.public_url)),
        })
        .collect();
    let mut response = Json(BTreeMap::from([("hooks", documents)])).into_response();
    if let Some(last) = hooks.last().filter(|_| hooks.is_more) {
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
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    repeatable: Repeatable,
    request: Request,
) -> Result<Response, Problem> {
    let context = &app.context;
    let (order, key) = Order::of_new(json_object(request, app.body_bounds()).await?, &context.settings)?;
    if matches!(order.token, Token::Kept) {
        let detail = "/token is true, which keeps the token of a hook, but a new hook has none: give it as text";
        return Err(Problem::new(ProblemType::InvalidMember, detail).with("where", "/token"));
    }
    check_room(&app, &caller).await?;
    let spec = spec(&app, &caller, order, None).await?;
    let (secret, shown) = signing::new_key(&app, &caller, key.signing, key.secret)?;
    let shower = Shower::new(&app, &caller, Some(shown));
    let answer =
        move |hook: &Hook| shower.answer(StatusCode::CREATED, hook).at(&link(&shower.app.context.public_url, hook.id));
    let write = async |once, now| {
        let hook = creation::new_hook(&app, &caller, None, (spec, secret), now);
        creation::create(&app, &caller, hook, once).await
    };
    repeatable.carry_out(&app, &caller, write, answer, |refusal| not_created(&app, &refusal)).await
}

fn not_created(app: &App, refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::TooManyFilterItems => too_many_filter_items(app),
        Refusal::OwnerGone => Ended::Revoked.into(),
        _ => creation::no_room(app),
    }
}

fn too_many_filter_items(app: &App) -> Problem {
    let limit = app.context.settings.filter_items_per_account;
    let detail = format!(
        "the filters of the account's hooks would have more than {limit} items together: use the beginning of ids, as in \
         \"web-*\", instead of many ids, or delete hooks"
    );
    Problem::new(ProblemType::TooManyFilterItems, detail).with("limit", limit)
}

/// `GET` of one hook; 304 where `If-None-Match` names its version. The version does not cover the health of the receiver: a
/// client that wants that sends no tag.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    number: Number,
    headers: HeaderMap,
    Query(parameters): Query,
) -> Result<Response, Problem> {
    parameters.only(&["format"])?;
    parameters.check_format()?;
    let place = place(&caller, number);
    if let Some(hook) = app.context.store.hook(&place).await?
        && let Ok(hook) = whole(&app, &caller, hook).await?
    {
        let answer = Shower::new(&app, &caller, None).answer(StatusCode::OK, &hook).into_response();
        return Ok(etag::unless_known(&etag::tags(&headers), &conditions::tag(hook.version), answer));
    }
    let damaged = app.context.store.damaged_hook(&place).await?.ok_or_else(not_found)?;
    Ok(Json(DamagedHookDocument::of(&damaged, &app.context.public_url)).into_response())
}

/// How often a replacement is tried anew because the hook was changed while it was looked at.
const MOST_TRIES: usize = 10;

/// `PUT` of one: all that its owner says of it, anew. Its signing key stays.
pub(super) async fn replace(
    State(app): State<Arc<App>>,
    caller: Caller,
    number: Number,
    Conditions(condition): Conditions,
    request: Request,
) -> Result<Response, Problem> {
    let context = &app.context;
    let place = place(&caller, number);
    let object = json_object(request, app.body_bounds()).await?;
    for _ in 0..MOST_TRIES {
        let hook = find(&app, &caller, &place).await?;
        if !condition.holds(hook.version) {
            return Err(refused(Refusal::VersionDiffers(hook.version)));
        }
        let spec = replacement(&app, &caller, object.clone(), &hook).await?;
        // What it keeps of the hook is what was read: this is for no other version.
        let only = Some(Versions::These(vec![hook.version]));
        let filter_items = context.settings.filter_items_per_account;
        let (place, action) = (place.clone(), HookAction::Replace { spec: Box::new(spec), filter_items });
        let condition = Condition { only, none_of: None };
        let shower = Shower::new(&app, &caller, None);
        caller.require_accepted(context.clock.now())?;
        let edit = |now| context.store.edit_hook(HookEdit { place, condition, action, now }, None);
        match context.clock.while_steady(edit).await? {
            Written::Done(edited) => return Ok(shower.answer(StatusCode::OK, &edited.hook).into_response()),
            Written::Refused(Refusal::VersionDiffers(_)) => {}
            Written::Refused(Refusal::TooManyFilterItems) => return Err(too_many_filter_items(&app)),
            Written::Refused(refusal) => return Err(refused(refusal)),
            Written::Replayed(_) => return Err(Problem::internal("the store replayed a request that has no key")),
        }
    }
    let detail = "other requests changed the hook at each try: try again";
    Err(Problem::new(ProblemType::HookConflict, detail))
}

async fn replacement(app: &App, caller: &Caller, object: Object, hook: &Hook) -> Result<HookSpec, Problem> {
    let now_shown = serde_json::to_value(document(app, caller, hook)).map_err(Problem::internal)?;
    let order = Order::of_old(object, &now_shown, &app.context.settings)?;
    if hook.track.is_some()
        && let Some(list) = List::ALL.into_iter().find(|list| !list.is_empty(&order.filter))
    {
        let detail = format!("/{} has to be empty: a hook on one resource receives only its changes", list.member());
        return Err(Problem::new(ProblemType::HookConflict, detail).with("where", format!("/{}", list.member())));
    }
    spec(app, caller, order, Some(hook)).await
}

/// `DELETE` of one, with its pending deliveries.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    number: Number,
    Conditions(condition): Conditions,
) -> Result<StatusCode, Problem> {
    let place = place(&caller, number);
    app.context.store.delete_hook(&place, condition).await?.map_err(refused)?;
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
                "/token is true, which keeps the token of a hook, but this hook does not have one: give it as text";
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
