//! Rows of one account that has much to send: how long fresh changes of another account take beside it.

use std::time::Duration;

use crate::outlet::{INSTANCES, Outlet, folder, urls};
use crate::receiver::{UNHEARD, arrivals};
use crate::receivers::LateReceiver;
use crate::table::Table;

/// What waits for the account that has much: at least as much for every kind of backlog.
const WAITING: usize = 200_000;
const BOUND: Duration = Duration::from_secs(1);

/// Where the backlog of the other account comes from, and where it goes.
#[derive(Clone, Copy)]
enum Backlog {
    /// So many hooks wait, each at its own destination, which takes as long for each callback.
    Destinations(usize, Duration),
    /// So many hooks wait at the destination of the fresh changes.
    Shared(usize),
    /// So many hooks replay the journal, each to its own destination.
    Replay(usize),
}

pub(crate) async fn beside_backlogs(table: &mut Table) {
    let quick = Duration::ZERO;
    let slow = Duration::from_millis(500);
    let cases = [
        (
            Backlog::Destinations(2_000, quick),
            ["a fresh change beside a backlog at 2,000 destinations", "  the slowest hundredth (p99)"],
        ),
        (
            Backlog::Destinations(10_000, quick),
            ["a fresh change beside a backlog at 10,000 destinations", "  the slowest hundredth (p99)"],
        ),
        (
            Backlog::Destinations(2_000, slow),
            ["a fresh change beside 2,000 destinations of 500 ms", "  the slowest hundredth (p99)"],
        ),
        (
            Backlog::Shared(1_000),
            ["a fresh change beside 1,000 hooks at its destination", "  the slowest hundredth (p99)"],
        ),
        (Backlog::Replay(20), ["a fresh change beside 20 replays of a journal", "  the slowest hundredth (p99)"]),
    ];
    for (backlog, [median, slowest]) in cases {
        let delays = delays(backlog).await;
        table.times(median, delays.clone(), Some(BOUND));
        table.slowest(slowest, delays, BOUND);
    }
}

/// How long fresh changes take from their commit to their callback, while the backlog is sent.
async fn delays(backlog: Backlog) -> Vec<Duration> {
    const FRESH: usize = 200;
    /// Of the fresh changes of one poll.
    const AT_ONCE: usize = 10;
    let (port, clock, mut arrived) = arrivals();
    let folder = folder();
    let mut outlet = Outlet::open(folder.path());
    let late = LateReceiver::start(if let Backlog::Destinations(_, delay) = backlog { delay } else { Duration::ZERO });
    match backlog {
        Backlog::Destinations(hooks, _) => {
            outlet.set_backlog(&late.urls(hooks), WAITING.div_ceil(hooks)).await;
        }
        Backlog::Shared(hooks) => {
            let url = |number: usize| format!("http://127.0.0.1:{port}{UNHEARD}/{number}");
            outlet.set_backlog(&(0..hooks).map(url).collect::<Vec<_>>(), WAITING.div_ceil(hooks)).await;
        }
        Backlog::Replay(hooks) => outlet.set_replay(&late.urls(hooks), WAITING.div_ceil(hooks)).await,
    }
    outlet.set_hooks_after(1, &urls(&[port], INSTANCES)).await;
    let sending = outlet.send();
    let mut delays = Vec::new();
    for number in 0..FRESH {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let first = number % (INSTANCES / AT_ONCE) * AT_ONCE;
        outlet.poll(first..first + AT_ONCE, 1).await;
        delays.extend([clock.elapsed(); AT_ONCE]);
    }
    for committed in &mut delays {
        let arrived = arrived.recv().await.expect("the receiver goes on");
        *committed = arrived.saturating_sub(*committed);
    }
    assert!(outlet.waiting().await > 0, "there was a backlog all the time");
    sending.abandon();
    delays
}
