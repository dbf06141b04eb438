//! Signals to sleeping loops: each commit that makes something due earlier than they know raises one.

use futures_util::FutureExt as _;

use super::world::{World, spec};
use crate::model::{InstanceState, Kind, Origin, Owner, Timestamp};
use crate::store::contract::plainly::Plainly as _;
use crate::store::{HookPlace, LeasePlace, LeaseRequest, Outcome, ReplayFrom};

const RUNNING: InstanceState = InstanceState::Running;
const STOPPED: InstanceState = InstanceState::Stopped;

/// Which signals an action raised, beside when the next poll and delivery were due before it.
struct Listening {
    before: [Option<Timestamp>; 2],
}

async fn next_due(world: &World) -> [Option<Timestamp>; 2] {
    [world.next_poll().await, world.next_delivery().await]
}

impl Listening {
    /// From here on, with no signal raised.
    async fn to(world: &World) -> Listening {
        raised(world);
        Listening { before: next_due(world).await }
    }

    /// These and no others were raised, and whatever is due sooner was told.
    async fn expect(self, world: &World, what: &str, signals: [bool; 2]) {
        let found = raised(world);
        assert_eq!(found, signals, "{what}: polls, deliveries");
        for (at, after) in next_due(world).await.into_iter().enumerate() {
            let is_sooner = after.is_some_and(|after| self.before[at].is_none_or(|before| after < before));
            assert!(!is_sooner || found[at], "{what}: {:?} became {after:?}", self.before[at]);
        }
    }
}

fn raised(world: &World) -> [bool; 2] {
    let store = world.store();
    let signals = store.signals();
    [&signals.polls, &signals.deliveries].map(|signal| signal.notified().now_or_never().is_some())
}

pub(crate) async fn what_is_due_sooner_is_told(mut world: World) {
    let polls = [true, false];
    let deliveries = [false, true];
    let neither = [false, false];

    let listening = Listening::to(&world).await;
    let ann = world.client("ann").await;
    listening.expect(&world, "a client's account", neither).await;
    let listening = Listening::to(&world).await;
    world.enrol("configured", Origin::Config).await;
    listening.expect(&world, "an account of the configuration", polls).await;

    let listening = Listening::to(&world).await;
    world.store().request_poll(ann, Kind::Instance, world.now).await.expect("asked for");
    listening.expect(&world, "a poll that is asked for", polls).await;
    let ticket = world.ticket(ann, Kind::Instance).await;
    let listening = Listening::to(&world).await;
    world.store().release_poll(ann, Kind::Instance, ticket.lease, world.now).await.expect("released");
    listening.expect(&world, "a claim that is released", polls).await;
    world.observe(ann, &[("i-1", RUNNING), ("i-2", RUNNING)]).await;
    let listening = Listening::to(&world).await;
    world.store().request_ids(ann, vec![super::world::id("i-1")], world.now).await.expect("asked for");
    listening.expect(&world, "single instances that are asked for", polls).await;

    let bob = world.client("bob").await;
    let listening = Listening::to(&world).await;
    world.filtering(bob, spec("first")).await;
    listening.expect(&world, "the first hook of an account", polls).await;

    world.observe(ann, &[("i-1", RUNNING), ("i-2", RUNNING)]).await;
    let hook = world.filtering(ann, spec("all")).await;
    let place = HookPlace { account: ann, owner: Owner::Account, hook };
    let listening = Listening::to(&world).await;
    let ticket = world.ticket(ann, Kind::Instance).await;
    raised(&world);
    let record = world.diff(&ticket, &[("i-1", STOPPED), ("i-2", STOPPED)]).await;
    world.store().record_poll(record).await.expect("recorded");
    listening.expect(&world, "changes that a hook hears of", deliveries).await;

    // Dead letters, lent ones, and those of a hook that rested.
    for delivery in world.claim().await {
        world.settle(&delivery, Outcome::Dead).await;
    }
    let listening = Listening::to(&world).await;
    world.store().redrive(&place, None, 10, world.now).await.expect("redriven");
    listening.expect(&world, "dead letters that are redriven", deliveries).await;
    for gives_back in [true, false] {
        let until = world.now.after(super::world::LEASE);
        let request = LeaseRequest {
            account: ann,
            owner: Owner::Account,
            limit: 10,
            now: world.now,
            until,
            ends_with_host: false,
        };
        let leased = world.store().lend_pending(request).await.expect("lent");
        assert_eq!(leased.changes.len(), 2);
        let lease = LeasePlace { account: ann, owner: Owner::Account, id: leased.id };
        let listening = Listening::to(&world).await;
        if gives_back {
            world.store().return_pending(lease).await.expect("given back");
        } else {
            let up_to = leased.up_to.expect("some");
            world.store().acknowledge_pending(lease, up_to).await.expect("acknowledged");
        }
        listening.expect(&world, "a lease that ends", deliveries).await;
    }
    let store = world.store();
    store.pause_hook(&place, world.now).await.expect("paused");
    let listening = Listening::to(&world).await;
    store.resume_hook(&place, world.now).await.expect("resumed");
    listening.expect(&world, "a hook that goes on", deliveries).await;
    let listening = Listening::to(&world).await;
    store.test_hook(&place, world.now).await.expect("tested");
    listening.expect(&world, "a test", deliveries).await;
    let listening = Listening::to(&world).await;
    store.replay(&place, ReplayFrom::After(0), world.now).await.expect("replayed");
    listening.expect(&world, "a replay", deliveries).await;
    world.catch_up().await;

    // What raises nothing.
    let listening = Listening::to(&world).await;
    let claimed = world.claim().await;
    assert!(!claimed.is_empty());
    for delivery in &claimed {
        world.settle(delivery, Outcome::Delivered).await;
    }
    listening.expect(&world, "claims and settlements", neither).await;
    world.wait(std::time::Duration::from_secs(1));
    let ticket = world.ticket(ann, Kind::Instance).await;
    let listening = Listening::to(&world).await;
    let record = world.diff(&ticket, &[("i-1", STOPPED), ("i-2", STOPPED)]).await;
    world.store().record_poll(record).await.expect("recorded");
    listening.expect(&world, "a list without news", neither).await;
}
