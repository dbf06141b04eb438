//! Hooks, what is done with them, and the record of what became of their changes.

use std::time::Duration;

use async_trait::async_trait;
use utoipa::ToSchema;

use super::{Once, Page, Refusal, Result, Written};
use crate::model::{
    AccountId, Change, ChangeId, Hook, HookId, HookSpec, HookVersion, Kind, Owner, ResourceId, Sealed, Timestamp,
};

/// A hook is sent what it is owed while it is *active*. While it is paused or disabled, what it was owed
/// waits, and what happens meanwhile is found in the journal once it is resumed.
#[async_trait]
pub trait Hooks {
    /// Makes a hook; one with a `track` replaces the one that its owner had on that resource, and what that
    /// one was still owed. Its account's polls come due at once where it was not watched before.
    async fn create_hook(&self, hook: NewHook, once: Option<Once<Hook>>) -> Result<Written<Hook>>;

    /// The owner's hook on a resource.
    async fn track_hook(&self, target: &HookTarget) -> Result<Option<Hook>>;

    /// Removes it with what it was still owed; says whether there was one.
    async fn remove_track_hook(&self, target: &HookTarget) -> Result<bool>;

    async fn hook(&self, place: &HookPlace) -> Result<Option<Hook>>;

    /// The hook, if it is there and damaged: then it can only be removed, or set anew. One whose owner can't be read is the
    /// account's.
    async fn damaged_hook(&self, place: &HookPlace) -> Result<Option<DamagedHook>>;

    /// A page of the owner's hooks, by their ids from below.
    async fn hooks(
        &self,
        account: AccountId,
        owner: &Owner,
        after: Option<HookId>,
        limit: usize,
    ) -> Result<Page<Result<Hook, DamagedHook>>>;

    async fn count_hooks(&self, account: AccountId) -> Result<u64>;

    /// Does something to a hook; gives it as it is then.
    async fn edit_hook(&self, edit: HookEdit, once: Option<Once<EditedHook>>) -> Result<Written<EditedHook>>;

    /// Removes it with what it was still owed, also one that is damaged.
    async fn delete_hook(&self, place: &HookPlace, condition: Condition) -> Result<Result<(), Refusal>>;

    /// Makes dead letters due once more, with all their tries before them, in steps. The key of the request is kept with
    /// the first step, and how far it is with each; the answer is kept with the last. So one that was broken off, by a
    /// crash too, goes on from there when it comes again, and counts what was done before.
    async fn redrive_hook(&self, redrive: Redrive, once: Option<Once<Redriven>>) -> Result<Written<Redriven>>;

    /// How many deliveries of the hook are given up, as something stored of them or of their changes can't be read.
    async fn count_damaged_deliveries(&self, place: &HookPlace) -> Result<u64>;

    /// What became of the hook's changes, newest first.
    async fn hook_deliveries(&self, place: &HookPlace, query: DeliveryQuery) -> Result<Page<DeliveryRecord>>;
}

/// A hook of which something stored can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedHook {
    pub id: HookId,
    /// What can't be read, and why.
    pub reason: String,
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
    /// How many hooks the account may have. One that takes the place of another is always let in.
    pub limit: u64,
    /// How many items the filters of all its hooks may have together.
    pub filter_items: u64,
    /// By when the account is polled for it, if not sooner; by nothing but its schedule where this is absent.
    pub poll_by: Option<Timestamp>,
    pub now: Timestamp,
}

/// What is to be done to a hook.
#[derive(Clone, Debug)]
pub struct HookEdit {
    pub place: HookPlace,
    pub condition: Condition,
    pub action: HookAction,
    pub now: Timestamp,
}

#[derive(Clone, Debug)]
pub enum HookAction {
    /// Replaces what the owner says of the hook. What it is owed already stays owed, and is sent as the new words have it.
    /// Its filter may not bring the items of all filters of the account beyond `filter_items`.
    Replace { spec: Box<HookSpec>, filter_items: u64 },
    /// The present secret signs beside the new one until `until`; one that did so till now no longer does.
    RotateSecret { secret: Sealed, until: Timestamp },
    /// Nothing more is sent until it is resumed. A disabled one stays disabled.
    Pause,
    /// Goes on from where it stopped.
    Resume,
    /// Owes the hook a change of its own, of type `hook.test`, whatever its filter.
    Test,
    /// Owes it everything anew that its filter lets through, from that place of the journal on. What it is owed still is
    /// not owed twice.
    Replay(ReplayFrom),
}

/// A hook to which something was done.
#[derive(Clone, Debug)]
pub struct EditedHook {
    pub hook: Hook,
    /// The change that a test owes it.
    pub test: Option<ChangeId>,
}

/// Which versions of a hook a write is for; any, unless it says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Only these.
    pub only: Option<Versions>,
    /// None of these.
    pub none_of: Option<Versions>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Versions {
    Any,
    These(Vec<HookVersion>),
}

impl Condition {
    pub fn holds(&self, version: HookVersion) -> bool {
        let has = |versions: &Versions| match versions {
            Versions::Any => true,
            Versions::These(these) => these.contains(&version),
        };
        self.only.as_ref().is_none_or(has) && !self.none_of.as_ref().is_some_and(has)
    }
}

/// Which dead letters are made due again.
#[derive(Clone, Debug)]
pub struct Redrive {
    pub place: HookPlace,
    pub condition: Condition,
    /// The one of that change, or all.
    pub only: Option<ChangeId>,
    /// How many at most.
    pub limit: usize,
    pub now: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redriven {
    pub number: usize,
    /// Whether there may be more than one request takes.
    pub more: bool,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
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
    /// Absent where no connection was made, see `SendError::has_connected`.
    pub duration: Option<Duration>,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// What went wrong, in words that may be shown to the hook's owner.
    pub error: Option<String>,
    /// The beginning of what the receiver answered.
    pub answer: Option<String>,
}
