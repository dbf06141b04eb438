//! What is being sent right now: every try a task of its own, one at a time for each resource on each hook,
//! and no more than its share for each destination, so that a receiver which hangs fills only that.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::task::{Id, JoinError, JoinSet};

use super::retry::{Failure, Pace};
use super::{Context, send};
use crate::model::{HookId, Kind, ResourceId, Timestamp};
use crate::store::{DeliveryId, DueDelivery, Outcome, Settlement};

pub(super) struct Flights {
    context: Arc<Context>,
    tasks: JoinSet<Outcome>,
    aloft: HashMap<Id, Flight>,
    lanes: HashMap<Lane, InLane>,
    destinations: HashMap<Arc<str>, Destination>,
    held: usize,
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
    kind: Kind,
    resource: ResourceId,
}

enum InLane {
    Aloft {
        task: Id,
        /// What was claimed while the one before it is still being sent: that one was settled by another
        /// hand, as when its owner fetched what was owed.
        next: Option<Box<Claimed>>,
    },
    /// It waits for its destination.
    Held,
}

/// Scheme, host and port: where one receiver, and whatever may be wrong with it, is.
#[derive(Default)]
struct Destination {
    aloft: usize,
    held: VecDeque<Claimed>,
}

/// A delivery, and until when a try of it may begin: a try has to end before the lease does.
struct Claimed {
    delivery: DueDelivery,
    begin_by: Timestamp,
}

impl Lane {
    fn of(delivery: &DueDelivery) -> Lane {
        let what = &delivery.change.what;
        Lane { hook: delivery.hook, kind: what.kind, resource: what.resource.clone() }
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
            held: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.aloft.is_empty()
    }

    /// How many more may be claimed.
    pub(super) fn room(&self) -> usize {
        let settings = &self.context.settings;
        let aloft = settings.concurrency.max(1).saturating_sub(self.aloft.len());
        let held = settings.held.max(1).saturating_sub(self.held);
        aloft.min(held).min(settings.batch.max(1))
    }

    /// How many deliveries of each hook are here, under way or held.
    pub(super) fn by_hook(&self) -> Vec<(HookId, usize)> {
        let mut counts = HashMap::new();
        for lane in self.lanes.keys() {
            *counts.entry(lane.hook).or_default() += 1;
        }
        counts.into_iter().collect()
    }

    /// Sends what was claimed at `now`, or holds it until its destination has room.
    pub(super) fn launch(&mut self, deliveries: Vec<DueDelivery>, claimed_at: Timestamp) {
        self.forget_late(claimed_at);
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

    /// Gives up what waits here, to be given back.
    pub(super) fn give_back_held(&mut self) -> Vec<Settlement> {
        let now = self.context.clock.now();
        let mut back = Vec::with_capacity(self.held);
        for destination in self.destinations.values_mut() {
            back.extend(destination.held.drain(..).map(|claimed| returned(&claimed.delivery, now)));
        }
        self.lanes.retain(|_, lane| match lane {
            InLane::Held => false,
            InLane::Aloft { next, .. } => {
                back.extend(next.take().map(|claimed| returned(&claimed.delivery, now)));
                true
            }
        });
        self.held = 0;
        back
    }

    /// Cuts off what is under way, to be given back.
    pub(super) fn abandon(&mut self) -> Vec<Settlement> {
        let mut ended = self.give_back_held();
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
        }));
        self.lanes.clear();
        self.destinations.clear();
        ended
    }

    fn admit(&mut self, claimed: Claimed) {
        let delivery = &claimed.delivery;
        let lane = Lane::of(delivery);
        let name = &delivery.url.as_url()[..url::Position::BeforePath];
        let name = match self.destinations.get_key_value(name) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(name),
        };
        match self.lanes.get_mut(&lane) {
            None => {}
            Some(InLane::Aloft { task, next }) => {
                match self.aloft.get_mut(task) {
                    // Its lease ran out, though it should not have: the try under way counts for the new one.
                    Some(flight) if flight.delivery == delivery.id => flight.lease = delivery.lease,
                    _ => *next = Some(Box::new(claimed)),
                }
                return;
            }
            Some(InLane::Held) => {
                // What waited was settled by another hand meanwhile.
                let mut held = self.destinations.values_mut().flat_map(|destination| destination.held.iter_mut());
                if let Some(place) = held.find(|held| Lane::of(&held.delivery) == lane) {
                    *place = claimed;
                }
                return;
            }
        }
        let destination = self.destinations.entry(Arc::clone(&name)).or_default();
        if destination.aloft >= self.context.settings.per_destination.max(1) {
            destination.held.push_back(claimed);
            self.held += 1;
            self.lanes.insert(lane, InLane::Held);
        } else {
            self.begin(lane, name, claimed.delivery);
        }
    }

    fn begin(&mut self, lane: Lane, destination: Arc<str>, delivery: DueDelivery) {
        self.destinations.entry(Arc::clone(&destination)).or_default().aloft += 1;
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
        self.lanes.insert(lane, InLane::Aloft { task, next: None });
    }

    fn land(&mut self, ended: Result<(Id, Outcome), JoinError>) -> Settlement {
        let (task, ended) = match ended {
            Ok((task, outcome)) => (task, Ok(outcome)),
            Err(error) => (error.id(), Err(error)),
        };
        let flight = self.aloft.remove(&task).expect("invariant: each task has its flight");
        let now = self.context.clock.now();
        let outcome = ended.unwrap_or_else(|error| {
            tracing::error!(hook.id = flight.lane.hook.0, %error, "a callback could not be sent: this is a fault of the tracker");
            let error = "the tracker failed in sending it".to_owned();
            let failure = Failure { error, pace: Pace::Scheduled, retry_after: None };
            self.context.settings.retries.after(failure, flight.attempts, now, 0.5)
        });
        if let Some(destination) = self.destinations.get_mut(&flight.destination) {
            destination.aloft -= 1;
        }
        if let Some(InLane::Aloft { next: Some(next), .. }) = self.lanes.remove(&flight.lane)
            && now <= next.begin_by
        {
            self.admit(*next);
        }
        self.begin_held(&flight.destination, now);
        Settlement { id: flight.delivery, lease: flight.lease, outcome, now }
    }

    /// Sends what waited for this destination, as far as that now has room.
    fn begin_held(&mut self, name: &Arc<str>, now: Timestamp) {
        let share = self.context.settings.per_destination.max(1);
        while let Some(destination) = self.destinations.get_mut(name) {
            if destination.aloft >= share {
                return;
            }
            let Some(Claimed { delivery, begin_by }) = destination.held.pop_front() else {
                if destination.aloft == 0 {
                    self.destinations.remove(name);
                }
                return;
            };
            self.held -= 1;
            let lane = Lane::of(&delivery);
            if now <= begin_by {
                self.begin(lane, Arc::clone(name), delivery);
            } else {
                self.lanes.remove(&lane);
            }
        }
    }

    /// Drops what waited too long to be sent within its lease: the store gives it out again.
    fn forget_late(&mut self, now: Timestamp) {
        if self.held == 0 {
            return;
        }
        let lanes = &mut self.lanes;
        let mut held = 0;
        for destination in self.destinations.values_mut() {
            destination.held.retain(|claimed| {
                let late = claimed.begin_by < now;
                if late {
                    lanes.remove(&Lane::of(&claimed.delivery));
                }
                !late
            });
            held += destination.held.len();
        }
        self.held = held;
    }
}

/// As if it had never been claimed.
pub(super) fn returned(delivery: &DueDelivery, now: Timestamp) -> Settlement {
    Settlement { id: delivery.id, lease: delivery.lease, outcome: Outcome::Returned, now }
}
