//! Sets damaged rows aside, so that nothing meets them again.

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params, params_from_iter};

use super::super::super::{Result, StoreError};
use super::super::columns::{account_key, get, read_account};
use super::super::queue::{self, Line};
use super::super::writing::Writing;
use super::super::{times, turns};
use super::sound::{apart, mend};
use super::{Aside, Pending, is_damage};
use crate::model::{HookId, Timestamp};

/// No poll has been made so often.
const MOST_LEASES: i64 = 1 << 62;

impl Aside {
    fn of(writing: &Writing<'_>, table: &str, key: &[Value]) -> Result<Aside> {
        let whose = |sql: &str| -> Result<Aside> {
            let account =
                writing.prepare(sql)?.query_row([key.first()], |row| Ok(get(row, 0).ok())).optional()?.flatten();
            Ok(Aside { account, ..Aside::default() })
        };
        match table {
            "resources" | "flaps" => Ok(Aside { list: last_list(writing.connection, key)?, ..Aside::default() }),
            "polls" => {
                let sql = "SELECT lease FROM polls WHERE account = ?1 AND kind = ?2";
                let lease = writing.prepare(sql)?.query_row(params_from_iter(key), |row| Ok(row.get::<_, i64>(0).ok()));
                let list = lease.optional()?.flatten().map(|lease| lease.min(MOST_LEASES));
                Ok(Aside { list, ..Aside::default() })
            }
            "versions" => Ok(Aside { time: times::latest(writing.connection)?, ..Aside::default() }),
            "deliveries" | "attempts" => whose("SELECT account FROM hooks WHERE id = ?1"),
            "changes" => whose("SELECT account FROM changes WHERE sequence = ?1"),
            _ => Ok(Aside::default()),
        }
    }
}

/// The lease of the last poll that showed everything of the kind, by a key that begins with account and kind.
pub(super) fn last_list(connection: &Connection, key: &[Value]) -> Result<Option<i64>> {
    let [Value::Integer(account), Value::Integer(kind), ..] = key else { return Ok(None) };
    let mut select = connection.prepare_cached("SELECT recorded FROM polls WHERE account = ?1 AND kind = ?2")?;
    // Whether a provider can be reached is told by the polls of its realms, too.
    let found = select.query_row([*account, (*kind).min(1)], |row| Ok(row.get(0).ok()));
    Ok(found.optional()?.flatten())
}

/// Sets aside what was met. A row that can't be is passed over from then on: it does not fail what is written beside it.
/// Gives how many there were.
pub(in super::super) fn set_aside(writing: &mut Writing<'_>) -> Result<usize> {
    let damages = writing.memory.damages.clone();
    let mut number = 0;
    while let Some(damaged) = damages.next() {
        match apart(writing.connection, || one(writing, &damaged)) {
            Ok(aside) => damages.take(damaged, aside),
            Err(error) if writing.connection.is_autocommit() || is_of_the_store(&error) => {
                damages.take(damaged, Aside::default());
                return Err(error);
            }
            Err(error) => damages.pass_over(damaged, &error),
        }
        number += 1;
    }
    Ok(number)
}

/// Whether every write fails of it, and not that of this row alone.
pub(super) fn is_of_the_store(error: &StoreError) -> bool {
    let StoreError::Failed(source) = error else { return true };
    let code = source.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    matches!(code, Some(ErrorCode::OperationInterrupted | ErrorCode::OutOfMemory | ErrorCode::ReadOnly))
}

fn one(writing: &Writing<'_>, damaged: &Pending) -> Result<Aside> {
    let aside = Aside::of(writing, damaged.table, &damaged.key)?;
    let execute =
        |sql: &str| writing.prepare(sql)?.execute(params_from_iter(damaged.key.iter())).map_err(StoreError::from);
    match damaged.table {
        "hooks" => hook(writing, damaged)?,
        "deliveries" => delivery(writing, damaged)?,
        "polls" => poll(writing.connection, &damaged.key, &damaged.reason)?,
        "accounts" => account(writing, damaged)?,
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
        // It is worth a login.
        "sessions" => {
            execute("DELETE FROM sessions WHERE account = ?1 AND digest IN (?2, CAST(?2 AS TEXT))")?;
        }
        "attempts" => {
            execute("DELETE FROM attempts WHERE hook = ?1 AND change = ?2 AND at = ?3 AND number = ?4")?;
        }
        _ => {}
    }
    Ok(aside)
}

/// Nothing can be listed without it. It is polled again once it is enrolled anew; but where its names are damaged, or it is not
/// there, nobody can be told whose it is, and its hooks are set aside with it.
fn account(writing: &Writing<'_>, damaged: &Pending) -> Result<()> {
    let Some(Value::Integer(id)) = damaged.key.first() else { return Ok(()) };
    if !mend(writing.connection, "accounts", &damaged.key)?.is_empty() && is_whole(writing, *id)? {
        return Ok(());
    }
    for kind in 0..=1 {
        mend(writing.connection, "polls", &[Value::Integer(*id), Value::Integer(kind)])?;
    }
    writing.prepare("UPDATE polls SET due = NULL, claimed = NULL WHERE account = ?1")?.execute([id])?;
    let mut select = writing.prepare("SELECT driver, provider, user FROM accounts WHERE id = ?1")?;
    match select.query_row([id], |row| account_key(row, 0)) {
        Err(error) if is_damage(&error) => {}
        named => {
            if named.optional()?.is_some() {
                return Ok(());
            }
        }
    }
    let sql = "SELECT id FROM hooks INDEXED BY hooks_owner WHERE account = ?1 AND status <> 'damaged'";
    let hooks: Vec<i64> = writing.prepare(sql)?.query_map([id], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for hook in hooks {
        mend(writing.connection, "hooks", &[Value::Integer(hook)])?;
        let mut update = writing.prepare(
            "UPDATE hooks SET status = 'damaged', disabled = NULL, reason = 'account: it can''t be read', behind = NULL
             WHERE id = ?1",
        )?;
        update.execute([hook])?;
        turns::drop_queue(writing, HookId(hook))?;
    }
    Ok(())
}

/// Whether an account can be read now that its values are of the right types.
fn is_whole(writing: &Writing<'_>, id: i64) -> Result<bool> {
    let mut select =
        writing.prepare("SELECT id, driver, provider, user, origin, password FROM accounts WHERE id = ?1")?;
    match select.query_row([id], |row| read_account(row, 0)) {
        Err(error) if is_damage(&error) => Ok(false),
        account => Ok(account.optional()?.is_some()),
    }
}

/// Nothing is sent to it, nor owed to it. Its owner sees it in the list, and can delete it.
fn hook(writing: &Writing<'_>, damaged: &Pending) -> Result<()> {
    let Some(Value::Integer(id)) = damaged.key.first() else { return Ok(()) };
    mark_hook(writing.connection, *id, &damaged.reason)?;
    turns::drop_queue(writing, HookId(*id))
}

/// Marks it as damaged. Its turn is left as it is.
pub(super) fn mark_hook(connection: &Connection, id: i64, reason: &str) -> Result<()> {
    let mended = mend(connection, "hooks", &[Value::Integer(id)])?;
    if mended.iter().any(|column| column == "status") {
        // By what it was before nobody knows in which count it is.
        let sql = "UPDATE counts SET number = (SELECT COUNT(*) FROM hooks WHERE status = counts.name)
                   WHERE name IN ('active', 'paused', 'disabled', 'damaged')";
        connection.prepare_cached(sql)?.execute(())?;
    }
    let mut update = connection.prepare_cached(
        "UPDATE hooks SET status = 'damaged', disabled = NULL, reason = ?2, behind = NULL WHERE id = ?1",
    )?;
    update.execute(params![id, reason])?;
    drop(update);
    // Where its owner can't be read, it is the account's.
    let sql = "UPDATE OR IGNORE hooks SET owner = 'account'
               WHERE id = ?1 AND owner <> 'account' AND owner NOT GLOB 'token:[0-9]*'";
    connection.prepare_cached(sql)?.execute([id])?;
    Ok(())
}

/// It is given up, and says why; what waits behind it goes on.
fn delivery(writing: &Writing<'_>, damaged: &Pending) -> Result<()> {
    let Some(Value::Integer(hook)) = damaged.key.first().cloned() else { return Ok(()) };
    let Some(Value::Integer(change)) = damaged.key.get(1).cloned() else {
        // It is owed no change that there could be.
        let sql = "DELETE FROM deliveries WHERE hook = ?1 AND change IN (?2, CAST(?2 AS TEXT))";
        writing.prepare(sql)?.execute(params_from_iter(damaged.key.iter()))?;
        elect_all(writing.connection, HookId(hook))?;
        return refresh(writing, HookId(hook));
    };
    give_up(writing.connection, [hook, change], &damaged.reason)?;
    let mut select = writing.prepare(
        "SELECT d.history, d.dead FROM deliveries d JOIN changes c ON c.sequence = d.change AND c.history = d.history
         WHERE d.hook = ?1 AND d.change = ?2",
    )?;
    let line =
        select.query_row([hook, change], |row| Ok((Line { hook: HookId(hook), history: get(row, 0)? }, get(row, 1)?)));
    match line.optional() {
        Ok(Some((line, due))) => queue::promote(writing, &line, due)?,
        // Which line it was the head of is not known: any that has none gets one.
        Ok(None) => elect_all(writing.connection, HookId(hook))?,
        Err(error) if is_damage(&error) => elect_all(writing.connection, HookId(hook))?,
        Err(error) => return Err(error.into()),
    }
    refresh(writing, HookId(hook))
}

/// Gives it up. What waits behind it is left as it is.
pub(super) fn give_up(connection: &Connection, [hook, change]: [i64; 2], reason: &str) -> Result<()> {
    mend(connection, "deliveries", &[Value::Integer(hook), Value::Integer(change)])?;
    let mut update = connection.prepare_cached(
        "UPDATE deliveries SET damaged = ?3, dead = COALESCE(dead, claimed, due, 0), due = NULL, claimed = NULL
         WHERE hook = ?1 AND change = ?2",
    )?;
    update.execute(params![hook, change, reason])?;
    Ok(())
}

fn refresh(writing: &Writing<'_>, hook: HookId) -> Result<()> {
    let mut touched = turns::Touched::default();
    touched.hook(hook);
    touched.refresh(writing)
}

/// Makes the head of each line of a hook due where none of the line is.
pub(super) fn elect_all(connection: &Connection, hook: HookId) -> Result<()> {
    let mut update = connection.prepare_cached(
        "UPDATE deliveries SET due = 0 WHERE hook = ?1 AND change IN (
             SELECT MIN(change) FROM deliveries WHERE hook = ?1 AND dead IS NULL
             GROUP BY history HAVING COUNT(due) = 0)",
    )?;
    update.execute([hook.0])?;
    Ok(())
}

/// It is made due, as one that never was, but for when its first and its last list came. The error says so until a poll succeeds.
pub(super) fn poll(connection: &Connection, key: &[Value], reason: &str) -> Result<()> {
    let [Value::Integer(account), Value::Integer(kind)] = *key else { return Ok(()) };
    if ![0, 1].contains(&kind) {
        // There is no such poll, and the next start makes the one that it was, if need be.
        let sql = "DELETE FROM polls WHERE account = ?1 AND kind = ?2";
        connection.prepare_cached(sql)?.execute([account, kind])?;
        return Ok(());
    }
    let mut select = connection.prepare_cached("SELECT MAX(used) FROM accounts WHERE typeof(used) = 'integer'")?;
    let now: Option<Timestamp> = select.query_row((), |row| get(row, 0))?;
    let kept = |column: &str| format!("CASE WHEN typeof({column}) = 'integer' THEN {column} END");
    // What is counted on from there stays a number.
    let counted =
        |column: &str| format!("CASE WHEN typeof({column}) = 'integer' THEN MIN({column}, {MOST_LEASES}) END");
    let sql = format!(
        "INSERT OR REPLACE INTO polls
         (account, kind, due, first_list, last_complete, last_full, last_attempt, lease, recorded, error_at, error_code,
          error_message)
         SELECT account, kind, COALESCE({}, ?3), {}, {}, {}, {}, COALESCE({}, 0) + 1, COALESCE({}, 0), ?3, 'damaged', ?4
         FROM polls WHERE account = ?1 AND kind = ?2",
        kept("due"),
        kept("first_list"),
        kept("last_complete"),
        kept("last_full"),
        kept("last_attempt"),
        counted("lease"),
        counted("recorded"),
    );
    let now = now.unwrap_or_default().as_millis();
    let message = format!("the record of this poll could not be read and was reset: {reason}");
    connection.prepare_cached(&sql)?.execute(params![account, kind, now, message])?;
    Ok(())
}
