//! Runs the statements that no case of the contract runs.

use std::sync::Arc;
use std::time::Duration;

use super::super::super::fair_pool::Flow;
use super::super::super::{SqliteStore, bounds, seen};
use crate::model::breaker::Standing;
use crate::model::{
    AccountId, AccountKey, ChangeType, HookId, InstanceState, Kind, Owner, Realm, RealmState, Resource, Scope, Sealed,
    State, Timestamp,
};
use crate::store::contract::plainly::{Plainly as _, once};
use crate::store::contract::world::{POLL_EVERY, World, id, key, spec};
use crate::store::{
    Accounts, Attempt, Decision, Effects, Effort, Hooks as _, Keys as _, NewToken, Outcome, Passing, PlacedProvider,
    PollClaim, PollHeld, PollNote, Polls, Removed, RepeatableRequest, Repeats as _, Replay, RequestId, SealedColumn,
    Tokens as _, Transition, Unopened, Upsert,
};

pub(super) async fn run(mut world: World, store: Arc<SqliteStore>) {
    let account = world.client("ann").await;
    world.hook(account, "i-1").await;
    world.observe(account, &[("i-1", InstanceState::Stopping)]).await;
    awaiting(account, &store).await;
    mass_change(&mut world, account, &store).await;
    flapping(&mut world, account).await;
    let ticket = world.ticket(account, Kind::Instance).await;
    store.release_poll(account, Kind::Instance, ticket.lease, world.now).await.expect("released");
    endpoints(&world, account, &store).await;
    dropped(&mut world, &store).await;
    store.held().await.expect("counted");
    assert_eq!(bounds::measure::weigh(&store).await.expect("weighed").len(), 1);
    store.latest().await.expect("read");
    store.clock_set(-1000, world.now).await.expect("moved");
    unopened(account, &store).await;
    damaged(&mut world, account, &store).await;
    store.write(Flow::Host, |writing| seen::renew(writing.connection).map(drop)).await.expect("renewed");
}

/// The host's key, and what does not open with it.
async fn unopened(account: AccountId, store: &SqliteStore) {
    assert_eq!(store.keys().await.expect("read"), []);
    assert_eq!(store.accounts(None, 9).await.expect("read").len(), 1);
    let was = Sealed(vec![9]);
    let session = SealedColumn::Session { account: key("ann"), driver: "digest".into() };
    for column in [SealedColumn::AccountPassword(account), SealedColumn::HookToken(HookId(1)), session] {
        store.set_aside_unopened(Unopened { column, sealed: was.clone() }).await.expect("passed over");
    }
}

/// A hook, a delivery and an account that can't be read.
async fn damaged(world: &mut World, account: AccountId, store: &SqliteStore) {
    let execute = async |sql: &'static str| {
        store.write(Flow::Host, move |writing| Ok(writing.connection.execute(sql, ())?)).await.expect("written");
    };
    world.observe(account, &[("i-1", InstanceState::Pending)]).await;
    execute("UPDATE deliveries SET history = -1 WHERE hook = 1 AND change = (SELECT change FROM deliveries WHERE hook = 1 ORDER BY change LIMIT 1)").await;
    world.claim().await;
    store.count_damaged_deliveries(&world.place(account, HookId(1))).await.expect("counted");
    world.observe(account, &[("i-1", InstanceState::Running)]).await;
    execute("UPDATE hooks SET url = '/' WHERE id = 1").await;
    world.claim().await;
    let place = world.place(account, HookId(1));
    assert!(store.damaged_hook(&place).await.expect("read").is_some());
    execute("PRAGMA ignore_check_constraints = 1").await;
    execute("UPDATE accounts SET origin = 'nowhere' WHERE id = 1").await;
    assert_eq!(world.client("ann").await, account);
    assert!(!store.damaged_rows(account).await.expect("looked up").is_empty());
    requests(account, store, world.now).await;
    execute("INSERT INTO dropped VALUES (9, 9, 9), (0, 0, 1), (1, 1, 1), (2, 1, 0)").await;
    store.clear_dropped().await.expect("cleared");
    execute("UPDATE accounts SET user = CAST(x'ff' AS TEXT) WHERE id = 1").await;
    store.account(account).await.expect("asked");
    assert!(store.remove_damaged_account(account).await.expect("removed"));
    assert!(!store.remove_damaged_account(account).await.expect("asked"));
}

/// A request of which a column can't be read, and one of which the answer is lost.
async fn requests(account: AccountId, store: &SqliteStore, now: Timestamp) {
    let id = |key: &str| RequestId { account, owner: Owner::Account, key: key.into() };
    let forget = now.before(Duration::from_secs(60));
    let request =
        |key: &str| RepeatableRequest { id: id(key), fingerprint: [7; 32], old_fingerprints: Vec::new(), now, forget };
    for (key, hash) in [("a", 101), ("b", 102)] {
        let (name, scope, hash) = ("ci".into(), Scope::Read, [hash; 32]);
        let token = NewToken { account, name, scope, hash, expires: None, limit: u64::MAX, now };
        store.create_token(token, once(&request(key), &Sealed(vec![1]))).await.expect("made");
    }
    store.lose_answer(&request("a"), "as asked").await.expect("lost");
    store
        .write(Flow::Host, |writing| {
            Ok(writing.connection.execute(
                "UPDATE requests SET fingerprint = x'01' WHERE account = 1 AND owner = 'account' AND key = 'b'",
                (),
            )?)
        })
        .await
        .expect("written");
    for key in ["a", "b"] {
        assert_eq!(store.find_answer(&request(key)).await.expect("asked"), Some(Replay::Lost));
    }
}

/// A hook of which more is to be deleted than goes with it, and an account whose realms are damped.
async fn dropped(world: &mut World, store: &SqliteStore) {
    let account = world.client("bob").await;
    world.observe(account, &[]).await;
    let hook = world.filtering(account, spec("all")).await;
    let names: Vec<String> = (0..200).map(|number| format!("i-{number}")).collect();
    let seen: Vec<_> = names.iter().map(|name| (name.as_str(), InstanceState::Running)).collect();
    world.observe(account, &seen).await;
    world.wait(POLL_EVERY);
    world.observe(account, &[("i-1", InstanceState::Stopped)]).await;
    let delivery = world.claim().await.into_iter().find(|delivery| delivery.id.hook == hook).expect("it is due");
    let mut settlement = world.settlement(&delivery, Outcome::Retry { due: world.now });
    settlement.attempts =
        vec![Attempt { at: world.now, duration: Some(Duration::ZERO), status: Some(500), error: None, answer: None }];
    world.settle_all(vec![settlement]).await;
    assert!(store.remove_hook(&world.place(account, hook)).await.expect("removed"));
    realm(world, account, ChangeType::RealmCreated, Some(RealmState::Available)).await;
    realm(world, account, ChangeType::RealmState, Some(RealmState::Unavailable)).await;
    store.clear_dropped().await.expect("cleared");
    assert_eq!(store.forget_idle_accounts(world.now.after(Duration::from_millis(1))).await.expect("forgotten"), 1);
}

async fn awaiting(account: AccountId, store: &SqliteStore) {
    store.passing(account).await.expect("read");
    let passing = vec![Passing { id: id("i-1"), realm: None, state: InstanceState::Stopping }];
    store.awaited(account, passing, Timestamp::default()).await.expect("read");
    store.known_among(account, Kind::Instance, vec![id("i-1")]).await.expect("read");
    store.count_known(account, Kind::Instance).await.expect("counted");
    store.provider_states(account).await.expect("read");
}

async fn mass_change(world: &mut World, account: AccountId, store: &SqliteStore) {
    world.wait(POLL_EVERY);
    let ticket = world.ticket(account, Kind::Instance).await;
    store.release_poll(account, Kind::Instance, ticket.lease, world.now).await.expect("given back");
    let ticket = world.ticket(account, Kind::Instance).await;
    let record = world.record(&ticket);
    let held = PollHeld {
        account,
        kind: Kind::Instance,
        lease: ticket.lease,
        affected: 1,
        known: 1,
        print: Some(1),
        effects: Some(Effects::from_iter([1])),
        decision: None,
        is_anew: false,
        observed_at: world.now,
        next_due: world.now,
        now: world.now,
        effort: Effort { duration: Duration::ZERO, requests: 1, budget: record.effort.budget },
    };
    store.hold_poll(held).await.expect("held");
    assert_eq!(store.held_mass_changes().await.expect("read").len(), 1);
    store.held_mass_change(account, Kind::Instance).await.expect("read").expect("held");
    store.decide_mass_change(key("ann"), Kind::Instance, None, Decision::Accept, world.now).await.expect("ordered");
}

async fn endpoints(world: &World, account: AccountId, store: &SqliteStore) {
    store.request_poll(account, Kind::Instance, world.now).await.expect("asked for");
    let AccountKey { driver, provider, .. } = key("ann");
    let placed = PlacedProvider { driver, provider, endpoint: "elsewhere".into() };
    store.place_providers(vec![placed]).await.expect("placed");
    let notes = vec![
        PollNote::Endpoint { name: "elsewhere".into(), standing: Standing::TimedOut, held: Some(world.now) },
        PollNote::Pace { account, kind: Kind::Realm, slow: true },
    ];
    let claim = PollClaim { notes, ..PollClaim::on_all(world.now, POLL_EVERY, 1) };
    for ticket in store.claim_due_polls(claim).await.expect("claimed") {
        store.release_poll(ticket.account.id, ticket.kind, ticket.lease, world.now).await.expect("released");
    }
    let known = store.endpoints().await.expect("read");
    assert!(known.contains(&("elsewhere".into(), Standing::TimedOut)), "{known:?}");
}

/// A realm whose state changes until it is damped, settles, changes again and is removed.
async fn flapping(world: &mut World, account: AccountId) {
    let states = [RealmState::Available, RealmState::Unavailable];
    for state in states.into_iter().cycle().take(8) {
        realm(world, account, ChangeType::RealmState, Some(state)).await;
    }
    world.wait(Duration::from_secs(86_400));
    realm(world, account, ChangeType::RealmCreated, Some(RealmState::Unavailable)).await;
    realm(world, account, ChangeType::RealmState, Some(RealmState::Available)).await;
    realm(world, account, ChangeType::RealmRemoved, None).await;
}

async fn realm(world: &World, account: AccountId, change_type: ChangeType, state: Option<RealmState>) {
    let ticket = world.ticket(account, Kind::Realm).await;
    let known = State::Realm(RealmState::Available);
    let new_state = state.map_or(known, State::Realm);
    let change = Some(Transition { change_type, old_state: Some(known), new_state, observed_after: None });
    let mut record = world.record(&ticket);
    match state {
        Some(state) => record.upserts.push(Upsert {
            resource: Resource::Realm(Realm { id: id("eu"), name: "eu".into(), state, limit: None }),
            fingerprint: state as u64,
            state_changed: true,
            change,
        }),
        None => record.removed.push(Removed { id: id("eu"), change }),
    }
    world.store().record_poll(record).await.expect("recorded");
}
