//! Mass changes: lists that are held because too much changed in them at once, and the operator's decision.

use super::{Effects, Effort, HeldId};
use crate::model::{AccountId, AccountKey, Kind, Timestamp};

/// Lists that were not recorded because too much in them changed at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// When the first of these lists was asked for.
    pub since: Timestamp,
    /// How many in a row.
    pub lists: u32,
    /// How many resources vanished or were in another state in the newest list, and how many were known.
    pub affected: usize,
    pub known: usize,
    /// Distinguishes the newest complete list from other lists.
    pub print: Option<u64>,
    /// The operator's decision.
    pub decision: Option<Decision>,
    /// Whether the mass change is in the journal already, although its list was not recorded completely.
    pub told: bool,
}

/// The outcome of an operator's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It applies to this list.
    Taken(Held),
    /// It names a different list than the one that is held.
    Another(HeldId, Held),
    /// It is too late: the list is being recorded.
    Recording,
    NothingHeld,
}

/// The operator's decision on the held list. It applies to no list with more effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Record and publish its changes, once a list shows them again.
    Accept,
    /// Record its changes without publishing them.
    AcceptSilently,
    /// Keep the known state until a list differs from the rejected one.
    Reject,
}

/// A list that is held instead of recorded.
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
    /// The effects of the list; absent if the held list stays, which has the same.
    pub effects: Option<Effects>,
    /// The operator's decision at the time when the list was held.
    pub decision: Option<Decision>,
    /// Whether it is unrelated to the list that was held before.
    pub is_anew: bool,
    pub next_due: Timestamp,
    pub now: Timestamp,
    pub effort: Effort,
}

/// A held mass change, with its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldMassChange {
    pub account: AccountKey,
    pub kind: Kind,
    pub id: HeldId,
    pub held: Held,
}
