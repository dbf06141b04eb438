//! Mass changes: lists that are held, since too much in them was another at once, and the operator's answer.

use super::{Effects, Effort, HeldId};
use crate::model::{AccountId, AccountKey, Kind, Timestamp};

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
    pub effort: Effort,
}

/// A held mass change and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldMassChange {
    pub account: AccountKey,
    pub kind: Kind,
    pub id: HeldId,
    pub held: Held,
}
