//! When accounts are polled, and what comes of it.

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

/// An account is *watched* while it is the configuration's or has a hook. Only watched accounts have
/// polls due, apart from single ones that were asked for.
#[async_trait]
pub trait Polls {
    /// Asks for a poll at `at`, or leaves an earlier one due as it is. One that is under way does not
    /// count: the poll that is asked for comes after it.
    async fn request_poll(&self, account: AccountId, kind: Kind, at: Timestamp) -> Result<()>;

    /// Asks for a poll of these instances alone at `at`, beside the poll of everything, which stays due when it is. That
    /// answers for them if it comes earlier; so it does where there are more than `MOST_IDS` of them, and before the first
    /// complete list.
    async fn request_ids(&self, account: AccountId, ids: Vec<ResourceId>, at: Timestamp) -> Result<()>;

    /// Takes up to `limit` polls due at `now`, as far as `admission` lets them in, never one of an account that has a
    /// poll under lease. Endpoints take turns, and at each endpoint the longest due come first. They come due again at
    /// the lease's end, should nothing more be heard of them.
    async fn claim_due_polls(&self, claim: PollClaim) -> Result<Vec<PollTicket>>;

    /// When the next poll can be claimed for which there is room. A claimed one can be at its lease's end, and so can those
    /// of an account that has a poll under lease, though they can be claimed once it is given back.
    async fn next_poll_due(&self, now: Timestamp, admission: Arc<dyn Admission>) -> Result<Option<Timestamp>>;

    /// Says at which endpoint the accounts of each provider are polled. Accounts of a provider that is not among these
    /// take turns by their driver and provider.
    async fn place_providers(&self, placed: Vec<PlacedProvider>) -> Result<()>;

    /// What is known of each endpoint that has accounts, as it was noted last.
    async fn endpoints(&self) -> Result<Vec<(Arc<str>, Standing)>>;

    /// What the store has of this account's resources of one kind, sorted by id (bytewise).
    async fn known_resources(&self, account: AccountId, kind: Kind) -> Result<Vec<KnownResource>>;

    /// Shows the same to a comparison, one after another and without making a copy of it; gives what that found.
    async fn compare_known(&self, account: AccountId, kind: Kind, comparison: Box<dyn Comparison>) -> Result<Delta>;

    /// What the store has of these ids alone, sorted.
    async fn known_among(&self, account: AccountId, kind: Kind, ids: Vec<ResourceId>) -> Result<Vec<KnownResource>>;

    /// How many resources of a kind are stored.
    async fn count_known(&self, account: AccountId, kind: Kind) -> Result<usize>;

    /// The provider's own words for the states of an account's instances, as they are stored. Read only where
    /// another version of a driver takes over.
    async fn provider_states(&self, account: AccountId) -> Result<ProviderStates>;

    /// Those of these instances of which a hook would hear that they leave the state that they pass through, and that have
    /// not been in it since before `since`; of more than `MOST_IDS` the first of them, one too many.
    async fn awaited(&self, account: AccountId, passing: Vec<Passing>, since: Timestamp) -> Result<Vec<ResourceId>>;

    /// The instances that are stored in a passing state, up to some thousands.
    async fn passing(&self, account: AccountId) -> Result<Vec<Passing>>;

    /// Records what one poll saw, in steps between which others write, and gives the ticket back with the last one.
    /// A step commits resources together with their changes in the journal and a delivery for each hook that a change
    /// concerns. That the list came, and what was missing from it, counts from the last step on: where a poll is
    /// broken off before, the next one finds what is left to be recorded.
    ///
    /// Before the account's first complete list of this kind, a change that says `created` is kept only
    /// where a hook waits for that very resource.
    ///
    /// # Errors
    /// `LeaseLost` where another has claimed the poll, before the first step or between two. `AnswerChanged` where the
    /// operator has answered a mass change that is held otherwise than the record says: the claim is held still.
    async fn record_poll(&self, record: PollRecord) -> Result<Recorded>;

    /// Commits that a poll was not begun, and gives the ticket back: it is due again at `until`.
    async fn put_off_poll(&self, account: AccountId, kind: Kind, lease: i64, until: Timestamp) -> Result<()>;

    /// Gives a ticket back of which nothing could be recorded: it is due again at `until`, or earlier if one was asked
    /// for. It may be lost in a power cut, which ends all leases anyway.
    async fn release_poll(&self, account: AccountId, kind: Kind, lease: i64, until: Timestamp) -> Result<()>;

    /// Whether changes of the state of the account's provider are held back, since it goes to and fro.
    async fn provider_flapping(&self, account: AccountId) -> Result<Option<Flapping>>;

    /// Commits that a list is held, and gives the ticket back. What is known stays as it is.
    ///
    /// # Errors
    /// As `record_poll`.
    async fn hold_poll(&self, held: PollHeld) -> Result<()>;

    /// Every mass change that is held, by account.
    async fn held_mass_changes(&self) -> Result<Vec<HeldMassChange>>;

    /// The mass change that is held of an account, as it stands now, and what the list does that it was held for.
    async fn held_mass_change(&self, account: AccountId, kind: Kind) -> Result<Option<(Held, Effects)>>;

    /// Takes down what the operator makes of the list that is held, and has the account polled at `now`. Where the operator
    /// names a list, it is only of that.
    async fn decide_mass_change(
        &self,
        account: AccountKey,
        kind: Kind,
        only: Option<HeldId>,
        decision: Decision,
        now: Timestamp,
    ) -> Result<Decided>;

    /// Commits that a poll failed, and gives the ticket back. Nothing else is touched.
    async fn record_poll_failure(&self, failure: PollFailure) -> Result<()>;

    /// One for each kind that was ever due.
    async fn poll_status(&self, account: AccountId) -> Result<Vec<PollStatus>>;
}

#[derive(Clone)]
pub struct PollClaim {
    pub now: Timestamp,
    pub lease: Duration,
    pub limit: usize,
    pub admission: Arc<dyn Admission>,
    /// Taken down before anything is claimed.
    pub notes: Vec<PollNote>,
}

impl PollClaim {
    /// A claim on whatever is due, without shares.
    pub fn on_all(now: Timestamp, lease: Duration, limit: usize) -> PollClaim {
        PollClaim { now, lease, limit, admission: Arc::new(NoShares), notes: Vec::new() }
    }
}

/// How many more polls may begin. The store asks while it claims, for each endpoint that has a poll due: the answers are
/// short and wait for nothing.
pub trait Admission: Send + Sync {
    /// In all, of one share.
    fn room(&self, share: Share) -> usize;

    /// At one endpoint, of one share.
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

/// What the host found out about polls, for the store to claim by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PollNote {
    Endpoint {
        name: Arc<str>,
        standing: Standing,
        /// Nothing is claimed there before.
        held: Option<Timestamp>,
    },
    /// How long the last list of an account and kind took.
    Pace { account: AccountId, kind: Kind, slow: bool },
}

/// Where the accounts of one provider are polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedProvider {
    pub driver: String,
    pub provider: String,
    pub endpoint: String,
}

/// The right to poll one account for one kind, until the lease ends.
#[derive(Clone, Debug)]
pub struct PollTicket {
    pub account: Account,
    pub kind: Kind,
    /// When it was due.
    pub due: Timestamp,
    /// The interval that was planned before it.
    pub every: Option<Duration>,
    /// When a list of this kind last showed something new.
    pub changed: Option<Timestamp>,
    /// When a hook was set last that waits for this kind.
    pub hook_set: Option<Timestamp>,
    /// When the last complete list came; absent before the first.
    pub last_complete: Option<Timestamp>,
    /// When the last of these came that listed everything, and not only what had changed.
    pub last_full: Option<Timestamp>,
    /// Until when a gap since the last complete list is in the journal, though the list that ended it was not recorded
    /// to its end.
    pub gap_told: Option<Timestamp>,
    /// Whether something was missing from that one which is not yet taken for gone.
    pub unconfirmed: bool,
    /// What gave that list, see `PollRecord`.
    pub listed_by: Option<String>,
    /// Failures since the last success.
    pub failures: u32,
    /// Why there was no complete list since the last one, where one was tried for.
    pub trouble: Option<String>,
    /// How many requests the last list of this kind took.
    pub last_requests: u32,
    /// Whether the account is polled regularly, and not just this once because someone asked.
    pub watched: bool,
    /// A mass change that is held.
    pub held: Option<Held>,
    /// Where its requests go, and which share it was claimed out of.
    pub endpoint: Arc<str>,
    pub share: Share,
    /// Whether its last list took long.
    pub slow: bool,
    /// How many lists in a row were not complete.
    pub partials: u32,
    /// The instances that are asked for alone, where the poll of everything is not due yet.
    pub wanted: Option<WantedIds>,
    /// Which claim this is: a result is taken only from the newest.
    pub lease: i64,
}

/// Instances that are to be asked for alone at that time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    pub ids: Vec<ResourceId>,
    pub at: Timestamp,
}

/// Instances that are asked for alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedIds {
    pub ids: Vec<ResourceId>,
    /// When everything is to be polled, if it is.
    pub list_due: Option<Timestamp>,
}

impl PollTicket {
    /// The same ticket by a clock that was set by so many milliseconds.
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

/// How soon the next list is to come, and why so.
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
    /// An instance that somebody tracks passes from one state to another.
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

/// An instance on its way from one state to another.
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
    /// Whether everything was listed, or only a part of it.
    pub breadth: Breadth,
    /// When the last list came that would have shown what is stored as another, if it had been.
    pub since: Option<Timestamp>,
    /// What gave the list: equal for the same driver's file and the same account of a cloud.
    pub listed_by: String,
    /// Why it was not complete, for the account's health.
    pub partial_reason: Option<String>,
    pub upserts: Upserts,
    /// Resources missing from this complete list but not yet removed, with how often in a row and when
    /// they were last seen.
    pub missing: Vec<Missing>,
    /// Resources that are gone; they come after all upserts.
    pub removed: Vec<Removed>,
    /// Changes of the account as a whole, of which there are few. They come before those of its resources.
    pub changes: Vec<NewChange>,
    /// What the operator had answered to a mass change that is held, when it was decided to record this.
    pub decision: Option<Decision>,
    /// Whether a mass change that is held is over.
    pub ends_hold: bool,
    /// Whether resources may have been in other states between this list and the one before it.
    pub passed_over: bool,
    pub pace: Pace,
    /// When to poll again, if the account is still watched.
    pub next_due: Timestamp,
    /// What is to be asked for alone before that.
    pub again: Option<Again>,
    pub now: Timestamp,
    pub effort: Effort,
    /// When changes of the states of realms, and of the provider, are held back.
    pub damping: Damping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breadth {
    Full,
    Delta,
    /// Single instances: nothing is said of all others, and the schedule of lists stays as it is.
    Ids,
}

impl PollRecord {
    /// Whether, before anything of it is recorded, it is another list than the one before.
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
    /// What the failure says of the provider, and after how many in a row that say so it is held to be out of
    /// reach; at least 1.
    pub reach: Reach,
    pub unreachable_after: u32,
    pub damping: Damping,
    pub code: ErrorCode,
    /// For the account's owner.
    pub message: String,
    pub next_due: Timestamp,
    pub effort: Effort,
}

/// What a poll that failed says of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It answered, if only to refuse.
    Answered,
    /// It gave no answer, or said that the fault is its own.
    Unreachable,
    /// Nothing: the trouble lies with the driver, or with the host.
    Unknown,
}

#[derive(Clone, Debug)]
pub struct PollStatus {
    pub kind: Kind,
    pub last_attempt: Option<Timestamp>,
    pub last_complete: Option<Timestamp>,
    /// The last of these that listed everything, and not only what had changed.
    pub last_full: Option<Timestamp>,
    pub next_due: Option<Timestamp>,
    /// Whether it is under lease.
    pub under_way: bool,
    /// That of the polls that succeed.
    pub pace: Option<Pace>,
    /// Whether a mass change is held.
    pub held: bool,
    /// Whether it waits for the account's budget of requests.
    pub put_off: bool,
    /// Failures since the last success.
    pub failures: u32,
    pub last_error: Option<PollError>,
    /// When a poll that failed is to be tried again. It is due then if the account is watched, and otherwise if somebody
    /// asks for it.
    pub retry: Option<Timestamp>,
    /// When the last poll of single instances began, as far as it was recorded.
    pub ids_polled: Option<Timestamp>,
    /// Why the last list was not complete.
    pub partial_reason: Option<String>,
    /// How many lists in a row were not complete.
    pub partials: u32,
    pub last_duration: Option<Duration>,
    /// Requests to the provider in all.
    pub requests: u64,
}

#[derive(Clone, Debug)]
pub struct PollError {
    pub at: Timestamp,
    pub code: ErrorCode,
    pub message: String,
}
