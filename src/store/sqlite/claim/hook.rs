//! The part of one hook in a claim: as many due deliveries as its rate allows, each with a lease.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params};

use super::super::columns::{get, read_secrets};
use super::super::damage::{self, Key, Source};
use super::super::journal::{CHANGE_COLUMNS, change_columns, read_change};
use super::super::queue::Line;
use super::super::turns;
use super::super::words::Words;
use super::super::writing::Writing;
use crate::model::breaker::Standing;
use crate::model::{HookId, Timestamp};
use crate::store::{DeliveryClaim, DeliveryId, DestinationRoom, DueDelivery, Recipient, Result};

/// How much of its rate a hook may use at once, having been quiet: what comes due between two looks.
const BURST: Duration = Duration::from_millis(250);

/// A hook in the round of its account.
pub(super) struct Turn {
    pub(super) hook: HookId,
    /// How many more it may have.
    pub(super) left: usize,
    pub(super) taken: usize,
    pub(super) paced: i64,
    /// Read when it is first served.
    pub(super) found: Option<Found>,
}

pub(super) struct Found {
    recipient: Arc<Recipient>,
    pub(super) pace: Option<Pace>,
}

impl Turn {
    /// Takes up to `most`; gives how many those were.
    pub(super) fn serve(
        &mut self,
        writing: &Writing<'_>,
        claim: &DeliveryClaim,
        most: usize,
        room: &DestinationRoom,
        claimed: &mut Vec<DueDelivery>,
    ) -> Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        if self.found.is_none() {
            let Some((mut recipient, rate)) = read_recipient(writing, self.hook)? else {
                self.left = 0;
                return Ok(0);
            };
            recipient.standing = room.standing;
            let pace = rate.map(|rate| Pace::new(rate, self.paced, claim.now));
            self.left = self.left.min(pace.as_ref().map_or(usize::MAX, |pace| pace.allows(claim.now)));
            self.found = Some(Found { recipient: Arc::new(recipient), pace });
        }
        let share = self.left.min(most);
        let Some(Found { recipient, .. }) = &self.found else { return Ok(0) };
        let taken = take(writing, recipient, share, claim, claimed)?;
        // Who had less than its share has no more.
        self.left = if taken < share { 0 } else { self.left - taken };
        self.taken += taken;
        Ok(taken)
    }
}

/// Not before the next instant, however short the lease: none is due again in its own claim.
pub(super) fn lease_end(claim: &DeliveryClaim) -> Timestamp {
    claim.now.after(claim.lease.max(Duration::from_millis(1)))
}

/// What sending needs of a hook, and its rate.
fn read_recipient(writing: &Writing<'_>, hook: HookId) -> Result<Option<(Recipient, Option<f64>)>> {
    let mut select = writing.prepare(
        "SELECT url, destination, token, secret, old_secret, old_until, words, format, rate, account, failing
         FROM hooks WHERE id = ?1",
    )?;
    let read = |row: &Row<'_>| {
        // What settling writes has to be readable, too.
        let _: Option<Timestamp> = get(row, 10)?;
        let words: Words = get(row, 6)?;
        let recipient = Recipient {
            hook,
            account: get(row, 9)?,
            url: get(row, 0)?,
            destination: row.get(1)?,
            standing: Standing::default(),
            token: get(row, 2)?,
            secrets: read_secrets(row, 3)?,
            format: get(row, 7)?,
            retries: words.retries,
        };
        Ok((recipient, row.get(8)?))
    };
    let found = select.query_row([hook.0], |row| {
        let source = Source { table: "hooks", account: get(row, 9).ok(), key: Key::Values(&[hook.0]) };
        writing.memory.damages.read(source, row, read)
    });
    let Some(found) = found.optional()? else {
        // Nobody's turn: its hook is gone.
        turns::drop_queue(writing, hook)?;
        return Ok(None);
    };
    Ok(found)
}

/// Takes up to `share` of what a hook has due, those first that have been due longest; gives how many.
fn take(
    writing: &Writing<'_>,
    recipient: &Arc<Recipient>,
    share: usize,
    claim: &DeliveryClaim,
    claimed: &mut Vec<DueDelivery>,
) -> Result<usize> {
    let lease_end = lease_end(claim);
    let hook = recipient.hook;
    let mark = writing.memory.mark;
    let mut select = writing.prepare(concat!(
        "SELECT ",
        change_columns!(),
        ", d.attempts, d.lease, d.change, d.history, c.history, c.account, d.hook
         FROM deliveries d INDEXED BY deliveries_due LEFT JOIN changes c ON c.sequence = d.change
         LEFT JOIN accounts a ON a.id = c.account
         WHERE d.hook = ?1 AND d.due <= ?2 ORDER BY d.due, d.change LIMIT ?3"
    ))?;
    let share = i64::try_from(share).unwrap_or(i64::MAX);
    let mut rows = select.query(params![hook.0, claim.now.as_millis(), share])?;
    let first = claimed.len();
    while let Some(row) = rows.next()? {
        const AT: usize = CHANGE_COLUMNS;
        let read = |row: &Row<'_>| {
            let change = read_change(row, mark)?;
            let lease: i64 = row.get(AT + 1)?;
            // Settling it takes its line.
            Line::read(row, AT + 3, hook)?;
            Ok(DueDelivery {
                id: DeliveryId { hook, change: change.cursor.sequence },
                recipient: Arc::clone(recipient),
                change,
                attempts: row.get(AT)?,
                lease: lease.wrapping_add(1),
            })
        };
        // One whose change can't be read can't be made.
        let key = Key::Columns(&[AT + 6, AT + 2]);
        let source = Source { table: "deliveries", account: get(row, AT + 5).ok(), key };
        claimed.extend(writing.memory.damages.read(source, row, read)?);
    }
    drop(rows);
    let mut at = first;
    while let Some(delivery) = claimed.get(at) {
        let mut update = writing.prepare(
            "UPDATE deliveries SET claimed = COALESCE(claimed, due), due = ?3, lease = ?4, lent = NULL
             WHERE hook = ?1 AND change = ?2",
        )?;
        match update.execute(params![hook.0, delivery.id.change, lease_end.as_millis(), delivery.lease]) {
            Err(error) if damage::is_of_another_type(&error) => {
                let key = vec![Value::Integer(hook.0), Value::Integer(delivery.id.change)];
                damage::note_of_another_type(writing, "deliveries", Some(recipient.account), key)?;
                claimed.remove(at);
            }
            done => {
                done?;
                at += 1;
            }
        }
    }
    Ok(claimed.len() - first)
}

/// Where a hook stands with its rate.
pub(super) struct Pace {
    /// Between two callbacks, in microseconds.
    interval: i64,
    /// From when on the next may be sent, in microseconds.
    next: i64,
}

impl Pace {
    /// `paced` is where the last claim left it.
    fn new(rate: f64, paced: i64, now: Timestamp) -> Pace {
        let unused = micros(now).saturating_sub(i64::try_from(BURST.as_micros()).unwrap_or(i64::MAX));
        // A rate is within bounds that its type keeps; a cast of anything else saturates.
        Pace { interval: ((1e6 / rate) as i64).max(1), next: paced.max(unused) }
    }

    /// How many may be sent now.
    fn allows(&self, now: Timestamp) -> usize {
        match micros(now).checked_sub(self.next) {
            Some(spare) if spare >= 0 => usize::try_from(spare / self.interval + 1).unwrap_or(usize::MAX),
            _ => 0,
        }
    }

    /// Where it stands after so many more.
    pub(super) fn after(&self, taken: usize) -> i64 {
        let taken = i64::try_from(taken).unwrap_or(i64::MAX);
        self.next.saturating_add(self.interval.saturating_mul(taken))
    }
}

fn micros(time: Timestamp) -> i64 {
    time.as_millis().saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks at each of these milliseconds, and takes what is allowed, up to `most` at a time.
    fn taken(rate: f64, most: usize, at: impl IntoIterator<Item = i64>) -> Vec<usize> {
        let mut paced = 0;
        let mut taken = Vec::new();
        for millis in at {
            let now = Timestamp::from_millis(1_795_341_600_000 + millis);
            let pace = Pace::new(rate, paced, now);
            let number = pace.allows(now).min(most);
            if number > 0 {
                paced = pace.after(number);
            }
            taken.push(number);
        }
        taken
    }

    #[test]
    fn a_rate_is_kept() {
        assert_eq!(taken(1.0, 9, [0, 500, 749, 750, 1750, 2749, 2750]), [1, 0, 0, 1, 1, 0, 1]);
        assert_eq!(taken(0.1, 9, [0, 9_749, 9_750, 60_000, 60_001]), [1, 0, 1, 1, 0]);
        // After a quiet time a quarter of a second's worth comes at once, and then one after the other.
        assert_eq!(taken(100.0, 99, [0, 5, 10, 20, 10_000]), [26, 0, 1, 1, 26]);
        for rate in [1.0, 3.0, 7.5, 100.0, 10_000.0] {
            let total: usize = taken(rate, usize::MAX, (0..60_000).step_by(20)).into_iter().sum();
            let most = rate * 60.25 + 2.0;
            assert!((total as f64) <= most && total as f64 >= rate * 59.0, "{rate}: {total}");
        }
    }
}
