//! Deliveries: what is claimed to be sent, and how it went on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Attempt, Result, Room, Signalling, Unopened};
use crate::model::breaker::Standing;
use crate::model::{AccountId, Change, DisableReason, Format, HookId, HookSecrets, HookUrl, Owner, Sealed, Timestamp};

#[async_trait]
pub trait Deliveries: Signalling {
    /// Takes deliveries that are due: of each resource on each hook the oldest only, so that order holds;
    /// no more than there is room for, and of a hook no more than its rate allows. Destinations are served in
    /// turns, accounts within a destination, and hooks within an account. A destination that has no room is left
    /// out until a settlement names it among `landed`. What was taken comes due again at the lease's end, should
    /// nothing more be heard of it.
    async fn claim_due_deliveries(&self, claim: DeliveryClaim) -> Result<Vec<DueDelivery>>;

    /// When the next delivery is due, claimed ones counted with the end of their lease.
    async fn next_delivery_due(&self) -> Result<Option<Timestamp>>;

    /// Records how attempts ended, all in one transaction. What is settled on a delivery that is gone or
    /// was claimed anew is left out, its attempts apart.
    async fn settle(&self, settling: Settling) -> Result<()>;

    /// Owes hooks that were resumed, or have a replay before them, more of the journal: up to `changes` of
    /// it, and to each hook until `backlog` deliveries wait for it.
    async fn catch_up(&self, now: Timestamp, limits: CatchUp) -> Result<CaughtUp>;

    /// Lends the owner every change that is pending for its hooks, dead letters among them, oldest first, up to the limit. Until
    /// the lease ends, no callback is sent for them, and nobody else is lent them. What is not acknowledged by then is pending
    /// as before.
    async fn lend_pending(&self, request: LeaseRequest) -> Result<Leased>;

    /// Counts what was lent as delivered, up to a place in the journal, in steps. Says how many were; of a lease that is
    /// over, these are those that nobody was sent or lent since.
    async fn acknowledge_pending(&self, lease: LeasePlace, up_to: i64) -> Result<u64>;

    /// Ends a lease before its time.
    async fn return_pending(&self, lease: LeasePlace) -> Result<()>;

    /// How many deliveries are still to be made, dead ones not counted.
    async fn count_waiting(&self) -> Result<u64>;

    /// Forgets attempts beyond what is kept, up to `limit` of them; says whether there may be more.
    async fn forget_attempts(&self, kept: KeptAttempts, limit: usize) -> Result<bool>;
}

#[derive(Clone, Debug)]
pub struct DeliveryClaim {
    pub now: Timestamp,
    pub lease: Duration,
    /// How many are taken at most.
    pub limit: usize,
    pub room: Arc<dyn Room>,
}

#[derive(Clone, Debug)]
pub struct DueDelivery {
    pub id: DeliveryId,
    pub recipient: Arc<Recipient>,
    pub change: Change,
    /// Attempts made before this one.
    pub attempts: u32,
    /// Which claim this is.
    pub lease: i64,
}

/// What sending needs of a hook, shared by all deliveries of one claim.
#[derive(Clone, Debug)]
pub struct Recipient {
    pub hook: HookId,
    pub account: AccountId,
    pub url: HookUrl,
    /// The destination of `url`: scheme, host and port.
    pub destination: Arc<str>,
    /// The standing of the destination by which the delivery was claimed.
    pub standing: Standing,
    pub token: Option<Sealed>,
    pub secrets: HookSecrets,
    pub format: Format,
    /// The waits before each retry, in place of the host's own.
    pub retries: Option<Vec<Duration>>,
}

/// A delivery is one change for one hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    pub hook: HookId,
    /// The change's number in the journal.
    pub change: i64,
}

#[derive(Clone, Debug, Default)]
pub struct Settling {
    pub settlements: Vec<Settlement>,
    /// Destinations that nothing is to be claimed for until then.
    pub holds: Vec<(Arc<str>, Timestamp)>,
    /// Destinations at which attempts have ended, so that they have room again, and their standing.
    pub landed: Vec<(Arc<str>, Standing)>,
    /// For how long a hook may fail without a single success until it is disabled.
    pub disable_after: Duration,
}

impl Settling {
    /// The same with times by a clock that was set by so many milliseconds since.
    pub fn shifted(self, step: i64) -> Settling {
        let shift = |settlement: Settlement| settlement.shifted(step);
        Settling {
            settlements: self.settlements.into_iter().map(shift).collect(),
            holds: self.holds.into_iter().map(|(destination, until)| (destination, until.shifted(step))).collect(),
            ..self
        }
    }
}

#[derive(Clone, Debug)]
pub struct Settlement {
    pub id: DeliveryId,
    pub lease: i64,
    pub outcome: Outcome,
    pub now: Timestamp,
    /// The tries made, oldest first.
    pub attempts: Vec<Attempt>,
}

impl Settlement {
    /// See `Settling::shifted`.
    pub fn shifted(self, step: i64) -> Settlement {
        let outcome = match self.outcome {
            Outcome::Retry { due } => Outcome::Retry { due: due.shifted(step) },
            outcome => outcome,
        };
        let shift = |attempt: Attempt| Attempt { at: attempt.at.shifted(step), ..attempt };
        let attempts = self.attempts.into_iter().map(shift).collect();
        Settlement { outcome, now: self.now.shifted(step), attempts, ..self }
    }
}

/// How a delivery went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it; the next change of the same resource may go.
    Delivered,
    /// To be tried again, the later changes of the same resource waiting behind it.
    Retry { due: Timestamp },
    /// Given up: kept as a dead letter, and the next change of the same resource may go.
    Dead,
    /// The receiver wants no more: the hook is disabled, with this and all else that is pending for it.
    Disable(DisableReason),
    /// Not sent after all: due again at once, the attempt not counted.
    Returned,
    /// The hook's token or secret does not open: nothing can be sent to the hook, which is set aside as one that can't be
    /// read.
    Unopened(Unopened),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatchUp {
    pub changes: usize,
    pub backlog: usize,
}

/// How far hooks that were behind have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaughtUp {
    /// None is behind any more.
    All,
    /// There is more to do now.
    Some,
    /// There is more to do once some of what waits for them was sent.
    Full,
}

/// Which attempts are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptAttempts {
    /// Those made since then ...
    pub since: Timestamp,
    /// ... of the newest so many changes of each hook.
    pub changes: usize,
}

/// Names a lease of pending changes: by chance, so that nobody guesses one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseId(pub i64);

#[derive(Clone, Debug)]
pub struct LeaseRequest {
    pub account: AccountId,
    pub owner: Owner,
    /// How many changes at most.
    pub limit: usize,
    pub now: Timestamp,
    pub until: Timestamp,
    /// Whether the lease is over, too, when the host starts again: whoever it was for is gone then.
    pub ends_with_host: bool,
}

/// A lease, and whose it is.
#[derive(Clone, Debug)]
pub struct LeasePlace {
    pub account: AccountId,
    pub owner: Owner,
    pub id: LeaseId,
}

/// What was lent.
#[derive(Debug)]
pub struct Leased {
    pub id: LeaseId,
    pub changes: Vec<PendingChange>,
    /// How far the lease goes in the journal, also where the last of it can't be read; none if nothing is lent.
    pub up_to: Option<i64>,
    /// Whether it ended at its limit, or at what a page may take in memory: there may be more.
    pub is_more: bool,
}

/// A change that is pending for a hook, with the token that goes with it.
#[derive(Clone, Debug)]
pub struct PendingChange {
    pub hook: HookId,
    pub change: Change,
    pub token: Option<Sealed>,
}
