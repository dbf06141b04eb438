//! Actions on a hook: `test`, `pause`, `resume`, and `redrive` of dead letters.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::found::{Number, Shower, find, place, refused};
use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::input::conditions::Conditions;
use crate::api::input::request::json_object;
use crate::api::middleware::idempotency::{Answer, Repeatable};
use crate::api::problem::Problem;
use crate::model::ChangeId;
use crate::store::{EditedHook, HookAction, HookEdit, HookPlace, Redrive, Redriven};

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Redriven)]
pub(crate) struct RedrivenDocument {
    redriven: usize,
    /// Whether more dead letters may be left for another request.
    more: bool,
}

/// `POST .../test`: owes the hook a change of type `hook.test`. Answers 202 with that change's id.
pub(crate) async fn test(
    State(app): State<Arc<App>>,
    caller: Caller,
    number: Number,
    (repeatable, conditions): (Repeatable, Conditions),
    request: Request,
) -> Result<Response, Problem> {
    nothing_said(&app, request).await?;
    let answer = |edited: &EditedHook| Answer::json(StatusCode::ACCEPTED, &json!({ "change": edited.test }));
    let wanted = Wanted { place: place(&caller, number), conditions, repeatable };
    wanted.act(&app, &caller, HookAction::Test, answer).await
}

/// `POST .../pause`. Answers with the hook.
pub(crate) async fn pause(
    State(app): State<Arc<App>>,
    caller: Caller,
    number: Number,
    (repeatable, conditions): (Repeatable, Conditions),
    request: Request,
) -> Result<Response, Problem> {
    nothing_said(&app, request).await?;
    let shower = Shower::new(&app, &caller, None);
    let answer = move |edited: &EditedHook| shower.answer(StatusCode::OK, &edited.hook);
    let wanted = Wanted { place: place(&caller, number), conditions, repeatable };
    wanted.act(&app, &caller, HookAction::Pause, answer).await
}

/// `POST .../resume`: it goes on from where it stopped. Answers with the hook.
pub(crate) async fn resume(
    State(app): State<Arc<App>>,
    caller: Caller,
    number: Number,
    (repeatable, conditions): (Repeatable, Conditions),
    request: Request,
) -> Result<Response, Problem> {
    nothing_said(&app, request).await?;
    let shower = Shower::new(&app, &caller, None);
    let answer = move |edited: &EditedHook| shower.answer(StatusCode::OK, &edited.hook);
    let wanted = Wanted { place: place(&caller, number), conditions, repeatable };
    wanted.act(&app, &caller, HookAction::Resume, answer).await
}

/// What a request wants to do something with.
pub(super) struct Wanted {
    pub(super) place: HookPlace,
    pub(super) conditions: Conditions,
    pub(super) repeatable: Repeatable,
}

impl Wanted {
    /// Does it, and answers with what was written.
    pub(super) async fn act(
        self,
        app: &Arc<App>,
        caller: &Caller,
        action: HookAction,
        answer: impl Fn(&EditedHook) -> Answer + Clone + Send + Sync + 'static,
    ) -> Result<Response, Problem> {
        let Wanted { place, conditions: Conditions(condition), repeatable } = self;
        let context = &app.context;
        // Of what does not open nothing could be shown afterwards.
        find(app, caller, &place).await?;
        let write = async |once, now| {
            let edit = HookEdit { place, condition, action, now };
            context.store.edit_hook(edit, once).await
        };
        repeatable.carry_out(app, caller, write, answer, refused).await
    }
}

/// `POST .../redrive`, of all dead letters or of the one of `change`: each is tried again as if for the first time.
/// Answers 202 with their number.
pub(crate) async fn redrive(
    State(app): State<Arc<App>>,
    caller: Caller,
    number: Number,
    (repeatable, Conditions(condition)): (Repeatable, Conditions),
    request: Request,
) -> Result<Response, Problem> {
    let context = &app.context;
    let mut object = json_object(request, app.body_bounds()).await?;
    object.only(&["change"])?;
    let only: Option<ChangeId> = match object.take("change") {
        Some(member) => Some(member.text()?.parse().map_err(|error| member.invalid(format!("is {error}")))?),
        None => None,
    };
    let (place, limit) = (place(&caller, number), context.settings.redriven);
    let write = async |once, now| {
        let redrive = Redrive { place, condition, only, limit, now };
        context.store.redrive_hook(redrive, once).await
    };
    let answer = |redriven: &Redriven| {
        let Redriven { number, more } = *redriven;
        Answer::json(StatusCode::ACCEPTED, &RedrivenDocument { redriven: number, more })
    };
    repeatable.carry_out(&app, &caller, write, answer, refused).await
}

/// For a request that says all in its path: a body would be passed over.
async fn nothing_said(app: &App, request: Request) -> Result<(), Problem> {
    Ok(json_object(request, app.body_bounds()).await?.only(&[])?)
}
