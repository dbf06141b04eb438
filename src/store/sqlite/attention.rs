//! Instances in a passing state that somebody waits for: a hook of the account matches the change when they leave that
//! state.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::{Passing, Result};
use super::columns::{get, kind_number, state_number};
use super::damage::{Key, Reading, Source};
use super::listeners::Listeners;
use crate::model::{AccountId, Kind, MOST_IDS, ResourceId, State, Timestamp};

/// By the hooks that the writer has in memory: no poll reads them all.
pub(super) fn awaited(
    reading: &Connection,
    (account, listeners): (AccountId, &Listeners),
    passing: &[Passing],
    since: Timestamp,
) -> Result<Vec<ResourceId>> {
    let mut awaited = Vec::new();
    for instance in passing {
        let is_heard = listeners.await_leaving(instance) || is_tracked(reading, account, &instance.id)?;
        if is_heard && !passes_since_long(reading, account, instance, since)? {
            awaited.push(instance.id.clone());
            if awaited.len() > MOST_IDS {
                break;
            }
        }
    }
    Ok(awaited)
}

/// How many instances that pass are looked at: where more do at once, these tell enough.
const MOST_PASSING: u32 = 10_000;

pub(super) fn passing(reading: &Reading<'_>, account: AccountId) -> Result<Vec<Passing>> {
    // In the words of the index.
    let mut select = reading.prepare_cached(
        "SELECT r.id, b.realm, r.state, r.account, r.kind
         FROM resources r INDEXED BY resources_passing CROSS JOIN bodies b ON b.id = r.body
         WHERE r.account = ?1 AND r.kind = 0 AND r.state IN (0, 2, 4) LIMIT ?2",
    )?;
    let source = Source { table: "resources", account: Some(account), key: Key::Columns(&[3, 4, 0]) };
    let rows = select.query(params![account.0, MOST_PASSING])?;
    let (passing, _) = reading.damages.rows(source, rows, |row| {
        let state: State = get(row, 2)?;
        Ok((get(row, 0)?, row.get(1)?, state))
    })?;
    let mut found = Vec::new();
    for row in passing {
        if let (id, realm, State::Instance(state)) = row {
            found.push(Passing { id, realm, state });
        }
    }
    Ok(found)
}

fn is_tracked(reading: &Connection, account: AccountId, id: &ResourceId) -> Result<bool> {
    let mut select = reading.prepare_cached(
        "SELECT 1 FROM hooks WHERE account = ?1 AND kind = ?2 AND resource = ?3 AND status = 'active'",
    )?;
    Ok(select.exists(params![account.0, kind_number(Kind::Instance), id.as_str()])?)
}

/// Whether it was in that very state at that time already. One that the store does not have so came into it just now.
fn passes_since_long(reading: &Connection, account: AccountId, instance: &Passing, since: Timestamp) -> Result<bool> {
    let mut select = reading.prepare_cached(
        "SELECT b.state_since FROM resources r JOIN bodies b ON b.id = r.body
         WHERE r.account = ?1 AND r.kind = ?2 AND r.id = ?3 AND r.state = ?4",
    )?;
    let state = state_number(State::Instance(instance.state));
    let place = params![account.0, kind_number(Kind::Instance), instance.id.as_str(), state];
    let state_since: Option<Timestamp> = select.query_row(place, |row| get(row, 0)).optional()?;
    Ok(state_since.is_some_and(|state_since| state_since < since))
}
