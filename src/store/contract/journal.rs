//! Reading the journal from a cursor.

use std::time::Duration;

use super::plainly::Plainly as _;
use super::world::{World, id, query, short, spec};
use crate::model::{AccountId, ChangeType, Filter, IdPattern, InstanceState, Kind, State, Timestamp};
use crate::store::{
    After, ChangePage, ChangeQuery, HistoryQuery, KeptChanges, ListQuery, ReplayFrom, StoreError, Sweep,
};

const RUNNING: InstanceState = InstanceState::Running;
const STOPPED: InstanceState = InstanceState::Stopped;

async fn page(world: &World, account: AccountId, query: ChangeQuery) -> ChangePage {
    world.store().changes(account, query).await.expect("read")
}

pub(crate) async fn the_journal_is_read_in_pages_and_filtered(world: World) {
    let (ann, bob) = (world.client("ann").await, world.client("bob").await);
    assert_eq!(world.store().extent(ann).await.expect("read").newest.sequence, 0);
    for account in [ann, bob] {
        world.observe(account, &[]).await;
        world.observe(account, &[("a", RUNNING), ("b", RUNNING)]).await;
    }
    world.observe(ann, &[("a", STOPPED), ("b", RUNNING)]).await;
    let all = ChangeQuery { after: After::Oldest, filter: Filter::default(), limit: 100, looked_at: 100 };
    let told = |page: &ChangePage| page.changes.iter().map(|change| short(&change.what)).collect::<Vec<_>>();
    let whole = page(&world, ann, all.clone()).await;
    assert_eq!(told(&whole), ["a ->RUNNING", "b ->RUNNING", "a RUNNING>STOPPED"]);
    assert!(whole.at_end);
    assert_eq!(whole.next, whole.changes[2].cursor);
    assert_eq!(world.store().extent(ann).await.expect("read").newest, whole.next);

    let first = page(&world, ann, ChangeQuery { limit: 2, ..all.clone() }).await;
    assert_eq!((told(&first).len(), first.at_end), (2, false));
    let rest = page(&world, ann, ChangeQuery { after: After::Number(first.next.sequence), ..all.clone() }).await;
    assert_eq!((told(&rest), rest.at_end), (vec!["a RUNNING>STOPPED".to_owned()], true));
    let none = page(&world, ann, ChangeQuery { after: After::Number(rest.next.sequence), ..all.clone() }).await;
    assert_eq!((told(&none).len(), none.at_end, none.next), (0, true, rest.next));

    // What the filter keeps back moves the cursor on all the same.
    let filter = Filter { ids: vec![IdPattern::Exact("b".into())], ..Filter::default() };
    let some = page(&world, ann, ChangeQuery { filter, ..all.clone() }).await;
    assert_eq!((told(&some), some.next), (vec!["b ->RUNNING".to_owned()], whole.next));
    let filter = Filter { to: vec![State::Instance(STOPPED)], ..Filter::default() };
    let little = page(&world, ann, ChangeQuery { filter, looked_at: 1, ..all }).await;
    assert_eq!((told(&little).len(), little.at_end, little.next), (0, false, whole.changes[0].cursor));
}

pub(crate) async fn pages_of_a_filter_leave_nothing_out(mut world: World) {
    let account = world.client("ann").await;
    world.observe(account, &[]).await;
    for round in 0..30_usize {
        world.wait(Duration::from_secs(1));
        let state = |every: usize| if (round / every).is_multiple_of(2) { RUNNING } else { STOPPED };
        world.observe(account, &[("a", state(1)), ("ab", state(3)), ("b", state(10))]).await;
    }
    let all = ChangeQuery { after: After::Oldest, filter: Filter::default(), limit: 1000, looked_at: 1000 };
    let whole = page(&world, account, all.clone()).await.changes;
    let ids = |patterns: &[&str]| Filter {
        ids: patterns.iter().map(|text| IdPattern::parse(text).expect(text)).collect(),
        ..Filter::default()
    };
    for filter in [
        ids(&["a"]),
        ids(&["b", "a", "a"]),
        ids(&["c"]),
        ids(&["a*"]),
        ids(&["b", "a*"]),
        Filter { to: vec![State::Instance(STOPPED)], ..ids(&["a", "b"]) },
        Filter { from: vec![State::Instance(STOPPED)], ..Filter::default() },
        Filter { kinds: vec![Kind::Realm], ..ids(&["a"]) },
        Filter { realms: vec!["us".into()], ..Filter::default() },
        Filter { types: vec![ChangeType::InstanceCreated], ..Filter::default() },
    ] {
        let wanted: Vec<_> = whole.iter().filter(|change| filter.matches(&change.what)).map(|one| one.cursor).collect();
        for (limit, looked_at) in [(1, 1), (1, 100), (3, 5), (20, 7), (1000, 1000)] {
            let mut query = ChangeQuery { filter: filter.clone(), limit, looked_at, ..all.clone() };
            let mut found = Vec::new();
            loop {
                let next = page(&world, account, query.clone()).await;
                assert!(next.changes.len() <= limit);
                found.extend(next.changes.iter().map(|change| change.cursor));
                assert!(next.at_end || query.after != After::Number(next.next.sequence), "each page goes on");
                query.after = After::Number(next.next.sequence);
                if next.at_end {
                    break;
                }
            }
            assert_eq!(found, wanted, "{filter:?} in pages of {limit}, {looked_at} looked at");
        }
    }
}

pub(crate) async fn the_tail_is_read_of_all_accounts(world: World) {
    let store = world.store();
    let mut newest = store.newest();
    assert_eq!(*newest.borrow_and_update(), 0);
    let (ann, bob) = (world.client("ann").await, world.client("bob").await);
    for account in [ann, bob] {
        world.observe(account, &[]).await;
        assert!(!newest.has_changed().expect("the store is there"), "nothing happened");
        world.observe(account, &[("a", RUNNING)]).await;
        assert!(newest.has_changed().expect("the store is there"));
        newest.borrow_and_update();
    }
    assert_eq!(*newest.borrow(), 2);
    let all = store.changes_of_all(0, 10).await.expect("read");
    let whose: Vec<_> = all.iter().map(|(account, change)| (*account, change.cursor.sequence)).collect();
    assert_eq!(whose, [(ann, 1), (bob, 2)]);
    assert_eq!(store.changes_of_all(1, 10).await.expect("read"), all[1..]);
    assert_eq!(store.changes_of_all(0, 1).await.expect("read"), all[..1]);

    // What is written is told on, also after the host was ended and another began.
    let mut world = world;
    drop((store, newest));
    world.crash();
    let newest = world.store().newest();
    assert_eq!(*newest.borrow(), 2);
}

pub(crate) async fn a_resource_has_a_history(world: World) {
    let (ann, bob) = (world.client("ann").await, world.client("bob").await);
    for account in [ann, bob] {
        world.observe(account, &[("b", RUNNING)]).await;
        world.observe(account, &[("a", RUNNING), ("b", RUNNING)]).await;
        world.observe(account, &[("a", STOPPED), ("b", STOPPED)]).await;
        world.observe(account, &[("b", STOPPED)]).await;
    }
    let read = async |account: AccountId, before: Option<i64>, limit: usize| {
        let query = HistoryQuery { kind: Kind::Instance, resource: id("a"), before, limit };
        let changes = world.store().history(account, query).await.expect("read");
        changes.into_iter().map(|change| (change.cursor.sequence, short(&change.what))).collect::<Vec<_>>()
    };
    let whole = read(ann, None, 10).await;
    let told: Vec<&str> = whole.iter().map(|(_, told)| told.as_str()).collect();
    assert_eq!(told, ["a STOPPED>FINISH", "a RUNNING>STOPPED", "a ->RUNNING"]);
    assert_eq!(read(ann, None, 1).await, whole[..1]);
    assert_eq!(read(ann, Some(whole[0].0), 10).await, whole[1..]);
    assert_eq!(read(bob, None, 10).await.len(), 3);
    let query = HistoryQuery { kind: Kind::Realm, resource: id("a"), before: None, limit: 10 };
    assert_eq!(world.store().history(ann, query).await.expect("read").items, []);
}

/// Rounds until nothing is left to be forgotten.
async fn forget(world: &World, kept: KeptChanges) {
    let mut sweep = Some(Sweep::default());
    while let Some(at) = sweep {
        sweep = world.store().forget_changes(kept, at).await.expect("forgotten");
    }
}

pub(crate) async fn what_is_too_old_is_forgotten_and_what_is_owed_is_not(mut world: World) {
    let (ann, bob) = (world.client("ann").await, world.client("bob").await);
    world.hook(bob, "a").await;
    for account in [ann, bob] {
        world.observe(account, &[]).await;
        world.observe(account, &[("a", RUNNING)]).await;
    }
    let long_ago = world.now;
    world.wait(HOUR);
    world.observe(ann, &[("a", STOPPED)]).await;
    let all = ChangeQuery { after: After::Oldest, filter: Filter::default(), limit: 100, looked_at: 100 };
    let first = page(&world, ann, ChangeQuery { limit: 1, ..all.clone() }).await.next;

    forget(&world, KeptChanges { since: long_ago, changes: 1000 }).await;
    assert_eq!(page(&world, ann, all.clone()).await.changes.len(), 2, "as old as it may be");

    forget(&world, KeptChanges { since: world.now, changes: 1000 }).await;
    let kept = page(&world, ann, all.clone()).await;
    assert_eq!(kept.changes.iter().map(|change| short(&change.what)).collect::<Vec<_>>(), ["a RUNNING>STOPPED"]);
    let extent = world.store().extent(ann).await.expect("read");
    assert_eq!((extent.oldest.sequence, extent.newest), (2, kept.next));
    // Whoever stopped before what was forgotten is told so, whoever stopped behind it misses nothing.
    let behind = world.store().changes(ann, ChangeQuery { after: After::Number(first.sequence), ..all.clone() }).await;
    assert!(matches!(behind, Err(StoreError::Forgotten { oldest }) if oldest == extent.oldest), "{behind:?}");
    let after = After::Number(extent.oldest.sequence);
    assert_eq!(page(&world, ann, ChangeQuery { after, ..all.clone() }).await, kept);
    let history = |before| HistoryQuery { kind: Kind::Instance, resource: id("a"), before, limit: 10 };
    assert_eq!(world.store().history(ann, history(None)).await.expect("read").len(), 1);
    let older = world.store().history(ann, history(Some(2))).await;
    assert!(matches!(older, Err(StoreError::Forgotten { .. })), "{older:?}");

    // Readers do not get what is only kept for a hook. The hook does, and then it is forgotten, too.
    assert_eq!(page(&world, bob, all.clone()).await.changes, []);
    assert_eq!(world.drain().await, ["a ->RUNNING"]);
    forget(&world, KeptChanges { since: world.now, changes: 1000 }).await;
    assert_eq!(world.store().changes_of_all(0, 10).await.expect("read").len(), 1);

    // Numbers are not given again, though all that had one be gone.
    world.wait(HOUR);
    forget(&world, KeptChanges { since: world.now, changes: 1000 }).await;
    assert_eq!(page(&world, ann, all.clone()).await.next, kept.next);
    world.crash();
    assert_eq!(world.store().extent(ann).await.expect("read").newest, kept.next);
    world.observe(ann, &[("a", RUNNING)]).await;
    assert!(page(&world, ann, all).await.next > kept.next);
}

pub(crate) async fn so_many_changes_are_kept(world: World) {
    let ann = world.client("ann").await;
    world.observe(ann, &[]).await;
    let names: Vec<String> = (0..2500).map(|number| format!("i{number:04}")).collect();
    let list: Vec<(&str, InstanceState)> = names.iter().map(|name| (name.as_str(), RUNNING)).collect();
    world.observe(ann, &list).await;
    forget(&world, KeptChanges { since: Timestamp::from_millis(0), changes: 100 }).await;
    let kept = world.store().changes_of_all(0, 10_000).await.expect("read");
    assert_eq!((kept.len(), short(&kept[0].1.what).as_str()), (100, "i2400 ->RUNNING"));
}

/// Be they changes of its resources or tests of its hooks.
pub(crate) async fn changes_from_before_a_step_are_kept_longer(mut world: World) {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
    let longer = async |world: &World| world.store().kept_longer(world.now, WEEK).await.expect("read");
    let set = async |world: &mut World, days: i64| {
        let step = days * 24 * 3_600_000;
        world.store().clock_set(step, world.now).await.expect("set");
        world.now = Timestamp::from_millis(world.now.as_millis() + step);
    };
    assert_eq!(longer(&world).await, Duration::ZERO);
    set(&mut world, -1).await;
    assert_eq!(longer(&world).await, Duration::ZERO, "a step back keeps nothing longer");
    set(&mut world, 8).await;
    assert_eq!(longer(&world).await, 8 * DAY);
    world.crash();
    assert_eq!(longer(&world).await, 8 * DAY, "a host that starts again knows it");
    set(&mut world, -2).await;
    assert_eq!(longer(&world).await, 6 * DAY);
    world.wait(WEEK - Duration::from_secs(1));
    assert_eq!(longer(&world).await, 6 * DAY);
    world.wait(Duration::from_secs(1));
    assert_eq!(longer(&world).await, Duration::ZERO, "all from before the steps is a week old");
    set(&mut world, 1).await;
    assert_eq!(longer(&world).await, DAY, "earlier steps are forgotten");
}

pub(crate) async fn an_account_of_many_changes_pushes_out_its_own_past(mut world: World) {
    const MOST: u64 = 30;
    let (ann, bob) = (world.client("ann").await, world.client("bob").await);
    for account in [ann, bob] {
        world.observe(account, &[]).await;
    }
    world.observe(bob, &[("b", RUNNING)]).await;
    let begun = world.now;
    let all = ChangeQuery { after: After::Oldest, filter: Filter::default(), limit: 1000, looked_at: 1000 };
    let of_bob = page(&world, bob, all.clone()).await;
    let tested = world.filtering(ann, spec("tested")).await;
    world.store().pause_hook(&world.place(ann, tested), world.now).await.expect("paused");
    for state in [RUNNING, STOPPED].into_iter().cycle().take(40) {
        world.wait(Duration::from_secs(1));
        world.observe(ann, &[("a", state)]).await;
        world.store().test_hook(&world.place(ann, tested), world.now).await.expect("tested");
    }
    world.observe(bob, &[("b", STOPPED)]).await;
    let first = page(&world, ann, ChangeQuery { limit: 1, ..all.clone() }).await.next;

    forget(&world, KeptChanges { since: Timestamp::from_millis(0), changes: MOST }).await;
    let kept = page(&world, ann, all.clone()).await.changes;
    assert_eq!(kept.len(), 28, "all but what bob has");
    let told: Vec<String> = page(&world, bob, all.clone()).await.changes.iter().map(|one| short(&one.what)).collect();
    assert_eq!(told, ["b ->RUNNING", "b RUNNING>STOPPED"]);
    // Who follows bob's part misses nothing, and who follows ann's is told so.
    let behind = |after: i64| ChangeQuery { after: After::Number(after), ..all.clone() };
    let from = of_bob.changes[0].cursor.sequence;
    assert_eq!(page(&world, bob, behind(from)).await.changes.len(), 1);
    let lost = world.store().changes(ann, behind(first.sequence)).await;
    let extent = world.store().extent(ann).await.expect("read");
    assert!(matches!(lost, Err(StoreError::Forgotten { oldest }) if oldest == extent.oldest), "{lost:?}");
    assert_eq!(page(&world, ann, behind(extent.oldest.sequence)).await.changes, kept);
    // So it is with what their resources were.
    assert_eq!(at_time(&world, bob, begun, query()).await.expect("known"), ["b RUNNING"]);
    let past = at_time(&world, ann, begun, query()).await;
    assert!(matches!(past, Err(StoreError::PastUnknown { since: Some(since) }) if since > begun), "{past:?}");

    // Another round finds nothing to do, a hook that comes back is owed what is kept, and a crash changes nothing.
    forget(&world, KeptChanges { since: Timestamp::from_millis(0), changes: MOST }).await;
    world.crash();
    assert_eq!(page(&world, ann, all.clone()).await.changes, kept);
    world.store().replay(&world.place(ann, tested), ReplayFrom::After(0), world.now).await.expect("asked");
    world.store().resume_hook(&world.place(ann, tested), world.now).await.expect("resumed");
    world.catch_up().await;
    assert_eq!(world.drain().await.len(), kept.len());
}

pub(crate) async fn what_was_known_is_known_of_every_time(mut world: World) {
    let account = world.client("ann").await;
    let other = world.client("bob").await;
    let begun = world.now;
    let never = at_time(&world, account, begun, query()).await;
    assert!(matches!(never, Err(StoreError::PastUnknown { since: None })), "{never:?}");
    let mut times: Vec<(Timestamp, Vec<String>)> = Vec::new();
    for list in [
        &[("a", RUNNING), ("b", RUNNING)][..],
        &[("a", RUNNING), ("b", STOPPED), ("c", RUNNING)],
        &[("a", STOPPED), ("c", RUNNING)],
        &[("c", RUNNING)],
        &[("a", RUNNING), ("c", STOPPED)],
    ] {
        world.wait(HOUR);
        world.observe(account, list).await;
        world.observe(other, &[("x", RUNNING)]).await;
        times.push((
            world.now,
            list.iter().map(|(name, state)| format!("{name} {}", State::Instance(*state).as_str())).collect(),
        ));
    }
    let at = async |world: &World, at: Timestamp, query: ListQuery| at_time(world, account, at, query).await;
    let minute = Duration::from_secs(60);
    for (time, want) in &times {
        assert_eq!(&at(&world, *time, query()).await.expect("known"), want);
        assert_eq!(&at(&world, time.after(minute), query()).await.expect("known"), want);
        for name in ["a", "b", "c"] {
            let found = world.store().find_at(account, Kind::Instance, &id(name), *time).await.expect("known");
            let found = found.map(|seen| format!("{name} {}", seen.resource.state().as_str()));
            assert_eq!(found.as_ref(), want.iter().find(|told| told.starts_with(name)), "{name}");
        }
    }
    // Before the first list an empty one would say that there was nothing.
    let first = times[0].0;
    for before in [begun, first.before(Duration::from_millis(1))] {
        let unknown = at(&world, before, query()).await;
        assert!(matches!(unknown, Err(StoreError::PastUnknown { since }) if since == Some(first)), "{unknown:?}");
        let unknown = world.store().find_at(account, Kind::Instance, &id("a"), before).await;
        assert!(matches!(unknown, Err(StoreError::PastUnknown { since }) if since == Some(first)), "{unknown:?}");
    }
    let realms = at(&world, world.now, ListQuery { kind: Kind::Realm, ..query() }).await;
    assert!(matches!(realms, Err(StoreError::PastUnknown { since: None })), "{realms:?}");
    // A step of the clock moves what is due, and no history.
    world.store().clock_set(-1000 * 3600, world.now).await.expect("set");
    assert_eq!(&at(&world, first, query()).await.expect("known"), &times[0].1);
    world.store().clock_set(1000 * 3600, world.now).await.expect("set back");

    // With filters and in pages, as of the present.
    let second = times[1].0;
    let page = |query| at(&world, second, query);
    assert_eq!(page(ListQuery { limit: 2, ..query() }).await.expect("known"), ["a RUNNING", "b STOPPED"]);
    assert_eq!(page(ListQuery { after: Some(id("b")), ..query() }).await.expect("known"), ["c RUNNING"]);
    assert_eq!(page(ListQuery { id: Some(id("b")), ..query() }).await.expect("known"), ["b STOPPED"]);
    assert_eq!(page(ListQuery { state: Some(State::Instance(RUNNING)), ..query() }).await.expect("known").len(), 2);
    assert_eq!(page(ListQuery { realm: Some("eu".into()), ..query() }).await.expect("known").len(), 0);

    // Of what is forgotten nothing is told, rather than a part.
    let third = times[2].0;
    forget(&world, KeptChanges { since: third, changes: 1000 }).await;
    let forgotten = at(&world, second, query()).await;
    assert!(matches!(forgotten, Err(StoreError::PastUnknown { since }) if since == Some(third)), "{forgotten:?}");
    for (time, want) in &times[2..] {
        assert_eq!(&at(&world, *time, query()).await.expect("known"), want);
    }
}

/// What was known at that time.
async fn at_time(
    world: &World,
    account: AccountId,
    at: Timestamp,
    query: ListQuery,
) -> Result<Vec<String>, StoreError> {
    let seen = world.store().list(account, ListQuery { at: Some(at), ..query }).await?;
    let told = |seen: &crate::store::Seen| {
        assert!(seen.first_seen <= seen.state_since && seen.state_since <= seen.last_seen && seen.last_seen <= at);
        format!("{} {}", seen.resource.id(), seen.resource.state().as_str())
    };
    Ok(seen.iter().map(told).collect())
}

const HOUR: Duration = Duration::from_secs(3600);
