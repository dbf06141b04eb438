//! A claim, its outcome, and the interface of the prover.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use subtle::ConstantTimeEq as _;

use super::newcomers::Place;
use crate::driver::{CallError, Pulse};
use crate::model::{AccountId, AccountKey, Timestamp};
use crate::roster::NotOnRoster;
use crate::store::StoreError;
use crate::vault::VaultError;

/// What a request claims: that this is the account's password.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) key: AccountKey,
    pub(crate) password: SecretString,
    /// Where the request came from.
    pub(crate) peer: Option<IpAddr>,
}

/// The keyed hash of an account and a password.
#[derive(Clone, Copy, Debug)]
pub(super) struct Print(pub(super) [u8; 32]);

impl Print {
    pub(super) fn of(hash: [u8; 32]) -> Print {
        Print(hash)
    }
}

impl PartialEq for Print {
    fn eq(&self, other: &Print) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Print {}

impl Hash for Print {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// A claim that the provider accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proven {
    pub(crate) account: AccountId,
    /// When it was accepted.
    pub(crate) at: Timestamp,
}

#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ProofError {
    #[error(transparent)]
    NotOnRoster(#[from] NotOnRoster),
    #[error("the provider does not accept this user and password")]
    Refused,
    #[error("too many wrong passwords")]
    TooMany { retry_after: Duration },
    /// The provider gave no word about the credentials.
    #[error(transparent)]
    NoAnswer(CallError),
    /// Nothing is sent to the provider for so long, since it gave no answer before.
    #[error("the provider did not answer; requests to it pause")]
    CircuitOpen { retry_after: Duration },
    /// Where the request came from, as many wait as may.
    #[error("too many logins from this address are waiting")]
    PeerBusy { retry_after: Duration, limit: usize },
    /// There was no slot in time.
    #[error("too many logins are waiting at this provider, or at providers that do not answer")]
    Busy { retry_after: Duration },
    /// Where the request came from, as many new accounts became known as may.
    #[error("too many new accounts from this address")]
    TooManyNewcomers { retry_after: Duration },
    #[error(transparent)]
    Store(Arc<StoreError>),
    #[error(transparent)]
    Vault(Arc<VaultError>),
}

/// Who is asked. In a host it is `Provider`.
#[async_trait]
pub(crate) trait Prover: Send + Sync + 'static {
    /// Whether there is somebody to ask about such an account.
    fn knows(&self, key: &AccountKey) -> Result<(), NotOnRoster>;

    /// The endpoint that would be asked.
    fn endpoint(&self, key: &AccountKey) -> Arc<str>;

    /// See `Roster::goes_its_own_way`.
    fn goes_its_own_way(&self, key: &AccountKey) -> bool;

    /// Takes a place for an account that is not known. Errs where it could not become known, whatever its provider says: there
    /// are as many with the same credentials, or of the same network, as there may be.
    async fn admit(&self, claim: &Claim) -> Result<Option<Place>, ProofError>;

    /// One call to the account's provider. The pulse is told of its requests.
    async fn ask(&self, claim: &Claim, pulse: Arc<Pulse>) -> Result<(), CallError>;

    /// Makes an account whose claim was accepted known to the store, with this password.
    async fn enrol(&self, claim: &Claim, place: Option<Place>) -> Result<AccountId, ProofError>;

    /// Whether the store has this very password for the account: it was proven once.
    async fn remembers(&self, claim: &Claim) -> bool;
}
