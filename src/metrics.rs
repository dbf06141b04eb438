//! What the host counts of its own work, for whoever watches it: `GET /metrics` gives it as Prometheus reads it. A file for
//! each part, which registers its figures and counts them. No label names an account, a hook or a resource: labels are
//! drivers, kinds and other words of which there are few.

mod callbacks;
mod health;
mod held;
mod log_lines;
mod polls;
mod providers;
mod requests;
mod times;
mod work;

use prometheus_client::encoding::text;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use callbacks::Callbacks;
pub use health::{Failing, Health, Operation, Threshold, Unrecorded};
pub use held::{DamagedRows, Held};
pub use log_lines::LogLines;
pub use polls::{Poll, PollMemory, Polls};
pub use providers::Providers;
pub use requests::Requests;
pub use work::Work;

/// The media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All figures. Each room counts its own.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub polls: Polls,
    pub callbacks: Callbacks,
    pub requests: Requests,
    pub providers: Providers,
    pub work: Work,
    held: held::Holdings,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let mut registry = Registry::with_prefix("tracker");
        registry.register("build", "Version of the host", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        Metrics {
            polls: Polls::register(&mut registry),
            callbacks: Callbacks::register(&mut registry),
            requests: Requests::register(&mut registry),
            providers: Providers::register(&mut registry),
            work: Work::register(&mut registry),
            held: held::Holdings::register(&mut registry),
            registry,
        }
    }
}

impl Metrics {
    /// Shows the memory of polls.
    pub fn show_poll_memory(&mut self, memory: &PollMemory) {
        memory.show(&mut self.registry);
    }

    /// Shows what is missing in the log.
    pub fn show_log_lines(&mut self, lines: &LogLines) {
        lines.show(&mut self.registry);
    }

    /// All figures, with the content of the store as it was last counted, in the format of OpenMetrics.
    ///
    /// # Errors
    /// None that is known of: what it is written to takes everything.
    pub fn text(&self, held: Option<Held>) -> Result<String, std::fmt::Error> {
        if let Some(held) = held {
            self.held.show(held);
        }
        self.work.refresh();
        let mut written = String::new();
        text::encode(&mut written, &self.registry)?;
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::model::{Kind, Timestamp};

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
        metrics.polls.ended(poll);
        metrics.polls.ended(Poll { outcome: "throttled", ..poll });
        metrics.polls.recorded(5);
        metrics.work.host_fault("poll");
        metrics.callbacks.sent("delivered", Duration::from_millis(1500));
        metrics.callbacks.delivered(Duration::from_secs(2));
        metrics.callbacks.in_flight("probation", 5, 8);
        metrics.requests.answered("GET", "/api/instances/{id}", 404, Duration::from_micros(10));
        let held = Held {
            accounts: 3,
            hooks_active: 2,
            callbacks_waiting: 7,
            damaged_rows: vec![DamagedRows { table: "hooks", now: 2, found: 3 }],
            destinations_waiting: vec![("unproven", 4)],
            ..Held::default()
        };
        metrics.work.succeeded(Operation::CatchUp, Timestamp::from_millis(1_795_341_600_000));
        metrics.work.failed(Operation::RecordPolls, Timestamp::from_millis(1_795_341_600_000), "disk-full");
        metrics.requests.streams(1);
        let text = metrics.text(Some(held)).expect("written");
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
