//! Edits of hooks by their owners, each within the transaction of its request. The transaction checks the conditions of
//! the request (the limit of the account, the version of the hook) and reads the data for its answer.

use std::sync::Arc;

use rusqlite::params;

use super::super::{
    Condition, EditedHook, HookAction, HookEdit, HookPlace, HookTarget, NewHook, Refusal, ReplayFrom, Result,
};
use super::columns::{get, kind_number};
use super::dropped::notes::require_account;
use super::fault::Fault;
use super::listener::Listener;
use super::settle::of_hook;
use super::turns::{self, Touched};
use super::writing::Writing;
use super::{due_polls, hooks, journal, queue, tokens, words};
use crate::model::{AccountId, ChangeId, ChangeType, Hook, HookId, HookSpec, Owner, Rate, Timestamp};

pub(super) fn create(writing: &mut Writing<'_>, hook: &NewHook) -> Result<Result<Hook, Refusal>> {
    let account = hook.account;
    require_account(writing, account)?;
    if let Owner::Token(token) = hook.owner
        && !tokens::is_there(writing, account, token)?
    {
        return Ok(Err(Refusal::OwnerGone));
    }
    writing.memory.bounds.require_room_for(account)?;
    let was_watched = due_polls::is_watched(writing, account)?;
    let old = match &hook.track {
        Some((kind, resource)) => {
            let target = HookTarget { account, owner: hook.owner.clone(), kind: *kind, resource: resource.clone() };
            hooks::find_tracking(writing, &target)?
        }
        None => None,
    };
    if !has_room_for_filter(writing, account, spec_items(&hook.spec), hook.filter_items)? {
        return Ok(Err(Refusal::TooManyFilterItems));
    }
    match old {
        // The new one gets a number of its own: what is still under way to the old one can't be taken for its.
        Some(old) => drop(turns::drop_hook(writing, old)?),
        None if has_as_many(writing, account, hook.limit)? => return Ok(Err(Refusal::LimitReached)),
        None => {}
    }
    let spec = &hook.spec;
    let mut insert = writing.prepare(
        "INSERT INTO hooks
         (account, owner, kind, resource, url, destination, token, words, format, mode, rate, secret, status, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 'active', ?13)",
    )?;
    let id = insert.insert(params![
        account.0,
        hook.owner.word(),
        hook.track.as_ref().map(|(kind, _)| kind_number(*kind)),
        hook.track.as_ref().map(|(_, resource)| resource.as_str()),
        spec.url.as_url().as_str(),
        spec.url.destination(),
        spec.token.as_ref().map(|token| &token.0),
        words::write(spec)?,
        spec.format.as_str(),
        spec.mode.as_str(),
        spec.rate.map(Rate::as_per_second),
        hook.secret.0,
        hook.now.as_millis(),
    ])?;
    writing.memory.gave_id = true;
    if !was_watched {
        due_polls::watch(writing, account, hook.now)?;
    }
    let kind = hook.track.as_ref().map_or_else(|| spec.filter.leading_kind(), |(kind, _)| *kind);
    due_polls::note_hook(writing, account, kind, hook.now)?;
    if let Some(by) = hook.poll_by {
        due_polls::request(writing, account, kind, by)?;
    }
    let place = HookPlace { account, owner: hook.owner.clone(), hook: HookId(id) };
    written(writing, &place).map(Ok)
}

fn has_as_many(writing: &Writing<'_>, account: AccountId, limit: u64) -> Result<bool> {
    let sql = "SELECT COUNT(*) FROM (SELECT 1 FROM hooks INDEXED BY hooks_owner WHERE account = ?1 LIMIT ?2)";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let count: i64 = writing.prepare(sql)?.query_row([account.0, limit], |row| row.get(0))?;
    Ok(count >= limit)
}

fn spec_items(spec: &HookSpec) -> u64 {
    spec.filter.items() as u64
}

/// Whether the filters of the account's hooks may have so many items more. They are counted where changes are matched
/// against them: in the writer's memory, which is as this transaction has left the hooks.
fn has_room_for_filter(writing: &mut Writing<'_>, account: AccountId, more: u64, limit: u64) -> Result<bool> {
    if more == 0 {
        return Ok(true);
    }
    let has = writing.memory.hooks.of(writing.connection, account)?.items() as u64;
    Ok(has.saturating_add(more) <= limit)
}

/// A hook as this transaction has left it.
fn written(writing: &Writing<'_>, place: &HookPlace) -> Result<Hook> {
    hooks::find(&writing.reading(), place)?.ok_or_else(|| Fault::DamagedHook(place.hook).into())
}

/// The hook, if there is one, it can be read, and it is a version that the write is for.
pub(super) fn require(
    writing: &Writing<'_>,
    place: &HookPlace,
    condition: &Condition,
) -> Result<Result<Hook, Refusal>> {
    Ok(match hooks::find_any(&writing.reading(), place)? {
        None => Err(Refusal::NotFound),
        Some(Err(damaged)) => Err(Refusal::Damaged(damaged.reason)),
        Some(Ok(hook)) if !condition.holds(hook.version) => Err(Refusal::VersionDiffers(hook.version)),
        Some(Ok(hook)) => Ok(hook),
    })
}

pub(super) fn edit(writing: &mut Writing<'_>, edit: &HookEdit) -> Result<Result<EditedHook, Refusal>> {
    let place = &edit.place;
    let old = match require(writing, place, &edit.condition)? {
        Ok(old) => old,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if matches!(edit.action, HookAction::Replay(_)) {
        writing.memory.bounds.require_room_for(place.account)?;
    }
    let mut test = None;
    match &edit.action {
        HookAction::Replace { spec, filter_items } => {
            let more = spec_items(spec).saturating_sub(spec_items(&old.spec));
            if !has_room_for_filter(writing, place.account, more, *filter_items)? {
                return Ok(Err(Refusal::TooManyFilterItems));
            }
            change(writing, place.hook, spec)?;
        }
        HookAction::RotateSecret { secret, overlap } => {
            let until = edit.now.after(*overlap);
            let sql = "UPDATE hooks SET old_secret = secret, old_until = ?3, secret = ?2 WHERE id = ?1";
            writing.prepare(sql)?.execute(params![place.hook.0, secret.0, until.as_millis()])?;
        }
        HookAction::Pause => pause(writing, place.hook)?,
        HookAction::Resume => resume(writing, place.hook)?,
        HookAction::Test => test = Some(owe_test(writing, place, edit.now)?),
        HookAction::Replay(from) => replay(writing, place.hook, *from)?,
    }
    // What is pending may be due at another rate, and a hook that goes on has to catch up.
    writing.wake_deliveries();
    Ok(Ok(EditedHook { hook: written(writing, place)?, test }))
}

/// Removes a hook, also one that is damaged.
pub(super) fn delete(
    writing: &mut Writing<'_>,
    place: &HookPlace,
    condition: &Condition,
) -> Result<Result<(), Refusal>> {
    match require(writing, place, condition)? {
        Ok(_) | Err(Refusal::Damaged(_)) => hooks::remove(writing, place.hook).map(|_| Ok(())),
        Err(refusal) => Ok(Err(refusal)),
    }
}

fn pause(writing: &Writing<'_>, hook: HookId) -> Result<()> {
    let newest = journal::newest(writing.connection)?;
    let sql = "UPDATE hooks SET status = 'paused', behind = COALESCE(behind, ?2) WHERE id = ?1 AND status = 'active'";
    writing.prepare(sql)?.execute([hook.0, newest])?;
    refresh(writing, hook)
}

fn resume(writing: &Writing<'_>, hook: HookId) -> Result<()> {
    // It is active from here on, and owed what it missed in steps: see `catch_up`.
    let sql = "UPDATE hooks SET status = 'active', disabled = NULL, reason = NULL, failing = NULL, failed = NULL
               WHERE id = ?1";
    writing.prepare(sql)?.execute([hook.0])?;
    refresh(writing, hook)
}

fn change(writing: &mut Writing<'_>, hook: HookId, spec: &HookSpec) -> Result<()> {
    let mut touched = Touched::default();
    let mut select = writing.prepare("SELECT destination, account FROM hooks WHERE id = ?1")?;
    let before: (Arc<str>, AccountId) = select.query_row([hook.0], |row| Ok((row.get(0)?, get(row, 1)?)))?;
    touched.share(Arc::clone(&before.0), before.1);
    let mut update = writing.prepare(
        "UPDATE hooks SET url = ?2, destination = ?3, token = ?4, words = ?5, format = ?6, mode = ?7, rate = ?8
         WHERE id = ?1",
    )?;
    update.execute(params![
        hook.0,
        spec.url.as_url().as_str(),
        spec.url.destination(),
        spec.token.as_ref().map(|token| &token.0),
        words::write(spec)?,
        spec.format.as_str(),
        spec.mode.as_str(),
        spec.rate.map(Rate::as_per_second),
    ])?;
    // A pace that was kept for another rate would hold back, or let through, too many.
    writing.prepare("UPDATE queues SET paced = 0 WHERE hook = ?1")?.execute([hook.0])?;
    touched.hook(hook);
    touched.refresh(writing)?;
    turns::forget_destination(writing, &before.0)
}

/// Adds a change for this hook alone to the journal, and owes it. One that rests finds it there later.
fn owe_test(writing: &mut Writing<'_>, place: &HookPlace, now: Timestamp) -> Result<ChangeId> {
    let Some(listener) = Listener::one(writing.connection, &writing.memory.damages, place.hook)? else {
        return Err(Fault::DamagedHook(place.hook).into());
    };
    let change = of_hook(ChangeType::HookTest, place.hook, now);
    let tidings = journal::append(writing, place.account, now, &change)?;
    if listener.behind.is_none() {
        let mut touched = Touched::default();
        queue::append(writing, &listener, &tidings, now, &mut touched)?;
        touched.refresh(writing)?;
    }
    let mut select = writing.prepare("SELECT id FROM changes WHERE sequence = ?1")?;
    Ok(select.query_row([tidings.number], |row| get(row, 0))?)
}

/// Puts the hook back to that place of the journal; `catch_up` owes it what comes from there.
fn replay(writing: &mut Writing<'_>, hook: HookId, from: ReplayFrom) -> Result<()> {
    let after = match from {
        ReplayFrom::After(number) => number,
        ReplayFrom::Time(time) => journal::before(writing.connection, time)?,
    };
    let sql = "UPDATE hooks SET behind = MIN(COALESCE(behind, ?2), ?2) WHERE id = ?1";
    writing.prepare(sql)?.execute([hook.0, after])?;
    Ok(())
}

fn refresh(writing: &Writing<'_>, hook: HookId) -> Result<()> {
    let mut touched = Touched::default();
    touched.hook(hook);
    touched.refresh(writing)
}
