//! The turns in one claim. Half of a claim is for accounts in turns: an account with due deliveries at ten thousand
//! destinations does not delay others by a round of all of these. The rest is for destinations in turns, so that no
//! slot stays free while something is due.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::params;

use super::super::columns::get;
use super::super::turns::{self, Stored};
use super::super::writing::Writing;
use super::destination::{Destination, PASSED_OVER, accounts_in_turn, destinations_in_turn};
use crate::model::{AccountId, Timestamp};
use crate::store::{Budget, DeliveryClaim, DueDelivery, Result};

/// From how many of its destinations an account is served in one turn, and how many it looks at for that: what it can't
/// use it passes over, and finds the others the next time.
const PICKED: usize = 4;
const LOOKED_AT: usize = 16;

/// How many an account is given in one turn, where there is room: what is read and written of an account and its hooks
/// is so for all of them at once, and costs more than a delivery does.
const EACH: usize = 8;

pub(super) struct Round {
    /// Those whose turn it is, with the places of their destinations in `destinations`.
    accounts: Vec<(AccountId, Vec<usize>)>,
    destinations: Vec<Destination>,
    /// The places of those that were picked.
    places: HashMap<Arc<str>, usize>,
}

impl Round {
    /// Reads whose turn it is. Nothing is taken yet.
    pub(super) fn look(writing: &Writing<'_>, claim: &DeliveryClaim, budget: &mut Budget) -> Result<Round> {
        let mut round = Round { accounts: Vec::new(), destinations: Vec::new(), places: HashMap::new() };
        for account in claimants(writing, claim, budget)? {
            let picked = round.pick(writing, claim, account, budget)?;
            round.accounts.push((account, picked));
        }
        let limit = if round.destinations.is_empty() { budget.left() } else { budget.left().div_ceil(2) };
        let others = destinations_in_turn(writing, claim, budget, &round.places, limit)?;
        round.destinations.extend(others);
        // No more accounts and hooks are looked at than could have a share, if each of the others had but one to send.
        let most = budget.left().div_ceil(round.destinations.len().max(1));
        let quota = round.quota(budget);
        for destination in &mut round.destinations {
            destination.accounts = accounts_in_turn(writing, claim, destination, (most, quota), budget)?;
        }
        Ok(round)
    }

    /// How many each account whose turn it is may have: the same part of half of the claim.
    fn quota(&self, budget: &Budget) -> usize {
        (budget.left() / 2).div_ceil(self.accounts.len().max(1))
    }

    /// Picks destinations at which an account can be given something, and has it pass over those where it can't.
    fn pick(
        &mut self,
        writing: &Writing<'_>,
        claim: &DeliveryClaim,
        account: AccountId,
        budget: &mut Budget,
    ) -> Result<Vec<usize>> {
        let mut select = writing.prepare(
            "SELECT s.destination, d.standing, d.held
             FROM shares s CROSS JOIN destinations d ON d.name = s.destination
             WHERE s.account = ?1 AND s.turn <= ?2 ORDER BY s.turn, s.served",
        )?;
        let mut rows = select.query(params![account.0, claim.now.as_millis()])?;
        let (mut picked, mut passed) = (Vec::new(), Vec::new());
        let mut looked_at = 0;
        while looked_at < LOOKED_AT
            && let Some(row) = rows.next()?
        {
            looked_at += 1;
            let (name, standing): (Arc<str>, _) = (row.get(0)?, Stored::read(row.get(1)?).standing());
            let held: Timestamp = get(row, 2)?;
            let place = self.places.get(&name).copied();
            let room = match place {
                Some(place) => self.destinations[place].room,
                None => claim.room.destination(&name, standing, claim.now),
            };
            // Whether it has room is asked, though claims of its own turn leave it out: an attempt may just have ended.
            if held > claim.now || budget.allows(account, &room) == 0 {
                passed.push(name);
                continue;
            }
            let place = place.unwrap_or_else(|| {
                self.destinations.push(Destination::new(Arc::clone(&name), room));
                let place = self.destinations.len() - 1;
                self.places.insert(name, place);
                place
            });
            self.destinations[place].picked.push(account);
            picked.push(place);
            if picked.len() == PICKED {
                break;
            }
        }
        drop(rows);
        // Only to find others behind those: one without room may have some as soon as an attempt there ends.
        if looked_at == LOOKED_AT {
            for name in passed {
                turns::pass_over(writing, &name, account, claim.now.after(PASSED_OVER))?;
            }
        }
        Ok(picked)
    }

    /// Gives each account whose turn it is its quota.
    pub(super) fn serve_accounts(
        &mut self,
        writing: &Writing<'_>,
        claim: &DeliveryClaim,
        budget: &mut Budget,
        claimed: &mut Vec<DueDelivery>,
    ) -> Result<()> {
        let quota = self.quota(budget);
        for (account, places) in &self.accounts {
            let mut left = quota.min(budget.left());
            for (number, place) in places.iter().enumerate() {
                let share = left.div_ceil(places.len() - number);
                let destination = &mut self.destinations[*place];
                left -= destination.serve_account(writing, claim, (*account, share), budget, claimed)?;
            }
        }
        Ok(())
    }

    /// Gives the rest to destinations in turns.
    pub(super) fn serve_destinations(
        &mut self,
        writing: &Writing<'_>,
        claim: &DeliveryClaim,
        budget: &mut Budget,
        claimed: &mut Vec<DueDelivery>,
    ) -> Result<()> {
        let share = budget.left().div_ceil(self.destinations.len().max(1));
        loop {
            let before = claimed.len();
            for destination in &mut self.destinations {
                destination.serve(writing, claim, share, budget, claimed)?;
            }
            // What one destination does not have is room for others.
            if claimed.len() == before || budget.left() == 0 {
                return Ok(());
            }
        }
    }

    /// Sends those who were served, and those who had their turn, to the end.
    pub(super) fn end(self, writing: &Writing<'_>, claim: &DeliveryClaim, budget: &Budget) -> Result<()> {
        for destination in self.destinations {
            destination.end(writing, claim, budget)?;
        }
        for (account, _) in self.accounts {
            turns::refresh_claimant(writing, account, Some(claim.now))?;
        }
        Ok(())
    }
}

/// The accounts that have something due, in the order of their turn, as many as half of the claim gives `EACH`. One that
/// is alone needs no turn.
fn claimants(writing: &Writing<'_>, claim: &DeliveryClaim, budget: &Budget) -> Result<Vec<AccountId>> {
    let most = (budget.left() / 2 / EACH).max(2);
    let mut select = writing.prepare("SELECT account FROM claimants WHERE due <= ?1 ORDER BY due, served")?;
    let mut rows = select.query([claim.now.as_millis()])?;
    let mut accounts = Vec::new();
    while accounts.len() < most
        && let Some(row) = rows.next()?
    {
        accounts.push(get(row, 0)?);
    }
    if accounts.len() == 1 {
        accounts.clear();
    }
    Ok(accounts)
}
