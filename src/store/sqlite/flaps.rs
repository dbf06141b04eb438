//! Flapping: the recent state changes of realms and providers, and which of these are damped.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{Result, Seen};
use super::columns::{Times, get, state_number, subject_number};
use super::damage::{Damages, Key, Reading, Source};
use super::writing::Writing;
use crate::model::flapping::{Damped, Damping, Flaps, Flip};
use crate::model::{
    AccountId, ChangeType, Details, Flapping, NewChange, RealmState, ResourceId, State, Subject, Timestamp,
};

/// What flaps.
#[derive(Clone, Copy)]
pub(super) struct Flapper<'a> {
    pub(super) account: AccountId,
    pub(super) subject: Subject,
    pub(super) id: &'a ResourceId,
}

/// Whether a change of the list of realms is to be told; completes it where damping begins or ends with it.
pub(super) fn is_told(
    writing: &Writing<'_>,
    account: AccountId,
    change: &mut NewChange,
    observed_at: Timestamp,
    damping: &Damping,
) -> Result<bool> {
    let flapper = Flapper { account, subject: Subject::Realm, id: &change.resource };
    match (change.change_type, change.new_state) {
        (ChangeType::RealmState, Some(state)) => match flip(writing, flapper, observed_at, state, damping)? {
            Flip::Told => {}
            Flip::Begins(damped) => change.details = Some(Details::Flapping(flapping(damped, None))),
            Flip::Held => return Ok(false),
        },
        (ChangeType::RealmRemoved, _) => {
            if let Some(damped) = forget(writing, flapper)? {
                change.old_state = Some(damped.told);
                change.passed_over = true;
            }
        }
        _ => {}
    }
    Ok(true)
}

/// The account's realms that are damped.
pub(super) fn damped_realms(writing: &Writing<'_>, account: AccountId) -> Result<Vec<ResourceId>> {
    let mut select = writing
        .prepare("SELECT account, kind, id FROM flaps WHERE account = ?1 AND kind = ?2 AND damped IS NOT NULL")?;
    let source = Source { key: Key::Columns(&[0, 1, 2]), ..source(account) };
    let rows = select.query(params![account.0, subject_number(Subject::Realm)])?;
    Ok(writing.memory.damages.rows(source, rows, |row| get(row, 2))?.0)
}

/// The end of a realm's damping, where it has been in one state for long enough.
pub(super) fn realm_settled(
    writing: &Writing<'_>,
    account: AccountId,
    id: ResourceId,
    observed_at: Timestamp,
    damping: &Damping,
) -> Result<Option<NewChange>> {
    let flapper = Flapper { account, subject: Subject::Realm, id: &id };
    let Some(flaps) = read(writing, flapper)? else { return Ok(None) };
    let Some(damped) = settle(writing, flapper, flaps, observed_at, damping)? else { return Ok(None) };
    let mut select = writing.prepare(
        "SELECT r.state, b.name FROM resources r JOIN bodies b ON b.id = r.body
         WHERE r.account = ?1 AND r.kind = ?2 AND r.id = ?3",
    )?;
    let place = params![account.0, subject_number(Subject::Realm), id.as_str()];
    let realm = select.query_row(place, |row| Ok((get(row, 0)?, row.get(1)?))).optional()?;
    let Some((state, name)) = realm else { return Ok(None) };
    let ended = ended(ChangeType::RealmState, Subject::Realm, id, damped, state, observed_at);
    Ok(Some(NewChange { name, ..ended }))
}

/// Takes down that the state became another, and says what of that is to be told.
pub(super) fn flip(
    writing: &Writing<'_>,
    flapper: Flapper<'_>,
    at: Timestamp,
    state: State,
    damping: &Damping,
) -> Result<Flip> {
    let mut flaps = read(writing, flapper)?.unwrap_or_default();
    let flip = flaps.flip(at, state, damping);
    keep(writing, flapper, &flaps)?;
    Ok(flip)
}

/// The end of the damping of the account's provider, if there is one.
pub(super) fn provider_settled(
    writing: &Writing<'_>,
    account: AccountId,
    state: RealmState,
    now: Timestamp,
    damping: &Damping,
) -> Result<Option<NewChange>> {
    let settled = settled(writing, account, Subject::Provider, now, damping)?;
    Ok(settled
        .into_iter()
        .next()
        .map(|(id, damped)| ended(ChangeType::ProviderState, Subject::Provider, id, damped, State::Realm(state), now)))
}

/// What a damping was, or is since it began, for readers.
pub(super) fn flapping(damped: Damped, until: Option<Timestamp>) -> Flapping {
    Flapping { damped_since: damped.since, damped_until: until, flips: damped.flips }
}

fn ended(
    change_type: ChangeType,
    subject: Subject,
    resource: ResourceId,
    damped: Damped,
    state: State,
    now: Timestamp,
) -> NewChange {
    NewChange {
        change_type,
        subject,
        resource,
        name: None,
        realm: None,
        old_state: Some(damped.told),
        new_state: Some(state),
        observed_after: Some(damped.since),
        observed_at: now,
        passed_over: true,
        details: Some(Details::Flapping(flapping(damped, Some(now)))),
    }
}

/// What was damped and has settled, which is then no longer damped.
fn settled(
    writing: &Writing<'_>,
    account: AccountId,
    subject: Subject,
    now: Timestamp,
    damping: &Damping,
) -> Result<Vec<(ResourceId, Damped)>> {
    let damped = all(writing.connection, &writing.memory.damages, account, subject)?;
    let mut settled = Vec::new();
    for (id, flaps) in damped {
        let over = settle(writing, Flapper { account, subject, id: &id }, flaps, now, damping)?;
        settled.extend(over.map(|damped| (id, damped)));
    }
    Ok(settled)
}

/// How it was damped, if it is no longer.
fn settle(
    writing: &Writing<'_>,
    flapper: Flapper<'_>,
    mut flaps: Flaps,
    now: Timestamp,
    damping: &Damping,
) -> Result<Option<Damped>> {
    let before = flaps.clone();
    let over = flaps.settle(now, damping);
    if flaps != before {
        keep(writing, flapper, &flaps)?;
    }
    Ok(over)
}

/// What of an account is damped.
fn all(
    reading: &Connection,
    damages: &Damages,
    account: AccountId,
    subject: Subject,
) -> Result<Vec<(ResourceId, Flaps)>> {
    let mut select = reading.prepare_cached(
        "SELECT times, damped, told, flips, id, kind, account
         FROM flaps WHERE account = ?1 AND kind = ?2 AND damped IS NOT NULL",
    )?;
    let rows = select.query(params![account.0, subject_number(subject)])?;
    Ok(damages.rows(source(account), rows, |row| Ok((get(row, 4)?, read_flaps(row)?)))?.0)
}

/// Shows of the realms of a list which are damped.
pub(super) fn show(reading: &Reading<'_>, account: AccountId, seen: &mut [Seen]) -> Result<()> {
    for (id, flaps) in all(reading, reading.damages, account, Subject::Realm)? {
        if let Some(realm) = seen.iter_mut().find(|seen| *seen.resource.id() == id) {
            realm.flapping = flaps.damped.map(|damped| flapping(damped, None));
        }
    }
    Ok(())
}

/// How the account's provider is damped, if it is.
pub(super) fn provider(reading: &Reading<'_>, account: AccountId) -> Result<Option<Flapping>> {
    let damped = all(reading, reading.damages, account, Subject::Provider)?;
    Ok(damped.into_iter().find_map(|(_, flaps)| flaps.damped).map(|damped| flapping(damped, None)))
}

fn read(writing: &Writing<'_>, flapper: Flapper<'_>) -> Result<Option<Flaps>> {
    let mut select = writing.prepare(
        "SELECT times, damped, told, flips, id, kind, account FROM flaps WHERE account = ?1 AND kind = ?2 AND id = ?3",
    )?;
    let place = params![flapper.account.0, subject_number(flapper.subject), flapper.id.as_str()];
    let found = select.query_row(place, |row| writing.memory.damages.read(source(flapper.account), row, read_flaps));
    Ok(found.optional()?.flatten())
}

fn source(account: AccountId) -> Source<'static> {
    Source { table: "flaps", account: Some(account), key: Key::Columns(&[6, 5, 4]) }
}

fn read_flaps(row: &Row<'_>) -> rusqlite::Result<Flaps> {
    let Times(times) = get(row, 0)?;
    let damped = match get(row, 1)? {
        Some(since) => Some(Damped { since, told: get(row, 2)?, flips: row.get(3)? }),
        None => None,
    };
    Ok(Flaps { times, damped })
}

fn keep(writing: &Writing<'_>, flapper: Flapper<'_>, flaps: &Flaps) -> Result<()> {
    if flaps.times.is_empty() {
        return forget(writing, flapper).map(drop);
    }
    let mut upsert = writing.prepare(
        "INSERT INTO flaps (account, kind, id, times, damped, told, flips) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (account, kind, id) DO UPDATE SET
         times = excluded.times, damped = excluded.damped, told = excluded.told, flips = excluded.flips",
    )?;
    upsert.execute(params![
        flapper.account.0,
        subject_number(flapper.subject),
        flapper.id.as_str(),
        Times::write(&flaps.times),
        flaps.damped.map(|damped| damped.since.as_millis()),
        flaps.damped.map(|damped| state_number(damped.told)),
        flaps.damped.map_or(0, |damped| damped.flips),
    ])?;
    Ok(())
}

/// Forgets how it flapped, and gives how it was damped.
fn forget(writing: &Writing<'_>, flapper: Flapper<'_>) -> Result<Option<Damped>> {
    let flaps = read(writing, flapper)?;
    if flaps.is_some() {
        let mut delete = writing.prepare("DELETE FROM flaps WHERE account = ?1 AND kind = ?2 AND id = ?3")?;
        delete.execute(params![flapper.account.0, subject_number(flapper.subject), flapper.id.as_str()])?;
    }
    Ok(flaps.and_then(|flaps| flaps.damped))
}
