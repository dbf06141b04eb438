//! Liveness and readiness, for whoever runs the host: no credentials are needed, and nothing is told but
//! whether.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::App;
use super::problem::{Problem, ProblemType};
use crate::metrics;

/// A store that takes longer than this to answer is not one to send clients to.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// `GET /healthz`: answers while the process runs.
pub(super) async fn alive() -> Response {
    Json(json!({ "status": "alive" })).into_response()
}

/// `GET /metrics`: what the host counts, as Prometheus reads it. Nothing of accounts is in it.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let held = app.context.store.held().await?;
    let text = app.context.metrics.text(held, app.shares.streams()).map_err(Problem::internal)?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

/// `GET /readyz`: answers well while requests can be served.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    if app.stopping.is_cancelled() {
        return Err(Problem::new(ProblemType::Stopping, "the host is stopping"));
    }
    match tokio::time::timeout(PING_TIMEOUT, app.context.store.ping()).await {
        Ok(answered) => answered?,
        Err(_) => {
            let problem = Problem::new(ProblemType::StoreUnavailable, "the host's store does not answer");
            return Err(problem.logging(format!("the store did not answer a ping within {PING_TIMEOUT:?}")));
        }
    }
    Ok(Json(json!({ "status": "ready" })).into_response())
}
