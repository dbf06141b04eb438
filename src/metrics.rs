//! What the host counts of its own work, for whoever watches it: `GET /metrics` gives it as Prometheus reads it. Nothing
//! here names an account, a hook or a resource: labels are drivers, kinds and other words of which there are few.

mod health;

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::model::{Kind, Timestamp};

pub use health::{Failing, Health, Operation, Threshold, Unrecorded};

/// The type of what `text` writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From a millisecond up to a little over two minutes, each twice the one before.
fn times() -> Histogram {
    Histogram::new((0..18).map(|power| 0.001 * f64::from(1_u32 << power)))
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Listed {
    driver: String,
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Polled {
    driver: String,
    kind: &'static str,
    outcome: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Sent {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Closed {
    why: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InStatus {
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Worked {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Work {
    operation: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InShare {
    calls: &'static str,
    share: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Calls {
    calls: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SlotShare {
    share: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WithStanding {
    standing: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InPart {
    part: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InTable {
    table: &'static str,
}

/// All figures. Each room counts its own.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    polls: Family<Polled, Counter>,
    poll_duration: Family<Listed, Histogram, fn() -> Histogram>,
    poll_lateness: Family<Listed, Histogram, fn() -> Histogram>,
    provider_requests: Family<Listed, Counter>,
    changes: Counter,
    callbacks: Family<Sent, Counter>,
    callback_duration: Histogram,
    callback_delay: Histogram,
    callbacks_in_flight: Family<SlotShare, Gauge>,
    callback_slots: Family<SlotShare, Gauge>,
    destinations_waiting: Family<WithStanding, Gauge>,
    requests: Family<Answered, Counter>,
    request_duration: Family<Route, Histogram, fn() -> Histogram>,
    connections: Gauge,
    connections_closed: Family<Closed, Counter>,
    endpoints: Family<InState, Gauge>,
    calls: Family<InShare, Gauge>,
    gave_way: Family<Calls, Counter>,
    streams: Gauge,
    accounts: Gauge,
    hooks: Family<InStatus, Gauge>,
    waiting: Gauge,
    work: Family<Worked, Counter>,
    failures_in_a_row: Family<Work, Gauge>,
    last_success: Family<Work, Gauge>,
    health: Health,
    host_faults: Family<InPart, Counter>,
    damaged_rows: Family<InTable, Gauge>,
    damaged_rows_found: Family<InTable, Counter>,
    store_size: Gauge,
    store_limit: Gauge,
    large_accounts: Family<InState, Gauge>,
}

/// What polls make the host spend. Whoever runs drivers has one, and `Metrics` shows it.
#[derive(Clone, Debug, Default)]
pub struct PollMemory {
    bytes: Gauge,
    waiting: Gauge,
}

impl PollMemory {
    pub fn add(&self, bytes: usize) {
        self.bytes.inc_by(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub fn remove(&self, bytes: usize) {
        self.bytes.dec_by(i64::try_from(bytes).unwrap_or(i64::MAX));
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

/// What the store holds, which is looked up when somebody asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub accounts: u64,
    pub hooks_active: u64,
    pub hooks_paused: u64,
    pub hooks_disabled: u64,
    pub hooks_damaged: u64,
    pub callbacks_waiting: u64,
    /// How many destinations of each standing callbacks wait for.
    pub destinations_waiting: Vec<(&'static str, u64)>,
    pub damaged_rows: Vec<DamagedRows>,
    /// What the store takes in its file, and may take.
    pub store_bytes: u64,
    pub store_limit: u64,
    /// Accounts by what they take of it, where that is much.
    pub accounts_near_limit: u64,
    pub accounts_at_limit: u64,
}

/// Rows of one table that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedRows {
    pub table: &'static str,
    /// Neither removed nor healed; of a file in which very much is damaged, as many as are remembered.
    pub now: u64,
    /// Met since the host started.
    pub found: u64,
}

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

/// What is missing in the log. Clones count together: the log is there before the host is.
#[derive(Clone, Debug, Default)]
pub struct LogLines {
    pub dropped: Counter,
    pub left_out: Counter,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let mut registry = Registry::with_prefix("tracker");
        let timed = || Family::new_with_constructor(times as fn() -> Histogram);
        let metrics = Metrics {
            polls: Family::default(),
            poll_duration: timed(),
            poll_lateness: timed(),
            provider_requests: Family::default(),
            changes: Counter::default(),
            callbacks: Family::default(),
            callback_duration: times(),
            callback_delay: times(),
            callbacks_in_flight: Family::default(),
            callback_slots: Family::default(),
            destinations_waiting: Family::default(),
            requests: Family::default(),
            request_duration: Family::new_with_constructor(times as fn() -> Histogram),
            connections: Gauge::default(),
            connections_closed: Family::default(),
            endpoints: Family::default(),
            calls: Family::default(),
            gave_way: Family::default(),
            streams: Gauge::default(),
            accounts: Gauge::default(),
            hooks: Family::default(),
            waiting: Gauge::default(),
            work: Family::default(),
            failures_in_a_row: Family::default(),
            last_success: Family::default(),
            health: Health::default(),
            host_faults: Family::default(),
            damaged_rows: Family::default(),
            damaged_rows_found: Family::default(),
            store_size: Gauge::default(),
            store_limit: Gauge::default(),
            large_accounts: Family::default(),
            registry: Registry::default(),
        };
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Version of the host", build);
        registry.register("polls", "Polls that ended, by outcome", metrics.polls.clone());
        let seconds = |registry: &mut Registry, name: &str, help: &str, family: &Family<Listed, Histogram, _>| {
            registry.register_with_unit(name, help, Unit::Seconds, family.clone());
        };
        seconds(&mut registry, "poll_duration", "How long polls took", &metrics.poll_duration);
        seconds(&mut registry, "poll_lateness", "How long after they were due polls began", &metrics.poll_lateness);
        let help = "Requests to providers, without logins";
        registry.register("provider_requests", help, metrics.provider_requests.clone());
        registry.register("changes", "Changes recorded in the journal", metrics.changes.clone());
        registry.register("callbacks", "Delivery attempts that ended, by outcome", metrics.callbacks.clone());
        let help = "Time from an attempt to the receiver's answer";
        registry.register_with_unit("callback_duration", help, Unit::Seconds, metrics.callback_duration.clone());
        let help = "Time from recording a change to its delivery";
        registry.register_with_unit("callback_delay", help, Unit::Seconds, metrics.callback_delay.clone());
        let help =
            "Callbacks in flight: all, those to destinations on probation, and of these those to late destinations";
        registry.register("callbacks_in_flight", help, metrics.callbacks_in_flight.clone());
        let help = "Limit of callbacks in flight of each share (delivery.concurrency, delivery.probation)";
        registry.register("callback_slots", help, metrics.callback_slots.clone());
        let help = "Destinations with pending callbacks, by standing; at most 10000 of each are counted";
        registry.register("destinations_waiting", help, metrics.destinations_waiting.clone());
        registry.register("http_requests", "Requests to the API, by route and status", metrics.requests.clone());
        let help = "Time from a request to the API to the start of its answer";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, metrics.request_duration.clone());
        registry.register("connections", "Open connections to the API", metrics.connections.clone());
        let help = "Connections to the API that the host closed or refused, by reason";
        registry.register("connections_closed", help, metrics.connections_closed.clone());
        let help = "Endpoints of providers, by whether they answer or have an open circuit breaker";
        registry.register("endpoints", help, metrics.endpoints.clone());
        let help = "Polls and logins in progress, by share";
        registry.register("provider_calls_in_flight", help, metrics.calls.clone());
        let help = "Polls and logins that took long and gave up their slot";
        registry.register("provider_calls_gave_way", help, metrics.gave_way.clone());
        registry.register("streams", "Open event streams", metrics.streams.clone());
        registry.register("accounts", "Accounts of the host", metrics.accounts.clone());
        registry.register("hooks", "Hooks, by status", metrics.hooks.clone());
        registry.register("callbacks_waiting", "Pending deliveries", metrics.waiting.clone());
        let help = "Operations of the host on its store and drivers, by operation and outcome";
        registry.register("store_operations", help, metrics.work.clone());
        let help = "Failures in a row of an operation, since its last success";
        registry.register("store_failures_in_a_row", help, metrics.failures_in_a_row.clone());
        let help = "Time of the last success of an operation, since 1970";
        registry.register_with_unit("store_last_success", help, Unit::Seconds, metrics.last_success.clone());
        let help = "Faults of the host (panics), by the part of the host";
        registry.register("host_faults", help, metrics.host_faults.clone());
        let help = "Stored rows that cannot be read, by table, until they are removed or repaired";
        registry.register("damaged_rows", help, metrics.damaged_rows.clone());
        let help = "Damaged rows that were found in the store, by table";
        registry.register("damaged_rows_found", help, metrics.damaged_rows_found.clone());
        let help = "Size of the store's file, without the WAL";
        registry.register_with_unit("store_size", help, Unit::Bytes, metrics.store_size.clone());
        let help = "Limit of the store's file (store.size)";
        registry.register_with_unit("store_size_limit", help, Unit::Bytes, metrics.store_limit.clone());
        let help = "Accounts near or at their share of the store (store.account_share)";
        registry.register("large_accounts", help, metrics.large_accounts.clone());
        Metrics { registry, ..metrics }
    }
}

impl Metrics {
    /// Shows what polls make the host spend.
    pub fn show_poll_memory(&mut self, memory: &PollMemory) {
        let help =
            "Memory that polls under way have: sandboxes, lists, requests, answers. What they wait for is not in it";
        self.registry.register_with_unit("poll_memory", help, Unit::Bytes, memory.bytes.clone());
        let help = "Polls that wait for memory (drivers.limits.total_memory)";
        self.registry.register("polls_waiting_for_memory", help, memory.waiting.clone());
    }

    /// Shows what is missing in the log.
    pub fn show_log_lines(&mut self, lines: &LogLines) {
        let help = "Log lines that could not be written, or not fast enough";
        self.registry.register("log_lines_dropped", help, lines.dropped.clone());
        let help = "Log lines that were left out by the limit of lines of one kind (log.lines)";
        self.registry.register("log_lines_left_out", help, lines.left_out.clone());
    }

    pub fn polled(&self, poll: Poll<'_>) {
        let listed = Listed { driver: poll.driver.to_owned(), kind: poll.kind.plural() };
        self.poll_duration.get_or_create(&listed).observe(poll.took.as_secs_f64());
        self.poll_lateness.get_or_create(&listed).observe(poll.late.as_secs_f64());
        self.provider_requests.get_or_create(&listed).inc_by(poll.requests.into());
        let Listed { driver, kind } = listed;
        self.polls.get_or_create(&Polled { driver, kind, outcome: poll.outcome.to_owned() }).inc();
    }

    pub fn recorded(&self, changes: usize) {
        self.changes.inc_by(changes as u64);
    }

    /// Work with the store got through.
    pub fn succeeded(&self, operation: Operation, now: Timestamp) {
        self.health.succeeded(operation, now);
        self.work.get_or_create(&Worked { operation: operation.as_str(), outcome: "succeeded" }).inc();
    }

    /// Work with the store failed; `error` is a stable word for why.
    pub fn failed(&self, operation: Operation, now: Timestamp, error: &'static str) {
        self.health.failed(operation, now, error);
        self.work.get_or_create(&Worked { operation: operation.as_str(), outcome: error }).inc();
    }

    /// A part of the host panicked, and goes on.
    pub fn host_fault(&self, part: &'static str) {
        self.host_faults.get_or_create(&InPart { part }).inc();
    }

    pub fn health(&self) -> &Health {
        &self.health
    }

    /// A callback's try ended.
    pub fn sent(&self, outcome: &'static str, took: Duration) {
        self.callbacks.get_or_create(&Sent { outcome }).inc();
        self.callback_duration.observe(took.as_secs_f64());
    }

    /// A receiver has a change that was written so long ago.
    pub fn delivered(&self, after: Duration) {
        self.callback_delay.observe(after.as_secs_f64());
    }

    /// How many callbacks of a share are in flight, of how many that may be.
    pub fn callbacks_in_flight(&self, share: &'static str, count: usize, most: usize) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.callbacks_in_flight.get_or_create(&SlotShare { share }).set(number(count));
        self.callback_slots.get_or_create(&SlotShare { share }).set(number(most));
    }

    pub fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let route = route.to_owned();
        let labels = Route { route };
        self.request_duration.get_or_create(&labels).observe(took.as_secs_f64());
        self.requests.get_or_create(&Answered { method, route: labels.route, status }).inc();
    }

    /// A connection to the API was opened.
    pub fn connection_opened(&self) {
        self.connections.inc();
    }

    /// One that was opened is closed: it ended by itself or by its time, it had to make room (`displaced`), it cost more
    /// than it asked for (`costly`), there was no room for the rest of a request's head (`no_room`), or it did not take
    /// what it was sent (`not_taken`).
    pub fn connection_closed(&self, why: &'static str) {
        self.connections.dec();
        self.connections_closed.get_or_create(&Closed { why }).inc();
    }

    /// A connection was refused, as its address has as many as it may have.
    pub fn connection_refused(&self) {
        self.connections_closed.get_or_create(&Closed { why: "refused" }).inc();
    }

    pub fn endpoints(&self, state: &'static str, count: usize) {
        self.endpoints.get_or_create(&InState { state }).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// `calls` is `polls` or `proofs`.
    pub fn calls_in_flight(&self, calls: &'static str, share: &'static str, count: usize) {
        self.calls.get_or_create(&InShare { calls, share }).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A call gave its slot to others.
    pub fn gave_way(&self, calls: &'static str) {
        self.gave_way.get_or_create(&Calls { calls }).inc();
    }

    /// All of it, with what the store holds, as it was last known, and how many streams are open.
    ///
    /// # Errors
    /// None that is known of: what it is written to takes everything.
    pub fn text(&self, held: Option<Held>, streams: usize) -> Result<String, std::fmt::Error> {
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.streams.set(count(streams as u64));
        if let Some(held) = held {
            self.accounts.set(count(held.accounts));
            self.store_size.set(count(held.store_bytes));
            self.store_limit.set(count(held.store_limit));
            for (state, accounts) in [("near-limit", held.accounts_near_limit), ("at-limit", held.accounts_at_limit)] {
                self.large_accounts.get_or_create(&InState { state }).set(count(accounts));
            }
            self.waiting.set(count(held.callbacks_waiting));
            let statuses = [
                ("active", held.hooks_active),
                ("paused", held.hooks_paused),
                ("disabled", held.hooks_disabled),
                ("damaged", held.hooks_damaged),
            ];
            for (standing, destinations) in held.destinations_waiting {
                self.destinations_waiting.get_or_create(&WithStanding { standing }).set(count(destinations));
            }
            for DamagedRows { table, now, found } in held.damaged_rows {
                self.damaged_rows.get_or_create(&InTable { table }).set(count(now));
                let counter = self.damaged_rows_found.get_or_create(&InTable { table });
                counter.inc_by(found.saturating_sub(counter.get()));
            }
            for (status, hooks) in statuses {
                self.hooks.get_or_create(&InStatus { status }).set(count(hooks));
            }
        }
        for operation in Operation::ALL {
            let labels = Work { operation: operation.as_str() };
            let work = self.health.of(operation);
            self.failures_in_a_row.get_or_create(&labels).set(work.failing.map_or(0, |row| row.failures.into()));
            if let Some(at) = work.last_success {
                self.last_success.get_or_create(&labels).set(at.as_seconds());
            }
        }
        let mut written = String::new();
        text::encode(&mut written, &self.registry)?;
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told() {
        let mut metrics = Metrics::default();
        let memory = PollMemory::default();
        metrics.show_poll_memory(&memory);
        memory.add(3 << 20);
        memory.remove(1 << 20);
        memory.wait();
        let poll = Poll {
            driver: "ec2",
            kind: Kind::Instance,
            outcome: "complete",
            took: Duration::from_millis(3),
            late: Duration::ZERO,
            requests: 2,
        };
        metrics.polled(poll);
        metrics.polled(Poll { outcome: "throttled", ..poll });
        metrics.recorded(5);
        metrics.host_fault("poll");
        metrics.sent("delivered", Duration::from_millis(1500));
        metrics.delivered(Duration::from_secs(2));
        metrics.callbacks_in_flight("probation", 5, 8);
        metrics.answered("GET", "/api/instances/{id}", 404, Duration::from_micros(10));
        let held = Held {
            accounts: 3,
            hooks_active: 2,
            callbacks_waiting: 7,
            damaged_rows: vec![DamagedRows { table: "hooks", now: 2, found: 3 }],
            destinations_waiting: vec![("unproven", 4)],
            ..Held::default()
        };
        metrics.succeeded(Operation::CatchUp, Timestamp::from_millis(1_795_341_600_000));
        metrics.failed(Operation::RecordPolls, Timestamp::from_millis(1_795_341_600_000), "disk-full");
        let text = metrics.text(Some(held), 1).expect("written");
        for line in [
            r#"tracker_polls_total{driver="ec2",kind="instances",outcome="complete"} 1"#,
            r#"tracker_polls_total{driver="ec2",kind="instances",outcome="throttled"} 1"#,
            r#"tracker_poll_duration_seconds_bucket{le="0.002",driver="ec2",kind="instances"} 0"#,
            r#"tracker_poll_duration_seconds_bucket{le="0.004",driver="ec2",kind="instances"} 2"#,
            r#"tracker_poll_lateness_seconds_count{driver="ec2",kind="instances"} 2"#,
            r#"tracker_provider_requests_total{driver="ec2",kind="instances"} 4"#,
            "tracker_changes_total 5",
            r#"tracker_host_faults_total{part="poll"} 1"#,
            r#"tracker_callbacks_total{outcome="delivered"} 1"#,
            "tracker_callback_delay_seconds_sum 2.0",
            r#"tracker_callbacks_in_flight{share="probation"} 5"#,
            r#"tracker_callback_slots{share="probation"} 8"#,
            r#"tracker_destinations_waiting{standing="unproven"} 4"#,
            r#"tracker_http_requests_total{method="GET",route="/api/instances/{id}",status="404"} 1"#,
            "tracker_streams 1",
            "tracker_accounts 3",
            r#"tracker_hooks{status="active"} 2"#,
            "tracker_callbacks_waiting 7",
            r#"tracker_damaged_rows{table="hooks"} 2"#,
            r#"tracker_damaged_rows_found_total{table="hooks"} 3"#,
            "tracker_poll_memory_bytes 2097152",
            "tracker_polls_waiting_for_memory 1",
            r#"tracker_store_operations_total{operation="record-polls",outcome="disk-full"} 1"#,
            r#"tracker_store_failures_in_a_row{operation="record-polls"} 1"#,
            r#"tracker_store_failures_in_a_row{operation="catch-up"} 0"#,
            r#"tracker_store_last_success_seconds{operation="catch-up"} 1795341600"#,
            "# EOF",
        ] {
            assert!(text.lines().any(|had| had == line), "{line} is not in\n{text}");
        }
    }
}
