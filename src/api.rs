//! The HTTP API: all routes.
//!
//! The parts of this module depend on each other in this order, from the bottom: `problem` (the form of errors) and
//! `settings`; `input` (parsing of requests) and `server` (the socket); `auth` (authentication); `errors` (from errors
//! to problems); `app` (the state that handlers share); `deltacloud` and `middleware`; `hooks`; `resources`; `feed`;
//! `openapi`; and this file, with `starting`, which answers in its place while a host starts. There are two exceptions:
//! `app` holds parts of `feed` and `auth` that do not depend on it, and `auth/authenticate` uses `app`. No import cycle
//! exists between files.

mod app;
mod auth;
mod deltacloud;
mod errors;
mod feed;
mod hooks;
mod input;
mod middleware;
mod openapi;
mod problem;
mod resources;
mod server;
mod settings;
pub mod starting;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use crate::model::Kind;

pub use app::Context;
pub use server::listen::{Listeners, read_clock_once};
pub use server::peer::Peer;
pub use settings::{ClientHeader, Consent, OperatorSettings, ProofSettings, Settings};

use app::{App, Running};
use deltacloud::document::Document;
use deltacloud::{in_xml_too, matrix};
use middleware::{access_log, cors, etag, host, idempotency};
use problem::{Problem, ProblemType};
use resources::{account, drivers, entry, health, history, instances, pending, realms, refresh, tickets, tokens};
use server::listen::{self, Service};

/// Serves the API until `token` is cancelled; then requests under way may take `settings.grace` to end.
///
/// # Errors
/// The operators' thread can't be started.
pub async fn serve(listeners: Listeners, context: Context, token: CancellationToken) -> io::Result<()> {
    let running = Running::new(&context, token.clone());
    let app = app::app(context, &running);
    let service = Service {
        public: public_routes(&app),
        operator: operator_routes(&app),
        settings: app.context.settings.clone(),
        metrics: Arc::clone(&app.context.metrics),
        in_flight: Arc::clone(&app.in_flight),
    };
    drop(app);
    let until = token.clone();
    listen::serve(listeners, service, async move { running.hub.run(until).await }, token).await
}

fn of_operators() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
}

/// The routes of operators alone, as a service of their own.
fn operator_routes(app: &Arc<App>) -> Router {
    of_operators()
        .fallback(no_such_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CatchPanicLayer::custom(access_log::panicked))
        .layer(from_fn(host::require_one))
        .layer(from_fn_with_state(Arc::clone(app), access_log::observe))
        .with_state(Arc::clone(app))
}

/// The API as a service. Whoever serves it puts a `Peer` into the extensions of each request: without it, wrong
/// passwords are counted by account alone.
fn public_routes(app: &Arc<App>) -> Router {
    // Around every POST: what a client sends again is done once.
    let once = || from_fn_with_state(Arc::clone(app), idempotency::once);
    // Around what is read again and again: it is sent only where it is another.
    let unless_known = || from_fn(etag::conditional);
    let router = Router::new()
        .route("/", get(entry::lead_here))
        .route("/api", in_xml_too(Document::Entry, get(entry::show)))
        .route("/api/drivers", in_xml_too(Document::Drivers, get(drivers::list).route_layer(unless_known())))
        .route("/api/drivers/{id}", in_xml_too(Document::Driver, get(drivers::show).route_layer(unless_known())))
        .route("/api/instances", in_xml_too(Document::Instances, get(instances::list).route_layer(unless_known())))
        .route(
            "/api/instances/{id}",
            in_xml_too(Document::Instance, get(instances::show).route_layer(unless_known()).put(instances::track)),
        )
        .route("/api/instances/{id}/history", get(history::of_instance))
        .route("/api/realms", in_xml_too(Document::Realms, get(realms::list).route_layer(unless_known())))
        .route(
            "/api/realms/{id}",
            in_xml_too(Document::Realm, get(realms::show).route_layer(unless_known()).put(realms::track)),
        )
        .route("/api/realms/{id}/history", get(history::of_realm))
        .route("/api/account", get(account::show).delete(account::forget))
        .route("/api/refresh", post(refresh::refresh).route_layer(once()))
        .route("/api/hooks", post(hooks::create).route_layer(once()).get(hooks::list))
        .route("/api/hooks/{id}", get(hooks::show).put(hooks::replace).delete(hooks::remove))
        .route("/api/hooks/{id}/test", post(hooks::actions::test).route_layer(once()))
        .route("/api/hooks/{id}/pause", post(hooks::actions::pause).route_layer(once()))
        .route("/api/hooks/{id}/resume", post(hooks::actions::resume).route_layer(once()))
        .route("/api/hooks/{id}/rotate", post(hooks::rotation::rotate).route_layer(once()))
        .route("/api/hooks/{id}/replay", post(hooks::replay::replay).route_layer(once()))
        .route("/api/hooks/{id}/redrive", post(hooks::actions::redrive).route_layer(once()))
        .route("/api/hooks/{id}/deliveries", get(hooks::deliveries::list))
        .route("/api/tokens", post(tokens::create).route_layer(once()).get(tokens::list))
        .route("/api/tokens/{id}", get(tokens::show).delete(tokens::revoke))
        .route("/api/tokens/{id}/rotate", post(tokens::rotate).route_layer(once()))
        .route("/api/tickets", post(tickets::create))
        // Answered apart, because what a GET reads is no longer pending.
        .route("/api/changes", get(feed::changes::read).head(feed::changes::nothing_read))
        .route("/api/changes/acknowledge", post(pending::acknowledge))
        .merge(if app.context.settings.operator_routes { of_operators() } else { Router::new() })
        .route("/openapi.json", get(openapi::show).route_layer(unless_known()))
        .route("/docs", get(openapi::docs::page).route_layer(unless_known()))
        .route("/docs/{file}", get(openapi::docs::file).route_layer(unless_known()))
        .route("/problems", get(problem::list))
        .route("/problems/{slug}", get(problem::show))
        .fallback(no_such_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CatchPanicLayer::custom(access_log::panicked))
        .layer(from_fn(host::require_one))
        .layer(from_fn_with_state(Arc::clone(app), access_log::observe))
        .layer(from_fn_with_state(Arc::clone(app), deltacloud::translate))
        .layer(CompressionLayer::new());
    let router = match cors::layer(&app.context.settings.cors_origins) {
        Some(cors) => router.layer(cors),
        None => router,
    };
    deltacloud::before(router.with_state(Arc::clone(app)))
}

async fn no_such_route(request: Request) -> Problem {
    if let Some(error) = matrix::unread(request.uri()) {
        return error.into();
    }
    Problem::new(ProblemType::RouteNotFound, "there is nothing at this path; GET /api has links to what there is")
}

async fn method_not_allowed(request: Request) -> Problem {
    let mut detail = format!("{} is not among the methods that the Allow header names", request.method());
    let collection = request.uri().path().split('/').nth(2).unwrap_or_default();
    if request.method() == Method::POST && Kind::ALL.iter().any(|kind| kind.plural() == collection) {
        detail += &format!(
            "; the tracker makes no {collection}. To track one, send PUT /api/{collection}/ID?track_hook=URL, also before it is there"
        );
    }
    Problem::new(ProblemType::MethodNotAllowed, detail)
}

#[cfg(test)]
mod tests;
