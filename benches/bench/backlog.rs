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

const HOOKS: usize = 1000;
const DEPTH: usize = 1000;
/// How many are sent before it counts: connections are made, and receivers found to be quick.
const WARM_UP: u64 = 5_000;
const MEASURED: u64 = 20_000;

pub(crate) fn million(table: &mut Table, runtime: &Runtime) {
    let receiver = Receiver::start(1);
    let (folder, address) = installation(&mock(), "[delivery]\nallow_addresses = [\"127.0.0.1\"]\n");
    let data = folder.path().join("data");
    fs::DirBuilder::new().mode(0o700).create(&data).expect("a folder");
    runtime.block_on(fill(&data, &receiver));

    let (host, _) = Host::start(folder.path(), &address);
    wait_for(&receiver, MEASURED, folder.path());
    table.amount("resident memory, a million callbacks waiting, highest", host.highest_resident(), "MB", Some(150.0));
    drop(host);

    let many = runtime.block_on(cost_with_many(&data, &receiver));
    let few = runtime.block_on(cost_with_few());
    table.times("  CPU for each callback, with a thousand waiting", vec![few], None);
    table.comparison("  with a million (5 % is noise)", many.as_secs_f64() / few.as_secs_f64(), Some(1.05));
}

/// A thousand changes for each of a thousand hooks.
async fn fill(data: &Path, receiver: &Receiver) {
    const AT_ONCE: usize = 100;
    // What is lost if the power goes is filled in again.
    let settings = sqlite::Settings { synchronous: Synchronous::Normal, ..sqlite::Settings::default() };
    let mut outlet = Outlet::open_with(data, settings);
    outlet.set_hooks(&urls(&receiver.ports, HOOKS)).await;
    for _ in 0..HOOKS / INSTANCES * DEPTH / AT_ONCE {
        outlet.poll(0..INSTANCES, AT_ONCE).await;
    }
    outlet.put_all_off(HOOKS / INSTANCES).await;
    assert_eq!(outlet.waiting().await, (HOOKS * DEPTH) as u64);
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
    assert!(outlet.waiting().await > 900_000, "there still were about a million");
    outlet.close().await;
    (after - before).div_f64((last - first) as f64)
}

/// CPU of a callback where no more than one waits for each hook.
async fn cost_with_few() -> Duration {
    let receiver = Receiver::start(1);
    let folder = folder();
    let mut outlet = Outlet::open(folder.path());
    outlet.set_hooks(&urls(&receiver.ports, HOOKS)).await;
    let sending = outlet.send();
    let mut used = Duration::ZERO;
    let rounds = |callbacks: u64| callbacks / HOOKS as u64;
    for round in 0..rounds(WARM_UP + MEASURED) {
        for _ in 0..HOOKS / INSTANCES {
            outlet.poll_quietly(0..INSTANCES, 1).await;
        }
        let before = process_cpu();
        outlet.wake();
        outlet.settled(0).await;
        if round >= rounds(WARM_UP) {
            used += process_cpu() - before;
        }
    }
    sending.stop().await;
    used.div_f64(MEASURED as f64)
}
