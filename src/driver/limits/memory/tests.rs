//! Which polls get memory, which wait for it, and that none waits forever.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_util::poll;
use proptest::prelude::*;

use super::*;
use crate::model::ErrorCode;

fn pool(poll_units: usize, total_units: usize) -> Arc<Pool> {
    let limits = Limits { poll_memory: poll_units * UNIT, total_memory: total_units * UNIT, ..Limits::default() };
    Pool::new(&limits).expect("there is room for a poll")
}

/// Units of the parts beside the reserve. A small part of three units is the small reserve alone, as `FIRST_BYTES` is more.
const SMALL: usize = 3;
const SHARED: usize = 12;

/// A pool with these parts, and a reserve of so many units.
fn parts(reserve: usize) -> Arc<Pool> {
    let pool = pool(reserve, reserve + SMALL + SHARED);
    assert_eq!((pool.first, pool.shares.free()), (SMALL.min(reserve), SHARED));
    pool
}

fn begin(pool: &Arc<Pool>) -> Arc<PollMemory> {
    pool.begin(None)
}

fn begin_at(pool: &Arc<Pool>, endpoint: &str) -> Arc<PollMemory> {
    let account = AccountKey { driver: "d".into(), provider: endpoint.into(), user: "u".into() };
    pool.begin(Some(Owner { account, kind: Kind::Instance, endpoint: endpoint.into() }))
}

fn end(memory: Arc<PollMemory>) {
    drop(SandboxMemory(memory));
}

/// Nothing of the pool is taken, and nobody waits.
fn is_whole(pool: &Pool) -> bool {
    let line = pool.line();
    line.accounts.is_empty()
        && (line.small, line.large.len()) == (0, 0)
        && (pool.gauges.bytes(), pool.gauges.waiting()) == (0, 0)
        && pool.small_reserve.available_permits() == 1
        && pool.shares.is_whole()
        && pool.small.available_permits() + pool.first + pool.shares.free()
            == (pool.total_limit - pool.poll_limit) / UNIT
}

#[tokio::test]
async fn a_poll_has_its_limit_whatever_is_free() {
    let pool = pool(4, 100);
    let memory = begin(&pool);
    memory.grow(3 * UNIT).await.expect("there is room");
    let held = memory.hold(UNIT).await.expect("there is room");
    assert_eq!(memory.passed(), None);
    assert!(memory.hold(1).await.is_err());
    let error = CallError::from(memory.passed().expect("it was passed"));
    assert_eq!(error.code(), ErrorCode::Limit("poll_memory".into()));
    assert!(error.to_string().contains("drivers.limits.poll_memory"), "{error}");
    drop(held);
    memory.spend(UNIT).expect("it was given back");
    end(memory);
    assert!(is_whole(&pool));
}

#[tokio::test]
async fn polls_that_do_not_fit_wait_and_one_of_them_always_goes_on() {
    let pool = parts(9);
    let (one, two, three) = (begin_at(&pool, "one"), begin_at(&pool, "two"), begin_at(&pool, "three"));
    one.grow(6 * UNIT).await.expect("shared");
    two.grow(3 * UNIT).await.expect("shared");
    three.grow(5 * UNIT).await.expect("the reserve");
    assert!(!pool.shares.is_reserve_free());
    {
        let mut more = pin!(one.grow(UNIT));
        assert!(poll!(&mut more).is_pending(), "nothing is left");
        assert!(one.waiting().is_some_and(|error| error.code() == ErrorCode::Limit("total_memory".into())));
        assert_eq!(pool.gauges.waiting(), 1);
        let has = i64::try_from(14 * UNIT).expect("small");
        assert_eq!(pool.gauges.bytes(), has, "what it waits for is not taken");
        three.grow(4 * UNIT).await.expect("the reserve has room for all that a poll may need");
        end(three);
        more.await.expect("the reserve is free again");
    }
    assert!(one.waiting().is_none());
    assert_eq!(pool.shares.free(), SHARED - 3, "who has the reserve shares nothing");
    end(one);
    end(two);
    assert!(is_whole(&pool));
}

#[tokio::test]
async fn a_poll_that_needs_little_finds_room_beside_polls_that_took_all_the_rest() {
    let pool = parts(9);
    let hogs: Vec<_> = ["one", "two", "three"].iter().map(|endpoint| begin_at(&pool, endpoint)).collect();
    hogs[0].grow(6 * UNIT).await.expect("shared");
    hogs[1].grow(3 * UNIT).await.expect("shared");
    hogs[2].grow(9 * UNIT).await.expect("the reserve");
    let small = begin_at(&pool, "one");
    small.grow(2 * UNIT).await.expect("the small part");
    small.grow(UNIT).await.expect("the small part");

    // It needs much by now: its room is elsewhere, and it waits.
    {
        let mut more = pin!(small.grow(UNIT));
        assert!(poll!(&mut more).is_pending());
        let account = &small.whose.as_ref().expect("it is somebody's").0;
        assert!(pool.is_waited_for(account, Kind::Instance) && !pool.is_waited_for(account, Kind::Realm));
        let mut displaced = pin!(small.displaced());
        assert!(poll!(&mut displaced).is_pending(), "nobody wants what it has");
        let another = begin_at(&pool, "two");
        let mut needs_little = pin!(another.grow(UNIT));
        assert!(poll!(&mut needs_little).is_pending());
        assert_eq!(displaced.await.code(), ErrorCode::Limit("total_memory".into()));
    }
    end(small);
    let another = begin_at(&pool, "two");
    another.grow(3 * UNIT).await.expect("the small part is free again");
    end(another);
    hogs.into_iter().for_each(end);
    assert!(is_whole(&pool));
}

#[tokio::test]
async fn a_poll_that_grows_gives_the_small_part_back() {
    let pool = parts(9);
    let memory = begin(&pool);
    memory.grow(SMALL * UNIT).await.expect("there is room");
    memory.grow(UNIT).await.expect("there is room");
    assert_eq!(pool.shares.free(), SHARED - SMALL - 1);
    assert!(!memory.state().holds_small());
    end(memory);
    assert!(is_whole(&pool));
}

#[tokio::test]
async fn one_endpoint_never_has_all_that_is_shared() {
    let pool = parts(9);
    let hogs = [begin_at(&pool, "one"), begin_at(&pool, "one")];
    hogs[0].grow(9 * UNIT).await.expect("the reserve, as it is more than an endpoint may have");
    assert!(!pool.shares.is_reserve_free());
    hogs[1].grow(5 * UNIT).await.expect("shared");
    let third = begin_at(&pool, "one");
    {
        let mut more = pin!(third.grow(4 * UNIT));
        assert!(poll!(&mut more).is_pending(), "the endpoint has what it may have");
    }
    let other = begin_at(&pool, "other");
    other.hold(2 * UNIT).await.expect("what is left is for other endpoints");
    end(other);
    end(third);
    hogs.into_iter().for_each(end);
    assert!(is_whole(&pool));
}

#[tokio::test]
async fn what_cannot_wait_is_a_debt() {
    let pool = pool(2, 3);
    let (one, two) = (begin(&pool), begin(&pool));
    one.grow(2 * UNIT).await.expect("the reserve");
    two.spend(2 * UNIT).expect("within its limit");
    assert!(two.is_in_debt());
    let mut settled = pin!(two.settle());
    assert!(poll!(&mut settled).is_pending());
    end(one);
    settled.await;
    assert!(!two.is_in_debt());
}

#[tokio::test]
async fn a_wait_that_is_given_up_leaves_nothing_behind() {
    let pool = pool(2, 2);
    let (one, two) = (begin(&pool), begin(&pool));
    one.grow(UNIT).await.expect("the reserve");
    {
        let mut more = pin!(two.hold(UNIT));
        assert!(poll!(&mut more).is_pending());
    }
    assert_eq!((two.state().used(), pool.gauges.waiting()), (0, 0));
    end(one);
    two.grow(UNIT).await.expect("the reserve is free");
}

#[test]
fn there_is_room_for_one_poll_at_least() {
    let limits = Limits { poll_memory: 2 << 20, total_memory: 1 << 20, ..Limits::default() };
    let error = Pool::new(&limits).expect_err("no room").to_string();
    assert!(error.contains("drivers.limits.total_memory") && error.contains("drivers.limits.poll_memory"), "{error}");
}

/// What a poll does to its memory. Figures are units.
#[derive(Clone, Copy, Debug)]
enum Step {
    Grow(usize),
    Hold(usize),
    /// Lets go of the newest thing that it holds.
    LetGo,
    /// Lets the others go on.
    Yield,
}

fn step(most: usize) -> impl Strategy<Value = Step> {
    prop_oneof![(1..=most).prop_map(Step::Grow), (1..=most).prop_map(Step::Hold), Just(Step::LetGo), Just(Step::Yield),]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AtLast {
    Ends,
    Hangs,
}

/// A poll that makes these steps, and then ends or never does. It is ended where it passes its limit or is displaced.
async fn live(memory: Arc<PollMemory>, steps: Vec<Step>, at_last: AtLast, progress: Rc<Cell<usize>>) {
    let work = async {
        let mut held = Vec::new();
        for step in steps {
            let done = match step {
                Step::Grow(units) => memory.grow(units * UNIT).await,
                Step::Hold(units) => memory.hold(units * UNIT).await.map(|more| held.push(more)),
                Step::LetGo => {
                    held.pop();
                    Ok(())
                }
                Step::Yield => {
                    yield_once().await;
                    Ok(())
                }
            };
            progress.set(progress.get() + 1);
            if done.is_err() {
                return;
            }
        }
        if at_last == AtLast::Hangs {
            pending::<()>().await;
        }
    };
    tokio::select! {
        () = work => {}
        _ = memory.displaced() => {}
    }
    end(memory);
    progress.set(progress.get() + 1);
}

async fn yield_once() {
    let mut is_ready = false;
    poll_fn(|_| if std::mem::replace(&mut is_ready, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

type Live = Pin<Box<dyn Future<Output = ()>>>;

/// Has them go on in the order of `turns`, and then all in turn until nothing changes. Gives which are done by then.
fn run(mut polls: Vec<Live>, turns: &[prop::sample::Index], progress: &Cell<usize>) -> (Vec<bool>, Vec<Live>) {
    let count = polls.len();
    let mut done = vec![false; count];
    let mut go = |at: usize| {
        done[at] = done[at] || polls[at].as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    };
    turns.iter().for_each(|turn| go(turn.index(count)));
    loop {
        let before = progress.get();
        // More than once, as what one gives back may go to another whose turn was before, and a step may take two turns.
        (0..3).flat_map(|_| 0..count).for_each(&mut go);
        if progress.get() == before {
            return (done, polls);
        }
    }
}

fn endpoints() -> impl Strategy<Value = String> {
    prop_oneof![Just("one".to_owned()), Just("two".to_owned()), Just("three".to_owned())]
}

/// A pool of some thousand units, of which one poll may have so many; the small part is larger than its reserve, or not.
fn any_pool() -> impl Strategy<Value = Arc<Pool>> {
    (1_usize..1000, 0_usize..3000).prop_map(|(of_one, beside)| pool(of_one, of_one + beside))
}

/// As many of the steps as come to no more than `most` in all.
fn within(steps: Vec<Step>, most: usize) -> Vec<Step> {
    let mut left = most;
    let mut fits = |step: &Step| {
        let (Step::Grow(units) | Step::Hold(units)) = *step else { return true };
        let fits = units <= left;
        left -= if fits { units } else { 0 };
        fits
    };
    steps.into_iter().filter(&mut fits).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nothing_ever_waits_for_good(
        pool in any_pool(),
        scripts in prop::collection::vec((endpoints(), prop::collection::vec(step(300), 0..12)), 1..20),
        turns in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
    ) {
        let progress = Rc::new(Cell::new(0));
        let polls = scripts.into_iter().map(|(endpoint, steps)| -> Live {
            Box::pin(live(begin_at(&pool, &endpoint), steps, AtLast::Ends, Rc::clone(&progress)))
        });
        let (done, _) = run(polls.collect(), &turns, &progress);
        prop_assert!(done.iter().all(|done| *done), "{done:?}");
        prop_assert!(is_whole(&pool), "{pool:?}");
    }

    #[test]
    fn polls_that_need_little_end_whatever_those_that_need_much_do(
        pool in any_pool(),
        small in prop::collection::vec((endpoints(), prop::collection::vec(step(100), 0..12)), 1..20),
        large in prop::collection::vec((endpoints(), prop::collection::vec(step(300), 0..12)), 1..20),
        turns in prop::collection::vec(any::<prop::sample::Index>(), 0..300),
    ) {
        let progress = Rc::new(Cell::new(0));
        let first = pool.first;
        let count = small.len();
        let small = small.into_iter().map(|(endpoint, steps)| (endpoint, within(steps, first), AtLast::Ends));
        let large = large.into_iter().map(|(endpoint, mut steps)| {
            steps.push(Step::Grow(first + 1));
            (endpoint, steps, AtLast::Hangs)
        });
        let polls = small.chain(large).map(|(endpoint, steps, at_last)| -> Live {
            Box::pin(live(begin_at(&pool, &endpoint), steps, at_last, Rc::clone(&progress)))
        });
        let (done, others) = run(polls.collect(), &turns, &progress);
        prop_assert!(done[..count].iter().all(|done| *done), "{done:?} {pool:?}");
        drop(others);
    }
}
