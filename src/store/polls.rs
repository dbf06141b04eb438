//! When accounts are polled, and the outcome of polls.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{
    Comparison, Decided, Decision, Delta, Effects, Effort, Held, HeldId, HeldMassChange, KnownResource, Missing,
    PollHeld, ProviderStates, Removed, Result, Upserts,
};
use crate::model::breaker::Standing;
use crate::model::flapping::Damping;
use crate::model::{
    Account, AccountId, AccountKey, ErrorCode, Flapping, InstanceState, Kind, NewChange, ResourceId, Share, Timestamp,
};

/// An account is *watched* while it is configured or has a hook. Only watched accounts have regular polls; other
/// accounts have only single polls on request.
#[async_trait]
pub trait Polls {
    /// Requests a poll at `at`, or keeps an earlier due time. A poll in progress does not count: the requested poll
    /// comes after it.
    async fn request_poll(&self, account: AccountId, kind: Kind, at: Timestamp) -> Result<()>;

    /// Requests a poll of only these instances at `at`, in addition to the complete poll, which keeps its due time. The
    /// complete poll replaces it if it is due earlier, if there are more than `MOST_IDS` instances, and before the
    /// first complete list.
    async fn request_ids(&self, account: AccountId, ids: Vec<ResourceId>, at: Timestamp) -> Result<()>;

    /// Claims up to `limit` polls due at `now`, as far as `admission` allows, and never one of an account that has a
    /// poll under lease. Endpoints take turns; at each endpoint the poll that is due longest comes first. A claimed
    /// poll is due again when its lease expires.
    async fn claim_due_polls(&self, claim: PollClaim) -> Result<Vec<PollTicket>>;

    /// When the next poll can be claimed for which there is room. A claimed poll, and other polls of its account, count
    /// with the end of the lease, although the others can be claimed once the lease is released.
    async fn next_poll_due(&self, now: Timestamp, admission: Arc<dyn Admission>) -> Result<Option<Timestamp>>;

    /// Stores the endpoint of each provider. Accounts of a provider that is not among these take turns by driver and
    /// provider.
    async fn place_providers(&self, placed: Vec<PlacedProvider>) -> Result<()>;

    /// The last stored standing of each endpoint that has accounts.
    async fn endpoints(&self) -> Result<Vec<(Arc<str>, Standing)>>;

    /// The stored resources of this account of one kind, sorted by id (bytewise).
    async fn known_resources(&self, account: AccountId, kind: Kind) -> Result<Vec<KnownResource>>;

    /// Shows the same resources to a comparison one after another, without copying them, and returns its result.
    async fn compare_known(&self, account: AccountId, kind: Kind, comparison: Box<dyn Comparison>) -> Result<Delta>;

    /// The stored resources with these ids, sorted.
    async fn known_among(&self, account: AccountId, kind: Kind, ids: Vec<ResourceId>) -> Result<Vec<KnownResource>>;

    /// The number of stored resources of one kind.
    async fn count_known(&self, account: AccountId, kind: Kind) -> Result<usize>;

    /// The stored words of the provider for the states of an account's instances. Read only when another version of a
    /// driver takes over.
    async fn provider_states(&self, account: AccountId) -> Result<ProviderStates>;

    /// The instances among these for which a hook matches the change when they leave their passing state, and which
    /// have not been in it since before `since`. If there are more than `MOST_IDS`, the first `MOST_IDS` and one more.
    async fn awaited(&self, account: AccountId, passing: Vec<Passing>, since: Timestamp) -> Result<Vec<ResourceId>>;

    /// The stored instances in a passing state, up to some thousands.
    async fn passing(&self, account: AccountId) -> Result<Vec<Passing>>;

    /// Records a poll in steps, with other writes between them, and releases the ticket with the last one. A step
    /// commits resources together with their changes in the journal and a delivery for each hook that matches. That the
    /// list came, and what was missing from it, counts from the last step on: if a poll is interrupted before, the next
    /// poll finds the rest.
    ///
    /// Before the account's first complete list of this kind, a `created` change is kept only if a hook waits for that
    /// resource.
    ///
    /// # Errors
    /// `LeaseLost` if another poll claimed the account, before the first step or between two. `AnswerChanged` if the
    /// operator's decision on a held mass change differs from that in the record: the claim is still held.
    async fn record_poll(&self, record: PollRecord) -> Result<Recorded>;

    /// Records that a poll was not begun, and releases the ticket: the poll is due again at `until`.
    async fn put_off_poll(&self, account: AccountId, kind: Kind, lease: i64, until: Timestamp) -> Result<()>;

    /// Releases a ticket for which nothing could be recorded: the poll is due again at `until`, or earlier if one was
    /// requested. May be lost in a power cut, which ends all leases anyway.
    async fn release_poll(&self, account: AccountId, kind: Kind, lease: i64, until: Timestamp) -> Result<()>;

    /// Whether the state of the account's provider is flapping, so that its changes are damped.
    async fn provider_flapping(&self, account: AccountId) -> Result<Option<Flapping>>;

    /// Records that a list is held, and releases the ticket. The known state stays.
    ///
    /// # Errors
    /// As `record_poll`.
    async fn hold_poll(&self, held: PollHeld) -> Result<()>;

    /// All held mass changes, by account.
    async fn held_mass_changes(&self) -> Result<Vec<HeldMassChange>>;

    /// The held mass change of an account, as it is now, and the effects of its list.
    async fn held_mass_change(&self, account: AccountId, kind: Kind) -> Result<Option<(Held, Effects)>>;

    /// Records the operator's decision on the held list, and has the account polled at `now`. If the operator names a
    /// list, the decision is only for that list.
    async fn decide_mass_change(
        &self,
        account: AccountKey,
        kind: Kind,
        only: Option<HeldId>,
        decision: Decision,
        now: Timestamp,
    ) -> Result<Decided>;

    /// Records that a poll failed, and releases the ticket. Nothing else changes.
    async fn record_poll_failure(&self, failure: PollFailure) -> Result<()>;

    /// The status of polls, for each kind that was ever due.
    async fn poll_status(&self, account: AccountId) -> Result<Vec<PollStatus>>;
}

#[derive(Clone)]
pub struct PollClaim {
    pub now: Timestamp,
    pub lease: Duration,
    pub limit: usize,
    pub admission: Arc<dyn Admission>,
    /// Recorded before anything is claimed.
    pub notes: Vec<PollNote>,
}

impl PollClaim {
    /// A claim of any due poll, without shares.
    pub fn on_all(now: Timestamp, lease: Duration, limit: usize) -> PollClaim {
        PollClaim { now, lease, limit, admission: Arc::new(NoShares), notes: Vec::new() }
    }
}

/// How many more polls may begin. The store asks while it claims, for each endpoint with a due poll: answers have to be
/// quick and must not wait.
pub trait Admission: Send + Sync {
    /// In total, for one share.
    fn room(&self, share: Share) -> usize;

    /// At one endpoint, for one share.
    fn room_at(&self, endpoint: &str, share: Share) -> usize;
}

/// Room for everything.
#[derive(Clone, Copy, Debug)]
pub struct NoShares;

impl Admission for NoShares {
    fn room(&self, _: Share) -> usize {
        usize::MAX
    }

    fn room_at(&self, _: &str, _: Share) -> usize {
        usize::MAX
    }
}

/// Facts that the host learned, by which the store claims polls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PollNote {
    Endpoint {
        name: Arc<str>,
        standing: Standing,
        /// Nothing is claimed there before this time.
        held: Option<Timestamp>,
    },
    /// Whether the last list of an account and kind was slow.
    Pace { account: AccountId, kind: Kind, slow: bool },
}

/// The endpoint of one provider's accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedProvider {
    pub driver: String,
    pub provider: String,
    pub endpoint: String,
}

/// The right to poll one account for one kind, until the lease expires.
#[derive(Clone, Debug)]
pub struct PollTicket {
    pub account: Account,
    pub kind: Kind,
    /// When the poll was due.
    pub due: Timestamp,
    /// The planned interval before this poll.
    pub every: Option<Duration>,
    /// When a list of this kind last showed something new.
    pub changed: Option<Timestamp>,
    /// When a hook was last set that waits for this kind.
    pub hook_set: Option<Timestamp>,
    /// When the last complete list came; absent before the first.
    pub last_complete: Option<Timestamp>,
    /// When the last complete list came that was not a delta.
    pub last_full: Option<Timestamp>,
    /// Until when a gap since the last complete list is already in the journal, although the list that ended the gap
    /// was not recorded completely.
    pub gap_told: Option<Timestamp>,
    /// Whether a resource was missing from that list and is not yet removed.
    pub unconfirmed: bool,
    /// The source of that list, see `PollRecord::listed_by`.
    pub listed_by: Option<String>,
    /// Failures since the last success.
    pub failures: u32,
    /// Why there was no complete list since the last one, if one was tried.
    pub trouble: Option<String>,
    /// The number of requests of the last list of this kind.
    pub last_requests: u32,
    /// Whether the account is polled regularly, and not only once on request.
    pub watched: bool,
    /// The held mass change.
    pub held: Option<Held>,
    /// The endpoint of its requests, and the share that it was claimed from.
    pub endpoint: Arc<str>,
    pub share: Share,
    /// Whether its last list was slow.
    pub slow: bool,
    /// How many lists in a row were not complete.
    pub partials: u32,
    /// The instances to poll alone, if the complete poll is not due yet.
    pub wanted: Option<WantedIds>,
    /// The fencing token of the claim: only the result of the newest claim is accepted.
    pub lease: i64,
}

/// Instances to poll alone at this time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    pub ids: Vec<ResourceId>,
    pub at: Timestamp,
}

/// Instances that are polled alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedIds {
    pub ids: Vec<ResourceId>,
    /// When the complete poll is due, if it is scheduled.
    pub list_due: Option<Timestamp>,
}

impl PollTicket {
    /// The same ticket by a clock that was set by `step` milliseconds.
    pub fn shifted(self, step: i64) -> PollTicket {
        let shift = |at: Timestamp| at.shifted(step);
        PollTicket {
            due: shift(self.due),
            changed: self.changed.map(shift),
            hook_set: self.hook_set.map(shift),
            last_complete: self.last_complete.map(shift),
            last_full: self.last_full.map(shift),
            gap_told: self.gap_told.map(shift),
            wanted: self.wanted.map(|wanted| WantedIds { list_due: wanted.list_due.map(shift), ..wanted }),
            ..self
        }
    }
}

/// The interval until the next list, and its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub every: Duration,
    pub reason: PaceReason,
}

impl Pace {
    pub fn usual(every: Duration) -> Pace {
        Pace { every, reason: PaceReason::Usual }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaceReason {
    Usual,
    /// A tracked instance is changing its state.
    Passing,
    /// A hook was just set.
    HookSet,
    /// Nothing has happened for long.
    Quiet,
}

impl PaceReason {
    pub const ALL: [PaceReason; 4] = [PaceReason::Usual, PaceReason::Passing, PaceReason::HookSet, PaceReason::Quiet];

    pub fn as_str(self) -> &'static str {
        match self {
            PaceReason::Usual => "usual",
            PaceReason::Passing => "passing",
            PaceReason::HookSet => "hook-set",
            PaceReason::Quiet => "quiet",
        }
    }

    pub fn parse(text: &str) -> Option<PaceReason> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// An instance in a passing state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passing {
    pub id: ResourceId,
    pub realm: Option<String>,
    pub state: InstanceState,
}

#[derive(Debug)]
pub struct PollRecord {
    pub account: AccountId,
    pub kind: Kind,
    pub lease: i64,
    /// When the poll began: the time of the observation.
    pub observed_at: Timestamp,
    pub complete: bool,
    /// Whether the list covers everything or only a part.
    pub breadth: Breadth,
    /// When the last list came that would have shown a difference from the stored state.
    pub since: Option<Timestamp>,
    /// The source of the list: equal for the same driver file and the same account of a cloud.
    pub listed_by: String,
    /// Why the list was not complete, for the status of the account.
    pub partial_reason: Option<String>,
    pub upserts: Upserts,
    /// Resources missing from this complete list but not yet removed, with the number of lists in a row and the time
    /// when they were last seen.
    pub missing: Vec<Missing>,
    /// Resources that are gone; they come after all upserts.
    pub removed: Vec<Removed>,
    /// Changes of the account as a whole, which are few. They come before those of its resources.
    pub changes: Vec<NewChange>,
    /// The operator's decision on a held mass change, at the time when the decision to record was made.
    pub decision: Option<Decision>,
    /// Whether the held mass change is over.
    pub ends_hold: bool,
    /// Whether resources may have passed through other states between this list and the one before it.
    pub passed_over: bool,
    pub pace: Pace,
    /// When to poll again, if the account is still watched.
    pub next_due: Timestamp,
    /// The instances to poll alone before that.
    pub again: Option<Again>,
    pub now: Timestamp,
    pub effort: Effort,
    /// The damping of the states of realms and of the provider.
    pub damping: Damping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breadth {
    Full,
    Delta,
    /// Single instances: the list says nothing about others, and the schedule of lists stays the same.
    Ids,
}

impl PollRecord {
    /// Whether the list differs from the one before, decided before anything of it is recorded.
    pub fn shows_something_new(&self) -> bool {
        !(self.upserts.is_empty() && self.missing.is_empty() && self.removed.is_empty())
    }
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
    /// What the failure says about the provider, and after how many of these in a row it counts as unreachable; at
    /// least 1.
    pub reach: Reach,
    pub unreachable_after: u32,
    pub damping: Damping,
    pub code: ErrorCode,
    /// A message for the account's owner.
    pub message: String,
    pub next_due: Timestamp,
    pub effort: Effort,
}

/// What a failed poll says about the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The provider answered, even if only with a refusal.
    Answered,
    /// The provider gave no answer, or reported an error of its own.
    Unreachable,
    /// Nothing: the fault is in the driver or in the host.
    Unknown,
}

#[derive(Clone, Debug)]
pub struct PollStatus {
    pub kind: Kind,
    pub last_attempt: Option<Timestamp>,
    pub last_complete: Option<Timestamp>,
    /// The last complete list that was not a delta.
    pub last_full: Option<Timestamp>,
    pub next_due: Option<Timestamp>,
    /// Whether the poll is under lease.
    pub under_way: bool,
    /// The interval after successful polls.
    pub pace: Option<Pace>,
    /// Whether a mass change is held.
    pub held: bool,
    /// Whether it waits for the account's request budget.
    pub put_off: bool,
    /// Failures since the last success.
    pub failures: u32,
    pub last_error: Option<PollError>,
    /// When a failed poll is retried: at this time if the account is watched, otherwise on the next request after it.
    pub retry: Option<Timestamp>,
    /// When the last recorded poll of single instances began.
    pub ids_polled: Option<Timestamp>,
    /// Why the last list was not complete.
    pub partial_reason: Option<String>,
    /// How many lists in a row were not complete.
    pub partials: u32,
    pub last_duration: Option<Duration>,
    /// The total number of requests to the provider.
    pub requests: u64,
}

#[derive(Clone, Debug)]
pub struct PollError {
    pub at: Timestamp,
    pub code: ErrorCode,
    pub message: String,
}
