//! The fetcher: its limits and its login, as the operator set them.

use url::Url;

use super::Settings;
use super::download::Downloads;
use super::login::Login;
use crate::net::{Clients, NetError};

/// Fetches within the operator's limits, and as whom he says.
#[derive(Clone, Debug)]
pub struct Fetcher {
    pub(super) downloads: Downloads,
    pub(super) settings: Settings,
    pub(super) driver_bytes: u64,
    /// Whom the command line names; good for the one source that it names, too.
    pub(super) login: Option<Login>,
    pub(super) proxy: Option<Url>,
}

impl Fetcher {
    /// `driver_bytes` is the most that a driver may have.
    pub fn new(clients: &Clients, settings: &Settings, driver_bytes: u64) -> Result<Fetcher, NetError> {
        Ok(Fetcher {
            downloads: Downloads::new(clients)?,
            settings: settings.clone(),
            driver_bytes,
            login: None,
            proxy: clients.proxy().cloned(),
        })
    }

    /// The same as this user, whatever Docker's `config.json` says.
    pub fn as_user(self, login: Option<Login>) -> Fetcher {
        Fetcher { login, ..self }
    }
}
