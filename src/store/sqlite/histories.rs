//! The numbers of resources in the journal. A resource gets a number with its first change, and keeps it as long as the
//! journal has a change of it. Its pending deliveries use the same number, and keep their changes as long.

use rusqlite::types::{FromSqlResult, ValueRef};
use rusqlite::{OptionalExtension, params};

use super::super::Result;
use super::columns::{Column, get, subject_number};
use super::writing::Writing;
use crate::model::{AccountId, ResourceId, Subject};

/// The history of one resource of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct HistoryId(pub(super) i64);

impl Column for HistoryId {
    fn read(value: ValueRef<'_>) -> FromSqlResult<HistoryId> {
        value.as_i64().map(HistoryId)
    }
}

/// The history of a resource, which begins now if the journal has no change of it.
pub(super) fn of(
    writing: &Writing<'_>,
    account: AccountId,
    subject: Subject,
    resource: &ResourceId,
) -> Result<HistoryId> {
    let place = params![account.0, subject_number(subject), resource.as_str()];
    let mut select =
        writing.prepare("SELECT number FROM histories WHERE account = ?1 AND kind = ?2 AND resource = ?3")?;
    if let Some(known) = select.query_row(place, |row| get(row, 0)).optional()? {
        return Ok(known);
    }
    let mut insert = writing.prepare("INSERT INTO histories (account, kind, resource) VALUES (?1, ?2, ?3)")?;
    Ok(HistoryId(insert.insert(place)?))
}

/// Forgets a history of which the journal has no change any more.
pub(super) fn forget_if_empty(writing: &Writing<'_>, history: HistoryId) -> Result<()> {
    let sql = "DELETE FROM histories WHERE number = ?1 AND NOT EXISTS (SELECT 1 FROM changes WHERE history = ?1)";
    writing.prepare(sql)?.execute([history.0])?;
    Ok(())
}
