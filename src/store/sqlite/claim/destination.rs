//! The part of one destination in a claim: its accounts take turns, and then the hooks of each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::params;

use super::super::columns::get;
use super::super::turns::{self, Served, Stored, Touched};
use super::super::writing::Writing;
use super::hook::{Turn, lease_end};
use crate::model::{AccountId, HookId};
use crate::store::{Budget, DeliveryClaim, DestinationRoom, DueDelivery, Result};

/// How many a hook is given in one turn: what waits for one hook lies together on disk, and what is read of a
/// hook is read once for all of them.
const TURN: usize = 16;

/// For how long a destination is left out that had room, but none of its accounts and hooks had: so that claims
/// do not look at it each time.
pub(super) const PASSED_OVER: Duration = Duration::from_millis(100);

pub(super) struct Destination {
    name: Arc<str>,
    pub(super) room: DestinationRoom,
    /// Accounts whose turn it is among all accounts.
    pub(super) picked: Vec<AccountId>,
    pub(super) accounts: Vec<AccountTurn>,
    /// Who comes next.
    next: usize,
}

/// An account in the round of a destination.
pub(super) struct AccountTurn {
    account: AccountId,
    hooks: Vec<Turn>,
    /// Who comes next.
    next: usize,
}

impl Destination {
    pub(super) fn new(name: Arc<str>, room: DestinationRoom) -> Destination {
        Destination { name, room, picked: Vec::new(), accounts: Vec::new(), next: 0 }
    }

    /// Gives its accounts in turns up to `quota` of what they have.
    pub(super) fn serve(
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
    pub(super) fn serve_account(
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
    pub(super) fn end(self, writing: &Writing<'_>, claim: &DeliveryClaim, budget: &Budget) -> Result<()> {
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

/// Those that have something due and may have more, in the order of their turn, but for those that are `known`: those
/// that are proven first, and up to a quarter of `limit` for the others.
pub(super) fn destinations_in_turn(
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
pub(super) fn accounts_in_turn(
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
