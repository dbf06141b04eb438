//! The journal of changes.

use async_trait::async_trait;
use tokio::sync::watch;

use super::super::fair_pool::Flow;
use super::super::{SqliteStore, forget, journal, marks, page, trim};
use crate::model::{AccountId, Change, Cursor};
use crate::store::{ChangePage, ChangeQuery, Extent, HistoryQuery, Journal, KeptChanges, Page, Result, Sweep};

#[async_trait]
impl Journal for SqliteStore {
    async fn changes(&self, account: AccountId, query: ChangeQuery) -> Result<ChangePage> {
        let mark = self.mark;
        self.read(Flow::Account(account), move |reading| page::page(reading, mark, account, &query)).await
    }

    async fn history(&self, account: AccountId, query: HistoryQuery) -> Result<Page<Change>> {
        let mark = self.mark;
        self.read(Flow::Account(account), move |reading| journal::history(reading, mark, account, &query)).await
    }

    async fn changes_of_all(&self, after: i64, limit: usize) -> Result<Vec<(AccountId, Change)>> {
        let mark = self.mark;
        self.read(Flow::Host, move |reading| journal::changes_of_all(reading, mark, after, limit)).await
    }

    async fn extent(&self, account: AccountId) -> Result<Extent> {
        let mark = self.mark;
        self.read(Flow::Account(account), move |reading| {
            let place = |sequence| Cursor { store: mark, sequence };
            Ok(Extent { oldest: place(marks::oldest_of(reading, account)?), newest: place(journal::newest(reading)?) })
        })
        .await
    }

    fn newest(&self) -> watch::Receiver<i64> {
        self.newest.clone()
    }

    async fn forget_changes(&self, kept: KeptChanges, sweep: Sweep) -> Result<Option<Sweep>> {
        if sweep == Sweep::default() {
            trim::round(self, kept.changes).await?;
        }
        forget::step(self, kept, sweep).await
    }
}
