//! The sessions of drivers, in SQLite.

use rusqlite::{Row, params};

use super::super::{Result, SessionContent, SessionPage, SessionPlace, StoredSession};
use super::columns::{account_key, get};
use super::damage::{Key, Reading, Source};
use super::writing::Writing;
use crate::model::{AccountKey, Timestamp};

/// How many that ran out one statement forgets.
const FORGOTTEN_AT_ONCE: usize = 100;

pub(super) fn save(writing: &Writing<'_>, session: &StoredSession) -> Result<bool> {
    let StoredSession { account, driver, content } = session;
    let Some(SessionContent { until, sealed }) = content else {
        let sql = "DELETE FROM sessions WHERE digest = ?4 AND account = (
                       SELECT id FROM accounts WHERE driver = ?1 AND provider = ?2 AND user = ?3)";
        writing.prepare(sql)?.execute(params![account.driver, account.provider, account.user, driver])?;
        return Ok(true);
    };
    let mut insert = writing.prepare(
        "INSERT OR REPLACE INTO sessions (account, digest, until, sealed)
         SELECT id, ?4, ?5, ?6 FROM accounts WHERE driver = ?1 AND provider = ?2 AND user = ?3",
    )?;
    let AccountKey { driver: name, provider, user } = account;
    Ok(insert.execute(params![name, provider, user, driver, until.as_millis(), sealed.0])? > 0)
}

pub(super) fn page(reading: &Reading<'_>, after: Option<SessionPlace>, limit: usize) -> Result<SessionPage> {
    let SessionPlace(account, digest) = after.unwrap_or(SessionPlace(i64::MIN, String::new()));
    let mut select = reading.prepare_cached(
        "SELECT s.account, s.digest, s.until, s.sealed, a.driver, a.provider, a.user
         FROM sessions s JOIN accounts a ON a.id = s.account
         WHERE (s.account, s.digest) > (?1, ?2) ORDER BY s.account, s.digest LIMIT ?3",
    )?;
    let rows = select.query(params![account, digest, i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let source = Source { table: "sessions", account: None, key: Key::Columns(&[0, 1]) };
    let mut last = None;
    let read = |row: &Row<'_>| {
        let place = SessionPlace(row.get(0)?, row.get(1)?);
        let content = SessionContent { until: get(row, 2)?, sealed: get(row, 3)? };
        let session = StoredSession { account: account_key(row, 4)?, driver: place.1.clone(), content: Some(content) };
        last = Some(place);
        Ok(session)
    };
    let (sessions, found) = reading.damages.rows(source, rows, read)?;
    Ok(SessionPage { sessions, next: last.filter(|_| found == limit) })
}

/// Forgets some that ran out; says whether there may be more.
pub(super) fn forget(writing: &mut Writing<'_>, now: Timestamp) -> Result<bool> {
    let sql = "DELETE FROM sessions WHERE (account, digest) IN (
                   SELECT account, digest FROM sessions WHERE until <= ?1 ORDER BY until LIMIT ?2)";
    let limit = i64::try_from(FORGOTTEN_AT_ONCE).unwrap_or(i64::MAX);
    let forgotten = writing.prepare(sql)?.execute(params![now.as_millis(), limit])?;
    Ok(forgotten == FORGOTTEN_AT_ONCE)
}
