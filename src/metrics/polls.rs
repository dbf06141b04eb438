//! Polls: how they ended, how long they took, what they found, and the memory that they have.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::model::Kind;

use super::times::{gauged, times};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Listed {
    driver: String,
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Ended {
    driver: String,
    kind: &'static str,
    outcome: String,
}

type Timed = Family<Listed, Histogram, fn() -> Histogram>;

/// One poll that ended.
#[derive(Clone, Copy, Debug)]
pub struct Poll<'a> {
    pub driver: &'a str,
    pub kind: Kind,
    /// `complete`, `partial`, `changes`, or the word for the error; `unrecorded` where the store did not take it, and
    /// `lease-lost` where it took longer than its lease.
    pub outcome: &'a str,
    pub took: Duration,
    /// How long after it was due it began.
    pub late: Duration,
    pub requests: u32,
}

#[derive(Debug)]
pub struct Polls {
    polls: Family<Ended, Counter>,
    duration: Timed,
    lateness: Timed,
    provider_requests: Family<Listed, Counter>,
    changes: Counter,
}

impl Polls {
    pub(super) fn register(registry: &mut Registry) -> Polls {
        let timed = || Family::new_with_constructor(times as fn() -> Histogram);
        let polls = Polls {
            polls: Family::default(),
            duration: timed(),
            lateness: timed(),
            provider_requests: Family::default(),
            changes: Counter::default(),
        };
        registry.register("polls", "Polls that ended, by outcome", polls.polls.clone());
        let mut seconds = |name: &str, help: &str, family: &Timed| {
            registry.register_with_unit(name, help, Unit::Seconds, family.clone());
        };
        seconds("poll_duration", "How long polls took", &polls.duration);
        seconds("poll_lateness", "How long after they were due polls began", &polls.lateness);
        let help = "Requests to providers, without logins";
        registry.register("provider_requests", help, polls.provider_requests.clone());
        registry.register("changes", "Changes recorded in the journal", polls.changes.clone());
        polls
    }

    pub fn ended(&self, poll: Poll<'_>) {
        let listed = Listed { driver: poll.driver.to_owned(), kind: poll.kind.plural() };
        self.duration.get_or_create(&listed).observe(poll.took.as_secs_f64());
        self.lateness.get_or_create(&listed).observe(poll.late.as_secs_f64());
        self.provider_requests.get_or_create(&listed).inc_by(poll.requests.into());
        let Listed { driver, kind } = listed;
        self.polls.get_or_create(&Ended { driver, kind, outcome: poll.outcome.to_owned() }).inc();
    }

    /// The store has so many more changes in its journal.
    pub fn recorded(&self, changes: usize) {
        self.changes.inc_by(changes as u64);
    }
}

/// What polls make the host spend. Whoever runs drivers has one, and `Metrics` shows it.
#[derive(Clone, Debug, Default)]
pub struct PollMemory {
    bytes: Gauge,
    waiting: Gauge,
}

impl PollMemory {
    pub(super) fn show(&self, registry: &mut Registry) {
        let help = "Memory of polls in progress: sandboxes, lists, requests, answers. Polls that wait are not counted";
        registry.register_with_unit("poll_memory", help, Unit::Bytes, self.bytes.clone());
        let help = "Polls that wait for memory (drivers.limits.total_memory)";
        registry.register("polls_waiting_for_memory", help, self.waiting.clone());
    }

    pub fn add(&self, bytes: usize) {
        self.bytes.inc_by(gauged(bytes));
    }

    pub fn remove(&self, bytes: usize) {
        self.bytes.dec_by(gauged(bytes));
    }

    /// A poll waits until it fits beside the others.
    pub fn wait(&self) {
        self.waiting.inc();
    }

    /// A poll waits no more.
    pub fn go_on(&self) {
        self.waiting.dec();
    }

    pub fn bytes(&self) -> i64 {
        self.bytes.get()
    }

    pub fn waiting(&self) -> i64 {
        self.waiting.get()
    }
}
