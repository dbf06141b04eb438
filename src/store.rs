//! What is remembered, in words of the domain: a trait an aggregate, each method one transaction. An
//! embedded SQLite is beside it; nothing here names a database.

#[cfg(test)]
mod contract;
pub mod sqlite;

use std::time::Duration;

use async_trait::async_trait;

use crate::model::{
    Account, AccountId, AccountKey, Change, HookId, HookUrl, Kind, NewChange, Origin, Owner, Resource, ResourceId,
    Sealed, State, Timestamp,
};

/// Everything that the host remembers.
pub trait Store: Accounts + Polls + Inventory + Hooks + Deliveries + Send + Sync + 'static {}

impl<T: Accounts + Polls + Inventory + Hooks + Deliveries + Send + Sync + 'static> Store for T {}

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store can't be used as it is found: another host has it, or it is of a newer version.
    #[error("{0}")]
    Unusable(String),
    /// What was claimed is no longer held: its lease ran out and another took it, or it is gone.
    #[error("the lease on it ran out")]
    LeaseLost,
    #[error("the store failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[async_trait]
pub trait Accounts {
    /// Makes the account known, or brings its origin and password up to date. An account of the
    /// configuration is due for its polls at once if it was not polled before, and stays the
    /// configuration's, with the password from there, when a client enrols it again.
    ///
    /// An enrolment also notes that the account is in use, to the minute. One that brings the very sealed
    /// bytes that are known, within that minute, writes nothing: a caller that enrols often keeps them.
    async fn enrol(&self, enrolment: Enrolment) -> Result<AccountId>;

    async fn account(&self, id: AccountId) -> Result<Option<Account>>;

    async fn find_account(&self, key: &AccountKey) -> Result<Option<Account>>;

    /// Accounts of the configuration that are not among `keep` become clients' accounts: polled only
    /// while they have hooks.
    async fn keep_configured(&self, keep: &[AccountId]) -> Result<()>;

    /// Forgets clients' accounts without a hook that no client has used since `since`, with their
    /// credentials and all that was seen of them. Gives their number.
    async fn forget_idle_accounts(&self, since: Timestamp) -> Result<u64>;

    /// Answers if the store can be read and written: for readiness.
    async fn ping(&self) -> Result<()>;
}

#[derive(Clone, Debug)]
pub struct Enrolment {
    pub key: AccountKey,
    pub origin: Origin,
    pub password: Sealed,
    pub now: Timestamp,
}

/// An account is *watched* while it is the configuration's or has a hook. Only watched accounts have
/// polls due, apart from single ones that were asked for.
#[async_trait]
pub trait Polls {
    /// Asks for a poll at `at`, or leaves an earlier one due as it is. One that is under way does not
    /// count: the poll that is asked for comes after it.
    async fn request_poll(&self, account: AccountId, kind: Kind, at: Timestamp) -> Result<()>;

    /// Takes up to `limit` polls due at `now`, the longest due first, never one of an account that has a
    /// poll under lease. They come due again at the lease's end, should nothing more be heard of them.
    async fn claim_due_polls(&self, claim: PollClaim) -> Result<Vec<PollTicket>>;

    /// When the next poll can be claimed. Claimed ones are not counted, and those of an account that has
    /// a poll under lease only from that lease's end on, though they can be claimed once it is given back.
    async fn next_poll_due(&self) -> Result<Option<Timestamp>>;

    /// What the store has of this account's resources of one kind, sorted by id (bytewise).
    async fn known_resources(&self, account: AccountId, kind: Kind) -> Result<Vec<KnownResource>>;

    /// Commits what one poll saw: resources, changes in the journal, and a delivery due for each hook
    /// that a change concerns, in one transaction; and gives the ticket back.
    ///
    /// Before the account's first complete list of this kind, a change that says `created` is kept only
    /// where a hook waits for that very resource.
    async fn record_poll(&self, record: PollRecord) -> Result<Recorded>;

    /// Commits that a poll failed, and gives the ticket back. Nothing else is touched.
    async fn record_poll_failure(&self, failure: PollFailure) -> Result<()>;

    /// One for each kind that was ever due.
    async fn poll_status(&self, account: AccountId) -> Result<Vec<PollStatus>>;
}

#[derive(Clone, Debug)]
pub struct PollClaim {
    pub now: Timestamp,
    pub lease: Duration,
    pub limit: usize,
}

/// The right to poll one account for one kind, until the lease ends.
#[derive(Clone, Debug)]
pub struct PollTicket {
    pub account: Account,
    pub kind: Kind,
    /// When it was due.
    pub due: Timestamp,
    /// When the last complete list came; absent before the first.
    pub last_complete: Option<Timestamp>,
    /// Failures since the last success.
    pub failures: u32,
    /// Which claim this is: a result is taken only from the newest.
    pub lease: i64,
}

/// What the diff needs of a stored resource, and no more: it is read for every resource at every poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownResource {
    pub id: ResourceId,
    /// Of the whole record, see `poll::diff`.
    pub fingerprint: u64,
    pub state: State,
    /// In how many complete lists in a row it was missing.
    pub missing: u32,
    /// When it was last seen, should that be earlier than the last complete list.
    pub seen: Timestamp,
}

#[derive(Clone, Debug)]
pub struct PollRecord {
    pub account: AccountId,
    pub kind: Kind,
    pub lease: i64,
    /// When the poll began: the time of the observation.
    pub observed_at: Timestamp,
    pub complete: bool,
    /// Why it was not complete, for the account's health.
    pub partial_reason: Option<String>,
    /// New or changed resources, and those seen again after having been missing.
    pub upserts: Vec<Upsert>,
    /// Resources missing from this complete list but not yet removed, with how often in a row and when
    /// they were last seen.
    pub missing: Vec<Missing>,
    /// Resources that are gone.
    pub removed: Vec<ResourceId>,
    /// A change of a resource among `removed` may leave its name and realm out: the store has them, and
    /// writes them into the journal.
    pub changes: Vec<NewChange>,
    /// When to poll again, if the account is still watched.
    pub next_due: Timestamp,
    pub now: Timestamp,
    pub duration: Duration,
    /// How many requests the provider was sent.
    pub requests: u32,
}

#[derive(Clone, Debug)]
pub struct Upsert {
    pub resource: Resource,
    pub fingerprint: u64,
    /// Whether its state differs from what was stored, or it is new: `state_since` starts anew.
    pub state_changed: bool,
}

#[derive(Clone, Debug)]
pub struct Missing {
    pub id: ResourceId,
    pub times: u32,
    pub seen: Timestamp,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    pub changes: usize,
    pub deliveries: usize,
}

#[derive(Clone, Debug)]
pub struct PollFailure {
    pub account: AccountId,
    pub kind: Kind,
    pub lease: i64,
    pub now: Timestamp,
    /// A stable word for what went wrong: `unauthorized`, `throttled`, `limit.memory`, ...
    pub code: String,
    /// For the account's owner.
    pub message: String,
    pub next_due: Timestamp,
    pub duration: Duration,
    pub requests: u32,
}

#[derive(Clone, Debug)]
pub struct PollStatus {
    pub kind: Kind,
    pub last_attempt: Option<Timestamp>,
    pub last_complete: Option<Timestamp>,
    pub next_due: Option<Timestamp>,
    /// Failures since the last success.
    pub failures: u32,
    pub last_error: Option<PollError>,
    /// Why the last list was not complete.
    pub partial_reason: Option<String>,
    pub last_duration: Option<Duration>,
    /// Requests to the provider in all.
    pub requests: u64,
}

#[derive(Clone, Debug)]
pub struct PollError {
    pub at: Timestamp,
    pub code: String,
    pub message: String,
}

#[async_trait]
pub trait Inventory {
    /// A page of an account's resources of one kind, sorted by id (bytewise).
    async fn list(&self, account: AccountId, query: ListQuery) -> Result<Vec<Seen>>;

    /// One of them, with the hook of `owner` on it.
    async fn find(&self, account: AccountId, kind: Kind, id: &ResourceId, owner: &Owner) -> Result<Option<Seen>>;
}

#[derive(Clone, Debug)]
pub struct ListQuery {
    pub kind: Kind,
    pub id: Option<ResourceId>,
    pub state: Option<State>,
    /// Instances in this realm.
    pub realm: Option<String>,
    /// Only those that come after this id.
    pub after: Option<ResourceId>,
    pub limit: usize,
    /// Whose hook is shown.
    pub owner: Owner,
}

/// A resource as the tracker last saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub resource: Resource,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub state_since: Timestamp,
    /// The asking owner's hook on it.
    pub track: Option<Track>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    pub url: HookUrl,
    pub token_set: bool,
}

#[async_trait]
pub trait Hooks {
    /// Sets the owner's hook on a resource, seen or not, replacing the one it had and what that one was
    /// still owed. Its account's polls come due at once where it was not watched before.
    async fn set_track_hook(&self, hook: NewHook) -> Result<HookId>;

    /// Removes it with what it was still owed; says whether there was one.
    async fn remove_track_hook(&self, target: &HookTarget) -> Result<bool>;

    async fn track_hook(&self, target: &HookTarget) -> Result<Option<crate::model::Hook>>;

    async fn count_hooks(&self, account: AccountId) -> Result<u64>;
}

/// One owner's place for a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookTarget {
    pub account: AccountId,
    pub owner: Owner,
    pub kind: Kind,
    pub resource: ResourceId,
}

#[derive(Clone, Debug)]
pub struct NewHook {
    pub target: HookTarget,
    pub url: HookUrl,
    pub token: Option<Sealed>,
    pub secret: Sealed,
    pub now: Timestamp,
}

#[async_trait]
pub trait Deliveries {
    /// Takes deliveries that are due: of each resource on each hook the oldest only, so that order holds;
    /// of each hook no more than `per_hook`, those in `in_flight` counted in. They come due again at the
    /// lease's end, should nothing more be heard of them.
    async fn claim_due_deliveries(&self, claim: DeliveryClaim) -> Result<Vec<DueDelivery>>;

    /// When the next delivery is due, claimed ones counted with the end of their lease.
    async fn next_delivery_due(&self) -> Result<Option<Timestamp>>;

    /// Records how attempts ended, all in one transaction. What is settled on a delivery that is gone or
    /// was claimed anew is left out.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<()>;

    /// Every change still owed to the owner's hooks, dead letters among them, oldest first, up to `limit`:
    /// they count as delivered from then on, and no callback is sent for them.
    async fn take_owed(&self, account: AccountId, owner: &Owner, limit: usize) -> Result<Vec<Owed>>;

    /// How many deliveries are still to be made, dead ones not counted.
    async fn count_waiting(&self) -> Result<u64>;
}

#[derive(Clone, Debug)]
pub struct DeliveryClaim {
    pub now: Timestamp,
    pub lease: Duration,
    pub limit: usize,
    pub per_hook: usize,
    /// How many deliveries of a hook are being sent already.
    pub in_flight: Vec<(HookId, usize)>,
}

#[derive(Clone, Debug)]
pub struct DueDelivery {
    pub id: DeliveryId,
    pub account: AccountId,
    pub hook: HookId,
    pub url: HookUrl,
    pub token: Option<Sealed>,
    pub secret: Sealed,
    pub change: Change,
    /// Attempts made before this one.
    pub attempts: u32,
    /// Which claim this is.
    pub lease: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub i64);

#[derive(Clone, Debug)]
pub struct Settlement {
    pub id: DeliveryId,
    pub lease: i64,
    pub outcome: Outcome,
    pub now: Timestamp,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it; the next change of the same resource may go.
    Delivered,
    /// To be tried again, the later changes of the same resource waiting behind it.
    Retry { due: Timestamp, error: String },
    /// Given up: kept as a dead letter, and the next change of the same resource may go.
    Dead { error: String },
    /// The receiver wants no more (410): the hook goes, with all that it was owed.
    HookGone,
    /// Not sent after all: due again at once, the attempt not counted.
    Returned,
}

/// A change that was owed to a hook, with the token that goes with it.
#[derive(Clone, Debug)]
pub struct Owed {
    pub change: Change,
    pub token: Option<Sealed>,
}
