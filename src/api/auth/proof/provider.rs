//! The real prover. It asks the account's provider through its driver; the store then keeps the account and its
//! password.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret as _;
use subtle::ConstantTimeEq as _;

use super::claim::{Claim, ProofError, Prover};
use super::newcomers::{Newcomers, NoPlace, Place};
use crate::api::settings::ProofSettings;
use crate::clock::Clock;
use crate::driver::{CallError, Pulse};
use crate::model::{AccountId, AccountKey, ErrorCode, Origin};
use crate::roster::{NotOnRoster, Roster};
use crate::store::{Credential, Enrolment, SealedColumn, Store, StoreError, Unopened};
use crate::vault::{Purpose, Vault};

pub(crate) struct Provider {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) admission: Admission,
}

/// How many accounts may become known.
pub(crate) struct Admission {
    per_credential: u64,
    newcomers: Arc<Newcomers>,
    /// When to come again where the last places may become free.
    again: Duration,
}

impl Admission {
    pub(crate) fn new(settings: &ProofSettings) -> Admission {
        let ProofSettings { new_accounts_per_peer, new_accounts_window, remembered, .. } = *settings;
        let newcomers = Arc::new(Newcomers::new(new_accounts_per_peer, new_accounts_window, remembered));
        Admission { per_credential: settings.users_per_credential, newcomers, again: settings.failed_for }
    }
}

impl Provider {
    /// What the claim would prove at its endpoint, whoever the user is.
    fn credential(&self, claim: &Claim) -> Credential {
        let endpoint = self.endpoint(&claim.key);
        let secret = claim.password.expose_secret().as_bytes();
        let parts = [b"credential", claim.key.driver.as_bytes(), endpoint.as_bytes(), secret];
        Credential { prints: self.vault.keyed_hashes(&parts), users: self.admission.per_credential }
    }

    /// Keeps what the proof has left of the account's requests, for a host after this one.
    async fn note_budget(&self, key: &AccountKey) {
        let Some(budget) = self.roster.budget(key) else { return };
        if let Err(error) = self.store.note_budget(key, budget.mark()).await {
            tracing::warn!(account = %key, "cannot save the account's request budget: {error}");
        }
    }
}

#[async_trait]
impl Prover for Provider {
    fn knows(&self, key: &AccountKey) -> Result<(), NotOnRoster> {
        self.roster.target(key, String::new().into()).map(drop)
    }

    fn endpoint(&self, key: &AccountKey) -> Arc<str> {
        self.roster.endpoint(&key.driver, &key.provider)
    }

    fn goes_its_own_way(&self, key: &AccountKey) -> bool {
        self.roster.goes_its_own_way(key)
    }

    async fn admit(&self, claim: &Claim) -> Result<Option<Place>, ProofError> {
        let known = self.store.check_newcomer(&claim.key, &self.credential(claim)).await;
        if known.map_err(|error| ProofError::Store(Arc::new(error)))? {
            return Ok(None);
        }
        let place = self.admission.newcomers.reserve(claim.peer, self.clock.uptime());
        place.map(Some).map_err(|none| {
            let retry_after = match none {
                NoPlace::Spent(wait) => wait,
                NoPlace::Reserved => self.admission.again,
            };
            ProofError::TooManyNewcomers { retry_after }
        })
    }

    async fn ask(&self, claim: &Claim, pulse: Arc<Pulse>) -> Result<(), CallError> {
        let (driver, mut target) = self
            .roster
            .target(&claim.key, claim.password.clone())
            .map_err(|error| CallError::InvalidAccount(error.to_string()))?;
        target.wire.pulse = Some(pulse);
        let proven = Box::pin(driver.prove(&target)).await.map_err(|failure| failure.error);
        if proven.is_err() {
            self.note_budget(&claim.key).await;
        }
        proven
    }

    async fn enrol(&self, claim: &Claim, place: Option<Place>) -> Result<AccountId, ProofError> {
        let purpose = Purpose::AccountPassword(&claim.key);
        let password = self
            .vault
            .seal(purpose, claim.password.expose_secret().as_bytes())
            .map_err(|error| ProofError::Vault(Arc::new(error)))?;
        let failed = |error| ProofError::Store(Arc::new(error));
        let credential = self.credential(claim);
        // Another proof may have made it known, or its owner may have had it forgotten meanwhile.
        let is_known = self.store.check_newcomer(&claim.key, &credential).await.unwrap_or(place.is_none());
        if !is_known {
            // Before it is: whoever hangs up in between is counted.
            self.admission.newcomers.note(claim.peer, self.clock.uptime());
        }
        drop(place);
        let enrol = |now| {
            let enrolment = Enrolment { key: claim.key.clone(), origin: Origin::Client, password, now };
            self.store.enrol_proven(enrolment, credential)
        };
        let enrolled = self.clock.while_steady(enrol).await;
        if !is_known && enrolled.is_err() {
            self.admission.newcomers.take_back(claim.peer);
        }
        let account = match enrolled {
            // Who is known reads what there is. The next proof keeps the password.
            Err(error @ (StoreError::Full(_) | StoreError::AtLimit { .. } | StoreError::Disk(_))) => {
                let known = self.store.find_account(&claim.key).await.map_err(failed)?;
                return known.map(|account| account.id).ok_or_else(|| failed(error));
            }
            enrolled => enrolled.map_err(failed)?,
        };
        // The account is known by now.
        self.note_budget(&claim.key).await;
        // Polls that the provider refused may go well with this password: they need not wait any longer.
        for status in self.store.poll_status(account).await.map_err(failed)? {
            let is_refused = status.last_error.is_some_and(|error| error.code == ErrorCode::Unauthorized);
            if status.failures > 0 && is_refused && status.next_due.is_some() {
                let request = |now| self.store.request_poll(account, status.kind, now);
                self.clock.while_steady(request).await.map_err(failed)?;
            }
        }
        Ok(account)
    }

    async fn remembers(&self, claim: &Claim) -> bool {
        let stored = match self.store.find_account(&claim.key).await {
            Ok(Some(account)) => match self.vault.open(Purpose::AccountPassword(&claim.key), &account.password) {
                Ok(stored) => stored,
                Err(_) => {
                    let column = SealedColumn::AccountPassword(account.id);
                    if let Err(error) =
                        self.store.set_aside_unopened(Unopened { column, sealed: account.password }).await
                    {
                        tracing::error!(account = %claim.key, %error, "an account whose password does not open cannot be set aside");
                    }
                    return false;
                }
            },
            Ok(None) => return false,
            Err(error) => {
                tracing::warn!(account = %claim.key, "cannot find out whether a password was proven before: {error}");
                return false;
            }
        };
        let claimed = claim.password.expose_secret().as_bytes();
        stored.expose_secret().as_bytes().ct_eq(claimed).into()
    }
}

#[cfg(test)]
mod tests;
