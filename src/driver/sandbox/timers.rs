//! The timers of a sandbox that does not sleep, and the clock that jumps to their ends.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use wasmtime_wasi::HostMonotonicClock;
use wasmtime_wasi::p2::Pollable;

use crate::clock::{Clock as _, ManualClock, Stopwatch};

/// The timers of one sandbox.
pub(in crate::driver) struct Timers {
    pub(in crate::driver) clock: Arc<ManualClock>,
    /// Which pollables are timers, and when they end, by their place in the sandbox's table.
    pub(in crate::driver) ends: HashMap<u32, Weak<Duration>>,
    pub(in crate::driver) slept: Duration,
}

impl Timers {
    pub(super) fn by(clock: &Arc<ManualClock>) -> Timers {
        Timers { clock: Arc::clone(clock), ends: HashMap::new(), slept: Duration::ZERO }
    }

    /// When a timer ends.
    pub(in crate::driver) fn end(&self, pollable: u32) -> Option<Duration> {
        self.ends.get(&pollable)?.upgrade().map(|end| *end)
    }
}

/// Becomes ready when the clock is moved.
pub(in crate::driver) struct Timer {
    pub(in crate::driver) clock: Arc<ManualClock>,
    pub(in crate::driver) end: Arc<Duration>,
}

#[async_trait]
impl Pollable for Timer {
    async fn ready(&mut self) {
        if self.clock.uptime() < *self.end {
            // Whoever waits for it moves the clock, and looks again.
            std::future::pending().await
        }
    }
}

/// The clock that a guest measures by: it goes on as the guest computes, as collectors of garbage go by it, and is moved
/// where the guest would sleep.
pub(super) struct MovedClock {
    clock: Arc<ManualClock>,
    began: Duration,
    computing: Stopwatch,
}

impl MovedClock {
    pub(super) fn of(clock: &Arc<ManualClock>) -> MovedClock {
        MovedClock { clock: Arc::clone(clock), began: clock.uptime(), computing: Stopwatch::start() }
    }
}

impl HostMonotonicClock for MovedClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        nanos(self.clock.uptime().saturating_sub(self.began).saturating_add(self.computing.elapsed()))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
