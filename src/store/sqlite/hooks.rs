//! Hooks in SQLite.

use std::borrow::Cow;

use rusqlite::types::{FromSqlError, Type};
use rusqlite::{OptionalExtension, Row, params};

use super::super::{DamagedHook, HookPlace, HookTarget, Result};
use super::columns::{get, kind_number, read_secrets};
use super::damage::{self, Key, Reading, Source};
use super::words::Words;
use super::writing::Writing;
use super::{due_polls, turns};
use crate::model::{
    AccountId, DisableReason, Hook, HookId, HookSpec, HookStatus, HookVersion, Kind, Rate, ResourceId, Timestamp,
};

macro_rules! select_hooks {
    ($rest:literal) => {
        concat!(
            "SELECT id, account, owner, kind, resource, url, token, words, format, mode, rate, \
             secret, old_secret, old_until, status, disabled, reason, failing, created, version FROM hooks",
            $rest
        )
    };
}
pub(super) use select_hooks;

pub(super) fn read_hook(row: &Row<'_>, mark: u32) -> rusqlite::Result<Hook> {
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
pub(super) fn source(account: AccountId) -> Source<'static> {
    Source { table: "hooks", account: Some(account), key: Key::Columns(&[0]) }
}

/// A hook, or why it can't be read.
pub(super) fn read_any(reading: &Reading<'_>, row: &Row<'_>) -> rusqlite::Result<Result<Hook, DamagedHook>> {
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

pub(super) fn target_columns(target: &HookTarget) -> (i64, i64, &str, Cow<'static, str>) {
    (target.account.0, kind_number(target.kind), target.resource.as_str(), target.owner.word())
}

pub(super) fn find_tracking(writing: &Writing<'_>, target: &HookTarget) -> Result<Option<HookId>> {
    let mut select =
        writing.prepare("SELECT id FROM hooks WHERE account = ?1 AND kind = ?2 AND resource = ?3 AND owner = ?4")?;
    Ok(select.query_row(target_columns(target), |row| get(row, 0)).optional()?)
}

pub(super) fn remove(writing: &mut Writing<'_>, hook: HookId) -> Result<bool> {
    let Some(account) = turns::drop_hook(writing, hook)? else { return Ok(false) };
    due_polls::rest_if_unwatched(writing, account)?;
    Ok(true)
}
