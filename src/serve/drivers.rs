//! The driver engine as configured: for a host that serves, and for commands that need only drivers.

use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::driver::catalog::CatalogError;
use crate::driver::{Catalog, Engine, EngineError, Rejected};
use crate::net::{Clients, NetError};
use crate::supply::{Fetcher, Lock, LockError, Settings, source};

/// The drivers that were found.
#[derive(Debug)]
pub struct Drivers {
    pub catalog: Catalog,
    pub engine: Engine,
    /// What is approved.
    pub lock: Lock,
    /// None where nothing is to be fetched.
    pub fetcher: Option<Fetcher>,
}

#[derive(Debug, thiserror::Error)]
pub enum DriversError {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl Drivers {
    /// Loads what is approved, and fetches what of it is not there. One driver that can't be loaded is in the catalog
    /// with its reason; an error here is of the directory, the lock or this machine.
    pub async fn load(config: &Config) -> Result<Drivers, DriversError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let clients = Clients::new(config.network.clone())?;
        let engine = Engine::compiling(config.compile.clone(), config.limits.clone(), clients.clone(), clock)?;
        let lock = Lock::read(&config.drivers.lock)?;
        let fetcher = fetcher(config, &clients)?;
        let loading = Loading { engine: &engine, fetcher: fetcher.as_ref(), settings: &config.drivers };
        let catalog = loading.onto(&Catalog::default(), &lock).await?;
        Ok(Drivers { catalog, engine, lock, fetcher })
    }
}

/// What fetches drivers that are approved and not there, if anything is to.
fn fetcher(config: &Config, clients: &Clients) -> Result<Option<Fetcher>, NetError> {
    match config.sources.fetch_missing {
        true => Fetcher::new(clients, &config.sources, config.limits.driver_bytes).map(Some),
        false => Ok(None),
    }
}

/// What a catalog is made with.
pub(super) struct Loading<'a> {
    pub(super) engine: &'a Engine,
    pub(super) fetcher: Option<&'a Fetcher>,
    pub(super) settings: &'a Settings,
}

impl Loading<'_> {
    /// The catalog that the lock asks for, after another.
    pub(super) async fn onto(&self, before: &Catalog, lock: &Lock) -> Result<Catalog, CatalogError> {
        let Loading { engine, fetcher, settings } = *self;
        let unfetched = match fetcher {
            Some(fetcher) => source::provide_missing(fetcher, &settings.directory, lock).await,
            None => Vec::new(),
        };
        let mut catalog = before.reload(engine, settings, lock).await?;
        for (file, error) in unfetched {
            catalog.reject(Rejected { file, reason: error.into() });
        }
        Ok(catalog)
    }
}
