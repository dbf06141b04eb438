//! Takes new versions of drivers into service while the host runs, when a signal or the operator's own socket
//! asks for it. One reload at a time; a poll under way goes on with the driver that it began with.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::drivers::{DriversError, Loading};
use crate::api::control::{ReloadRequest, Reloads};
use crate::driver::reload::{Outcome, Reloaded};
use crate::driver::{self, Engine, Fetcher, Lock};
use crate::roster::Roster;
use crate::store::Store;

/// How many that ask may wait; all of them are answered by the reloads that they ask for.
const WAITING: usize = 8;

/// The loop's own end.
pub(super) struct Reloader {
    pub(super) engine: Engine,
    pub(super) fetcher: Option<Fetcher>,
    pub(super) settings: driver::Settings,
    pub(super) roster: Arc<Roster>,
    store: Arc<dyn Store>,
    requests: mpsc::Receiver<ReloadRequest>,
}

impl Reloader {
    pub(super) fn new(
        engine: Engine,
        fetcher: Option<Fetcher>,
        settings: driver::Settings,
        (roster, store): (Arc<Roster>, Arc<dyn Store>),
    ) -> (Reloader, Reloads) {
        let (reloads, requests) = mpsc::channel(WAITING);
        (Reloader { engine, fetcher, settings, roster, store, requests }, reloads)
    }

    pub(super) async fn run(&mut self, token: CancellationToken) {
        loop {
            let request = tokio::select! {
                () = token.cancelled() => return,
                request = self.requests.recv() => request,
            };
            let Some(request) = request else { return token.cancelled().await };
            // What waits for a driver that is fetched does not hold up the end; what it would have replaced is as it was.
            let reloaded = tokio::select! {
                () = token.cancelled() => return,
                reloaded = Box::pin(self.reload()) => reloaded,
            };
            if let Err(error) = &reloaded {
                tracing::error!("drivers stay as they are: {error}");
            }
            answer(request, reloaded.map_err(|error| error.to_string()));
        }
    }

    /// Reads the lock anew and puts what is approved by now in the place of what is loaded.
    async fn reload(&self) -> Result<Vec<Reloaded>, DriversError> {
        let lock = Lock::read(&self.settings.lock)?;
        let before = self.roster.catalog();
        let loading = Loading { engine: &self.engine, fetcher: self.fetcher.as_ref(), settings: &self.settings };
        let catalog = Arc::new(loading.onto(&before, &lock).await?);
        self.roster.replace_catalog(Arc::clone(&catalog));
        let current = super::sessions::current(&catalog);
        self.engine.sessions().keep_drivers(|digest| current.iter().any(|driver| driver == digest));
        // A new version may know other endpoints. Until the store knows of them, accounts take turns by the old ones.
        if let Err(error) = self.store.place_providers(super::adopt::placed(&self.roster)).await {
            tracing::error!("can't note the endpoints of the drivers: {error}");
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
                    tracing::warn!(driver, ?role, before, "driver dropped: it is approved no more")
                }
            }
        }
        for rejected in catalog.rejected() {
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
