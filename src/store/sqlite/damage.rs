//! Rows that cannot be read. Each affects itself alone: whoever reads it goes on as if it were not there, it is named in
//! the log once, counted, shown to its account, and set aside by the writer, so that nothing meets it again.
//!
//! What is set aside depends on the table. A hook and a delivery keep their rows, with a mark. What the next poll finds
//! again (a resource, the record of a poll) is reset. What only tells of the past (a version, an attempt) is deleted. A
//! change stays in the journal, where it is passed over until it is forgotten.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::super::{DamagedRow, Result, StoreError};
use super::columns::get;
use super::queue::{self, Line};
use super::turns;
use super::writer::Writing;
use crate::model::{AccountId, HookId, Timestamp, legible::legible};

/// How many damaged rows are remembered one by one. Beyond these they are counted for as long as the host runs, each time
/// that they are met, and named no more: a file in which so much is damaged is restored from a backup.
const REMEMBERED: usize = 1000;

/// How much of a key and of a reason is shown, in bytes.
const SHOWN_BYTES: usize = 200;

/// Whose rows are read, and by which columns of the statement each is known.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) table: &'static str,
    pub(super) account: Option<AccountId>,
    pub(super) key: Key<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum Key<'a> {
    /// By their indexes in the row, in the order of the table's primary key.
    Columns(&'a [usize]),
    /// Known beforehand.
    Values(&'a [i64]),
}

/// What is known of damaged rows, shared by all who read.
#[derive(Clone, Debug, Default)]
pub(super) struct Damages(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    known: HashSet<(&'static str, String)>,
    rows: Vec<(Option<AccountId>, DamagedRow)>,
    counts: BTreeMap<&'static str, u64>,
    /// What the writer has to set aside.
    pending: VecDeque<Pending>,
}

#[derive(Clone, Debug)]
struct Pending {
    table: &'static str,
    key: Vec<Value>,
    reason: String,
}

/// What readers work with: a connection, and where they note what is damaged.
pub(super) struct Reading<'a> {
    pub(super) connection: &'a Connection,
    pub(super) damages: &'a Damages,
}

impl std::ops::Deref for Reading<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Damages {
    /// Reads a row. One that cannot be read is noted, and is as if it were not there.
    pub(super) fn read<T>(
        &self,
        source: Source<'_>,
        row: &Row<'_>,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        match read(row) {
            Ok(value) => Ok(Some(value)),
            Err(error) if is_damage(&error) => {
                self.note_row(source, row, &error)?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads rows as `read` does; gives how many there were, too.
    pub(super) fn rows<T>(
        &self,
        source: Source<'_>,
        mut rows: rusqlite::Rows<'_>,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<(Vec<T>, usize)> {
        let (mut found, mut number) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            number += 1;
            found.extend(self.read(source, row, &mut read)?);
        }
        Ok((found, number))
    }

    fn note_row(&self, source: Source<'_>, row: &Row<'_>, error: &rusqlite::Error) -> rusqlite::Result<()> {
        let key = match source.key {
            Key::Columns(columns) => columns.iter().map(|index| key_value(row, *index)).collect::<Result<_, _>>()?,
            Key::Values(values) => values.iter().map(|value| Value::Integer(*value)).collect(),
        };
        let column = column_of(row, error);
        self.note(source.table, source.account, key, &column, &reason_of(error));
        Ok(())
    }

    /// Notes a row, and has it set aside.
    pub(super) fn note(
        &self,
        table: &'static str,
        account: Option<AccountId>,
        key: Vec<Value>,
        column: &str,
        reason: &str,
    ) {
        let shown = damaged_row(table, &key, column, reason);
        let pending = Pending { table, key, reason: format!("{}: {}", shown.column, shown.reason) };
        self.show(account, shown, Some(pending));
    }

    /// Notes a row that is set aside already.
    pub(super) fn note_only(
        &self,
        table: &'static str,
        account: Option<AccountId>,
        mut key: Vec<Value>,
        column: &str,
        reason: &str,
    ) {
        key.retain(|value| *value != Value::Null);
        self.show(account, damaged_row(table, &key, column, reason), None);
    }

    fn show(&self, account: Option<AccountId>, shown: DamagedRow, pending: Option<Pending>) {
        let mut noted = self.0.lock().expect("invariant: no holder of this lock can panic");
        if noted.pending.len() < REMEMBERED {
            noted.pending.extend(pending);
        }
        let is_full = noted.known.len() >= REMEMBERED;
        if noted.known.contains(&(shown.table, shown.key.clone())) {
            return;
        }
        *noted.counts.entry(shown.table).or_default() += 1;
        if is_full {
            return;
        }
        tracing::error!(
            table = shown.table,
            key = shown.key,
            column = shown.column,
            "a stored row can't be read and is set aside: {}",
            shown.reason
        );
        noted.known.insert((shown.table, shown.key.clone()));
        noted.rows.push((account, shown));
    }

    /// Those of an account, in the order in which they were met.
    pub(super) fn of(&self, account: AccountId) -> Vec<DamagedRow> {
        let noted = self.0.lock().expect("invariant: no holder of this lock can panic");
        noted.rows.iter().filter(|(of, _)| *of == Some(account)).map(|(_, row)| row.clone()).collect()
    }

    /// How many there are of each table.
    pub(super) fn counts(&self) -> Vec<(&'static str, u64)> {
        let noted = self.0.lock().expect("invariant: no holder of this lock can panic");
        noted.counts.iter().map(|(table, count)| (*table, *count)).collect()
    }

    pub(super) fn is_any_pending(&self) -> bool {
        !self.0.lock().expect("invariant: no holder of this lock can panic").pending.is_empty()
    }

    fn next(&self) -> Option<Pending> {
        self.0.lock().expect("invariant: no holder of this lock can panic").pending.pop_front()
    }
}

/// Whether it is what stands in a row that is wrong, and nothing else.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
    )
}

/// A page of up to `limit` rows that can be read. Where some of what `read` finds can't, it is asked for more; it gives
/// what it read, and of how many rows.
pub(super) fn page<T>(limit: usize, mut read: impl FnMut(usize) -> Result<(Vec<T>, usize)>) -> Result<Vec<T>> {
    let mut wanted = limit;
    loop {
        let (mut found, rows) = read(wanted)?;
        if found.len() >= limit || rows < wanted {
            found.truncate(limit);
            return Ok(found);
        }
        wanted = wanted.saturating_mul(2);
    }
}

/// The column of which the error tells, as it is called in its table.
fn column_of(row: &Row<'_>, error: &rusqlite::Error) -> String {
    let index = match error {
        rusqlite::Error::FromSqlConversionFailure(index, ..)
        | rusqlite::Error::IntegralValueOutOfRange(index, _)
        | rusqlite::Error::InvalidColumnType(index, ..)
        | rusqlite::Error::Utf8Error(index, _) => *index,
        _ => usize::MAX,
    };
    row.as_ref().column_name(index).map_or_else(|_| "?".to_owned(), str::to_owned)
}

fn reason_of(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::FromSqlConversionFailure(_, _, source) => source.to_string(),
        rusqlite::Error::InvalidColumnType(_, _, found) => format!("it holds {found}, which is of another type"),
        rusqlite::Error::IntegralValueOutOfRange(_, number) => format!("{number} is out of range"),
        rusqlite::Error::Utf8Error(..) => "it is not UTF-8".to_owned(),
        other => other.to_string(),
    }
}

fn damaged_row(table: &'static str, key: &[Value], column: &str, reason: &str) -> DamagedRow {
    DamagedRow {
        table: home(table, column),
        key: shown(&key.iter().map(key_text).collect::<Vec<_>>().join("/")),
        column: shown(column),
        reason: shown(reason),
    }
}

/// The table in which a column stands that was read along with another table's.
fn home(table: &'static str, column: &str) -> &'static str {
    match (table, column) {
        ("changes" | "polls" | "tokens", "driver" | "provider" | "user" | "origin" | "password") => "accounts",
        ("resources" | "versions", "name" | "realm" | "attributes" | "first_seen" | "state_since" | "since") => {
            "bodies"
        }
        _ => table,
    }
}

/// Text as its bytes, which need not be UTF-8.
fn key_value(row: &Row<'_>, index: usize) -> rusqlite::Result<Value> {
    Ok(match row.get_ref(index)? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    })
}

fn key_text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn shown(text: &str) -> String {
    let text = legible(text);
    text[..text.floor_char_boundary(SHOWN_BYTES)].to_owned()
}

/// Sets aside what was met, so that nothing meets it again.
pub(super) fn set_aside(writing: &mut Writing<'_>) -> Result<()> {
    let damages = writing.memory.damages.clone();
    while let Some(damaged) = damages.next() {
        let key = || params_from_iter(damaged.key.iter());
        let execute = |sql: &str| writing.prepare(sql)?.execute(key()).map_err(StoreError::from);
        match damaged.table {
            "hooks" => hook(writing, &damaged)?,
            "deliveries" => delivery(writing, &damaged)?,
            "polls" => poll(writing, &damaged)?,
            // Without its account nothing can be listed. It is due again once the account is enrolled anew.
            "accounts" => {
                execute("UPDATE polls SET due = NULL, claimed = NULL WHERE account = ?1")?;
            }
            // It is as if it had never been seen: the next list finds it.
            "resources" => {
                execute("DELETE FROM resources WHERE account = ?1 AND kind = ?2 AND id IN (?3, CAST(?3 AS TEXT))")?;
            }
            "versions" => {
                execute("DELETE FROM versions WHERE number = ?1")?;
            }
            "flaps" => {
                execute("DELETE FROM flaps WHERE account = ?1 AND kind = ?2 AND id IN (?3, CAST(?3 AS TEXT))")?;
            }
            "attempts" => {
                execute("DELETE FROM attempts WHERE hook = ?1 AND change = ?2 AND at = ?3 AND number = ?4")?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Nothing is sent to it, nor owed to it. Its owner sees it in the list, and can delete it.
fn hook(writing: &Writing<'_>, damaged: &Pending) -> Result<()> {
    let Some(Value::Integer(id)) = damaged.key.first() else { return Ok(()) };
    let mut update = writing
        .prepare("UPDATE hooks SET status = 'damaged', disabled = NULL, reason = ?2, behind = NULL WHERE id = ?1")?;
    update.execute(params![id, damaged.reason])?;
    drop(update);
    // Where its owner can't be read, it is the account's.
    let sql = "UPDATE OR IGNORE hooks SET owner = 'account'
               WHERE id = ?1 AND owner <> 'account' AND owner NOT GLOB 'token:[0-9]*'";
    writing.prepare(sql)?.execute([id])?;
    turns::drop_queue(writing, HookId(*id))
}

/// It is given up, and says why; what waits behind it goes on.
fn delivery(writing: &Writing<'_>, damaged: &Pending) -> Result<()> {
    let Some(Value::Integer(hook)) = damaged.key.first().cloned() else { return Ok(()) };
    let Some(Value::Integer(change)) = damaged.key.get(1).cloned() else {
        // It is owed no change that there could be.
        let sql = "DELETE FROM deliveries WHERE hook = ?1 AND change IN (?2, CAST(?2 AS TEXT))";
        writing.prepare(sql)?.execute(params_from_iter(damaged.key.iter()))?;
        elect_all(writing, HookId(hook))?;
        return refresh(writing, HookId(hook));
    };
    let mut update = writing.prepare(
        "UPDATE deliveries SET damaged = ?3, dead = COALESCE(dead, claimed, due, 0), due = NULL, claimed = NULL
         WHERE hook = ?1 AND change = ?2",
    )?;
    update.execute(params![hook, change, damaged.reason])?;
    let mut select = writing.prepare("SELECT kind, resource, dead FROM deliveries WHERE hook = ?1 AND change = ?2")?;
    let line = select.query_row([hook, change], |row| {
        let line = Line { hook: HookId(hook), subject: get(row, 0)?, resource: get(row, 1)? };
        Ok((line, get(row, 2)?))
    });
    match line.optional() {
        Ok(Some((line, due))) => queue::promote(writing, &line, due)?,
        // Which line it was the head of is not known: any that has none gets one.
        Ok(None) => elect_all(writing, HookId(hook))?,
        Err(error) if is_damage(&error) => elect_all(writing, HookId(hook))?,
        Err(error) => return Err(error.into()),
    }
    refresh(writing, HookId(hook))
}

fn refresh(writing: &Writing<'_>, hook: HookId) -> Result<()> {
    let mut touched = turns::Touched::default();
    touched.hook(hook);
    touched.refresh(writing)
}

/// Makes the head of each line of a hook due where none of the line is.
fn elect_all(writing: &Writing<'_>, hook: HookId) -> Result<()> {
    let mut update = writing.prepare(
        "UPDATE deliveries SET due = 0 WHERE hook = ?1 AND change IN (
             SELECT MIN(change) FROM deliveries WHERE hook = ?1 AND dead IS NULL
             GROUP BY kind, resource HAVING COUNT(due) = 0)",
    )?;
    update.execute([hook.0])?;
    Ok(())
}

/// Deletes what a hook that is gone has of changes that there can't be: without a number they are not found one by one.
pub(super) fn delete_unnumbered(writing: &Writing<'_>, hook: HookId) -> Result<()> {
    for table in ["deliveries", "attempts"] {
        let sql = format!("DELETE FROM {table} WHERE hook = ?1 AND typeof(change) <> 'integer'");
        writing.prepare(&sql)?.execute([hook.0])?;
    }
    Ok(())
}

/// Whether an error of the store is that what stands in a row is wrong.
pub(super) fn is_damaged_row(error: &StoreError) -> bool {
    matches!(error, StoreError::Failed(source) if source.downcast_ref().is_some_and(is_damage))
}

/// It is made due, as one that never was, but for when its last list came. The error says so until a poll succeeds.
fn poll(writing: &Writing<'_>, damaged: &Pending) -> Result<()> {
    let [Value::Integer(account), Value::Integer(kind)] = damaged.key[..] else { return Ok(()) };
    let mut select = writing.prepare("SELECT MAX(used) FROM accounts WHERE typeof(used) = 'integer'")?;
    let now: Option<Timestamp> = select.query_row((), |row| get(row, 0))?;
    let kept = |column: &str| format!("CASE WHEN typeof({column}) = 'integer' THEN {column} END");
    let sql = format!(
        "INSERT OR REPLACE INTO polls
         (account, kind, due, last_complete, last_full, last_attempt, lease, recorded, error_at, error_code, error_message)
         SELECT account, kind, COALESCE({}, ?3), {}, {}, {}, COALESCE({}, 0) + 1, COALESCE({}, 0), ?3, 'damaged', ?4
         FROM polls WHERE account = ?1 AND kind = ?2",
        kept("due"),
        kept("last_complete"),
        kept("last_full"),
        kept("last_attempt"),
        kept("lease"),
        kept("recorded"),
    );
    let now = now.unwrap_or_default().as_millis();
    let message = format!("the record of this poll could not be read and was reset: {}", damaged.reason);
    writing.prepare(&sql)?.execute(params![account, kind, now, message])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_row_is_named_and_counted_once() {
        let damages = Damages::default();
        for _ in 0..3 {
            damages.note("hooks", Some(AccountId(1)), vec![Value::Integer(7)], "url", "it is \u{1b}[2J no URL");
        }
        damages.note("changes", None, vec![Value::Integer(9)], "user", "it is not UTF-8");
        assert_eq!(damages.counts(), [("accounts", 1), ("hooks", 1)]);
        let rows = damages.of(AccountId(1));
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].table, rows[0].key.as_str(), rows[0].column.as_str()), ("hooks", "7", "url"));
        assert_eq!(rows[0].reason, "it is \u{fffd}[2J no URL");
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let damages = Damages::default();
        for number in 0..2 * REMEMBERED as i64 {
            damages.note("versions", Some(AccountId(1)), vec![Value::Integer(number)], "state", "no state");
        }
        assert_eq!(damages.of(AccountId(1)).len(), REMEMBERED);
        assert_eq!(damages.counts(), [("versions", 2 * REMEMBERED as u64)]);
    }

    #[test]
    fn a_page_is_full_whatever_cannot_be_read() {
        let rows: Vec<u32> = (0..100).collect();
        // Every number but the multiples of ten is damaged.
        let read = |limit: usize| {
            let looked_at = &rows[..limit.min(rows.len())];
            Ok((looked_at.iter().copied().filter(|number| number % 10 == 0).collect(), looked_at.len()))
        };
        assert_eq!(page(3, read).expect("read"), [0, 10, 20]);
        assert_eq!(page(50, read).expect("read").len(), 10);
    }
}
