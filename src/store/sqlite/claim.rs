//! Taking deliveries that are due: half of a claim for accounts in turns (`claim/round.rs`), whatever the number of their
//! destinations; the rest from destinations in turns, within each from its accounts in turns, and within each of these
//! from its hooks in turns.

mod round;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params};

use super::super::{Budget, DeliveryClaim, DeliveryId, DestinationRoom, DueDelivery, Recipient, Result};
use super::columns::get;
use super::damage::{self, Key, Source};
use super::journal::{CHANGE_COLUMNS, change_columns, read_change};
use super::queue::Line;
use super::turns::{self, Served, Stored, Touched};
use super::words::Words;
use super::writer::Writing;
use crate::model::breaker::Standing;
use crate::model::{AccountId, HookId, HookSecrets, Sealed, Timestamp};
use round::Round;

/// How much of its rate a hook may use at once, having been quiet: what comes due between two looks.
const BURST: Duration = Duration::from_millis(250);

/// How many a hook is given in one turn: what waits for one hook lies together on disk, and what is read of a
/// hook is read once for all of them.
const TURN: usize = 16;

/// For how long a destination is left out that had room, but none of its accounts and hooks had: so that claims
/// do not look at it each time.
const PASSED_OVER: Duration = Duration::from_millis(100);

pub(super) fn claim(writing: &mut Writing<'_>, claim: &DeliveryClaim) -> Result<Vec<DueDelivery>> {
    let mut budget = Budget::new(&claim.room, claim.limit);
    let mut round = match Round::look(writing, claim, &mut budget) {
        Err(error) if damage::is_damaged_row(&error) => {
            // Whose turn it is follows from what waits.
            writing.memory.damages.note("queues", None, Vec::new(), "destination", &error.to_string());
            turns::rebuild(writing.connection)?;
            budget = Budget::new(&claim.room, claim.limit);
            Round::look(writing, claim, &mut budget)?
        }
        found => found?,
    };
    let mut claimed = Vec::new();
    round.serve_accounts(writing, claim, &mut budget, &mut claimed)?;
    round.serve_destinations(writing, claim, &mut budget, &mut claimed)?;
    let ended = round.end(writing, claim, &budget);
    turns::or_rebuild(writing, ended)?;
    Ok(claimed)
}

struct Destination {
    name: Arc<str>,
    room: DestinationRoom,
    /// Accounts whose turn it is among all accounts.
    picked: Vec<AccountId>,
    accounts: Vec<AccountTurn>,
    /// Who comes next.
    next: usize,
}

/// An account in the round of a destination.
struct AccountTurn {
    account: AccountId,
    hooks: Vec<Turn>,
    /// Who comes next.
    next: usize,
}

/// A hook in the round of its account.
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
    fn new(name: Arc<str>, room: DestinationRoom) -> Destination {
        Destination { name, room, picked: Vec::new(), accounts: Vec::new(), next: 0 }
    }

    /// Gives its accounts in turns up to `quota` of what they have.
    fn serve(
        &mut self,
        writing: &Writing<'_>,
        claim: &DeliveryClaim,
        quota: usize,
        budget: &mut Budget,
        claimed: &mut Vec<DueDelivery>,
    ) -> Result<()> {
        let mut left = quota;
        let mut idle = 0;
        while left > 0 && idle < self.accounts.len() {
            let at = self.next % self.accounts.len();
            let turn = &mut self.accounts[at];
            let most = left.min(TURN).min(budget.allows(turn.account, &self.room));
            let taken = turn.serve(writing, claim, most, &self.room, claimed)?;
            budget.take(turn.account, &mut self.room, taken);
            idle = if taken == 0 { idle + 1 } else { 0 };
            left -= taken;
            self.next = at + 1;
        }
        Ok(())
    }

    /// Gives one of its accounts up to `quota` of what it has.
    fn serve_account(
        &mut self,
        writing: &Writing<'_>,
        claim: &DeliveryClaim,
        (account, quota): (AccountId, usize),
        budget: &mut Budget,
        claimed: &mut Vec<DueDelivery>,
    ) -> Result<usize> {
        let Some(turn) = self.accounts.iter_mut().find(|turn| turn.account == account) else { return Ok(0) };
        let mut left = quota;
        while left > 0 {
            let most = left.min(TURN).min(budget.allows(account, &self.room));
            let taken = turn.serve(writing, claim, most, &self.room, claimed)?;
            budget.take(account, &mut self.room, taken);
            if taken == 0 {
                break;
            }
            left -= taken;
        }
        Ok(quota - left)
    }

    /// Sends those who were served to the end, and leaves itself out while there is no use in looking at it.
    fn end(self, writing: &Writing<'_>, claim: &DeliveryClaim, budget: &Budget) -> Result<()> {
        let mut touched = Touched::default();
        let mut served = false;
        for account in self.accounts {
            let mut any = false;
            for turn in account.hooks.into_iter().filter(|turn| turn.taken > 0) {
                any = true;
                let pace = turn.found.and_then(|found| found.pace);
                let paced = pace.map_or(0, |pace| pace.after(turn.taken));
                turns::refresh_hook(writing, turn.hook, Some(Served { at: claim.now, paced }), &mut touched)?;
            }
            if any {
                turns::refresh_share(writing, &self.name, account.account, Some(claim.now))?;
            }
            served |= any;
        }
        if self.room.room == 0 {
            turns::leave_out(writing, &self.name, lease_end(claim))?;
        } else if !served && budget.left() > 0 {
            turns::leave_out(writing, &self.name, claim.now.after(PASSED_OVER))?;
        }
        if served {
            turns::refresh_destination(writing, &self.name, Some(claim.now))?;
        }
        Ok(())
    }
}

impl AccountTurn {
    /// Takes up to `most` from the next hook that has any; gives how many those were.
    fn serve(
        &mut self,
        writing: &Writing<'_>,
        claim: &DeliveryClaim,
        most: usize,
        room: &DestinationRoom,
        claimed: &mut Vec<DueDelivery>,
    ) -> Result<usize> {
        if most == 0 {
            return Ok(0);
        }
        for _ in 0..self.hooks.len() {
            let at = self.next % self.hooks.len();
            self.next = at + 1;
            let taken = self.hooks[at].serve(writing, claim, most, room, claimed)?;
            if taken > 0 {
                return Ok(taken);
            }
        }
        Ok(0)
    }
}

impl Turn {
    /// Takes up to `most`; gives how many those were.
    fn serve(
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

/// Those that have something due and may have more, in the order of their turn, but for those that are `known`: those
/// that are proven first, and up to a quarter of `limit` for the others.
fn destinations_in_turn(
    writing: &Writing<'_>,
    claim: &DeliveryClaim,
    budget: &Budget,
    known: &HashMap<Arc<str>, usize>,
    limit: usize,
) -> Result<Vec<Destination>> {
    let mut found = look(writing, claim, budget, &[Stored::Proven])?;
    let mut others = look(writing, claim, budget, &[Stored::ProvenBefore, Stored::Unproven])?;
    others.extend(look(writing, claim, budget, &[Stored::Slow, Stored::TimedOut])?);
    for list in [&mut found, &mut others] {
        list.retain(|destination| !known.contains_key(&destination.name));
    }
    others.truncate(limit - found.len().min(limit - limit / 4));
    found.truncate(limit - others.len());
    found.extend(others);
    Ok(found)
}

/// Destinations of these standings, each in the order of their turn. One that is found to have no room is left out
/// from then on, so that claims do not look at it each time.
fn look(
    writing: &Writing<'_>,
    claim: &DeliveryClaim,
    budget: &Budget,
    standings: &[Stored],
) -> Result<Vec<Destination>> {
    let mut found = Vec::new();
    let mut full: Vec<Arc<str>> = Vec::new();
    for stored in standings {
        let most = budget.destinations(stored.standing());
        let mut select =
            writing.prepare("SELECT name FROM destinations WHERE standing = ?1 AND due <= ?2 ORDER BY due, served")?;
        let mut rows = select.query(params![stored.number(), claim.now.as_millis()])?;
        while found.len() < most
            && let Some(row) = rows.next()?
        {
            let name: Arc<str> = row.get(0)?;
            let room = claim.room.destination(&name, stored.standing(), claim.now);
            if room.room > 0 {
                found.push(Destination::new(name, room));
            } else {
                full.push(name);
            }
        }
    }
    for name in full {
        turns::leave_out(writing, &name, lease_end(claim))?;
    }
    Ok(found)
}

/// The accounts of a destination that have something due and may have more, in the order of their turn, with their
/// hooks, up to `most` of them all; and those whose turn it is among all accounts, with up to `quota` hooks each.
fn accounts_in_turn(
    writing: &Writing<'_>,
    claim: &DeliveryClaim,
    destination: &Destination,
    (most, quota): (usize, usize),
    budget: &mut Budget,
) -> Result<Vec<AccountTurn>> {
    let most = destination.room.room.min(most);
    let mut turns = Vec::new();
    let mut select =
        writing.prepare("SELECT account FROM shares WHERE destination = ?1 AND due <= ?2 ORDER BY due, served")?;
    let mut rows = select.query(params![destination.name, claim.now.as_millis()])?;
    while turns.len() < most
        && let Some(row) = rows.next()?
    {
        let account: AccountId = get(row, 0)?;
        if budget.allows(account, &destination.room) > 0 {
            turns.push(AccountTurn { account, hooks: Vec::new(), next: 0 });
        }
    }
    drop(rows);
    for account in &destination.picked {
        if turns.iter().all(|turn| turn.account != *account) {
            turns.push(AccountTurn { account: *account, hooks: Vec::new(), next: 0 });
        }
    }
    let most = most.div_ceil(turns.len().max(1));
    for turn in &mut turns {
        let most = if destination.picked.contains(&turn.account) { most.max(quota) } else { most };
        turn.hooks = hooks_in_turn(writing, claim, destination, turn.account, most)?;
    }
    Ok(turns)
}

/// The hooks of an account at a destination that have something due and may have more, in the order of their turn,
/// up to `most` of them.
fn hooks_in_turn(
    writing: &Writing<'_>,
    claim: &DeliveryClaim,
    destination: &Destination,
    account: AccountId,
    most: usize,
) -> Result<Vec<Turn>> {
    let mut turns = Vec::new();
    let mut select = writing.prepare(
        "SELECT hook, paced FROM queues WHERE destination = ?1 AND account = ?2 AND due <= ?3 ORDER BY due, served",
    )?;
    let mut rows = select.query(params![destination.name, account.0, claim.now.as_millis()])?;
    while turns.len() < most
        && let Some(row) = rows.next()?
    {
        let hook: HookId = get(row, 0)?;
        let left = claim.room.hook(hook);
        if left > 0 {
            turns.push(Turn { hook, left, taken: 0, paced: row.get(1)?, found: None });
        }
    }
    Ok(turns)
}

/// Not before the next instant, however short the lease: none is due again in its own claim.
fn lease_end(claim: &DeliveryClaim) -> Timestamp {
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
