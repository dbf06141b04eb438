//! Retry times that wait to be written to the store, while the clock is set.

use std::time::Duration;

use super::super::tests::{Bench, START, bench, delivery};
use super::*;
use crate::clock::{EvenClock, ManualClock};
use crate::store::Outcome;

/// As the default schedule has it for the first try that fails.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const STEPS: [i64; 2] = [3_600_000, -3_600_000];

fn dispatch() -> (Bench, Arc<EvenClock>, Dispatch) {
    let bench = bench();
    let even = Arc::new(EvenClock::new(Arc::<ManualClock>::clone(&bench.clock)));
    let context = Context { clock: Arc::<EvenClock>::clone(&even), ..bench.context.clone() };
    let dispatch = Dispatch::new(Arc::new(context));
    (bench, even, dispatch)
}

fn set(bench: &Bench, even: &EvenClock, step: i64) {
    bench.clock.set(START.shifted(step));
    even.follow(even.step().expect("it was set"));
}

/// When the one delivery is due again that waits for the store.
fn due(dispatch: &Dispatch) -> Timestamp {
    match &dispatch.ended[..] {
        [Settlement { outcome: Outcome::Retry { due }, .. }] => *due,
        other => panic!("one that is tried again: {other:?}"),
    }
}

#[tokio::test]
async fn what_could_not_be_settled_moves_with_the_clock_once() {
    for step in STEPS {
        let (bench, even, mut dispatch) = dispatch();
        let id = delivery("https://receiver.example/", 1, 1).id;
        let outcome = Outcome::Retry { due: START.after(FIRST_WAIT) };
        dispatch.ended.push(Settlement { id, lease: 0, outcome, now: START, attempts: Vec::new() });
        dispatch.begin_settling();
        set(&bench, &even, step);
        bench.fail(1);
        let (batch, followed, result) = ready(&mut dispatch.settling).await;
        assert!(result.is_err());
        dispatch.settled(batch, followed, result);
        dispatch.follow_clock();
        assert_eq!(due(&dispatch), START.shifted(step).after(FIRST_WAIT));
    }
}

#[tokio::test]
async fn an_attempt_that_ends_once_the_clock_was_set_moves_with_it_once() {
    for step in STEPS {
        let (bench, even, mut dispatch) = dispatch();
        // Nothing listens there.
        dispatch.flights.launch(vec![delivery("http://127.0.0.1:1/", 1, 1)], START);
        set(&bench, &even, step);
        let settlement = dispatch.flights.landed().await.expect("it is under way");
        dispatch.ended.push(settlement);
        dispatch.follow_clock();
        assert_eq!(due(&dispatch), START.shifted(step).after(FIRST_WAIT));
    }
}
