//! Deliveries: claims, and their settlement.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Attempt, Result, Room, Signalling, Unopened};
use crate::model::breaker::Standing;
use crate::model::{AccountId, Change, DisableReason, Format, HookId, HookSecrets, HookUrl, Owner, Sealed, Timestamp};

#[async_trait]
pub trait Deliveries: Signalling {
    /// Claims due deliveries. Of each ordering key only the oldest is claimed, so that order holds. A claim takes no
    /// more than there is room for, and of a hook no more than its rate allows. Destinations take turns, then accounts
    /// within a destination, then hooks within an account. A destination without room is left out until a settlement
    /// names it among `landed`. A claimed delivery is due again when its lease expires.
    async fn claim_due_deliveries(&self, claim: DeliveryClaim) -> Result<Vec<DueDelivery>>;

    /// When the next delivery is due; a claimed one counts with the end of its lease.
    async fn next_delivery_due(&self) -> Result<Option<Timestamp>>;

    /// Records how attempts ended. If a delivery is gone or was claimed again, only its attempts are recorded.
    async fn settle(&self, settling: Settling) -> Result<()>;

    /// Creates deliveries from the journal for hooks that were resumed or that replay: for up to `changes` changes, and
    /// up to `backlog` pending deliveries for each hook.
    async fn catch_up(&self, now: Timestamp, limits: CatchUp) -> Result<CaughtUp>;

    /// Leases to the owner the pending changes of its hooks, including dead letters, oldest first, up to the limit.
    /// Until the lease expires, no callback is sent for them, and nobody else can lease them. A change that is not
    /// acknowledged by then is pending as before.
    async fn lend_pending(&self, request: LeaseRequest) -> Result<Leased>;

    /// Marks leased changes as delivered, up to a place in the journal, in steps. Returns their number; of an expired
    /// lease, only those count that were not sent or leased again since.
    async fn acknowledge_pending(&self, lease: LeasePlace, up_to: i64) -> Result<u64>;

    /// Ends a lease early.
    async fn return_pending(&self, lease: LeasePlace) -> Result<()>;

    /// The number of pending deliveries, without dead letters.
    async fn count_waiting(&self) -> Result<u64>;

    /// Deletes attempts that are no longer kept, up to `limit` of them. Returns whether there may be more.
    async fn forget_attempts(&self, kept: KeptAttempts, limit: usize) -> Result<bool>;
}

#[derive(Clone, Debug)]
pub struct DeliveryClaim {
    pub now: Timestamp,
    pub lease: Duration,
    /// The maximum number of deliveries.
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
    /// The fencing token of the claim.
    pub lease: i64,
}

/// The properties of a hook for sending, shared by all deliveries of one claim.
#[derive(Clone, Debug)]
pub struct Recipient {
    pub hook: HookId,
    pub account: AccountId,
    pub url: HookUrl,
    /// The destination of `url`: scheme, host and port.
    pub destination: Arc<str>,
    /// The standing of the destination when the delivery was claimed.
    pub standing: Standing,
    pub token: Option<Sealed>,
    pub secrets: HookSecrets,
    pub format: Format,
    /// The waits before each retry, instead of the host's schedule.
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
    /// Destinations for which nothing is claimed until this time.
    pub holds: Vec<(Arc<str>, Timestamp)>,
    /// Destinations with ended attempts, which therefore have room again, and their standing.
    pub landed: Vec<(Arc<str>, Standing)>,
    /// How long a hook may fail without a single success until it is disabled.
    pub disable_after: Duration,
}

impl Settling {
    /// The same, with times by a clock that was set by `step` milliseconds since.
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
    /// The attempts, oldest first.
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

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Delivered; the next change of the same resource may be sent.
    Delivered,
    /// To be retried; later changes of the same resource wait behind it.
    Retry { due: Timestamp },
    /// Given up: kept as a dead letter; the next change of the same resource may be sent.
    Dead,
    /// The receiver refuses further callbacks: the hook is disabled; this and all its other deliveries stay pending.
    Disable(DisableReason),
    /// Not sent: due again at once, and the attempt does not count.
    Returned,
    /// The hook's token or secret does not open: nothing can be sent to the hook, which is set aside as a damaged row.
    Unopened(Unopened),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatchUp {
    pub changes: usize,
    pub backlog: usize,
}

/// The progress of hooks that catch up with the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaughtUp {
    /// All hooks have caught up.
    All,
    /// More can be done now.
    Some,
    /// More can be done once some of the pending deliveries were sent.
    Full,
}

/// Which attempts are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptAttempts {
    /// Attempts since this time ...
    pub since: Timestamp,
    /// ... of the newest changes of each hook, this many.
    pub changes: usize,
}

/// The id of a lease of pending changes: random, so that nobody can guess it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseId(pub i64);

#[derive(Clone, Debug)]
pub struct LeaseRequest {
    pub account: AccountId,
    pub owner: Owner,
    /// The maximum number of changes.
    pub limit: usize,
    pub now: Timestamp,
    pub until: Timestamp,
    /// Whether the lease also ends when the host restarts, because its reader is gone then.
    pub ends_with_host: bool,
}

/// A lease and its owner.
#[derive(Clone, Debug)]
pub struct LeasePlace {
    pub account: AccountId,
    pub owner: Owner,
    pub id: LeaseId,
}

/// The leased changes.
#[derive(Debug)]
pub struct Leased {
    pub id: LeaseId,
    pub changes: Vec<PendingChange>,
    /// The last place in the journal that the lease covers, even if its change cannot be read; none if nothing is
    /// leased.
    pub up_to: Option<i64>,
    /// Whether the page ended at its limit or at its maximum memory: there may be more.
    pub is_more: bool,
}

/// A pending change of a hook, with the hook's token.
#[derive(Clone, Debug)]
pub struct PendingChange {
    pub hook: HookId,
    pub change: Change,
    pub token: Option<Sealed>,
}
