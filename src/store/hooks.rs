//! Hooks, the actions on them, and the record of their deliveries.

use std::time::Duration;

use async_trait::async_trait;
use utoipa::ToSchema;

use super::{Once, Page, Refusal, Result, Written};
use crate::model::{
    AccountId, Change, ChangeId, Hook, HookId, HookSpec, HookVersion, Kind, Owner, ResourceId, Sealed, Timestamp,
};

/// A hook receives its pending deliveries while it is *active*. While it is paused or disabled, these wait; new changes
/// are found in the journal once it is resumed.
#[async_trait]
pub trait Hooks {
    /// Creates a hook. One with a `track` replaces the owner's hook on that resource, with its pending deliveries. The
    /// account's polls are due at once if it was not watched before.
    async fn create_hook(&self, hook: NewHook, once: Option<Once<Hook>>) -> Result<Written<Hook>>;

    /// The owner's hook on a resource.
    async fn track_hook(&self, target: &HookTarget) -> Result<Option<Hook>>;

    /// Deletes the hook with its pending deliveries. Returns whether there was one.
    async fn remove_track_hook(&self, target: &HookTarget) -> Result<bool>;

    async fn hook(&self, place: &HookPlace) -> Result<Option<Hook>>;

    /// The hook if it exists and is damaged: it can then only be deleted, or set again. A hook with an unreadable owner
    /// belongs to the account.
    async fn damaged_hook(&self, place: &HookPlace) -> Result<Option<DamagedHook>>;

    /// A page of the owner's hooks, in ascending order of ids.
    async fn hooks(
        &self,
        account: AccountId,
        owner: &Owner,
        after: Option<HookId>,
        limit: usize,
    ) -> Result<Page<Result<Hook, DamagedHook>>>;

    async fn count_hooks(&self, account: AccountId) -> Result<u64>;

    /// Edits a hook and returns the result.
    async fn edit_hook(&self, edit: HookEdit, once: Option<Once<EditedHook>>) -> Result<Written<EditedHook>>;

    /// Deletes a hook with its pending deliveries, even if it is damaged.
    async fn delete_hook(&self, place: &HookPlace, condition: Condition) -> Result<Result<(), Refusal>>;

    /// Makes dead letters due again, with all their earlier attempts, in steps. The key of the request is stored with
    /// the first step, its progress with each step, and the answer with the last one. So a repeated request continues
    /// where an interrupted one stopped, even after a crash, and counts what was done before.
    async fn redrive_hook(&self, redrive: Redrive, once: Option<Once<Redriven>>) -> Result<Written<Redriven>>;

    /// How many deliveries of the hook were given up because they or their changes cannot be read.
    async fn count_damaged_deliveries(&self, place: &HookPlace) -> Result<u64>;

    /// The deliveries of the hook, newest first.
    async fn hook_deliveries(&self, place: &HookPlace, query: DeliveryQuery) -> Result<Page<DeliveryRecord>>;
}

/// A hook with unreadable stored values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedHook {
    pub id: HookId,
    /// The part that cannot be read, and why.
    pub reason: String,
}

/// The hook of one owner on one resource.
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
    /// The resource that the hook is set on, known or not.
    pub track: Option<(Kind, ResourceId)>,
    pub spec: HookSpec,
    pub secret: Sealed,
    /// The maximum number of hooks of the account. A hook that replaces another one is always accepted.
    pub limit: u64,
    /// The maximum number of items in the filters of all its hooks together.
    pub filter_items: u64,
    /// The latest time at which the account is polled for this hook; absent to keep its schedule.
    pub poll_by: Option<Timestamp>,
    pub now: Timestamp,
}

/// An edit of a hook.
#[derive(Clone, Debug)]
pub struct HookEdit {
    pub place: HookPlace,
    pub condition: Condition,
    pub action: HookAction,
    pub now: Timestamp,
}

#[derive(Clone, Debug)]
pub enum HookAction {
    /// Replaces the settings of the hook. Pending deliveries stay, and are sent with the new settings. The filter must
    /// not bring the items of all filters of the account beyond `filter_items`.
    Replace { spec: Box<HookSpec>, filter_items: u64 },
    /// The current secret also signs for `overlap` from now; the one before it no longer does.
    RotateSecret { secret: Sealed, overlap: Duration },
    /// Nothing is sent until the hook is resumed. A disabled hook stays disabled.
    Pause,
    /// Continues from where the hook stopped.
    Resume,
    /// Creates a change of type `hook.test` for the hook, whatever its filter.
    Test,
    /// Sends all changes again that match the filter, from that place in the journal on. Changes that are still pending
    /// are not sent twice.
    Replay(ReplayFrom),
}

/// A hook after an edit.
#[derive(Clone, Debug)]
pub struct EditedHook {
    pub hook: Hook,
    /// The change that a test created.
    pub test: Option<ChangeId>,
}

/// The versions of a hook that a write applies to; without a condition, any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Only these versions.
    pub only: Option<Versions>,
    /// None of these versions.
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

/// The dead letters to send again.
#[derive(Clone, Debug)]
pub struct Redrive {
    pub place: HookPlace,
    pub condition: Condition,
    /// The one for this change, or all.
    pub only: Option<ChangeId>,
    /// The maximum number.
    pub limit: usize,
    pub now: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redriven {
    pub number: usize,
    /// Whether more dead letters may be left for another request.
    pub more: bool,
}

/// The start of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayFrom {
    /// After the change with this number in the journal; 0 is the oldest that is kept.
    After(i64),
    /// With the first change recorded at this time or later.
    Time(Timestamp),
}

#[derive(Clone, Debug)]
pub struct DeliveryQuery {
    /// Only deliveries in this state.
    pub state: Option<DeliveryState>,
    /// Only deliveries of changes before this number in the journal.
    pub before: Option<i64>,
    pub limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Not delivered yet.
    Waiting,
    /// Given up after the last retry.
    Dead,
    /// No longer pending: the receiver has it, the owner has read it, or a newer change replaced it.
    Done,
}

/// A delivery, with its change.
#[derive(Clone, Debug)]
pub struct DeliveryRecord {
    pub change: Change,
    pub state: DeliveryState,
    /// When it is tried next, if it is the first of its ordering key.
    pub due: Option<Timestamp>,
    /// The attempts that are still kept, oldest first.
    pub attempts: Vec<Attempt>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When the attempt began.
    pub at: Timestamp,
    /// Absent if there was no connection, see `SendError::has_connected`.
    pub duration: Option<Duration>,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// The error, in words that the hook's owner may see.
    pub error: Option<String>,
    /// The beginning of the receiver's answer.
    pub answer: Option<String>,
}
