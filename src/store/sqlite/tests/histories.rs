//! The numbers of resources in the journal and in pending deliveries.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::SqliteLab;
use crate::model::InstanceState::{Running, Stopped};
use crate::model::{AccountId, Timestamp};
use crate::store::contract::world::{World, spec};
use crate::store::{KeptChanges, Outcome, Sweep};

/// A world and the file of its store.
fn world() -> (World, std::path::PathBuf) {
    let lab = SqliteLab::new();
    let path = lab.directory.path().join("tracker.db");
    (World::new(Box::new(lab)), path)
}

/// The account and the resource of each history, with its number, after it was held against what the journal has.
fn histories(path: &Path) -> Vec<(i64, String, i64)> {
    let connection = Connection::open(path).expect("the store's file");
    let count = |sql: &str| connection.query_row(sql, (), |row| row.get::<_, i64>(0)).expect("counted");
    let strays = count(
        "SELECT COUNT(*) FROM changes c LEFT JOIN histories h ON h.number = c.history
         WHERE h.account IS NOT c.account OR h.kind IS NOT c.kind OR h.resource IS NOT c.resource",
    );
    let owed = count(
        "SELECT COUNT(*) FROM deliveries d LEFT JOIN changes c ON c.sequence = d.change WHERE c.history IS NOT d.history",
    );
    let empty = count("SELECT COUNT(*) FROM histories WHERE number NOT IN (SELECT history FROM changes)");
    assert_eq!((strays, owed, empty), (0, 0, 0));
    let mut select =
        connection.prepare("SELECT account, resource, number FROM histories ORDER BY number").expect("read");
    let rows = select.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("read");
    rows.collect::<rusqlite::Result<_>>().expect("read")
}

async fn forget(world: &World, since: Timestamp) {
    let mut sweep = Some(Sweep::default());
    while let Some(next) = sweep {
        let kept = KeptChanges { since, changes: u64::MAX };
        sweep = world.store().forget_changes(kept, next).await.expect("forgotten");
    }
}

#[tokio::test]
async fn a_resource_keeps_its_number_for_as_long_as_the_journal_has_a_change_of_it() {
    let (mut world, path) = world();
    let accounts = [world.client("ann").await, world.client("bob").await];
    for account in accounts {
        world.observe(account, &[]).await;
        world.observe(account, &[("i-1", Running), ("i-2", Running)]).await;
        world.observe(account, &[("i-1", Stopped), ("i-2", Running)]).await;
    }
    let [ann, bob] = accounts.map(|AccountId(account)| account);
    let of = |account, resource: &str, number| (account, resource.to_owned(), number);
    assert_eq!(histories(&path), [of(ann, "i-1", 1), of(ann, "i-2", 2), of(bob, "i-1", 3), of(bob, "i-2", 4)]);

    world.wait(Duration::from_secs(60));
    let since = world.now;
    world.observe(accounts[0], &[("i-1", Running), ("i-2", Running)]).await;
    forget(&world, since).await;
    assert_eq!(histories(&path), [of(ann, "i-1", 1)], "the others have no change any more");
    world.observe(accounts[1], &[("i-1", Running), ("i-2", Running)]).await;
    assert_eq!(histories(&path), [of(ann, "i-1", 1), of(bob, "i-1", 5)], "a number is never given twice");
}

#[tokio::test]
async fn what_a_hook_is_owed_keeps_the_number_of_its_resource() {
    let (mut world, path) = world();
    let ann = world.client("ann").await;
    world.observe(ann, &[]).await;
    world.filtering(ann, spec("all")).await;
    world.observe(ann, &[("i-1", Running), ("i-2", Running)]).await;
    let claimed = world.claim().await;
    for (delivery, outcome) in claimed.iter().zip([Outcome::Delivered, Outcome::Dead]) {
        world.settle(delivery, outcome).await;
    }
    world.wait(Duration::from_secs(60));
    forget(&world, world.now).await;
    assert_eq!(histories(&path), [(ann.0, "i-2".to_owned(), 2)], "a dead letter can be sent again");
    world.observe(ann, &[("i-1", Running), ("i-2", Stopped)]).await;
    assert_eq!(histories(&path), [(ann.0, "i-2".to_owned(), 2)]);
    assert_eq!(world.drain().await, ["i-2 RUNNING>STOPPED"]);
}

#[tokio::test]
async fn an_account_that_is_forgotten_leaves_no_numbers() {
    let (mut world, path) = world();
    let ann = world.client("ann").await;
    world.observe(ann, &[]).await;
    world.observe(ann, &[("i-1", Running), ("i-2", Running)]).await;
    world.wait(Duration::from_secs(60));
    assert_eq!(world.store().forget_idle_accounts(world.now).await.expect("forgotten"), 1);
    assert_eq!(histories(&path), []);
}
