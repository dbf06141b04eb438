//! `POST /api/refresh`: polls the caller's account now, for a client that has just changed something. A poll in
//! progress, or one that ended a moment ago, counts as well.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::fresh::{self, Waited};
use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::errors;
use crate::api::input::parameters::ParameterError;
use crate::api::input::request::Query;
use crate::api::problem::Problem;
use crate::model::{Kind, ResourceId, Timestamp};
use crate::store::PollStatus;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Refreshed {
    /// `polled`, `recent` if the last poll was a moment ago, or `waiting` if the poll is still in progress.
    outcome: &'static str,
    #[schema(required)]
    last_attempt: Option<Timestamp>,
    #[schema(required)]
    last_complete: Option<Timestamp>,
    /// Why the last poll returned no list.
    #[schema(required)]
    error: Option<RefreshError>,
}

#[derive(Debug, Serialize, ToSchema)]
struct RefreshError {
    code: String,
    message: String,
}

/// Polls instances and realms, what `kind` names, or the one instance that `id` names, whatever `kind` says, and answers when that is done: 200, or 202 where it takes longer
/// than a request may wait.
pub(crate) async fn refresh(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(parameters): Query,
) -> Result<Response, Problem> {
    parameters.only(&["kind", "id", "format"])?;
    parameters.check_format()?;
    let kinds: &[Kind] = match parameters.get("kind") {
        None => &Kind::ALL,
        Some("instance") => &[Kind::Instance],
        Some("realm") => &[Kind::Realm],
        Some(_) => {
            let why = "is instance or realm, or left out for both".into();
            return Err(ParameterError::Invalid { name: "kind", why }.into());
        }
    };
    let id = parameters.get("id").map(ResourceId::parse).transpose();
    let id = id.map_err(|error| ParameterError::Invalid { name: "id", why: error.to_string() })?;
    let kinds = if id.is_some() { &[Kind::Instance] } else { kinds };
    let mut refreshed = BTreeMap::new();
    for &kind in kinds {
        refreshed.insert(kind.plural(), one(&app, &caller, kind, id.as_ref()).await?);
    }
    let is_done = refreshed.values().all(|refreshed| refreshed.outcome != WAITING);
    let status = if is_done { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(refreshed)).into_response())
}

const WAITING: &str = "waiting";

async fn one(app: &App, caller: &Caller, kind: Kind, id: Option<&ResourceId>) -> Result<Refreshed, Problem> {
    let before = fresh::status(app, caller, kind).await?;
    let now = app.context.clock.now();
    let attempted = before.as_ref().and_then(|status| status.last_attempt);
    let is_recent = attempted.is_some_and(|at| at <= now && now.since(at) < app.context.settings.refresh_every);
    Ok(match is_recent {
        true => document("recent", before),
        false => match poll(app, caller, kind, (id, attempted)).await? {
            Waited::Polled(status) => document("polled", status),
            Waited::InVain(status) => document(WAITING, status),
            Waited::Unrecorded(_, lost) => return Err(errors::poll_unrecorded(&lost)),
        },
    })
}

async fn poll(
    app: &App,
    caller: &Caller,
    kind: Kind,
    (id, attempted): (Option<&ResourceId>, Option<Timestamp>),
) -> Result<Waited, Problem> {
    match id {
        Some(id) => fresh::poll_one(app, caller, id.clone(), attempted).await,
        None => fresh::poll(app, caller, kind, attempted).await,
    }
}

fn document(outcome: &'static str, status: Option<PollStatus>) -> Refreshed {
    let failed = status.as_ref().filter(|status| status.failures > 0).and_then(|status| status.last_error.clone());
    Refreshed {
        outcome,
        last_attempt: status.as_ref().and_then(|status| status.last_attempt),
        last_complete: status.as_ref().and_then(|status| status.last_complete),
        error: failed.map(|error| RefreshError { code: error.code.to_string(), message: error.message }),
    }
}
