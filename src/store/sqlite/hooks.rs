//! Hooks in SQLite.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};

use super::super::{HookTarget, Hooks, NewHook, Result};
use super::columns::{get, kind_number};
use super::writer::Writing;
use super::{Fault, SqliteStore, polls, queue};
use crate::model::{AccountId, Hook, HookId};

#[async_trait]
impl Hooks for SqliteStore {
    async fn set_track_hook(&self, hook: NewHook) -> Result<HookId> {
        self.write(move |writing| set(writing, &hook)).await
    }

    async fn remove_track_hook(&self, target: &HookTarget) -> Result<bool> {
        let target = target.clone();
        self.write(move |writing| {
            let Some(hook) = find(writing, &target)? else { return Ok(false) };
            queue::drop_hook(writing, hook)?;
            polls::rest_if_unwatched(writing, target.account)?;
            Ok(true)
        })
        .await
    }

    async fn track_hook(&self, target: &HookTarget) -> Result<Option<Hook>> {
        let target = target.clone();
        self.read(move |reading| {
            let sql = "SELECT id, account, owner, kind, resource, url, token, secret FROM hooks
                       WHERE account = ?1 AND kind = ?2 AND resource = ?3 AND owner = ?4";
            let hook = reading.prepare_cached(sql)?.query_row(place(&target), |row| {
                Ok(Hook {
                    id: get(row, 0)?,
                    account: get(row, 1)?,
                    owner: get(row, 2)?,
                    kind: get(row, 3)?,
                    resource: get(row, 4)?,
                    url: get(row, 5)?,
                    token: get(row, 6)?,
                    secret: get(row, 7)?,
                })
            });
            Ok(hook.optional()?)
        })
        .await
    }

    async fn count_hooks(&self, account: AccountId) -> Result<u64> {
        self.read(move |reading| {
            let mut count = reading.prepare_cached("SELECT COUNT(*) FROM hooks WHERE account = ?1")?;
            let number: i64 = count.query_row([account.0], |row| row.get(0))?;
            Ok(number.unsigned_abs())
        })
        .await
    }
}

fn place(target: &HookTarget) -> (i64, i64, &str, &str) {
    (target.account.0, kind_number(target.kind), target.resource.as_str(), target.owner.as_str())
}

fn find(writing: &Writing<'_>, target: &HookTarget) -> Result<Option<HookId>> {
    let mut select =
        writing.prepare("SELECT id FROM hooks WHERE account = ?1 AND kind = ?2 AND resource = ?3 AND owner = ?4")?;
    Ok(select.query_row(place(target), |row| get(row, 0)).optional()?)
}

fn set(writing: &mut Writing<'_>, hook: &NewHook) -> Result<HookId> {
    let account = hook.target.account;
    if !writing.prepare("SELECT 1 FROM accounts WHERE id = ?1")?.exists([account.0])? {
        return Err(Fault::NoAccount(account).into());
    }
    let was_watched = polls::is_watched(writing, account)?;
    // The new one gets a number of its own: what is still under way to the old one can't be taken for its.
    if let Some(old) = find(writing, &hook.target)? {
        queue::drop_hook(writing, old)?;
    }
    let (_, kind, resource, owner) = place(&hook.target);
    let mut insert = writing.prepare(
        "INSERT INTO hooks (account, kind, resource, owner, url, token, secret, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let id = insert.insert(params![
        account.0,
        kind,
        resource,
        owner,
        hook.url.as_url().as_str(),
        hook.token.as_ref().map(|token| &token.0),
        hook.secret.0,
        hook.now.as_millis(),
    ])?;
    if !was_watched {
        polls::watch(writing, account, hook.now)?;
    }
    Ok(HookId(id))
}
