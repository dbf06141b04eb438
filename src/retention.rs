//! Retention: a loop that deletes the oldest changes of the journal, the oldest versions of resources, and expired
//! sessions of drivers, in small steps with other writes between them.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Stopwatch};
use crate::metrics::{Metrics, Operation};
use crate::store::{Backoff, KeptChanges, Store, StoreError, Sweep};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What happened longer ago is forgotten.
    pub keep_for: Duration,
    /// So many changes are kept at most, of all accounts together: the accounts that have most lose their oldest.
    pub keep_changes: u64,
    /// How often what is too old is looked for.
    pub every: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            keep_for: Duration::from_secs(7 * 24 * 3600),
            keep_changes: 10_000_000,
            every: Duration::from_secs(60),
        }
    }
}

pub struct Context {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub settings: Settings,
    pub metrics: Arc<Metrics>,
}

/// Runs until `token` is cancelled.
pub async fn run(context: &Context, token: CancellationToken) {
    let round = async {
        let mut backoff = Backoff::default();
        let mut measured = Measured::default();
        loop {
            measured.measure(context).await;
            let wait = match forget(context).await {
                Ok(()) => {
                    backoff.reset();
                    context.settings.every
                }
                Err(error) => {
                    let wait = backoff.wait().min(context.settings.every);
                    tracing::error!("the store cannot drop old changes; retrying in {wait:?}: {error}");
                    wait
                }
            };
            let until = context.clock.uptime() + wait;
            while let Some(left) = until.checked_sub(context.clock.uptime()).filter(|left| !left.is_zero()) {
                context.clock.sleep(left.min(LOOK_EVERY)).await;
                if is_nearly_full(context) {
                    measured.measure(context).await;
                }
            }
        }
    };
    token.run_until_cancelled(round).await;
}

/// How often it is looked whether the store gets full: accounts that take more than their share are to be known before.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whether less than a quarter of the store is left.
fn is_nearly_full(context: &Context) -> bool {
    let (used, limit) = context.store.size();
    used >= limit - limit / 4
}

/// When the accounts were measured last, and how long that took.
#[derive(Debug, Default)]
struct Measured(Option<(Stopwatch, Duration)>);

/// Between two measurements, so many times as long as one takes: a large store is read for a small part of the time.
const PAUSE: u32 = 10;

impl Measured {
    /// Has the store measure its accounts, if it is time.
    async fn measure(&mut self, context: &Context) {
        if self.0.is_some_and(|(since, took)| since.elapsed() < took.saturating_mul(PAUSE)) {
            return;
        }
        let stopwatch = Stopwatch::start();
        if let Err(error) = context.store.measure_accounts().await {
            tracing::warn!(%error, "cannot measure the accounts' shares of the store");
        }
        self.0 = Some((Stopwatch::start(), stopwatch.elapsed()));
    }
}

/// One round, or as much of it as the store takes.
async fn forget(context: &Context) -> Result<(), StoreError> {
    context.store.clear_dropped().await?;
    context.store.forget_sessions(context.clock.now()).await?;
    let settings = &context.settings;
    let now = context.clock.now();
    // Changes from before the clock was set forward are younger than their times say.
    let longer = context.store.kept_longer(now, settings.keep_for).await?;
    let kept =
        KeptChanges { since: now.before(settings.keep_for.saturating_add(longer)), changes: settings.keep_changes };
    let mut sweep = Some(Sweep::default());
    while let Some(at) = sweep {
        let swept = context.store.forget_changes(kept, at).await;
        let now = context.clock.now();
        match &swept {
            Ok(_) => context.metrics.work.succeeded(Operation::Retention, now),
            Err(error) => context.metrics.work.failed(Operation::Retention, now, error.kind()),
        }
        sweep = swept?;
    }
    Ok(())
}
