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

pub(super) fn claim(writing: &mut Writing<'_>, claim: &DeliveryClaim) -> Result<Vec<DueDelivery>> {
    let mut round = Round::begin(writing, claim)?;
    let mut claimed = Vec::new();
    while claimed.len() < claim.limit && round.share_out(claim.limit - claimed.len()) {
        for destination in &mut round.destinations {
            destination.take(writing, claim, &mut claimed)?;
        }
    }
    round.end(writing, claim.now)?;
    Ok(claimed)
}

/// One round of all that may be served.
struct Round {
    destinations: Vec<Destination>,
}

struct Destination {
    name: Arc<str>,
    /// How many more it may have.
    room: usize,
    turns: Vec<Turn>,
    /// Who comes next.
    next: usize,
}

/// A hook in the round.
struct Turn {
    recipient: Arc<Recipient>,
    /// How many more it may have.
    left: usize,
    /// How many it is to take now.
    share: usize,
    taken: usize,
    pace: Option<Pace>,
}

impl Round {
    fn begin(writing: &Writing<'_>, claim: &DeliveryClaim) -> Result<Round> {
        let mut in_flight: HashMap<HookId, usize> = HashMap::new();
        for (hook, number) in &claim.in_flight {
            *in_flight.entry(*hook).or_default() += number;
        }
        let mut destinations = destinations_in_turn(writing, claim)?;
        // No more hooks are looked at than could have a share.
        let share = claim.limit.div_ceil(destinations.len().max(1));
        for destination in &mut destinations {
            destination.turns = hooks_in_turn(writing, claim, destination, share, &in_flight)?;
        }
        Ok(Round { destinations })
    }

    /// Shares out so many: one to each destination in turns, there to its hooks in turns. Says whether
    /// anybody got any.
    fn share_out(&mut self, mut number: usize) -> bool {
        let mut any = false;
        loop {
            let mut gave = false;
            for destination in &mut self.destinations {
                if number > 0 && destination.share_one() {
                    number -= 1;
                    gave = true;
                }
            }
            if !gave {
                return any;
            }
            any = true;
        }
    }

    /// Sends those who were served to the end.
    fn end(self, writing: &Writing<'_>, now: Timestamp) -> Result<()> {
        let mut touched = Touched::default();
        for destination in self.destinations {
            let mut served = false;
            for turn in destination.turns.into_iter().filter(|turn| turn.taken > 0) {
                served = true;
                let paced = turn.pace.map_or(0, |pace| pace.after(turn.taken));
                turns::refresh_hook(writing, turn.recipient.hook, Some(Served { at: now, paced }), &mut touched)?;
            }
            if served {
                turns::refresh_destination(writing, &destination.name, Some(now))?;
            }
        }
        Ok(())
    }
}

impl Destination {
    fn share_one(&mut self) -> bool {
        if self.room == 0 {
            return false;
        }
        for step in 0..self.turns.len() {
            let at = (self.next + step) % self.turns.len();
            let turn = &mut self.turns[at];
            if turn.share < turn.left {
                turn.share += 1;
                self.room -= 1;
                self.next = at + 1;
                return true;
            }
        }
        false
    }

    /// Takes what was shared out. What a hook does not have is room for others.
    fn take(&mut self, writing: &Writing<'_>, claim: &DeliveryClaim, claimed: &mut Vec<DueDelivery>) -> Result<()> {
        for turn in self.turns.iter_mut().filter(|turn| turn.share > 0) {
            let before = claimed.len();
            take(writing, turn, claim, claimed)?;
            let taken = claimed.len() - before;
            self.room += turn.share - taken;
            turn.left = if taken < turn.share { 0 } else { turn.left - taken };
            turn.taken += taken;
            turn.share = 0;
        }
        Ok(())
    }
}

/// Those that have something due and may have more, in the order of their turn. Beyond these it only looks
/// at destinations that have all they may.
fn destinations_in_turn(writing: &Writing<'_>, claim: &DeliveryClaim) -> Result<Vec<Destination>> {
    let rooms: HashMap<&str, usize> = claim.room.iter().map(|(name, room)| (&**name, *room)).collect();
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
    Ok(found)
}

/// The hooks of a destination that have something due and may have more, in the order of their turn, up to
/// `share` of them.
fn hooks_in_turn(
    writing: &Writing<'_>,
    claim: &DeliveryClaim,
    destination: &Destination,
    share: usize,
    in_flight: &HashMap<HookId, usize>,
) -> Result<Vec<Turn>> {
    let mut turns = Vec::new();
    let mut select =
        writing.prepare("SELECT hook, paced FROM queues WHERE destination = ?1 AND due <= ?2 ORDER BY due, served")?;
    let mut rows = select.query(params![destination.name, claim.now.as_millis()])?;
    while turns.len() < destination.room.min(share)
        && let Some(row) = rows.next()?
    {
        let hook: HookId = get(row, 0)?;
        let mut left = claim.per_hook.saturating_sub(in_flight.get(&hook).copied().unwrap_or(0));
        if left == 0 {
            continue;
        }
        let Some((recipient, rate)) = read_recipient(writing, hook)? else { continue };
        let paced = row.get(1)?;
        let pace = rate.map(|rate| Pace::new(rate, paced, claim.now));
        if let Some(pace) = &pace {
            left = left.min(pace.allows(claim.now));
        }
        if left > 0 {
            turns.push(Turn { recipient: Arc::new(recipient), left, share: 0, taken: 0, pace });
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

/// Takes as many as the hook's share, those first that have been due longest.
fn take(writing: &Writing<'_>, turn: &Turn, claim: &DeliveryClaim, claimed: &mut Vec<DueDelivery>) -> Result<()> {
    // Not before the next instant, however short the lease: none is due again in its own claim.
    let lease_end = claim.now.after(claim.lease.max(Duration::from_millis(1)));
    let hook = turn.recipient.hook;
    let mark = writing.memory.mark;
    let mut select = writing.prepare(concat!(
        "SELECT ",
        change_columns!(),
        ", d.attempts, d.lease
         FROM deliveries d JOIN changes c ON c.sequence = d.change JOIN accounts a ON a.id = c.account
         WHERE d.hook = ?1 AND d.due <= ?2 ORDER BY d.due, d.change LIMIT ?3"
    ))?;
    let share = i64::try_from(turn.share).unwrap_or(i64::MAX);
    let mut rows = select.query(params![hook.0, claim.now.as_millis(), share])?;
    let first = claimed.len();
    while let Some(row) = rows.next()? {
        const AT: usize = CHANGE_COLUMNS;
        let change = read_change(row, mark)?;
        let lease: i64 = row.get(AT + 1)?;
        claimed.push(DueDelivery {
            id: DeliveryId { hook, change: change.cursor.sequence },
            recipient: Arc::clone(&turn.recipient),
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
    Ok(())
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
