//! Pending changes that clients read.

use std::time::Duration;

use super::world::{World, short, spec, told};
use crate::model::{AccountId, InstanceState, Owner, Timestamp};
use crate::store::contract::plainly::Plainly as _;
use crate::store::{LeasePlace, LeaseRequest, Leased, Outcome, PendingChange, ReplayFrom};

const PENDING: InstanceState = InstanceState::Pending;
const RUNNING: InstanceState = InstanceState::Running;
const STOPPED: InstanceState = InstanceState::Stopped;

async fn take(world: &World, account: AccountId, limit: usize) -> Vec<PendingChange> {
    world.store().take_pending(account, &Owner::Account, limit).await.expect("take")
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

pub(crate) async fn pending_changes_are_given_once_and_in_order(mut world: World) {
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

pub(crate) async fn a_limit_leaves_the_rest_pending(mut world: World) {
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

/// However many hooks replay the journal: a page owes them what stands on it, and little more.
pub(crate) async fn a_page_owes_hooks_that_replay_no_more_than_it_has(world: World) {
    const HOOKS: usize = 20;
    const CHANGES: usize = 60;
    const LIMIT: usize = 50;
    let account = world.client("ann").await;
    world.observe(account, &[]).await;
    world.hook(account, "a").await;
    for change in 0..CHANGES {
        world.observe(account, &[("a", if change % 2 == 0 { RUNNING } else { STOPPED })]).await;
    }
    world.drain().await;
    let mut hooks = Vec::new();
    for hook in 0..HOOKS {
        let hook = world.filtering(account, spec(&hook.to_string())).await;
        world.store().replay(&world.place(account, hook), ReplayFrom::After(0), world.now).await.expect("asked");
        hooks.push(hook);
    }
    let mut told: Vec<(i64, i64)> = Vec::new();
    loop {
        let page = lend(&world, account, LIMIT, false).await;
        let Some(up_to) = page.up_to else { break };
        assert!(page.changes.len() <= LIMIT);
        told.extend(page.changes.iter().map(|owed| (owed.change.cursor.sequence, owed.hook.0)));
        // Each hook goes on by a step at a time.
        assert!(world.waiting().await <= (2 * LIMIT + 2 * HOOKS) as u64, "{}", world.waiting().await);
        world.store().acknowledge_pending(lease_of(account, &page), up_to).await.expect("acknowledged");
    }
    let each = told.iter().filter(|(_, hook)| *hook == hooks[0].0).count();
    assert!(each >= CHANGES, "{each}");
    assert_eq!(told.len(), each * HOOKS, "each is told each, once");
    assert!(told.is_sorted_by_key(|(change, _)| *change), "in the order of the journal");
}

pub(crate) async fn dead_letters_are_pending(mut world: World) {
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

const MINUTE: Duration = Duration::from_secs(60);

async fn lend(world: &World, account: AccountId, limit: usize, ends_with_host: bool) -> Leased {
    let (now, until) = (world.now, world.now.after(MINUTE));
    let request = LeaseRequest { account, owner: Owner::Account, limit, now, until, ends_with_host };
    world.store().lend_pending(request).await.expect("lent")
}

fn lent(leased: &Leased) -> Vec<String> {
    leased.changes.iter().map(|owed| short(&owed.change.what)).collect()
}

fn lease_of(account: AccountId, leased: &Leased) -> LeasePlace {
    LeasePlace { account, owner: Owner::Account, id: leased.id }
}

async fn acknowledge(world: &World, account: AccountId, leased: &Leased, up_to: i64) -> u64 {
    world.store().acknowledge_pending(lease_of(account, leased), up_to).await.expect("acknowledged")
}

const ALL: [&str; 4] = ["a ->PENDING", "b ->PENDING", "a PENDING>RUNNING", "b PENDING>RUNNING"];

pub(crate) async fn what_is_lent_is_sent_by_nobody_until_the_lease_ends(mut world: World) {
    let account = two_lines(&mut world).await;
    let under_way = world.claim().await;
    let leased = lend(&world, account, 10, false).await;
    assert_eq!(lent(&leased), ALL, "those being sent, too");
    assert_eq!(leased.up_to, leased.changes.last().map(|owed| owed.change.cursor.sequence));
    // What the attempts say that were under way is of no concern any more.
    world.settle(&under_way[0], Outcome::Delivered).await;
    assert_eq!(lent(&lend(&world, account, 10, false).await), [""; 0]);
    assert!(world.claim().await.is_empty());
    world.observe(account, &[("a", STOPPED), ("b", STOPPED)]).await;
    assert!(world.claim().await.is_empty(), "what comes later waits for it");
    assert_eq!(lent(&lend(&world, account, 10, false).await), [""; 0], "and is lent to nobody before it");
    assert_eq!(world.waiting().await, 6);

    world.wait(MINUTE);
    assert_eq!(world.next_delivery().await, Some(world.now));
    let mut sent = world.drain().await;
    sent.sort();
    let mut all = [&ALL[..], &["a RUNNING>STOPPED", "b RUNNING>STOPPED"]].concat();
    all.sort_unstable();
    assert_eq!(sent, all);
    assert_eq!(acknowledge(&world, account, &leased, i64::MAX).await, 0);
}

pub(crate) async fn a_lease_is_acknowledged_in_parts_and_given_back(mut world: World) {
    let account = two_lines(&mut world).await;
    let leased = lend(&world, account, 3, false).await;
    assert_eq!(lent(&leased), ALL[..3]);
    let bob = world.client("bob").await;
    assert_eq!(acknowledge(&world, bob, &leased, i64::MAX).await, 0, "it is the owner's alone");
    let first = leased.changes[0].change.cursor.sequence;
    assert_eq!(acknowledge(&world, account, &leased, first).await, 1);
    assert_eq!(acknowledge(&world, account, &leased, first).await, 0);
    assert!(world.claim().await.is_empty(), "the next of its line is lent still");
    assert_eq!(lent(&lend(&world, account, 9, false).await), [""; 0], "what is behind a lent one waits for it");

    world.store().return_pending(lease_of(account, &leased)).await.expect("given back");
    let again = lend(&world, account, 9, false).await;
    assert_eq!(lent(&again), ALL[1..]);
    let second = again.changes[0].change.cursor.sequence;
    assert_eq!(acknowledge(&world, account, &again, second).await, 1);
    assert!(world.claim().await.is_empty());
    world.wait(MINUTE);
    let mut sent = world.drain().await;
    sent.sort();
    assert_eq!(sent, ["a PENDING>RUNNING", "b PENDING>RUNNING"]);
    assert_eq!(world.waiting().await, 0);
}

pub(crate) async fn a_lease_outlasts_a_crash_unless_it_ends_with_the_host(mut world: World) {
    let account = two_lines(&mut world).await;
    let page = lend(&world, account, 1, true).await;
    let leased = lend(&world, account, 1, false).await;
    assert_eq!((lent(&page), lent(&leased)), (vec![ALL[0].to_owned()], vec![ALL[1].to_owned()]));
    world.crash();
    let page = lend(&world, account, 1, true).await;
    assert_eq!(lent(&page), ALL[..1], "nobody reads on what the host has sent before");
    assert_eq!(acknowledge(&world, account, &leased, i64::MAX).await, 1);
    assert_eq!(acknowledge(&world, account, &page, i64::MAX).await, 1);
    let mut sent = world.drain().await;
    sent.sort();
    assert_eq!(sent, ALL[2..]);
}

pub(crate) async fn a_replay_of_what_is_lent_is_sent_after_it(mut world: World) {
    let (account, hook) = world.hearing().await;
    world.live(account, &[PENDING, RUNNING]).await;
    let leased = lend(&world, account, 9, false).await;
    let place = world.place(account, hook);
    assert!(world.store().replay(&place, ReplayFrom::After(0), world.now).await.expect("asked"));
    world.catch_up().await;
    assert!(world.claim().await.is_empty());
    assert_eq!(acknowledge(&world, account, &leased, i64::MAX).await, 2);
    assert_eq!(world.drain().await, ["i-1 ->PENDING", "i-1 PENDING>RUNNING"]);
    assert_eq!(world.waiting().await, 0);
}

pub(crate) async fn a_lease_lasts_as_long_when_the_clock_is_set(mut world: World) {
    const HOUR: i64 = 3_600_000;
    let account = two_lines(&mut world).await;
    for step in [HOUR, -HOUR] {
        let leased = lend(&world, account, 9, false).await;
        assert_eq!(lent(&leased), ALL);
        world.store().clock_set(step, world.now).await.expect("set");
        world.now = Timestamp::from_millis(world.now.as_millis() + step);
        assert_eq!(lent(&lend(&world, account, 9, false).await), [""; 0], "set by {step} ms");
        assert!(world.claim().await.is_empty());
        world.wait(MINUTE);
    }
    assert_eq!(acknowledge(&world, account, &lend(&world, account, 9, false).await, i64::MAX).await, 4);
}
