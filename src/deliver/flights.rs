//! What is being sent right now: every try a task of its own, one at a time for each resource on each hook,
//! and for each destination no more than it is trusted with, so that a receiver which hangs takes few.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::{Id, JoinError, JoinSet};

use super::retry::{Failure, Pace};
use super::send::{Ended, Sign};
use super::{Context, send};
use crate::model::breaker::{Breaker, Standing};
use crate::model::{HookId, ResourceId, Subject, Timestamp};
use crate::store::{DeliveryId, DueDelivery, Outcome, Settlement};

pub(super) struct Flights {
    context: Arc<Context>,
    tasks: JoinSet<Ended>,
    aloft: HashMap<Id, Flight>,
    lanes: HashMap<Lane, InLane>,
    destinations: HashMap<Arc<str>, Destination>,
    /// Destinations that nothing is to be claimed for until then, for the store to know.
    holds: Vec<(Arc<str>, Timestamp)>,
}

/// A try that is under way.
struct Flight {
    delivery: DeliveryId,
    lease: i64,
    attempts: u32,
    lane: Lane,
    destination: Arc<str>,
}

/// One resource on one hook: its changes go one after the other.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Lane {
    hook: HookId,
    subject: Subject,
    resource: ResourceId,
}

struct InLane {
    task: Id,
    /// What was claimed while the one before it is still being sent: that one was settled by another hand,
    /// as when its owner fetched what was owed.
    next: Option<Box<Claimed>>,
}

/// Scheme, host and port: where one receiver, and whatever may be wrong with it, is.
struct Destination {
    aloft: usize,
    breaker: Breaker,
}

/// A delivery, and until when a try of it may begin: a try has to end before the lease does.
struct Claimed {
    delivery: DueDelivery,
    begin_by: Timestamp,
}

impl Lane {
    fn of(delivery: &DueDelivery) -> Lane {
        let what = &delivery.change.what;
        Lane { hook: delivery.id.hook, subject: what.subject, resource: what.resource.clone() }
    }
}

impl Flights {
    pub(super) fn new(context: Arc<Context>) -> Flights {
        Flights {
            context,
            tasks: JoinSet::new(),
            aloft: HashMap::new(),
            lanes: HashMap::new(),
            destinations: HashMap::new(),
            holds: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.aloft.is_empty()
    }

    /// How many more may be claimed.
    pub(super) fn room(&self) -> usize {
        let settings = &self.context.settings;
        settings.concurrency.max(1).saturating_sub(self.aloft.len()).min(settings.batch.max(1))
    }

    /// How many deliveries of each hook are under way.
    pub(super) fn by_hook(&self) -> Vec<(HookId, usize)> {
        let mut counts = HashMap::new();
        for lane in self.lanes.keys() {
            *counts.entry(lane.hook).or_default() += 1;
        }
        counts.into_iter().collect()
    }

    /// How many more each destination may have that is known.
    pub(super) fn rooms(&self, now: Timestamp) -> Vec<(Arc<str>, usize)> {
        let room = |destination: &Destination| destination.breaker.allowance(now, destination.aloft);
        self.destinations.iter().map(|(name, destination)| (Arc::clone(name), room(destination))).collect()
    }

    /// What the store is to be told of destinations with the next settlements.
    pub(super) fn take_holds(&mut self) -> Vec<(Arc<str>, Timestamp)> {
        std::mem::take(&mut self.holds)
    }

    /// Those of a batch that was not settled are told with the next, before newer ones.
    pub(super) fn put_back_holds(&mut self, holds: Vec<(Arc<str>, Timestamp)>) {
        self.holds.splice(0..0, holds);
    }

    /// Sends what was claimed at `now`.
    pub(super) fn launch(&mut self, deliveries: Vec<DueDelivery>, claimed_at: Timestamp) {
        self.forget_quiet_destinations();
        let begin_by = claimed_at.after(self.context.settings.spare());
        for delivery in deliveries {
            self.admit(Claimed { delivery, begin_by });
        }
    }

    /// The next try that ends, ready to be settled. Nothing if none is under way. Cancel safe.
    pub(super) async fn landed(&mut self) -> Option<Settlement> {
        let ended = self.tasks.join_next_with_id().await?;
        Some(self.land(ended))
    }

    /// A try that has ended already.
    pub(super) fn landed_already(&mut self) -> Option<Settlement> {
        let ended = self.tasks.try_join_next_with_id()?;
        Some(self.land(ended))
    }

    /// Gives up what waits here for the one before it, to be given back.
    pub(super) fn give_back_waiting(&mut self) -> Vec<Settlement> {
        let now = self.context.clock.now();
        let waiting = self.lanes.values_mut().filter_map(|lane| lane.next.take());
        waiting.map(|claimed| returned(&claimed.delivery, now)).collect()
    }

    /// Cuts off what is under way, to be given back.
    pub(super) fn abandon(&mut self) -> Vec<Settlement> {
        let mut ended = self.give_back_waiting();
        while let Some(settlement) = self.landed_already() {
            ended.push(settlement);
        }
        let now = self.context.clock.now();
        self.tasks = JoinSet::new();
        ended.extend(self.aloft.drain().map(|(_, flight)| Settlement {
            id: flight.delivery,
            lease: flight.lease,
            outcome: Outcome::Returned,
            now,
            attempts: Vec::new(),
        }));
        self.lanes.clear();
        self.destinations.clear();
        ended
    }

    fn admit(&mut self, claimed: Claimed) {
        let lane = Lane::of(&claimed.delivery);
        let Some(InLane { task, next }) = self.lanes.get_mut(&lane) else {
            return self.begin(lane, claimed.delivery);
        };
        match self.aloft.get_mut(task) {
            // Its lease ran out, though it should not have: the try under way counts for the new one.
            Some(flight) if flight.delivery == claimed.delivery.id => flight.lease = claimed.delivery.lease,
            _ => *next = Some(Box::new(claimed)),
        }
    }

    fn begin(&mut self, lane: Lane, delivery: DueDelivery) {
        let destination = Arc::clone(&delivery.recipient.destination);
        self.destination(&destination).aloft += 1;
        let flight = Flight {
            delivery: delivery.id,
            lease: delivery.lease,
            attempts: delivery.attempts,
            lane: lane.clone(),
            destination,
        };
        let context = Arc::clone(&self.context);
        let task = self.tasks.spawn(async move { send::attempt(&context, &delivery).await }).id();
        self.aloft.insert(task, flight);
        self.lanes.insert(lane, InLane { task, next: None });
    }

    fn destination(&mut self, name: &Arc<str>) -> &mut Destination {
        let most = self.context.settings.per_destination;
        let made = || Destination { aloft: 0, breaker: Breaker::new(Standing::Proven, most) };
        self.destinations.entry(Arc::clone(name)).or_insert_with(made)
    }

    fn land(&mut self, ended: Result<(Id, Ended), JoinError>) -> Settlement {
        let (task, ended) = match ended {
            Ok((task, ended)) => (task, Ok(ended)),
            Err(error) => (error.id(), Err(error)),
        };
        let flight = self.aloft.remove(&task).expect("invariant: each task has its flight");
        let now = self.context.clock.now();
        let ended = ended.unwrap_or_else(|error| {
            tracing::error!(hook.id = flight.lane.hook.0, %error, "a callback could not be sent: this is a fault of the tracker");
            let failure = Failure { pace: Pace::Scheduled, retry_after: None };
            let retries = &self.context.settings.retries;
            let outcome = retries.after(failure, flight.attempts, &retries.waits, now, 0.5);
            Ended { outcome, attempts: Vec::new(), sign: Sign::None }
        });
        self.learn(&flight.destination, ended.sign, now);
        if let Some(InLane { next: Some(next), .. }) = self.lanes.remove(&flight.lane)
            && now <= next.begin_by
        {
            self.admit(*next);
        }
        Settlement { id: flight.delivery, lease: flight.lease, outcome: ended.outcome, now, attempts: ended.attempts }
    }

    /// Takes in what the end of a try says of its destination.
    fn learn(&mut self, name: &Arc<str>, sign: Sign, now: Timestamp) {
        let context = Arc::clone(&self.context);
        let most = context.settings.per_destination;
        let destination = self.destination(name);
        destination.aloft = destination.aloft.saturating_sub(1);
        match sign {
            Sign::None => {}
            Sign::Alive => {
                if destination.breaker.succeeded(most) {
                    tracing::info!(destination = %name, "a destination takes callbacks again");
                    self.holds.push((Arc::clone(name), now));
                }
            }
            Sign::Failing(how) => {
                if let Some(until) = destination.breaker.failed(&context.settings.breaker, now, how) {
                    tracing::warn!(destination = %name, %until, "nothing gets through to a destination: it is left alone for a while");
                    self.holds.push((Arc::clone(name), until));
                }
            }
        }
    }

    /// What is known of destinations is bounded: those that nothing is wrong with go first.
    fn forget_quiet_destinations(&mut self) {
        let most = self.context.settings.destinations.max(1);
        if self.destinations.len() <= most {
            return;
        }
        self.destinations.retain(|_, destination| destination.aloft > 0 || !destination.breaker.is_closed());
        // Should that not do, those that are left alone stay so by what the store holds of them.
        if self.destinations.len() > most {
            self.destinations.retain(|_, destination| destination.aloft > 0);
        }
    }
}

/// As if it had never been claimed.
pub(super) fn returned(delivery: &DueDelivery, now: Timestamp) -> Settlement {
    Settlement { id: delivery.id, lease: delivery.lease, outcome: Outcome::Returned, now, attempts: Vec::new() }
}
