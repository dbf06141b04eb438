//! The attempts of deliveries, kept for a while to answer what happened to a change.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::super::{Attempt, KeptAttempts, Result, Settlement};
use super::columns::get;
use super::damage::{Key, Reading, Source};
use super::writing::Writing;
use crate::model::HookId;

/// Of a hook that is gone, nothing is kept: nobody could ask for it.
pub(super) fn note(writing: &Writing<'_>, settlement: &Settlement) -> Result<()> {
    for attempt in &settlement.attempts {
        let mut insert = writing.prepare(
            "INSERT INTO attempts (hook, change, at, number, duration, status, error, answer)
             SELECT ?1, ?2, ?3, (SELECT COUNT(*) FROM attempts WHERE hook = ?1 AND change = ?2 AND at = ?3),
                    ?4, ?5, ?6, ?7
             WHERE EXISTS (SELECT 1 FROM hooks WHERE id = ?1)",
        )?;
        insert.execute(params![
            settlement.id.hook.0,
            settlement.id.change,
            attempt.at.as_millis(),
            attempt.duration.map(|took| i64::try_from(took.as_millis()).unwrap_or(i64::MAX)),
            attempt.status,
            attempt.error,
            attempt.answer,
        ])?;
    }
    Ok(())
}

pub(super) fn of(reading: &Reading<'_>, hook: HookId, change: i64) -> Result<Vec<Attempt>> {
    let mut select = reading.prepare_cached(
        "SELECT at, duration, status, error, answer, number, hook, change FROM attempts
         WHERE hook = ?1 AND change = ?2 ORDER BY at, number",
    )?;
    let source = Source { table: "attempts", account: None, key: Key::Columns(&[6, 7, 0, 5]) };
    let rows = select.query([hook.0, change])?;
    let (attempts, _) = reading.damages.rows(source, rows, |row| {
        let duration: Option<i64> = row.get(1)?;
        Ok(Attempt {
            at: get(row, 0)?,
            duration: duration.map(|millis| Duration::from_millis(millis.unsigned_abs())),
            status: row.get(2)?,
            error: row.get(3)?,
            answer: row.get(4)?,
        })
    })?;
    Ok(attempts)
}

/// How many hooks one step looks at, whether there is anything to forget or not.
const HOOKS: usize = 64;

/// Forgets the oldest, hook by hook, each time going on where it stopped; says whether there may be more.
pub(super) fn forget(writing: &mut Writing<'_>, kept: KeptAttempts, limit: usize) -> Result<bool> {
    let mut left = limit;
    for _ in 0..HOOKS {
        if writing.is_turn_over() {
            return Ok(true);
        }
        let mut select = writing.prepare("SELECT MIN(hook) FROM attempts WHERE hook > ?1")?;
        let next: Option<i64> = select.query_row([writing.memory.swept], |row| row.get(0)).optional()?.flatten();
        let Some(hook) = next else {
            writing.memory.swept = 0;
            return Ok(false);
        };
        left -= forget_of(writing, hook, kept, left)?.min(left);
        if left == 0 {
            return Ok(true);
        }
        writing.memory.swept = hook;
    }
    Ok(true)
}

fn forget_of(writing: &Writing<'_>, hook: i64, kept: KeptAttempts, limit: usize) -> Result<usize> {
    // The newest change of which nothing is kept any more, however young.
    let mut select = writing
        .prepare("SELECT DISTINCT change FROM attempts WHERE hook = ?1 ORDER BY change DESC LIMIT 1 OFFSET ?2")?;
    let beyond: Option<i64> = select.query_row([hook, number(kept.changes)], |row| row.get(0)).optional()?;
    let mut delete = writing.prepare(
        "DELETE FROM attempts WHERE (hook, change, at) IN (
             SELECT hook, change, at FROM (SELECT hook, change, at FROM attempts WHERE hook = ?1
             ORDER BY change, at LIMIT ?4) WHERE at < ?2 OR change <= ?3)",
    )?;
    Ok(delete.execute(params![hook, kept.since.as_millis(), beyond, number(limit)])?)
}

fn number(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
