//! Enrols the accounts and providers of the configuration in the store. If the store can't be written at the start,
//! such as on a full disk, the host serves what the store has, and enrols them as soon as it can.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;

use super::error::ServeError;
use crate::clock::Clock;
use crate::model::Origin;
use crate::roster::Roster;
use crate::store::{Backoff, Enrolment, PlacedProvider, Store, StoreError, steps};
use crate::vault::{Purpose, Vault};

pub(super) struct Adoption {
    pub(super) store: Arc<dyn Store>,
    pub(super) roster: Arc<Roster>,
    pub(super) vault: Arc<Vault>,
    pub(super) clock: Arc<dyn Clock>,
    is_done: bool,
}

impl Adoption {
    pub(super) fn new(
        store: Arc<dyn Store>,
        roster: Arc<Roster>,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
    ) -> Adoption {
        Adoption { store, roster, vault, clock, is_done: false }
    }

    /// The first try.
    ///
    /// # Errors
    /// All but that the disk does not take it.
    pub(super) async fn begin(&mut self) -> Result<(), ServeError> {
        match self.adopt().await {
            Ok(()) => self.is_done = true,
            Err(ServeError::Store(
                error @ (StoreError::Full(_) | StoreError::AtLimit { .. } | StoreError::Disk(_)),
            )) => {
                tracing::error!(
                    %error,
                    "the store is not writable: the host serves what it has, and applies its configuration when it can"
                );
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Tries until it is done or `token` is cancelled.
    pub(super) async fn run(&self, token: CancellationToken) {
        let trying = async {
            let (mut backoff, mut is_done) = (Backoff::default(), self.is_done);
            while !is_done {
                self.clock.pause(backoff.wait()).await;
                is_done = match self.adopt().await {
                    Ok(()) => true,
                    Err(error) => {
                        tracing::debug!(%error, "the store cannot be written yet");
                        false
                    }
                };
                if is_done {
                    tracing::info!("the store is writable again and has the current configuration");
                }
            }
        };
        token.run_until_cancelled(trying).await;
    }

    async fn adopt(&self) -> Result<(), ServeError> {
        let Adoption { store, roster, vault, clock, .. } = self;
        steps::begin(store.as_ref(), clock.now()).await?;
        store.place_providers(placed(roster)).await?;
        let mut enrolled = Vec::with_capacity(roster.accounts().len());
        for account in roster.accounts() {
            let secret = account.password.expose_secret().as_bytes();
            let password = vault.seal(Purpose::AccountPassword(&account.key), secret)?;
            let enrol = |now| {
                let enrolment = Enrolment { key: account.key.clone(), origin: Origin::Config, password, now };
                store.enrol(enrolment)
            };
            enrolled.push(clock.while_steady(enrol).await?);
        }
        Ok(store.keep_configured(&enrolled).await?)
    }
}

/// At which endpoint the accounts of each provider are called.
pub(super) fn placed(roster: &Roster) -> Vec<PlacedProvider> {
    let placed = |(driver, provider): (String, String)| {
        let endpoint = roster.endpoint(&driver, &provider).to_string();
        PlacedProvider { driver, provider, endpoint }
    };
    roster.all_providers().into_iter().map(placed).collect()
}
