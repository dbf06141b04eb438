//! Which deliveries are sent, when, and in which order.

use std::time::Duration;

use super::room::GivenRoom;
use super::world::{LEASE, POLL_EVERY, World, spec, told};
use crate::model::breaker::Standing;
use crate::model::{AccountId, ChangeType, HookId, HookSpec, HookUrl, InstanceState, Kind, Mode, Rate};
use crate::store::{DeliveryClaim, DueDelivery, Outcome, Settling};

const PENDING: InstanceState = InstanceState::Pending;
const RUNNING: InstanceState = InstanceState::Running;
const STOPPED: InstanceState = InstanceState::Stopped;

/// Lets one instance, which is the account's only one, live through these states.
async fn live(world: &mut World, account: AccountId, name: &str, states: &[InstanceState]) {
    for state in states {
        world.observe(account, &[(name, *state)]).await;
        world.wait(Duration::from_millis(1));
    }
}

fn all_told(deliveries: &[DueDelivery]) -> Vec<String> {
    deliveries.iter().map(told).collect()
}

/// Claims what is due, of which there must be just one.
async fn only(world: &World) -> DueDelivery {
    let mut claimed = world.claim().await;
    assert_eq!(claimed.len(), 1, "{:?}", all_told(&claimed));
    claimed.remove(0)
}

pub(crate) async fn one_resource_is_delivered_in_order(mut world: World) {
    let account = world.client("ann").await;
    world.hook(account, "i-1").await;
    live(&mut world, account, "i-1", &[PENDING, RUNNING, STOPPED]).await;
    assert_eq!(world.waiting().await, 3);
    let mut last = None;
    for want in ["i-1 ->PENDING", "i-1 PENDING>RUNNING", "i-1 RUNNING>STOPPED"] {
        let delivery = only(&world).await;
        assert_eq!(told(&delivery), want);
        let place = (delivery.change.cursor, delivery.change.id);
        assert!(last.is_none_or(|last| last < place), "places and ids ascend");
        last = Some(place);
        assert_eq!(delivery.attempts, 0);
        assert!(world.claim().await.is_empty(), "the next waits until this one is settled");
        assert_eq!(world.next_delivery().await, Some(world.now.after(LEASE)));
        world.settle(&delivery, Outcome::Delivered).await;
    }
    assert_eq!((world.waiting().await, world.next_delivery().await), (0, None));
}

pub(crate) async fn a_retry_holds_back_its_own_line_only(mut world: World) {
    let account = world.client("ann").await;
    world.hook(account, "i-1").await;
    world.hook(account, "i-2").await;
    world.observe(account, &[("i-1", PENDING), ("i-2", PENDING)]).await;
    world.observe(account, &[("i-1", RUNNING), ("i-2", RUNNING)]).await;
    let claimed = world.claim().await;
    assert_eq!(all_told(&claimed), ["i-1 ->PENDING", "i-2 ->PENDING"]);
    world.retry(&claimed[0]).await;
    world.settle(&claimed[1], Outcome::Delivered).await;
    assert_eq!(told(&only(&world).await), "i-2 PENDING>RUNNING");
    assert_eq!(world.waiting().await, 3);

    let due = world.now.after(Duration::from_secs(60));
    assert_eq!(world.next_delivery().await, Some(due));
    world.wait(Duration::from_millis(59_999));
    assert!(world.claim().await.is_empty());
    world.wait(Duration::from_millis(1));
    let claimed = world.claim().await;
    let again = claimed.iter().find(|delivery| delivery.attempts == 1).expect("the retry");
    assert_eq!(told(again), "i-1 ->PENDING");
    world.settle(again, Outcome::Delivered).await;
    assert_eq!(told(&only(&world).await), "i-1 PENDING>RUNNING");
}

pub(crate) async fn a_dead_letter_lets_the_next_go(mut world: World) {
    let account = world.client("ann").await;
    world.hook(account, "i-1").await;
    live(&mut world, account, "i-1", &[PENDING, RUNNING]).await;
    let dead = only(&world).await;
    world.settle(&dead, Outcome::Dead).await;
    assert_eq!(world.waiting().await, 1, "dead ones are not waited for");
    assert_eq!(world.drain().await, ["i-1 PENDING>RUNNING"]);
    world.wait(LEASE * 100);
    assert!(world.claim().await.is_empty(), "it is not sent any more");
    assert_eq!(world.next_delivery().await, None);

    // A line with a dead letter in it is no longer waiting for it.
    live(&mut world, account, "i-1", &[STOPPED]).await;
    assert_eq!(world.drain().await, ["i-1 RUNNING>STOPPED"]);
}

pub(crate) async fn what_was_not_sent_is_due_again_at_once(mut world: World) {
    let account = world.client("ann").await;
    world.hook(account, "i-1").await;
    live(&mut world, account, "i-1", &[PENDING, RUNNING]).await;
    let delivery = only(&world).await;
    world.settle(&delivery, Outcome::Returned).await;
    let again = only(&world).await;
    assert_eq!((again.id, again.attempts), (delivery.id, 0));
    assert_ne!(again.lease, delivery.lease);
}

pub(crate) async fn a_lease_that_ran_out_is_claimed_anew(mut world: World) {
    let account = world.client("ann").await;
    world.hook(account, "i-1").await;
    live(&mut world, account, "i-1", &[PENDING, RUNNING]).await;
    let old = only(&world).await;
    world.wait(LEASE);
    let new = only(&world).await;
    assert_eq!((new.id, new.change.id), (old.id, old.change.id), "the very same, by which repeats are dropped");
    world.settle(&old, Outcome::Dead).await;
    assert!(world.claim().await.is_empty(), "the old claim has no say");
    world.wait(LEASE * 2);
    world.settle(&new, Outcome::Delivered).await;
    assert_eq!(told(&only(&world).await), "i-1 PENDING>RUNNING", "late, but nobody else had it");
}

/// Hooks on as many instances, each of which is owed what its instance did on its way through `states`.
async fn owe(world: &mut World, account: AccountId, names: &[&str], states: &[InstanceState]) {
    for state in states {
        let seen: Vec<_> = names.iter().map(|name| (*name, *state)).collect();
        world.observe(account, &seen).await;
        world.wait(Duration::from_millis(1));
    }
}

pub(crate) async fn a_hook_has_no_more_in_flight_than_it_may(mut world: World) {
    let account = world.client("ann").await;
    let a = world.hook(account, "a").await;
    let b = world.hook(account, "b").await;
    owe(&mut world, account, &["a", "b"], &[PENDING]).await;
    let destination = spec("a").url.destination().to_owned();
    for (limit, per_hook, in_flight) in
        [(10, 0, vec![]), (0, 10, vec![]), (10, 2, vec![(a, 2), (b, 3)]), (10, 2, vec![(a, 1), (a, 1), (b, 2)])]
    {
        assert!(world.claim_within(limit, per_hook, &in_flight).await.is_empty());
        world.landed(&destination, Standing::Proven).await;
    }
    assert_eq!(all_told(&world.claim_within(10, 2, &[(a, 2), (b, 1)]).await), ["b ->PENDING"]);
    assert_eq!(all_told(&world.claim_within(10, 2, &[]).await), ["a ->PENDING"]);
}

pub(crate) async fn a_saturated_hook_is_passed_over(mut world: World) {
    let account = world.client("ann").await;
    let names: Vec<String> = (0..20).map(|number| format!("i-{number:02}")).collect();
    let mut hooks = Vec::new();
    for name in &names {
        hooks.push(world.hook(account, name).await);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    owe(&mut world, account, &names, &[PENDING, RUNNING, STOPPED]).await;
    let busy: Vec<_> = hooks[..19].iter().map(|hook| (*hook, 1)).collect();
    let claimed = world.claim_within(1, 1, &busy).await;
    assert_eq!(all_told(&claimed), ["i-19 ->PENDING"]);
}

pub(crate) async fn hooks_are_served_in_turns(mut world: World) {
    let account = world.client("ann").await;
    let names = ["a", "b", "c"];
    for name in names {
        world.hook(account, name).await;
    }
    owe(&mut world, account, &names, &[PENDING, RUNNING]).await;
    let mut served = Vec::new();
    for _ in 0..6 {
        world.wait(Duration::from_millis(1));
        let claimed = world.claim_within(1, 10, &[]).await;
        served.extend(all_told(&claimed));
        world.settle(&claimed[0], Outcome::Delivered).await;
    }
    let firsts = ["a ->PENDING", "b ->PENDING", "c ->PENDING"];
    assert_eq!(served[..3], firsts);
    let mut seconds = served[3..].to_vec();
    seconds.sort_unstable();
    assert_eq!(seconds, ["a PENDING>RUNNING", "b PENDING>RUNNING", "c PENDING>RUNNING"]);
}

pub(crate) async fn a_crash_between_claim_and_settlement_loses_nothing(mut world: World) {
    let account = world.client("ann").await;
    world.hook(account, "i-1").await;
    live(&mut world, account, "i-1", &[PENDING, RUNNING]).await;
    let before = only(&world).await;
    world.crash();
    let after = only(&world).await;
    assert_eq!((after.id, &after.change), (before.id, &before.change), "the same place, the same id");
    world.settle(&before, Outcome::Delivered).await;
    assert_eq!(world.waiting().await, 2, "the first host's claim is void");
    world.settle(&after, Outcome::Delivered).await;
    world.crash();
    assert_eq!(world.drain().await, ["i-1 PENDING>RUNNING"]);
    world.crash();
    assert_eq!((world.waiting().await, world.next_delivery().await), (0, None));
    assert_eq!(world.known(account).await.len(), 1);
}

pub(crate) async fn what_is_not_tracked_is_not_delivered(mut world: World) {
    let store = world.store();
    let account = world.client("ann").await;
    world.hook(account, "i-1").await;
    live(&mut world, account, "i-1", &[RUNNING]).await;
    world.drain().await;
    world.wait(POLL_EVERY);
    let ticket = world.ticket(account, Kind::Instance).await;
    let mut record = world.record(&ticket);
    record.changes = vec![world.change(ChangeType::InstanceUpdated, "i-1", None, None)];
    let recorded = store.record_poll(record).await.unwrap();
    assert_eq!((recorded.changes, recorded.deliveries), (1, 0));
    assert!(world.claim().await.is_empty());
}

/// Two hooks that hear of everything at `one.example`, and one at `two.example`; the numbers of their hooks.
async fn two_destinations(world: &World, account: AccountId) -> [HookId; 3] {
    let mut hooks = Vec::new();
    for url in ["https://one.example/a", "https://one.example/b", "https://two.example/"] {
        let url = HookUrl::parse(url).expect(url);
        hooks.push(world.filtering(account, HookSpec { url, ..spec("x") }).await);
    }
    [hooks[0], hooks[1], hooks[2]]
}

pub(crate) async fn destinations_are_served_in_turns_and_have_no_more_than_they_may(mut world: World) {
    let account = world.client("ann").await;
    world.observe(account, &[]).await;
    let [a, b, c] = two_destinations(&world, account).await;
    let names = ["i-1", "i-2", "i-3", "i-4", "i-5", "i-6"];
    owe(&mut world, account, &names, &[PENDING]).await;
    let count = |claimed: &[DueDelivery], hook| claimed.iter().filter(|delivery| delivery.id.hook == hook).count();

    // Half to each destination. Its hooks take turns, each with a few at a time.
    let claim = DeliveryClaim { limit: 4, ..world.whole_claim() };
    let claimed = world.store().claim_due_deliveries(claim).await.unwrap();
    assert_eq!([a, b, c].map(|hook| count(&claimed, hook)), [2, 0, 2]);
    world.wait(Duration::from_millis(1));
    let destinations = [("https://one.example".to_owned(), 0), ("https://two.example".to_owned(), 3)].into();
    let claim = world.claim_with(GivenRoom { destinations, ..GivenRoom::ample() });
    let claimed = world.store().claim_due_deliveries(claim).await.unwrap();
    assert_eq!([a, b, c].map(|hook| count(&claimed, hook)), [0, 0, 3]);
    // What had no room is looked at again once attempts there have ended.
    assert!(world.claim().await.is_empty());
    for destination in ["https://one.example", "https://two.example"] {
        world.landed(destination, Standing::Proven).await;
    }
    let claim = world.claim_with(GivenRoom { per_destination: 3, ..GivenRoom::ample() });
    let claimed = world.store().claim_due_deliveries(claim).await.unwrap();
    assert_eq!([a, b, c].map(|hook| count(&claimed, hook)), [0, 3, 1]);
    // What one hook does not have is room for the other.
    world.landed("https://one.example", Standing::Proven).await;
    let claimed = world.claim_within(100, 3, &[(a, 1)]).await;
    assert_eq!([a, b, c].map(|hook| count(&claimed, hook)), [2, 3, 0]);
    assert_eq!(world.claim().await.len(), 2);
}

pub(crate) async fn a_destination_that_is_held_is_left_alone_until_then(mut world: World) {
    let account = world.client("ann").await;
    world.observe(account, &[]).await;
    let [_, _, other] = two_destinations(&world, account).await;
    let hold = async |world: &World, wait: u64| {
        let until = world.now.after(Duration::from_secs(wait));
        let settling = Settling { holds: vec![("https://one.example".into(), until)], ..Settling::default() };
        world.store().settle(settling).await.unwrap();
    };
    owe(&mut world, account, &["i-1"], &[PENDING]).await;
    let now = world.now;
    hold(&world, 30).await;
    let claimed = world.claim().await;
    assert_eq!(claimed.iter().map(|delivery| delivery.id.hook).collect::<Vec<_>>(), [other]);
    world.settle(&claimed[0], Outcome::Delivered).await;
    assert_eq!(world.next_delivery().await, Some(now.after(Duration::from_secs(30))));
    // What comes meanwhile waits, too, also over a crash.
    owe(&mut world, account, &["i-1"], &[RUNNING]).await;
    assert_eq!(world.claim().await.len(), 1);
    world.wait(Duration::from_secs(30));
    assert_eq!(world.claim().await.len(), 2);
    hold(&world, 3600).await;
    world.crash();
    assert_eq!(all_told(&world.claim().await), ["i-1 PENDING>RUNNING"], "it is the other's");
    hold(&world, 0).await;
    assert_eq!(world.claim().await.len(), 2);
}

pub(crate) async fn a_rate_is_kept_over_crashes(mut world: World) {
    let account = world.client("ann").await;
    world.observe(account, &[]).await;
    let rate = Rate::per_second(2.0);
    world.filtering(account, HookSpec { rate, ..spec("slow") }).await;
    owe(&mut world, account, &["i-1", "i-2", "i-3", "i-4", "i-5"], &[PENDING]).await;
    let mut claimed = Vec::new();
    for step in 0..20 {
        let now = world.claim().await;
        for delivery in &now {
            world.settle(delivery, Outcome::Delivered).await;
        }
        claimed.push(now.len());
        world.wait(Duration::from_millis(100));
        if step == 3 {
            let now = world.now;
            world.crash();
            world.now = now;
        }
    }
    let times: Vec<usize> = (0..20).filter(|at| claimed[*at] > 0).collect();
    assert_eq!(times, [0, 3, 8, 13, 18], "after what it had saved, one each half a second: {claimed:?}");
    assert_eq!(world.waiting().await, 0);
}

pub(crate) async fn the_latest_takes_the_place_of_what_is_not_being_sent(mut world: World) {
    let account = world.client("ann").await;
    world.observe(account, &[]).await;
    world.filtering(account, HookSpec { mode: Mode::Latest, ..spec("latest") }).await;
    live(&mut world, account, "i-1", &[PENDING, RUNNING]).await;
    assert_eq!(world.waiting().await, 1);
    let sent = only(&world).await;
    assert_eq!(told(&sent), "i-1 PENDING>RUNNING");
    // One that is being sent stays; of those behind it only the latest does.
    live(&mut world, account, "i-1", &[STOPPED, PENDING, RUNNING]).await;
    assert_eq!(world.waiting().await, 2);
    world.retry(&sent).await;
    assert_eq!(world.waiting().await, 1, "it failed, and a newer one was there");
    assert!(world.claim().await.is_empty(), "that one waits as the other would have");
    world.wait(Duration::from_secs(60));
    let next = only(&world).await;
    assert_eq!((told(&next).as_str(), next.attempts), ("i-1 PENDING>RUNNING", 0));
    live(&mut world, account, "i-1", &[STOPPED]).await;
    world.settle(&next, Outcome::Delivered).await;
    assert_eq!(world.drain().await, ["i-1 RUNNING>STOPPED"]);
}
