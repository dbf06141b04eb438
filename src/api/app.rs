//! The state that all handlers share: the parts that `serve` connects (`Context`), and the API's own state (`App`). No
//! part depends on this file.

use std::sync::{Arc, OnceLock};

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::auth::bearer::Bearers;
use super::auth::proof::Proofs;
use super::auth::proof::claim::Prover;
use super::auth::proof::provider::{Admission, Provider};
use super::auth::tickets::Tickets;
use super::feed::hub::Hub;
use super::feed::shares::Shares;
use super::input::request::BodyBounds;
use super::server::compressed::Compressed;
use super::server::in_flight::InFlight;
use super::server::rate_limit::Rates;
use super::settings::Settings;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::net;
use crate::roster::{CallShares, Roster};
use crate::store::Store;
use crate::vault::Vault;

/// What operators ask, of which no credentials are needed.
pub(crate) const OPERATOR_ROUTES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

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
    /// Ticks after each poll that was recorded. Only a hint: the store says what came of it.
    pub polled: watch::Receiver<u64>,
    /// The client that callbacks are sent with: it knows which addresses a hook may have.
    pub hooks_client: net::Client,
    pub metrics: Arc<Metrics>,
}

/// What every handler shares.
pub(crate) struct App {
    pub(crate) context: Context,
    pub(crate) proofs: Proofs,
    pub(crate) proof_shares: Arc<CallShares>,
    /// Ends what would otherwise wait, once the host stops.
    pub(crate) stopping: CancellationToken,
    /// Through which all that follow the journal hear of what is new.
    pub(crate) hub: Arc<Hub>,
    pub(crate) rates: Rates,
    /// The places of those who follow the journal.
    pub(crate) shares: Arc<Shares>,
    /// What streams of browsers are opened with.
    pub(crate) tickets: Tickets,
    /// The tokens of requests under way.
    pub(crate) bearers: Arc<Bearers>,
    /// What all other requests hold.
    pub(crate) in_flight: Arc<InFlight>,
    /// The description of the API, written once.
    pub(crate) openapi: OnceLock<Compressed>,
    /// Whose turn it is to have a page of a whole list written.
    pub(crate) whole_lists: Arc<Semaphore>,
}

/// How many pages of lists in XML are written at once. A page takes milliseconds of CPU time, and there may be as many such
/// lists as requests: the others have all cores but one.
const WHOLE_LISTS_AT_ONCE: usize = 1;

impl App {
    pub(crate) fn body_bounds(&self) -> BodyBounds {
        BodyBounds { bytes: self.context.settings.body_bytes, timeout: self.context.settings.body_timeout }
    }
}

/// What all handlers share. `running` is what the server has to keep up with it.
pub(crate) fn app(context: Context, running: &Running) -> Arc<App> {
    let provider = Provider {
        store: Arc::clone(&context.store),
        roster: Arc::clone(&context.roster),
        vault: Arc::clone(&context.vault),
        clock: Arc::clone(&context.clock),
        admission: Admission::new(&context.settings.proof),
    };
    app_with(context, Arc::new(provider), running)
}

/// What goes on beside the requests.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) stopping: CancellationToken,
    pub(crate) hub: Arc<Hub>,
}

impl Running {
    pub(crate) fn new(context: &Context, stopping: CancellationToken) -> Running {
        let ring = context.settings.feed_ring;
        let hub = Hub::new(Arc::clone(&context.store), context.public_url.clone(), ring);
        Running { stopping, hub: Arc::new(hub) }
    }
}

pub(crate) fn app_with(context: Context, prover: Arc<dyn Prover>, running: &Running) -> Arc<App> {
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
        openapi: OnceLock::new(),
        whole_lists,
    })
}
