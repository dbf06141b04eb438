//! Each gets its share, and leaves some to others.

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
