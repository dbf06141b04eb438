//! Requests to the API, its connections and its streams.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::times::{gauged, times};

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

#[derive(Debug)]
pub struct Requests {
    answered: Family<Answered, Counter>,
    duration: Family<Route, Histogram, fn() -> Histogram>,
    connections: Gauge,
    closed: Family<Closed, Counter>,
    streams: Gauge,
}

impl Requests {
    pub(super) fn register(registry: &mut Registry) -> Requests {
        let requests = Requests {
            answered: Family::default(),
            duration: Family::new_with_constructor(times as fn() -> Histogram),
            connections: Gauge::default(),
            closed: Family::default(),
            streams: Gauge::default(),
        };
        registry.register("http_requests", "Requests to the API, by route and status", requests.answered.clone());
        let help = "Time from a request to the API to the start of its answer";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, requests.duration.clone());
        registry.register("connections", "Open connections to the API", requests.connections.clone());
        let help = "Connections to the API that the host closed or refused, by reason";
        registry.register("connections_closed", help, requests.closed.clone());
        registry.register("streams", "Open event streams", requests.streams.clone());
        requests
    }

    pub fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let labels = Route { route: route.to_owned() };
        self.duration.get_or_create(&labels).observe(took.as_secs_f64());
        self.answered.get_or_create(&Answered { method, route: labels.route, status }).inc();
    }

    /// A connection was opened.
    pub fn connection_opened(&self) {
        self.connections.inc();
    }

    /// A connection is closed: it ended by itself or by its time, it had to make room (`displaced`), it cost more than it
    /// asked for (`costly`), there was no room for the rest of a request's head (`no_room`), or it did not take what it
    /// was sent (`not_taken`).
    pub fn connection_closed(&self, why: &'static str) {
        self.connections.dec();
        self.closed.get_or_create(&Closed { why }).inc();
    }

    /// A connection was refused, because its address has as many as it may have.
    pub fn connection_refused(&self) {
        self.closed.get_or_create(&Closed { why: "refused" }).inc();
    }

    /// So many event streams are open.
    pub fn streams(&self, count: usize) {
        self.streams.set(gauged(count));
    }
}
