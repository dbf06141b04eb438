//! Callbacks: how attempts ended, how late changes reach their receivers, and the slots in use.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::times::{gauged, times};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Sent {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SlotShare {
    share: &'static str,
}

#[derive(Debug)]
pub struct Callbacks {
    attempts: Family<Sent, Counter>,
    duration: Histogram,
    delay: Histogram,
    in_flight: Family<SlotShare, Gauge>,
    slots: Family<SlotShare, Gauge>,
}

impl Callbacks {
    pub(super) fn register(registry: &mut Registry) -> Callbacks {
        let callbacks = Callbacks {
            attempts: Family::default(),
            duration: times(),
            delay: times(),
            in_flight: Family::default(),
            slots: Family::default(),
        };
        registry.register("callbacks", "Delivery attempts that ended, by outcome", callbacks.attempts.clone());
        let help = "Time from an attempt to the receiver's answer";
        registry.register_with_unit("callback_duration", help, Unit::Seconds, callbacks.duration.clone());
        let help = "Time from recording a change to its delivery";
        registry.register_with_unit("callback_delay", help, Unit::Seconds, callbacks.delay.clone());
        let help =
            "Callbacks in flight: all, those to destinations on probation, and of these those to late destinations";
        registry.register("callbacks_in_flight", help, callbacks.in_flight.clone());
        let help = "Limit of callbacks in flight of each share (delivery.concurrency, delivery.probation)";
        registry.register("callback_slots", help, callbacks.slots.clone());
        callbacks
    }

    /// An attempt ended.
    pub fn sent(&self, outcome: &'static str, took: Duration) {
        self.attempts.get_or_create(&Sent { outcome }).inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// A receiver has a change that was recorded so long ago.
    pub fn delivered(&self, after: Duration) {
        self.delay.observe(after.as_secs_f64());
    }

    /// So many callbacks of a share are in flight; `most` is their limit.
    pub fn in_flight(&self, share: &'static str, count: usize, most: usize) {
        self.in_flight.get_or_create(&SlotShare { share }).set(gauged(count));
        self.slots.get_or_create(&SlotShare { share }).set(gauged(most));
    }
}
