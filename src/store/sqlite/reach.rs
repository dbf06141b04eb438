//! Whether an account's provider can be reached at all. That it came to be out of reach, and that it is back, are
//! changes like any other: what is known of its realms and instances stays as it is.

use rusqlite::{OptionalExtension, params};

use super::super::Result;
use super::columns::get;
use super::listeners::Listeners;
use super::queue::Tidings;
use super::turns::Touched;
use super::writer::Writing;
use super::{journal, queue};
use crate::model::{AccountId, ChangeType, NewChange, RealmState, ResourceId, State, Subject, Timestamp};

/// Takes down that the provider answered.
pub(super) fn answered(writing: &mut Writing<'_>, account: AccountId, now: Timestamp) -> Result<()> {
    // Nearly always there is nothing to take back, and then nothing is written.
    let mut select = writing.prepare("SELECT unreachable FROM accounts WHERE id = ?1 AND unanswered > 0")?;
    let since: Option<Option<Timestamp>> = select.query_row([account.0], |row| get(row, 0)).optional()?;
    drop(select);
    let Some(since) = since else { return Ok(()) };
    let mut update = writing.prepare("UPDATE accounts SET unanswered = 0, unreachable = NULL WHERE id = ?1")?;
    update.execute([account.0])?;
    drop(update);
    match since {
        Some(since) => tell(writing, account, RealmState::Available, Some(since), now),
        None => Ok(()),
    }
}

/// Takes down that it gave no answer, for the time that makes it unreachable or for one before or after.
pub(super) fn failed(writing: &mut Writing<'_>, account: AccountId, after: u32, now: Timestamp) -> Result<()> {
    let mut update = writing.prepare(
        "UPDATE accounts SET unanswered = unanswered + 1,
         unreachable = CASE WHEN unreachable IS NULL AND unanswered + 1 >= ?2 THEN ?3 ELSE unreachable END
         WHERE id = ?1 RETURNING unreachable = ?3 AND unanswered = MAX(?2, 1)",
    )?;
    let newly: Option<Option<bool>> =
        update.query_row(params![account.0, after, now.as_millis()], |row| row.get(0)).optional()?;
    drop(update);
    if newly.flatten() != Some(true) {
        return Ok(());
    }
    let mut select = writing.prepare("SELECT MAX(last_complete) FROM polls WHERE account = ?1")?;
    let seen: Option<Timestamp> = select.query_row([account.0], |row| get(row, 0))?;
    drop(select);
    tell(writing, account, RealmState::Unavailable, seen, now)
}

fn tell(
    writing: &mut Writing<'_>,
    account: AccountId,
    state: RealmState,
    observed_after: Option<Timestamp>,
    now: Timestamp,
) -> Result<()> {
    let mut select = writing.prepare("SELECT provider FROM accounts WHERE id = ?1")?;
    let provider: String = select.query_row([account.0], |row| row.get(0))?;
    drop(select);
    let before = match state {
        RealmState::Available => RealmState::Unavailable,
        RealmState::Unavailable => RealmState::Available,
    };
    let change = NewChange {
        change_type: ChangeType::ProviderState,
        subject: Subject::Provider,
        resource: ResourceId::made_of(&provider),
        name: None,
        realm: None,
        old_state: Some(State::Realm(before)),
        new_state: Some(State::Realm(state)),
        observed_after,
        observed_at: now,
        passed_over: false,
        details: None,
    };
    let number = journal::append(writing, account, now, &change)?;
    let listeners = Listeners::of(writing, account)?;
    let mut touched = Touched::default();
    queue::owe(writing, &listeners, &Tidings { number, change: &change }, now, &mut touched)?;
    touched.refresh(writing)
}
