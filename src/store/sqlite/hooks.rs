//! Hooks in SQLite.

use std::borrow::Cow;

use async_trait::async_trait;
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{OptionalExtension, Row, params};

use super::super::{
    Condition, DamagedHook, DeliveryQuery, DeliveryRecord, EditedHook, HookEdit, HookPlace, HookTarget, Hooks, NewHook,
    Once, Page, Redrive, Redriven, Refusal, Result, Written,
};
use super::columns::{get, kind_number, read_secrets};
use super::damage::{self, Key, Reading, Source};
use super::fair_pool::Flow;
use super::words::Words;
use super::writing::Writing;
use super::{SqliteStore, hook_edits, polls, redrive, requests, turns};
use crate::model::{
    AccountId, DisableReason, Hook, HookId, HookSpec, HookStatus, HookVersion, Kind, Owner, Rate, ResourceId, Timestamp,
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
            let source = source(target.account);
            let read = |row: &Row<'_>| reading.damages.read(source, row, |row| read_hook(row, reading.mark));
            Ok(reading.prepare_cached(sql)?.query_row(target_columns(&target), read).optional()?.flatten())
        })
        .await
    }

    async fn remove_track_hook(&self, target: &HookTarget) -> Result<bool> {
        let target = target.clone();
        self.write(Flow::Account(target.account), move |writing| {
            let Some(hook) = find_tracking(writing, &target)? else { return Ok(false) };
            remove(writing, hook)
        })
        .await
    }

    async fn hook(&self, place: &HookPlace) -> Result<Option<Hook>> {
        let place = place.clone();
        self.read(Flow::Account(place.account), move |reading| find(reading, &place)).await
    }

    async fn damaged_hook(&self, place: &HookPlace) -> Result<Option<DamagedHook>> {
        let place = place.clone();
        self.read(Flow::Account(place.account), move |reading| Ok(find_any(reading, &place)?.and_then(Result::err)))
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
            Ok(reading.page(source(account), rows, limit, |row| read_any(reading, row))?)
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
            let Some(hook) = find(reading, &place)? else { return Ok(0) };
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
        self.read(Flow::Account(place.account), move |reading| match find(reading, &place)? {
            Some(hook) => redrive::records(reading, mark, hook.id, &query),
            None => Ok(Page::default()),
        })
        .await
    }
}

macro_rules! select_hooks {
    ($rest:literal) => {
        concat!(
            "SELECT id, account, owner, kind, resource, url, token, words, format, mode, rate, \
             secret, old_secret, old_until, status, disabled, reason, failing, created, version FROM hooks",
            $rest
        )
    };
}
use select_hooks;

fn read_hook(row: &Row<'_>, mark: u32) -> rusqlite::Result<Hook> {
    let track: (Option<Kind>, Option<ResourceId>) = (get(row, 3)?, get(row, 4)?);
    let words: Words = get(row, 7)?;
    let rate: Option<f64> = row.get(10)?;
    Ok(Hook {
        id: get(row, 0)?,
        account: get(row, 1)?,
        owner: get(row, 2)?,
        track: track.0.zip(track.1),
        spec: HookSpec {
            url: get(row, 5)?,
            token: get(row, 6)?,
            filter: words.filter,
            format: get(row, 8)?,
            mode: get(row, 9)?,
            rate: rate.and_then(Rate::per_second),
            retries: words.retries,
            description: words.description,
        },
        secrets: read_secrets(row, 11)?,
        status: read_status(row, 14)?,
        failing_since: get(row, 17)?,
        created: get(row, 18)?,
        version: HookVersion { store: mark, number: row.get(19)? },
    })
}

/// Status, when it was disabled and why, in columns that follow one another.
pub(super) fn read_status(row: &Row<'_>, index: usize) -> rusqlite::Result<HookStatus> {
    let (at, reason): (Option<Timestamp>, Option<DisableReason>) = (get(row, index + 1)?, get(row, index + 2)?);
    match (row.get_ref(index)?.as_str()?, at, reason) {
        ("active", ..) => Ok(HookStatus::Active),
        ("paused", ..) => Ok(HookStatus::Paused),
        ("disabled", Some(at), Some(reason)) => Ok(HookStatus::Disabled { at, reason }),
        _ => Err(rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(FromSqlError::InvalidType))),
    }
}

/// Hooks by their ids, which come first in the row.
fn source(account: AccountId) -> Source<'static> {
    Source { table: "hooks", account: Some(account), key: Key::Columns(&[0]) }
}

/// A hook, or why it can't be read.
fn read_any(reading: &Reading<'_>, row: &Row<'_>) -> rusqlite::Result<Result<Hook, DamagedHook>> {
    let id: HookId = get(row, 0)?;
    if row.get_ref(14)?.as_bytes().is_ok_and(|status| status == b"damaged") {
        let reason: Option<String> = row.get(16)?;
        return Ok(Err(DamagedHook { id, reason: reason.unwrap_or_default() }));
    }
    match read_hook(row, reading.mark) {
        Err(error) if damage::is_damage(&error) => {
            let account = get(row, 1).ok();
            reading.damages.read(Source { account, ..source(AccountId(0)) }, row, |_| Err::<(), _>(error))?;
            Ok(Err(DamagedHook { id, reason: "something stored of it can't be read".to_owned() }))
        }
        hook => hook.map(Ok),
    }
}

pub(super) fn find(reading: &Reading<'_>, place: &HookPlace) -> Result<Option<Hook>> {
    Ok(find_any(reading, place)?.and_then(Result::ok))
}

/// The owner's hook, or why it can't be read.
pub(super) fn find_any(reading: &Reading<'_>, place: &HookPlace) -> Result<Option<Result<Hook, DamagedHook>>> {
    let mut select = reading.prepare_cached(select_hooks!(" WHERE id = ?1 AND account = ?2 AND owner = ?3"))?;
    let place = params![place.hook.0, place.account.0, place.owner.word()];
    Ok(select.query_row(place, |row| read_any(reading, row)).optional()?)
}

fn target_columns(target: &HookTarget) -> (i64, i64, &str, Cow<'static, str>) {
    (target.account.0, kind_number(target.kind), target.resource.as_str(), target.owner.word())
}

pub(super) fn find_tracking(writing: &Writing<'_>, target: &HookTarget) -> Result<Option<HookId>> {
    let mut select =
        writing.prepare("SELECT id FROM hooks WHERE account = ?1 AND kind = ?2 AND resource = ?3 AND owner = ?4")?;
    Ok(select.query_row(target_columns(target), |row| get(row, 0)).optional()?)
}

pub(super) fn remove(writing: &mut Writing<'_>, hook: HookId) -> Result<bool> {
    let Some(account) = turns::drop_hook(writing, hook)? else { return Ok(false) };
    polls::rest_if_unwatched(writing, account)?;
    Ok(true)
}
