//! The shared state of the operator's requests: its sources, and the commands to the rest of the host.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::driver::reload::Reloaded;
use crate::roster::Roster;
use crate::rotation::Rotation;
use crate::store::{Store, StoreError};

/// What the operator's requests are answered from.
#[derive(Clone)]
pub struct Control {
    pub roster: Arc<Roster>,
    pub reloads: Reloads,
    pub rotation: Arc<Rotation>,
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
}

/// Asks for drivers to be loaded anew.
#[derive(Debug, Default)]
pub struct ReloadRequest {
    /// Who wants to know what came of it.
    pub answer: Option<oneshot::Sender<Result<Vec<Reloaded>, String>>>,
}

pub type Reloads = mpsc::Sender<ReloadRequest>;

pub(super) fn store_failed(error: &StoreError) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("the store: {error}")).into_response()
}
