//! The driver host as the configuration asks for it: for a host that serves, and for the commands that need
//! drivers and nothing else.

use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::driver::catalog::CatalogError;
use crate::driver::{Catalog, Engine, EngineError, Fetcher, Lock, LockError, Rejected, source};
use crate::net::{Clients, NetError};

/// The drivers that were found, and what they reach the world through.
#[derive(Debug)]
pub struct Drivers {
    pub catalog: Catalog,
    pub clients: Clients,
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
    /// Loads what is approved, and fetches what of it is not there. One driver that can't be loaded is in the catalog with its reason; an error
    /// here is of the directory, the lock or this machine.
    pub async fn load(config: &Config) -> Result<Drivers, DriversError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let clients = Clients::new(config.network.clone())?;
        let engine = Engine::new(config.limits.clone(), clients.clone(), clock)?;
        let lock = Lock::read(&config.drivers.lock)?;
        let unfetched = match config.sources.fetch_missing {
            true => {
                let fetcher = Fetcher::new(&clients, &config.sources, config.limits.driver_bytes)?;
                source::provide_missing(&fetcher, &config.drivers.directory, &lock).await
            }
            false => Vec::new(),
        };
        let mut catalog = Catalog::load(&engine, &config.drivers, &lock).await?;
        for (file, error) in unfetched {
            catalog.reject(Rejected { file, reason: error.into() });
        }
        Ok(Drivers { catalog, clients })
    }
}
