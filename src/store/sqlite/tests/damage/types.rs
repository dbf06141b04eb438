//! A value of the wrong type in a row that the host writes while it runs. SQLite refuses every statement that writes
//! the row, and other writes continue.

use std::sync::Arc;

use super::super::world;
use super::healed::counted;
use super::*;
use crate::store::contract::plainly::Plainly as _;
use crate::store::contract::world::LEASE;
use crate::store::{Accounts as _, PollClaim};

/// What is written together with rows of other accounts.
const WRITTEN_TOGETHER: [&str; 9] =
    ["accounts", "polls", "hooks", "deliveries", "queues", "shares", "claimants", "destinations", "resources"];

/// What one flipped bit makes of a value.
const OTHER_TYPES: [&str; 4] = ["'?'", "x'ff'", "CAST({column} AS BLOB)", "9223372036854775807"];

/// The file is damaged under a host that runs.
async fn check(template: &TempDir, table: &str, of_ann: &str, column: &str, value: &str) -> bool {
    let directory = TempDir::new().expect("a folder");
    std::fs::copy(file(template), file(&directory)).expect("copied");
    let path = file(&directory);
    let mut world = World::new(Box::new(lab(directory)));
    let bob = AccountId(2);
    world.wait(Duration::from_secs(60));
    if !damage(&path, table, of_ann, column, value) {
        return false;
    }
    // What meets it first may fail once. What was claimed is left to its lease.
    let _ = world.store().claim_due_deliveries(world.whole_claim()).await;
    let _ = world.store().claim_due_polls(PollClaim::on_all(world.now, LEASE, 10)).await;
    world.wait(LEASE * 2);
    let claimed = world.claim().await;
    assert!(claimed.iter().any(|delivery| delivery.change.account.user == "bob"));
    for delivery in claimed {
        world.settle(&delivery, Outcome::Delivered).await;
    }
    world.observe(bob, &[("i-1", Running), ("i-2", Stopped)]).await;
    let arrived = world.drain().await;
    assert!(arrived.contains(&"i-2 RUNNING>STOPPED".to_owned()), "{arrived:?}");
    for step in [60_000, -60_000] {
        world.store().clock_set(step, world.now).await.expect("moved");
    }
    as_ann_sees_it(&world, AccountId(1)).await;
    world.crash();
    world.claim().await;
    true
}

#[tokio::test]
async fn a_row_that_cannot_be_written_fails_nothing_beside_it() {
    let template = template().await;
    let (mut tried, mut failed) = (0, Vec::new());
    for (table, of_ann) in OF_ANN.into_iter().filter(|(table, _)| WRITTEN_TOGETHER.contains(table)) {
        for (column, _) in columns(&Connection::open(file(&template)).expect("opened"), table) {
            for value in OTHER_TYPES {
                let done = std::panic::AssertUnwindSafe(check(&template, table, of_ann, &column, value));
                let done = futures_util::FutureExt::catch_unwind(done).await;
                match done {
                    Ok(is_taken) => tried += u32::from(is_taken),
                    Err(_) => failed.push(format!("{table}.{column} = {value}")),
                }
            }
        }
    }
    assert!(failed.is_empty() && tried > 200, "{tried} tried, and these failed: {failed:#?}");
}

/// Whatever it is that setting aside fails of, it fails nothing else, and is not tried again and again.
#[tokio::test]
async fn a_row_that_cannot_be_set_aside_is_passed_over() {
    let (mut world, store) = world();
    let ann = fill(&mut world, "ann").await;
    let bob = fill(&mut world, "bob").await;
    world.wait(Duration::from_secs(60));
    store
        .execute(
            "UPDATE hooks SET url = '/' WHERE id = 1; UPDATE polls SET failures = -1 WHERE account = 1;
             CREATE TRIGGER hooks_stay BEFORE UPDATE ON hooks WHEN OLD.id = 1 BEGIN SELECT RAISE(ABORT, 'no'); END;
             CREATE TRIGGER polls_stay BEFORE INSERT ON polls WHEN NEW.account = 1 BEGIN SELECT RAISE(ABORT, 'no'); END;",
        )
        .await
        .expect("damaged");
    for _ in 0..3 {
        world.wait(LEASE * 2);
        let claimed = world.claim().await;
        assert!(claimed.iter().all(|delivery| delivery.id.hook != HookId(1)));
        for delivery in claimed {
            world.settle(&delivery, Outcome::Delivered).await;
        }
        assert!(world.claim_polls(10).await.iter().all(|ticket| ticket.account.id != ann));
        world.wait(LEASE * 2);
        world.observe(bob, &[("i-1", Running)]).await;
        world.drain().await;
    }
    assert!(world.next_poll().await.is_none_or(|due| due > world.now), "nothing is claimed in vain");
    assert_eq!((counted(&store, "hooks").await, counted(&store, "polls").await), ((1, 1), (2, 2)));
    assert_eq!(store.damaged_rows(bob).await.expect("looked up"), []);
    let shown = store.damaged_rows(ann).await.expect("looked up");
    assert_eq!(shown.len(), 3, "{shown:?}");
}

/// Two resources of which two changes each wait for one hook. The first of `i-1` stands in the line of `i-2`: it would be
/// sent, but that behind it would not be.
async fn in_another_line() -> (World, Arc<SqliteStore>, AccountId) {
    let (mut world, store) = world();
    let ann = world.client("ann").await;
    world.observe(ann, &[]).await;
    world.filtering(ann, spec("all")).await;
    world.observe(ann, &[("i-1", Running), ("i-2", Running)]).await;
    world.observe(ann, &[("i-1", Stopped), ("i-2", Stopped)]).await;
    store.execute("UPDATE deliveries SET history = 2 WHERE history = 1 AND due IS NOT NULL").await.expect("damaged");
    world.wait(Duration::from_secs(1));
    (world, store, ann)
}

#[tokio::test]
async fn a_delivery_in_the_line_of_another_resource_is_given_up_and_holds_nothing_up() {
    let (world, store, _) = in_another_line().await;
    let mut arrived = world.drain().await;
    arrived.sort_unstable();
    assert_eq!(arrived, ["i-1 RUNNING>STOPPED", "i-2 ->RUNNING", "i-2 RUNNING>STOPPED"]);
    assert_eq!(counted(&store, "deliveries").await, (1, 1));
}

#[tokio::test]
async fn a_delivery_in_the_line_of_another_resource_is_taken_and_holds_nothing_up() {
    let (world, store, ann) = in_another_line().await;
    assert!(
        store.take_pending(ann, &Owner::Account, 1).await.expect("taken").is_empty(),
        "there is nothing of it to give"
    );
    let mut arrived = world.drain().await;
    arrived.sort_unstable();
    assert_eq!(arrived, ["i-1 RUNNING>STOPPED", "i-2 ->RUNNING", "i-2 RUNNING>STOPPED"]);
}
