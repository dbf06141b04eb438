//! Proving credentials: one real call to the provider for each, its outcome remembered as a keyed hash,
//! requests with the same credentials joined into the same call, and wrong ones held off.

mod memory;
mod newcomers;
pub(crate) mod provider;
mod turns;

use std::collections::HashMap;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use secrecy::{ExposeSecret as _, SecretString};

use crate::api::settings::ProofSettings;
use crate::clock::Clock;
use crate::driver::{CallError, Pulse};
use crate::metrics::Metrics;
use crate::model::{AccountId, AccountKey, Timestamp};
use crate::roster::{CallShares, Found, NotOnRoster};
use crate::store::StoreError;
use crate::vault::{HashKey, Vault, VaultError};

use memory::{Known, Memory, Print, Try};
use turns::{NoTurn, Turns};

/// How the status of a poll calls it that the provider does not accept the credentials.
pub(crate) const UNAUTHORIZED: &str = "unauthorized";

/// What a request claims: that this is the account's password.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) key: AccountKey,
    pub(crate) password: SecretString,
    /// Where the request came from.
    pub(crate) peer: Option<IpAddr>,
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
    #[error("the provider has given no answer, and is not asked for a while")]
    CircuitOpen { retry_after: Duration },
    /// Where the request came from, as many wait as may.
    #[error("too many credentials from this address wait to be checked")]
    PeerBusy { retry_after: Duration, limit: usize },
    /// There was no slot in time.
    #[error("too many credentials wait to be checked at this provider, or at others that give no answer")]
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

    /// Errs where an account that is not known could not become known, whatever its provider says: there are as many with the
    /// same credentials, or of the same network, as there may be.
    async fn admit(&self, claim: &Claim) -> Result<(), ProofError>;

    /// One call to the account's provider. The pulse is told of its requests.
    async fn ask(&self, claim: &Claim, pulse: Arc<Pulse>) -> Result<(), CallError>;

    /// Makes an account whose claim was accepted known to the store, with this password.
    async fn enrol(&self, claim: &Claim) -> Result<AccountId, ProofError>;

    /// Whether the store has this very password for the account: it was proven once.
    async fn remembers(&self, claim: &Claim) -> bool;
}

type Outcome = Result<Proven, ProofError>;
type Call = Shared<BoxFuture<'static, Outcome>>;

pub(crate) struct Proofs {
    shared: Arc<Inner>,
}

struct Inner {
    prover: Arc<dyn Prover>,
    /// Kept for as long as the memory, which a rotation of the host's key outlasts.
    hash_key: HashKey,
    clock: Arc<dyn Clock>,
    settings: ProofSettings,
    turns: Arc<Turns>,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

struct State {
    memory: Memory,
    /// Calls that somebody waits for. The callers own them: a call that nobody waits for any more ends.
    under_way: HashMap<Print, UnderWay>,
    calls: u64,
}

struct UnderWay {
    number: u64,
    call: WeakShared<BoxFuture<'static, Outcome>>,
}

impl Proofs {
    pub(crate) fn new(
        prover: Arc<dyn Prover>,
        vault: &Vault,
        clock: Arc<dyn Clock>,
        settings: ProofSettings,
        shares: Arc<CallShares>,
        metrics: Arc<Metrics>,
    ) -> Proofs {
        let state = State { memory: Memory::new(settings.clone()), under_way: HashMap::new(), calls: 0 };
        let turns = Turns::new(shares, Arc::clone(&clock), &settings);
        let hash_key = vault.hash_key();
        let inner = Inner { prover, hash_key, clock, settings, turns, metrics, state: Mutex::new(state) };
        Proofs { shared: Arc::new(inner) }
    }

    pub(crate) async fn prove(&self, claim: Claim) -> Outcome {
        let print = self.shared.print(&claim);
        if let Some(known) = self.shared.recall(&claim, &print) {
            return known;
        }
        self.shared.prover.knows(&claim.key)?;
        let call = match self.shared.join_or_call(&claim, print, Held::Back) {
            Ok(call) => call,
            // A password that was proven before gets in while others are held off, even if its proof has
            // run out or the host was restarted since.
            Err(_) if self.shared.prover.remembers(&claim).await => {
                self.shared.join_or_call(&claim, print, Held::Free)?
            }
            Err(refused) => return Err(refused),
        };
        call.await
    }

    /// Forgets that anybody has proven to be the account.
    pub(crate) fn forget(&self, key: &AccountKey) {
        self.shared.lock().memory.forget(key);
    }

    /// Forgets a proof from `proven` or before, so that the account's next request is proven anew.
    pub(crate) fn distrust(&self, key: &AccountKey, proven: Timestamp) {
        self.shared.lock().memory.distrust(key, proven);
    }
}

/// Whether wrong passwords hold a claim off.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    Back,
    Free,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: no holder of this lock can panic")
    }

    fn print(&self, claim: &Claim) -> Print {
        let AccountKey { driver, provider, user } = &claim.key;
        let password = claim.password.expose_secret().as_bytes();
        Print::of(self.hash_key.hash(&[b"proof", driver.as_bytes(), provider.as_bytes(), user.as_bytes(), password]))
    }

    fn recall(&self, claim: &Claim, print: &Print) -> Option<Outcome> {
        match self.lock().memory.recall(&claim.key, print, self.clock.now())? {
            Known::Accepted(proven) => Some(Ok(proven)),
            Known::Refused => Some(Err(ProofError::Refused)),
            Known::NoAnswer(error) => Some(Err(ProofError::NoAnswer(error))),
        }
    }

    /// Joins the call for these credentials that is under way, or begins one, unless too many wrong ones
    /// were tried.
    fn join_or_call(self: &Arc<Self>, claim: &Claim, print: Print, held: Held) -> Result<Call, ProofError> {
        let mut state = self.lock();
        let now = self.clock.now();
        if let Some(call) = state.under_way.get(&print).and_then(|under_way| under_way.call.upgrade()) {
            return Ok(call);
        }
        // One that goes free is not counted: it would take the place of a wrong one on a list that is full.
        if held == Held::Back {
            if let Some(retry_after) = state.memory.hold_off(&claim.key, claim.peer, &print, now) {
                return Err(ProofError::TooMany { retry_after });
            }
            // Counted before its outcome is known: else many could be tried at once, or broken off unpunished.
            state.memory.note(Try { key: &claim.key, peer: claim.peer, print, now });
        }
        state.calls += 1;
        let number = state.calls;
        let leave = Leave { inner: Arc::clone(self), print, number };
        let call = Arc::clone(self).call(claim.clone(), leave).boxed().shared();
        if let Some(weak) = call.downgrade() {
            state.under_way.insert(print, UnderWay { number, call: weak });
        }
        Ok(call)
    }

    async fn call(self: Arc<Self>, claim: Claim, leave: Leave) -> Outcome {
        let print = leave.print;
        let asked = AssertUnwindSafe(self.ask(&claim)).catch_unwind().await.unwrap_or(Ok(Err(CallError::HostFault)));
        if let Ok(Err(CallError::HostFault)) = asked {
            self.metrics.host_fault("proof");
            tracing::error!(account = %claim.key, "checking credentials panicked: this is a fault of the tracker");
        }
        let asked = asked.inspect_err(|_| {
            // The provider was not asked: that costs nobody a try.
            self.lock().memory.withdraw(Try { key: &claim.key, peer: claim.peer, print, now: self.clock.now() });
        })?;
        match asked {
            Ok(()) => {
                let account = self.prover.enrol(&claim).await?;
                let proven = Proven { account, at: self.clock.now() };
                self.lock().memory.accept(&claim.key, claim.peer, print, proven);
                Ok(proven)
            }
            Err(CallError::Unauthorized(_)) => {
                self.lock().memory.refuse(Try { key: &claim.key, peer: claim.peer, print, now: self.clock.now() });
                Err(ProofError::Refused)
            }
            Err(error) => {
                let wait = match &error {
                    // Not for longer than a wrong password is refused: the provider's word may be hours.
                    CallError::Throttled { retry_after: Some(wait), .. } => {
                        (*wait).clamp(self.settings.failed_for, self.settings.refused_for.max(self.settings.failed_for))
                    }
                    _ => self.settings.failed_for,
                };
                let now = self.clock.now();
                let tried = Try { key: &claim.key, peer: claim.peer, print, now };
                self.lock().memory.no_answer(tried, error.clone(), wait);
                Err(ProofError::NoAnswer(error))
            }
        }
    }
}

impl Inner {
    /// Asks the provider once there is a slot for it.
    async fn ask(&self, claim: &Claim) -> Result<Result<(), CallError>, ProofError> {
        self.prover.admit(claim).await?;
        let turn = self.turns.turn(&self.prover.endpoint(&claim.key), claim.peer).await.map_err(|none| match none {
            NoTurn::Open(wait) => ProofError::CircuitOpen { retry_after: wait.max(self.settings.failed_for) },
            NoTurn::OfPeer(limit) => ProofError::PeerBusy { retry_after: self.settings.failed_for, limit },
            NoTurn::Full => ProofError::Busy { retry_after: self.settings.failed_for },
        })?;
        let in_flight = turn.in_flight();
        if self.prover.goes_its_own_way(&claim.key) {
            in_flight.goes_its_own_way();
        }
        let pulse = in_flight.pulse();
        let asked = tokio::select! {
            biased;
            asked = self.prover.ask(claim, Arc::clone(&pulse)) => asked,
            () = turn.cut_off() => {
                self.metrics.gave_way("proofs");
                return Ok(Err(CallError::Unavailable("it did not answer soon, and others waited to be asked".into())));
            }
        };
        in_flight.ended(match &asked {
            Ok(()) => Found::Answers,
            Err(error) => Found::of(error, pulse.has_heard()),
        });
        Ok(asked)
    }
}

/// Takes a call off the list when it ends or is given up.
struct Leave {
    inner: Arc<Inner>,
    print: Print,
    number: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut state = self.inner.lock();
        if state.under_way.get(&self.print).is_some_and(|under_way| under_way.number == self.number) {
            state.under_way.remove(&self.print);
        }
    }
}

#[cfg(test)]
mod tests;
