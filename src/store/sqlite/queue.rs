//! The lines in which deliveries wait: one for each resource on each hook, of which only the head has a
//! `due`; and whose turn it is among the hooks that have one.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params};

use super::super::Result;
use super::columns::{get, kind_number};
use super::writer::Writing;
use crate::model::{AccountId, HookId, Kind, ResourceId, Timestamp};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Line {
    pub(super) hook: HookId,
    pub(super) kind: Kind,
    pub(super) resource: ResourceId,
}

/// A change that hooks may have to hear of.
pub(super) struct Tidings<'a> {
    pub(super) account: AccountId,
    pub(super) kind: Kind,
    pub(super) resource: &'a ResourceId,
    pub(super) change: i64,
}

/// Whether any hook waits for this resource, seen or not.
pub(super) fn is_awaited(writing: &Writing<'_>, account: AccountId, kind: Kind, resource: &ResourceId) -> Result<bool> {
    let mut select = writing.prepare("SELECT 1 FROM hooks WHERE account = ?1 AND kind = ?2 AND resource = ?3")?;
    Ok(select.exists(params![account.0, kind_number(kind), resource.as_str()])?)
}

/// Puts the change at the end of the line of each hook on its resource; gives their number. The hooks
/// whose line it heads are added to `touched`, for `refresh`.
pub(super) fn owe(
    writing: &Writing<'_>,
    tidings: &Tidings<'_>,
    now: Timestamp,
    touched: &mut BTreeSet<HookId>,
) -> Result<usize> {
    let kind = kind_number(tidings.kind);
    let resource = tidings.resource.as_str();
    let mut select =
        writing.prepare("SELECT id, owner FROM hooks WHERE account = ?1 AND kind = ?2 AND resource = ?3")?;
    let hooks: Vec<(HookId, String)> = select
        .query_map(params![tidings.account.0, kind, resource], |row| Ok((get(row, 0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (hook, owner) in &hooks {
        let mut waiting = writing
            .prepare("SELECT 1 FROM deliveries WHERE hook = ?1 AND kind = ?2 AND resource = ?3 AND dead IS NULL")?;
        let due = if waiting.exists(params![hook.0, kind, resource])? {
            None
        } else {
            touched.insert(*hook);
            Some(now.as_millis())
        };
        let mut insert = writing.prepare(
            "INSERT INTO deliveries (hook, change, account, owner, kind, resource, due)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        insert.execute(params![hook.0, tidings.change, tidings.account.0, owner, kind, resource, due])?;
    }
    Ok(hooks.len())
}

/// Makes the head of a line due, where it is not yet: the one before it is gone.
pub(super) fn promote(writing: &Writing<'_>, line: &Line, due: Timestamp) -> Result<()> {
    let mut update = writing.prepare(
        "UPDATE deliveries SET due = ?4
         WHERE due IS NULL AND id = (
             SELECT id FROM deliveries WHERE hook = ?1 AND kind = ?2 AND resource = ?3 AND dead IS NULL
             ORDER BY change LIMIT 1)",
    )?;
    update.execute(params![line.hook.0, kind_number(line.kind), line.resource.as_str(), due.as_millis()])?;
    Ok(())
}

/// Brings a hook's turn up to date after its lines changed. `served` is the time at which it was just
/// served, if it was.
pub(super) fn refresh(writing: &Writing<'_>, hook: HookId, served: Option<Timestamp>) -> Result<()> {
    let mut select = writing.prepare("SELECT MIN(due) FROM deliveries WHERE hook = ?1 AND due IS NOT NULL")?;
    let earliest: Option<i64> = select.query_row([hook.0], |row| row.get(0))?;
    let Some(earliest) = earliest else {
        writing.prepare("DELETE FROM queues WHERE hook = ?1")?.execute([hook.0])?;
        return Ok(());
    };
    let served = served.map(Timestamp::as_millis);
    let mut upsert = writing.prepare(
        "INSERT INTO queues (hook, due, served) VALUES (?1, MAX(?2, COALESCE(?3, ?2)), COALESCE(?3, 0))
         ON CONFLICT (hook) DO UPDATE
         SET due = MAX(?2, COALESCE(?3, served)), served = COALESCE(?3, served)",
    )?;
    upsert.execute(params![hook.0, earliest, served])?;
    Ok(())
}

/// Removes a hook and all that it was owed; says whose it was.
pub(super) fn drop_hook(writing: &Writing<'_>, hook: HookId) -> Result<Option<AccountId>> {
    writing.prepare("DELETE FROM deliveries WHERE hook = ?1")?.execute([hook.0])?;
    writing.prepare("DELETE FROM queues WHERE hook = ?1")?.execute([hook.0])?;
    let mut delete = writing.prepare("DELETE FROM hooks WHERE id = ?1 RETURNING account")?;
    Ok(delete.query_row([hook.0], |row| get(row, 0)).optional()?)
}
