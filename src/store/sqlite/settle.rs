//! Settles deliveries, and applies the consequences to their hooks, in steps with other writes between them. Each
//! settlement is in one step. A hook is judged by all of its settlements together, after the last of them. If the host
//! ends before that, the hook is judged with its next settlements.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::super::{Outcome, Result, Settlement, Settling};
use super::columns::get;
use super::damage::{Key, Source};
use super::fair_pool::Flow;
use super::listeners::Listeners;
use super::queue::{self, Line};
use super::turns::{self, Touched};
use super::writing::Writing;
use super::{SqliteStore, attempts, journal, unopened};
use crate::model::breaker::Standing;
use crate::model::{AccountId, ChangeType, DisableReason, HookId, NewChange, ResourceId, Subject, Timestamp};

/// How a hook did in one batch.
#[derive(Clone, Copy)]
enum Health {
    /// At least one callback was taken.
    Well,
    Failed(Timestamp),
    Ended(Timestamp, DisableReason),
}

pub(super) async fn settle(store: &SqliteStore, settling: Settling) -> Result<()> {
    let mut work = Work::new(settling, store.step_rows);
    while !work.is_done() {
        work = store
            .write(Flow::Host, move |writing| {
                work.step(writing)?;
                Ok(work)
            })
            .await?;
    }
    Ok(())
}

/// What one settlement may bring: itself, a hold and a standing of its destination, and a judgement of its hook.
const PARTS: usize = 4;

/// What is left of a batch.
struct Work {
    holds: VecDeque<(Arc<str>, Timestamp)>,
    landed: VecDeque<(Arc<str>, Standing)>,
    settlements: VecDeque<Settlement>,
    healths: BTreeMap<HookId, Health>,
    disable_after: Duration,
    /// How many settlements a step takes at most, with what they bring.
    rows: usize,
}

impl Work {
    fn new(settling: Settling, rows: usize) -> Work {
        let Settling { settlements, holds, landed, disable_after } = settling;
        Work {
            holds: holds.into(),
            landed: landed.into(),
            settlements: settlements.into(),
            healths: BTreeMap::new(),
            disable_after,
            rows,
        }
    }

    fn is_done(&self) -> bool {
        self.holds.is_empty() && self.landed.is_empty() && self.settlements.is_empty() && self.healths.is_empty()
    }

    fn step(&mut self, writing: &mut Writing<'_>) -> Result<()> {
        let mut touched = Touched::default();
        for _ in 0..self.rows.saturating_mul(PARTS) {
            if !self.settle_next(writing, &mut touched)? || writing.is_turn_over() {
                break;
            }
        }
        touched.refresh(writing)
    }

    /// Says whether there was anything to do. Holds come first: nothing is claimed against them between two steps.
    fn settle_next(&mut self, writing: &mut Writing<'_>, touched: &mut Touched) -> Result<bool> {
        if let Some((destination, until)) = self.holds.pop_front() {
            turns::hold(writing, &destination, until, touched)?;
        } else if let Some((destination, standing)) = self.landed.pop_front() {
            turns::landed(writing, &destination, standing, touched)?;
        } else if let Some(settlement) = self.settlements.pop_front() {
            attempts::note(writing, &settlement)?;
            let Some(claimed) = find_claimed(writing, &settlement)? else { return Ok(true) };
            touched.hook(settlement.id.hook);
            settle_one(writing, &settlement, &claimed)?;
            if let Some(health) = health(&settlement) {
                let entry = self.healths.entry(settlement.id.hook).or_insert(health);
                *entry = entry.and(health);
            }
        } else if let Some((hook, health)) = self.healths.pop_first() {
            take_note(writing, hook, health, self.disable_after, touched)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

struct Claimed {
    line: Line,
    /// When it was due before the claim.
    due: Timestamp,
    /// Whether a replay asked for it during this attempt.
    again: bool,
}

fn find_claimed(writing: &Writing<'_>, settlement: &Settlement) -> Result<Option<Claimed>> {
    let id = settlement.id;
    let mut select = writing.prepare(
        "SELECT history, claimed, again <> 0 FROM deliveries
         WHERE hook = ?1 AND change = ?2 AND lease = ?3 AND claimed IS NOT NULL",
    )?;
    let found = select.query_row(params![id.hook.0, id.change, settlement.lease], |row| {
        let source = Source { table: "deliveries", account: None, key: Key::Values(&[id.hook.0, id.change]) };
        writing.memory.damages.read(source, row, |row| {
            let line = Line { hook: id.hook, history: get(row, 0)? };
            Ok(Claimed { line, due: get(row, 1)?, again: row.get(2)? })
        })
    });
    Ok(found.optional()?.flatten())
}

fn settle_one(writing: &Writing<'_>, settlement: &Settlement, claimed: &Claimed) -> Result<()> {
    let place = [settlement.id.hook.0, settlement.id.change];
    let now = settlement.now;
    if let Outcome::Unopened(column) = &settlement.outcome {
        unopened::note(writing, column)?;
    }
    if claimed.again {
        return put_back(writing, settlement, claimed);
    }
    match &settlement.outcome {
        Outcome::Delivered => {
            writing.prepare("DELETE FROM deliveries WHERE hook = ?1 AND change = ?2")?.execute(place)?;
            queue::promote(writing, &claimed.line, now)
        }
        Outcome::Retry { due } => {
            if supersede(writing, settlement, &claimed.line, *due)? {
                return Ok(());
            }
            let sql = "UPDATE deliveries SET due = ?3, claimed = NULL, attempts = MIN(attempts, 1 << 30) + 1
                       WHERE hook = ?1 AND change = ?2";
            writing.prepare(sql)?.execute(params![place[0], place[1], due.as_millis()])?;
            Ok(())
        }
        Outcome::Dead => {
            let sql =
                "UPDATE deliveries SET due = NULL, claimed = NULL, attempts = MIN(attempts, 1 << 30) + 1, dead = ?3,
                           dead_id = (SELECT id FROM changes WHERE sequence = ?2)
                       WHERE hook = ?1 AND change = ?2";
            writing.prepare(sql)?.execute(params![place[0], place[1], now.as_millis()])?;
            queue::promote(writing, &claimed.line, now)
        }
        Outcome::Disable(_) | Outcome::Returned | Outcome::Unopened(_) => {
            let sql = "UPDATE deliveries SET due = ?3, claimed = NULL WHERE hook = ?1 AND change = ?2";
            writing.prepare(sql)?.execute(params![place[0], place[1], claimed.due.as_millis()])?;
            Ok(())
        }
    }
}

/// Puts a delivery that is sent once more back into its line, as if it had never been tried. What the replay put before it is
/// sent first.
fn put_back(writing: &Writing<'_>, settlement: &Settlement, claimed: &Claimed) -> Result<()> {
    let due = match settlement.outcome {
        Outcome::Delivered | Outcome::Dead => settlement.now,
        Outcome::Retry { due } => due,
        Outcome::Disable(_) | Outcome::Returned | Outcome::Unopened(_) => claimed.due,
    };
    if supersede(writing, settlement, &claimed.line, due)? {
        return Ok(());
    }
    let sql =
        "UPDATE deliveries SET due = NULL, claimed = NULL, attempts = 0, again = 0 WHERE hook = ?1 AND change = ?2";
    writing.prepare(sql)?.execute([settlement.id.hook.0, settlement.id.change])?;
    queue::promote(writing, &claimed.line, due)
}

/// Where only the latest is wanted and a newer one came while this one failed, the newer one takes its place.
fn supersede(writing: &Writing<'_>, settlement: &Settlement, line: &Line, due: Timestamp) -> Result<bool> {
    let mut select = writing.prepare("SELECT mode = 'latest' FROM hooks WHERE id = ?1")?;
    let latest: Option<bool> = select.query_row([line.hook.0], |row| row.get(0)).optional()?;
    if latest != Some(true) {
        return Ok(false);
    }
    let change = settlement.id.change;
    if !queue::has_later(writing, line, change)? {
        return Ok(false);
    }
    writing.prepare("DELETE FROM deliveries WHERE hook = ?1 AND change = ?2")?.execute([line.hook.0, change])?;
    queue::promote(writing, line, due)?;
    Ok(true)
}

fn health(settlement: &Settlement) -> Option<Health> {
    match settlement.outcome {
        Outcome::Delivered => Some(Health::Well),
        Outcome::Retry { .. } | Outcome::Dead => Some(Health::Failed(settlement.now)),
        Outcome::Disable(reason) => Some(Health::Ended(settlement.now, reason)),
        Outcome::Returned | Outcome::Unopened(_) => None,
    }
}

impl Health {
    fn and(self, other: Health) -> Health {
        match (self, other) {
            (ended @ Health::Ended(..), _) | (_, ended @ Health::Ended(..)) => ended,
            (Health::Well, _) | (_, Health::Well) => Health::Well,
            (Health::Failed(one), Health::Failed(two)) => Health::Failed(one.max(two)),
        }
    }
}

fn take_note(
    writing: &mut Writing<'_>,
    hook: HookId,
    health: Health,
    disable_after: Duration,
    touched: &mut Touched,
) -> Result<()> {
    match health {
        Health::Well => {
            let sql = "UPDATE hooks SET failing = NULL, failed = NULL WHERE id = ?1 AND failing IS NOT NULL";
            writing.prepare(sql)?.execute([hook.0])?;
            Ok(())
        }
        Health::Failed(now) => {
            // After a long silence failing begins anew: two failures with days between them are not days of failure.
            let silence = now.before(disable_after / 2);
            let mut update = writing.prepare(
                "UPDATE hooks SET failing = CASE WHEN failed >= ?3 THEN failing ELSE ?2 END, failed = ?2
                 WHERE id = ?1 RETURNING failing",
            )?;
            let since = update
                .query_row(params![hook.0, now.as_millis(), silence.as_millis()], |row| get(row, 0))
                .optional()?;
            drop(update);
            let since: Option<Timestamp> = since;
            match since {
                Some(since) if now.since(since) >= disable_after => {
                    disable(writing, hook, now, DisableReason::Failing, touched)
                }
                _ => Ok(()),
            }
        }
        Health::Ended(now, reason) => disable(writing, hook, now, reason, touched),
    }
}

/// Nothing more is sent to the hook until it is resumed; the journal says so.
fn disable(
    writing: &mut Writing<'_>,
    hook: HookId,
    now: Timestamp,
    reason: DisableReason,
    touched: &mut Touched,
) -> Result<()> {
    let newest = journal::newest(writing.connection)?;
    let mut update = writing.prepare(
        "UPDATE hooks SET status = 'disabled', disabled = ?2, reason = ?3, behind = COALESCE(behind, ?4)
         WHERE id = ?1 AND status = 'active' RETURNING account",
    )?;
    let account =
        update.query_row(params![hook.0, now.as_millis(), reason.as_str(), newest], |row| get(row, 0)).optional()?;
    drop(update);
    let account: Option<AccountId> = account;
    let Some(account) = account else { return Ok(()) };
    touched.hook(hook);
    let change = of_hook(ChangeType::HookDisabled, hook, now);
    let tidings = journal::append(writing, account, now, &change)?;
    let listeners = Listeners::of(writing, account)?;
    queue::owe(writing, &listeners, &tidings, now, touched)?;
    Ok(())
}

/// A change that concerns a hook itself.
pub(super) fn of_hook(change_type: ChangeType, hook: HookId, now: Timestamp) -> NewChange {
    NewChange {
        change_type,
        subject: Subject::Hook,
        resource: ResourceId::parse(hook.to_string()).expect("invariant: a number is an id"),
        name: None,
        realm: None,
        old_state: None,
        new_state: None,
        observed_after: None,
        observed_at: now,
        passed_over: false,
        details: None,
    }
}
