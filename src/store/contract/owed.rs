//! What is still owed, for those who come and ask.

use std::time::Duration;

use super::world::{World, short, told};
use crate::model::{AccountId, InstanceState, Owner};
use crate::store::{Outcome, Owed};

const PENDING: InstanceState = InstanceState::Pending;
const RUNNING: InstanceState = InstanceState::Running;
const STOPPED: InstanceState = InstanceState::Stopped;

async fn take(world: &World, account: AccountId, limit: usize) -> Vec<Owed> {
    world.store().take_owed(account, &Owner::Account, limit).await.expect("take")
}

async fn taken(world: &World, account: AccountId, limit: usize) -> Vec<String> {
    take(world, account, limit).await.iter().map(|owed| short(&owed.change.what)).collect()
}

/// Two tracked instances, each owed two changes.
async fn two_lines(world: &mut World) -> AccountId {
    let account = world.client("ann").await;
    world.hook(account, "a").await;
    world.hook(account, "b").await;
    for state in [PENDING, RUNNING] {
        world.observe(account, &[("a", state), ("b", state)]).await;
        world.wait(Duration::from_millis(1));
    }
    account
}

pub(crate) async fn what_is_owed_is_given_once_and_in_order(mut world: World) {
    let account = two_lines(&mut world).await;
    let other = world.client("bob").await;
    assert!(taken(&world, other, 10).await.is_empty());
    let owed = take(&world, account, 10).await;
    let shown: Vec<String> = owed.iter().map(|owed| short(&owed.change.what)).collect();
    assert_eq!(shown, ["a ->PENDING", "b ->PENDING", "a PENDING>RUNNING", "b PENDING>RUNNING"]);
    assert!(owed.is_sorted_by_key(|owed| owed.change.cursor));
    assert_eq!(owed[1].token.as_ref().expect("it has one").0, b"token of b");
    assert!(taken(&world, account, 10).await.is_empty());
    assert_eq!((world.waiting().await, world.next_delivery().await), (0, None));
    assert!(world.claim().await.is_empty());

    world.observe(account, &[("a", STOPPED), ("b", RUNNING)]).await;
    assert_eq!(world.drain().await, ["a RUNNING>STOPPED"], "what comes later is sent as ever");
}

pub(crate) async fn what_is_taken_is_not_sent(mut world: World) {
    let account = two_lines(&mut world).await;
    let under_way = world.claim().await;
    assert_eq!(under_way.len(), 2);
    world.retry(&under_way[0]).await;
    assert_eq!(taken(&world, account, 10).await.len(), 4, "those being sent and those to be tried again, too");
    world.settle(&under_way[1], Outcome::Retry { due: world.now }).await;
    world.wait(Duration::from_secs(3600));
    assert!(world.claim().await.is_empty());
}

pub(crate) async fn a_limit_leaves_the_rest_owed(mut world: World) {
    let account = two_lines(&mut world).await;
    assert!(taken(&world, account, 0).await.is_empty());
    assert_eq!(taken(&world, account, 1).await, ["a ->PENDING"]);
    let mut next: Vec<String> = world.claim().await.iter().map(told).collect();
    next.sort_unstable();
    assert_eq!(next, ["a PENDING>RUNNING", "b ->PENDING"], "the next of that line is its head now");
    assert_eq!(taken(&world, account, 1).await, ["b ->PENDING"]);
    assert_eq!(taken(&world, account, usize::MAX).await, ["a PENDING>RUNNING", "b PENDING>RUNNING"]);
    assert_eq!(world.waiting().await, 0);
}

pub(crate) async fn dead_letters_are_owed(mut world: World) {
    let account = two_lines(&mut world).await;
    let first = world.claim().await;
    for delivery in &first {
        world.settle(delivery, Outcome::Dead).await;
    }
    assert_eq!(taken(&world, account, 1).await, ["a ->PENDING"]);
    assert_eq!(world.waiting().await, 2);
    assert_eq!(taken(&world, account, 10).await, ["b ->PENDING", "a PENDING>RUNNING", "b PENDING>RUNNING"]);
    assert!(taken(&world, account, 10).await.is_empty());
}
