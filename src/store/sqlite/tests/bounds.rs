//! The limits of a store and of an account: what they refuse, what continues, and that freed room is used again.

use std::sync::Arc;

use tempfile::TempDir;

use super::super::{Settings, SqliteStore};
use super::{SqliteLab, open};
use crate::model::{AccountId, HookId, InstanceState, Owner, Scope};
use crate::store::contract::plainly::Plainly as _;
use crate::store::contract::world::{DISABLE_AFTER, World, spec};
use crate::store::{
    Accounts as _, Fullness, HookAction, Journal as _, KeptChanges, NewToken, Outcome, ReplayFrom, Result, StoreError,
    Sweep,
};

const RUNNING: InstanceState = InstanceState::Running;
const STOPPED: InstanceState = InstanceState::Stopped;

/// A world on a store with these bounds.
fn bounded(settings: Settings) -> (World, Arc<SqliteStore>) {
    let directory = TempDir::new().expect("a folder");
    let store = open(&directory, settings.clone());
    let lab = SqliteLab { store: Some(Arc::clone(&store)), directory, settings };
    (World::new(Box::new(lab)), store)
}

/// What a new store takes, and as much again as the tests' instances need.
const SIZE: usize = 2 << 20;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("i-{number}")).collect()
}

/// Polls that find so many instances in a state; the error of the first that is not recorded.
async fn observe(world: &World, account: AccountId, count: usize, state: InstanceState) -> Result<()> {
    let names = names(count);
    let seen: Vec<_> = names.iter().map(|name| (name.as_str(), state)).collect();
    let ticket = world.ticket(account, crate::model::Kind::Instance).await;
    let record = world.diff(&ticket, &seen).await;
    let recorded = world.store().record_poll(record).await.map(|_| ());
    if recorded.is_err() {
        let later = world.now;
        world.store().release_poll(account, ticket.kind, ticket.lease, later).await.expect("given back");
    }
    recorded
}

/// Has the account change until that is refused; says how that was.
async fn fill(world: &World, account: AccountId, count: usize) -> StoreError {
    for round in 0..10_000 {
        let state = if round % 2 == 0 { STOPPED } else { RUNNING };
        if let Err(error) = observe(world, account, count, state).await {
            return error;
        }
    }
    panic!("a store has a bound")
}

fn is_at_limit<T: std::fmt::Debug>(result: Result<T>) {
    assert!(matches!(result, Err(StoreError::AtLimit { .. })), "{result:?}");
}

fn is_account_at_limit<T: std::fmt::Debug>(result: Result<T>) {
    assert!(matches!(result, Err(StoreError::AccountAtLimit { .. })), "{result:?}");
}

fn token(world: &World, account: AccountId, byte: u8) -> NewToken {
    NewToken {
        account,
        name: "ci".into(),
        scope: Scope::Track,
        hash: [byte; 32],
        expires: None,
        now: world.now,
        limit: 100,
    }
}

#[tokio::test]
async fn a_store_at_its_bound_takes_nothing_new_and_goes_on_with_the_rest() {
    let (mut world, store) = bounded(Settings { size: SIZE, account_share: 1.0, reserve: 0.0, ..Settings::default() });
    let (ann, bob) = (world.client("ann").await, world.client("bob").await);
    world.observe(ann, &[]).await;
    let hook: HookId = world.filtering(ann, spec("all")).await;
    observe(&world, ann, 20, RUNNING).await.expect("recorded");
    observe(&world, bob, 500, RUNNING).await.expect("recorded");
    let refused = fill(&world, bob, 500).await;
    assert!(matches!(refused, StoreError::AtLimit { limit, .. } if limit == SIZE as u64), "{refused}");
    let held = store.held().await.expect("counted");
    // One step of a list is taken in beyond it at most.
    assert!((held.store_limit..held.store_limit + held.store_limit / 4).contains(&held.store_bytes), "{held:?}");

    // Refused.
    is_at_limit(store.ping().await);
    is_at_limit(store.set_hook(world.new_hook(ann, "i-1")).await);
    is_at_limit(store.issue_token(token(&world, ann, 1)).await);
    let replay = HookAction::Replay(ReplayFrom::After(0));
    is_at_limit(store.edit(&world.place(ann, hook), replay, world.now).await);
    is_at_limit(observe(&world, ann, 21, RUNNING).await);
    let stranger = crate::store::Enrolment {
        key: crate::store::contract::world::key("cyd"),
        origin: crate::model::Origin::Client,
        password: crate::model::Sealed(vec![1]),
        now: world.now,
    };
    is_at_limit(store.enrol(stranger).await);

    // What goes on: who is known logs in, lists that show nothing new are recorded, and callbacks are delivered.
    assert_eq!(world.client("ann").await, ann);
    observe(&world, ann, 20, RUNNING).await.expect("nothing new");
    assert_eq!(world.list(ann, crate::store::contract::world::query()).await.len(), 20);
    assert!(!store.take_pending(ann, &Owner::Account, 5).await.expect("taken").is_empty());
    let claimed = world.claim().await;
    assert!(!claimed.is_empty());
    for delivery in &claimed {
        world.settle(delivery, Outcome::Delivered).await;
    }
    world.catch_up().await;
    assert!(store.remove_hook(&world.place(ann, hook)).await.expect("removed"));

    // Retention makes room, and all is taken in again.
    world.wait(DISABLE_AFTER);
    let mut sweep = Some(Sweep::default());
    while let Some(at) = sweep {
        sweep = store.forget_changes(KeptChanges { since: world.now, changes: 10_000 }, at).await.expect("forgotten");
    }
    store.ping().await.expect("there is room");
    observe(&world, ann, 21, RUNNING).await.expect("recorded");
    world.client("cyd").await;
    store.set_hook(world.new_hook(ann, "i-1")).await.expect("set");
}

#[tokio::test]
async fn an_account_that_is_forgotten_gives_its_room_to_others() {
    let (world, store) = bounded(Settings { size: SIZE, account_share: 1.0, reserve: 0.0, ..Settings::default() });
    let (ann, bob) = (world.client("ann").await, world.client("bob").await);
    observe(&world, bob, 500, RUNNING).await.expect("recorded");
    fill(&world, bob, 500).await;
    is_at_limit(observe(&world, ann, 1, RUNNING).await);
    store.forget_account(bob).await.expect("forgotten");
    store.clear_account(bob).await.expect("cleared");
    observe(&world, ann, 1, RUNNING).await.expect("recorded");
}

#[tokio::test]
async fn an_account_at_its_bound_takes_nothing_from_others() {
    let (mut world, store) =
        bounded(Settings { size: 4 * SIZE, account_share: 0.25, warn_at: 0.5, ..Settings::default() });
    let (ann, bob) = (world.client("ann").await, world.client("bob").await);
    let fullness = |account| store.account_size(account).fullness;
    store.measure_accounts().await.expect("measured");
    assert_eq!(store.account_size(ann).used, None, "the whole store is smaller");
    observe(&world, bob, 500, RUNNING).await.expect("recorded");
    let mut seen = vec![Fullness::Room];
    while fullness(bob) != Fullness::AtLimit {
        let state = if seen.len() % 2 == 0 { RUNNING } else { STOPPED };
        observe(&world, bob, 500, state).await.expect("recorded");
        store.measure_accounts().await.expect("measured");
        seen.push(fullness(bob));
    }
    assert!(seen.contains(&Fullness::NearLimit), "{seen:?}");
    let size = store.account_size(bob);
    assert_eq!(size.limit, SIZE as u64);
    assert!(size.used.is_some_and(|used| used >= size.limit && used < size.limit * 2), "{size:?}");
    let held = store.held().await.expect("counted");
    assert_eq!((held.accounts_near_limit, held.accounts_at_limit), (0, 1));

    is_account_at_limit(observe(&world, bob, 501, RUNNING).await);
    is_account_at_limit(store.set_hook(world.new_hook(bob, "i-1")).await);
    is_account_at_limit(store.issue_token(token(&world, bob, 1)).await);
    store.ping().await.expect("the host is well");
    assert_eq!(fullness(ann), Fullness::Room);
    observe(&world, ann, 20, RUNNING).await.expect("recorded");
    store.set_hook(world.new_hook(ann, "i-1")).await.expect("set");

    world.wait(DISABLE_AFTER);
    let mut sweep = Some(Sweep::default());
    while let Some(at) = sweep {
        sweep = store.forget_changes(KeptChanges { since: world.now, changes: 10_000 }, at).await.expect("forgotten");
    }
    store.measure_accounts().await.expect("measured");
    assert_eq!(fullness(bob), Fullness::Room);
    observe(&world, bob, 501, RUNNING).await.expect("recorded");
}

/// Records changes of these accounts until each of them is at its limit.
async fn fill_together(world: &World, store: &SqliteStore, accounts: &[AccountId]) {
    let mut refused = vec![false; accounts.len()];
    for round in 0..1000 {
        for (account, refused) in accounts.iter().zip(&mut refused) {
            let state = if round % 2 == 0 { RUNNING } else { STOPPED };
            match observe(world, *account, 200, state).await {
                Ok(()) => {}
                Err(StoreError::AccountAtLimit { .. }) => *refused = true,
                Err(other) => panic!("{other}"),
            }
        }
        store.measure_accounts().await.expect("measured");
        if refused.iter().all(|refused| *refused) {
            return;
        }
    }
    panic!("some account is never refused: {refused:?}");
}

/// None of them takes more than its share, and together they would leave nothing.
#[tokio::test]
async fn large_accounts_leave_the_last_of_the_store_to_small_ones() {
    let (world, store) = bounded(Settings { size: 4 * SIZE, account_share: 0.5, ..Settings::default() });
    let mut large = Vec::new();
    for name in ["ann", "bob", "cid"] {
        large.push(world.client(name).await);
    }
    let dan = world.client("dan").await;
    observe(&world, dan, 20, RUNNING).await.expect("recorded");
    fill_together(&world, &store, &large).await;
    let (used, limit) = store.size();
    assert!(used < limit && limit - used <= limit / 10, "{used} of {limit}");
    assert!(large.iter().all(|account| store.account_size(*account).used < Some(limit / 2)), "each within its share");
    store.ping().await.expect("the host is well");
    observe(&world, dan, 40, RUNNING).await.expect("recorded");
    store.set_hook(world.new_hook(dan, "i-1")).await.expect("set");
}

/// Each of them may take half of the store, so together they may take all of it before anybody else comes.
#[tokio::test]
async fn a_newcomer_finds_the_last_of_a_store_that_few_accounts_fill() {
    let (world, store) = bounded(Settings { size: 4 * SIZE, account_share: 0.5, ..Settings::default() });
    let large = [world.client("ann").await, world.client("bob").await];
    fill_together(&world, &store, &large).await;
    let newcomer = world.client("dan").await;
    observe(&world, newcomer, 40, RUNNING).await.expect("recorded");
    store.set_hook(world.new_hook(newcomer, "i-1")).await.expect("set");
}
