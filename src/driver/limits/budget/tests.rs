//! The tokens that a bucket gives out in any period, with clocks that are set and hosts that restart.

use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_millis(1_795_341_600_000)))
}

fn allowed(per_minute: u32) -> Allowance {
    Allowance::of(NonZeroU32::new(per_minute), None)
}

fn budget(clock: &Arc<ManualClock>, per_minute: u32) -> Budget {
    after(clock, per_minute, None)
}

fn after(clock: &Arc<ManualClock>, per_minute: u32, mark: Option<BudgetMark>) -> Budget {
    Budget::new(Arc::<ManualClock>::clone(clock), allowed(per_minute), mark)
}

fn take(budget: &Budget, count: u32) {
    for _ in 0..count {
        budget.take().expect("there is some left");
    }
}

#[test]
fn the_operators_word_stands_over_the_drivers() {
    let check = |operator: Option<u32>, driver: Option<u32>, want: (u32, &str)| {
        let allowance = Allowance::of(operator.and_then(NonZeroU32::new), driver.and_then(NonZeroU32::new));
        assert_eq!((allowance.per_minute.get(), allowance.set_by.as_str()), want);
    };
    check(None, None, (300, "default"));
    check(None, Some(60), (60, "driver"));
    check(Some(10), Some(60), (10, "operator"));
}

#[test]
fn a_budget_is_spent_and_fills_up() {
    let clock = clock();
    let budget = budget(&clock, 60);
    let view = |left: u32, full_in: u64| {
        let view = budget.view();
        let full_at = clock.now().after(Duration::from_millis(full_in));
        assert_eq!((view.left, view.left + view.spent, view.full_at), (left, 60, full_at));
    };
    view(60, 0);
    take(&budget, 59);
    view(1, 59_000);
    assert_eq!(budget.wait_for(1), Duration::ZERO);
    assert_eq!(budget.wait_for(5), Duration::from_secs(4));
    assert_eq!(budget.wait_for(1000), Duration::from_secs(59), "as many as ever can be");
    take(&budget, 1);
    assert_eq!(budget.take(), Err(Duration::from_secs(1)));
    clock.advance(Duration::from_millis(999));
    assert_eq!(budget.take(), Err(Duration::from_millis(1)));
    clock.advance(Duration::from_millis(1));
    take(&budget, 1);
    view(0, 60_000);
    clock.advance(Duration::from_secs(3600));
    view(60, 0);
}

#[test]
fn a_clock_that_is_set_gives_nothing_away() {
    let clock = clock();
    let budget = budget(&clock, 60);
    take(&budget, 60);
    let now = clock.now();
    for hours in [5, -5, 0] {
        clock.set(Timestamp::from_millis(now.as_millis() + hours * 3_600_000));
        assert_eq!(budget.take(), Err(Duration::from_secs(1)), "{hours}");
    }
    clock.advance(Duration::from_secs(1));
    take(&budget, 1);
}

#[test]
fn a_new_host_goes_on_from_what_was_left() {
    let clock = clock();
    let old = budget(&clock, 60);
    take(&old, 60);
    let mark = old.mark();
    let left = |mark: BudgetMark| after(&clock, 60, Some(mark)).view().left;
    assert_eq!(left(mark), 0);
    assert_eq!(left(BudgetMark { left: 50.0, at: None }), 50, "nothing came in that is known of");
    clock.advance(Duration::from_secs(10));
    assert_eq!(left(mark), 10);
    clock.advance(Duration::from_secs(1000));
    assert_eq!(left(mark), 60);
    clock.set(Timestamp::from_millis(0));
    assert_eq!(left(mark), 0, "the clock was set back meanwhile");
    assert_eq!(left(BudgetMark { left: f64::MAX, at: None }), 60);
}

#[test]
fn another_rate_holds_from_then_on() {
    let clock = clock();
    let key = |user: usize| AccountKey { driver: "d".into(), provider: "p".into(), user: user.to_string() };
    let spent = (key(9999), BudgetMark { left: 0.0, at: None });
    let budgets = Budgets::new(Arc::<ManualClock>::clone(&clock), vec![spent]);
    assert_eq!(budgets.of(&key(9999), allowed(60)).view().left, 0);
    let budget = budgets.of(&key(0), allowed(60));
    take(&budget, 60);
    budgets.of(&key(0), allowed(6));
    assert_eq!(budget.take(), Err(Duration::from_secs(10)));

    // Those that are full are not kept for good.
    for user in 1..5 * MANY {
        budgets.of(&key(user), allowed(60));
    }
    let accounts = budgets.accounts.lock().expect("not poisoned");
    assert!(accounts.by_key.len() <= 2 * MANY, "{}", accounts.by_key.len());
    assert!(Arc::ptr_eq(&accounts.by_key[&key(0)], &budget));
}

#[derive(Clone, Debug)]
enum Step {
    Take(u8),
    Wait(u16),
    /// The wall clock is set by so many seconds.
    Set(i32),
    /// The host ends as it should, and another starts.
    Restart,
}

proptest! {
    /// In no stretch of time is there more than the bucket's content and what came in meanwhile.
    #[test]
    fn it_is_never_exceeded(
        per_minute in 1_u32..200,
        steps in prop::collection::vec(prop_oneof![
            6 => (1..60_u8).prop_map(Step::Take),
            4 => (0..20_000_u16).prop_map(Step::Wait),
            1 => (-100_000..100_000_i32).prop_map(Step::Set),
            1 => Just(Step::Restart),
        ], 1..80),
    ) {
        let clock = clock();
        let mut bucket = budget(&clock, per_minute);
        let mut sent = Vec::new();
        for step in steps {
            match step {
                Step::Take(count) => {
                    for _ in 0..count {
                        if bucket.take().is_ok() {
                            sent.push(clock.uptime());
                        }
                    }
                }
                Step::Wait(millis) => clock.advance(Duration::from_millis(u64::from(millis))),
                Step::Set(seconds) => {
                    clock.set(Timestamp::from_millis(clock.now().as_millis() + i64::from(seconds) * 1000));
                }
                Step::Restart => {
                    bucket = after(&clock, per_minute, Some(bucket.mark()));
                }
            }
        }
        for (from, first) in sent.iter().enumerate() {
            for (to, last) in sent.iter().enumerate().skip(from) {
                let allowed = f64::from(per_minute) * (1.0 + (*last - *first).as_secs_f64() / 60.0);
                prop_assert!((to - from + 1) as f64 <= allowed + 1e-6, "{first:?} {last:?}");
            }
        }
    }
}
