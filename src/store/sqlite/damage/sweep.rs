//! Searches for rows with a value of the wrong type before statements that write many rows: at a start, when the clock
//! is set, and after SQLite refused a write.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::super::super::Result;
use super::super::columns::{account_key, get};
use super::super::writing::Writing;
use super::super::{due_polls, endpoints, turns};
use super::sound::{Columns, REASON, apart, is_refused, mend};
use super::{Damages, Pending, aside, is_damage, key_value};
use crate::model::{AccountId, HookId};

/// What is derived from other tables, or is made anew when it is needed next.
const MADE_ANEW: [&str; 6] = ["queues", "shares", "claimants", "destinations", "endpoints", "providers"];

/// Deliveries that are heads of their lines.
const DUE: &str = "deliveries INDEXED BY deliveries_due WHERE due IS NOT NULL AND typeof(hook) = 'integer' \
                   AND typeof(change) = 'integer'";

/// Which deliveries are looked at: those alone that are written together.
#[derive(Clone, Copy)]
enum Deliveries<'a> {
    /// Known by their keys.
    These(&'a [[i64; 2]]),
    Due,
}

struct Found {
    key: Vec<Value>,
    column: String,
}

/// Puts right what a start relies on; of the deliveries those with these keys. The turns are made anew after that.
pub(in super::super) fn at_start(connection: &Connection, damages: &Damages, deliveries: &[[i64; 2]]) -> Result<()> {
    sweep(connection, damages, Deliveries::These(deliveries))?;
    Ok(())
}

/// Hook and change of each delivery that the last host had claimed, or that is due at no time. It looks at the heads of the
/// lines, once.
pub(in super::super) fn claimed_or_due_at_no_time(connection: &Connection) -> Result<Vec<[i64; 2]>> {
    let sql = format!(
        "SELECT hook, change FROM {DUE} AND (claimed IS NOT NULL OR typeof(due) <> 'integer' OR due > 1 << 48)"
    );
    let mut select = connection.prepare(&sql)?;
    let keys = select.query_map((), |row| Ok([row.get(0)?, row.get(1)?]))?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}

/// Puts right what made SQLite refuse a write, if it refused one.
pub(in super::super) fn mend_refused(writing: &Writing<'_>) -> Result<()> {
    match writing.memory.damages.take_refused() {
        true => mend_all(writing),
        false => Ok(()),
    }
}

/// Runs what writes many rows. If SQLite refuses it for one of them, that is put right, and it is run again.
pub(in super::super) fn mending(writing: &Writing<'_>, work: impl Fn() -> Result<()>) -> Result<()> {
    match apart(writing.connection, &work) {
        Err(error) if is_refused(&error) => {
            mend_all(writing)?;
            work()
        }
        done => done,
    }
}

fn mend_all(writing: &Writing<'_>) -> Result<()> {
    apart(writing.connection, || {
        if sweep(writing.connection, &writing.memory.damages, Deliveries::Due)? > 0 {
            due_polls::give_polls(writing.connection)?;
            turns::rebuild(writing.connection)?;
            endpoints::rebuild(writing.connection)?;
        }
        Ok(())
    })
}

/// Gives how many were found.
fn sweep(connection: &Connection, damages: &Damages, which: Deliveries<'_>) -> Result<usize> {
    let mut number = 0;
    let found = find(connection, "accounts", "accounts", &[])?;
    number += each(connection, damages, "accounts", found, |found| {
        // One of which the names can't be read is set aside when that is found.
        mend(connection, "accounts", &found.key)?;
        let mut select = connection.prepare_cached("SELECT driver, provider, user FROM accounts WHERE id = ?1")?;
        match select.query_row(params_from_iter(&found.key), |row| account_key(row, 0)) {
            Err(error) if is_damage(&error) => {}
            named => {
                named?;
                damages.note_repaired("accounts", found.key.clone(), &found.column, REASON);
            }
        }
        Ok(())
    })?;
    let found = find(connection, "hooks", "hooks", &[])?;
    number += each(connection, damages, "hooks", found, |found| {
        let [Value::Integer(hook)] = found.key[..] else { return Ok(()) };
        aside::mark_hook(connection, hook, &reason(found))?;
        let account = account_of(connection, hook)?;
        damages.note_set_aside("hooks", account, found.key.clone(), &found.column, REASON);
        Ok(())
    })?;
    let sql = "DELETE FROM polls WHERE typeof(account) <> 'integer' OR typeof(kind) <> 'integer'
               RETURNING CASE WHEN typeof(account) <> 'integer' THEN 'account' ELSE 'kind' END, account, kind";
    for found in read(connection, sql, &[], 2)? {
        number += 1;
        damages.note_repaired("polls", found.key, &found.column, REASON);
    }
    // Times by which polls are found are put right by themselves.
    let found = find(connection, "polls", "polls", &["account", "kind", "due", "claimed", "asked"])?;
    number += each(connection, damages, "polls", found, |found| {
        aside::poll(connection, &found.key, &reason(found))?;
        damages.note_repaired("polls", found.key.clone(), &found.column, REASON);
        Ok(())
    })?;
    for table in MADE_ANEW {
        let columns = Columns::of(connection, table)?;
        let (key, wrong) = (columns.key().join(", "), columns.wrong(&[]));
        let sql = format!("DELETE FROM {table} WHERE {wrong} IS NOT NULL RETURNING {wrong}, {key}");
        for found in read(connection, &sql, &[], columns.key().len())? {
            number += 1;
            damages.note_repaired(table, found.key, &found.column, REASON);
        }
    }
    Ok(number + deliveries(connection, damages, which)?)
}

/// Those of which no number is one are deleted at a start.
fn deliveries(connection: &Connection, damages: &Damages, which: Deliveries<'_>) -> Result<usize> {
    let found = match which {
        Deliveries::These(keys) => {
            let columns = Columns::of(connection, "deliveries")?;
            let wrong = columns.wrong(&["due", "claimed"]);
            let sql = format!(
                "SELECT {wrong}, hook, change FROM deliveries WHERE hook = ?1 AND change = ?2 AND {wrong} IS NOT NULL"
            );
            let mut found = Vec::new();
            for key in keys {
                found.extend(read(connection, &sql, key, 2)?);
            }
            found
        }
        Deliveries::Due => find(connection, "deliveries", DUE, &[])?,
    };
    each(connection, damages, "deliveries", found, |found| {
        let [Value::Integer(hook), Value::Integer(change)] = found.key[..] else { return Ok(()) };
        aside::give_up(connection, [hook, change], &reason(found))?;
        aside::elect_all(connection, HookId(hook))?;
        let account = account_of(connection, hook)?;
        damages.note_set_aside("deliveries", account, found.key.clone(), &found.column, REASON);
        Ok(())
    })
}

fn reason(found: &Found) -> String {
    format!("{}: {REASON}", found.column)
}

/// Rows of `rows`, which is a table or a part of it, of which a column but for these has a value of another type.
fn find(connection: &Connection, table: &'static str, rows: &str, except: &[&str]) -> Result<Vec<Found>> {
    let columns = Columns::of(connection, table)?;
    let (key, wrong) = (columns.key().join(", "), columns.wrong(except));
    let and = if rows.contains(" WHERE ") { "AND" } else { "WHERE" };
    let sql = format!("SELECT {wrong}, {key} FROM {rows} {and} {wrong} IS NOT NULL");
    read(connection, &sql, &[], columns.key().len())
}

fn read(connection: &Connection, sql: &str, of: &[i64], keys: usize) -> Result<Vec<Found>> {
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_map(params_from_iter(of), |row| {
        let key = (1..=keys).map(|index| key_value(row, index)).collect::<rusqlite::Result<_>>()?;
        Ok(Found { column: row.get(0)?, key })
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Puts each right by itself: one that can't be does not hold up the others. Gives how many there were.
fn each(
    connection: &Connection,
    damages: &Damages,
    table: &'static str,
    found: Vec<Found>,
    mut put_right: impl FnMut(&Found) -> Result<()>,
) -> Result<usize> {
    let number = found.len();
    for found in found {
        if let Err(error) = apart(connection, || put_right(&found)) {
            if connection.is_autocommit() || aside::is_of_the_store(&error) {
                return Err(error);
            }
            damages.pass_over(Pending { table, reason: reason(&found), key: found.key }, &error);
        }
    }
    Ok(number)
}

fn account_of(connection: &Connection, hook: i64) -> Result<Option<AccountId>> {
    let mut select = connection.prepare_cached("SELECT account FROM hooks WHERE id = ?1")?;
    match select.query_row([hook], |row| get(row, 0)) {
        Ok(account) => Ok(Some(account)),
        Err(error) if is_damage(&error) || error == rusqlite::Error::QueryReturnedNoRows => Ok(None),
        Err(error) => Err(error.into()),
    }
}
