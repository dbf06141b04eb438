//! Deleted things that still have rows. A short transaction deletes a hook, a token or an account, and makes it
//! unreachable. A row of `dropped` says that its remaining rows have to be deleted. The request that deleted it, or the
//! next round of retention, does so in steps, also after a restart.

pub(super) mod notes;
pub(super) mod rows;

use rusqlite::{OptionalExtension, ToSql, params};

use super::super::Result;
use super::columns::get;
use super::fair_pool::Flow;
use super::writing::Writing;
use super::{SqliteStore, accounts, hooks};
use crate::model::{AccountId, HookId, Owner, TokenId};
use notes::{Dropped, forget_damaged, next, whole};
use rows::{clear_hook, each, execute};

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
        writing.memory.deleted |= matches!(dropped, Dropped::Account(_));
    }
    Ok(is_all)
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
