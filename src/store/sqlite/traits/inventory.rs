//! The last known resources, and those known at an earlier time.

use async_trait::async_trait;

use super::super::fair_pool::Flow;
use super::super::{SqliteStore, inventory, past};
use crate::model::{AccountId, Kind, Owner, ResourceId, Timestamp};
use crate::store::{Inventory, ListQuery, Page, Result, Seen};

#[async_trait]
impl Inventory for SqliteStore {
    async fn list(&self, account: AccountId, query: ListQuery) -> Result<Page<Seen>> {
        self.read(Flow::Account(account), move |reading| match (&query.id, query.at) {
            (_, Some(at)) => past::list(reading, account, &query, at),
            (Some(id), None) => {
                let found = inventory::find(reading, account, query.kind, id, &query.owner)?;
                Ok(Page::of_all(
                    found.into_iter().filter(|seen| inventory::passes(seen, &query)).take(query.limit).collect(),
                ))
            }
            (None, None) => inventory::list(reading, account, &query),
        })
        .await
    }

    async fn find(&self, account: AccountId, kind: Kind, id: &ResourceId, owner: &Owner) -> Result<Option<Seen>> {
        let (id, owner) = (id.clone(), owner.clone());
        self.read(Flow::Account(account), move |reading| inventory::find(reading, account, kind, &id, &owner)).await
    }

    async fn find_at(&self, account: AccountId, kind: Kind, id: &ResourceId, at: Timestamp) -> Result<Option<Seen>> {
        let id = id.clone();
        self.read(Flow::Account(account), move |reading| past::find(reading, account, kind, &id, at)).await
    }
}
