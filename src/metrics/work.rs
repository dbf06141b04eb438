//! Work of the host on its store and drivers, and its own faults.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::model::Timestamp;

use super::health::{Health, Operation};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Ended {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Of {
    operation: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InPart {
    part: &'static str,
}

#[derive(Debug)]
pub struct Work {
    operations: Family<Ended, Counter>,
    failures_in_a_row: Family<Of, Gauge>,
    last_success: Family<Of, Gauge>,
    faults: Family<InPart, Counter>,
    health: Health,
}

impl Work {
    pub(super) fn register(registry: &mut Registry) -> Work {
        let work = Work {
            operations: Family::default(),
            failures_in_a_row: Family::default(),
            last_success: Family::default(),
            faults: Family::default(),
            health: Health::default(),
        };
        let help = "Operations of the host on its store and drivers, by operation and outcome";
        registry.register("store_operations", help, work.operations.clone());
        let help = "Failures in a row of an operation, since its last success";
        registry.register("store_failures_in_a_row", help, work.failures_in_a_row.clone());
        let help = "Time of the last success of an operation, since 1970";
        registry.register_with_unit("store_last_success", help, Unit::Seconds, work.last_success.clone());
        let help = "Faults of the host (panics), by the part of the host";
        registry.register("host_faults", help, work.faults.clone());
        work
    }

    pub fn succeeded(&self, operation: Operation, now: Timestamp) {
        self.health.succeeded(operation, now);
        self.operations.get_or_create(&Ended { operation: operation.as_str(), outcome: "succeeded" }).inc();
    }

    /// An operation failed; `error` is a stable word for the reason.
    pub fn failed(&self, operation: Operation, now: Timestamp, error: &'static str) {
        self.health.failed(operation, now, error);
        self.operations.get_or_create(&Ended { operation: operation.as_str(), outcome: error }).inc();
    }

    /// A part of the host panicked, and goes on.
    pub fn host_fault(&self, part: &'static str) {
        self.faults.get_or_create(&InPart { part }).inc();
    }

    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Brings the figures of each operation up to date.
    pub(super) fn refresh(&self) {
        for operation in Operation::ALL {
            let labels = Of { operation: operation.as_str() };
            let work = self.health.of(operation);
            self.failures_in_a_row.get_or_create(&labels).set(work.failing.map_or(0, |row| row.failures.into()));
            if let Some(at) = work.last_success {
                self.last_success.get_or_create(&labels).set(at.as_seconds());
            }
        }
    }
}
