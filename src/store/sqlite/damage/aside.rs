//! How rows that cannot be read are set aside, so that nothing meets them again.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params, params_from_iter};

use super::super::super::{Result, StoreError};
use super::super::columns::{account_key, get};
use super::super::queue::{self, Line};
use super::super::turns;
use super::super::writer::Writing;
use super::{Aside, Pending, is_damage};
use crate::model::{HookId, Timestamp};

/// Sets aside what was met.
pub(in super::super) fn set_aside(writing: &mut Writing<'_>) -> Result<()> {
    let damages = writing.memory.damages.clone();
    while let Some(damaged) = damages.next() {
        let done = one(writing, &damaged);
        let aside = done.as_ref().map_or_else(|_| Aside::default(), |aside| *aside);
        damages.take(damaged, aside);
        done?;
    }
    Ok(())
}

fn one(writing: &Writing<'_>, damaged: &Pending) -> Result<Aside> {
    let aside = Aside::of(writing, damaged.table, &damaged.key)?;
    let execute =
        |sql: &str| writing.prepare(sql)?.execute(params_from_iter(damaged.key.iter())).map_err(StoreError::from);
    match damaged.table {
        "hooks" => hook(writing, damaged)?,
        "deliveries" => delivery(writing, damaged)?,
        "polls" => poll(writing, damaged)?,
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
        let mut update = writing.prepare(
            "UPDATE hooks SET status = 'damaged', disabled = NULL, reason = 'account: it can''t be read', behind = NULL
             WHERE id = ?1",
        )?;
        update.execute([hook])?;
        turns::drop_queue(writing, HookId(hook))?;
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
pub(in super::super) fn delete_unnumbered(writing: &Writing<'_>, hook: HookId) -> Result<()> {
    for table in ["deliveries", "attempts"] {
        let sql = format!("DELETE FROM {table} WHERE hook = ?1 AND typeof(change) <> 'integer'");
        writing.prepare(&sql)?.execute([hook.0])?;
    }
    Ok(())
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
