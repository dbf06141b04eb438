//! Finds the hook that a request names among the caller's hooks, or explains why there is none; and shows it.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::document::HookDocument;
use super::signing::{self, Shown};
use crate::api::app::App;
use crate::api::auth::bearer::Ended;
use crate::api::auth::caller::Caller;
use crate::api::input::conditions;
use crate::api::input::request::path_word;
use crate::api::middleware::idempotency::Answer;
use crate::api::problem::{Problem, ProblemType};
use crate::model::{Hook, HookId, Timestamp};
use crate::store::{DamagedHook, HookPlace, Refusal};

/// The hook that a path names.
pub(crate) struct Number(HookId);

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Number, Problem> {
        let word = path_word(parts, state).await?;
        // What no hook could be called is not there either.
        let number = word.parse().ok().filter(|number: &i64| number.to_string() == word);
        number.map(|number| Number(HookId(number))).ok_or_else(not_found)
    }
}

pub(super) fn not_found() -> Problem {
    Problem::new(ProblemType::HookNotFound, "you have no hook with this id; GET /api/hooks lists your hooks")
}

pub(super) fn place(caller: &Caller, Number(hook): Number) -> HookPlace {
    HookPlace { account: caller.account, owner: caller.owner.clone(), hook }
}

pub(super) async fn find(app: &App, caller: &Caller, place: &HookPlace) -> Result<Hook, Problem> {
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
pub(super) async fn whole(app: &App, caller: &Caller, hook: Hook) -> Result<Result<Hook, DamagedHook>, Problem> {
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
    Ok(app.context.store.damaged_hook(place).await?.map_or_else(not_found, |found| damaged(found.reason)))
}

fn damaged(reason: String) -> Problem {
    let detail = "the hook cannot be read from the host's store: delete it, and set it again";
    Problem::new(ProblemType::HookConflict, detail).with("damaged", reason)
}

/// Why nothing was done with a hook.
pub(super) fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Damaged(reason) => damaged(reason),
        Refusal::VersionDiffers(version) => {
            let detail = "the hook has changed since you read it, or If-None-Match names its version: read it again";
            Problem::new(ProblemType::PreconditionFailed, detail).with("etag", conditions::tag(version))
        }
        Refusal::NoDeadLetter => {
            let detail = "the change is not a dead letter of this hook; GET .../deliveries?state=dead lists them";
            Problem::new(ProblemType::NoDeadLetter, detail)
        }
        Refusal::OwnerGone => Ended::Revoked.into(),
        Refusal::NotFound | Refusal::LimitReached | Refusal::TooManyFilterItems => not_found(),
    }
}

/// How a hook is answered, whatever was done to it: everything that this takes is at hand when the store has written.
#[derive(Clone)]
pub(super) struct Shower {
    pub(super) app: Arc<App>,
    caller: Caller,
    now: Timestamp,
    /// The key that the request made or brought.
    key: Option<Shown>,
}

impl Shower {
    pub(super) fn new(app: &Arc<App>, caller: &Caller, key: Option<Shown>) -> Shower {
        Shower { app: Arc::clone(app), caller: caller.clone(), now: app.context.clock.now(), key }
    }

    pub(super) fn answer(&self, status: StatusCode, hook: &Hook) -> Answer {
        let key = self.key.clone().or_else(|| signing::present(&self.app, &self.caller, hook));
        let document = HookDocument::of(hook, key, &self.app.context.public_url, self.now);
        Answer::json(status, &document).tagged(&conditions::tag(hook.version))
    }
}

pub(super) fn document<'a>(app: &App, caller: &Caller, hook: &'a Hook) -> HookDocument<'a> {
    let key = signing::present(app, caller, hook);
    HookDocument::of(hook, key, &app.context.public_url, app.context.clock.now())
}
