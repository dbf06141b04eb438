//! Sending anew, and looking at what was sent: tests, replays, dead letters, and the record of deliveries.

use rusqlite::{OptionalExtension, Row, params};

use super::super::{DeliveryQuery, DeliveryRecord, DeliveryState, HookPlace, Result};
use super::columns::get;
use super::damage::{Key, Reading, Source};
use super::fair_pool::Flow;
use super::journal::{self, change_columns, read_change};
use super::listeners::Listener;
use super::queue::{self, Line, Tidings};
use super::settle::of_hook;
use super::turns::Touched;
use super::writer::Writing;
use super::{Fault, SqliteStore, attempts, hooks};
use crate::model::{Change, ChangeId, ChangeType, HookId, Timestamp};

/// Adds a change for this hook alone to the journal, and owes it. One that rests finds it there later.
pub(super) fn test(writing: &mut Writing<'_>, place: &HookPlace, now: Timestamp) -> Result<ChangeId> {
    let Some(listener) = Listener::one(writing, place.hook)? else { return Err(Fault::DamagedHook(place.hook).into()) };
    let change = of_hook(ChangeType::HookTest, place.hook, now);
    let number = journal::append(writing, place.account, now, &change)?;
    if listener.behind.is_none() {
        let mut touched = Touched::default();
        queue::append(writing, &listener, &Tidings { number, change: &change }, now, &mut touched)?;
        touched.refresh(writing)?;
    }
    let mut select = writing.prepare("SELECT id FROM changes WHERE sequence = ?1")?;
    Ok(select.query_row([number], |row| get(row, 0))?)
}

/// Puts the hook back to that place of the journal; `catch_up` owes it what comes from there.
pub(super) fn replay(writing: &mut Writing<'_>, hook: HookId, after: i64) -> Result<()> {
    let sql = "UPDATE hooks SET behind = MIN(COALESCE(behind, ?2), ?2) WHERE id = ?1";
    writing.prepare(sql)?.execute([hook.0, after])?;
    Ok(())
}

/// Makes dead letters due again, in steps; gives their number, if there is such a hook.
pub(super) async fn redrive(
    store: &SqliteStore,
    place: &HookPlace,
    only: Option<ChangeId>,
    limit: usize,
    now: Timestamp,
) -> Result<Option<usize>> {
    let mut redriven = 0;
    loop {
        let at_most = store.step_rows.min(limit - redriven);
        let place = place.clone();
        let step =
            store.write_step(Flow::Account(place.account), move |writing| match hooks::holds(writing, &place)? {
                true => redrive_some(writing, place.hook, only, at_most, now).map(Some),
                false => Ok(None),
            });
        let Some((some, is_more)) = step.await? else {
            return Ok((redriven > 0).then_some(redriven));
        };
        redriven += some;
        if !is_more || redriven >= limit {
            return Ok(Some(redriven));
        }
    }
}

/// Gives how many, and whether there may be more.
fn redrive_some(
    writing: &mut Writing<'_>,
    hook: HookId,
    only: Option<ChangeId>,
    at_most: usize,
    now: Timestamp,
) -> Result<(usize, bool)> {
    // One is found by its id, and not among all that is dead.
    let sql = match only {
        Some(_) => {
            "SELECT change, kind, resource, hook FROM deliveries INDEXED BY deliveries_dead_id
             WHERE hook = ?1 AND dead_id = ?2 AND dead IS NOT NULL AND damaged IS NULL LIMIT ?3"
        }
        None => {
            "SELECT d.change, d.kind, d.resource, d.hook
             FROM deliveries d INDEXED BY deliveries_dead CROSS JOIN changes c ON c.sequence = d.change
             WHERE d.hook = ?1 AND d.dead IS NOT NULL AND d.damaged IS NULL AND ?2 IS NULL
             ORDER BY d.change LIMIT ?3"
        }
    };
    let mut select = writing.prepare(sql)?;
    let only = only.map(|id| id.0.to_be_bytes());
    let limit = i64::try_from(at_most).unwrap_or(i64::MAX);
    let dead: Vec<(i64, Line)> = {
        let mut rows = select.query(params![hook.0, only, limit])?;
        let mut dead = Vec::new();
        while let Some(row) = rows.next()? {
            let source = Source { table: "deliveries", account: None, key: Key::Columns(&[3, 0]) };
            let line = |row: &Row<'_>| Ok(Line { hook, subject: get(row, 1)?, resource: get(row, 2)? });
            let line = writing.memory.damages.read(source, row, line)?;
            dead.extend(line.map(|line| Ok::<_, rusqlite::Error>((row.get(0)?, line))).transpose()?);
        }
        dead
    };
    let mut redriven = 0;
    for (change, line) in &dead {
        queue::revive(writing, hook, *change)?;
        queue::elect(writing, line, now)?;
        redriven += 1;
        if writing.is_turn_over() {
            break;
        }
    }
    let mut touched = Touched::default();
    touched.hook(hook);
    touched.refresh(writing)?;
    Ok((redriven, redriven < dead.len() || dead.len() == at_most))
}

/// What became of the hook's changes, newest first.
pub(super) fn records(
    reading: &Reading<'_>,
    mark: u32,
    hook: HookId,
    query: &DeliveryQuery,
) -> Result<Vec<DeliveryRecord>> {
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let before = query.before.unwrap_or(i64::MAX);
    let waiting = "SELECT change FROM deliveries WHERE hook = ?1 AND change < ?2 AND dead IS NULL";
    let dead =
        "SELECT change FROM deliveries INDEXED BY deliveries_dead WHERE hook = ?1 AND change < ?2 AND dead IS NOT NULL";
    let done = "SELECT DISTINCT change FROM attempts a WHERE hook = ?1 AND change < ?2
                AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.hook = a.hook AND d.change = a.change)";
    let newest = |sql: &str| format!("SELECT * FROM ({sql} ORDER BY change DESC LIMIT ?3)");
    let sql = match query.state {
        Some(DeliveryState::Waiting) => newest(waiting),
        Some(DeliveryState::Dead) => newest(dead),
        Some(DeliveryState::Done) => newest(done),
        None => {
            let all = [waiting, dead, done].map(newest).join(" UNION ALL ");
            format!("SELECT change FROM ({all}) ORDER BY change DESC LIMIT ?3")
        }
    };
    // What is no number is no change's.
    let numbers: Vec<Option<i64>> = reading
        .prepare_cached(&sql)?
        .query_map([hook.0, before, limit], |row| Ok(row.get(0).ok()))?
        .collect::<rusqlite::Result<_>>()?;
    let mut records = Vec::with_capacity(numbers.len());
    for number in numbers.into_iter().flatten() {
        records.extend(record(reading, mark, hook, number)?);
    }
    Ok(records)
}

fn record(reading: &Reading<'_>, mark: u32, hook: HookId, number: i64) -> Result<Option<DeliveryRecord>> {
    let mut select = reading.prepare_cached(concat!(
        "SELECT ",
        change_columns!(),
        " FROM changes c JOIN accounts a ON a.id = c.account WHERE c.sequence = ?1"
    ))?;
    let change = select
        .query_row([number], |row| reading.damages.read(journal::source(None), row, |row| read_change(row, mark)));
    let change: Option<Change> = change.optional()?.flatten();
    let Some(change) = change else { return Ok(None) };
    let mut select = reading.prepare_cached(
        "SELECT dead IS NOT NULL, COALESCE(claimed, due) FROM deliveries WHERE hook = ?1 AND change = ?2",
    )?;
    let waiting = select.query_row([hook.0, number], |row| Ok((row.get(0)?, get(row, 1).ok().flatten()))).optional()?;
    let (state, due) = match waiting {
        Some((true, _)) => (DeliveryState::Dead, None),
        Some((false, due)) => (DeliveryState::Waiting, due),
        None => (DeliveryState::Done, None),
    };
    Ok(Some(DeliveryRecord { change, state, due, attempts: attempts::of(reading, hook, number)? }))
}
