//! Rows of delivery: how many durable callbacks a second, what broken destinations cost the others, and how
//! soon a change is sent when nothing else is to be done.

use std::time::Duration;

use tracker::clock::Stopwatch;

use crate::outlet::{INSTANCES, Outlet, folder, urls};
use crate::receiver::{Receiver, arrivals};
use crate::table::Table;

const HOOKS: usize = 1000;

/// From the first change to the last callback settled, with polls going on meanwhile: everything on disk, and
/// the receiver on the same machine.
pub(crate) async fn throughput(table: &mut Table) {
    const ROUNDS: usize = 5;
    const CHANGES: usize = 10_000;
    let receiver = Receiver::start(1);
    let folder = folder();
    let mut outlet = Outlet::open(folder.path());
    outlet.set_hooks(&urls(&receiver.ports, HOOKS)).await;
    let sending = outlet.send();
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        rates.push(rate(&mut outlet, CHANGES, 0).await);
    }
    sending.stop().await;
    assert!(receiver.received() >= (ROUNDS * CHANGES) as u64, "each change was received");
    table.at_least("durable callbacks, from change to settled", rates, "/s", Some(12_000.0));
}

/// Records so many changes, and waits until all callbacks are settled but for those that never are; gives how
/// many were settled a second.
pub(crate) async fn rate(outlet: &mut Outlet, changes: usize, never: usize) -> f64 {
    let before = outlet.waiting().await;
    let stopwatch = Stopwatch::start();
    for _ in 0..changes / INSTANCES {
        outlet.poll(0..INSTANCES, 1).await;
    }
    outlet.settled(before + never as u64).await;
    (changes - never) as f64 / stopwatch.elapsed().as_secs_f64()
}

/// The same to a hundred destinations, of which one refuses connections and one never answers: what is left of
/// the rate that all of them healthy have, in rounds that take turns.
pub(crate) async fn broken_destinations(table: &mut Table) {
    // Many short ones: what else the machine does then falls on both of a pair.
    const ROUNDS: usize = 12;
    const CHANGES: usize = 4_000;
    const DESTINATIONS: usize = 100;
    // Nothing listens there, and no port that a listener is given is as low.
    const REFUSING: u16 = 1;
    let receiver = Receiver::start(DESTINATIONS);
    let all_healthy = receiver.ports.clone();
    let mut some_broken = all_healthy.clone();
    some_broken[DESTINATIONS / 3] = REFUSING;
    some_broken[DESTINATIONS * 2 / 3] = receiver.hanging;

    let folders = (folder(), folder());
    let mut healthy = Outlet::open(folders.0.path());
    healthy.set_hooks(&urls(&all_healthy, HOOKS)).await;
    let mut broken = Outlet::open(folders.1.path());
    broken.set_hooks(&urls(&some_broken, HOOKS)).await;
    let sending = (healthy.send(), broken.send());
    let never = CHANGES / DESTINATIONS * 2;
    let (mut rates, mut parts) = (Vec::new(), Vec::new());
    // The first round makes the connections, and finds out who is quick and who is not.
    for round in 0..=ROUNDS {
        let whole = rate(&mut healthy, CHANGES, 0).await;
        let rest = rate(&mut broken, CHANGES, never).await;
        if round > 0 {
            rates.push(whole);
            parts.push(rest / whole);
        }
    }
    sending.0.stop().await;
    drop(receiver);
    sending.1.stop().await;
    table.at_least("  to 100 destinations", rates, "/s", None);
    table.at_least("  of that for the others, one dead and one hanging", parts, "x", Some(0.95));
}

/// From the commit of a single change until its callback is here, with nothing else under way.
pub(crate) async fn latency(table: &mut Table) {
    const CHANGES: usize = 300;
    let (port, clock, mut arrivals) = arrivals();
    let folder = folder();
    let mut outlet = Outlet::open(folder.path());
    outlet.set_hooks(&urls(&[port], INSTANCES)).await;
    let sending = outlet.send();
    let mut rounds = Vec::new();
    for number in 0..CHANGES {
        // Whatever the last one left to do is done then, and nothing goes in step with it.
        tokio::time::sleep(Duration::from_millis(3 + number as u64 % 8)).await;
        let instance = number % INSTANCES;
        outlet.poll(instance..instance + 1, 1).await;
        let committed = clock.elapsed();
        let arrived = arrivals.recv().await.expect("the receiver goes on");
        rounds.push(arrived.saturating_sub(committed));
        outlet.settled(0).await;
    }
    sending.stop().await;
    table.times("change committed to callback sent, idle", rounds.clone(), Some(Duration::from_millis(2)));
    table.slowest("  the slowest hundredth (p99)", rounds, Duration::from_millis(10));
}
