//! The loop that sends callbacks: claims what is due, sends it signed, and settles how each try ended. What
//! is owed lives in the store; nothing here needs to survive.

mod admission;
mod dispatch;
mod flights;
mod format;
pub mod retry;
mod send;
pub mod sign;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use self::retry::Retries;

use self::dispatch::Dispatch;
use self::flights::Flights;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::model::breaker;
use crate::net::Client;
use crate::store::{CatchUp, CaughtUp, Deliveries, DeliveryClaim, StoreError};
use crate::vault::Vault;

/// What the loop works with.
#[derive(Clone)]
pub struct Context {
    pub store: Arc<dyn Deliveries + Send + Sync>,
    /// Opens the hooks' tokens and secrets.
    pub vault: Arc<Vault>,
    /// Under the policy of addresses that hooks may have.
    pub client: Client,
    pub clock: Arc<dyn Clock>,
    pub settings: Settings,
    /// The host's own address as clients reach it, without a slash at the end.
    pub public_url: String,
    /// Notified when a change was recorded, so that its callbacks need not wait for the next look. Only a
    /// hint: what is due is found without it too.
    pub wake: Arc<Notify>,
    pub metrics: Arc<Metrics>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How many callbacks may be in flight at once. An account has no more of them than are free.
    pub concurrency: usize,
    /// How many of these may go to destinations on probation: those that never answered, and those whose last
    /// answer was late or did not come. Destinations of the latter two kinds have half of it at most, and
    /// destinations on probation half of `concurrency`.
    pub probation: usize,
    /// After how long an answer is late, so that its destination is on probation.
    pub slow_after: Duration,
    /// How many of these may be one hook's, once its receiver has shown that it takes them.
    pub per_hook: usize,
    /// How many of these may go to one scheme, host and port, once it has shown that it takes them. Keep no
    /// more than `idle_per_host` of the client's, or connections are closed and made anew all the time.
    pub per_destination: usize,
    /// For how many destinations and for how many hooks it is remembered how many callbacks they take.
    pub destinations: usize,
    pub breaker: breaker::Settings,
    /// How many are claimed at once, at most.
    pub batch: usize,
    /// How long a receiver has to answer, from the attempt to connect on.
    pub timeout: Duration,
    /// For how long a claim holds: should the host die, the callback is due again after that. At least
    /// ten seconds more than `timeout`, whatever is set.
    pub lease: Duration,
    pub retries: Retries,
    /// For how long a hook may fail, without a single success, until it is disabled.
    pub disable_after: Duration,
    /// How much of an answer is kept with the attempt, in bytes.
    pub answer_bytes: usize,
    /// How long attempts are kept.
    pub attempts_for: Duration,
    /// Of how many changes a hook's attempts are kept.
    pub attempts_per_hook: usize,
    /// How many changes of the journal are looked at in one step for hooks that are behind it.
    pub catch_up: usize,
    /// How many deliveries may wait for a hook before it is owed more of a replay.
    pub backlog: usize,
    /// How often the store is asked what is due though nothing said that there is: what another host
    /// recorded comes without a hint.
    pub idle: Duration,
    /// How long what is under way has to finish when the host stops.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            concurrency: 8_192,
            probation: 4_096,
            slow_after: Duration::from_secs(5),
            per_hook: 1_024,
            per_destination: 1_024,
            destinations: 10_000,
            breaker: breaker::Settings::default(),
            batch: 512,
            timeout: Duration::from_secs(20),
            lease: Duration::from_secs(60),
            retries: Retries::default(),
            disable_after: Duration::from_secs(5 * 24 * 3600),
            answer_bytes: 1024,
            attempts_for: Duration::from_secs(3 * 24 * 3600),
            attempts_per_hook: 1000,
            catch_up: 2_000,
            backlog: 10_000,
            idle: Duration::from_secs(5),
            grace: Duration::from_secs(10),
        }
    }
}

/// How long settling a try may take before its lease ends.
const SETTLING: Duration = Duration::from_secs(5);

impl Settings {
    fn lease(&self) -> Duration {
        self.lease.max(self.timeout.saturating_add(2 * SETTLING))
    }

    /// How long after its claim a try may still begin.
    fn spare(&self) -> Duration {
        self.lease().saturating_sub(self.timeout).saturating_sub(SETTLING)
    }
}

/// Sends what is pending until `token` is cancelled. Then nothing new is sent, what is under way has
/// `settings.grace` to finish, and the rest is given back to the store.
pub async fn run(context: Context, token: CancellationToken) {
    let mut dispatch = Dispatch::new(Arc::new(context));
    tokio::select! {
        biased;
        () = token.cancelled() => {}
        () = dispatch.work() => {}
    }
    dispatch.stop().await;
}

/// Sends everything that is due now and settles it, until nothing is due any more; gives the number of tries.
pub async fn run_once(context: &Context) -> Result<usize, StoreError> {
    let context = Arc::new(context.clone());
    let mut flights = Flights::new(Arc::clone(&context));
    let mut tries = 0;
    loop {
        let limits = CatchUp { changes: context.settings.catch_up, backlog: context.settings.backlog };
        while context.store.catch_up(context.clock.now(), limits).await? == CaughtUp::Some {}
        let claim = claim(&context, &flights);
        let claimed_at = claim.now;
        let due = context.store.claim_due_deliveries(claim).await?;
        if due.is_empty() {
            return Ok(tries);
        }
        flights.launch(due, claimed_at);
        let mut ended = Vec::new();
        while let Some(settlement) = flights.landed().await {
            ended.push(settlement);
        }
        tries += ended.len();
        let settling = flights.settling(ended);
        context.store.settle(settling).await?;
    }
}

/// A claim on as much as there is room for.
fn claim(context: &Context, flights: &Flights) -> DeliveryClaim {
    let now = context.clock.now();
    DeliveryClaim { now, lease: context.settings.lease(), limit: flights.room(), room: flights.admission() }
}

#[cfg(test)]
mod tests;
