//! When the polls of an account are due: regularly while it is watched, and once on request.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::{Result, StoreError};
use super::columns::{get, kind_number};
use super::dropped::notes::require_account;
use super::fault::Fault;
use super::writing::Writing;
use crate::model::{AccountId, Kind, Timestamp};

/// Whether the account is polled regularly: it is the configuration's, or has a hook.
pub(super) fn is_watched(writing: &Writing<'_>, account: AccountId) -> Result<bool> {
    let mut select = writing.prepare(
        "SELECT origin = 'config' OR EXISTS (SELECT 1 FROM hooks WHERE hooks.account = accounts.id)
         FROM accounts WHERE id = ?1",
    )?;
    Ok(select.query_row([account.0], |row| row.get(0)).optional()?.unwrap_or(false))
}

/// Makes the polls of an account that is watched from now on due. One that is under way leads on to
/// regular ones by itself.
pub(super) fn watch(writing: &Writing<'_>, account: AccountId, now: Timestamp) -> Result<()> {
    for kind in Kind::ALL {
        let mut upsert = writing.prepare(
            "INSERT INTO polls (account, kind, due) VALUES (?1, ?2, ?3)
             ON CONFLICT (account, kind) DO UPDATE SET due = ?3, wanted = NULL, list_due = NULL
             WHERE claimed IS NULL AND (due IS NULL OR due > ?3)",
        )?;
        upsert.execute(params![account.0, kind_number(kind), now.as_millis()])?;
    }
    writing.wake_polls();
    Ok(())
}

/// Makes the polls of a watched account due that were set aside because its password did not open.
pub(super) fn resume(writing: &Writing<'_>, account: AccountId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE polls SET due = ?2 WHERE account = ?1 AND due IS NULL AND claimed IS NULL";
    writing.prepare(sql)?.execute([account.0, now.as_millis()])?;
    writing.wake_polls();
    Ok(())
}

/// Takes down that a hook was set that waits for this kind.
pub(super) fn note_hook(writing: &Writing<'_>, account: AccountId, kind: Kind, now: Timestamp) -> Result<()> {
    let mut update = writing.prepare("UPDATE polls SET hook_set = ?3 WHERE account = ?1 AND kind = ?2")?;
    update.execute(params![account.0, kind_number(kind), now.as_millis()])?;
    Ok(())
}

/// Leaves an account that is no longer watched with those polls that were asked for.
pub(super) fn rest_if_unwatched(writing: &Writing<'_>, account: AccountId) -> Result<()> {
    if !is_watched(writing, account)? {
        let mut update = writing.prepare(
            "UPDATE polls SET due = asked, wanted = NULL, list_due = NULL
                      WHERE account = ?1 AND claimed IS NULL AND due IS NOT NULL",
        )?;
        update.execute([account.0])?;
    }
    Ok(())
}

/// An account without one of its polls, which may have gone with its kind, is given it again.
pub(super) fn give_polls(connection: &Connection) -> Result<()> {
    connection.execute(
        "INSERT INTO polls (account, kind, due) SELECT a.id, k.column1, 0 FROM accounts a, (VALUES (0), (1)) k
         WHERE (a.origin = 'config' OR EXISTS (SELECT 1 FROM hooks h WHERE h.account = a.id))
         ON CONFLICT (account, kind) DO NOTHING",
        (),
    )?;
    Ok(())
}

pub(super) fn request(writing: &mut Writing<'_>, account: AccountId, kind: Kind, at: Timestamp) -> Result<()> {
    require_account(writing, account)?;
    // While a poll is under way its `due` is the lease's end, which stays; what is asked for comes after.
    let mut upsert = writing.prepare(
        "INSERT INTO polls (account, kind, due, asked) SELECT id, ?2, ?3, ?3 FROM accounts WHERE id = ?1
         ON CONFLICT (account, kind) DO UPDATE SET
         asked = MIN(?3, COALESCE(asked, ?3)), wanted = NULL, list_due = NULL,
         due = CASE WHEN claimed IS NULL THEN MIN(?3, COALESCE(due, ?3)) ELSE due END",
    )?;
    match upsert.execute(params![account.0, kind_number(kind), at.as_millis()])? {
        0 => Err(Fault::NoAccount(account).into()),
        _ => {
            writing.wake_polls();
            Ok(())
        }
    }
}

/// Errs unless this is the newest claim of that poll, and it was not given back yet.
pub(super) fn check_lease(writing: &Writing<'_>, account: AccountId, kind: Kind, lease: i64) -> Result<()> {
    let mut select = writing
        .prepare("SELECT 1 FROM polls WHERE account = ?1 AND kind = ?2 AND lease = ?3 AND claimed IS NOT NULL")?;
    if select.exists(params![account.0, kind_number(kind), lease])? { Ok(()) } else { Err(StoreError::LeaseLost) }
}

/// When a poll that is given back is due again: `next` if the account is watched still, and not later
/// than a poll that was asked for meanwhile.
pub(super) fn due_again(
    writing: &Writing<'_>,
    account: AccountId,
    kind: Kind,
    next: Timestamp,
) -> Result<Option<Timestamp>> {
    let mut select = writing.prepare("SELECT asked FROM polls WHERE account = ?1 AND kind = ?2")?;
    let asked: Option<Timestamp> =
        select.query_row(params![account.0, kind_number(kind)], |row| get(row, 0)).optional()?.flatten();
    let next = is_watched(writing, account)?.then_some(next);
    Ok(next.into_iter().chain(asked).min())
}
