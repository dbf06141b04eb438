//! Rows of a host that has a million callbacks to make: what it holds in memory, and whether having so many
//! makes each of them dearer.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::runtime::Runtime;
use tracker::clock::Stopwatch;
use tracker::store::sqlite::{self, Synchronous};

use crate::host::process_cpu;
use crate::outlet::{INSTANCES, Outlet, folder, urls};
use crate::process::{Host, installation, log, mock};
use crate::receiver::Receiver;
use crate::table::Table;

/// A million: of so many accounts, each with a hook that hears of all its instances, which have changed ten times
/// while nothing was sent.
const ACCOUNTS: usize = 1000;
const DEPTH: usize = 10;
/// A thousand: the same, of few accounts and of few instances in each.
const FEW_ACCOUNTS: usize = 10;
const FEW_INSTANCES: usize = 10;
/// How many are sent before it counts: connections are made, and receivers found to be quick.
const WARM_UP: u64 = 3_000;
const MEASURED: u64 = 10_000;
/// One after the other, since what a callback costs changes with what else the machine does.
const ROUNDS: usize = 7;

pub(crate) fn million(table: &mut Table, runtime: &Runtime) {
    let receiver = Receiver::start(1);
    let (folder, address) = installation(&mock(), "[delivery]\nallow_addresses = [\"127.0.0.1\"]\n");
    let data = folder.path().join("data");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&data).expect("a folder");
    runtime.block_on(fill(&data, &receiver));

    let (host, _) = Host::start(folder.path(), &address);
    wait_for(&receiver, MEASURED, folder.path());
    table.amount("resident memory, a million callbacks waiting, highest", host.highest_resident(), "MB", Some(150.0));
    drop(host);

    let (mut few, mut of_few) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let many = runtime.block_on(cost_with_many(&data, &receiver));
        let one = runtime.block_on(cost_with_few());
        of_few.push(many.as_secs_f64() / one.as_secs_f64());
        few.push(one);
    }
    table.times("  CPU for each callback, with a thousand waiting", few, None);
    table.comparisons("  with a million (5 % is noise)", of_few, 1.05);
}

async fn fill(data: &Path, receiver: &Receiver) {
    // What is lost if the power goes is filled in again.
    let settings = sqlite::Settings { synchronous: Synchronous::Normal, ..sqlite::Settings::default() };
    let mut outlet = Outlet::open_with(data, settings);
    outlet.set_wide_hooks(&urls(&receiver.ports, ACCOUNTS)).await;
    for _ in 0..ACCOUNTS {
        outlet.poll(0..INSTANCES, DEPTH).await;
    }
    outlet.put_all_off(ACCOUNTS).await;
    assert_eq!(outlet.waiting().await, (ACCOUNTS * INSTANCES * DEPTH) as u64);
    outlet.close().await;
}

/// Waits until so many more callbacks were received.
fn wait_for(receiver: &Receiver, more: u64, folder: &Path) {
    let stopwatch = Stopwatch::start();
    let enough = receiver.received() + more;
    while receiver.received() < enough {
        assert!(stopwatch.elapsed() < Duration::from_secs(60), "callbacks do not come: {}", log(folder));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// CPU of a callback in the midst of the million, within this process.
async fn cost_with_many(data: &Path, receiver: &Receiver) -> Duration {
    let outlet = Outlet::open(data);
    let sending = outlet.send();
    let reached = async |number: u64| {
        while receiver.received() < number {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        (receiver.received(), process_cpu())
    };
    let (first, before) = reached(receiver.received() + WARM_UP).await;
    let (last, after) = reached(first + MEASURED).await;
    sending.stop().await;
    assert!(outlet.waiting().await > 800_000, "there still were about a million");
    outlet.close().await;
    (after - before).div_f64((last - first) as f64)
}

/// CPU of a callback where a thousand wait, and are drained to the last.
async fn cost_with_few() -> Duration {
    const WAITING: u64 = (FEW_ACCOUNTS * FEW_INSTANCES * DEPTH) as u64;
    let receiver = Receiver::start(1);
    let folder = folder();
    let mut outlet = Outlet::open(folder.path());
    outlet.set_wide_hooks(&urls(&receiver.ports, FEW_ACCOUNTS)).await;
    let mut used = Duration::ZERO;
    for round in 0..(WARM_UP + MEASURED) / WAITING {
        for _ in 0..FEW_ACCOUNTS {
            outlet.poll(0..FEW_INSTANCES, DEPTH).await;
        }
        let before = process_cpu();
        let sending = outlet.send();
        outlet.settled(0).await;
        if round >= WARM_UP / WAITING {
            used += process_cpu() - before;
        }
        sending.stop().await;
    }
    used.div_f64(MEASURED as f64)
}
