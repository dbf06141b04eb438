//! Hooks that are paused or disabled: their changes wait in the journal, and are delivered later.

use std::time::Duration;

use super::world::{DISABLE_AFTER, World, spec, told};
use crate::model::{
    ChangeType, DisableReason, Filter, Format, HookId, HookSpec, HookStatus, HookUrl, IdPattern, InstanceState, Mode,
    Owner, Rate, Sealed, State,
};
use crate::store::contract::plainly::Plainly as _;
use crate::store::{After, CatchUp, CaughtUp, ChangeQuery, Outcome, Settling};

const PENDING: InstanceState = InstanceState::Pending;
const RUNNING: InstanceState = InstanceState::Running;
const STOPPED: InstanceState = InstanceState::Stopped;

pub(crate) async fn a_filter_directs_a_hook(mut world: World) {
    let account = world.client("ann").await;
    let filter = Filter {
        ids: vec![IdPattern::Prefix("web-".into()), IdPattern::Exact("db".into())],
        to: vec![State::Instance(RUNNING)],
        ..Filter::default()
    };
    world.filtering(account, HookSpec { filter, ..spec("some") }).await;
    // It names the db, and so waits for it from before the baseline on; of the rest it hears from then on.
    let recorded = world.observe(account, &[("db", RUNNING), ("web-1", PENDING), ("web-2", RUNNING)]).await;
    assert_eq!((recorded.changes, recorded.deliveries), (1, 1));
    world.wait(Duration::from_secs(1));
    let recorded = world.observe(account, &[("db", STOPPED), ("web-1", RUNNING), ("other", RUNNING)]).await;
    assert_eq!(recorded.deliveries, 1);
    assert_eq!(world.drain().await, ["db ->RUNNING", "web-1 PENDING>RUNNING"]);
    // Another account's changes are none of its business.
    let other = world.client("bob").await;
    world.observe(other, &[]).await;
    assert_eq!(world.observe(other, &[("web-9", RUNNING)]).await.deliveries, 0);
}

pub(crate) async fn a_hook_is_changed_and_its_secret_rotated(mut world: World) {
    let (account, hook) = world.hearing().await;
    let place = world.place(account, hook);
    world.live(account, &[PENDING]).await;
    let wanted = HookSpec {
        url: HookUrl::parse("https://elsewhere.example/").expect("a URL"),
        token: Some(Sealed(vec![7])),
        filter: Filter { types: vec![ChangeType::InstanceState], ..Filter::default() },
        format: Format::CloudEvents,
        mode: Mode::Latest,
        rate: Rate::per_second(0.5),
        retries: Some(vec![Duration::from_secs(1)]),
        description: Some("words".into()),
    };
    let store = world.store();
    assert!(store.change_hook(&place, wanted.clone(), world.now).await.expect("changed"));
    assert_eq!(world.get(account, hook).await.spec, wanted);
    let until = world.now.after(Duration::from_secs(60));
    assert!(store.rotate_secret(&place, Sealed(vec![9]), until).await.expect("rotated"));
    let claimed = world.claim().await.remove(0);
    let recipient = &claimed.recipient;
    assert_eq!((recipient.url.clone(), &*recipient.destination), (wanted.url.clone(), "https://elsewhere.example"));
    assert_eq!((recipient.format, &recipient.retries), (Format::CloudEvents, &wanted.retries));
    assert_eq!(recipient.secrets.current, Sealed(vec![9]));
    assert_eq!(recipient.secrets.previous, Some((Sealed(vec![1, 2, 3]), until)));

    // It is the owner's alone.
    let bob = world.client("bob").await;
    let foreign = world.place(bob, hook);
    assert!(!store.change_hook(&foreign, wanted, world.now).await.expect("asked"));
    assert!(!store.pause_hook(&foreign, world.now).await.expect("asked"));
    assert!(!store.remove_hook(&foreign).await.expect("asked"));
    assert!(store.hook(&foreign).await.expect("read").is_none());
    assert!(store.hooks(bob, &Owner::Account, None, 9).await.expect("read").is_empty());
    let more = world.filtering(account, spec("more")).await;
    let listed = async |after, limit| -> Vec<HookId> {
        let hooks = store.hooks(account, &Owner::Account, after, limit).await.expect("read");
        hooks.into_iter().map(|hook| hook.expect("whole").id).collect()
    };
    assert_eq!(listed(None, 9).await, [hook, more]);
    assert_eq!(listed(None, 1).await, [hook]);
    assert_eq!(listed(Some(hook), 9).await, [more]);
    assert!(store.remove_hook(&place).await.expect("removed"));
    assert!(!store.remove_hook(&place).await.expect("asked"));
    assert_eq!(world.waiting().await, 0);
}

pub(crate) async fn a_paused_hook_goes_on_from_where_it_stopped(mut world: World) {
    let (account, hook) = world.hearing().await;
    let place = world.place(account, hook);
    let store = world.store();
    world.live(account, &[PENDING, RUNNING]).await;
    let under_way = world.claim().await.remove(0);
    assert!(store.pause_hook(&place, world.now).await.expect("paused"));
    assert_eq!(world.get(account, hook).await.status, HookStatus::Paused);
    // What was being sent may still be settled; the next does not follow.
    world.settle(&under_way, Outcome::Delivered).await;
    world.live(account, &[STOPPED]).await;
    assert!(world.claim().await.is_empty());
    assert_eq!((world.waiting().await, world.next_delivery().await), (1, None));
    drop(store);
    world.crash();
    world.live(account, &[PENDING]).await;
    world.catch_up().await;
    assert!(world.claim().await.is_empty());

    let store = world.store();
    assert!(store.resume_hook(&place, world.now).await.expect("resumed"));
    // Also what happens before it has caught up comes in its order.
    world.live(account, &[RUNNING]).await;
    world.catch_up().await;
    world.live(account, &[STOPPED]).await;
    let want = [
        "i-1 PENDING>RUNNING",
        "i-1 RUNNING>STOPPED",
        "i-1 STOPPED>PENDING",
        "i-1 PENDING>RUNNING",
        "i-1 RUNNING>STOPPED",
    ];
    assert_eq!(world.drain().await, want);
}

pub(crate) async fn a_hook_that_is_gone_is_disabled_and_loses_nothing(mut world: World) {
    let (account, hook) = world.hearing().await;
    let filter = Filter { types: vec![ChangeType::HookDisabled], ..Filter::default() };
    let watcher = world.filtering(account, HookSpec { filter, ..spec("watcher") }).await;
    world.live(account, &[PENDING, RUNNING]).await;
    let delivery = world.claim().await.remove(0);
    world.settle(&delivery, Outcome::Disable(DisableReason::Gone)).await;
    let status = HookStatus::Disabled { at: world.now, reason: DisableReason::Gone };
    assert_eq!(world.get(account, hook).await.status, status);
    let told_of = world.claim().await;
    assert_eq!(told_of.len(), 1, "nothing is sent to the one that was disabled");
    assert_eq!((told_of[0].id.hook, told_of[0].change.what.change_type), (watcher, ChangeType::HookDisabled));
    assert_eq!(told_of[0].change.what.resource.as_str(), hook.to_string());
    // The feed has it, whether it is asked for or not.
    let query = ChangeQuery { after: After::Oldest, filter: Filter::default(), limit: 100, looked_at: 100 };
    let journal = world.store().changes(account, query).await.expect("read").changes;
    assert_eq!(journal.last(), Some(&told_of[0].change));
    world.settle(&told_of[0], Outcome::Delivered).await;
    world.live(account, &[STOPPED]).await;
    // Pausing it does not make it less disabled.
    assert!(world.store().pause_hook(&world.place(account, hook), world.now).await.expect("asked"));
    assert_eq!(world.get(account, hook).await.status, status);
    assert!(world.store().resume_hook(&world.place(account, hook), world.now).await.expect("resumed"));
    world.catch_up().await;
    assert_eq!(world.drain().await, ["i-1 ->PENDING", "i-1 PENDING>RUNNING", "i-1 RUNNING>STOPPED"]);
}

pub(crate) async fn a_hook_that_fails_for_days_is_disabled(mut world: World) {
    let (account, hook) = world.hearing().await;
    world.live(account, &[PENDING]).await;
    let day = Duration::from_secs(86_400);
    let began = world.now;
    let fail = async |world: &mut World, wait: Duration| {
        let delivery = world.claim().await.remove(0);
        world.settle(&delivery, Outcome::Retry { due: world.now.after(wait) }).await;
        world.wait(wait);
        world.get(account, hook).await.status
    };
    for _ in 0..4 {
        assert_eq!(fail(&mut world, day).await, HookStatus::Active);
    }
    assert_eq!(world.get(account, hook).await.failing_since, Some(began));
    // A success begins it anew.
    let delivery = world.claim().await.remove(0);
    world.settle(&delivery, Outcome::Delivered).await;
    assert_eq!(world.get(account, hook).await.failing_since, None);
    world.live(account, &[RUNNING]).await;
    for _ in 0..5 {
        assert_eq!(fail(&mut world, day).await, HookStatus::Active);
    }
    let at = world.now;
    assert_eq!(
        fail(&mut world, day).await,
        HookStatus::Disabled { at, reason: DisableReason::Failing },
        "after {DISABLE_AFTER:?}"
    );
    assert!(world.claim().await.is_empty());
    assert_eq!(world.waiting().await, 1, "it is owed still");
    assert!(world.store().resume_hook(&world.place(account, hook), world.now).await.expect("resumed"));
    // Two failures with a long silence between them are not days of failure.
    assert_eq!(fail(&mut world, 20 * day).await, HookStatus::Active);
    assert_eq!(fail(&mut world, day).await, HookStatus::Active);
    assert_eq!(world.drain().await, ["i-1 PENDING>RUNNING"]);
}

pub(crate) async fn pending_changes_of_a_resting_hook_can_be_taken(mut world: World) {
    let (account, hook) = world.hearing().await;
    world.live(account, &[PENDING]).await;
    let store = world.store();
    assert!(store.pause_hook(&world.place(account, hook), world.now).await.expect("paused"));
    world.live(account, &[RUNNING, STOPPED]).await;
    let owed = store.take_pending(account, &Owner::Account, 2).await.expect("taken");
    assert_eq!(owed.len(), 2);
    let owed = store.take_pending(account, &Owner::Account, 9).await.expect("taken");
    assert_eq!(
        owed.iter().map(|owed| owed.change.what.new_state).collect::<Vec<_>>(),
        [Some(State::Instance(STOPPED))]
    );
    world.live(account, &[PENDING]).await;
    assert!(store.resume_hook(&world.place(account, hook), world.now).await.expect("resumed"));
    world.catch_up().await;
    assert_eq!(world.drain().await, ["i-1 STOPPED>PENDING"]);
}

pub(crate) async fn a_long_rest_is_made_up_for_in_steps(mut world: World) {
    let (account, hook) = world.hearing().await;
    let store = world.store();
    assert!(store.pause_hook(&world.place(account, hook), world.now).await.expect("paused"));
    for _ in 0..5 {
        world.live(account, &[RUNNING, STOPPED]).await;
    }
    assert!(store.resume_hook(&world.place(account, hook), world.now).await.expect("resumed"));
    let limits = CatchUp { changes: 4, backlog: 6 };
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let reached = store.catch_up(world.now, limits).await.expect("caught up");
        waiting.push((reached, world.waiting().await));
    }
    use CaughtUp::{Full, Some};
    assert_eq!(waiting, [(Some, 4), (Some, 8), (Full, 8), (Full, 8)], "no more than its backlog, and one step");
    let mut arrived = 0;
    while arrived < 10 {
        for delivery in world.claim().await {
            assert_eq!(told(&delivery).contains(">RUNNING"), arrived % 2 == 0, "in order");
            arrived += 1;
            world.settle(&delivery, Outcome::Delivered).await;
        }
        store.catch_up(world.now, limits).await.expect("caught up");
    }
    assert_eq!(store.catch_up(world.now, limits).await.expect("caught up"), CaughtUp::All);
    assert!(store.settle(Settling::default()).await.is_ok());
    world.live(account, &[RUNNING]).await;
    assert_eq!(world.drain().await, ["i-1 STOPPED>RUNNING"], "from now on it hears at once");
}
