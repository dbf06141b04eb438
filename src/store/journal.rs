//! The journal, as readers get it.

use async_trait::async_trait;

use super::Result;
use crate::model::{AccountId, Change, Cursor, Filter};

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
