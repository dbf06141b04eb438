//! The cache of hooks follows every write to hooks, by any statement, and every rollback.

use super::super::SqliteStore;
use super::super::fair_pool::Flow;
use super::super::fault::Fault;
use super::super::listeners::Listeners;
use super::world;
use crate::model::{AccountId, Filter, HookId, HookSpec, IdPattern, InstanceState};
use crate::store::StoreError;
use crate::store::contract::plainly::Plainly as _;
use crate::store::contract::world::{World, spec};

const RUNNING: InstanceState = InstanceState::Running;
const STOPPED: InstanceState = InstanceState::Stopped;

fn only(id: &str) -> HookSpec {
    HookSpec { filter: Filter { ids: vec![IdPattern::Exact(id.into())], ..Filter::default() }, ..spec("cb") }
}

/// An account with a baseline of two instances, and a hook that hears of the first.
async fn watched(world: &mut World) -> (AccountId, HookId) {
    let account = world.client("ann").await;
    world.observe(account, &[("i-1", RUNNING), ("i-2", RUNNING)]).await;
    let hook = world.filtering(account, only("i-1")).await;
    (account, hook)
}

/// How many deliveries there are when both instances have changed.
async fn heard(world: &mut World, account: AccountId, state: InstanceState) -> usize {
    world.observe(account, &[("i-1", state), ("i-2", state)]).await.deliveries
}

/// Changes what the hook hears of in a job that looks at who listens, and fails.
async fn fail_to_change(store: &SqliteStore, account: AccountId, sql: &'static str) {
    let failed: Result<(), StoreError> = store
        .write(Flow::Host, move |writing| {
            writing.connection.execute(sql, ())?;
            Listeners::of(writing, account)?;
            Err(Fault::Closed.into())
        })
        .await;
    assert!(failed.is_err());
}

#[tokio::test]
async fn a_hook_hears_of_what_its_row_says() {
    let (mut world, store) = world();
    let (account, hook) = watched(&mut world).await;
    assert_eq!(heard(&mut world, account, STOPPED).await, 1);
    store.change_hook(&world.place(account, hook), spec("cb"), world.now).await.expect("changed");
    assert_eq!(heard(&mut world, account, RUNNING).await, 2);
    // By a statement of which nothing in the store knows.
    let sql = "UPDATE hooks SET words = '{\"ids\":[\"i-3\"]}'";
    store.write(Flow::Host, move |writing| Ok(writing.connection.execute(sql, ())?)).await.expect("written");
    assert_eq!(heard(&mut world, account, STOPPED).await, 0);
    world.filtering(account, only("i-2")).await;
    assert_eq!(heard(&mut world, account, RUNNING).await, 1);
}

#[tokio::test]
async fn what_is_taken_back_is_not_heard_of() {
    let (mut world, store) = world();
    let (account, _) = watched(&mut world).await;
    // Both before the account's hooks are in memory and after.
    for state in [STOPPED, RUNNING] {
        fail_to_change(&store, account, "UPDATE hooks SET words = '{}'").await;
        assert_eq!(heard(&mut world, account, state).await, 1);
    }
    fail_to_change(&store, account, "DELETE FROM hooks").await;
    assert_eq!(heard(&mut world, account, STOPPED).await, 1);
    let twin = "INSERT INTO hooks (account, owner, url, destination, secret, words, format, mode, status, created)
                SELECT account, owner, url, destination, secret, '{}', format, mode, status, created FROM hooks";
    fail_to_change(&store, account, twin).await;
    assert_eq!(heard(&mut world, account, RUNNING).await, 1);
}
