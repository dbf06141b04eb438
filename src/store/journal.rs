//! The journal, as readers get it, and how much of it is kept.

use async_trait::async_trait;
use tokio::sync::watch;

use super::{Page, Result};
use crate::model::{AccountId, Change, Cursor, Filter, Kind, ResourceId, Timestamp};

#[async_trait]
pub trait Journal {
    /// The account's changes behind a place of the journal, in order.
    ///
    /// # Errors
    /// `Forgotten` where something behind that place is no longer kept.
    async fn changes(&self, account: AccountId, query: ChangeQuery) -> Result<ChangePage>;

    /// What happened to one resource, newest first; also to one that is gone.
    ///
    /// # Errors
    /// `Forgotten` where it is to be older than what is kept.
    async fn history(&self, account: AccountId, query: HistoryQuery) -> Result<Page<Change>>;

    /// The changes of all accounts behind a number of the journal, in order.
    async fn changes_of_all(&self, after: i64, limit: usize) -> Result<Vec<(AccountId, Change)>>;

    /// From where to where the journal of all accounts goes at present. The account is the one that asks: it waits among its
    /// own reads.
    async fn extent(&self, account: AccountId) -> Result<Extent>;

    /// The number of the newest change, which ticks after each write that added some. What is behind a number that
    /// it showed can be read.
    fn newest(&self) -> watch::Receiver<i64>;

    /// Forgets a little of what is older than that, changes that are still owed apart, and says where to go on. A
    /// round begins with `Sweep::default()` and ends with `None`.
    async fn forget_changes(&self, kept: KeptChanges, sweep: Sweep) -> Result<Option<Sweep>>;
}

#[derive(Clone, Debug)]
pub struct ChangeQuery {
    pub after: After,
    pub filter: Filter,
    pub limit: usize,
    /// How many changes are looked at, at most, whether the filter lets them through or not.
    pub looked_at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// From the oldest change that is kept.
    Oldest,
    /// Behind this number of the journal.
    Number(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangePage {
    pub changes: Vec<Change>,
    /// Where to go on: the last change looked at, let through or not; at the end, that of the whole journal.
    pub next: Cursor,
    /// Whether the end of the journal was reached.
    pub at_end: bool,
}

#[derive(Clone, Debug)]
pub struct HistoryQuery {
    pub kind: Kind,
    pub resource: ResourceId,
    /// Only what is older than this number of the journal.
    pub before: Option<i64>,
    pub limit: usize,
}

/// Both ends of the journal: places after which all can be read, and after which there is nothing yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub oldest: Cursor,
    pub newest: Cursor,
}

/// How much of the journal, and of what was before, is kept: what is older than either allows goes.
#[derive(Clone, Copy, Debug)]
pub struct KeptChanges {
    /// Everything since then.
    pub since: Timestamp,
    /// So many changes, of all accounts together. Those that have most lose their oldest.
    pub changes: u64,
}

/// How far a round of forgetting has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    pub(super) after: i64,
}
