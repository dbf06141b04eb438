//! Reachability of an account's provider. When it becomes unreachable, and when it is back, a change is recorded like
//! any other; its realms and instances keep their last known state.

use rusqlite::{OptionalExtension, params};

use super::super::Result;
use super::columns::get;
use super::flaps::Flapper;
use super::listeners::Listeners;
use super::turns::Touched;
use super::writing::Writing;
use super::{flaps, journal, queue};
use crate::model::flapping::{Damping, Flip};
use crate::model::{AccountId, ChangeType, Details, NewChange, RealmState, ResourceId, State, Subject, Timestamp};

/// Takes down that the provider answered.
pub(super) fn answered(writing: &mut Writing<'_>, account: AccountId, now: Timestamp, damping: &Damping) -> Result<()> {
    // Nearly always there is nothing to take back, and then nothing is written.
    let mut select = writing.prepare("SELECT unreachable FROM accounts WHERE id = ?1 AND unanswered > 0")?;
    let since: Option<Option<Timestamp>> =
        select.query_row([account.0], |row| Ok(get(row, 0).unwrap_or_default())).optional()?;
    drop(select);
    let Some(since) = since else { return settle(writing, account, RealmState::Available, now, damping) };
    let mut update = writing.prepare("UPDATE accounts SET unanswered = 0, unreachable = NULL WHERE id = ?1")?;
    update.execute([account.0])?;
    drop(update);
    match since {
        Some(since) => tell(writing, account, RealmState::Available, Some(since), now, damping),
        None => settle(writing, account, RealmState::Available, now, damping),
    }
}

/// Takes down that it gave no answer, for the time that makes it unreachable or for one before or after.
pub(super) fn failed(
    writing: &mut Writing<'_>,
    account: AccountId,
    after: u32,
    now: Timestamp,
    damping: &Damping,
) -> Result<()> {
    let mut update = writing.prepare(
        "UPDATE accounts SET unanswered = MIN(unanswered, 1 << 30) + 1,
         unreachable = CASE WHEN unreachable IS NULL AND unanswered + 1 >= ?2 THEN ?3 ELSE unreachable END
         WHERE id = ?1 RETURNING unreachable IS NOT NULL, unreachable = ?3 AND unanswered = MAX(?2, 1)",
    )?;
    let place = params![account.0, after, now.as_millis()];
    let reach: Option<(bool, Option<bool>)> =
        update.query_row(place, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    drop(update);
    match reach {
        Some((true, Some(true))) => {}
        Some((true, _)) => return settle(writing, account, RealmState::Unavailable, now, damping),
        _ => return Ok(()),
    }
    let mut select = writing.prepare("SELECT MAX(last_complete) FROM polls WHERE account = ?1")?;
    let seen: Option<Timestamp> = select.query_row([account.0], |row| get(row, 0))?;
    drop(select);
    tell(writing, account, RealmState::Unavailable, seen, now, damping)
}

/// Tells what became of a provider that was damped, once it has been like this for long enough.
fn settle(
    writing: &mut Writing<'_>,
    account: AccountId,
    state: RealmState,
    now: Timestamp,
    damping: &Damping,
) -> Result<()> {
    match flaps::provider_settled(writing, account, state, now, damping)? {
        Some(change) => enter(writing, account, &change, now),
        None => Ok(()),
    }
}

fn tell(
    writing: &mut Writing<'_>,
    account: AccountId,
    state: RealmState,
    observed_after: Option<Timestamp>,
    now: Timestamp,
    damping: &Damping,
) -> Result<()> {
    let mut select = writing.prepare("SELECT provider FROM accounts WHERE id = ?1")?;
    let provider: String = select.query_row([account.0], |row| row.get(0))?;
    drop(select);
    let before = match state {
        RealmState::Available => RealmState::Unavailable,
        RealmState::Unavailable => RealmState::Available,
    };
    let resource = ResourceId::made_of(&provider);
    let flapper = Flapper { account, subject: Subject::Provider, id: &resource };
    let details = match flaps::flip(writing, flapper, now, State::Realm(state), damping)? {
        Flip::Told => None,
        Flip::Begins(damped) => Some(Details::Flapping(flaps::flapping(damped, None))),
        Flip::Held => return Ok(()),
    };
    let change = NewChange {
        change_type: ChangeType::ProviderState,
        subject: Subject::Provider,
        resource,
        name: None,
        realm: None,
        old_state: Some(State::Realm(before)),
        new_state: Some(State::Realm(state)),
        observed_after,
        observed_at: now,
        passed_over: false,
        details,
    };
    enter(writing, account, &change, now)
}

fn enter(writing: &mut Writing<'_>, account: AccountId, change: &NewChange, now: Timestamp) -> Result<()> {
    let tidings = journal::append(writing, account, now, change)?;
    let listeners = Listeners::of(writing, account)?;
    let mut touched = Touched::default();
    queue::owe(writing, &listeners, &tidings, now, &mut touched)?;
    touched.refresh(writing)
}
