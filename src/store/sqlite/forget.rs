//! Retention of the journal and of old versions. `trim` handles the limit on the number of changes. First the mark is
//! moved up to which nothing is promised any more. Then everything before the mark is deleted, a little in each
//! transaction. A change with a pending delivery stays until that is settled: readers of the journal do not get it any
//! more, its hook does.

use std::collections::HashSet;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::super::{KeptChanges, Result, Sweep};
use super::SqliteStore;
use super::columns::get;
use super::fair_pool::Flow;
use super::histories;
use super::marks::oldest;
use super::past;
use super::writing::Writing;
use crate::model::Timestamp;

/// How many changes, and how many versions of resources, one step looks at.
const AT_ONCE: i64 = 1000;
/// How many of these versions one statement forgets, within a few milliseconds.
const VERSIONS_AT_ONCE: i64 = 100;

/// No change was recorded so long after what is to be forgotten.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);

pub(super) async fn step(store: &SqliteStore, kept: KeptChanges, sweep: Sweep) -> Result<Option<Sweep>> {
    let mark = store.read(Flow::Host, move |reading| next_mark(reading, kept)).await?;
    if let Some(to) = mark.to {
        store.write_passing(Flow::Host, move |writing| move_mark(writing, &to)).await?;
    }
    // Read only now: nothing before the mark is owed anew any more.
    let found = store.read(Flow::Host, move |reading| forgettable(reading, sweep)).await?;
    let Forgettable { mut changes, last, versions } = found;
    // As many steps as it takes: each ends with its turn.
    while !changes.is_empty() {
        changes = store.write_passing_step(Flow::Host, move |writing| forget(writing, changes)).await?;
    }
    let mut is_more = versions;
    while is_more {
        is_more = store.write_passing_step(Flow::Host, forget_versions).await?;
    }
    Ok((mark.more || last.is_some()).then(|| Sweep { after: last.unwrap_or(sweep.after) }))
}

struct NextMark {
    to: Option<To>,
    /// Whether it could be moved further.
    more: bool,
}

struct To {
    change: i64,
    past: Option<Timestamp>,
}

fn next_mark(reading: &Connection, kept: KeptChanges) -> Result<NextMark> {
    let before = oldest(reading)?;
    let mut select = reading
        .prepare_cached("SELECT sequence, recorded FROM changes WHERE sequence > ?1 ORDER BY sequence LIMIT ?2")?;
    let mut rows = select.query([before, AT_ONCE])?;
    let (mut change, mut until, mut more) = (before, kept.since, false);
    let mut looked_at = 0;
    while let Some(row) = rows.next()? {
        let sequence = row.get(0)?;
        // A time that can't be one does not keep what comes after it.
        let recorded =
            row.get(1).map(Timestamp::from_millis).ok().filter(|recorded| *recorded < kept.since.after(CENTURY));
        let recorded = recorded.unwrap_or_default();
        if recorded >= kept.since {
            break;
        }
        change = sequence;
        until = until.max(recorded);
        looked_at += 1;
        more = looked_at == AT_ONCE;
    }
    let past = past::is_any_before(reading, until, AT_ONCE)?.then_some(until);
    let to = (change > before || past.is_some()).then_some(To { change, past });
    Ok(NextMark { to, more })
}

fn move_mark(writing: &mut Writing<'_>, to: &To) -> Result<()> {
    let mut insert = writing.prepare(
        "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = MAX(value, ?2)",
    )?;
    insert.execute(params!["forgotten", to.change])?;
    if let Some(past) = to.past {
        insert.execute(params![past::MARK, past.as_millis()])?;
    }
    Ok(())
}

struct Forgettable {
    changes: Vec<i64>,
    /// The last change that was looked at, unless it was the last there is.
    last: Option<i64>,
    versions: bool,
}

/// What lies before the marks and is owed to nobody.
fn forgettable(reading: &Connection, sweep: Sweep) -> Result<Forgettable> {
    let mut select = reading.prepare_cached(
        "SELECT sequence FROM changes WHERE sequence > ?1 AND sequence <= ?2 ORDER BY sequence LIMIT ?3",
    )?;
    let mut changes: Vec<i64> = select
        .query_map([sweep.after, oldest(reading)?, AT_ONCE], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let is_full = i64::try_from(changes.len()) == Ok(AT_ONCE);
    let last = changes.last().copied().filter(|_| is_full);
    if let (Some(first), Some(last)) = (changes.first().copied(), changes.last().copied()) {
        let owed = owed(reading, first, last)?;
        changes.retain(|change| !owed.contains(change));
    }
    let versions = past::is_any_before(reading, past::known_since(reading)?, AT_ONCE)?;
    Ok(Forgettable { changes, last, versions })
}

/// Those among the changes from the one to the other that some hook is owed. Hooks that are owed nothing cost
/// nothing here.
pub(super) fn owed(reading: &Connection, first: i64, last: i64) -> Result<HashSet<i64>> {
    let mut owed = HashSet::new();
    let mut next_hook = reading.prepare_cached("SELECT MIN(hook) FROM deliveries WHERE hook > ?1")?;
    let mut of_hook = reading.prepare_cached(
        "SELECT change FROM deliveries WHERE hook = ?1 AND change BETWEEN ?2 AND ?3 AND damaged IS NULL",
    )?;
    let mut hook = 0;
    while let Some(next) = next_hook.query_row([hook], |row| row.get::<_, Option<i64>>(0))? {
        hook = next;
        for change in of_hook.query_map([hook, first, last], |row| row.get(0))? {
            owed.insert(change?);
        }
    }
    Ok(owed)
}

/// Forgets some of these, the last first; gives those that are left.
pub(super) fn forget(writing: &mut Writing<'_>, mut changes: Vec<i64>) -> Result<Vec<i64>> {
    // What is damaged is kept as long as the journal is.
    let sql = "DELETE FROM deliveries WHERE damaged IS NOT NULL AND change <= ?1";
    writing.prepare(sql)?.execute([oldest(writing.connection)?])?;
    let mut delete = writing.prepare("DELETE FROM changes WHERE sequence = ?1 RETURNING history")?;
    while let Some(change) = changes.pop() {
        // Of one that is damaged the history is not known. It goes with its account.
        let history = delete.query_row([change], |row| Ok(get(row, 0).ok())).optional()?.flatten();
        if let Some(history) = history {
            histories::forget_if_empty(writing, history)?;
        }
        if writing.is_turn_over() {
            break;
        }
    }
    Ok(changes)
}

/// Forgets some versions; says whether there may be more among the oldest.
fn forget_versions(writing: &mut Writing<'_>) -> Result<bool> {
    let mut left = AT_ONCE;
    while left > 0 && past::forget(writing, VERSIONS_AT_ONCE)? > 0 {
        left -= VERSIONS_AT_ONCE;
        if writing.is_turn_over() {
            return Ok(true);
        }
    }
    Ok(false)
}
