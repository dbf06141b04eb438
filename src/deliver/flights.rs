//! Attempts in flight: each is a separate task, at most one for each ordering key (a resource on a hook).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};

use super::admission::{Admission, Lesson};
use super::context::Context;
use super::retry::{Failure, Pace};
use super::send;
use super::send::{Ended, Sign};
use crate::model::breaker::Standing;
use crate::model::{HookId, ResourceId, Subject, Timestamp};
use crate::store::{Attempt, DeliveryClaim, DeliveryId, DueDelivery, Outcome, Recipient, Room, Settlement, Settling};

pub(super) struct Flights {
    context: Arc<Context>,
    tasks: JoinSet<Ended>,
    aloft: HashMap<Id, Flight>,
    lanes: HashMap<Lane, InLane>,
    admission: Arc<Admission>,
    /// Destinations for which nothing is claimed until this time, to be reported to the store.
    holds: BTreeMap<Arc<str>, Timestamp>,
    /// Destinations with ended attempts, and their standing, to be reported to the store.
    landed: BTreeMap<Arc<str>, Standing>,
    /// See `followed`.
    followed: i64,
}

/// An attempt in flight.
struct Flight {
    delivery: DeliveryId,
    lease: i64,
    attempts: u32,
    lane: Lane,
    recipient: Arc<Recipient>,
}

/// An ordering key: the changes of one resource on one hook are sent one after the other.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Lane {
    hook: HookId,
    subject: Subject,
    resource: ResourceId,
}

struct InLane {
    task: Id,
    /// A delivery that was claimed while the one before it is still being sent: that one was settled in another way,
    /// for example because its owner acknowledged it.
    next: Option<Box<Claimed>>,
}

/// A delivery, and the latest start of an attempt: an attempt has to end before the lease does.
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
        let followed = context.clock.followed();
        Flights {
            admission: Arc::new(Admission::new(&context.settings)),
            context,
            tasks: JoinSet::new(),
            aloft: HashMap::new(),
            lanes: HashMap::new(),
            holds: BTreeMap::new(),
            landed: BTreeMap::new(),
            followed,
        }
    }

    /// How many milliseconds the clock was set by until the times here were read.
    pub(super) fn followed(&self) -> i64 {
        self.followed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.aloft.is_empty()
    }

    /// How many more deliveries may be claimed.
    pub(super) fn room(&self) -> usize {
        self.admission.room().min(self.context.settings.batch.max(1))
    }

    /// The room of hooks and destinations, which the store asks for while it claims.
    pub(super) fn admission(&self) -> Arc<dyn Room> {
        Arc::<Admission>::clone(&self.admission)
    }

    /// A claim of as many deliveries as there is room for.
    pub(super) fn claim(&self) -> DeliveryClaim {
        let Context { clock, settings, .. } = &*self.context;
        DeliveryClaim { now: clock.now(), lease: settings.lease(), limit: self.room(), room: self.admission() }
    }

    /// Follows a clock that was set by `step` milliseconds.
    pub(super) fn shift(&mut self, step: i64) {
        self.followed = self.followed.saturating_add(step);
        self.holds.values_mut().for_each(|until| *until = until.shifted(step));
        let waiting = self.lanes.values_mut().filter_map(|lane| lane.next.as_mut());
        waiting.for_each(|claimed| claimed.begin_by = claimed.begin_by.shifted(step));
    }

    /// Adds the news about destinations to these settlements.
    pub(super) fn settling(&mut self, settlements: Vec<Settlement>) -> Settling {
        self.admission.show(&self.context.metrics);
        Settling {
            settlements,
            holds: std::mem::take(&mut self.holds).into_iter().collect(),
            landed: std::mem::take(&mut self.landed).into_iter().collect(),
            disable_after: self.context.settings.disable_after,
        }
    }

    /// Keeps the news for the next time if the store failed, unless there is newer news by then.
    pub(super) fn keep_news(&mut self, holds: Vec<(Arc<str>, Timestamp)>, landed: Vec<(Arc<str>, Standing)>) {
        for (name, until) in holds {
            self.holds.entry(name).or_insert(until);
        }
        for (name, standing) in landed {
            self.landed.entry(name).or_insert(standing);
        }
    }

    /// Sends deliveries that were claimed at `claimed_at`.
    pub(super) fn launch(&mut self, deliveries: Vec<DueDelivery>, claimed_at: Timestamp) {
        let begin_by = claimed_at.after(self.context.settings.spare());
        for delivery in deliveries {
            self.admit(Claimed { delivery, begin_by });
        }
        self.admission.show(&self.context.metrics);
    }

    /// The next attempt that ends, ready to be settled. None if none is in flight. Cancel safe.
    pub(super) async fn landed(&mut self) -> Option<Settlement> {
        let ended = self.tasks.join_next_with_id().await?;
        Some(self.land(ended))
    }

    /// An attempt that has already ended.
    pub(super) fn landed_already(&mut self) -> Option<Settlement> {
        let ended = self.tasks.try_join_next_with_id()?;
        Some(self.land(ended))
    }

    /// Removes the deliveries that wait for the one before them, to be returned to the store.
    pub(super) fn give_back_waiting(&mut self) -> Vec<Settlement> {
        let now = self.context.clock.now();
        let waiting = self.lanes.values_mut().filter_map(|lane| lane.next.take());
        waiting.map(|claimed| returned(&claimed.delivery, now)).collect()
    }

    /// Aborts the attempts in flight, to be returned to the store.
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
        ended
    }

    fn admit(&mut self, claimed: Claimed) {
        let lane = Lane::of(&claimed.delivery);
        let Some(InLane { task, next }) = self.lanes.get_mut(&lane) else {
            return self.begin(lane, claimed.delivery);
        };
        match self.aloft.get_mut(task) {
            // Its lease expired, although it should not have: the attempt in flight counts for the new one.
            Some(flight) if flight.delivery == claimed.delivery.id => flight.lease = claimed.delivery.lease,
            _ => *next = Some(Box::new(claimed)),
        }
    }

    fn begin(&mut self, lane: Lane, delivery: DueDelivery) {
        let recipient = Arc::clone(&delivery.recipient);
        self.admission.launch(&recipient);
        let flight = Flight {
            delivery: delivery.id,
            lease: delivery.lease,
            attempts: delivery.attempts,
            lane: lane.clone(),
            recipient,
        };
        let context = Arc::clone(&self.context);
        let home = self.context.client.home().clone();
        let task = self.tasks.spawn_on(async move { send::attempt(&context, &delivery).await }, &home).id();
        self.aloft.insert(task, flight);
        self.lanes.insert(lane, InLane { task, next: None });
    }

    fn land(&mut self, ended: Result<(Id, Ended), JoinError>) -> Settlement {
        let (task, ended) = match ended {
            Ok((task, ended)) => (task, Ok(ended)),
            Err(error) => (error.id(), Err(error)),
        };
        let flight = self.aloft.remove(&task).expect("invariant: each task has its flight");
        // The clock may have been set since the times here were read.
        let (now, followed) = self.context.clock.dated();
        let back = self.followed.saturating_sub(followed);
        let ended = ended.unwrap_or_else(|error| {
            tracing::error!(hook.id = flight.lane.hook.0, %error, "a callback could not be sent: this is a fault of the host");
            let failure = Failure { pace: Pace::Scheduled, retry_after: None };
            let retries = &self.context.settings.retries;
            let outcome = retries.after(failure, flight.attempts, &retries.waits, now, 0.5);
            self.context.metrics.work.host_fault("callback");
            let error = Some("the host failed before it could send the callback; this is a fault of the host".to_owned());
            let attempt = Attempt { at: now, duration: None, status: None, error, answer: None };
            Ended { outcome, attempts: vec![attempt], took: Duration::ZERO, sign: Sign::None, followed }
        });
        self.learn(&flight.recipient, Lesson { sign: ended.sign, took: ended.took, now }, back);
        let now = now.shifted(back);
        if let Some(InLane { next: Some(next), .. }) = self.lanes.remove(&flight.lane)
            && now <= next.begin_by
        {
            self.admit(*next);
        }
        let Ended { outcome, attempts, followed, .. } = ended;
        let settlement = Settlement { id: flight.delivery, lease: flight.lease, outcome, now, attempts };
        Settlement { now, ..settlement.shifted(self.followed.saturating_sub(followed)) }
    }

    /// Records what the end of an attempt shows about its destination. `back` converts its times to those here.
    fn learn(&mut self, recipient: &Recipient, lesson: Lesson, back: i64) {
        let learnt = self.admission.land(recipient, lesson);
        let name = &recipient.destination;
        self.landed.insert(Arc::clone(name), learnt.standing);
        let Some(until) = learnt.hold else { return };
        if until <= lesson.now {
            tracing::info!(destination = %name, "the circuit breaker of a destination closed: the destination accepts callbacks again");
        } else {
            tracing::warn!(destination = %name, %until, "the circuit breaker of a destination opened: deliveries to it pause");
        }
        self.holds.insert(Arc::clone(name), until.shifted(back));
    }
}

/// A settlement as if the delivery had never been claimed.
pub(super) fn returned(delivery: &DueDelivery, now: Timestamp) -> Settlement {
    Settlement { id: delivery.id, lease: delivery.lease, outcome: Outcome::Returned, now, attempts: Vec::new() }
}
