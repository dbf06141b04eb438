//! What can be done with a hook beside changing it: `test`, `pause`, `resume`, and `redrive` of what was given up.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::super::App;
use super::super::caller::Caller;
use super::super::problem::{Problem, ProblemType};
use super::super::request::json_object;
use super::{Number, done, missing, place, shown};
use crate::model::ChangeId;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Redriven)]
pub(in super::super) struct RedrivenDocument {
    redriven: usize,
    /// Whether there may be more than one request takes.
    more: bool,
}

/// `POST .../test`: owes the hook a change of type `hook.test`. Answers 202 with that change's id.
pub(in super::super) async fn test(
    State(app): State<Arc<App>>,
    caller: Caller,
    number: Number,
    request: Request,
) -> Result<Response, Problem> {
    nothing_said(&app, request).await?;
    let context = &app.context;
    let place = place(&caller, number);
    let Some(change) = context.store.test_hook(&place, context.clock.now()).await? else {
        return Err(missing(&app, &place).await?);
    };
    context.deliver_wake.notify_one();
    Ok((StatusCode::ACCEPTED, Json(json!({ "change": change }))).into_response())
}

/// `POST .../pause`. Answers with the hook.
pub(in super::super) async fn pause(
    State(app): State<Arc<App>>,
    caller: Caller,
    number: Number,
    request: Request,
) -> Result<Response, Problem> {
    nothing_said(&app, request).await?;
    let place = place(&caller, number);
    done(&app, &place, app.context.store.pause_hook(&place, app.context.clock.now()).await?).await?;
    shown(&app, &caller, &place, None).await
}

/// `POST .../resume`: it goes on from where it stopped. Answers with the hook.
pub(in super::super) async fn resume(
    State(app): State<Arc<App>>,
    caller: Caller,
    number: Number,
    request: Request,
) -> Result<Response, Problem> {
    nothing_said(&app, request).await?;
    let place = place(&caller, number);
    done(&app, &place, app.context.store.resume_hook(&place, app.context.clock.now()).await?).await?;
    app.context.deliver_wake.notify_one();
    shown(&app, &caller, &place, None).await
}

/// `POST .../redrive`, of all dead letters or of the one of `change`: each is tried again as if for the first time.
/// Answers 202 with their number.
pub(in super::super) async fn redrive(
    State(app): State<Arc<App>>,
    caller: Caller,
    number: Number,
    request: Request,
) -> Result<Response, Problem> {
    let context = &app.context;
    let mut object = json_object(request, app.body_bounds()).await?;
    object.only(&["change"])?;
    let only: Option<ChangeId> = match object.take("change") {
        Some(member) => Some(member.text()?.parse().map_err(|error| member.invalid(format!("is {error}")))?),
        None => None,
    };
    let limit = context.settings.redriven;
    let place = place(&caller, number);
    let Some(redriven) = context.store.redrive(&place, only, limit, context.clock.now()).await? else {
        return Err(missing(&app, &place).await?);
    };
    if let Some(change) = only.filter(|_| redriven == 0) {
        let detail = format!("{change} is no dead letter of this hook; GET .../deliveries?state=dead lists them");
        return Err(Problem::new(ProblemType::NoDeadLetter, detail));
    }
    context.deliver_wake.notify_one();
    let more = only.is_none() && redriven >= limit;
    Ok((StatusCode::ACCEPTED, Json(RedrivenDocument { redriven, more })).into_response())
}

/// For a request that says all in its path: a body would be passed over.
async fn nothing_said(app: &App, request: Request) -> Result<(), Problem> {
    Ok(json_object(request, app.body_bounds()).await?.only(&[])?)
}
