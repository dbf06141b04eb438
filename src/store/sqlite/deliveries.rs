//! Deliveries in SQLite: taking those that are due, hook by hook in turns, and recording how they ended.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, params};

use super::super::{Deliveries, DeliveryClaim, DeliveryId, DueDelivery, Outcome, Owed, Result, Settlement};
use super::columns::get;
use super::journal::{CHANGE_COLUMNS, change_columns, read_change};
use super::queue::{self, Line};
use super::writer::Writing;
use super::{SqliteStore, owed, polls};
use crate::model::{AccountId, HookId, Owner, Timestamp};

#[async_trait]
impl Deliveries for SqliteStore {
    async fn claim_due_deliveries(&self, claim: DeliveryClaim) -> Result<Vec<DueDelivery>> {
        self.write(move |writing| self::claim(writing, &claim)).await
    }

    async fn next_delivery_due(&self) -> Result<Option<Timestamp>> {
        self.read(|reading| {
            let mut select = reading.prepare_cached("SELECT MIN(due) FROM queues")?;
            Ok(select.query_row((), |row| get(row, 0))?)
        })
        .await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<()> {
        if settlements.is_empty() {
            return Ok(());
        }
        self.write(move |writing| settle(writing, &settlements)).await
    }

    async fn take_owed(&self, account: AccountId, owner: &Owner, limit: usize) -> Result<Vec<Owed>> {
        let owner = owner.clone();
        self.write(move |writing| owed::take(writing, account, &owner, limit)).await
    }

    async fn count_waiting(&self) -> Result<u64> {
        self.read(|reading| {
            let sql = "SELECT COUNT(*) FROM deliveries WHERE dead IS NULL";
            let number: i64 = reading.prepare_cached(sql)?.query_row((), |row| row.get(0))?;
            Ok(number.unsigned_abs())
        })
        .await
    }
}

/// A hook in the round, and how many more it may have.
struct Turn {
    hook: HookId,
    left: usize,
}

fn claim(writing: &mut Writing<'_>, claim: &DeliveryClaim) -> Result<Vec<DueDelivery>> {
    // Not before the next instant, however short the lease: none is due again in its own claim.
    let lease_end = claim.now.after(claim.lease.max(Duration::from_millis(1)));
    let mut turns = hooks_in_turn(writing, claim)?;
    let touched: Vec<HookId> = turns.iter().map(|turn| turn.hook).collect();
    let mut claimed = Vec::new();
    while !turns.is_empty() && claimed.len() < claim.limit {
        let mut again = Vec::new();
        for mut turn in turns {
            if claimed.len() == claim.limit {
                break;
            }
            if let Some(delivery) = claim_one(writing, turn.hook, claim.now, lease_end)? {
                claimed.push(delivery);
                turn.left -= 1;
                if turn.left > 0 {
                    again.push(turn);
                }
            }
        }
        turns = again;
    }
    for hook in touched {
        queue::refresh(writing, hook, Some(claim.now))?;
    }
    Ok(claimed)
}

/// Those who have something due, in the order of their turn, at most as many as there is to be claimed.
/// Beyond these it only looks at hooks that have all they may in flight.
fn hooks_in_turn(writing: &Writing<'_>, claim: &DeliveryClaim) -> Result<Vec<Turn>> {
    let mut in_flight: HashMap<HookId, usize> = HashMap::new();
    for (hook, number) in &claim.in_flight {
        *in_flight.entry(*hook).or_default() += number;
    }
    let mut turns = Vec::new();
    let mut select = writing.prepare("SELECT hook FROM queues WHERE due <= ?1 ORDER BY due, served")?;
    let mut rows = select.query([claim.now.as_millis()])?;
    while turns.len() < claim.limit
        && let Some(row) = rows.next()?
    {
        let hook = get(row, 0)?;
        let left = claim.per_hook.saturating_sub(in_flight.get(&hook).copied().unwrap_or(0));
        if left > 0 {
            turns.push(Turn { hook, left });
        }
    }
    Ok(turns)
}

/// Claims the one that has been due longest.
fn claim_one(writing: &Writing<'_>, hook: HookId, now: Timestamp, lease_end: Timestamp) -> Result<Option<DueDelivery>> {
    let mut select = writing.prepare(concat!(
        "SELECT ",
        change_columns!(),
        ", d.id, d.account, d.hook, h.url, h.token, h.secret, d.attempts, d.lease
         FROM deliveries d JOIN hooks h ON h.id = d.hook
         JOIN changes c ON c.sequence = d.change JOIN accounts a ON a.id = c.account
         WHERE d.hook = ?1 AND d.due <= ?2 ORDER BY d.due, d.id LIMIT 1"
    ))?;
    let mark = writing.memory.mark;
    let found = select.query_row(params![hook.0, now.as_millis()], |row| read_due(row, mark)).optional()?;
    let Some(delivery) = found else { return Ok(None) };
    let mut update = writing
        .prepare("UPDATE deliveries SET claimed = COALESCE(claimed, due), due = ?2, lease = ?3 WHERE id = ?1")?;
    update.execute(params![delivery.id.0, lease_end.as_millis(), delivery.lease])?;
    Ok(Some(delivery))
}

fn read_due(row: &Row<'_>, mark: u32) -> rusqlite::Result<DueDelivery> {
    const AT: usize = CHANGE_COLUMNS;
    let lease: i64 = row.get(AT + 7)?;
    Ok(DueDelivery {
        id: DeliveryId(row.get(AT)?),
        account: get(row, AT + 1)?,
        hook: get(row, AT + 2)?,
        url: get(row, AT + 3)?,
        token: get(row, AT + 4)?,
        secret: get(row, AT + 5)?,
        change: read_change(row, mark)?,
        attempts: row.get(AT + 6)?,
        lease: lease.wrapping_add(1),
    })
}

fn settle(writing: &mut Writing<'_>, settlements: &[Settlement]) -> Result<()> {
    let mut touched = BTreeSet::new();
    for settlement in settlements {
        if let Some(claimed) = find_claimed(writing, settlement)? {
            touched.insert(claimed.line.hook);
            settle_one(writing, settlement, &claimed)?;
        }
    }
    for hook in touched {
        queue::refresh(writing, hook, None)?;
    }
    Ok(())
}

struct Claimed {
    line: Line,
    /// When it was due before the claim.
    due: Timestamp,
}

fn find_claimed(writing: &Writing<'_>, settlement: &Settlement) -> Result<Option<Claimed>> {
    let mut select = writing.prepare(
        "SELECT hook, kind, resource, claimed FROM deliveries WHERE id = ?1 AND lease = ?2 AND claimed IS NOT NULL",
    )?;
    let found = select.query_row(params![settlement.id.0, settlement.lease], |row| {
        let line = Line { hook: get(row, 0)?, kind: get(row, 1)?, resource: get(row, 2)? };
        Ok(Claimed { line, due: get(row, 3)? })
    });
    Ok(found.optional()?)
}

fn settle_one(writing: &Writing<'_>, settlement: &Settlement, claimed: &Claimed) -> Result<()> {
    let id = settlement.id.0;
    let now = settlement.now;
    match &settlement.outcome {
        Outcome::Delivered => {
            writing.prepare("DELETE FROM deliveries WHERE id = ?1")?.execute([id])?;
            queue::promote(writing, &claimed.line, now)?;
        }
        Outcome::Retry { due, error } => {
            let sql =
                "UPDATE deliveries SET due = ?2, claimed = NULL, attempts = attempts + 1, error = ?3 WHERE id = ?1";
            writing.prepare(sql)?.execute(params![id, due.as_millis(), error])?;
        }
        Outcome::Dead { error } => {
            let sql = "UPDATE deliveries SET due = NULL, claimed = NULL, attempts = attempts + 1, error = ?2, dead = ?3
                       WHERE id = ?1";
            writing.prepare(sql)?.execute(params![id, error, now.as_millis()])?;
            queue::promote(writing, &claimed.line, now)?;
        }
        Outcome::HookGone => {
            if let Some(account) = queue::drop_hook(writing, claimed.line.hook)? {
                polls::rest_if_unwatched(writing, account)?;
            }
        }
        Outcome::Returned => {
            let sql = "UPDATE deliveries SET due = ?2, claimed = NULL WHERE id = ?1";
            writing.prepare(sql)?.execute(params![id, claimed.due.as_millis()])?;
        }
    }
    Ok(())
}
