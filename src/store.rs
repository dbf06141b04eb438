//! What is remembered, in words of the domain: a trait an aggregate, each method one transaction. An
//! embedded SQLite is beside it; nothing here names a database.

#[cfg(test)]
mod contract;
pub mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{
    Account, AccountId, AccountKey, Change, ChangeId, Cursor, DisableReason, Filter, Format, Hook, HookId, HookSecrets,
    HookSpec, HookStatus, HookUrl, Kind, NewChange, Origin, Owner, Resource, ResourceId, Sealed, State, Timestamp,
};

/// Everything that the host remembers.
pub trait Store: Accounts + Polls + Inventory + Hooks + Deliveries + Journal + Repeats + Send + Sync + 'static {}

impl<T> Store for T where
    T: Accounts + Polls + Inventory + Hooks + Deliveries + Journal + Repeats + Send + Sync + 'static
{
}

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
    pub hook: HookId,
    pub url: HookUrl,
    pub token_set: bool,
    pub status: HookStatus,
}

/// A hook is sent what it is owed while it is *active*. While it is paused or disabled, what it was owed
/// waits, and what happens meanwhile is found in the journal once it is resumed.
#[async_trait]
pub trait Hooks {
    /// Makes a hook; one with a `track` replaces the one that its owner had on that resource, and what that
    /// one was still owed. Its account's polls come due at once where it was not watched before.
    async fn set_hook(&self, hook: NewHook) -> Result<HookId>;

    /// The owner's hook on a resource.
    async fn track_hook(&self, target: &HookTarget) -> Result<Option<Hook>>;

    /// Removes it with what it was still owed; says whether there was one.
    async fn remove_track_hook(&self, target: &HookTarget) -> Result<bool>;

    async fn hook(&self, place: &HookPlace) -> Result<Option<Hook>>;

    /// A page of the owner's hooks, by their ids from below.
    async fn hooks(&self, account: AccountId, owner: &Owner, after: Option<HookId>, limit: usize) -> Result<Vec<Hook>>;

    async fn count_hooks(&self, account: AccountId) -> Result<u64>;

    /// Replaces what the owner says of the hook. What it is owed already stays owed, and is sent as the new
    /// words have it. Says whether there is such a hook, as the following do.
    async fn change_hook(&self, place: &HookPlace, spec: HookSpec, now: Timestamp) -> Result<bool>;

    /// Removes it with what it was still owed.
    async fn remove_hook(&self, place: &HookPlace) -> Result<bool>;

    /// The present secret signs beside the new one until `until`; one that did so till now no longer does.
    async fn rotate_secret(&self, place: &HookPlace, secret: Sealed, until: Timestamp) -> Result<bool>;

    /// Nothing more is sent until it is resumed. A disabled one stays disabled.
    async fn pause_hook(&self, place: &HookPlace, now: Timestamp) -> Result<bool>;

    /// Goes on from where it stopped.
    async fn resume_hook(&self, place: &HookPlace, now: Timestamp) -> Result<bool>;

    /// Owes the hook a change of its own, of type `hook.test`, whatever its filter; gives that change's id.
    async fn test_hook(&self, place: &HookPlace, now: Timestamp) -> Result<Option<ChangeId>>;

    /// Owes it everything anew that its filter lets through, from that place of the journal on. What it is
    /// owed still is not owed twice.
    async fn replay(&self, place: &HookPlace, from: ReplayFrom, now: Timestamp) -> Result<bool>;

    /// Makes dead letters due once more, with all their tries before them: the one of that change, or all.
    /// Gives their number, up to `limit`; nothing if there is no such hook.
    async fn redrive(
        &self,
        place: &HookPlace,
        only: Option<ChangeId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Option<usize>>;

    /// What became of the hook's changes, newest first.
    async fn hook_deliveries(&self, place: &HookPlace, query: DeliveryQuery) -> Result<Vec<DeliveryRecord>>;
}

/// One owner's place for a hook on a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookTarget {
    pub account: AccountId,
    pub owner: Owner,
    pub kind: Kind,
    pub resource: ResourceId,
}

/// One owner's hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookPlace {
    pub account: AccountId,
    pub owner: Owner,
    pub hook: HookId,
}

#[derive(Clone, Debug)]
pub struct NewHook {
    pub account: AccountId,
    pub owner: Owner,
    /// The one resource that it is set on, seen or not.
    pub track: Option<(Kind, ResourceId)>,
    pub spec: HookSpec,
    pub secret: Sealed,
    pub now: Timestamp,
}

/// Where a replay begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayFrom {
    /// Behind the change with this number in the journal; 0 is the oldest that is kept.
    After(i64),
    /// With the first change recorded then or later.
    Time(Timestamp),
}

#[derive(Clone, Debug)]
pub struct DeliveryQuery {
    /// Only such.
    pub state: Option<DeliveryState>,
    /// Only those of changes before this number of the journal.
    pub before: Option<i64>,
    pub limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// Still to be made.
    Waiting,
    /// Given up.
    Dead,
    /// No longer owed: the receiver has it, or its owner fetched it, or a newer change took its place.
    Done,
}

/// One change on its way to one hook.
#[derive(Clone, Debug)]
pub struct DeliveryRecord {
    pub change: Change,
    pub state: DeliveryState,
    /// For one that waits at the head of its line: when it is tried next.
    pub due: Option<Timestamp>,
    /// Those that are still remembered, oldest first.
    pub attempts: Vec<Attempt>,
}

/// One try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    pub duration: Duration,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// What went wrong, in words that may be shown to the hook's owner.
    pub error: Option<String>,
    /// The beginning of what the receiver answered.
    pub answer: Option<String>,
}

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

#[async_trait]
pub trait Journal {
    /// The account's changes behind a number of the journal (0: from the oldest that is kept), in order.
    async fn changes(&self, account: AccountId, query: ChangeQuery) -> Result<ChangePage>;

    /// The place of the newest change of all accounts; number 0 before the first.
    async fn newest_change(&self) -> Result<Cursor>;
}

#[derive(Clone, Debug)]
pub struct ChangeQuery {
    pub after: i64,
    pub filter: Filter,
    pub limit: usize,
    /// How many changes are looked at, at most, whether the filter lets them through or not.
    pub looked_at: usize,
}

#[derive(Clone, Debug)]
pub struct ChangePage {
    pub changes: Vec<Change>,
    /// Where to go on: the last change looked at, let through or not.
    pub next: Cursor,
    /// Whether the end of the journal was reached.
    pub at_end: bool,
}

/// Requests that a client may repeat (`Idempotency-Key`): the answer to the first is the answer to all.
#[async_trait]
pub trait Repeats {
    /// Begins a request, unless it is known. What was begun before `forget` is forgotten.
    async fn begin_request(&self, request: RepeatableRequest) -> Result<Begun>;

    /// Keeps the answer.
    async fn finish_request(&self, id: &RequestId, answer: Sealed) -> Result<()>;

    /// Forgets a request that did nothing, so that it may be made again.
    async fn abandon_request(&self, id: &RequestId) -> Result<()>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId {
    pub account: AccountId,
    pub owner: Owner,
    /// As the client wrote it.
    pub key: String,
}

#[derive(Clone, Debug)]
pub struct RepeatableRequest {
    pub id: RequestId,
    /// Of method, path and body.
    pub fingerprint: [u8; 32],
    pub now: Timestamp,
    /// What was begun before is forgotten.
    pub forget: Timestamp,
    /// One begun before, and not finished, was cut off, and is begun anew.
    pub abandoned: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is the first: answer it.
    New,
    /// The first is still being answered.
    UnderWay,
    /// The key came with another request before.
    Another,
    Answered(Sealed),
}
