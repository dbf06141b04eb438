//! The journal as readers get it, and its retention.

use async_trait::async_trait;
use tokio::sync::watch;

use super::{Page, Result};
use crate::model::{AccountId, Change, Cursor, Filter, Kind, ResourceId, Timestamp};

#[async_trait]
pub trait Journal {
    /// The account's changes after a place in the journal, in order.
    ///
    /// # Errors
    /// `Forgotten` if some change after that place is no longer kept.
    async fn changes(&self, account: AccountId, query: ChangeQuery) -> Result<ChangePage>;

    /// The changes of one resource, newest first, also after it is gone.
    ///
    /// # Errors
    /// `Forgotten` if the query is for changes older than those that are kept.
    async fn history(&self, account: AccountId, query: HistoryQuery) -> Result<Page<Change>>;

    /// The changes of all accounts after a number in the journal, in order.
    async fn changes_of_all(&self, after: i64, limit: usize) -> Result<Vec<(AccountId, Change)>>;

    /// The current extent of the journal of all accounts. `account` is the caller, in whose queue of reads the call
    /// waits.
    async fn extent(&self, account: AccountId) -> Result<Extent>;

    /// The number of the newest change, which is updated after each write that added some. Every change up to a shown
    /// number can be read.
    fn newest(&self) -> watch::Receiver<i64>;

    /// Deletes some of the changes that are older than `kept`, except those with pending deliveries, and returns where
    /// to continue. A round begins with `Sweep::default()` and ends with `None`.
    async fn forget_changes(&self, kept: KeptChanges, sweep: Sweep) -> Result<Option<Sweep>>;
}

#[derive(Clone, Debug)]
pub struct ChangeQuery {
    pub after: After,
    pub filter: Filter,
    pub limit: usize,
    /// The maximum number of changes to read, whether they match the filter or not.
    pub looked_at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// From the oldest change that is kept.
    Oldest,
    /// After this number in the journal.
    Number(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangePage {
    pub changes: Vec<Change>,
    /// Where to continue: the last change that was read, matching or not; at the end, that of the whole journal.
    pub next: Cursor,
    /// Whether the end of the journal was reached.
    pub at_end: bool,
}

#[derive(Clone, Debug)]
pub struct HistoryQuery {
    pub kind: Kind,
    pub resource: ResourceId,
    /// Only changes before this number in the journal.
    pub before: Option<i64>,
    pub limit: usize,
}

/// Both ends of the journal: a place after which all changes can be read, and a place after which there are none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub oldest: Cursor,
    pub newest: Cursor,
}

/// How many changes and old versions are kept: what exceeds either limit is deleted.
#[derive(Clone, Copy, Debug)]
pub struct KeptChanges {
    /// Everything since this time.
    pub since: Timestamp,
    /// This many changes of all accounts together. The accounts with the most changes lose their oldest.
    pub changes: u64,
}

/// The progress of a round of retention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    pub(super) after: i64,
}
