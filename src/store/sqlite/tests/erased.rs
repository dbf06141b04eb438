//! Deletion by a client: the bytes are no longer in the store's files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::clock::Stopwatch;
use crate::model::{AccountId, InstanceState};
use crate::store::contract::world::spec;

/// How many instances each account has.
const FLEET: usize = 60;
const ROUNDS: usize = 12;

/// How often the store's files have this text.
fn occurrences(directory: &Path, text: &str) -> usize {
    let count = |path: PathBuf| {
        let bytes = std::fs::read(path).expect("read");
        bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count()
    };
    ["tracker.db", "tracker.db-wal"].into_iter().map(|name| count(directory.join(name))).sum()
}

/// Both come and go in turns, so that their rows share pages, move from page to page, and leave room that is used again.
async fn live(world: &mut World, accounts: [(AccountId, &str); 2]) {
    for round in 0..ROUNDS {
        for (account, name) in accounts {
            let ids: Vec<String> =
                (0..FLEET).filter(|at| (at + round) % 4 != 0).map(|at| format!("i-{at:03}-of-{name}")).collect();
            let state = if round % 2 == 0 { InstanceState::Running } else { InstanceState::Stopped };
            let seen: Vec<(&str, InstanceState)> = ids.iter().map(|id| (id.as_str(), state)).collect();
            world.observe(account, &seen).await;
            world.wait(Duration::from_secs(1));
        }
    }
}

async fn check(crashes: bool) {
    let lab = SqliteLab::new();
    let directory = lab.directory.path().to_owned();
    let mut world = World::new(Box::new(lab));
    let accounts = [(world.client("ann").await, "ann"), (world.client("bob").await, "bob")];
    let [(ann, _), _] = accounts;
    for (account, name) in accounts {
        world.observe(account, &[]).await;
        world.filtering(account, spec(&format!("hook-of-{name}"))).await;
    }
    live(&mut world, accounts).await;
    // A reader of an older state keeps the log from being cut off; that is made up for once it has ended.
    let reader = rusqlite::Connection::open(directory.join("tracker.db")).expect("opened");
    reader.execute_batch("BEGIN; SELECT * FROM resources LIMIT 1").expect("read");
    world.store().forget_account(ann).await.expect("asked");
    world.store().clear_account(ann).await.expect("cleared");
    if crashes {
        world.crash();
    }
    let since = Stopwatch::start();
    let has = |name: &str| occurrences(&directory, &format!("-of-{name}"));
    assert!(has("ann") > 0, "the log has it while somebody reads");
    drop(reader);
    while has("ann") > 0 {
        assert!(since.elapsed() < Duration::from_secs(30), "{} of ann's texts are left", has("ann"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(has("bob") > FLEET);
}

#[tokio::test]
async fn the_files_have_nothing_of_an_account_that_was_deleted() {
    check(false).await;
}

#[tokio::test]
async fn the_next_host_cuts_off_the_log_that_the_last_one_left() {
    check(true).await;
}
