//! Taking deliveries that are due: from destinations in turns, and within each from its hooks in turns.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{OptionalExtension, Row, params};

use super::super::{DeliveryClaim, DeliveryId, DueDelivery, Recipient, Result};
use super::columns::get;
use super::journal::{CHANGE_COLUMNS, change_columns, read_change};
use super::turns::{self, Served, Touched};
use super::words::Words;
use super::writer::Writing;
use crate::model::{HookId, HookSecrets, Sealed, Timestamp};

/// How much of its rate a hook may use at once, having been quiet: what comes due between two looks.
const BURST: Duration = Duration::from_millis(250);

/// How many a hook is given in one turn: what waits for one hook lies together on disk, and what is read of a
/// hook is read once for all of them.
const TURN: usize = 16;

pub(super) fn claim(writing: &mut Writing<'_>, claim: &DeliveryClaim) -> Result<Vec<DueDelivery>> {
    let mut destinations = destinations_in_turn(writing, claim)?;
    let share = claim.limit.div_ceil(destinations.len().max(1));
    let mut claimed = Vec::new();
    loop {
        let before = claimed.len();
        for destination in &mut destinations {
            let quota = share.min(destination.room).min(claim.limit - claimed.len());
            destination.serve(writing, claim, quota, &mut claimed)?;
        }
        // What one destination does not have is room for others.
        if claimed.len() == before || claimed.len() == claim.limit {
            break;
        }
    }
    for destination in destinations {
        destination.end(writing, claim.now)?;
    }
    Ok(claimed)
}

struct Destination {
    name: Arc<str>,
    /// How many more it may have.
    room: usize,
    turns: Vec<Turn>,
    /// Who comes next.
    next: usize,
}

/// A hook in the round of its destination.
struct Turn {
    hook: HookId,
    /// How many more it may have.
    left: usize,
    taken: usize,
    paced: i64,
    /// Read when it is first served.
    found: Option<Found>,
}

struct Found {
    recipient: Arc<Recipient>,
    pace: Option<Pace>,
}

impl Destination {
    /// Gives its hooks in turns up to `quota` of what they have.
    fn serve(
        &mut self,
        writing: &Writing<'_>,
        claim: &DeliveryClaim,
        quota: usize,
        claimed: &mut Vec<DueDelivery>,
    ) -> Result<()> {
        let mut left = quota;
        let mut idle = 0;
        while left > 0 && idle < self.turns.len() {
            let at = self.next % self.turns.len();
            let taken = self.turns[at].serve(writing, claim, left, claimed)?;
            idle = if taken == 0 { idle + 1 } else { 0 };
            left -= taken;
            self.next = at + 1;
        }
        self.room -= quota - left;
        Ok(())
    }

    /// Sends those who were served to the end.
    fn end(self, writing: &Writing<'_>, now: Timestamp) -> Result<()> {
        let mut touched = Touched::default();
        let mut served = false;
        for turn in self.turns.into_iter().filter(|turn| turn.taken > 0) {
            served = true;
            let pace = turn.found.and_then(|found| found.pace);
            let paced = pace.map_or(0, |pace| pace.after(turn.taken));
            turns::refresh_hook(writing, turn.hook, Some(Served { at: now, paced }), &mut touched)?;
        }
        if served {
            turns::refresh_destination(writing, &self.name, Some(now))?;
        }
        Ok(())
    }
}

impl Turn {
    /// Takes up to a turn's worth; gives how many those were.
    fn serve(
        &mut self,
        writing: &Writing<'_>,
        claim: &DeliveryClaim,
        most: usize,
        claimed: &mut Vec<DueDelivery>,
    ) -> Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        if self.found.is_none() {
            let Some((recipient, rate)) = read_recipient(writing, self.hook)? else {
                self.left = 0;
                return Ok(0);
            };
            let pace = rate.map(|rate| Pace::new(rate, self.paced, claim.now));
            self.left = self.left.min(pace.as_ref().map_or(usize::MAX, |pace| pace.allows(claim.now)));
            self.found = Some(Found { recipient: Arc::new(recipient), pace });
        }
        let share = TURN.min(self.left).min(most);
        let Some(Found { recipient, .. }) = &self.found else { return Ok(0) };
        let taken = take(writing, recipient, share, claim, claimed)?;
        // Who had less than its share has no more.
        self.left = if taken < share { 0 } else { self.left - taken };
        self.taken += taken;
        Ok(taken)
    }
}

/// Those that have something due and may have more, in the order of their turn. Beyond these it only looks
/// at destinations that have all they may.
fn destinations_in_turn(writing: &Writing<'_>, claim: &DeliveryClaim) -> Result<Vec<Destination>> {
    let rooms: HashMap<&str, usize> = claim.room.iter().map(|(name, room)| (&**name, *room)).collect();
    let mut in_flight: HashMap<HookId, usize> = HashMap::new();
    for (hook, number) in &claim.in_flight {
        *in_flight.entry(*hook).or_default() += number;
    }
    let mut found = Vec::new();
    let mut select = writing.prepare("SELECT name FROM destinations WHERE due <= ?1 ORDER BY due, served")?;
    let mut rows = select.query([claim.now.as_millis()])?;
    while found.len() < claim.limit
        && let Some(row) = rows.next()?
    {
        let name: Arc<str> = row.get(0)?;
        let room = rooms.get(&*name).copied().unwrap_or(claim.per_destination);
        if room > 0 {
            found.push(Destination { name, room, turns: Vec::new(), next: 0 });
        }
    }
    drop(rows);
    // No more hooks are looked at than could have a share, if each of the others had but one to send.
    let most = claim.limit.div_ceil(found.len().max(1));
    for destination in &mut found {
        destination.turns = hooks_in_turn(writing, claim, destination, most, &in_flight)?;
    }
    Ok(found)
}

/// The hooks of a destination that have something due and may have more, in the order of their turn, up to
/// `most` of them.
fn hooks_in_turn(
    writing: &Writing<'_>,
    claim: &DeliveryClaim,
    destination: &Destination,
    most: usize,
    in_flight: &HashMap<HookId, usize>,
) -> Result<Vec<Turn>> {
    let mut turns = Vec::new();
    let mut select =
        writing.prepare("SELECT hook, paced FROM queues WHERE destination = ?1 AND due <= ?2 ORDER BY due, served")?;
    let mut rows = select.query(params![destination.name, claim.now.as_millis()])?;
    while turns.len() < destination.room.min(most)
        && let Some(row) = rows.next()?
    {
        let hook: HookId = get(row, 0)?;
        let left = claim.per_hook.saturating_sub(in_flight.get(&hook).copied().unwrap_or(0));
        if left > 0 {
            turns.push(Turn { hook, left, taken: 0, paced: row.get(1)?, found: None });
        }
    }
    Ok(turns)
}

/// What sending needs of a hook, and its rate.
fn read_recipient(writing: &Writing<'_>, hook: HookId) -> Result<Option<(Recipient, Option<f64>)>> {
    let mut select = writing.prepare(
        "SELECT url, destination, token, secret, old_secret, old_until, words, format, rate FROM hooks WHERE id = ?1",
    )?;
    let found = select.query_row([hook.0], |row| {
        let words: Words = get(row, 6)?;
        let recipient = Recipient {
            hook,
            url: get(row, 0)?,
            destination: row.get(1)?,
            token: get(row, 2)?,
            secrets: read_secrets(row, 3)?,
            format: get(row, 7)?,
            retries: words.retries,
        };
        Ok((recipient, row.get(8)?))
    });
    Ok(found.optional()?)
}

/// The present secret, the one before, and until when that signs: in columns that follow one another.
pub(super) fn read_secrets(row: &Row<'_>, index: usize) -> rusqlite::Result<HookSecrets> {
    let previous: (Option<Sealed>, Option<Timestamp>) = (get(row, index + 1)?, get(row, index + 2)?);
    Ok(HookSecrets { current: get(row, index)?, previous: previous.0.zip(previous.1) })
}

/// Takes up to `share` of what a hook has due, those first that have been due longest; gives how many.
fn take(
    writing: &Writing<'_>,
    recipient: &Arc<Recipient>,
    share: usize,
    claim: &DeliveryClaim,
    claimed: &mut Vec<DueDelivery>,
) -> Result<usize> {
    // Not before the next instant, however short the lease: none is due again in its own claim.
    let lease_end = claim.now.after(claim.lease.max(Duration::from_millis(1)));
    let hook = recipient.hook;
    let mark = writing.memory.mark;
    let mut select = writing.prepare(concat!(
        "SELECT ",
        change_columns!(),
        ", d.attempts, d.lease
         FROM deliveries d INDEXED BY deliveries_due CROSS JOIN changes c ON c.sequence = d.change
         CROSS JOIN accounts a ON a.id = c.account
         WHERE d.hook = ?1 AND d.due <= ?2 ORDER BY d.due, d.change LIMIT ?3"
    ))?;
    let share = i64::try_from(share).unwrap_or(i64::MAX);
    let mut rows = select.query(params![hook.0, claim.now.as_millis(), share])?;
    let first = claimed.len();
    while let Some(row) = rows.next()? {
        const AT: usize = CHANGE_COLUMNS;
        let change = read_change(row, mark)?;
        let lease: i64 = row.get(AT + 1)?;
        claimed.push(DueDelivery {
            id: DeliveryId { hook, change: change.cursor.sequence },
            recipient: Arc::clone(recipient),
            change,
            attempts: row.get(AT)?,
            lease: lease.wrapping_add(1),
        });
    }
    drop(rows);
    for delivery in &claimed[first..] {
        let mut update = writing.prepare(
            "UPDATE deliveries SET claimed = COALESCE(claimed, due), due = ?3, lease = ?4 WHERE hook = ?1 AND change = ?2",
        )?;
        update.execute(params![hook.0, delivery.id.change, lease_end.as_millis(), delivery.lease])?;
    }
    Ok(claimed.len() - first)
}

/// Where a hook stands with its rate.
struct Pace {
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
    fn after(&self, taken: usize) -> i64 {
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
