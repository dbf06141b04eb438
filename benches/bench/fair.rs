//! What a driver that burns CPU time takes from other accounts: how many polls those get done beside it, as a part of
//! what they get done without it. Both are measured in turns, since the machine may have other work too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use tracker::clock::{Stopwatch, SystemClock};
use tracker::driver::{CallError, Driver, Target};
use tracker::model::Kind;

use crate::host::{catalog_of, mock_target, root};
use crate::table::Table;

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(1500);
/// More than there are cores: the honest accounts alone keep the machine busy.
const HONEST: usize = 8;

pub(crate) async fn spinning(table: &mut Table) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, from) in [
        ("mock.wasm", "target/drivers/mock.wasm"),
        ("hostile.wasm", "target/hostile/wasm32-wasip2/release/hostile.wasm"),
    ] {
        std::fs::copy(root().join(from), folder.path().join(name))
            .unwrap_or_else(|error| panic!("{from}: {error}: run `make drivers hostile`"));
    }
    let catalog = catalog_of(folder.path(), Arc::new(SystemClock)).await;
    let driver = |name: &str| Arc::clone(catalog.driver(name).expect("loaded"));
    let (mock, hostile) = (driver("mock"), driver("hostile"));

    let rounds = compared(&mock, &hostile, &[("do", "burn:spin")], 1).await;
    table.at_least("other accounts' polls beside a driver that passes its CPU limit", rounds, "x", Some(0.9));
    let rounds = compared(&mock, &hostile, &[("do", "burn:for"), ("count", "1900")], 1).await;
    table.at_least("  beside one that stays just below it", rounds, "x", Some(0.9));
    let rounds = compared(&mock, &hostile, &[("do", "burn:spin")], 8).await;
    table.at_least("  beside eight accounts of one that passes it", rounds, "x", Some(0.9));
}

/// Of each round, the polls done beside so many accounts of the hostile driver, as a part of those done without.
async fn compared(mock: &Arc<Driver>, hostile: &Arc<Driver>, options: &[(&str, &str)], accounts: usize) -> Vec<f64> {
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let alone = polls(mock).await;
        let mut attackers = JoinSet::new();
        for n in 0..accounts {
            let (driver, target) = (Arc::clone(hostile), hostile_target(n, options));
            attackers.spawn(async move {
                loop {
                    match driver.list(&target, Kind::Instance).await.map_err(|failure| failure.error) {
                        Ok(_) | Err(CallError::Limit { setting: "cpu_per_page", .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
        // The very first of its polls begins among the others, once for each account.
        tokio::time::sleep(Duration::from_millis(300)).await;
        ratios.push(polls(mock).await / alone);
        attackers.shutdown().await;
    }
    ratios
}

fn hostile_target(account: usize, options: &[(&str, &str)]) -> Target {
    let mut target = mock_target(1);
    target.key.driver = "hostile".into();
    target.key.user = format!("mallory-{account}");
    target.options =
        options.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>();
    target
}

/// Polls of all honest accounts done in a round, a second.
async fn polls(mock: &Arc<Driver>) -> f64 {
    let stopwatch = Stopwatch::start();
    let mut accounts = JoinSet::new();
    for _ in 0..HONEST {
        let driver = Arc::clone(mock);
        accounts.spawn(async move {
            let target = mock_target(1000);
            let mut done = 0_u32;
            let stopwatch = Stopwatch::start();
            while stopwatch.elapsed() < ROUND {
                driver.list(&target, Kind::Instance).await.expect("a list");
                done += 1;
            }
            done
        });
    }
    let done: u32 = accounts.join_all().await.into_iter().sum();
    f64::from(done) / stopwatch.elapsed().as_secs_f64()
}
