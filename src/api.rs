//! The HTTP API: every route at once, and what the handlers share. One file a resource; who asks is
//! settled in `caller`, how errors look in `problem`, what each error means to a client in `errors`.

mod auth;
pub mod control;
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

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::net;
use crate::roster::{CallShares, Roster};
use crate::store::Store;
use crate::vault::Vault;

pub use server::listen::{Listeners, serve};
pub use server::peer::{ClientHeader, Peer};
pub use settings::{Consent, OperatorSettings, ProofSettings, Settings};

use auth::bearer::Bearers;
use auth::proof::provider::{Admission, Provider};
use auth::proof::{Proofs, Prover};
use auth::tickets;
use auth::tickets::Tickets;
use deltacloud::{Document, in_xml_too};
use feed::hub::Hub;
use feed::shares::Shares;
use input::request::BodyBounds;
use middleware::{access_log, cors, etag, host, idempotency};
use problem::Problem;
use resources::{account, drivers, entry, health, history, instances, pending, realms, refresh, tokens};
use server::in_flight::InFlight;
use server::rate_limit::Rates;

/// What the API works with, joined in `serve`.
#[derive(Clone)]
pub struct Context {
    pub store: Arc<dyn Store>,
    pub roster: Arc<Roster>,
    /// What polls are under way, and which endpoints answer.
    pub poll_shares: Arc<CallShares>,
    pub vault: Arc<Vault>,
    pub clock: Arc<dyn Clock>,
    pub settings: Settings,
    /// Where clients reach this host, without a slash at the end.
    pub public_url: String,
    /// Wakes whoever polls: a poll was asked for. Only a hint.
    pub poll_wake: Arc<Notify>,
    /// Ticks after each poll that was recorded. Only a hint: the store says what came of it.
    pub polled: watch::Receiver<u64>,
    /// Wakes whoever delivers: something is pending that was not. Only a hint.
    pub deliver_wake: Arc<Notify>,
    /// The client that callbacks are sent with: it knows which addresses a hook may have.
    pub hooks_client: net::Client,
    pub metrics: Arc<Metrics>,
}

/// What every handler shares.
struct App {
    context: Context,
    proofs: Proofs,
    proof_shares: Arc<CallShares>,
    /// Ends what would otherwise wait, once the host stops.
    stopping: CancellationToken,
    /// Through which all that follow the journal hear of what is new.
    hub: Arc<Hub>,
    rates: Rates,
    /// The places of those who follow the journal.
    shares: Arc<Shares>,
    /// What streams of browsers are opened with.
    tickets: Tickets,
    /// The tokens of requests under way.
    bearers: Arc<Bearers>,
    /// What all other requests hold.
    in_flight: Arc<InFlight>,
    openapi: openapi::Written,
    /// Whose turn it is to have a page of a whole list written.
    whole_lists: Arc<Semaphore>,
}

/// How many pages of lists in XML are written at once. A page takes milliseconds of CPU time, and there may be as many such
/// lists as requests: the others have all cores but one.
const WHOLE_LISTS_AT_ONCE: usize = 1;

impl App {
    fn body_bounds(&self) -> BodyBounds {
        BodyBounds { bytes: self.context.settings.body_bytes, timeout: self.context.settings.body_timeout }
    }
}

/// What all handlers share. `running` is what the server has to keep up with it.
fn app(context: Context, running: &Running) -> Arc<App> {
    let provider = Provider {
        store: Arc::clone(&context.store),
        roster: Arc::clone(&context.roster),
        vault: Arc::clone(&context.vault),
        clock: Arc::clone(&context.clock),
        poll_wake: Arc::clone(&context.poll_wake),
        admission: Admission::new(&context.settings.proof),
    };
    app_with(context, Arc::new(provider), running)
}

/// What goes on beside the requests.
#[derive(Clone)]
struct Running {
    stopping: CancellationToken,
    hub: Arc<Hub>,
}

impl Running {
    fn new(context: &Context, stopping: CancellationToken) -> Running {
        let ring = context.settings.feed_ring;
        let hub = Hub::new(Arc::clone(&context.store), context.public_url.clone(), ring);
        Running { stopping, hub: Arc::new(hub) }
    }
}

fn app_with(context: Context, prover: Arc<dyn Prover>, running: &Running) -> Arc<App> {
    let clock = Arc::clone(&context.clock);
    let endpoints = Arc::clone(context.poll_shares.endpoints());
    let proof_shares = CallShares::new(endpoints, Arc::clone(&clock), context.settings.proof.limits());
    let metrics = Arc::clone(&context.metrics);
    let (settings, shares) = (context.settings.proof.clone(), Arc::clone(&proof_shares));
    let proofs = Proofs::new(prover, &context.vault, clock, settings, shares, metrics);
    let shares = Arc::new(Shares::new(&context.settings));
    let in_flight = InFlight::new(&context.settings);
    let tickets = Tickets::new(&context.settings);
    let bearers = Arc::default();
    let rates = Rates::new(context.settings.requests_per_minute);
    let Running { stopping, hub } = running.clone();
    let openapi = openapi::Written::default();
    let whole_lists = Arc::new(Semaphore::new(WHOLE_LISTS_AT_ONCE));
    Arc::new(App {
        context,
        proofs,
        proof_shares,
        stopping,
        hub,
        rates,
        shares,
        tickets,
        bearers,
        in_flight,
        openapi,
        whole_lists,
    })
}

/// What operators ask, of which no credentials are needed.
const OPERATOR_ROUTES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

fn of_operators() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
}

/// The routes of operators alone, as a service of their own.
fn operator_routes(app: &Arc<App>) -> Router {
    of_operators()
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::method_not_allowed)
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
        .route("/docs", get(openapi::read).route_layer(unless_known()))
        .route("/problems", get(problem::list))
        .route("/problems/{slug}", get(problem::show))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::method_not_allowed)
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

#[cfg(test)]
mod tests;
