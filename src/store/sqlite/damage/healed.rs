//! Which rows are no longer damaged: removed, rewritten, or replaced by newer data. That is determined only when
//! somebody asks, so that code that removes or repairs a row need not know about damage.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::super::super::Result;
use super::super::columns::{get, read_account};
use super::super::past;
use super::super::tokens::read_token;
use super::aside::last_list;
use super::{Aside, Damages, Known, is_damage};
use crate::model::Timestamp;

/// Forgets what is no longer damaged.
pub(in super::super) fn forget_healed(connection: &Connection, damages: &Damages) -> Result<()> {
    let rows = damages.lock().rows.clone();
    let mut healed = Vec::new();
    for row in rows {
        if let Some(aside) = row.aside
            && !is_damaged(connection, &row, aside)?
        {
            healed.push((row.shown.table, row.shown.key));
        }
    }
    if !healed.is_empty() {
        let mut noted = damages.lock();
        noted.rows.retain(|row| !healed.iter().any(|(table, key)| row.shown.table == *table && row.shown.key == *key));
        for known_by in healed {
            noted.known.remove(&known_by);
        }
    }
    Ok(())
}

fn is_damaged(connection: &Connection, row: &Known, aside: Aside) -> Result<bool> {
    let key = || params_from_iter(row.key.iter());
    let exists = |sql: &str| -> Result<bool> { Ok(connection.prepare_cached(sql)?.exists(key())?) };
    match row.table {
        "hooks" => exists("SELECT 1 FROM hooks WHERE id = ?1 AND status = 'damaged'"),
        "deliveries" => exists("SELECT 1 FROM deliveries WHERE hook = ?1 AND change = ?2 AND damaged IS NOT NULL"),
        "changes" => exists("SELECT 1 FROM changes WHERE sequence = ?1"),
        // It was reset under the next lease, and says so until another poll is made.
        "polls" => {
            let reset = aside.list.unwrap_or(0).saturating_add(1);
            let sql = "SELECT lease <= ?3 OR claimed IS NOT NULL FROM polls WHERE account = ?1 AND kind = ?2";
            let key = row.key.iter().cloned().chain([Value::Integer(reset)]);
            let is_reset = connection.prepare_cached(sql)?.query_row(params_from_iter(key), |row| row.get(0));
            Ok(is_reset.optional()?.unwrap_or(false))
        }
        "accounts" => {
            if let Some(sealed) = &row.unopened {
                let mut select = connection.prepare_cached("SELECT 1 FROM accounts WHERE id = ?1 AND password = ?2")?;
                return Ok(select.exists(params![row.key.first(), sealed.0])?);
            }
            // One that is not there is no damage once no hook is its any more.
            let of_hooks = "SELECT 1 FROM hooks INDEXED BY hooks_owner WHERE account = ?1
                            AND NOT EXISTS (SELECT 1 FROM accounts WHERE id = ?1) LIMIT 1";
            if exists(of_hooks)? {
                return Ok(true);
            }
            let sql = "SELECT id, driver, provider, user, origin, password, used, unanswered, unreachable, budget_at
                       FROM accounts WHERE id = ?1";
            cannot_be_read(connection, sql, row, |row| {
                read_account(row, 0)?;
                let _: (Timestamp, i64) = (get(row, 6)?, row.get(7)?);
                let _: (Option<Timestamp>, Option<Timestamp>) = (get(row, 8)?, get(row, 9)?);
                Ok(())
            })
        }
        "tokens" => {
            let sql = "SELECT id, name, scope, created, expires, used, hash FROM tokens WHERE id = ?1";
            cannot_be_read(connection, sql, row, |row| read_token(row).map(drop))
        }
        // What is lost of a request that may be repeated stands there until it is forgotten.
        "requests" => exists(
            "SELECT 1 FROM requests
             WHERE account = ?1 AND owner = CAST(?2 AS TEXT) AND key = CAST(?3 AS TEXT) AND answer = x''",
        ),
        // The next list that shows everything shows it, too, if it is there.
        "resources" | "flaps" => Ok(is_known(connection, row)? && last_list(connection, &row.key)? == aside.list),
        // There is a hole in the past for as long as that is known.
        "versions" => {
            let is_past = aside.time.is_none_or(|time| past::known_since(connection).is_ok_and(|since| since > time));
            Ok(is_known(connection, row)? && !is_past)
        }
        "attempts" => exists(
            "SELECT 1 FROM hooks h JOIN changes c ON c.sequence = ?2 WHERE h.id = ?1 AND ?3 IS NOT NULL AND ?4 IS NOT NULL",
        ),
        // What is derived from other tables was made anew.
        _ => Ok(false),
    }
}

/// Whether the row is there and can't be read.
fn cannot_be_read(
    connection: &Connection,
    sql: &str,
    damaged: &Known,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<()>,
) -> Result<bool> {
    match connection.prepare_cached(sql)?.query_row(params_from_iter(damaged.key.iter()), read) {
        Err(error) if is_damage(&error) => Ok(true),
        read => {
            read.optional()?;
            Ok(false)
        }
    }
}

/// Whether the account that the row is of is there.
fn is_known(connection: &Connection, row: &Known) -> Result<bool> {
    let Some(account) = row.account else { return Ok(true) };
    Ok(connection.prepare_cached("SELECT 1 FROM accounts WHERE id = ?1")?.exists([account.0])?)
}
