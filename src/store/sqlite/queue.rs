//! The queues of deliveries: one for each ordering key (a resource on a hook). Only the first delivery of a queue has a
//! `due`.
//!
//! Statements on a queue name its index. Without statistics SQLite prefers the primary key, with which it reads the
//! whole backlog of the hook.

use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, params};

use super::super::Result;
use super::columns::get;
use super::histories::HistoryId;
use super::journal::Tidings;
use super::listener::Listener;
use super::listeners::Listeners;
use super::turns::Touched;
use super::writing::Writing;
use crate::model::{HookId, Mode, Timestamp};

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Line {
    pub(super) hook: HookId,
    pub(super) history: HistoryId,
}

impl Line {
    /// Reads the history that a delivery stands under, and behind it that of its change. In the line of another resource
    /// it would be sent, and those that wait behind it would not.
    pub(super) fn read(row: &Row<'_>, index: usize, hook: HookId) -> rusqlite::Result<Line> {
        let (history, of_change): (HistoryId, HistoryId) = (get(row, index)?, get(row, index + 1)?);
        match history == of_change {
            true => Ok(Line { hook, history }),
            false => Err(rusqlite::Error::FromSqlConversionFailure(
                index,
                Type::Integer,
                "it is not the history of its change".into(),
            )),
        }
    }
}

/// Puts the change at the end of the line of each hook that hears of it; gives their number.
pub(super) fn owe(
    writing: &Writing<'_>,
    listeners: &Listeners,
    tidings: &Tidings<'_>,
    now: Timestamp,
    touched: &mut Touched,
) -> Result<usize> {
    let mut owed = 0;
    listeners.each(writing, tidings.change, |listener| {
        owed += 1;
        append(writing, listener, tidings, now, touched)
    })?;
    Ok(owed)
}

/// Puts a change at the end of a line.
pub(super) fn append(
    writing: &Writing<'_>,
    listener: &Listener,
    tidings: &Tidings<'_>,
    now: Timestamp,
    touched: &mut Touched,
) -> Result<()> {
    let hook = listener.hook;
    let mut select = writing.prepare(
        "SELECT change, claimed IS NOT NULL OR lent IS NOT NULL AND lent_until > ?3
         FROM deliveries INDEXED BY deliveries_line
         WHERE hook = ?1 AND history = ?2 AND dead IS NULL ORDER BY change DESC LIMIT 1",
    )?;
    let place = params![hook.0, tidings.history.0, now.as_millis()];
    let last: Option<(i64, bool)> = select.query_row(place, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    match last {
        None => {
            touched.hook(hook);
            insert(writing, hook, tidings, Some(now))
        }
        Some((waiting, false)) if listener.mode == Mode::Latest => {
            // It keeps its place and its `due`: a receiver that is being spared is spared still.
            let mut update =
                writing.prepare("UPDATE deliveries SET change = ?3, attempts = 0 WHERE hook = ?1 AND change = ?2")?;
            update.execute(params![hook.0, waiting, tidings.number])?;
            Ok(())
        }
        Some(_) => insert(writing, hook, tidings, None),
    }
}

/// Puts a change that may have been told before into its place in the line, unless it is owed already. One that is being
/// sent, or is lent to its owner, is sent once more: that began before this was asked for.
pub(super) fn insert_again(
    writing: &Writing<'_>,
    listener: &Listener,
    tidings: &Tidings<'_>,
    now: Timestamp,
    touched: &mut Touched,
) -> Result<()> {
    let hook = listener.hook;
    let line = Line { hook, history: tidings.history };
    let is_last = !has_later(writing, &line, tidings.number)?;
    if listener.mode == Mode::Latest && !is_last {
        return Ok(());
    }
    let mut select = writing.prepare(
        "SELECT dead IS NOT NULL, claimed IS NOT NULL OR lent IS NOT NULL AND lent_until > ?3 FROM deliveries
         WHERE hook = ?1 AND change = ?2",
    )?;
    let place = [hook.0, tidings.number];
    let found = select.query_row(params![place[0], place[1], now.as_millis()], |row| Ok((row.get(0)?, row.get(1)?)));
    let waiting: Option<(bool, bool)> = found.optional()?;
    match waiting {
        Some((false, false)) => return Ok(()),
        Some((false, true)) => {
            writing.prepare("UPDATE deliveries SET again = 1 WHERE hook = ?1 AND change = ?2")?.execute(place)?;
            return Ok(());
        }
        Some((true, _)) => revive(writing, hook, tidings.number)?,
        None if is_last => return append(writing, listener, tidings, now, touched),
        None => insert(writing, hook, tidings, None)?,
    }
    touched.hook(hook);
    elect(writing, &line, now)
}

/// Whether a change that came after that one waits in the line.
pub(super) fn has_later(writing: &Writing<'_>, line: &Line, number: i64) -> Result<bool> {
    let mut select = writing.prepare(
        "SELECT 1 FROM deliveries INDEXED BY deliveries_line
         WHERE hook = ?1 AND history = ?2 AND dead IS NULL AND change > ?3",
    )?;
    Ok(select.exists([line.hook.0, line.history.0, number])?)
}

fn insert(writing: &Writing<'_>, hook: HookId, tidings: &Tidings<'_>, due: Option<Timestamp>) -> Result<()> {
    let mut insert = writing.prepare("INSERT INTO deliveries (hook, change, history, due) VALUES (?1, ?2, ?3, ?4)")?;
    insert.execute(params![hook.0, tidings.number, tidings.history.0, due.map(Timestamp::as_millis)])?;
    if due.is_some() {
        writing.wake_deliveries();
    }
    Ok(())
}

/// A dead letter is as if it had never been tried.
pub(super) fn revive(writing: &Writing<'_>, hook: HookId, change: i64) -> Result<()> {
    let mut update = writing
        .prepare("UPDATE deliveries SET dead = NULL, dead_id = NULL, attempts = 0 WHERE hook = ?1 AND change = ?2")?;
    update.execute(params![hook.0, change])?;
    Ok(())
}

/// Makes the head of a line due, where it is not yet: the one before it is gone.
pub(super) fn promote(writing: &Writing<'_>, line: &Line, due: Timestamp) -> Result<()> {
    let mut select = writing.prepare(
        "SELECT change, due IS NOT NULL FROM deliveries INDEXED BY deliveries_line
         WHERE hook = ?1 AND history = ?2 AND dead IS NULL ORDER BY change LIMIT 1",
    )?;
    let place = [line.hook.0, line.history.0];
    let head: Option<(i64, bool)> = select.query_row(place, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((change, false)) = head {
        let mut update = writing.prepare("UPDATE deliveries SET due = ?3 WHERE hook = ?1 AND change = ?2")?;
        update.execute(params![line.hook.0, change, due.as_millis()])?;
    }
    Ok(())
}

/// Makes the oldest of a line its head, after one was put in before others. What is being sent stays ahead.
pub(super) fn elect(writing: &Writing<'_>, line: &Line, now: Timestamp) -> Result<()> {
    let place = [line.hook.0, line.history.0];
    let mut select = writing.prepare(
        "SELECT change, due, claimed IS NOT NULL FROM deliveries INDEXED BY deliveries_line
         WHERE hook = ?1 AND history = ?2 AND dead IS NULL AND due IS NOT NULL ORDER BY change LIMIT 1",
    )?;
    let head = select.query_row(place, |row| Ok((row.get(0)?, get(row, 1)?, row.get(2)?))).optional()?;
    let head: Option<(i64, Timestamp, bool)> = head;
    match head {
        Some((_, _, true)) => Ok(()),
        Some((change, due, false)) => {
            let mut update = writing.prepare("UPDATE deliveries SET due = NULL WHERE hook = ?1 AND change = ?2")?;
            update.execute(params![line.hook.0, change])?;
            promote(writing, line, due)
        }
        None => promote(writing, line, now),
    }
}
