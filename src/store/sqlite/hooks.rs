//! Hooks in SQLite.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{OptionalExtension, Row, params};

use super::super::{
    DamagedHook, DeliveryQuery, DeliveryRecord, HookPlace, HookTarget, Hooks, NewHook, ReplayFrom, Result,
};
use super::claim::read_secrets;
use super::columns::{get, kind_number};
use super::damage::{self, Key, Reading, Source};
use super::fair_pool::Flow;
use super::turns::{self, Touched};
use super::words::{self, Words};
use super::writer::Writing;
use super::{Fault, SqliteStore, journal, polls, redrive};
use crate::model::{
    AccountId, ChangeId, DisableReason, Hook, HookId, HookSpec, HookStatus, Kind, Owner, Rate, ResourceId, Sealed,
    Timestamp,
};

#[async_trait]
impl Hooks for SqliteStore {
    async fn set_hook(&self, hook: NewHook) -> Result<HookId> {
        self.write(Flow::Account(hook.account), move |writing| set(writing, &hook)).await
    }

    async fn track_hook(&self, target: &HookTarget) -> Result<Option<Hook>> {
        let target = target.clone();
        self.read(Flow::Account(target.account), move |reading| {
            let sql = select_hooks!(" WHERE account = ?1 AND kind = ?2 AND resource = ?3 AND owner = ?4");
            let source = source(target.account);
            let read = |row: &Row<'_>| reading.damages.read(source, row, read_hook);
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
        self.read(Flow::Account(place.account), move |reading| {
            let sql = select_hooks!(" WHERE id = ?1 AND account = ?2 AND owner = ?3");
            let place = params![place.hook.0, place.account.0, place.owner.word()];
            let found = reading.prepare_cached(sql)?.query_row(place, |row| read_any(reading, row)).optional()?;
            Ok(found.and_then(Result::err))
        })
        .await
    }

    async fn hooks(
        &self,
        account: AccountId,
        owner: &Owner,
        after: Option<HookId>,
        limit: usize,
    ) -> Result<Vec<Result<Hook, DamagedHook>>> {
        let owner = owner.clone();
        self.read(Flow::Account(account), move |reading| {
            let sql = select_hooks!(
                " INDEXED BY hooks_owner WHERE account = ?1 AND owner = ?2 AND id > ?3 ORDER BY id LIMIT ?4"
            );
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut select = reading.prepare_cached(sql)?;
            let after = after.map_or(i64::MIN, |after| after.0);
            let place = params![account.0, owner.word(), after, limit];
            let hooks = select.query_map(place, |row| read_any(reading, row))?;
            Ok(hooks.collect::<rusqlite::Result<_>>()?)
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

    async fn change_hook(&self, place: &HookPlace, spec: HookSpec, _: Timestamp) -> Result<bool> {
        self.with_hook(place, move |writing, hook| change(writing, hook, &spec)).await
    }

    async fn remove_hook(&self, place: &HookPlace) -> Result<bool> {
        let place = place.clone();
        self.write(Flow::Account(place.account), move |writing| {
            // A damaged one, too.
            let sql = "SELECT 1 FROM hooks WHERE id = ?1 AND account = ?2 AND owner = ?3";
            match writing.prepare(sql)?.exists(params![place.hook.0, place.account.0, place.owner.word()])? {
                true => remove(writing, place.hook),
                false => Ok(false),
            }
        })
        .await
    }

    async fn rotate_secret(&self, place: &HookPlace, secret: Sealed, until: Timestamp) -> Result<bool> {
        self.with_hook(place, move |writing, hook| {
            let sql = "UPDATE hooks SET old_secret = secret, old_until = ?3, secret = ?2 WHERE id = ?1";
            writing.prepare(sql)?.execute(params![hook.0, secret.0, until.as_millis()])?;
            Ok(())
        })
        .await
    }

    async fn pause_hook(&self, place: &HookPlace, _: Timestamp) -> Result<bool> {
        self.with_hook(place, |writing, hook| {
            let newest = journal::newest(writing.connection)?;
            let sql = "UPDATE hooks SET status = 'paused', behind = COALESCE(behind, ?2)
                       WHERE id = ?1 AND status = 'active'";
            writing.prepare(sql)?.execute([hook.0, newest])?;
            refresh(writing, hook)
        })
        .await
    }

    async fn resume_hook(&self, place: &HookPlace, _: Timestamp) -> Result<bool> {
        self.with_hook(place, |writing, hook| {
            // It is active from here on, and owed what it missed in steps: see `catch_up`.
            let sql =
                "UPDATE hooks SET status = 'active', disabled = NULL, reason = NULL, failing = NULL, failed = NULL
                       WHERE id = ?1";
            writing.prepare(sql)?.execute([hook.0])?;
            refresh(writing, hook)
        })
        .await
    }

    async fn test_hook(&self, place: &HookPlace, now: Timestamp) -> Result<Option<ChangeId>> {
        let place = place.clone();
        self.write(Flow::Account(place.account), move |writing| match holds(writing, &place)? {
            true => redrive::test(writing, &place, now).map(Some),
            false => Ok(None),
        })
        .await
    }

    async fn replay(&self, place: &HookPlace, from: ReplayFrom, _: Timestamp) -> Result<bool> {
        let after = match from {
            ReplayFrom::After(number) => number,
            // What is recorded meanwhile comes after it, and is owed as well.
            ReplayFrom::Time(time) => {
                self.read(Flow::Account(place.account), move |reading| journal::before(reading, time)).await?
            }
        };
        self.with_hook(place, move |writing, hook| redrive::replay(writing, hook, after)).await
    }

    async fn redrive(
        &self,
        place: &HookPlace,
        only: Option<ChangeId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Option<usize>> {
        redrive::redrive(self, place, only, limit, now).await
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

    async fn hook_deliveries(&self, place: &HookPlace, query: DeliveryQuery) -> Result<Vec<DeliveryRecord>> {
        let (place, mark) = (place.clone(), self.mark);
        self.read(Flow::Account(place.account), move |reading| match find(reading, &place)? {
            Some(hook) => redrive::records(reading, mark, hook.id, &query),
            None => Ok(Vec::new()),
        })
        .await
    }
}

impl SqliteStore {
    /// Runs `work` on the owner's hook; says whether there is one.
    async fn with_hook<F>(&self, place: &HookPlace, work: F) -> Result<bool>
    where
        F: FnOnce(&mut Writing<'_>, HookId) -> Result<()> + Send + 'static,
    {
        let place = place.clone();
        self.write(Flow::Account(place.account), move |writing| {
            if !holds(writing, &place)? {
                return Ok(false);
            }
            work(writing, place.hook).map(|()| true)
        })
        .await
    }
}

macro_rules! select_hooks {
    ($rest:literal) => {
        concat!(
            "SELECT id, account, owner, kind, resource, url, token, words, format, mode, rate, \
             secret, old_secret, old_until, status, disabled, reason, failing, created FROM hooks",
            $rest
        )
    };
}
use select_hooks;

fn read_hook(row: &Row<'_>) -> rusqlite::Result<Hook> {
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
    match read_hook(row) {
        Err(error) if damage::is_damage(&error) => {
            let account = get(row, 1).ok();
            reading.damages.read(Source { account, ..source(AccountId(0)) }, row, |_| Err::<(), _>(error))?;
            Ok(Err(DamagedHook { id, reason: "something stored of it can't be read".to_owned() }))
        }
        hook => hook.map(Ok),
    }
}

fn find(reading: &Reading<'_>, place: &HookPlace) -> Result<Option<Hook>> {
    let mut select = reading.prepare_cached(select_hooks!(" WHERE id = ?1 AND account = ?2 AND owner = ?3"))?;
    let found = select
        .query_row(params![place.hook.0, place.account.0, place.owner.word()], |row| Ok(read_any(reading, row)?.ok()));
    Ok(found.optional()?.flatten())
}

/// Whether there is such a hook, and it can be read.
pub(super) fn holds(writing: &Writing<'_>, place: &HookPlace) -> Result<bool> {
    let mut select =
        writing.prepare("SELECT 1 FROM hooks WHERE id = ?1 AND account = ?2 AND owner = ?3 AND status <> 'damaged'")?;
    Ok(select.exists(params![place.hook.0, place.account.0, place.owner.word()])?)
}

fn target_columns(target: &HookTarget) -> (i64, i64, &str, Cow<'static, str>) {
    (target.account.0, kind_number(target.kind), target.resource.as_str(), target.owner.word())
}

fn find_tracking(writing: &Writing<'_>, target: &HookTarget) -> Result<Option<HookId>> {
    let mut select =
        writing.prepare("SELECT id FROM hooks WHERE account = ?1 AND kind = ?2 AND resource = ?3 AND owner = ?4")?;
    Ok(select.query_row(target_columns(target), |row| get(row, 0)).optional()?)
}

fn set(writing: &mut Writing<'_>, hook: &NewHook) -> Result<HookId> {
    let account = hook.account;
    if !writing.prepare("SELECT 1 FROM accounts WHERE id = ?1")?.exists([account.0])? {
        return Err(Fault::NoAccount(account).into());
    }
    let was_watched = polls::is_watched(writing, account)?;
    if let Some((kind, resource)) = &hook.track {
        let target = HookTarget { account, owner: hook.owner.clone(), kind: *kind, resource: resource.clone() };
        // The new one gets a number of its own: what is still under way to the old one can't be taken for its.
        if let Some(old) = find_tracking(writing, &target)? {
            turns::drop_hook(writing, old)?;
        }
    }
    let spec = &hook.spec;
    let mut insert = writing.prepare(
        "INSERT INTO hooks
         (account, owner, kind, resource, url, destination, token, words, format, mode, rate, secret, status, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 'active', ?13)",
    )?;
    let id = insert.insert(params![
        account.0,
        hook.owner.word(),
        hook.track.as_ref().map(|(kind, _)| kind_number(*kind)),
        hook.track.as_ref().map(|(_, resource)| resource.as_str()),
        spec.url.as_url().as_str(),
        spec.url.destination(),
        spec.token.as_ref().map(|token| &token.0),
        words::write(spec)?,
        spec.format.as_str(),
        spec.mode.as_str(),
        spec.rate.map(Rate::as_per_second),
        hook.secret.0,
        hook.now.as_millis(),
    ])?;
    if !was_watched {
        polls::watch(writing, account, hook.now)?;
    }
    let kind = hook.track.as_ref().map_or_else(|| spec.filter.leading_kind(), |(kind, _)| *kind);
    polls::note_hook(writing, account, kind, hook.now)?;
    Ok(HookId(id))
}

fn change(writing: &mut Writing<'_>, hook: HookId, spec: &HookSpec) -> Result<()> {
    let mut touched = Touched::default();
    let mut select = writing.prepare("SELECT destination, account FROM hooks WHERE id = ?1")?;
    let before: (Arc<str>, AccountId) = select.query_row([hook.0], |row| Ok((row.get(0)?, get(row, 1)?)))?;
    touched.share(Arc::clone(&before.0), before.1);
    let mut update = writing.prepare(
        "UPDATE hooks SET url = ?2, destination = ?3, token = ?4, words = ?5, format = ?6, mode = ?7, rate = ?8
         WHERE id = ?1",
    )?;
    update.execute(params![
        hook.0,
        spec.url.as_url().as_str(),
        spec.url.destination(),
        spec.token.as_ref().map(|token| &token.0),
        words::write(spec)?,
        spec.format.as_str(),
        spec.mode.as_str(),
        spec.rate.map(Rate::as_per_second),
    ])?;
    // A pace that was kept for another rate would hold back, or let through, too many.
    writing.prepare("UPDATE queues SET paced = 0 WHERE hook = ?1")?.execute([hook.0])?;
    touched.hook(hook);
    touched.refresh(writing)?;
    turns::forget_destination(writing, &before.0)
}

pub(super) fn remove(writing: &mut Writing<'_>, hook: HookId) -> Result<bool> {
    let Some(account) = turns::drop_hook(writing, hook)? else { return Ok(false) };
    polls::rest_if_unwatched(writing, account)?;
    Ok(true)
}

fn refresh(writing: &Writing<'_>, hook: HookId) -> Result<()> {
    let mut touched = Touched::default();
    touched.hook(hook);
    touched.refresh(writing)
}
