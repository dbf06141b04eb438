//! Recording how deliveries went on, and what that means for their hooks.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::super::{Outcome, Result, Settlement, Settling};
use super::columns::get;
use super::damage::{Key, Source};
use super::listeners::Listeners;
use super::queue::{self, Line, Tidings};
use super::turns::{self, Touched};
use super::writer::Writing;
use super::{attempts, journal};
use crate::model::{AccountId, ChangeType, DisableReason, HookId, NewChange, ResourceId, Subject, Timestamp};

/// How a hook did in one batch.
#[derive(Clone, Copy)]
enum Health {
    /// At least one callback was taken.
    Well,
    Failed(Timestamp),
    Ended(Timestamp, DisableReason),
}

pub(super) fn settle(writing: &mut Writing<'_>, settling: &Settling) -> Result<()> {
    let mut touched = Touched::default();
    let mut healths: BTreeMap<HookId, Health> = BTreeMap::new();
    for settlement in &settling.settlements {
        attempts::note(writing, settlement)?;
        let Some(claimed) = find_claimed(writing, settlement)? else { continue };
        touched.hook(settlement.id.hook);
        settle_one(writing, settlement, &claimed)?;
        if let Some(health) = health(settlement) {
            let entry = healths.entry(settlement.id.hook).or_insert(health);
            *entry = entry.and(health);
        }
    }
    for (hook, health) in healths {
        take_note(writing, hook, health, settling.disable_after, &mut touched)?;
    }
    for (destination, until) in &settling.holds {
        turns::hold(writing, destination, *until, &mut touched)?;
    }
    for (destination, standing) in &settling.landed {
        turns::landed(writing, destination, *standing, &mut touched)?;
    }
    touched.refresh(writing)
}

struct Claimed {
    line: Line,
    /// When it was due before the claim.
    due: Timestamp,
}

fn find_claimed(writing: &Writing<'_>, settlement: &Settlement) -> Result<Option<Claimed>> {
    let id = settlement.id;
    let mut select = writing.prepare(
        "SELECT kind, resource, claimed FROM deliveries
         WHERE hook = ?1 AND change = ?2 AND lease = ?3 AND claimed IS NOT NULL",
    )?;
    let found = select.query_row(params![id.hook.0, id.change, settlement.lease], |row| {
        let source = Source { table: "deliveries", account: None, key: Key::Values(&[id.hook.0, id.change]) };
        writing.memory.damages.read(source, row, |row| {
            let line = Line { hook: id.hook, subject: get(row, 0)?, resource: get(row, 1)? };
            Ok(Claimed { line, due: get(row, 2)? })
        })
    });
    Ok(found.optional()?.flatten())
}

fn settle_one(writing: &Writing<'_>, settlement: &Settlement, claimed: &Claimed) -> Result<()> {
    let place = [settlement.id.hook.0, settlement.id.change];
    let now = settlement.now;
    match &settlement.outcome {
        Outcome::Delivered => {
            writing.prepare("DELETE FROM deliveries WHERE hook = ?1 AND change = ?2")?.execute(place)?;
            queue::promote(writing, &claimed.line, now)
        }
        Outcome::Retry { due } => {
            if supersede(writing, settlement, &claimed.line, *due)? {
                return Ok(());
            }
            let sql = "UPDATE deliveries SET due = ?3, claimed = NULL, attempts = attempts + 1
                       WHERE hook = ?1 AND change = ?2";
            writing.prepare(sql)?.execute(params![place[0], place[1], due.as_millis()])?;
            Ok(())
        }
        Outcome::Dead => {
            let sql = "UPDATE deliveries SET due = NULL, claimed = NULL, attempts = attempts + 1, dead = ?3
                       WHERE hook = ?1 AND change = ?2";
            writing.prepare(sql)?.execute(params![place[0], place[1], now.as_millis()])?;
            queue::promote(writing, &claimed.line, now)
        }
        Outcome::Disable(_) | Outcome::Returned => {
            let sql = "UPDATE deliveries SET due = ?3, claimed = NULL WHERE hook = ?1 AND change = ?2";
            writing.prepare(sql)?.execute(params![place[0], place[1], claimed.due.as_millis()])?;
            Ok(())
        }
    }
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
        Outcome::Returned => None,
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
    let number = journal::append(writing, account, now, &change)?;
    let listeners = Listeners::of(writing, account)?;
    queue::owe(writing, &listeners, &Tidings { number, change: &change }, now, touched)?;
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
