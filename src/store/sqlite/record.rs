//! Records a poll in steps, with other writes between them. A step is one savepoint of one transaction. A resource, its
//! change in the journal and the deliveries of that change are in the same step: they commit together or not at all.
//!
//! A host may die between any two steps. The recorded part is then known to the next poll, which finds the rest by
//! comparing. Facts about the list as a whole take effect with the last step: that it came, which is also the baseline,
//! and that something was missing from it. A row says which poll marked a resource as missing, and `polls.recorded`
//! says which poll was recorded completely. If a gap or a mass change was reported by then, the row of the poll says
//! so.

use std::collections::VecDeque;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params};

use super::super::{Again, Breadth, Missing, PollRecord, Recorded, Removed, Result, Transition, Upsert, Upserts};
use super::accounts::note_budget;
use super::columns::{get, kind_number, millis, state_number};
use super::due_polls::{check_lease, due_again};
use super::fair_pool::Flow;
use super::listeners::Listeners;
use super::past::Standing;
use super::turns::Touched;
use super::writing::Writing;
use super::{SqliteStore, attributes, damage, flaps, journal, mass_changes, past, queue, reach, wanted};
use crate::clock::Stopwatch;
use crate::model::{AccountId, ChangeType, Kind, NewChange, Resource, ResourceId, Timestamp};

/// For how long a poll is still held after one of its steps: longer than the next one may have to wait for its turn.
const HELD_BETWEEN_STEPS: Duration = Duration::from_secs(60);

pub(super) async fn record(store: &SqliteStore, mut record: PollRecord) -> Result<Recorded> {
    let mut listed = std::mem::take(&mut record.upserts);
    let flow = Flow::Account(record.account);
    let mut recording = Recording::new(record, &listed, store.step_rows);
    loop {
        recording.load(&mut listed);
        recording = store
            .write_step(flow.clone(), move |writing| {
                recording.step(writing)?;
                Ok(recording)
            })
            .await?;
        if recording.is_ended {
            return Ok(recording.recorded);
        }
    }
}

/// A poll that is being recorded.
struct Recording {
    /// But for what is in the queues below.
    record: PollRecord,
    listed: Listed,
    shows_something_new: bool,
    misses_something: bool,
    changes: VecDeque<NewChange>,
    /// The next of the list; the others are not held here.
    upserts: VecDeque<Upsert>,
    is_more_listed: bool,
    missing: VecDeque<Missing>,
    removed: VecDeque<Removed>,
    /// Realms whose damping may have ended; read once all else is recorded.
    damped: Option<VecDeque<ResourceId>>,
    /// How many rows a step takes at most.
    rows: usize,
    stopwatch: Stopwatch,
    /// By how much the clock was set since the host started, when this began.
    clock_set: Option<i64>,
    recorded: Recorded,
    is_ended: bool,
}

/// How the work of a step goes on.
enum Next {
    Row,
    /// More of the list is to be loaded first.
    Load,
    End,
}

impl Recording {
    fn new(mut record: PollRecord, upserts: &Upserts, rows: usize) -> Recording {
        let PollRecord { account, kind, since, observed_at, .. } = record;
        let (missing, removed) = (std::mem::take(&mut record.missing), std::mem::take(&mut record.removed));
        let changes = std::mem::take(&mut record.changes);
        Recording {
            listed: Listed { account, kind, last_complete: since, at: observed_at },
            shows_something_new: !(upserts.is_empty() && missing.is_empty() && removed.is_empty()),
            misses_something: !missing.is_empty(),
            changes: changes.into(),
            upserts: VecDeque::new(),
            is_more_listed: false,
            missing: missing.into(),
            removed: removed.into(),
            damped: None,
            rows: rows.max(1),
            stopwatch: Stopwatch::start(),
            clock_set: None,
            recorded: Recorded::default(),
            is_ended: false,
            record,
        }
    }

    /// Takes as much of the list as one step can record.
    fn load(&mut self, listed: &mut Upserts) {
        let room = self.rows.saturating_sub(self.upserts.len());
        self.upserts.extend(listed.by_ref().take(room));
        self.is_more_listed = !listed.is_empty();
    }

    fn step(&mut self, writing: &mut Writing<'_>) -> Result<()> {
        let PollRecord { account, kind, lease, now, .. } = self.record;
        check_lease(writing, account, kind, lease)?;
        // In each step: until it is told, a mass change can be answered.
        mass_changes::check_answer(writing, account, kind, self.record.decision)?;
        if self.shows_something_new || !self.changes.is_empty() {
            writing.memory.bounds.require_room_for(account)?;
        }
        if self.clock_set.is_none() {
            self.clock_set = Some(writing.memory.clock_set);
            reach::answered(writing, account, now, &self.record.damping)?;
        }
        let mut step = Step::default();
        for _ in 0..self.rows {
            match self.record_next(writing, &mut step)? {
                Next::Row if writing.is_turn_over() => break,
                Next::Row => {}
                Next::Load => break,
                Next::End => {
                    self.give_back(writing)?;
                    self.is_ended = true;
                    break;
                }
            }
        }
        if !self.is_ended {
            self.hold_on(writing, &step)?;
        }
        step.touched.refresh(writing)
    }

    fn record_next(&mut self, writing: &mut Writing<'_>, step: &mut Step) -> Result<Next> {
        if let Some(change) = self.changes.pop_front() {
            step.tells_gap |= change.change_type == ChangeType::TrackerGap;
            step.tells_mass_change |= change.change_type == ChangeType::TrackerMassChange;
            self.enter(writing, step, change)?;
        } else if let Some(upsert) = self.upserts.pop_front() {
            self.listed.put(writing, &upsert)?;
            if let Some(change) = upsert.change {
                let change = self.change(change, &upsert.resource);
                self.enter(writing, step, change)?;
            }
        } else if self.is_more_listed {
            return Ok(Next::Load);
        } else if let Some(missing) = self.missing.pop_front() {
            self.note_missing(writing, &missing)?;
        } else if let Some(removed) = self.removed.pop_front() {
            let last = self.listed.remove(writing, &removed.id)?.unwrap_or_default();
            if let Some(change) = removed.change {
                let change = self.change_of(change, removed.id, last);
                self.enter(writing, step, change)?;
            }
        } else if let Some(realm) = self.next_damped(writing)? {
            if let Some(change) = flaps::realm_settled(
                writing,
                self.record.account,
                realm,
                self.record.observed_at,
                &self.record.damping,
            )? {
                self.append(writing, step, &change)?;
            }
        } else {
            return Ok(Next::End);
        }
        Ok(Next::Row)
    }

    /// The next realm that is damped, where it can be told from the list how it is.
    fn next_damped(&mut self, writing: &Writing<'_>) -> Result<Option<ResourceId>> {
        if self.record.kind != Kind::Realm || !self.record.complete {
            return Ok(None);
        }
        let damped = match &mut self.damped {
            Some(damped) => damped,
            none => none.insert(flaps::damped_realms(writing, self.record.account)?.into()),
        };
        Ok(damped.pop_front())
    }

    fn change(&self, change: Transition, resource: &Resource) -> NewChange {
        let (name, realm) = (resource.name().map(str::to_owned), resource.realm().map(str::to_owned));
        self.change_of(change, resource.id().clone(), LastKnown { name, realm })
    }

    fn change_of(&self, change: Transition, resource: ResourceId, known: LastKnown) -> NewChange {
        NewChange {
            change_type: change.change_type,
            subject: self.record.kind.into(),
            resource,
            name: known.name,
            realm: known.realm,
            old_state: change.old_state,
            new_state: Some(change.new_state),
            observed_after: change.observed_after,
            observed_at: self.record.observed_at,
            passed_over: self.record.passed_over,
            details: None,
        }
    }

    /// Puts a change into the journal, if it is to be told.
    fn enter(&mut self, writing: &mut Writing<'_>, step: &mut Step, mut change: NewChange) -> Result<()> {
        let PollRecord { account, kind, observed_at, ref damping, .. } = self.record;
        if kind == Kind::Realm && !flaps::is_told(writing, account, &mut change, observed_at, damping)? {
            return Ok(());
        }
        if change.change_type.is_created()
            && !step.has_baseline(writing, account, kind)?
            && !step.listeners(writing, account)?.await_it(writing, &change)?
        {
            return Ok(());
        }
        self.append(writing, step, &change)
    }

    fn append(&mut self, writing: &mut Writing<'_>, step: &mut Step, change: &NewChange) -> Result<()> {
        let PollRecord { account, now, .. } = self.record;
        let tidings = journal::append(writing, account, now, change)?;
        self.recorded.changes += 1;
        step.listeners(writing, account)?;
        if let Some(listeners) = &step.listeners {
            self.recorded.deliveries += queue::owe(writing, listeners, &tidings, now, &mut step.touched)?;
        }
        Ok(())
    }

    fn note_missing(&self, writing: &Writing<'_>, missing: &Missing) -> Result<()> {
        let mut update = writing.prepare(
            "UPDATE resources SET missing = ?4, seen = ?5, marked = ?6 WHERE account = ?1 AND kind = ?2 AND id = ?3",
        )?;
        let PollRecord { account, kind, lease, .. } = self.record;
        let seen = missing.seen.as_millis();
        let id = missing.id.as_str();
        match update.execute(params![account.0, kind_number(kind), id, missing.times, seen, lease]) {
            Err(error) if damage::is_of_another_type(&error) => {
                let key = vec![Value::Integer(account.0), Value::Integer(kind_number(kind)), Value::Text(id.into())];
                damage::note_of_another_type(writing, "resources", Some(account), key)?;
            }
            done => drop(done?),
        }
        Ok(())
    }

    /// After a step that is not the last: the poll is held still, and what was told of the list as a whole is noted.
    fn hold_on(&self, writing: &Writing<'_>, step: &Step) -> Result<()> {
        let until = self.record.now.after(self.stopwatch.elapsed() + HELD_BETWEEN_STEPS);
        let mut update = writing.prepare(
            "UPDATE polls SET due = MAX(due, ?3), gap_told = CASE WHEN ?4 THEN ?5 ELSE gap_told END,
             held_told = held_told OR ?6 WHERE account = ?1 AND kind = ?2",
        )?;
        update.execute(params![
            self.record.account.0,
            kind_number(self.record.kind),
            until.as_millis(),
            step.tells_gap,
            self.record.observed_at.as_millis(),
            step.tells_mass_change,
        ])?;
        Ok(())
    }

    fn give_back(&self, writing: &Writing<'_>) -> Result<()> {
        let record = &self.record;
        // Times by the clock as it is now: it may have been set between two steps.
        let step = writing.memory.clock_set.saturating_sub(self.clock_set.unwrap_or(writing.memory.clock_set));
        let by_the_clock = |time: Timestamp| time.shifted(step);
        let due = due_again(writing, record.account, record.kind, by_the_clock(record.next_due))?;
        let now = by_the_clock(record.now);
        let again = record.again.as_ref().map(|again| Again { at: by_the_clock(again.at), ..again.clone() });
        if record.breadth == Breadth::Ids {
            let mut update = writing.prepare(
                "UPDATE polls SET due = ?3, claimed = NULL, put_off = NULL, ids_polled = ?4, pace = ?7,
                 changed = CASE WHEN ?5 THEN ?4 ELSE changed END, requests = MIN(requests, 1 << 62) + ?6
                 WHERE account = ?1 AND kind = ?2",
            )?;
            update.execute(params![
                record.account.0,
                kind_number(record.kind),
                due.map(Timestamp::as_millis),
                by_the_clock(record.observed_at).as_millis(),
                self.shows_something_new,
                record.effort.requests,
                record.pace.reason.as_str(),
            ])?;
            wanted::go_on(writing, record.account, record.kind, now, again)?;
            return note_budget(writing, record.account, record.effort.budget);
        }
        let mut update = writing.prepare(
            "UPDATE polls SET due = ?3, claimed = NULL, asked = NULL, last_attempt = ?4, failures = 0,
             last_complete = CASE WHEN ?5 THEN ?6 ELSE last_complete END,
             first_list = CASE WHEN first_list < 1 << 48 THEN first_list ELSE ?18 END,
             last_full = CASE WHEN ?5 AND ?14 THEN ?6 ELSE last_full END,
             recorded = CASE WHEN ?5 AND ?14 THEN ?16 ELSE recorded END,
             unconfirmed = CASE WHEN ?5 AND ?14 THEN ?15 ELSE unconfirmed END,
             gap_told = CASE WHEN ?5 THEN NULL ELSE gap_told END,
             listed_by = CASE WHEN ?5 THEN ?10 ELSE listed_by END,
             held = CASE WHEN ?17 THEN NULL ELSE held END, held_lists = CASE WHEN ?17 THEN 0 ELSE held_lists END,
             held_decision = CASE WHEN ?17 THEN NULL ELSE held_decision END,
             held_print = CASE WHEN ?17 THEN NULL ELSE held_print END,
             held_effects = CASE WHEN ?17 THEN NULL ELSE held_effects END,
             held_told = CASE WHEN ?17 THEN 0 ELSE held_told END,
             put_off = NULL, every = ?11, pace = ?12,
             changed = CASE WHEN ?13 THEN ?6 ELSE COALESCE(changed, ?6) END,
             partial_reason = ?7, partials = CASE WHEN ?5 THEN 0 ELSE MIN(partials, 1 << 30) + 1 END, last_duration = ?8, requests = MIN(requests, 1 << 62) + ?9, last_requests = ?9
             WHERE account = ?1 AND kind = ?2",
        )?;
        update.execute(params![
            record.account.0,
            kind_number(record.kind),
            due.map(Timestamp::as_millis),
            now.as_millis(),
            record.complete,
            by_the_clock(record.observed_at).as_millis(),
            record.partial_reason,
            millis(record.effort.duration),
            record.effort.requests,
            record.listed_by,
            millis(record.pace.every),
            record.pace.reason.as_str(),
            self.shows_something_new,
            record.breadth == Breadth::Full,
            self.misses_something,
            record.lease,
            record.ends_hold,
            record.observed_at.as_millis(),
        ])?;
        wanted::go_on(writing, record.account, record.kind, now, again)?;
        note_budget(writing, record.account, record.effort.budget)
    }
}

/// What one step reads once, and what it leaves to be done at its end. Who listens is read anew in each: a hook that was
/// set while the poll was under way hears of what comes after.
#[derive(Default)]
struct Step {
    has_baseline: Option<bool>,
    listeners: Option<Listeners>,
    touched: Touched,
    tells_gap: bool,
    tells_mass_change: bool,
}

impl Step {
    /// Whether there was a complete list of this kind before.
    fn has_baseline(&mut self, writing: &Writing<'_>, account: AccountId, kind: Kind) -> Result<bool> {
        if let Some(known) = self.has_baseline {
            return Ok(known);
        }
        let mut select =
            writing.prepare("SELECT 1 FROM polls WHERE account = ?1 AND kind = ?2 AND last_complete IS NOT NULL")?;
        let found = select.exists(params![account.0, kind_number(kind)])?;
        Ok(*self.has_baseline.insert(found))
    }

    fn listeners(&mut self, writing: &mut Writing<'_>, account: AccountId) -> Result<&Listeners> {
        match &mut self.listeners {
            Some(listeners) => Ok(listeners),
            none => Ok(none.insert(Listeners::of(writing, account)?)),
        }
    }
}

/// What is told of a resource beside its states.
#[derive(Default)]
struct LastKnown {
    name: Option<String>,
    realm: Option<String>,
}

/// The list that is taken in.
#[derive(Clone, Copy)]
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
            let body = Body { first_seen: at, state_since: at };
            let body = body.insert(writing, resource)?;
            let mut insert = writing.prepare(
                "INSERT OR REPLACE INTO resources (account, kind, id, fingerprint, state, missing, seen, body, since)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?6)",
            )?;
            insert.execute(params![account, kind, id, fingerprint, state, at, body])?;
            return Ok(());
        };
        let (mut body, mut since) = (known.body, known.since.as_millis());
        // Seen again after it was missing, it may be as it was before.
        if known.fingerprint != fingerprint {
            self.put_aside(writing, resource.id(), &known)?;
            let state_since = if upsert.state_changed { at } else { known.state_since };
            body = Body { first_seen: known.first_seen, state_since }.insert(writing, resource)?;
            since = at;
        }
        let mut update = writing.prepare(
            "UPDATE resources SET fingerprint = ?4, state = ?5, missing = 0, seen = ?6, body = ?7, since = ?8, marked = 0
             WHERE account = ?1 AND kind = ?2 AND id = ?3",
        )?;
        update.execute(params![account, kind, id, fingerprint, state, at, body, since])?;
        Ok(())
    }

    fn known(&self, writing: &Writing<'_>, id: &ResourceId) -> Result<Option<Known>> {
        let mut select = writing.prepare(
            "SELECT r.fingerprint, r.state, r.seen, r.missing, r.body, b.first_seen, b.state_since, r.since
             FROM resources r LEFT JOIN bodies b ON b.id = r.body WHERE r.account = ?1 AND r.kind = ?2 AND r.id = ?3",
        )?;
        let read = |row: &Row<'_>| {
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
        };
        let place = params![self.account.0, kind_number(self.kind), id.as_str()];
        match select.query_row(place, read).optional() {
            // One that can't be read was named when it was compared, and is written anew.
            Err(error) if damage::is_damage(&error) => Ok(None),
            known => Ok(known?),
        }
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
        let last = |row: &Row<'_>| Ok(LastKnown { name: row.get(0).ok().flatten(), realm: row.get(1).ok().flatten() });
        let last = select.query_row([known.body], last)?;
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
}

impl Body {
    fn insert(&self, writing: &Writing<'_>, resource: &Resource) -> Result<i64> {
        let mut insert = writing.prepare(
            "INSERT INTO bodies (name, realm, first_seen, state_since, attributes) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let Body { first_seen, state_since } = self;
        let attributes = attributes::write(resource)?;
        Ok(insert.insert(params![resource.name(), resource.realm(), first_seen, state_since, attributes])?)
    }
}
