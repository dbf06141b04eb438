//! When polls are due, and who may record them.

use std::time::Duration;

use super::world::{LEASE, POLL_EVERY, World, id, instance, key};
use crate::model::{
    AccountId, BudgetMark, ChangeType, ErrorCode, Filter, InstanceState, Kind, NewChange, Origin, Resource, State,
    Timestamp,
};
use crate::store::{After, ChangeQuery, Effort, Missing, PollFailure, PollRecord, Reach, StoreError, Upsert};

const RUNNING: InstanceState = InstanceState::Running;

pub(crate) async fn nobody_is_polled_without_a_reason(world: World) {
    world.client("ann").await;
    assert_eq!(world.next_poll().await, None);
    assert!(world.claim_polls(10).await.is_empty());
}

pub(crate) async fn a_poll_that_was_asked_for_is_made_once(mut world: World) {
    let store = world.store();
    let account = world.client("ann").await;
    let later = world.now.after(Duration::from_secs(5));
    store.request_poll(account, Kind::Instance, later).await.unwrap();
    store.request_poll(account, Kind::Instance, later.after(Duration::from_secs(5))).await.unwrap();
    assert_eq!(world.next_poll().await, Some(later), "the earlier one stays");
    assert!(world.claim_polls(10).await.is_empty(), "not before its time");
    store.request_poll(account, Kind::Instance, world.now).await.unwrap();
    assert_eq!(world.next_poll().await, Some(world.now), "an earlier one is taken");

    let tickets = world.claim_polls(10).await;
    assert_eq!(tickets.len(), 1);
    assert_eq!((tickets[0].kind, tickets[0].due, tickets[0].last_complete), (Kind::Instance, world.now, None));
    assert_eq!(world.next_poll().await, Some(world.now.after(LEASE)), "should nothing be heard of it");
    store.record_poll(world.record(&tickets[0])).await.unwrap();
    assert_eq!(world.next_poll().await, None, "nobody watches it");

    // A failed one is not tried again either.
    world.wait(POLL_EVERY);
    let ticket = world.ticket(account, Kind::Instance).await;
    store.record_poll_failure(world.failure(&ticket)).await.unwrap();
    assert_eq!(world.next_poll().await, None);
}

pub(crate) async fn what_is_asked_for_during_a_poll_comes_after_it(mut world: World) {
    let store = world.store();
    let account = world.client("ann").await;
    let ticket = world.ticket(account, Kind::Instance).await;
    world.wait(Duration::from_secs(1));
    store.request_poll(account, Kind::Instance, world.now).await.unwrap();
    assert!(world.claim_polls(10).await.is_empty(), "one at a time");
    store.record_poll(world.record(&ticket)).await.unwrap();
    assert_eq!(world.next_poll().await, Some(world.now));
    assert_eq!(world.claim_polls(10).await.len(), 1);
}

pub(crate) async fn a_poll_is_put_off_without_being_made(mut world: World) {
    let store = world.store();
    let account = world.client("ann").await;
    let ticket = world.ticket(account, Kind::Instance).await;
    let until = world.now.after(Duration::from_secs(7));
    store.put_off_poll(account, Kind::Instance, ticket.lease, until).await.unwrap();
    let again = store.put_off_poll(account, Kind::Instance, ticket.lease, until).await;
    assert!(matches!(again, Err(StoreError::LeaseLost)), "{again:?}");
    assert_eq!(world.next_poll().await, Some(until), "though nobody watches it, it was asked for");
    let status = store.poll_status(account).await.unwrap().remove(0);
    assert!(status.put_off && status.last_attempt.is_none(), "{status:?}");

    world.wait(Duration::from_secs(7));
    let ticket = world.claim_polls(1).await.remove(0);
    assert_eq!(ticket.trouble.as_deref().map(|why| why.split(':').next()), Some(Some("budget")));
    store.record_poll(world.record(&ticket)).await.unwrap();
    assert!(!store.poll_status(account).await.unwrap().remove(0).put_off);
    assert_eq!(world.next_poll().await, None);
}

pub(crate) async fn what_a_budget_had_left_is_kept(mut world: World) {
    let store = world.store();
    let account = world.client("ann").await;
    let ticket = world.ticket(account, Kind::Realm).await;
    assert_eq!((store.budgets().await.unwrap(), ticket.last_requests), (vec![], 0));
    let mark = BudgetMark { left: 41.5, at: Some(world.now) };
    let effort = Effort { budget: Some(mark), requests: 3, ..Effort::default() };
    let record = PollRecord { effort, ..world.record(&ticket) };
    store.record_poll(record).await.unwrap();
    // It is the account's, and the number of requests that of its kind.
    let ticket = world.ticket(account, Kind::Instance).await;
    let kept = |budget| vec![(key("ann"), budget)];
    assert_eq!((store.budgets().await.unwrap(), ticket.last_requests), (kept(mark), 0));
    let lower = BudgetMark { left: 40.0, ..mark };
    let effort = Effort { budget: Some(lower), requests: 1, ..Effort::default() };
    let failure = PollFailure { effort, ..world.failure(&ticket) };
    store.record_poll_failure(failure).await.unwrap();
    let ticket = world.ticket(account, Kind::Realm).await;
    assert_eq!((store.budgets().await.unwrap(), ticket.last_requests), (kept(lower), 3));
    let lowest = BudgetMark { left: 39.0, ..mark };
    store.note_budget(&key("ann"), lowest).await.unwrap();
    store.note_budget(&key("stranger"), lowest).await.unwrap();
    assert_eq!(store.budgets().await.unwrap(), kept(lowest));
    drop(store);
    // What was spent by a poll that was under way is not known: nothing is held to be left, and none of it to have
    // come back meanwhile.
    world.crash();
    assert_eq!(world.store().budgets().await.unwrap(), kept(BudgetMark { left: 0.0, at: None }));
}

pub(crate) async fn the_longest_due_come_first_and_one_account_at_a_time(mut world: World) {
    let store = world.store();
    let mut accounts = Vec::new();
    for user in ["ann", "bob", "cyd"] {
        accounts.push(world.enrol(user, Origin::Config).await);
        world.wait(Duration::from_secs(1));
    }
    let ids =
        |tickets: &[crate::store::PollTicket]| -> Vec<_> { tickets.iter().map(|ticket| ticket.account.id).collect() };
    let first = world.claim_polls(2).await;
    assert_eq!(ids(&first), accounts[..2]);
    let second = world.claim_polls(2).await;
    assert_eq!(ids(&second), accounts[2..], "both kinds of the others wait for each other");
    assert!(world.claim_polls(0).await.is_empty());

    store.record_poll(world.record(&first[1])).await.unwrap();
    let third = world.claim_polls(2).await;
    assert_eq!(ids(&third), accounts[1..2]);
    assert_ne!(third[0].kind, first[1].kind);
}

pub(crate) async fn the_next_due_waits_for_the_other_kind(mut world: World) {
    let store = world.store();
    let account = world.enrol("ann", Origin::Config).await;
    let ticket = world.claim_polls(10).await.remove(0);
    assert_eq!(world.next_poll().await, Some(world.now.after(LEASE)), "or a loop would spin");
    let other = world.client("bob").await;
    let soon = world.now.after(Duration::from_secs(3));
    store.request_poll(other, Kind::Realm, soon).await.unwrap();
    assert_eq!(world.next_poll().await, Some(soon));
    world.wait(Duration::from_secs(1));
    store.record_poll(world.record(&ticket)).await.unwrap();
    let due = world.next_poll().await.expect("the other kind");
    assert!(due < world.now);
    assert_eq!(world.claim_polls(10).await[0].account.id, account);
}

pub(crate) async fn a_lease_that_ran_out_goes_to_another(mut world: World) {
    let store = world.store();
    let account = world.client("ann").await;
    let old = world.ticket(account, Kind::Instance).await;
    world.wait(LEASE.saturating_sub(Duration::from_millis(1)));
    assert!(world.claim_polls(10).await.is_empty());
    world.wait(Duration::from_millis(1));
    let new = world.claim_polls(10).await.remove(0);
    assert_eq!(new.due, old.due, "it was due all along");

    let late = world.diff(&old, &[("i-1", RUNNING)]).await;
    assert!(matches!(store.record_poll(late).await, Err(StoreError::LeaseLost)));
    assert!(matches!(store.record_poll_failure(world.failure(&old)).await, Err(StoreError::LeaseLost)));
    assert!(world.known(account).await.is_empty(), "nothing of it was taken");

    // Late, but nobody else has it.
    world.wait(LEASE + LEASE);
    store.record_poll(world.diff(&new, &[("i-1", RUNNING)]).await).await.unwrap();
    let again = world.diff(&new, &[("i-1", RUNNING)]).await;
    assert!(matches!(store.record_poll(again).await, Err(StoreError::LeaseLost)), "a result counts once");
    assert_eq!(world.known(account).await.len(), 1);
}

pub(crate) async fn failures_are_counted_and_touch_nothing(mut world: World) {
    let store = world.store();
    let account = world.enrol("ann", Origin::Config).await;
    world.observe(account, &[("i-1", RUNNING)]).await;
    let known = world.known(account).await;
    for failures in 0..3 {
        world.wait(POLL_EVERY);
        let ticket = world.ticket(account, Kind::Instance).await;
        assert_eq!(ticket.failures, failures);
        assert!(ticket.last_complete.is_some());
        store.record_poll_failure(world.failure(&ticket)).await.unwrap();
    }
    assert_eq!(world.known(account).await, known);
    let status = store.poll_status(account).await.unwrap();
    let status = status.iter().find(|status| status.kind == Kind::Instance).unwrap();
    let error = status.last_error.as_ref().expect("the last one failed");
    assert_eq!((status.failures, &error.code, error.at), (3, &ErrorCode::Throttled, world.now));
    assert_eq!(status.next_due, Some(world.now.after(POLL_EVERY)));

    world.wait(POLL_EVERY);
    world.observe(account, &[("i-1", RUNNING)]).await;
    assert_eq!(world.ticket(account, Kind::Instance).await.failures, 0);
}

pub(crate) async fn a_poll_leaves_its_status(mut world: World) {
    let store = world.store();
    let account = world.client("ann").await;
    assert!(store.poll_status(account).await.unwrap().is_empty());
    let ticket = world.ticket(account, Kind::Realm).await;
    let began = world.now;
    world.wait(Duration::from_secs(2));
    let mut record = world.record(&ticket);
    record.observed_at = began;
    store.record_poll(record).await.unwrap();

    world.wait(POLL_EVERY);
    let ticket = world.ticket(account, Kind::Realm).await;
    assert_eq!(ticket.last_complete, Some(began), "the time of the observation");
    let mut record = world.record(&ticket);
    (record.complete, record.partial_reason) = (false, Some("one zone did not answer".to_owned()));
    store.record_poll(record).await.unwrap();

    let status = store.poll_status(account).await.unwrap();
    assert_eq!(status.len(), 1);
    let status = &status[0];
    assert_eq!((status.kind, status.last_complete, status.last_attempt), (Kind::Realm, Some(began), Some(world.now)));
    assert_eq!(status.partial_reason.as_deref(), Some("one zone did not answer"));
    assert_eq!((status.requests, status.last_duration), (4, Some(Duration::from_millis(250))));
    assert!(status.last_error.is_none());
}

pub(crate) async fn what_is_known_is_sorted_by_bytes(world: World) {
    let store = world.store();
    let account = world.client("ann").await;
    let mut names = ["b", "a", "B", "é", "10", "9", "a b", "a\u{1f600}", "z", "ab", "i-1", "I-1"];
    let ticket = world.ticket(account, Kind::Instance).await;
    let mut record = world.record(&ticket);
    for (name, number) in names.iter().zip(0..) {
        let resource = Resource::Instance(instance(name, RUNNING));
        record.upserts.push(Upsert { resource, fingerprint: u64::MAX - number, state_changed: true, change: None });
    }
    store.record_poll(record).await.unwrap();

    let ticket = world.ticket(account, Kind::Instance).await;
    let mut record = world.record(&ticket);
    let seen = world.now.before(POLL_EVERY);
    record.missing.push(Missing { id: id("B"), times: 2, seen });
    store.record_poll(record).await.unwrap();

    let known = world.known(account).await;
    let first = known.iter().find(|known| known.id == id("b")).unwrap();
    assert_eq!((first.fingerprint, first.state), (u64::MAX, State::Instance(RUNNING)));
    assert_eq!((first.missing, first.seen), (0, world.now));
    let missing = known.iter().find(|known| known.id == id("B")).unwrap();
    assert_eq!((missing.missing, missing.seen), (2, seen));
    names.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    assert_eq!(known.iter().map(|known| known.id.as_str()).collect::<Vec<_>>(), names);
    assert!(store.known_resources(account, Kind::Realm).await.unwrap().is_empty());
}

pub(crate) async fn the_last_hook_takes_the_polls_with_it(world: World) {
    let store = world.store();
    let account = world.client("ann").await;
    world.hook(account, "i-1").await;
    assert_eq!(world.next_poll().await, Some(world.now), "watched from now on");
    world.hook(account, "i-2").await;
    world.unhook(account, "i-1").await;
    let ticket = world.claim_polls(10).await.remove(0);
    world.unhook(account, "i-2").await;
    assert_eq!(world.next_poll().await, Some(world.now.after(LEASE)), "the other kind rests");
    store.record_poll(world.record(&ticket)).await.unwrap();
    assert_eq!(world.next_poll().await, None, "and this one, once it is done");

    // What was asked for apart from hooks is still made.
    let later = world.now.after(Duration::from_secs(5));
    store.request_poll(account, Kind::Realm, later).await.unwrap();
    world.hook(account, "i-1").await;
    world.unhook(account, "i-1").await;
    assert_eq!(world.next_poll().await, Some(later));
}

pub(crate) async fn a_provider_out_of_reach_is_told_once_and_so_is_its_return(mut world: World) {
    let store = world.store();
    let account = world.enrol("ann", Origin::Config).await;
    world.observe(account, &[("i-1", RUNNING)]).await;
    let seen = world.now;
    let fail = async |world: &mut World, reach: Reach| {
        world.wait(POLL_EVERY);
        let ticket = world.ticket(account, Kind::Instance).await;
        store.record_poll_failure(PollFailure { reach, ..world.failure(&ticket) }).await.unwrap();
    };
    fail(&mut world, Reach::Unreachable).await;
    fail(&mut world, Reach::Unreachable).await;
    // An answer, even a refusal, begins the count anew; the driver's own trouble does not count.
    fail(&mut world, Reach::Answered).await;
    fail(&mut world, Reach::Unreachable).await;
    fail(&mut world, Reach::Unknown).await;
    fail(&mut world, Reach::Unreachable).await;
    assert_eq!(provider_states(&world, account).await, []);
    fail(&mut world, Reach::Unreachable).await;
    let (gone, at) = ("UNAVAILABLE", world.now);
    fail(&mut world, Reach::Unreachable).await;
    assert_eq!(provider_states(&world, account).await, [(gone, Some(seen), at)]);
    assert_eq!(world.known(account).await.len(), 1, "what is known stays");

    world.wait(POLL_EVERY);
    world.observe(account, &[("i-1", RUNNING)]).await;
    let back = ("AVAILABLE", Some(at), world.now);
    assert_eq!(provider_states(&world, account).await, [(gone, Some(seen), at), back]);
    world.wait(POLL_EVERY);
    world.observe(account, &[("i-1", RUNNING)]).await;
    assert_eq!(provider_states(&world, account).await.len(), 2);
}

/// The changes of the provider's state: what it came to be, and between when.
async fn provider_states(world: &World, account: AccountId) -> Vec<(&'static str, Option<Timestamp>, Timestamp)> {
    let filter = Filter { types: vec![ChangeType::ProviderState], ..Filter::default() };
    let query = ChangeQuery { after: After::Oldest, filter, limit: 100, looked_at: 1000 };
    let changes = world.store().changes(account, query).await.unwrap().changes;
    let state = |change: &NewChange| change.new_state.map_or("", State::as_str);
    changes.iter().map(|change| (state(&change.what), change.what.observed_after, change.what.observed_at)).collect()
}

pub(crate) async fn a_ticket_says_what_was_the_matter(mut world: World) {
    let store = world.store();
    let account = world.enrol("ann", Origin::Config).await;
    world.observe(account, &[]).await;
    world.wait(POLL_EVERY);
    let ticket = world.ticket(account, Kind::Instance).await;
    assert_eq!((ticket.trouble.as_deref(), ticket.watched), (None, true));
    store.record_poll_failure(world.failure(&ticket)).await.unwrap();
    world.wait(POLL_EVERY);
    let ticket = world.ticket(account, Kind::Instance).await;
    assert!(ticket.trouble.as_deref().is_some_and(|why| why.starts_with("throttled: ")), "{:?}", ticket.trouble);
    let mut record = world.record(&ticket);
    (record.complete, record.partial_reason) = (false, Some("one zone did not answer".to_owned()));
    store.record_poll(record).await.unwrap();
    world.wait(POLL_EVERY);
    let ticket = world.ticket(account, Kind::Instance).await;
    assert_eq!(ticket.trouble.as_deref(), Some("one zone did not answer"));

    let guest = world.client("bob").await;
    store.request_poll(guest, Kind::Realm, world.now).await.unwrap();
    assert!(!world.ticket(guest, Kind::Realm).await.watched);
}
