//! `POST /drivers/reload`: reloads the drivers, and reports the outcome for each.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::state::{Control, ReloadRequest};
use crate::driver::reload::{Outcome, Reloaded};
use crate::supply::Role;

/// What `POST /drivers/reload` answers with.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReloadDocument {
    pub drivers: Vec<ReloadedDocument>,
    /// Files that are not loaded, with why.
    pub not_loaded: Vec<NotLoadedDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ReloadedDocument {
    pub name: String,
    pub role: Role,
    /// `loaded`, `replaced`, `unchanged` or `dropped`.
    pub outcome: String,
    /// What is loaded now, with the beginning of its SHA-256.
    pub version: Option<String>,
    /// What was loaded before, if that is something else.
    pub before: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct NotLoadedDocument {
    pub file: String,
    /// Whether it should be: it is approved. A file that nobody vetted may lie there.
    pub approved: bool,
    pub reason: String,
}

pub(super) async fn reload(State(control): State<Control>) -> Response {
    let (answer, answered) = oneshot::channel();
    let ending = || (StatusCode::SERVICE_UNAVAILABLE, "the host is ending").into_response();
    if control.reloads.send(ReloadRequest { answer: Some(answer) }).await.is_err() {
        return ending();
    }
    match answered.await {
        Err(_) => ending(),
        Ok(Err(error)) => (StatusCode::UNPROCESSABLE_ENTITY, error).into_response(),
        Ok(Ok(reloaded)) => {
            let catalog = control.roster.catalog();
            let not_loaded = catalog.rejected().iter().map(|rejected| NotLoadedDocument {
                file: rejected.file.display().to_string(),
                approved: !rejected.reason.is_unapproved(),
                reason: rejected.reason.to_string(),
            });
            let drivers = reloaded.into_iter().map(ReloadedDocument::from).collect();
            Json(ReloadDocument { drivers, not_loaded: not_loaded.collect() }).into_response()
        }
    }
}

impl From<Reloaded> for ReloadedDocument {
    fn from(reloaded: Reloaded) -> ReloadedDocument {
        let Reloaded { name, role, outcome } = reloaded;
        let (outcome, version, before) = match outcome {
            Outcome::Loaded { version } => ("loaded", Some(version), None),
            Outcome::Replaced { before, version } => ("replaced", Some(version), Some(before)),
            Outcome::Unchanged { version } => ("unchanged", Some(version), None),
            Outcome::Dropped { before } => ("dropped", None, Some(before)),
        };
        ReloadedDocument { name, role, outcome: outcome.to_owned(), version, before }
    }
}
