//! Single instances, which are polled between two complete lists.

use std::time::Duration;

use super::world::{POLL_EVERY, World, id};
use crate::model::{AccountId, InstanceState, Kind, MOST_IDS, ResourceId, Timestamp};
use crate::store::{Again, Breadth, PollRecord, PollStatus, PollTicket, WantedIds};

const SECOND: Duration = Duration::from_secs(1);

fn ids(names: &[&str]) -> Vec<ResourceId> {
    names.iter().map(|name| id(name)).collect()
}

/// An account that is polled because it was asked for, with a first list.
async fn listed(world: &World) -> AccountId {
    let account = world.client("ann").await;
    world.observe(account, &[("i-1", InstanceState::Running), ("i-2", InstanceState::Pending)]).await;
    account
}

async fn ask(world: &World, account: AccountId, names: &[&str]) {
    world.store().request_ids(account, ids(names), world.now).await.expect("asked for");
}

/// The poll of instances that is due. That of realms is put off.
async fn claim(world: &World) -> PollTicket {
    loop {
        let ticket = world.claim_polls(1).await.pop().expect("one is due");
        if ticket.kind == Kind::Instance {
            return ticket;
        }
        let mut failure = world.failure(&ticket);
        failure.next_due = world.now.after(Duration::from_secs(86_400));
        world.store().record_poll_failure(failure).await.expect("put off");
    }
}

async fn record(world: &World, ticket: &PollTicket, again: Option<Again>) {
    let list_due = ticket.wanted.as_ref().expect("single instances").list_due;
    let record = PollRecord {
        complete: false,
        breadth: Breadth::Ids,
        next_due: list_due.unwrap_or(world.now),
        again,
        ..world.record(ticket)
    };
    world.store().record_poll(record).await.expect("recorded");
}

async fn status(world: &World, account: AccountId) -> PollStatus {
    let status = world.store().poll_status(account).await.expect("read");
    status.into_iter().find(|status| status.kind == Kind::Instance).expect("it was polled")
}

fn wanted(names: &[&str], list_due: Option<Timestamp>) -> Option<WantedIds> {
    Some(WantedIds { ids: ids(names), list_due })
}

pub(crate) async fn single_instances_are_polled_between_lists(mut world: World) {
    let account = listed(&world).await;
    let before = status(&world, account).await;
    world.wait(SECOND);
    ask(&world, account, &["i-2"]).await;
    ask(&world, account, &["i-1", "i-2"]).await;
    assert_eq!(world.next_poll().await, Some(world.now));
    let ticket = claim(&world).await;
    assert_eq!(ticket.wanted, wanted(&["i-1", "i-2"], None), "nobody watches it");
    record(&world, &ticket, None).await;
    assert_eq!(world.next_poll().await, None);
    let after = status(&world, account).await;
    let of_lists = |status: &PollStatus| (status.last_attempt, status.last_complete, status.last_full);
    assert_eq!(of_lists(&after), of_lists(&before));
    assert_eq!((after.ids_polled, after.requests > before.requests), (Some(world.now), true));

    // Of an account that is watched, everything stays due.
    world.hook(account, "i-1").await;
    world.observe(account, &[("i-1", InstanceState::Running), ("i-2", InstanceState::Pending)]).await;
    let list_due = status(&world, account).await.next_due;
    assert!(list_due.is_some());
    world.wait(SECOND);
    ask(&world, account, &["i-2"]).await;
    let ticket = claim(&world).await;
    assert_eq!(ticket.wanted, wanted(&["i-2"], list_due));
    record(&world, &ticket, None).await;
    assert_eq!(status(&world, account).await.next_due, list_due);
}

pub(crate) async fn a_list_answers_for_single_instances(mut world: World) {
    let store = world.store();
    let account = world.client("ann").await;
    ask(&world, account, &["i-1"]).await;
    let ticket = claim(&world).await;
    assert_eq!(ticket.wanted, None, "nothing was listed yet");
    store.record_poll(world.record(&ticket)).await.expect("recorded");

    world.wait(SECOND);
    ask(&world, account, &["i-1"]).await;
    store.request_poll(account, Kind::Instance, world.now.after(SECOND)).await.expect("asked for");
    let ticket = claim(&world).await;
    assert_eq!(ticket.wanted, None, "everything is to be polled soon");
    store.record_poll(world.record(&ticket)).await.expect("recorded");
    assert_eq!(world.next_poll().await, Some(world.now.after(SECOND)), "once more, as it was asked for");
    world.wait(SECOND);
    let ticket = claim(&world).await;
    store.record_poll(world.record(&ticket)).await.expect("recorded");

    let many: Vec<ResourceId> = (0..=MOST_IDS).map(|number| id(&format!("i-{number}"))).collect();
    store.request_ids(account, many[..MOST_IDS].to_vec(), world.now).await.expect("asked for");
    store.request_ids(account, many[MOST_IDS..].to_vec(), world.now).await.expect("asked for");
    let ticket = claim(&world).await;
    assert_eq!(ticket.wanted, None, "they are too many");
    store.record_poll(world.record(&ticket)).await.expect("recorded");

    ask(&world, account, &["i-1"]).await;
    assert!(claim(&world).await.wanted.is_some());
    drop(store);
    world.crash();
    assert_eq!(claim(&world).await.wanted, None, "what came of it is not known");
    assert!(
        world.store().request_ids(AccountId(99), ids(&["i-1"]), world.now).await.is_err(),
        "there is no such account"
    );
}

pub(crate) async fn single_instances_that_are_asked_for_during_a_poll_come_after_it(mut world: World) {
    let account = listed(&world).await;
    let ticket = world.ticket(account, Kind::Instance).await;
    world.wait(SECOND);
    ask(&world, account, &["i-1"]).await;
    assert!(world.claim_polls(10).await.is_empty(), "one at a time");
    world.store().record_poll(world.record(&ticket)).await.expect("recorded");
    let ticket = claim(&world).await;
    assert_eq!(ticket.wanted, wanted(&["i-1"], None));
    ask(&world, account, &["i-2"]).await;
    record(&world, &ticket, Some(Again { ids: ids(&["i-1"]), at: world.now.after(POLL_EVERY) })).await;
    assert_eq!(claim(&world).await.wanted, wanted(&["i-1", "i-2"], None), "together");
    // A failure is followed by a list of everything, when it is due.
    let ticket = {
        world.wait(super::world::LEASE);
        claim(&world).await
    };
    ask(&world, account, &["i-1"]).await;
    world.store().record_poll_failure(world.failure(&ticket)).await.expect("recorded");
    assert_eq!(world.next_poll().await, None);
}

pub(crate) async fn what_is_asked_for_again_comes_in_its_time(mut world: World) {
    let account = listed(&world).await;
    world.hook(account, "i-2").await;
    let ticket = world.ticket(account, Kind::Instance).await;
    let list_due = world.now.after(POLL_EVERY);
    let again = |world: &World, after| Some(Again { ids: ids(&["i-2"]), at: world.now.after(after) });
    let list = PollRecord { again: again(&world, SECOND), next_due: list_due, ..world.record(&ticket) };
    world.store().record_poll(list).await.expect("recorded");
    for _ in 0..3 {
        assert_eq!(status(&world, account).await.next_due, Some(world.now.after(SECOND)));
        world.wait(SECOND);
        let ticket = claim(&world).await;
        assert_eq!(ticket.wanted, wanted(&["i-2"], Some(list_due)));
        record(&world, &ticket, again(&world, SECOND)).await;
    }
    // What would be too many with those that were asked for meanwhile is answered for by a list.
    world.wait(SECOND);
    let ticket = claim(&world).await;
    ask(&world, account, &["one-more"]).await;
    let many = (0..MOST_IDS).map(|number| id(&format!("i-{number}"))).collect();
    record(&world, &ticket, Some(Again { ids: many, at: world.now.after(SECOND) })).await;
    let ticket = claim(&world).await;
    assert_eq!(ticket.wanted, None);
    // Once everything is due, it is polled.
    let list_due = world.now.after(POLL_EVERY);
    let list = PollRecord { again: again(&world, SECOND), next_due: list_due, ..world.record(&ticket) };
    world.store().record_poll(list).await.expect("recorded");
    world.wait(POLL_EVERY);
    assert_eq!(claim(&world).await.wanted, None);
}
