//! Who may have how many deliveries in flight: the part of a claim that every store keeps in the same way. Pure.
//!
//! An account, or a destination, has at most as many deliveries in flight as slots are free, of all slots and of those
//! for destinations on probation. A reserve is left to destinations with few in flight, so that one that has none
//! finds a slot even when many others took all they could and hang.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::model::breaker::{FIRST_WIDTH, Standing};
use crate::model::{AccountId, HookId, Timestamp};

/// How many more deliveries may be in flight. A claim asks for what it looks at, so that it costs what it takes and
/// not what is known.
pub trait Room: fmt::Debug + Send + Sync {
    fn free(&self) -> Free;

    /// How many more of a hook.
    fn hook(&self, hook: HookId) -> usize;

    /// `stored` is the standing that the store has.
    fn destination(&self, name: &str, stored: Standing, now: Timestamp) -> DestinationRoom;

    fn account(&self, account: AccountId) -> InFlight;
}

/// Free slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// All slots, free or not.
    pub slots: usize,
    pub all: usize,
    /// Those of them that are left to destinations with fewer than `FIRST_WIDTH` in flight.
    pub reserve: usize,
    /// Those that destinations on probation may use.
    pub probation: usize,
    /// Those of them that destinations may use which answered late, or not at all.
    pub late: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestinationRoom {
    /// How many more it may have.
    pub room: usize,
    pub in_flight: usize,
    pub standing: Standing,
}

/// Deliveries of one account in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    pub all: usize,
    /// Those that were sent to destinations on probation.
    pub probation: usize,
}

/// What is left while a claim takes deliveries.
#[derive(Debug)]
pub struct Budget {
    room: Arc<dyn Room>,
    /// How many more the claim takes.
    left: usize,
    free: Free,
    /// Those that were asked for.
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

    /// How many destinations of that standing can be given anything.
    pub fn destinations(&self, standing: Standing) -> usize {
        let free = match standing {
            Standing::Proven => self.free.all,
            Standing::Unproven => self.free.probation,
            Standing::Slow | Standing::TimedOut => self.free.late.min(self.free.probation),
        };
        free.min(self.left)
    }

    /// How many deliveries of an account a destination can be given now.
    pub fn allows(&mut self, account: AccountId, destination: &DestinationRoom) -> usize {
        let standing = destination.standing;
        let has = *self.accounts.entry(account).or_insert_with(|| self.room.account(account));
        let free = self.free.all;
        let many = fair(free, has.all, 1)
            .min(fair(free, destination.in_flight, 1))
            .min(free.saturating_sub(self.free.reserve));
        // Many of an account's destinations may hang: the others still find a slot, up to three quarters of all.
        let few = FIRST_WIDTH.saturating_sub(destination.in_flight).min(fair(free, has.all, 3));
        // What others took since may leave less free than that. A destination that has none in flight has a slot all the
        // same, but not the last half of the reserve, and not one of the last quarter of all.
        let has_little = has.all < self.free.slots / 4 * 3;
        let one = usize::from(destination.in_flight == 0 && has_little && free > self.free.reserve / 2);
        let most = self.destinations(standing).min(destination.room).min(many.max(few).max(one));
        if standing.is_probation() { most.min(fair(self.free.probation, has.probation, 1)) } else { most }
    }

    /// Takes so many for an account and a destination.
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

/// How many more one may take that has `in_flight`, so that it has at most `times` as many as are free then.
fn fair(free: usize, in_flight: usize, times: usize) -> usize {
    free.saturating_mul(times).saturating_sub(in_flight).div_ceil(times + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::room::GivenRoom;

    #[test]
    fn a_fair_share_is_bounded_by_what_it_leaves_free() {
        for times in [1, 3] {
            for free in 0..100 {
                for in_flight in 0..100 {
                    let more = fair(free, in_flight, times);
                    let case = format!("{free} free, {in_flight} in flight: {more}");
                    assert!(more <= free, "{case}");
                    assert!(more == 0 || in_flight + more <= times * (free - more) + times, "{case}");
                    assert_eq!(more == 0, free * times <= in_flight, "{case}");
                }
            }
        }
    }

    fn budget(slots: usize, probation: usize) -> Budget {
        let free = Free { slots, all: slots, reserve: slots / 8, probation, late: probation / 2 };
        let room: Arc<dyn Room> = Arc::new(GivenRoom { free, ..GivenRoom::ample() });
        Budget::new(&room, usize::MAX)
    }

    fn destination(standing: Standing) -> DestinationRoom {
        DestinationRoom { room: usize::MAX, in_flight: 0, standing }
    }

    /// Takes all that so many destinations get, each of its own account or all of one.
    fn exhaust(budget: &mut Budget, destinations: usize, accounts: i64, standing: Standing) -> usize {
        let mut others = vec![destination(standing); destinations];
        let mut total = 0;
        loop {
            let before = total;
            for (number, other) in (0..).zip(&mut others) {
                let account = AccountId(number % accounts);
                let most = budget.allows(account, other);
                budget.take(account, other, most);
                total += most;
            }
            if total == before {
                return total;
            }
        }
    }

    #[test]
    fn destinations_that_take_all_they_can_leave_a_slot_for_one_that_has_none() {
        for (slots, destinations, accounts) in
            [(1024, 1, 1), (1024, 12, 3), (16_384, 14, 14), (16_384, 200, 1), (16_384, 100_000, 1)]
        {
            let mut budget = budget(slots, slots / 4);
            let taken = exhaust(&mut budget, destinations, accounts, Standing::Proven);
            assert!(taken >= slots / 4, "{destinations} destinations take only {taken} of {slots}");
            let left = budget.allows(AccountId(-1), &destination(Standing::Proven));
            assert!(left > 0, "{destinations} destinations take {taken} of {slots}");
        }
    }

    #[test]
    fn destinations_on_probation_share_a_part_and_each_account_half_of_it() {
        for standing in [Standing::Unproven, Standing::Slow, Standing::TimedOut] {
            let mut budget = budget(1000, 100);
            let taken = exhaust(&mut budget, 5_000, 1, standing);
            assert_eq!(taken, 50, "{standing:?}");
            assert!(budget.allows(AccountId(-1), &destination(Standing::Unproven)) > 0, "{standing:?}");
            assert!(budget.allows(AccountId(-1), &destination(Standing::Proven)) > 0, "{standing:?}");
            exhaust(&mut budget, 5_000, 5_000, standing);
            assert!(budget.free.all >= 900, "{standing:?}");
        }
    }
}
