//! Proves credentials with one real call to the provider. The outcome is cached under a keyed hash, concurrent requests
//! with the same credentials share one call, and wrong credentials are throttled.

pub(crate) mod claim;
mod memory;
pub(in crate::api) mod newcomers;
pub(crate) mod provider;
mod tries;
mod turns;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use secrecy::ExposeSecret as _;

use crate::api::settings::ProofSettings;
use crate::clock::Clock;
use crate::driver::CallError;
use crate::metrics::Metrics;
use crate::model::{AccountKey, Timestamp};
use crate::roster::{CallShares, Found};
use crate::vault::{HashKey, Vault};

use claim::{Claim, Print, ProofError, Proven, Prover};
use memory::{Known, Memory, Try};
use newcomers::Place;
use turns::{NoTurn, Turns};

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
            self.metrics.work.host_fault("proof");
            tracing::error!(account = %claim.key, "checking credentials panicked: this is a fault of the host");
        }
        let asked = asked.inspect_err(|_| {
            // The provider was not asked: that costs nobody a try.
            self.lock().memory.withdraw(Try { key: &claim.key, peer: claim.peer, print, now: self.clock.now() });
        })?;
        match asked {
            Ok(place) => {
                let account = self.prover.enrol(&claim, place).await?;
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
    async fn ask(&self, claim: &Claim) -> Result<Result<Option<Place>, CallError>, ProofError> {
        let place = self.prover.admit(claim).await?;
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
                self.metrics.providers.gave_way("proofs");
                return Ok(Err(CallError::Unavailable("it did not answer in time, and other providers were waiting".into())));
            }
        };
        in_flight.ended(match &asked {
            Ok(()) => Found::Answers,
            Err(error) => Found::of(error, pulse.has_heard()),
        });
        Ok(asked.map(|()| place))
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
