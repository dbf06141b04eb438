//! Hooks, and their deliveries.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, params};

use super::super::fair_pool::Flow;
use super::super::hooks::{self, select_hooks};
use super::super::{SqliteStore, hook_edits, redrive, requests};
use crate::model::{AccountId, Hook, HookId, Owner};
use crate::store::{
    Condition, DamagedHook, DeliveryQuery, DeliveryRecord, EditedHook, HookEdit, HookPlace, HookTarget, Hooks, NewHook,
    Once, Page, Redrive, Redriven, Refusal, Result, Written,
};

#[async_trait]
impl Hooks for SqliteStore {
    async fn create_hook(&self, hook: NewHook, once: Option<Once<Hook>>) -> Result<Written<Hook>> {
        self.write(Flow::Account(hook.account), move |writing| {
            requests::once(writing, once, |writing| hook_edits::create(writing, &hook))
        })
        .await
    }

    async fn track_hook(&self, target: &HookTarget) -> Result<Option<Hook>> {
        let target = target.clone();
        self.read(Flow::Account(target.account), move |reading| {
            let sql = select_hooks!(" WHERE account = ?1 AND kind = ?2 AND resource = ?3 AND owner = ?4");
            let source = hooks::source(target.account);
            let read = |row: &Row<'_>| reading.damages.read(source, row, |row| hooks::read_hook(row, reading.mark));
            Ok(reading.prepare_cached(sql)?.query_row(hooks::target_columns(&target), read).optional()?.flatten())
        })
        .await
    }

    async fn remove_track_hook(&self, target: &HookTarget) -> Result<bool> {
        let target = target.clone();
        self.write(Flow::Account(target.account), move |writing| {
            let Some(hook) = hooks::find_tracking(writing, &target)? else { return Ok(false) };
            hooks::remove(writing, hook)
        })
        .await
    }

    async fn hook(&self, place: &HookPlace) -> Result<Option<Hook>> {
        let place = place.clone();
        self.read(Flow::Account(place.account), move |reading| hooks::find(reading, &place)).await
    }

    async fn damaged_hook(&self, place: &HookPlace) -> Result<Option<DamagedHook>> {
        let place = place.clone();
        self.read(Flow::Account(place.account), move |reading| {
            Ok(hooks::find_any(reading, &place)?.and_then(Result::err))
        })
        .await
    }

    async fn hooks(
        &self,
        account: AccountId,
        owner: &Owner,
        after: Option<HookId>,
        limit: usize,
    ) -> Result<Page<Result<Hook, DamagedHook>>> {
        let owner = owner.clone();
        self.read(Flow::Account(account), move |reading| {
            let sql = select_hooks!(
                " INDEXED BY hooks_owner WHERE account = ?1 AND owner = ?2 AND id > ?3 ORDER BY id LIMIT ?4"
            );
            let mut select = reading.prepare_cached(sql)?;
            let after = after.map_or(i64::MIN, |after| after.0);
            // The page ends where it has enough.
            let rows = select.query(params![account.0, owner.word(), after, i64::MAX])?;
            Ok(reading.page(hooks::source(account), rows, limit, |row| hooks::read_any(reading, row))?)
        })
        .await
    }

    async fn count_hooks(&self, account: AccountId) -> Result<u64> {
        self.read(Flow::Account(account), move |reading| {
            let mut count = reading.prepare_cached("SELECT COUNT(*) FROM hooks WHERE account = ?1")?;
            let number: i64 = count.query_row([account.0], |row| row.get(0))?;
            Ok(number.unsigned_abs())
        })
        .await
    }

    async fn edit_hook(&self, edit: HookEdit, once: Option<Once<EditedHook>>) -> Result<Written<EditedHook>> {
        self.write(Flow::Account(edit.place.account), move |writing| {
            requests::once(writing, once, |writing| hook_edits::edit(writing, &edit))
        })
        .await
    }

    async fn delete_hook(&self, place: &HookPlace, condition: Condition) -> Result<Result<(), Refusal>> {
        let place = place.clone();
        self.write(Flow::Account(place.account), move |writing| hook_edits::delete(writing, &place, &condition)).await
    }

    async fn redrive_hook(&self, redrive: Redrive, once: Option<Once<Redriven>>) -> Result<Written<Redriven>> {
        redrive::redrive(self, redrive, once).await
    }

    async fn count_damaged_deliveries(&self, place: &HookPlace) -> Result<u64> {
        let place = place.clone();
        self.read(Flow::Account(place.account), move |reading| {
            let Some(hook) = hooks::find(reading, &place)? else { return Ok(0) };
            let mut count = reading.prepare_cached(
                "SELECT COUNT(*) FROM deliveries INDEXED BY deliveries_damaged WHERE hook = ?1 AND damaged IS NOT NULL",
            )?;
            let number: i64 = count.query_row([hook.id.0], |row| row.get(0))?;
            Ok(number.unsigned_abs())
        })
        .await
    }

    async fn hook_deliveries(&self, place: &HookPlace, query: DeliveryQuery) -> Result<Page<DeliveryRecord>> {
        let (place, mark) = (place.clone(), self.mark);
        self.read(Flow::Account(place.account), move |reading| match hooks::find(reading, &place)? {
            Some(hook) => redrive::records(reading, mark, hook.id, &query),
            None => Ok(Page::default()),
        })
        .await
    }
}
