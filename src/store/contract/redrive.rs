//! Tests, replays and redrives of hooks, and the record of deliveries.

use std::time::Duration;

use super::world::{World, spec, told};
use crate::model::{ChangeType, HookId, HookSpec, InstanceState, Mode, Timestamp};
use crate::store::contract::plainly::Plainly as _;
use crate::store::{Attempt, DeliveryQuery, DeliveryState, KeptAttempts, Outcome, ReplayFrom, Settlement};

const PENDING: InstanceState = InstanceState::Pending;
const RUNNING: InstanceState = InstanceState::Running;
const STOPPED: InstanceState = InstanceState::Stopped;

const ALL: DeliveryQuery = DeliveryQuery { state: None, before: None, limit: 100 };

pub(crate) async fn a_test_reaches_its_hook_alone(world: World) {
    let (account, hook) = world.hearing().await;
    world.filtering(account, spec("another")).await;
    let id =
        world.store().test_hook(&world.place(account, hook), world.now).await.expect("asked").expect("it is there");
    let claimed = world.claim().await;
    assert_eq!(claimed.len(), 1);
    assert_eq!((claimed[0].id.hook, claimed[0].change.id), (hook, id));
    assert_eq!(claimed[0].change.what.change_type, ChangeType::HookTest);
    let nobody = world.place(account, HookId(99));
    assert_eq!(world.store().test_hook(&nobody, world.now).await.expect("asked"), None);
}

pub(crate) async fn a_replay_sends_what_was_sent_before_in_order(mut world: World) {
    let (account, hook) = world.hearing().await;
    let place = world.place(account, hook);
    let store = world.store();
    world.live(account, &[PENDING]).await;
    let between = world.now;
    world.live(account, &[RUNNING, STOPPED]).await;
    let all = ["i-1 ->PENDING", "i-1 PENDING>RUNNING", "i-1 RUNNING>STOPPED"];
    let first = world.claim().await.remove(0);
    world.settle(&first, Outcome::Delivered).await;
    assert_eq!(world.drain().await, all[1..]);

    let replay = async |world: &World, from| {
        assert!(store.replay(&place, from, world.now).await.expect("asked"));
        world.catch_up().await;
        world.drain().await
    };
    assert_eq!(replay(&world, ReplayFrom::After(0)).await, all);
    assert_eq!(replay(&world, ReplayFrom::After(first.id.change)).await, all[1..]);
    assert_eq!(replay(&world, ReplayFrom::Time(between)).await, all[1..]);
    assert_eq!(replay(&world, ReplayFrom::Time(world.now)).await, [""; 0]);
    // What happens during a replay comes after it.
    assert!(store.replay(&place, ReplayFrom::After(0), world.now).await.expect("asked"));
    world.live(account, &[RUNNING]).await;
    world.catch_up().await;
    assert_eq!(world.drain().await, [&all[..], &["i-1 STOPPED>RUNNING"]].concat());
    assert!(!store.replay(&world.place(account, HookId(99)), ReplayFrom::After(0), world.now).await.expect("asked"));
}

pub(crate) async fn a_replay_from_a_time_bears_a_clock_that_was_set_back(mut world: World) {
    let (account, hook) = world.hearing().await;
    let place = world.place(account, hook);
    let begun = world.now;
    let at = |seconds| begun.after(Duration::from_secs(seconds));
    for (seconds, state) in [(100, PENDING), (200, RUNNING), (150, STOPPED), (160, RUNNING), (300, STOPPED)] {
        world.now = at(seconds);
        world.observe(account, &[("i-1", state)]).await;
    }
    world.now = at(1000);
    world.drain().await;
    let all =
        ["i-1 ->PENDING", "i-1 PENDING>RUNNING", "i-1 RUNNING>STOPPED", "i-1 STOPPED>RUNNING", "i-1 RUNNING>STOPPED"];
    for (seconds, missed) in [(50, 0), (100, 0), (101, 1), (155, 1), (200, 1), (201, 4), (300, 4), (301, 5)] {
        let from = ReplayFrom::Time(at(seconds));
        assert!(world.store().replay(&place, from, world.now).await.expect("asked"));
        world.catch_up().await;
        assert_eq!(world.drain().await, all[missed..], "from second {seconds}");
    }
}

pub(crate) async fn a_replay_does_not_owe_twice(mut world: World) {
    let (account, hook) = world.hearing().await;
    let place = world.place(account, hook);
    let store = world.store();
    world.live(account, &[PENDING, RUNNING]).await;
    let first = world.claim().await.remove(0);
    world.settle(&first, Outcome::Delivered).await;
    // The second waits, due; the first comes before it once more.
    assert!(store.replay(&place, ReplayFrom::After(0), world.now).await.expect("asked"));
    world.catch_up().await;
    assert_eq!(world.waiting().await, 2);
    assert_eq!(world.drain().await, ["i-1 ->PENDING", "i-1 PENDING>RUNNING"]);

    let latest = world.filtering(account, HookSpec { mode: Mode::Latest, ..spec("latest") }).await;
    assert!(store.replay(&world.place(account, latest), ReplayFrom::After(0), world.now).await.expect("asked"));
    world.catch_up().await;
    assert_eq!(world.drain().await, ["i-1 PENDING>RUNNING"]);
}

pub(crate) async fn a_replay_repeats_what_is_being_sent(mut world: World) {
    let (account, hook) = world.hearing().await;
    world.live(account, &[PENDING, RUNNING]).await;
    world.drain().await;
    let mut all = vec!["i-1 ->PENDING", "i-1 PENDING>RUNNING"];
    let minute = Duration::from_secs(60);
    let due = world.now.after(minute);
    let outcomes = [
        Outcome::Delivered,
        Outcome::Dead,
        Outcome::Returned,
        Outcome::Retry { due },
        Outcome::Delivered,
        Outcome::Dead,
    ];
    for (outcome, (state, step)) in
        outcomes.iter().zip([(STOPPED, "i-1 RUNNING>STOPPED"), (RUNNING, "i-1 STOPPED>RUNNING")].into_iter().cycle())
    {
        world.live(account, &[state]).await;
        all.push(step);
        let sent = world.claim().await.remove(0);
        assert_eq!(told(&sent), step);
        // Asked for twice, it is still sent once more.
        for _ in 0..2 {
            let place = world.place(account, hook);
            assert!(world.store().replay(&place, ReplayFrom::After(0), world.now).await.expect("asked"));
            world.catch_up().await;
        }
        world.settle(&sent, outcome.clone()).await;
        world.wait(minute);
        assert_eq!(world.drain().await, all, "{outcome:?}");
        assert_eq!(world.waiting().await, 0, "{outcome:?}");
    }
}

pub(crate) async fn a_replay_to_a_hook_of_the_latest_repeats_what_is_being_sent(mut world: World) {
    let (account, _) = world.hearing().await;
    world.drain().await;
    let latest = world.filtering(account, HookSpec { mode: Mode::Latest, ..spec("latest") }).await;
    let replay = async |world: &World| {
        let place = world.place(account, latest);
        assert!(world.store().replay(&place, ReplayFrom::After(0), world.now).await.expect("asked"));
        world.catch_up().await;
    };
    let claim = async |world: &World| {
        let claimed = world.claim().await;
        claimed.into_iter().find(|delivery| delivery.id.hook == latest).expect("one is due")
    };
    world.live(account, &[PENDING]).await;
    let sent = claim(&world).await;
    replay(&world).await;
    world.settle(&sent, Outcome::Delivered).await;
    let sent = claim(&world).await;
    assert_eq!(told(&sent), "i-1 ->PENDING");
    // A later change takes its place.
    replay(&world).await;
    world.live(account, &[RUNNING]).await;
    world.settle(&sent, Outcome::Delivered).await;
    let sent = claim(&world).await;
    assert_eq!(told(&sent), "i-1 PENDING>RUNNING");
    world.settle(&sent, Outcome::Delivered).await;
    assert_eq!(world.drain().await, [""; 0]);
}

pub(crate) async fn dead_letters_are_redriven(mut world: World) {
    let (account, hook) = world.hearing().await;
    let place = world.place(account, hook);
    let store = world.store();
    world.live(account, &[PENDING, RUNNING, STOPPED]).await;
    let mut dead = Vec::new();
    for _ in 0..2 {
        let delivery = world.claim().await.remove(0);
        world.settle(&delivery, Outcome::Dead).await;
        dead.push(delivery.change.id);
    }
    assert_eq!(store.redrive(&place, Some(dead[1]), 9, world.now).await.expect("asked"), Some(1));
    assert_eq!(store.redrive(&place, Some(dead[1]), 9, world.now).await.expect("asked"), Some(0), "it is dead no more");
    assert_eq!(world.drain().await, ["i-1 PENDING>RUNNING", "i-1 RUNNING>STOPPED"], "before what is later");
    assert_eq!(store.redrive(&place, None, 9, world.now).await.expect("asked"), Some(1));
    let again = world.claim().await.remove(0);
    assert_eq!((told(&again).as_str(), again.attempts), ("i-1 ->PENDING", 0));
    assert_eq!(store.redrive(&world.place(account, HookId(99)), None, 9, world.now).await.expect("asked"), None);
}

fn attempt(world: &World, status: Option<u16>) -> Attempt {
    Attempt {
        at: world.now,
        // A try that got no answer may have made no connection.
        duration: status.map(|_| Duration::from_millis(12)),
        status,
        error: status.is_none().then(|| "no answer came in time".to_owned()),
        answer: status.map(|status| format!("says {status}")),
    }
}

pub(crate) async fn what_became_of_each_change_is_known(mut world: World) {
    let (account, hook) = world.hearing().await;
    let place = world.place(account, hook);
    world.live(account, &[PENDING, RUNNING, STOPPED, RUNNING]).await;
    let tries = [(Outcome::Delivered, Some(200)), (Outcome::Dead, None)];
    let mut made = Vec::new();
    for (outcome, status) in tries {
        let delivery = world.claim().await.remove(0);
        // The second at once, as where connecting failed.
        let attempts = vec![attempt(&world, None), attempt(&world, status)];
        made.push(attempts.clone());
        world.settle_all(vec![Settlement { attempts, ..world.settlement(&delivery, outcome) }]).await;
        world.wait(Duration::from_millis(1));
    }
    let read = async |query| world.store().hook_deliveries(&place, query).await.expect("read");
    let records = read(ALL).await;
    let states: Vec<_> = records.iter().map(|record| record.state).collect();
    use DeliveryState::{Dead, Done, Waiting};
    assert_eq!(states, [Waiting, Waiting, Dead, Done], "newest first");
    assert!(records.is_sorted_by(|newer, older| newer.change.cursor > older.change.cursor));
    assert_eq!((records[0].due, records[1].due.is_some()), (None, true), "only the head of a line has its time");
    assert_eq!((&records[2].attempts, &records[3].attempts), (&made[1], &made[0]));
    let check = async |query: DeliveryQuery, want: &[usize]| {
        let got: Vec<_> = read(query).await.into_iter().map(|record| record.change.id).collect();
        assert_eq!(got, want.iter().map(|&at| records[at].change.id).collect::<Vec<_>>());
    };
    check(DeliveryQuery { limit: 2, ..ALL }, &[0, 1]).await;
    check(DeliveryQuery { before: Some(records[1].change.cursor.sequence), ..ALL }, &[2, 3]).await;
    check(DeliveryQuery { state: Some(Waiting), ..ALL }, &[0, 1]).await;
    check(DeliveryQuery { state: Some(Dead), ..ALL }, &[2]).await;
    check(DeliveryQuery { state: Some(Done), ..ALL }, &[3]).await;
    assert!(world.store().hook_deliveries(&world.place(account, HookId(99)), ALL).await.expect("read").is_empty());
}

pub(crate) async fn of_a_hook_that_is_gone_no_attempt_is_kept(mut world: World) {
    let (account, hook) = world.hearing().await;
    world.live(account, &[RUNNING]).await;
    let delivery = world.claim().await.remove(0);
    assert!(world.store().remove_hook(&world.place(account, hook)).await.expect("removed"));
    let attempts = vec![attempt(&world, Some(500))];
    world.settle_all(vec![Settlement { attempts, ..world.settlement(&delivery, Outcome::Dead) }]).await;
    // A step of forgetting says whether there was any to look at.
    let all = KeptAttempts { since: world.now.after(Duration::from_secs(60)), changes: 0 };
    assert!(!world.store().forget_attempts(all, 1).await.expect("looked"), "an attempt was kept");
}

pub(crate) async fn old_attempts_are_forgotten(mut world: World) {
    let (account, hook) = world.hearing().await;
    let other = world.filtering(account, spec("other")).await;
    let store = world.store();
    for state in [PENDING, RUNNING, STOPPED] {
        world.live(account, &[state]).await;
        for delivery in world.claim().await {
            let attempts = vec![attempt(&world, Some(204))];
            let settlement = world.settlement(&delivery, Outcome::Delivered);
            world.settle_all(vec![Settlement { attempts, ..settlement }]).await;
        }
        world.wait(Duration::from_secs(60));
    }
    let known = async |world: &World, hook| {
        world.store().hook_deliveries(&world.place(account, hook), ALL).await.expect("read").len()
    };
    assert_eq!((known(&world, hook).await, known(&world, other).await), (3, 3));
    let kept = KeptAttempts { since: Timestamp::default(), changes: 2 };
    while store.forget_attempts(kept, 100).await.expect("forgotten") {}
    assert_eq!((known(&world, hook).await, known(&world, other).await), (2, 2), "the newest two");
    let kept = KeptAttempts { since: world.now.before(Duration::from_secs(90)), changes: 1000 };
    let mut steps = 0;
    while store.forget_attempts(kept, 1).await.expect("forgotten") {
        steps += 1;
        assert!(steps < 20, "it comes to an end");
    }
    assert_eq!((known(&world, hook).await, known(&world, other).await), (1, 1));
    assert!(!store.forget_attempts(kept, 100).await.expect("forgotten"));
    assert_eq!(known(&world, hook).await, 1);
}
