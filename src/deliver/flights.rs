//! What is being sent right now: every attempt a task of its own, one at a time for each resource on each hook.

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
    /// Destinations that nothing is to be claimed for until then, for the store to know.
    holds: BTreeMap<Arc<str>, Timestamp>,
    /// Destinations at which attempts have ended, and their standing, for the store to know.
    landed: BTreeMap<Arc<str>, Standing>,
    /// See `followed`.
    followed: i64,
}

/// A try that is under way.
struct Flight {
    delivery: DeliveryId,
    lease: i64,
    attempts: u32,
    lane: Lane,
    recipient: Arc<Recipient>,
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

    /// By how much the clock was set until the times that are kept here were read, in milliseconds.
    pub(super) fn followed(&self) -> i64 {
        self.followed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.aloft.is_empty()
    }

    /// How many more may be claimed.
    pub(super) fn room(&self) -> usize {
        self.admission.room().min(self.context.settings.batch.max(1))
    }

    /// Who may have how many more, for the store to ask while it claims.
    pub(super) fn admission(&self) -> Arc<dyn Room> {
        Arc::<Admission>::clone(&self.admission)
    }

    /// A claim on as much as there is room for.
    pub(super) fn claim(&self) -> DeliveryClaim {
        let Context { clock, settings, .. } = &*self.context;
        DeliveryClaim { now: clock.now(), lease: settings.lease(), limit: self.room(), room: self.admission() }
    }

    /// The clock was set by so many milliseconds.
    pub(super) fn shift(&mut self, step: i64) {
        self.followed = self.followed.saturating_add(step);
        self.holds.values_mut().for_each(|until| *until = until.shifted(step));
        let waiting = self.lanes.values_mut().filter_map(|lane| lane.next.as_mut());
        waiting.for_each(|claimed| claimed.begin_by = claimed.begin_by.shifted(step));
    }

    /// Has the store told what is known of destinations with these settlements.
    pub(super) fn settling(&mut self, settlements: Vec<Settlement>) -> Settling {
        self.admission.show(&self.context.metrics);
        Settling {
            settlements,
            holds: std::mem::take(&mut self.holds).into_iter().collect(),
            landed: std::mem::take(&mut self.landed).into_iter().collect(),
            disable_after: self.context.settings.disable_after,
        }
    }

    /// The store did not take it: it is told the next time, unless there is newer word by then.
    pub(super) fn keep_news(&mut self, holds: Vec<(Arc<str>, Timestamp)>, landed: Vec<(Arc<str>, Standing)>) {
        for (name, until) in holds {
            self.holds.entry(name).or_insert(until);
        }
        for (name, standing) in landed {
            self.landed.entry(name).or_insert(standing);
        }
    }

    /// Sends what was claimed at `now`.
    pub(super) fn launch(&mut self, deliveries: Vec<DueDelivery>, claimed_at: Timestamp) {
        let begin_by = claimed_at.after(self.context.settings.spare());
        for delivery in deliveries {
            self.admit(Claimed { delivery, begin_by });
        }
        self.admission.show(&self.context.metrics);
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
        // The clock may have been set since the times that are kept here were read.
        let (now, followed) = self.context.clock.dated();
        let back = self.followed.saturating_sub(followed);
        let ended = ended.unwrap_or_else(|error| {
            tracing::error!(hook.id = flight.lane.hook.0, %error, "a callback could not be sent: this is a fault of the host");
            let failure = Failure { pace: Pace::Scheduled, retry_after: None };
            let retries = &self.context.settings.retries;
            let outcome = retries.after(failure, flight.attempts, &retries.waits, now, 0.5);
            self.context.metrics.host_fault("callback");
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

    /// Takes in what the end of an attempt says of its destination. `back` leads from its times to those that are kept here.
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

/// As if it had never been claimed.
pub(super) fn returned(delivery: &DueDelivery, now: Timestamp) -> Settlement {
    Settlement { id: delivery.id, lease: delivery.lease, outcome: Outcome::Returned, now, attempts: Vec::new() }
}
