//! How many deliveries each hook, account and destination may have in flight: the part of a claim that is the same in
//! every store. Pure.
//!
//! An account, or a destination, has at most as many deliveries in flight as slots are free. This applies to all slots,
//! and to those for destinations on probation. A reserve is left to destinations with few deliveries in flight. So a
//! destination with none finds a slot even when many others took all they could and hang.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::model::breaker::{FIRST_WIDTH, Standing};
use crate::model::{AccountId, HookId, Timestamp};

/// How many more deliveries may be in flight. A claim asks only for what it reads, so its cost depends on the claim and
/// not on all that is known.
pub trait Room: fmt::Debug + Send + Sync {
    fn free(&self) -> Free;

    /// How many more for a hook.
    fn hook(&self, hook: HookId) -> usize;

    /// `stored` is the standing that the store has.
    fn destination(&self, name: &str, stored: Standing, now: Timestamp) -> DestinationRoom;

    fn account(&self, account: AccountId) -> InFlight;
}

/// Free slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// All slots, free or in use.
    pub slots: usize,
    pub all: usize,
    /// Free slots that are reserved for destinations with fewer than `FIRST_WIDTH` in flight.
    pub reserve: usize,
    /// Free slots for destinations on probation.
    pub probation: usize,
    /// Of these, slots for destinations that answered late or not at all.
    pub late: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestinationRoom {
    /// How many more the destination may have.
    pub room: usize,
    pub in_flight: usize,
    pub standing: Standing,
}

/// Deliveries of one account in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    pub all: usize,
    /// Deliveries to destinations on probation.
    pub probation: usize,
}

/// The remaining room while a claim takes deliveries.
#[derive(Debug)]
pub struct Budget {
    room: Arc<dyn Room>,
    /// How many more the claim takes.
    left: usize,
    free: Free,
    /// The accounts that were asked for.
    accounts: HashMap<AccountId, InFlight>,
}

impl Budget {
    pub fn new(room: &Arc<dyn Room>, limit: usize) -> Budget {
        let free = room.free();
        Budget { room: Arc::clone(room), left: limit.min(free.all), free, accounts: HashMap::new() }
    }

    /// How many more the claim takes.
    pub fn left(&self) -> usize {
        self.left
    }

    /// How many destinations of that standing can get a delivery.
    pub fn destinations(&self, standing: Standing) -> usize {
        let free = match standing {
            Standing::Proven => self.free.all,
            Standing::Unproven => self.free.probation,
            Standing::Slow | Standing::TimedOut => self.free.late.min(self.free.probation),
        };
        free.min(self.left)
    }

    /// How many deliveries of an account a destination can get now.
    pub fn allows(&mut self, account: AccountId, destination: &DestinationRoom) -> usize {
        let standing = destination.standing;
        let has = *self.accounts.entry(account).or_insert_with(|| self.room.account(account));
        let free = self.free.all;
        let many = fair(free, has.all, 1)
            .min(fair(free, destination.in_flight, 1))
            .min(free.saturating_sub(self.free.reserve));
        // Many of an account's destinations may hang: its others still find a slot, up to three quarters of all slots.
        let few = FIRST_WIDTH.saturating_sub(destination.in_flight).min(fair(free, has.all, 3));
        // Others may have left fewer slots free since. A destination with none in flight still gets a slot, but not
        // from the last half of the reserve, and not from the last quarter of all slots.
        let has_little = has.all < self.free.slots / 4 * 3;
        let one = usize::from(destination.in_flight == 0 && has_little && free > self.free.reserve / 2);
        let most = self.destinations(standing).min(destination.room).min(many.max(few).max(one));
        if standing.is_probation() { most.min(fair(self.free.probation, has.probation, 1)) } else { most }
    }

    /// Takes `number` deliveries for an account and a destination.
    pub fn take(&mut self, account: AccountId, destination: &mut DestinationRoom, number: usize) {
        let less = |free: &mut usize| *free = free.saturating_sub(number);
        let has = self.accounts.entry(account).or_insert_with(|| self.room.account(account));
        has.all += number;
        less(&mut self.left);
        less(&mut self.free.all);
        if destination.standing.is_probation() {
            has.probation += number;
            less(&mut self.free.probation);
        }
        if destination.standing.is_late() {
            less(&mut self.free.late);
        }
        destination.in_flight += number;
        less(&mut destination.room);
    }
}

/// How many more a holder with `in_flight` may take, so that it then has at most `times` as many as are free.
fn fair(free: usize, in_flight: usize, times: usize) -> usize {
    free.saturating_mul(times).saturating_sub(in_flight).div_ceil(times + 1)
}

#[cfg(test)]
mod tests;
