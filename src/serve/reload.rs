//! Puts new versions of drivers into service while the host runs, when a signal or the control socket asks for it. If a
//! driver could not be loaded for a reason that can pass, such as a full disk, it is tried again. One reload at a time;
//! a poll in progress continues with the driver that it began with.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::drivers::{DriversError, Loading};
use crate::clock::Stopwatch;
use crate::driver::reload::{Outcome, Reloaded};
use crate::driver::{Catalog, Engine, LoadError};
use crate::metrics::{Metrics, Operation};
use crate::operator::{ReloadRequest, Reloads};
use crate::roster::Roster;
use crate::store::Store;
use crate::supply::{Fetcher, Lock, Settings};

/// How many that ask may wait; all of them are answered by the reloads that they ask for.
const WAITING: usize = 8;

/// The loop's own end.
pub(super) struct Reloader {
    pub(super) engine: Engine,
    pub(super) fetcher: Option<Fetcher>,
    pub(super) settings: Settings,
    pub(super) roster: Arc<Roster>,
    pub(super) store: Arc<dyn Store>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) requests: mpsc::Receiver<ReloadRequest>,
    /// What was approved when the drivers were last loaded. A driver that could not be loaded for a reason that passes is
    /// tried again by this: what was approved since waits until somebody asks for it.
    pub(super) lock: Lock,
}

/// The two ends of what asks for reloads.
pub(super) fn requests() -> (Reloads, mpsc::Receiver<ReloadRequest>) {
    mpsc::channel(WAITING)
}

/// How long after one try to load drivers the next is made.
#[derive(Debug, Default)]
struct Pace {
    failures: u32,
}

impl Pace {
    const FIRST: Duration = Duration::from_secs(1);
    /// What a try costs that fails at once is next to nothing, and space may be back at any time.
    const LONGEST: Duration = Duration::from_secs(5);
    /// A try that took long is made again only after this many times as long.
    const REST: u32 = 4;

    fn wait(&mut self, took: Duration) -> Duration {
        let wait = Pace::FIRST.saturating_mul(1 << self.failures.min(16)).min(Pace::LONGEST);
        self.failures = self.failures.saturating_add(1);
        wait.max(took.saturating_mul(Pace::REST))
    }
}

impl Reloader {
    pub(super) async fn run(&mut self, token: CancellationToken) {
        let clock = Arc::clone(self.engine.clock());
        let mut pace = Pace::default();
        let mut wait = self.note(&self.roster.catalog()).then(|| pace.wait(Duration::ZERO));
        loop {
            let again = async {
                match wait {
                    Some(wait) => clock.pause(wait).await,
                    None => pending().await,
                }
            };
            let request = tokio::select! {
                () = token.cancelled() => return,
                Some(request) = self.requests.recv() => Some(request),
                () = again => None,
            };
            let stopwatch = Stopwatch::start();
            // What waits for a driver that is fetched does not hold up the end; what it would have replaced is as it was.
            let reload = async {
                match &request {
                    Some(_) => self.reload().await,
                    None => self.load(false).await,
                }
            };
            let reloaded = tokio::select! {
                () = token.cancelled() => return,
                reloaded = Box::pin(reload) => reloaded,
            };
            if let Err(error) = &reloaded {
                tracing::error!("the loaded drivers stay: {error}");
            }
            if let Some(request) = request {
                pace = Pace::default();
                answer(request, reloaded.map_err(|error| error.to_string()));
            }
            wait = self.note(&self.roster.catalog()).then(|| pace.wait(stopwatch.elapsed()));
        }
    }

    /// Notes whether a driver is not loaded for a reason that passes, and says so.
    fn note(&self, catalog: &Catalog) -> bool {
        let reasons = catalog.rejected().iter().map(|rejected| &rejected.reason);
        let passing = reasons.filter(|reason| reason.is_passing()).map(LoadError::word).next();
        let now = self.engine.clock().now();
        match passing {
            Some(word) => self.metrics.work.failed(Operation::LoadDrivers, now, word),
            None => self.metrics.work.succeeded(Operation::LoadDrivers, now),
        }
        passing.is_some()
    }

    /// Reads the lock anew and puts what is approved by now in the place of what is loaded.
    async fn reload(&mut self) -> Result<Vec<Reloaded>, DriversError> {
        self.lock = Lock::read(&self.settings.lock)?;
        self.load(true).await
    }

    /// Loads what is approved and not loaded. Each driver that is not loaded is named in the log if `says_all`.
    async fn load(&self, says_all: bool) -> Result<Vec<Reloaded>, DriversError> {
        let before = self.roster.catalog();
        let loading = Loading { engine: &self.engine, fetcher: self.fetcher.as_ref(), settings: &self.settings };
        let catalog = Arc::new(loading.onto(&before, &self.lock).await?);
        self.roster.replace_catalog(Arc::clone(&catalog));
        let current = super::sessions::current(&catalog);
        self.engine.sessions().keep_drivers(|digest| current.iter().any(|driver| driver == digest));
        // A new version may know other endpoints. Until the store knows of them, accounts take turns by the old ones.
        if let Err(error) = self.store.place_providers(super::adopt::placed(&self.roster)).await {
            tracing::error!("cannot store the endpoints of the drivers: {error}");
        }
        let reloaded = catalog.since(&before);
        for Reloaded { name, role, outcome } in &reloaded {
            let driver = name.as_str();
            match outcome {
                Outcome::Loaded { version } => tracing::info!(driver, ?role, version, "driver loaded"),
                Outcome::Replaced { before, version } => {
                    tracing::info!(driver, ?role, before, version, "driver replaced")
                }
                Outcome::Unchanged { version } => tracing::debug!(driver, ?role, version, "driver unchanged"),
                Outcome::Dropped { before } => {
                    tracing::warn!(driver, ?role, before, "driver unloaded: it is no longer approved")
                }
            }
        }
        for rejected in catalog.rejected().iter().filter(|_| says_all) {
            tracing::warn!(driver.file = %rejected.file.display(), "driver not loaded: {}", rejected.reason);
        }
        Ok(reloaded)
    }
}

/// Whoever asked may be gone, and then does not want to know.
fn answer(request: ReloadRequest, reloaded: Result<Vec<Reloaded>, String>) {
    let asked: Option<oneshot::Sender<_>> = request.answer;
    if let Some(asked) = asked {
        let _ = asked.send(reloaded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_soon_and_take_a_fifth_of_the_time_at_most() {
        let mut pace = Pace::default();
        let waits: Vec<u64> = (0..5).map(|_| pace.wait(Duration::ZERO).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5, 5]);
        assert_eq!(pace.wait(Duration::from_secs(60)), Duration::from_secs(240));
    }
}
