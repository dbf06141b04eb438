//! The journal. A change gets its number and its id here, once, and every reader gets it from here.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{HistoryQuery, Page, Result, StoreError};
use super::columns::{account_key, get, kind_number, state_number, subject_number};
use super::damage::{self, Key, Reading, Source};
use super::fault::Fault;
use super::histories::{self, HistoryId};
use super::marks::{oldest, oldest_of};
use super::writing::Writing;
use crate::model::{AccountId, Change, Cursor, NewChange, Timestamp};

/// The columns that `read_change` reads, of `changes c` and its account in `accounts a`.
macro_rules! change_columns {
    () => {
        "c.sequence, c.id, c.recorded, c.type, c.kind, c.resource, c.name, c.realm, c.old_state, c.new_state, \
         c.observed_after, c.observed_at, c.passed_over, c.details, a.driver, a.provider, a.user"
    };
}
pub(super) use change_columns;

/// How many columns these are: those that follow start here.
pub(super) const CHANGE_COLUMNS: usize = 17;

/// A change in the journal that hooks may have to hear of.
pub(super) struct Tidings<'a> {
    /// Its number.
    pub(super) number: i64,
    pub(super) history: HistoryId,
    pub(super) change: &'a NewChange,
}

pub(super) fn history(
    reading: &Reading<'_>,
    mark: u32,
    account: AccountId,
    query: &HistoryQuery,
) -> Result<Page<Change>> {
    let oldest = oldest_of(reading, account)?;
    let before = query.before.unwrap_or(i64::MAX);
    // Before the oldest change that is kept there was something once, if anything was forgotten.
    if before <= oldest && oldest > 0 {
        return Err(StoreError::Forgotten { oldest: Cursor { store: mark, sequence: oldest } });
    }
    // Of a change that is damaged, the number can be that of another history, also of another account.
    let mut select = reading.prepare_cached(concat!(
        "SELECT ",
        change_columns!(),
        " FROM changes c INDEXED BY changes_history CROSS JOIN accounts a ON a.id = c.account
         WHERE c.history = (SELECT number FROM histories WHERE account = ?1 AND kind = ?2 AND resource = ?3)
             AND c.sequence < ?4 AND c.sequence > ?5
             AND c.account = ?1 AND c.kind = ?2 AND c.resource = ?3
         ORDER BY c.sequence DESC LIMIT ?6"
    ))?;
    // The page ends where it has enough that can be read.
    let place = params![account.0, kind_number(query.kind), query.resource.as_str(), before, oldest, i64::MAX];
    let rows = select.query(place)?;
    Ok(reading.page(source(Some(account)), rows, query.limit, |row| read_change(row, mark))?)
}

/// Changes by their numbers, which come first in the row.
pub(super) fn source(account: Option<AccountId>) -> Source<'static> {
    Source { table: "changes", account, key: Key::Columns(&[0]) }
}

pub(super) fn changes_of_all(
    reading: &Reading<'_>,
    mark: u32,
    after: i64,
    limit: usize,
) -> Result<Vec<(AccountId, Change)>> {
    let mut select = reading.prepare_cached(concat!(
        "SELECT ",
        change_columns!(),
        ", c.account FROM changes c CROSS JOIN accounts a ON a.id = c.account WHERE c.sequence > ?1
         ORDER BY c.sequence LIMIT ?2"
    ))?;
    damage::page(limit, |limit| {
        let mut rows = select.query(params![after, i64::try_from(limit).unwrap_or(i64::MAX)])?;
        let (mut found, mut number) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            number += 1;
            let account: AccountId = get(row, CHANGE_COLUMNS)?;
            let change = reading.damages.read(source(Some(account)), row, |row| read_change(row, mark))?;
            found.extend(change.map(|change| (account, change)));
        }
        Ok((found, number))
    })
}

/// The number of the newest change of all accounts, kept or not; 0 before the first.
pub(super) fn newest(connection: &Connection) -> Result<i64> {
    let mut select = connection.prepare_cached("SELECT MAX(sequence) FROM changes")?;
    let newest: Option<i64> = select.query_row((), |row| row.get(0))?;
    // The newest may be gone, with its account: its number is not given to another, and is the end of the journal still.
    let mut select = connection.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'changes'")?;
    let given = select.query_row((), |row| Ok(row.get(0).ok())).optional()?.flatten();
    Ok(newest.max(given).unwrap_or(0).max(oldest(connection)?))
}

/// The number after which all changes lie that were recorded at that time or later. Where the clock was set back, some
/// from before lie behind it, too.
pub(super) fn before(reading: &Connection, time: Timestamp) -> Result<i64> {
    let mut select =
        reading.prepare_cached("SELECT sequence, latest FROM changes WHERE sequence > ?1 ORDER BY sequence LIMIT 1")?;
    // All up to `low` are from before that time, and none behind `high` is.
    let (mut low, mut high) = (oldest(reading)?, newest(reading)?);
    while low < high {
        let middle = low + (high - low) / 2;
        let next: Option<(i64, i64)> =
            select.query_row([middle], |row| Ok((row.get(0)?, row.get(1).unwrap_or(i64::MAX)))).optional()?;
        match next {
            Some((sequence, latest)) if latest < time.as_millis() => low = sequence,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Adds a change; gives its place in the journal.
pub(super) fn append<'a>(
    writing: &mut Writing<'_>,
    account: AccountId,
    now: Timestamp,
    what: &'a NewChange,
) -> Result<Tidings<'a>> {
    let history = histories::of(writing, account, what.subject, &what.resource)?;
    let id = writing.memory.change_ids.next(now)?;
    let details = what.details.as_ref().map(serde_json::to_string).transpose().map_err(Fault::Attributes)?;
    // A time of ten years from now is damage, which must not pass to all changes that follow.
    let mut insert = writing.prepare(
        "INSERT INTO changes
         (id, account, recorded, type, kind, resource, name, realm, old_state, new_state, observed_after, observed_at,
          passed_over, details, history, latest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,
             MAX(?3, COALESCE((SELECT CASE WHEN typeof(latest) = 'integer' AND latest < ?3 + 315360000000 THEN latest END
                               FROM changes ORDER BY sequence DESC LIMIT 1), ?3)))",
    )?;
    let number = insert.insert(params![
        id.to_be_bytes(),
        account.0,
        now.as_millis(),
        what.change_type.as_str(),
        subject_number(what.subject),
        what.resource.as_str(),
        what.name,
        what.realm,
        what.old_state.map(state_number),
        what.new_state.map(state_number),
        what.observed_after.map(Timestamp::as_millis),
        what.observed_at.as_millis(),
        what.passed_over,
        details,
        history.0,
    ])?;
    writing.memory.newest = number;
    Ok(Tidings { number, history, change: what })
}

/// Reads `change_columns!()`, which come first in the row.
pub(super) fn read_change(row: &Row<'_>, mark: u32) -> rusqlite::Result<Change> {
    Ok(Change {
        cursor: Cursor { store: mark, sequence: row.get(0)? },
        id: get(row, 1)?,
        timestamp: get(row, 2)?,
        what: NewChange {
            change_type: get(row, 3)?,
            subject: get(row, 4)?,
            resource: get(row, 5)?,
            name: row.get(6)?,
            realm: row.get(7)?,
            old_state: get(row, 8)?,
            new_state: get(row, 9)?,
            observed_after: get(row, 10)?,
            observed_at: get(row, 11)?,
            passed_over: row.get(12)?,
            details: get(row, 13)?,
        },
        account: account_key(row, 14)?,
    })
}
