//! The ids of the host's keys, and the secrets sealed with them.

use rusqlite::types::Value;
use rusqlite::{Connection, Params, Row, params};

use super::super::{KeyUse, Resealed, Result, SealedColumn, SealedPage, SealedPlace, SealedValue, StoreKey};
use super::columns::{account_key, get};
use super::damage::{Key, Reading, Source};
use super::writing::Writing;
use crate::model::{AccountId, HookId, KeyId, Sealed};

pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<StoreKey>> {
    let mut select = connection.prepare_cached("SELECT id, is_current = 1, until FROM keys")?;
    let key = |row: &Row<'_>| {
        let used = match (row.get(1)?, get(row, 2)?) {
            (true, _) => KeyUse::Current,
            (false, None) => KeyUse::Sealed,
            (false, Some(until)) => KeyUse::Hashed(until),
        };
        Ok(StoreKey { id: KeyId(row.get(0)?), used })
    };
    let mut keys: Vec<StoreKey> = select.query_map((), key)?.collect::<rusqlite::Result<_>>()?;
    keys.sort_by_key(|key| (key.used != KeyUse::Current, key.id));
    Ok(keys)
}

/// The keys that what is sealed in the store opens with: two, while they are rotated.
pub(super) fn needed(connection: &Connection) -> Result<Vec<KeyId>> {
    let keys = read(connection)?.into_iter();
    Ok(keys.filter(|key| !matches!(key.used, KeyUse::Hashed(_))).map(|key| key.id).collect())
}

/// Says what is wrong with the keys that the store names, if anything is: without them nothing can be opened.
pub(super) fn check(connection: &Connection) -> Result<(), String> {
    match read(connection) {
        Err(error) => Err(error.to_string()),
        Ok(keys) => {
            let current = keys.iter().filter(|key| key.used == KeyUse::Current).count();
            match current == 1 || keys.is_empty() {
                true => Ok(()),
                false => Err(format!("{current} keys are the current one")),
            }
        }
    }
}

/// One table after the other.
pub(super) fn page(reading: &Reading<'_>, after: SealedPlace, limit: usize) -> Result<SealedPage> {
    let mut page = SealedPage::default();
    let limit = limit.max(1);
    let mut at = Some(after);
    while let Some(place) = at.take() {
        if page.values.len() >= limit {
            page.next = Some(place);
            break;
        }
        at = read_next(reading, place, limit, &mut page.values)?;
    }
    Ok(page)
}

/// Reads what comes next of the table that the place is in; says where to go on.
fn read_next(
    reading: &Reading<'_>,
    after: SealedPlace,
    limit: usize,
    values: &mut Vec<SealedValue>,
) -> Result<Option<SealedPlace>> {
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    match after {
        SealedPlace::Start => read_next(reading, SealedPlace::Account(AccountId(i64::MIN)), limit, values),
        SealedPlace::Account(AccountId(after)) => {
            let sql = "SELECT driver, provider, user, id, password FROM accounts WHERE id > ?1 ORDER BY id LIMIT ?2";
            let table = Table { reading, name: "accounts", key: &[3], limit };
            let last = table.read(sql, params![after, most], values, |row, last| {
                let id = get(row, 3)?;
                *last = Some(SealedPlace::Account(id));
                Ok(vec![(SealedColumn::AccountPassword(id), get(row, 4)?)])
            })?;
            Ok(last.or(Some(SealedPlace::Hook(i64::MIN))))
        }
        SealedPlace::Hook(after) => {
            let sql = "SELECT a.driver, a.provider, a.user, h.id, h.token, h.secret, h.old_secret
                       FROM hooks h JOIN accounts a ON a.id = h.account WHERE h.id > ?1 ORDER BY h.id LIMIT ?2";
            let table = Table { reading, name: "hooks", key: &[3], limit };
            let last = table.read(sql, params![after, most], values, |row, last| {
                let id: HookId = get(row, 3)?;
                *last = Some(SealedPlace::Hook(id.0));
                let columns = [SealedColumn::HookToken, SealedColumn::HookSecret, SealedColumn::HookOldSecret];
                let mut held = Vec::new();
                for (column, index) in columns.into_iter().zip(4..) {
                    let sealed: Option<Sealed> = get(row, index)?;
                    held.extend(sealed.map(|sealed| (column(id), sealed)));
                }
                Ok(held)
            })?;
            let start = SealedPlace::Answer { account: AccountId(i64::MIN), owner: String::new(), key: String::new() };
            Ok(last.or(Some(start)))
        }
        SealedPlace::Answer { account, owner, key } => {
            let sql = "SELECT a.driver, a.provider, a.user, r.account, r.owner, r.key, r.answer
                       FROM requests r JOIN accounts a ON a.id = r.account
                       WHERE (r.account, r.owner, r.key) > (?1, ?2, ?3) ORDER BY r.account, r.owner, r.key LIMIT ?4";
            let table = Table { reading, name: "requests", key: &[3, 4, 5], limit };
            let last = table.read(sql, params![account.0, owner, key, most], values, |row, last| {
                let (account, owner, key): (AccountId, String, String) = (get(row, 3)?, row.get(4)?, row.get(5)?);
                *last = Some(SealedPlace::Answer { account, owner: owner.clone(), key: key.clone() });
                let answer: Option<Sealed> = get(row, 6)?;
                // One that is lost is empty.
                let answer = answer.filter(|sealed| !sealed.0.is_empty());
                Ok(answer.map(|sealed| (SealedColumn::Answer { account, owner, key }, sealed)).into_iter().collect())
            })?;
            Ok(last.or(Some(SealedPlace::Session(AccountId(i64::MIN), String::new()))))
        }
        SealedPlace::Session(account, digest) => {
            let sql = "SELECT a.driver, a.provider, a.user, s.account, s.digest, s.sealed
                       FROM sessions s JOIN accounts a ON a.id = s.account
                       WHERE (s.account, s.digest) > (?1, ?2) ORDER BY s.account, s.digest LIMIT ?3";
            let table = Table { reading, name: "sessions", key: &[3, 4], limit };
            table.read(sql, params![account.0, digest, most], values, |row, last| {
                let digest: String = row.get(4)?;
                *last = Some(SealedPlace::Session(get(row, 3)?, digest.clone()));
                let column = SealedColumn::Session { account: account_key(row, 0)?, driver: digest };
                Ok(vec![(column, get(row, 5)?)])
            })
        }
    }
}

/// A table that has sealed columns. Its statements give the names of the account first.
struct Table<'a> {
    reading: &'a Reading<'a>,
    name: &'static str,
    /// Where the primary key stands.
    key: &'static [usize],
    limit: usize,
}

impl Table<'_> {
    /// Reads rows; says where to go on, if there may be more. `read` notes where it is, and gives the sealed columns of a row.
    fn read(
        &self,
        sql: &str,
        place: impl Params,
        values: &mut Vec<SealedValue>,
        read: impl Fn(&Row<'_>, &mut Option<SealedPlace>) -> rusqlite::Result<Vec<(SealedColumn, Sealed)>>,
    ) -> Result<Option<SealedPlace>> {
        let mut select = self.reading.prepare_cached(sql)?;
        let rows = select.query(place)?;
        let source = Source { table: self.name, account: None, key: Key::Columns(self.key) };
        let mut last = None;
        let (found, number) = self.reading.damages.rows(source, rows, |row: &Row<'_>| {
            let held = read(row, &mut last)?;
            let account = account_key(row, 0)?;
            let value = move |(column, sealed)| SealedValue { column, account: account.clone(), sealed };
            Ok(held.into_iter().map(value).collect::<Vec<_>>())
        })?;
        values.extend(found.into_iter().flatten());
        Ok(last.filter(|_| number == self.limit))
    }
}

pub(super) fn put(writing: &Writing<'_>, value: Resealed) -> Result<()> {
    let Resealed { column, was, sealed } = value;
    let hook = |sql: &str, hook: HookId| -> Result<()> {
        writing.prepare(sql)?.execute(params![sealed.0, was.0, hook.0])?;
        Ok(())
    };
    match column {
        SealedColumn::AccountPassword(account) => {
            let sql = "UPDATE accounts SET password = ?1 WHERE id = ?3 AND password = ?2";
            writing.prepare(sql)?.execute(params![sealed.0, was.0, account.0])?;
        }
        SealedColumn::HookToken(id) => hook("UPDATE hooks SET token = ?1 WHERE id = ?3 AND token = ?2", id)?,
        SealedColumn::HookSecret(id) => hook("UPDATE hooks SET secret = ?1 WHERE id = ?3 AND secret = ?2", id)?,
        SealedColumn::HookOldSecret(id) => {
            hook("UPDATE hooks SET old_secret = ?1 WHERE id = ?3 AND old_secret = ?2", id)?;
        }
        SealedColumn::Answer { account, owner, key } => {
            let sql = "UPDATE requests SET answer = ?1 WHERE account = ?3 AND owner = ?4 AND key = ?5 AND answer = ?2";
            writing.prepare(sql)?.execute(params![sealed.0, was.0, account.0, owner, key])?;
        }
        SealedColumn::Session { account, driver } => {
            let sql = "UPDATE sessions SET sealed = ?1 WHERE digest = ?6 AND sealed = ?2 AND account = (
                           SELECT id FROM accounts WHERE driver = ?3 AND provider = ?4 AND user = ?5)";
            let place = [account.driver, account.provider, account.user, driver].map(Value::Text);
            let [name, provider, user, digest] = place;
            writing.prepare(sql)?.execute(params![sealed.0, was.0, name, provider, user, digest])?;
        }
    }
    Ok(())
}
