//! Taking in what one poll saw. All of it is one savepoint of one transaction: resources, the changes
//! in the journal, and what hooks are owed for them stand or fall together.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, params};

use super::super::{Missing, PollRecord, Recorded, Result, Upsert};
use super::columns::{kind_number, state_number};
use super::listeners::Listeners;
use super::polls::{check_lease, due_again, millis};
use super::queue::Tidings;
use super::turns::Touched;
use super::writer::Writing;
use super::{attributes, journal, past, queue, reach};
use crate::model::{AccountId, Kind, NewChange, ResourceId, Timestamp};

pub(super) fn record(writing: &mut Writing<'_>, record: PollRecord) -> Result<Recorded> {
    let PollRecord { account, kind, .. } = record;
    check_lease(writing, account, kind, record.lease)?;
    for upsert in &record.upserts {
        put(writing, account, upsert, record.observed_at)?;
    }
    for missing in &record.missing {
        note_missing(writing, account, kind, missing)?;
    }
    let mut gone = HashMap::new();
    for id in &record.removed {
        past::keep(writing, account, kind, id, record.observed_at)?;
        if let Some(last) = remove(writing, account, kind, id)? {
            gone.insert(id, last);
        }
    }
    reach::answered(writing, account, record.now)?;
    let recorded = enter_changes(writing, &record, &gone)?;
    give_back(writing, &record)?;
    Ok(recorded)
}

/// What is told of a resource in the change that says it is gone.
struct LastKnown {
    name: Option<String>,
    realm: Option<String>,
}

fn put(writing: &Writing<'_>, account: AccountId, upsert: &Upsert, observed_at: Timestamp) -> Result<()> {
    let resource = &upsert.resource;
    let (kind, id) = (kind_number(resource.kind()), resource.id().as_str());
    let attributes = attributes::write(resource)?;
    let mut select =
        writing.prepare("SELECT body, fingerprint FROM resources WHERE account = ?1 AND kind = ?2 AND id = ?3")?;
    let known: Option<(i64, i64)> =
        select.query_row(params![account.0, kind, id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    // Seen again after it was missing, it may be as it was before.
    if known.is_some_and(|(_, fingerprint)| fingerprint != upsert.fingerprint.cast_signed()) {
        past::keep(writing, account, resource.kind(), resource.id(), observed_at)?;
    }
    let observed_at = observed_at.as_millis();
    let body = match known {
        Some((body, fingerprint)) => {
            let mut update = writing.prepare(
                "UPDATE bodies SET name = ?2, attributes = ?3,
                 state_since = CASE WHEN ?4 THEN ?5 ELSE state_since END,
                 since = CASE WHEN ?6 THEN ?5 ELSE since END WHERE id = ?1",
            )?;
            let is_another = fingerprint != upsert.fingerprint.cast_signed();
            let state_changed = upsert.state_changed;
            update.execute(params![body, resource.name(), attributes, state_changed, observed_at, is_another])?;
            body
        }
        None => {
            let mut insert = writing.prepare(
                "INSERT INTO bodies (name, attributes, first_seen, state_since, since) VALUES (?1, ?2, ?3, ?3, ?3)",
            )?;
            insert.insert(params![resource.name(), attributes, observed_at])?
        }
    };
    let mut upsert_row = writing.prepare(
        "INSERT INTO resources (account, kind, id, fingerprint, state, missing, seen, body, realm)
         VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8)
         ON CONFLICT (account, kind, id) DO UPDATE
         SET fingerprint = ?4, state = ?5, missing = 0, seen = ?6, realm = ?8",
    )?;
    upsert_row.execute(params![
        account.0,
        kind,
        id,
        upsert.fingerprint.cast_signed(),
        state_number(resource.state()),
        observed_at,
        body,
        resource.realm(),
    ])?;
    Ok(())
}

fn note_missing(writing: &Writing<'_>, account: AccountId, kind: Kind, missing: &Missing) -> Result<()> {
    let mut update =
        writing.prepare("UPDATE resources SET missing = ?4, seen = ?5 WHERE account = ?1 AND kind = ?2 AND id = ?3")?;
    let seen = missing.seen.as_millis();
    update.execute(params![account.0, kind_number(kind), missing.id.as_str(), missing.times, seen])?;
    Ok(())
}

fn remove(writing: &Writing<'_>, account: AccountId, kind: Kind, id: &ResourceId) -> Result<Option<LastKnown>> {
    let mut delete =
        writing.prepare("DELETE FROM resources WHERE account = ?1 AND kind = ?2 AND id = ?3 RETURNING body, realm")?;
    let place = params![account.0, kind_number(kind), id.as_str()];
    let deleted = delete.query_row(place, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((body, realm)) = deleted else { return Ok(None) };
    let body: i64 = body;
    let mut delete = writing.prepare("DELETE FROM bodies WHERE id = ?1 RETURNING name")?;
    let name = delete.query_row([body], |row| row.get(0)).optional()?.flatten();
    Ok(Some(LastKnown { name, realm }))
}

fn enter_changes(
    writing: &mut Writing<'_>,
    record: &PollRecord,
    gone: &HashMap<&ResourceId, LastKnown>,
) -> Result<Recorded> {
    let account = record.account;
    let mut recorded = Recorded::default();
    if record.changes.is_empty() {
        return Ok(recorded);
    }
    // Read now rather than taken from the ticket: a hook that was set while the poll was under way hears
    // of what the poll saw.
    let has_baseline = has_baseline(writing, account, record.kind)?;
    let listeners = Listeners::of(writing, account)?;
    let mut touched = Touched::default();
    for change in &record.changes {
        if !has_baseline && change.change_type.is_created() && !listeners.await_it(writing, change)? {
            continue;
        }
        let known;
        let change = match gone.get(&change.resource) {
            Some(last) => {
                known = with_last_known(change, last);
                &known
            }
            None => change,
        };
        let number = journal::append(writing, account, record.now, change)?;
        recorded.changes += 1;
        recorded.deliveries += queue::owe(writing, &listeners, &Tidings { number, change }, record.now, &mut touched)?;
    }
    touched.refresh(writing)?;
    Ok(recorded)
}

/// Whether there was a complete list of this kind before.
fn has_baseline(writing: &Writing<'_>, account: AccountId, kind: Kind) -> Result<bool> {
    let mut select =
        writing.prepare("SELECT 1 FROM polls WHERE account = ?1 AND kind = ?2 AND last_complete IS NOT NULL")?;
    Ok(select.exists(params![account.0, kind_number(kind)])?)
}

fn with_last_known(change: &NewChange, last: &LastKnown) -> NewChange {
    let mut change = change.clone();
    change.name = change.name.or_else(|| last.name.clone());
    change.realm = change.realm.or_else(|| last.realm.clone());
    change
}

fn give_back(writing: &Writing<'_>, record: &PollRecord) -> Result<()> {
    let due = due_again(writing, record.account, record.kind, record.next_due)?;
    let mut update = writing.prepare(
        "UPDATE polls SET due = ?3, claimed = NULL, asked = NULL, last_attempt = ?4, failures = 0,
         last_complete = CASE WHEN ?5 THEN ?6 ELSE last_complete END,
         listed_by = CASE WHEN ?5 THEN ?10 ELSE listed_by END,
         held = NULL, held_lists = 0, held_order = NULL,
         partial_reason = ?7, last_duration = ?8, requests = requests + ?9
         WHERE account = ?1 AND kind = ?2",
    )?;
    update.execute(params![
        record.account.0,
        kind_number(record.kind),
        due.map(Timestamp::as_millis),
        record.now.as_millis(),
        record.complete,
        record.observed_at.as_millis(),
        record.partial_reason,
        millis(record.duration),
        record.requests,
        record.listed_by,
    ])?;
    Ok(())
}
