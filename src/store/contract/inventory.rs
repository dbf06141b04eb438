//! The last known resources, as they are listed.

use super::world::{POLL_EVERY, World, id, instance, query, short, url};
use crate::model::{
    Address, AddressKind, HookStatus, Instance, InstanceState, Kind, Owner, Realm, RealmState, Resource, State, Text,
    Timestamp,
};
use crate::store::{ListQuery, Missing, Outcome, Track, Upsert};

const RUNNING: InstanceState = InstanceState::Running;
const STOPPED: InstanceState = InstanceState::Stopped;

fn upsert(resource: Resource) -> Upsert {
    Upsert { resource, fingerprint: 1, state_changed: true, change: None }
}

fn updated(instance: Instance, fingerprint: u64) -> Upsert {
    Upsert { resource: Resource::Instance(instance), fingerprint, state_changed: false, change: None }
}

pub(crate) async fn a_resource_comes_back_whole(world: World) {
    let store = world.store();
    let account = world.client("ann").await;
    let address = |kind, value: &str| Address { kind, value: value.into() };
    let full = Instance {
        name: Some("web \"1\" \u{1f600}".into()),
        owner: Some("mockuser".into()),
        image: Some("img1".into()),
        hardware_profile: Some("m1-small".into()),
        provider_state: "shutting-down\n".into(),
        launched_at: Some(Timestamp::from_millis(-1)),
        public_addresses: vec![
            address(AddressKind::Hostname, "img1.inst1.public.com"),
            address(AddressKind::Ipv4, "192.0.2.1"),
        ]
        .into(),
        private_addresses: vec![address(AddressKind::Ipv6, "2001:db8::1")].into(),
        labels: vec![("a".into(), Text::default()), ("env".into(), "prod=1".into())].into(),
        ..instance("full", InstanceState::ShuttingDown)
    };
    let bare = Instance { name: None, realm: None, provider_state: "".into(), ..instance("bare", RUNNING) };
    let ticket = world.ticket(account, Kind::Instance).await;
    let mut record = world.record(&ticket);
    record.upserts = vec![upsert(Resource::Instance(full.clone())), upsert(Resource::Instance(bare.clone()))].into();
    store.record_poll(record).await.unwrap();
    let realms = [(Some(u64::MAX), RealmState::Available), (None, RealmState::Unavailable)];
    let ticket = world.ticket(account, Kind::Realm).await;
    let mut record = world.record(&ticket);
    let wanted = realms.map(|(limit, state)| {
        let id = id(State::Realm(state).as_str());
        Resource::Realm(Realm { id, name: "United States".into(), state, limit })
    });
    record.upserts = wanted.iter().cloned().map(upsert).collect::<Vec<_>>().into();
    store.record_poll(record).await.unwrap();

    assert_eq!(world.find(account, "full").await.unwrap().resource, Resource::Instance(full));
    assert_eq!(world.find(account, "bare").await.unwrap().resource, Resource::Instance(bare));
    let seen = store.list(account, ListQuery { kind: Kind::Realm, ..query() }).await.unwrap();
    assert_eq!(seen.into_iter().map(|seen| seen.resource).collect::<Vec<_>>(), wanted);
    let other = store.find(account, Kind::Realm, &id("full"), &Owner::Account).await.unwrap();
    assert!(other.is_none(), "an instance is no realm");
}

pub(crate) async fn a_list_is_paged_and_filtered(world: World) {
    let account = world.client("ann").await;
    let other = world.client("bob").await;
    let all = [("a", RUNNING), ("b", STOPPED), ("c", RUNNING), ("d", STOPPED), ("e", RUNNING)];
    world.observe(account, &all).await;
    world.observe(other, &[("b", RUNNING), ("x", RUNNING)]).await;
    let ticket = world.ticket(account, Kind::Instance).await;
    let mut record = world.record(&ticket);
    let moved = Instance { realm: Some("eu".into()), ..instance("c", RUNNING) };
    record.upserts.push(updated(moved, 2));
    world.store().record_poll(record).await.unwrap();

    let check = async |query: ListQuery, want: &[&str]| {
        assert_eq!(world.list(account, query.clone()).await, want, "{query:?}");
    };
    let state = |state| Some(State::Instance(state));
    check(query(), &["a", "b", "c", "d", "e"]).await;
    check(ListQuery { limit: 2, ..query() }, &["a", "b"]).await;
    check(ListQuery { limit: 2, after: Some(id("b")), ..query() }, &["c", "d"]).await;
    check(ListQuery { after: Some(id("bb")), ..query() }, &["c", "d", "e"]).await;
    check(ListQuery { after: Some(id("e")), ..query() }, &[]).await;
    check(ListQuery { limit: 0, ..query() }, &[]).await;
    check(ListQuery { limit: usize::MAX, ..query() }, &["a", "b", "c", "d", "e"]).await;
    check(ListQuery { state: state(STOPPED), ..query() }, &["b", "d"]).await;
    check(ListQuery { state: state(STOPPED), after: Some(id("b")), ..query() }, &["d"]).await;
    check(ListQuery { state: state(InstanceState::Error), ..query() }, &[]).await;
    check(ListQuery { realm: Some("eu".into()), ..query() }, &["c"]).await;
    check(ListQuery { realm: Some("us".to_owned()), state: state(RUNNING), ..query() }, &["a", "e"]).await;
    check(ListQuery { id: Some(id("b")), ..query() }, &["b"]).await;
    check(ListQuery { id: Some(id("b")), state: state(RUNNING), ..query() }, &[]).await;
    check(ListQuery { id: Some(id("b")), realm: Some("eu".into()), ..query() }, &[]).await;
    check(ListQuery { id: Some(id("b")), after: Some(id("b")), ..query() }, &[]).await;
    check(ListQuery { id: Some(id("b")), limit: 0, ..query() }, &[]).await;
    check(ListQuery { id: Some(id("x")), ..query() }, &[]).await;
    check(ListQuery { kind: Kind::Realm, ..query() }, &[]).await;

    let hook = world.hook(account, "b").await;
    let seen = world.store().list(account, query()).await.unwrap();
    let tracked: Vec<Option<Track>> = seen.into_iter().map(|seen| seen.track).collect();
    let track = Some(Track { hook, url: url("b"), token_set: true, status: HookStatus::Active });
    assert_eq!(tracked, [None, track.clone(), None, None, None]);
    assert_eq!(world.find(account, "b").await.unwrap().track, track);
    assert_eq!(world.find(other, "b").await.unwrap().track, None, "it is not theirs");
}

pub(crate) async fn times_say_when_it_was_seen(mut world: World) {
    let store = world.store();
    let account = world.client("ann").await;
    let check = async |world: &World, name: &str, first: Timestamp, last: Timestamp, since: Timestamp| {
        let seen = world.find(account, name).await.expect("it is there");
        assert_eq!((seen.first_seen, seen.last_seen, seen.state_since), (first, last, since), "{name}");
    };
    let first = world.now;
    world.observe(account, &[("a", RUNNING), ("b", RUNNING)]).await;
    check(&world, "a", first, first, first).await;

    world.wait(POLL_EVERY);
    let second = world.now;
    world.observe(account, &[("a", RUNNING), ("b", STOPPED)]).await;
    check(&world, "a", first, second, first).await;
    check(&world, "b", first, second, second).await;

    // A new name is no new state; and `a` is missing, but not given up.
    world.wait(POLL_EVERY);
    let third = world.now;
    let ticket = world.ticket(account, Kind::Instance).await;
    let mut record = world.record(&ticket);
    let renamed = Instance { name: Some("new".into()), ..instance("b", STOPPED) };
    record.upserts.push(updated(renamed, 3));
    record.missing = vec![Missing { id: id("a"), times: 1, seen: second }];
    store.record_poll(record).await.unwrap();
    check(&world, "a", first, second, first).await;
    check(&world, "b", first, third, second).await;

    // A list that was not complete says nothing of those that are not in it.
    world.wait(POLL_EVERY);
    let fourth = world.now;
    let ticket = world.ticket(account, Kind::Instance).await;
    let mut record = world.record(&ticket);
    record.complete = false;
    record.upserts.push(updated(instance("a", RUNNING), RUNNING as u64));
    store.record_poll(record).await.unwrap();
    check(&world, "a", first, fourth, first).await;
    check(&world, "b", first, third, second).await;
}

pub(crate) async fn what_was_removed_is_gone_and_named_in_its_change(mut world: World) {
    let account = world.client("ann").await;
    world.hook(account, "a").await;
    world.observe(account, &[("a", RUNNING)]).await;
    world.drain().await;
    world.wait(POLL_EVERY);
    world.observe(account, &[]).await;
    assert!(world.find(account, "a").await.is_none());
    let removal = world.claim().await.remove(0);
    assert_eq!(short(&removal.change.what), "a RUNNING>FINISH");
    assert_eq!(removal.change.what.name.as_deref(), Some("name of a"));
    assert_eq!(removal.change.what.realm.as_deref(), Some("us"));
    world.settle(&removal, Outcome::Delivered).await;

    // One of the same id is a new one.
    world.wait(POLL_EVERY);
    world.observe(account, &[("a", STOPPED)]).await;
    assert_eq!(world.find(account, "a").await.unwrap().first_seen, world.now);
    assert_eq!(world.drain().await, ["a ->STOPPED"]);
}
