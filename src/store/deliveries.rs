//! Deliveries: what is claimed to be sent, and how it went on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Attempt, Result};
use crate::model::{AccountId, Change, DisableReason, Format, HookId, HookSecrets, HookUrl, Owner, Sealed, Timestamp};

#[async_trait]
pub trait Deliveries {
    /// Takes deliveries that are due: of each resource on each hook the oldest only, so that order holds;
    /// of each hook no more than `per_hook` and than its rate allows; of each destination no more than it
    /// may have. Destinations, and hooks within one, are served in turns. They come due again at the lease's
    /// end, should nothing more be heard of them.
    async fn claim_due_deliveries(&self, claim: DeliveryClaim) -> Result<Vec<DueDelivery>>;

    /// When the next delivery is due, claimed ones counted with the end of their lease.
    async fn next_delivery_due(&self) -> Result<Option<Timestamp>>;

    /// Records how attempts ended, all in one transaction. What is settled on a delivery that is gone or
    /// was claimed anew is left out, its attempts apart.
    async fn settle(&self, settling: Settling) -> Result<()>;

    /// Owes hooks that were resumed, or have a replay before them, more of the journal: up to `changes` of
    /// it, and to each hook until `backlog` deliveries wait for it.
    async fn catch_up(&self, now: Timestamp, limits: CatchUp) -> Result<CaughtUp>;

    /// Every change still owed to the owner's hooks, dead letters among them, oldest first, up to `limit`:
    /// they count as delivered from then on, and no callback is sent for them.
    async fn take_owed(&self, account: AccountId, owner: &Owner, limit: usize) -> Result<Vec<Owed>>;

    /// How many deliveries are still to be made, dead ones not counted.
    async fn count_waiting(&self) -> Result<u64>;

    /// Forgets attempts beyond what is kept, up to `limit` of them; says whether there may be more.
    async fn forget_attempts(&self, kept: KeptAttempts, limit: usize) -> Result<bool>;
}

#[derive(Clone, Debug)]
pub struct DeliveryClaim {
    pub now: Timestamp,
    pub lease: Duration,
    pub limit: usize,
    pub per_hook: usize,
    /// How many deliveries of a hook are being sent already.
    pub in_flight: Vec<(HookId, usize)>,
    /// How many a destination may have that is not among `room`.
    pub per_destination: usize,
    /// How many more each of these destinations may have.
    pub room: Vec<(Arc<str>, usize)>,
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
    pub url: HookUrl,
    /// The destination of `url`: scheme, host and port.
    pub destination: Arc<str>,
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
    /// For how long a hook may fail without a single success until it is disabled.
    pub disable_after: Duration,
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

/// How a delivery went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it; the next change of the same resource may go.
    Delivered,
    /// To be tried again, the later changes of the same resource waiting behind it.
    Retry { due: Timestamp },
    /// Given up: kept as a dead letter, and the next change of the same resource may go.
    Dead,
    /// The receiver wants no more: the hook is disabled, with this and all else still owed to it.
    Disable(DisableReason),
    /// Not sent after all: due again at once, the attempt not counted.
    Returned,
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

/// A change that was owed to a hook, with the token that goes with it.
#[derive(Clone, Debug)]
pub struct Owed {
    pub change: Change,
    pub token: Option<Sealed>,
}
