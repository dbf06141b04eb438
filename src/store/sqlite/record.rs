//! Taking in what one poll saw. All of it is one savepoint of one transaction: resources, the changes
//! in the journal, and what hooks are owed for them stand or fall together.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, params};

use super::super::{Breadth, Missing, PollRecord, Recorded, Result, Upsert};
use super::accounts::note_budget;
use super::columns::{get, kind_number, state_number};
use super::listeners::Listeners;
use super::past::Standing;
use super::polls::{check_lease, due_again, millis};
use super::queue::Tidings;
use super::turns::Touched;
use super::writer::Writing;
use super::{attributes, flaps, journal, past, queue, reach};
use crate::model::{AccountId, Kind, NewChange, Resource, ResourceId, Timestamp};

pub(super) fn record(writing: &mut Writing<'_>, record: PollRecord) -> Result<Recorded> {
    let PollRecord { account, kind, .. } = record;
    check_lease(writing, account, kind, record.lease)?;
    let listed = Listed { account, kind, last_complete: record.since, at: record.observed_at };
    for upsert in &record.upserts {
        listed.put(writing, upsert)?;
    }
    for missing in &record.missing {
        note_missing(writing, account, kind, missing)?;
    }
    let mut gone = HashMap::new();
    for id in &record.removed {
        if let Some(last) = listed.remove(writing, id)? {
            gone.insert(id, last);
        }
    }
    reach::answered(writing, account, record.now, &record.damping)?;
    let recorded = enter_changes(writing, &record, &gone)?;
    give_back(writing, &record)?;
    Ok(recorded)
}

/// What is told of a resource in the change that says it is gone.
struct LastKnown {
    name: Option<String>,
    realm: Option<String>,
}

/// The list that is taken in.
struct Listed {
    account: AccountId,
    kind: Kind,
    /// When the last one before it came that would have shown what is stored as another.
    last_complete: Option<Timestamp>,
    at: Timestamp,
}

/// What stands in `resources`, and beside it in its body.
struct Known {
    fingerprint: i64,
    state: i64,
    seen: Timestamp,
    body: i64,
    first_seen: i64,
    state_since: i64,
    since: Timestamp,
}

impl Listed {
    fn put(&self, writing: &Writing<'_>, upsert: &Upsert) -> Result<()> {
        let resource = &upsert.resource;
        let (account, kind, id) = (self.account.0, kind_number(resource.kind()), resource.id().as_str());
        let at = self.at.as_millis();
        let (fingerprint, state) = (upsert.fingerprint.cast_signed(), state_number(resource.state()));
        let Some(known) = self.known(writing, resource.id())? else {
            let body = Body { first_seen: at, state_since: at, since: at };
            let body = body.insert(writing, resource)?;
            let mut insert = writing.prepare(
                "INSERT INTO resources (account, kind, id, fingerprint, state, missing, seen, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7)",
            )?;
            insert.execute(params![account, kind, id, fingerprint, state, at, body])?;
            return Ok(());
        };
        let mut body = known.body;
        // Seen again after it was missing, it may be as it was before.
        if known.fingerprint != fingerprint {
            self.put_aside(writing, resource.id(), &known)?;
            let state_since = if upsert.state_changed { at } else { known.state_since };
            body = Body { first_seen: known.first_seen, state_since, since: at }.insert(writing, resource)?;
        }
        let mut update = writing.prepare(
            "UPDATE resources SET fingerprint = ?4, state = ?5, missing = 0, seen = ?6, body = ?7
             WHERE account = ?1 AND kind = ?2 AND id = ?3",
        )?;
        update.execute(params![account, kind, id, fingerprint, state, at, body])?;
        Ok(())
    }

    fn known(&self, writing: &Writing<'_>, id: &ResourceId) -> Result<Option<Known>> {
        let mut select = writing.prepare(
            "SELECT r.fingerprint, r.state, r.seen, r.missing, r.body, b.first_seen, b.state_since, b.since
             FROM resources r JOIN bodies b ON b.id = r.body WHERE r.account = ?1 AND r.kind = ?2 AND r.id = ?3",
        )?;
        let known = select.query_row(params![self.account.0, kind_number(self.kind), id.as_str()], |row| {
            let seen: Timestamp = get(row, 2)?;
            let missing: i64 = row.get(3)?;
            Ok(Known {
                fingerprint: row.get(0)?,
                state: row.get(1)?,
                // Nothing is written of what a complete list shows unchanged: the list's own time stands for it.
                seen: self.last_complete.filter(|_| missing == 0).map_or(seen, |complete| complete.max(seen)),
                body: row.get(4)?,
                first_seen: row.get(5)?,
                state_since: row.get(6)?,
                since: get(row, 7)?,
            })
        });
        Ok(known.optional()?)
    }

    fn put_aside(&self, writing: &Writing<'_>, id: &ResourceId, known: &Known) -> Result<()> {
        let standing = Standing {
            account: self.account,
            kind: self.kind,
            id,
            state: known.state,
            seen: known.seen,
            body: known.body,
            since: known.since,
        };
        past::keep(writing, &standing, self.at)
    }

    fn remove(&self, writing: &Writing<'_>, id: &ResourceId) -> Result<Option<LastKnown>> {
        let Some(known) = self.known(writing, id)? else { return Ok(None) };
        let mut select = writing.prepare("SELECT name, realm FROM bodies WHERE id = ?1")?;
        let last = select.query_row([known.body], |row| Ok(LastKnown { name: row.get(0)?, realm: row.get(1)? }))?;
        self.put_aside(writing, id, &known)?;
        let mut delete = writing.prepare("DELETE FROM resources WHERE account = ?1 AND kind = ?2 AND id = ?3")?;
        delete.execute(params![self.account.0, kind_number(self.kind), id.as_str()])?;
        Ok(Some(last))
    }
}

/// The times that stand in a body, in milliseconds.
struct Body {
    first_seen: i64,
    state_since: i64,
    since: i64,
}

impl Body {
    fn insert(&self, writing: &Writing<'_>, resource: &Resource) -> Result<i64> {
        let mut insert = writing.prepare(
            "INSERT INTO bodies (name, realm, first_seen, state_since, since, attributes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let Body { first_seen, state_since, since } = self;
        let attributes = attributes::write(resource)?;
        Ok(insert.insert(params![resource.name(), resource.realm(), first_seen, state_since, since, attributes])?)
    }
}

fn note_missing(writing: &Writing<'_>, account: AccountId, kind: Kind, missing: &Missing) -> Result<()> {
    let mut update =
        writing.prepare("UPDATE resources SET missing = ?4, seen = ?5 WHERE account = ?1 AND kind = ?2 AND id = ?3")?;
    let seen = missing.seen.as_millis();
    update.execute(params![account.0, kind_number(kind), missing.id.as_str(), missing.times, seen])?;
    Ok(())
}

fn enter_changes(
    writing: &mut Writing<'_>,
    record: &PollRecord,
    gone: &HashMap<&ResourceId, LastKnown>,
) -> Result<Recorded> {
    let account = record.account;
    let mut recorded = Recorded::default();
    let damped;
    let changes = match record.kind {
        Kind::Instance => &record.changes,
        Kind::Realm => {
            damped = flaps::damped(writing, record)?;
            &damped
        }
    };
    if changes.is_empty() {
        return Ok(recorded);
    }
    // Read now rather than taken from the ticket: a hook that was set while the poll was under way hears
    // of what the poll saw.
    let has_baseline = has_baseline(writing, account, record.kind)?;
    let listeners = Listeners::of(writing, account)?;
    let mut touched = Touched::default();
    for change in changes {
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
         last_full = CASE WHEN ?5 AND ?14 THEN ?6 ELSE last_full END,
         unconfirmed = CASE WHEN ?5 AND ?14 THEN ?15 ELSE unconfirmed END,
         listed_by = CASE WHEN ?5 THEN ?10 ELSE listed_by END,
         held = NULL, held_lists = 0, held_order = NULL, put_off = NULL, every = ?11, pace = ?12,
         changed = CASE WHEN ?13 THEN ?6 ELSE COALESCE(changed, ?6) END,
         partial_reason = ?7, last_duration = ?8, requests = requests + ?9, last_requests = ?9
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
        millis(record.pace.every),
        record.pace.reason.as_str(),
        record.shows_something_new(),
        record.breadth == Breadth::Full,
        !record.missing.is_empty(),
    ])?;
    note_budget(writing, record.account, record.budget)?;
    Ok(())
}
