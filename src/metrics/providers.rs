//! The endpoints of providers, and the slots of polls and logins.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::times::gauged;

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

#[derive(Debug)]
pub struct Providers {
    endpoints: Family<InState, Gauge>,
    in_flight: Family<InShare, Gauge>,
    gave_way: Family<Calls, Counter>,
}

impl Providers {
    pub(super) fn register(registry: &mut Registry) -> Providers {
        let providers =
            Providers { endpoints: Family::default(), in_flight: Family::default(), gave_way: Family::default() };
        let help = "Endpoints of providers, by whether they answer or have an open circuit breaker";
        registry.register("endpoints", help, providers.endpoints.clone());
        let help = "Polls and logins in progress, by share";
        registry.register("provider_calls_in_flight", help, providers.in_flight.clone());
        let help = "Polls and logins that took long and gave up their slot";
        registry.register("provider_calls_gave_way", help, providers.gave_way.clone());
        providers
    }

    pub fn endpoints(&self, state: &'static str, count: usize) {
        self.endpoints.get_or_create(&InState { state }).set(gauged(count));
    }

    /// `calls` is `polls` or `proofs`.
    pub fn in_flight(&self, calls: &'static str, share: &'static str, count: usize) {
        self.in_flight.get_or_create(&InShare { calls, share }).set(gauged(count));
    }

    /// A call gave its slot to others.
    pub fn gave_way(&self, calls: &'static str) {
        self.gave_way.get_or_create(&Calls { calls }).inc();
    }
}
