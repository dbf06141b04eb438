//! What is gone for everybody, and has rows still. A hook, a token or an account goes in one short transaction, which
//! leaves no way to it; a row of `dropped` says that what it had is to be deleted. That is done in steps, by whoever
//! removed it or by the next round of the retention, also after a restart.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Params, Row, ToSql, params, params_from_iter};

use super::super::Result;
use super::columns::get;
use super::damage::Damages;
use super::fair_pool::Flow;
use super::writing::Writing;
use super::{SqliteStore, accounts, damage, hooks};
use crate::model::{AccountId, HookId, Owner, TokenId};

/// How many rows of a hook are deleted with it; what is more is left to further steps.
const WITH_A_HOOK: usize = 100;

/// Something that was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    Hook(HookId),
    /// Its hooks go with it.
    Token(AccountId, TokenId),
    Account(AccountId),
    /// One that is there still, without tokens and polls: its hooks go first, and then it goes.
    Leaving(AccountId),
}

impl Dropped {
    /// As the columns `kind`, `account` and `id` have it.
    fn columns(self) -> [i64; 3] {
        match self {
            Dropped::Hook(hook) => [0, 0, hook.0],
            Dropped::Token(account, token) => [1, account.0, token.0],
            Dropped::Account(account) => [2, account.0, 0],
            Dropped::Leaving(account) => [3, account.0, 0],
        }
    }

    /// Whether what it had is still to be deleted.
    pub(super) fn is_noted(self, connection: &Connection) -> Result<bool> {
        let sql = "SELECT 1 FROM dropped WHERE kind = ?1 AND account = ?2 AND id = ?3";
        Ok(connection.prepare_cached(sql)?.exists(self.columns())?)
    }

    /// In whose turn it is deleted.
    fn flow(self) -> Flow {
        match self {
            Dropped::Hook(_) => Flow::Host,
            Dropped::Token(account, _) | Dropped::Account(account) | Dropped::Leaving(account) => {
                Flow::Account(account)
            }
        }
    }

    /// Nothing where no host has written such a row.
    fn read([kind, account, id]: [i64; 3]) -> Option<Dropped> {
        match (kind, account, id) {
            (0, 0, id) => Some(Dropped::Hook(HookId(id))),
            (1, account, id) => Some(Dropped::Token(AccountId(account), TokenId(id))),
            (2, account, 0) => Some(Dropped::Account(AccountId(account))),
            (3, account, 0) => Some(Dropped::Leaving(AccountId(account))),
            _ => None,
        }
    }

    /// Whether it is there still: then nothing of it may be deleted. Of an account that is leaving the contrary is so: one
    /// that is gone has nothing left to leave.
    pub(super) fn is_there(self, connection: &Connection) -> Result<bool> {
        let (sql, id) = match self {
            Dropped::Leaving(account) => return Ok(!Dropped::Account(account).is_there(connection)?),
            Dropped::Hook(hook) => ("SELECT 1 FROM hooks WHERE id = ?1", hook.0),
            Dropped::Token(_, token) => ("SELECT 1 FROM tokens WHERE id = ?1", token.0),
            Dropped::Account(account) => ("SELECT 1 FROM accounts WHERE id = ?1", account.0),
        };
        Ok(connection.prepare_cached(sql)?.exists([id])?)
    }
}

/// Whether the account is leaving: nothing can be added to it any more.
pub(super) fn is_leaving(connection: &Connection, account: AccountId) -> Result<bool> {
    Dropped::Leaving(account).is_noted(connection)
}

/// Takes down that what this had is to be deleted.
pub(super) fn note(writing: &Writing<'_>, dropped: Dropped) -> Result<()> {
    writing
        .prepare("INSERT OR IGNORE INTO dropped (kind, account, id) VALUES (?1, ?2, ?3)")?
        .execute(dropped.columns())?;
    Ok(())
}

/// Deletes what a hook that is gone was owed, and what is known of its attempts; if that is much, later.
pub(super) fn hook(writing: &Writing<'_>, hook: HookId) -> Result<()> {
    let mut left = WITH_A_HOOK;
    if clear_hook(writing, hook, &mut left)? { Ok(()) } else { note(writing, Dropped::Hook(hook)) }
}

/// Deletes all that this had.
pub(super) async fn clear(store: &SqliteStore, dropped: Dropped) -> Result<()> {
    let rows = store.step_rows;
    while !store.write_step(dropped.flow(), move |writing| step(writing, dropped, rows)).await? {}
    Ok(())
}

/// The same, where what is left can wait for the next round of the retention: what was asked for is done.
pub(super) async fn clear_or_leave(store: &SqliteStore, dropped: Dropped) {
    if let Err(error) = clear(store, dropped).await {
        tracing::warn!(%error, "removed rows remain; the host deletes the rest later");
    }
}

/// The same for all that was dropped.
pub(super) async fn clear_all(store: &SqliteStore) -> Result<()> {
    while let Some(row) = store.read(Flow::Host, |reading| next(reading)).await? {
        match whole(&row) {
            Some(dropped) if !store.read(Flow::Host, move |reading| dropped.is_there(reading)).await? => {
                clear(store, dropped).await?;
            }
            _ => {
                store
                    .write(Flow::Host, move |writing| forget_damaged(writing.connection, &writing.memory.damages, &row))
                    .await?
            }
        }
    }
    Ok(())
}

/// A row, as it is stored.
type Stored = [Value; 3];

fn next(reading: &Connection) -> Result<Option<Stored>> {
    // Tokens before hooks: theirs are active until they are removed.
    let mut select = reading.prepare_cached("SELECT kind, account, id FROM dropped ORDER BY kind DESC LIMIT 1")?;
    Ok(select.query_row((), stored).optional()?)
}

pub(super) fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    Ok([damage::key_value(row, 0)?, damage::key_value(row, 1)?, damage::key_value(row, 2)?])
}

pub(super) fn whole(row: &Stored) -> Option<Dropped> {
    match *row {
        [Value::Integer(kind), Value::Integer(account), Value::Integer(id)] => Dropped::read([kind, account, id]),
        _ => None,
    }
}

/// Takes away a row that says nothing, or speaks of what is there.
pub(super) fn forget_damaged(connection: &Connection, damages: &Damages, row: &Stored) -> Result<()> {
    let sql = "DELETE FROM dropped WHERE (kind IS ?1 OR kind IS CAST(?1 AS TEXT))
               AND (account IS ?2 OR account IS CAST(?2 AS TEXT)) AND (id IS ?3 OR id IS CAST(?3 AS TEXT))";
    connection.prepare_cached(sql)?.execute(params_from_iter(row))?;
    damages.note_repaired("dropped", row.to_vec(), "kind", "nothing that is gone is called so");
    Ok(())
}

/// Deletes some of it; says whether that was all.
fn step(writing: &mut Writing<'_>, dropped: Dropped, rows: usize) -> Result<bool> {
    let mut left = rows.max(1);
    let is_all = match dropped {
        Dropped::Hook(hook) => clear_hook(writing, hook, &mut left)?,
        Dropped::Token(account, token) => clear_token(writing, account, token, &mut left)?,
        Dropped::Account(account) => clear_account(writing, account, &mut left)?,
        Dropped::Leaving(account) => leave(writing, account, &mut left)?,
    };
    if is_all {
        let sql = "DELETE FROM dropped WHERE kind = ?1 AND account = ?2 AND id = ?3";
        writing.prepare(sql)?.execute(dropped.columns())?;
    }
    Ok(is_all)
}

fn clear_hook(writing: &Writing<'_>, hook: HookId, left: &mut usize) -> Result<bool> {
    match clear_changes(writing, hook, left) {
        Err(error) if damage::is_damaged_row(&error) => {
            damage::delete_unnumbered(writing, hook)?;
            clear_changes(writing, hook, left)
        }
        cleared => cleared,
    }
}

fn clear_changes(writing: &Writing<'_>, hook: HookId, left: &mut usize) -> Result<bool> {
    let deliveries = "SELECT change FROM deliveries WHERE hook = ?1 LIMIT ?2";
    let is_all = each(writing, deliveries, [hook.0], left, |writing, [change, _]| {
        execute(writing, "DELETE FROM deliveries WHERE hook = ?1 AND change = ?2", [hook.0, change])
    })?;
    if !is_all {
        return Ok(false);
    }
    // Those of one change, which are few, go together.
    each(writing, "SELECT change FROM attempts WHERE hook = ?1 LIMIT ?2", [hook.0], left, |writing, [change, _]| {
        execute(writing, "DELETE FROM attempts WHERE hook = ?1 AND change = ?2", [hook.0, change])
    })
}

fn clear_token(writing: &mut Writing<'_>, account: AccountId, token: TokenId, left: &mut usize) -> Result<bool> {
    let owner = Owner::Token(token);
    let hooks = "SELECT id FROM hooks INDEXED BY hooks_owner WHERE account = ?1 AND owner = ?2 LIMIT 1";
    if !remove_hooks(writing, hooks, &[&account.0, &owner.word()], left)? {
        return Ok(false);
    }
    let sql = "DELETE FROM requests WHERE account = ?1 AND owner = ?2 AND key IN (
                   SELECT key FROM requests WHERE account = ?1 AND owner = ?2 LIMIT ?3)";
    let limit = i64::try_from(*left).unwrap_or(i64::MAX);
    let deleted = writing.prepare(sql)?.execute(params![account.0, owner.word(), limit])?;
    Ok(deleted < *left)
}

/// Removes the hooks that the statement finds, one after the other; says whether none is left.
fn remove_hooks(writing: &mut Writing<'_>, select: &str, of: &[&dyn ToSql], left: &mut usize) -> Result<bool> {
    let mut select = writing.prepare(select)?;
    loop {
        let hook: Option<HookId> = select.query_row(of, |row| get(row, 0)).optional()?;
        let Some(hook) = hook else { return Ok(true) };
        if *left == 0 {
            return Ok(false);
        }
        hooks::remove(writing, hook)?;
        *left = if writing.is_turn_over() { 0 } else { *left - 1 };
    }
}

/// The hooks of an account go while it is there, so that no callback is met that is nobody's.
fn leave(writing: &mut Writing<'_>, account: AccountId, left: &mut usize) -> Result<bool> {
    let hooks = "SELECT id FROM hooks INDEXED BY hooks_owner WHERE account = ?1 LIMIT 1";
    let is_all = remove_hooks(writing, hooks, &[&account.0], left)?;
    if is_all {
        accounts::drop_account(writing, account)?;
    }
    Ok(is_all)
}

fn clear_account(writing: &mut Writing<'_>, account: AccountId, left: &mut usize) -> Result<bool> {
    let hooks = "SELECT id FROM hooks INDEXED BY hooks_owner WHERE account = ?1 LIMIT 1";
    if !remove_hooks(writing, hooks, &[&account.0], left)? {
        return Ok(false);
    }
    let resources = "SELECT body, kind FROM resources WHERE account = ?1 ORDER BY kind, id LIMIT ?2";
    let is_all = each(writing, resources, [account.0], left, |writing, [body, kind]| {
        execute(writing, "DELETE FROM bodies WHERE id = ?1", [body])?;
        // The first one of that kind is the one that was found.
        let sql = "DELETE FROM resources WHERE account = ?1 AND kind = ?2 AND id = (
                       SELECT id FROM resources WHERE account = ?1 AND kind = ?2 ORDER BY id LIMIT 1)";
        execute(writing, sql, [account.0, kind])
    })?;
    if !is_all {
        return Ok(false);
    }
    let versions = "SELECT body, number FROM versions INDEXED BY versions_resource WHERE account = ?1 LIMIT ?2";
    let is_all = each(writing, versions, [account.0], left, |writing, [body, number]| {
        execute(writing, "DELETE FROM bodies WHERE id = ?1", [body])?;
        execute(writing, "DELETE FROM versions WHERE number = ?1", [number])
    })?;
    if !is_all {
        return Ok(false);
    }
    let changes = "SELECT sequence FROM changes INDEXED BY changes_account WHERE account = ?1 LIMIT ?2";
    let is_all = each(writing, changes, [account.0], left, |writing, [sequence, _]| {
        execute(writing, "DELETE FROM changes WHERE sequence = ?1", [sequence])
    })?;
    if !is_all {
        return Ok(false);
    }
    let histories = "SELECT number FROM histories INDEXED BY histories_resource WHERE account = ?1 LIMIT ?2";
    let is_all = each(writing, histories, [account.0], left, |writing, [number, _]| {
        execute(writing, "DELETE FROM histories WHERE number = ?1", [number])
    })?;
    if !is_all {
        return Ok(false);
    }
    if !clear_requests(writing, account, left)? {
        return Ok(false);
    }
    each(writing, "SELECT kind FROM flaps WHERE account = ?1 LIMIT ?2", [account.0], left, |writing, [kind, _]| {
        let sql = "DELETE FROM flaps WHERE account = ?1 AND kind = ?2 AND id = (
                       SELECT id FROM flaps WHERE account = ?1 AND kind = ?2 LIMIT 1)";
        execute(writing, sql, [account.0, kind])
    })
}

fn clear_requests(writing: &Writing<'_>, account: AccountId, left: &mut usize) -> Result<bool> {
    let sql = "DELETE FROM requests WHERE account = ?1 AND (owner, key) IN (
                   SELECT owner, key FROM requests WHERE account = ?1 LIMIT ?2)";
    let deleted = writing.prepare(sql)?.execute(params![account.0, i64::try_from(*left).unwrap_or(i64::MAX)])?;
    let is_all = deleted < *left;
    *left -= deleted;
    Ok(is_all)
}

/// Calls `delete` with the first two columns of each row that the statement selects, until none is left, so many were
/// deleted, or the turn is over. The last parameter of the statement is a limit. Says whether none is left.
fn each(
    writing: &Writing<'_>,
    select: &str,
    [id]: [i64; 1],
    left: &mut usize,
    delete: impl Fn(&Writing<'_>, [i64; 2]) -> Result<()>,
) -> Result<bool> {
    /// How many are selected at once: what was selected is deleted within a few milliseconds.
    const AT_ONCE: usize = 100;
    while *left > 0 {
        let limit = AT_ONCE.min(*left);
        let rows: Vec<[i64; 2]> = {
            let mut select = writing.prepare(select)?;
            let has_two = select.column_count() > 1;
            let read = |row: &rusqlite::Row<'_>| Ok([row.get(0)?, if has_two { row.get(1)? } else { 0 }]);
            let rows = select.query_map(params![id, i64::try_from(limit).unwrap_or(i64::MAX)], read)?;
            rows.collect::<rusqlite::Result<_>>()?
        };
        for row in &rows {
            delete(writing, *row)?;
        }
        *left -= rows.len();
        if rows.len() < limit {
            return Ok(true);
        }
        if writing.is_turn_over() {
            break;
        }
    }
    Ok(false)
}

fn execute(writing: &Writing<'_>, sql: &str, parameters: impl Params) -> Result<()> {
    writing.prepare(sql)?.execute(parameters)?;
    Ok(())
}
