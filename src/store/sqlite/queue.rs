//! The lines in which deliveries wait: one for each resource on each hook, of which only the head has a `due`.
//!
//! Statements on a line name its index: without statistics SQLite prefers the primary key, by which it reads
//! the whole backlog of the hook.

use rusqlite::{OptionalExtension, params};

use super::super::Result;
use super::columns::{get, subject_number};
use super::listeners::{Listener, Listeners};
use super::turns::Touched;
use super::writer::Writing;
use crate::model::{HookId, Mode, NewChange, ResourceId, Subject, Timestamp};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Line {
    pub(super) hook: HookId,
    pub(super) subject: Subject,
    pub(super) resource: ResourceId,
}

/// A change in the journal that hooks may have to hear of.
pub(super) struct Tidings<'a> {
    /// Its number.
    pub(super) number: i64,
    pub(super) change: &'a NewChange,
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
    let place = params![hook.0, subject_number(tidings.change.subject), tidings.change.resource.as_str()];
    let mut select = writing.prepare(
        "SELECT change, claimed IS NOT NULL FROM deliveries INDEXED BY deliveries_line
         WHERE hook = ?1 AND kind = ?2 AND resource = ?3 AND dead IS NULL ORDER BY change DESC LIMIT 1",
    )?;
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

/// Puts a change that may have been told before into its place in the line, unless it is owed already.
pub(super) fn insert_again(
    writing: &Writing<'_>,
    listener: &Listener,
    tidings: &Tidings<'_>,
    now: Timestamp,
    touched: &mut Touched,
) -> Result<()> {
    let hook = listener.hook;
    let line = Line { hook, subject: tidings.change.subject, resource: tidings.change.resource.clone() };
    let is_last = !has_later(writing, &line, tidings.number)?;
    if listener.mode == Mode::Latest && !is_last {
        return Ok(());
    }
    let mut select = writing.prepare("SELECT dead IS NOT NULL FROM deliveries WHERE hook = ?1 AND change = ?2")?;
    match select.query_row(params![hook.0, tidings.number], |row| row.get(0)).optional()? {
        Some(false) => return Ok(()),
        Some(true) => revive(writing, hook, tidings.number)?,
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
         WHERE hook = ?1 AND kind = ?2 AND resource = ?3 AND dead IS NULL AND change > ?4",
    )?;
    let later = params![line.hook.0, subject_number(line.subject), line.resource.as_str(), number];
    Ok(select.exists(later)?)
}

fn insert(writing: &Writing<'_>, hook: HookId, tidings: &Tidings<'_>, due: Option<Timestamp>) -> Result<()> {
    let mut insert =
        writing.prepare("INSERT INTO deliveries (hook, change, kind, resource, due) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    insert.execute(params![
        hook.0,
        tidings.number,
        subject_number(tidings.change.subject),
        tidings.change.resource.as_str(),
        due.map(Timestamp::as_millis),
    ])?;
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
         WHERE hook = ?1 AND kind = ?2 AND resource = ?3 AND dead IS NULL ORDER BY change LIMIT 1",
    )?;
    let place = params![line.hook.0, subject_number(line.subject), line.resource.as_str()];
    let head: Option<(i64, bool)> = select.query_row(place, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((change, false)) = head {
        let mut update = writing.prepare("UPDATE deliveries SET due = ?3 WHERE hook = ?1 AND change = ?2")?;
        update.execute(params![line.hook.0, change, due.as_millis()])?;
    }
    Ok(())
}

/// Makes the oldest of a line its head, after one was put in before others. What is being sent stays ahead.
pub(super) fn elect(writing: &Writing<'_>, line: &Line, now: Timestamp) -> Result<()> {
    let place = params![line.hook.0, subject_number(line.subject), line.resource.as_str()];
    let mut select = writing.prepare(
        "SELECT change, due, claimed IS NOT NULL FROM deliveries INDEXED BY deliveries_line
         WHERE hook = ?1 AND kind = ?2 AND resource = ?3 AND dead IS NULL AND due IS NOT NULL ORDER BY change LIMIT 1",
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
