//! The marks of retention: from which place on the journal and old versions are kept, for all accounts and for one.

use rusqlite::{Connection, OptionalExtension};

use super::super::Result;
use crate::model::{AccountId, Timestamp};

/// The number after which all is kept: 0 until something is forgotten.
pub(super) fn oldest(connection: &Connection) -> Result<i64> {
    let mut select = connection.prepare_cached("SELECT value FROM meta WHERE name = 'forgotten'")?;
    Ok(select.query_row((), |row| row.get(0)).optional()?.unwrap_or(0))
}

/// Up to where an account lost its part of the journal, and since when its past is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) change: i64,
    pub(super) past: Timestamp,
}

/// The account's own mark, if it has one that can be read.
pub(super) fn mark_of(connection: &Connection, account: AccountId) -> Result<Option<Mark>> {
    let mut select = connection.prepare_cached("SELECT change, past FROM trimmed WHERE account = ?1")?;
    let mark = select
        .query_row([account.0], |row| {
            let (change, past): (Option<i64>, Option<i64>) = (row.get(0).ok(), row.get(1).ok());
            Ok(change.zip(past))
        })
        .optional()?
        .flatten();
    // What is beyond every number and every time is damaged.
    let sound = mark.filter(|(change, past)| (0..1 << 62).contains(change) && (0..1 << 48).contains(past));
    Ok(sound.map(|(change, past)| Mark { change, past: Timestamp::from_millis(past) }))
}

/// The number after which all changes of the account are kept.
pub(super) fn oldest_of(connection: &Connection, account: AccountId) -> Result<i64> {
    let own = mark_of(connection, account)?.map_or(0, |mark| mark.change);
    Ok(oldest(connection)?.max(own))
}
