//! When accounts are polled, and what comes of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Effects, HeldId, ProviderStates, Result};
use crate::model::breaker::Standing;
use crate::model::flapping::Damping;
use crate::model::{
    Account, AccountId, AccountKey, BudgetMark, ChangeType, Flapping, InstanceState, InvalidResourceId, Kind,
    NewChange, Resource, ResourceId, Share, State, Timestamp,
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

/// Lists that were not recorded, since too much in them was another at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// When the first of them was asked for.
    pub since: Timestamp,
    /// How many in a row.
    pub lists: u32,
    /// What the newest of them showed: how many resources vanished or were in another state, of how many.
    pub affected: usize,
    pub known: usize,
    /// Tells the newest that showed everything from other lists.
    pub print: Option<u64>,
    /// What the operator made of it.
    pub decision: Option<Decision>,
    /// Whether it is in the journal already, though the list that showed it was not recorded to its end.
    pub told: bool,
}

/// What became of an operator's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It holds for this list.
    Taken(Held),
    /// It is to another list than the one that is held.
    Another(HeldId, Held),
    /// It comes too late: the list is being recorded.
    Recording,
    NothingHeld,
}

/// What the operator makes of the list that is held. It holds for no list that does more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// What it shows is recorded and told, once a list shows it again.
    Accept,
    /// It is recorded, and not told.
    AcceptSilently,
    /// What is known stays as it is until a list differs from the one that is rejected.
    Reject,
}

/// A list is held in the place of being recorded.
#[derive(Clone, Debug)]
pub struct PollHeld {
    pub account: AccountId,
    pub kind: Kind,
    pub lease: i64,
    pub observed_at: Timestamp,
    pub affected: usize,
    pub known: usize,
    /// See `Held`.
    pub print: Option<u64>,
    /// What the list does; absent where the one that is held stays, which is as this one.
    pub effects: Option<Effects>,
    /// What the operator had answered when this was decided.
    pub decision: Option<Decision>,
    /// Whether it has nothing to do with what was held before.
    pub is_anew: bool,
    pub next_due: Timestamp,
    pub now: Timestamp,
    pub duration: Duration,
    pub requests: u32,
    pub budget: Option<BudgetMark>,
}

/// A held mass change and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldMassChange {
    pub account: AccountKey,
    pub kind: Kind,
    pub id: HeldId,
    pub held: Held,
}

/// A list that is compared with what is stored, while that is read. They come sorted by id (bytewise), each once.
pub trait Comparison: Send {
    /// Whether the next of what is stored, which was not missing, is on the list as it is stored: then it is passed over,
    /// and nothing more of it is read.
    fn passes(&mut self, id: &str, fingerprint: u64) -> bool;

    /// Takes the next of what is stored, where it does not pass.
    ///
    /// # Errors
    /// If its id is none: whether it is one is only asked where it is not on the list.
    fn known(&mut self, known: Known<'_>) -> Result<(), InvalidResourceId>;

    /// Nothing more is stored.
    fn end(self: Box<Self>) -> Delta;
}

/// What the diff needs of a stored resource, and no more: it is read for every resource at every poll.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub id: &'a str,
    /// Of the whole record, see `poll::diff`.
    pub fingerprint: u64,
    pub state: State,
    /// In how many complete lists in a row it was missing.
    pub missing: u32,
    /// When it was last seen, should that be earlier than the last complete list.
    pub seen: Timestamp,
    /// Whether it is stored as missing from a list that was not recorded to its end. That is not counted, and is to be
    /// written anew, also where nothing else is.
    pub unsettled: bool,
}

/// What a comparison found, which is what is to be written. Empty where nothing changed.
#[derive(Debug, Default)]
pub struct Delta {
    pub upserts: Upserts,
    pub missing: Vec<Missing>,
    pub removed: Vec<Removed>,
    /// How many resources are stored.
    pub known: usize,
    /// How many of them vanished, or are in another state.
    pub affected: usize,
}

/// A stored resource by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownResource {
    pub id: ResourceId,
    pub fingerprint: u64,
    pub state: State,
    pub missing: u32,
    pub seen: Timestamp,
}

impl KnownResource {
    pub fn as_known(&self) -> Known<'_> {
        let KnownResource { ref id, fingerprint, state, missing, seen } = *self;
        Known { id: id.as_str(), fingerprint, state, missing, seen, unsettled: false }
    }
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
    pub duration: Duration,
    /// How many requests the provider was sent.
    pub requests: u32,
    /// When changes of the states of realms, and of the provider, are held back.
    pub damping: Damping,
    /// What the account's budget has left, where requests were made and are counted.
    pub budget: Option<BudgetMark>,
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

/// New or changed resources, and those seen again after having been missing, by their ids from below. Those at the end
/// may still lie where they were listed, so that a first list is not held twice.
#[derive(Default)]
pub struct Upserts {
    found: VecDeque<Upsert>,
    rest: Option<Box<dyn ExactSizeIterator<Item = Upsert> + Send>>,
}

impl Upserts {
    pub fn push(&mut self, upsert: Upsert) {
        self.found.push_back(upsert);
    }

    /// Those of resources that are stored, and some that are new.
    pub fn found(&self) -> impl Iterator<Item = &Upsert> {
        self.found.iter()
    }

    /// Alters each, those that still lie where they were listed when it is their turn.
    pub fn alter(&mut self, alter: impl Fn(&mut Upsert) + Send + 'static) {
        self.found.iter_mut().for_each(&alter);
        if let Some(rest) = self.rest.take() {
            self.rest = Some(Box::new(rest.map(move |mut upsert| {
                alter(&mut upsert);
                upsert
            })));
        }
    }

    /// Adds what comes last.
    pub fn end_with(&mut self, rest: impl ExactSizeIterator<Item = Upsert> + Send + 'static) {
        self.rest = Some(Box::new(rest));
    }

    pub fn len(&self) -> usize {
        self.found.len() + self.rest.as_ref().map_or(0, |rest| rest.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Iterator for Upserts {
    type Item = Upsert;

    fn next(&mut self) -> Option<Upsert> {
        self.found.pop_front().or_else(|| self.rest.as_mut()?.next())
    }
}

impl From<Vec<Upsert>> for Upserts {
    fn from(found: Vec<Upsert>) -> Upserts {
        Upserts { found: found.into(), rest: None }
    }
}

impl std::fmt::Debug for Upserts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upserts").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
pub struct Upsert {
    pub resource: Resource,
    pub fingerprint: u64,
    /// Whether its state differs from what was stored, or it is new: `state_since` starts anew.
    pub state_changed: bool,
    /// What the journal says of it.
    pub change: Option<Transition>,
}

/// A change of a resource, as far as neither the resource nor its list says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    pub change_type: ChangeType,
    pub old_state: Option<State>,
    pub new_state: State,
    /// When the resource was last seen as it was before.
    pub observed_after: Option<Timestamp>,
}

/// A resource that is gone. The store has its name and realm.
#[derive(Clone, Debug)]
pub struct Removed {
    pub id: ResourceId,
    /// What the journal says of it.
    pub change: Option<Transition>,
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
    /// What the failure says of the provider, and after how many in a row that say so it is held to be out of
    /// reach; at least 1.
    pub reach: Reach,
    pub unreachable_after: u32,
    pub damping: Damping,
    /// A stable word for what went wrong: `unauthorized`, `throttled`, `limit.memory`, ...
    pub code: String,
    /// For the account's owner.
    pub message: String,
    pub next_due: Timestamp,
    pub duration: Duration,
    pub requests: u32,
    pub budget: Option<BudgetMark>,
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
    pub code: String,
    pub message: String,
}
