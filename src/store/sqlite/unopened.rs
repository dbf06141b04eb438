//! Sealed columns that were reported not to open: their rows are damaged.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension as _, params};

use super::super::{Result, SealedColumn, Unopened};
use super::columns::get;
use super::writing::Writing;
use crate::model::{AccountId, HookId, Sealed};

/// Has the row set aside with this job, if the column still holds what does not open: it may have been written anew since
/// it was read.
pub(super) fn note(writing: &Writing<'_>, unopened: &Unopened) -> Result<()> {
    let Unopened { column, sealed } = unopened;
    match column {
        SealedColumn::AccountPassword(account) => {
            let mut select = writing.prepare("SELECT 1 FROM accounts WHERE id = ?1 AND password = ?2")?;
            if select.exists(params![account.0, sealed.0])? {
                let key = vec![Value::Integer(account.0)];
                writing.memory.damages.note_unopened("accounts", Some(*account), key, "password", sealed);
            }
            Ok(())
        }
        SealedColumn::HookToken(hook) => note_hook(writing, *hook, "token", sealed),
        SealedColumn::HookSecret(hook) => note_hook(writing, *hook, "secret", sealed),
        SealedColumn::HookOldSecret(hook) => note_hook(writing, *hook, "old_secret", sealed),
        SealedColumn::Session { account, driver } => {
            let mut select = writing.prepare(
                "SELECT account FROM sessions WHERE digest = ?4 AND sealed = ?5 AND account = (
                     SELECT id FROM accounts WHERE driver = ?1 AND provider = ?2 AND user = ?3)",
            )?;
            let place = params![account.driver, account.provider, account.user, driver, sealed.0];
            let found: Option<AccountId> = select.query_row(place, |row| get(row, 0)).optional()?;
            if let Some(account) = found {
                let key = vec![Value::Integer(account.0), Value::Blob(driver.as_bytes().to_vec())];
                writing.memory.damages.note_unopened("sessions", Some(account), key, "sealed", sealed);
            }
            Ok(())
        }
        // Whoever asks for it learns that it is lost, and has it set aside.
        SealedColumn::Answer { .. } => Ok(()),
    }
}

fn note_hook(writing: &Writing<'_>, hook: HookId, column: &str, sealed: &Sealed) -> Result<()> {
    // One that is damaged already says why.
    let mut select = writing
        .prepare("SELECT account, token, secret, old_secret FROM hooks WHERE id = ?1 AND status <> 'damaged'")?;
    let found = select.query_row([hook.0], |row| {
        let account: Option<AccountId> = get(row, 0).ok();
        Ok((account, row.get_ref(column)?.as_blob().is_ok_and(|held| held == sealed.0)))
    });
    if let Some((account, true)) = found.optional()? {
        let (damages, key) = (&writing.memory.damages, vec![Value::Integer(hook.0)]);
        match account {
            // What is sealed is bound to the names of the account.
            Some(account) if damages.is_damaged(account) => damages.set_aside_with_account("hooks", key),
            account => damages.note_unopened("hooks", account, key, column, sealed),
        }
    }
    Ok(())
}
