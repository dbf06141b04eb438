//! The tries that were made, kept for a while for whoever asks what became of a change.

use rusqlite::{Connection, OptionalExtension, params};
use std::time::Duration;

use super::super::{Attempt, Result, Settlement};
use super::columns::get;
use super::writer::Writing;
use crate::model::{HookId, Timestamp};

pub(super) fn note(writing: &Writing<'_>, settlement: &Settlement) -> Result<()> {
    for attempt in &settlement.attempts {
        // Two tries of one millisecond would be one: the latter is kept.
        let mut insert = writing.prepare(
            "INSERT OR REPLACE INTO attempts (hook, change, at, duration, status, error, answer)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7",
        )?;
        insert.execute(params![
            settlement.id.hook.0,
            settlement.id.change,
            attempt.at.as_millis(),
            i64::try_from(attempt.duration.as_millis()).unwrap_or(i64::MAX),
            attempt.status,
            attempt.error,
            attempt.answer,
        ])?;
    }
    Ok(())
}

pub(super) fn of(reading: &Connection, hook: HookId, change: i64) -> Result<Vec<Attempt>> {
    let mut select = reading.prepare_cached(
        "SELECT at, duration, status, error, answer FROM attempts WHERE hook = ?1 AND change = ?2 ORDER BY at",
    )?;
    let attempts = select.query_map([hook.0, change], |row| {
        let duration: i64 = row.get(1)?;
        Ok(Attempt {
            at: get(row, 0)?,
            duration: Duration::from_millis(duration.unsigned_abs()),
            status: row.get(2)?,
            error: row.get(3)?,
            answer: row.get(4)?,
        })
    })?;
    Ok(attempts.collect::<rusqlite::Result<_>>()?)
}

/// Forgets the oldest, hook by hook, each time going on where it stopped; says whether there may be more.
pub(super) fn forget(writing: &mut Writing<'_>, before: Timestamp, limit: usize) -> Result<bool> {
    let mut left = limit;
    while left > 0 {
        let mut select = writing.prepare("SELECT MIN(hook) FROM attempts WHERE hook > ?1")?;
        let next: Option<i64> = select.query_row([writing.memory.swept], |row| row.get(0)).optional()?.flatten();
        let Some(hook) = next else {
            writing.memory.swept = 0;
            return Ok(false);
        };
        let mut delete = writing.prepare(
            "DELETE FROM attempts WHERE (hook, change, at) IN (
                 SELECT hook, change, at FROM (SELECT hook, change, at FROM attempts WHERE hook = ?1
                 ORDER BY change, at LIMIT ?3) WHERE at < ?2)",
        )?;
        let deleted = delete.execute(params![hook, before.as_millis(), i64::try_from(left).unwrap_or(i64::MAX)])?;
        left -= deleted.min(left);
        if left > 0 {
            writing.memory.swept = hook;
        }
    }
    Ok(true)
}
