//! Liveness and readiness, for the operator. They need no credentials. They show only whether the host is alive and
//! ready, and which of its own work keeps failing.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::api::app::App;
use crate::api::problem::RETRY_SOON;
use crate::api::problem::{Problem, ProblemType};
use crate::metrics::{self, Failing, Operation};
use crate::model::Share;

/// A store that takes longer than this to answer is not one to send clients to.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// `GET /healthz`: answers while the process runs.
pub(crate) async fn alive() -> Response {
    Json(json!({ "status": "alive" })).into_response()
}

/// `GET /metrics`: what the host counts, as Prometheus reads it. Nothing of accounts is in it.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    // What the host counts by itself is told in any case, above all while the store fails.
    let held = app.context.store.held().await;
    let held = held.inspect_err(|error| tracing::error!(%error, "cannot count the rows of the store")).ok();
    for (state, count) in app.context.poll_shares.endpoints().counts() {
        app.context.metrics.providers.endpoints(state, count);
    }
    for (calls, shares) in [("polls", &app.context.poll_shares), ("proofs", &app.proof_shares)] {
        for share in Share::ALL {
            app.context.metrics.providers.in_flight(calls, share.as_str(), shares.under_way(share));
        }
    }
    app.context.metrics.requests.streams(app.shares.streams());
    let text = app.context.metrics.text(held).map_err(Problem::internal)?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

/// `GET /readyz`: answers well while requests can be served.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    if app.stopping.is_cancelled() {
        return Err(Problem::new(ProblemType::Stopping, "the host is stopping"));
    }
    let metrics = &app.context.metrics;
    let pinged = match tokio::time::timeout(PING_TIMEOUT, app.context.store.ping()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err((error.kind(), error.to_string())),
        Err(_) => Err(("timeout", format!("the store did not answer a ping within {PING_TIMEOUT:?}"))),
    };
    let now = app.context.clock.now();
    let mut failing = metrics.work.health().failing(now, app.context.settings.readiness);
    // A host that lacks some of its drivers serves the accounts of the others.
    failing.retain(|failing| !matches!(failing.operation, Operation::LoadDrivers | Operation::Ping));
    if app.context.roster.catalog().lacks_all() {
        failing.extend(metrics.work.health().row(Operation::LoadDrivers));
    }
    match pinged {
        Ok(()) => metrics.work.succeeded(Operation::Ping, now),
        // One failure is enough here: it says how things are at this moment.
        Err((word, logged)) => {
            metrics.work.failed(Operation::Ping, now, word);
            failing.extend(metrics.work.health().row(Operation::Ping));
            return Err(keeps_failing(&failing).logging(logged));
        }
    }
    check_drivers(&app)?;
    if !failing.is_empty() {
        return Err(keeps_failing(&failing));
    }
    Ok(Json(json!({ "status": "ready" })).into_response())
}

/// Without any of the drivers that it was to have, a host can't poll, nor prove credentials.
fn check_drivers(app: &App) -> Result<(), Problem> {
    let roster = &app.context.roster;
    let catalog = roster.catalog();
    let is_any_polled = !roster.accounts().is_empty();
    let failing = app.context.metrics.work.health().row(Operation::LoadDrivers);
    let detail = if let Some(failing) = failing.filter(|_| catalog.lacks_all()) {
        let Failing { error, since, .. } = failing;
        let detail =
            format!("no driver can be loaded since {since} ({error}); the host retries, and its log says more");
        let problem = Problem::new(ProblemType::NoDriver, detail).with("failing", members(&[failing]));
        return Err(problem.retry_after(RETRY_SOON));
    } else if catalog.lacks_all() {
        "no driver is loaded, although one is approved: the host's log says why"
    } else if catalog.drivers().next().is_none() && is_any_polled {
        "no driver is loaded, although accounts are configured: approve one with `tracker driver approve FILE`"
    } else {
        return Ok(());
    };
    Err(Problem::new(ProblemType::NoDriver, detail).retry_after(RETRY_SOON))
}

fn keeps_failing(failing: &[Failing]) -> Problem {
    let each = failing.iter().map(|failing| {
        let Failing { operation, since, failures, error, .. } = failing;
        format!("{} failed {failures} times in a row since {since} ({error})", operation.as_str())
    });
    let detail = format!("the host's own work keeps failing: {}", each.collect::<Vec<_>>().join("; "));
    Problem::new(ProblemType::StoreUnavailable, detail).with("failing", members(failing)).retry_after(RETRY_SOON)
}

fn members(failing: &[Failing]) -> Vec<Value> {
    failing
        .iter()
        .map(|failing| {
            json!({
                "operation": failing.operation.as_str(),
                "since": failing.since,
                "failures": failing.failures,
                "error": failing.error,
                "last_success": failing.last_success,
            })
        })
        .collect()
}
