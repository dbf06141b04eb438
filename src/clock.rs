//! Time, as a parameter: the system's in a host, one that a test moves by hand in tests. The only
//! room that reads a clock.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;

use crate::model::Timestamp;

/// What the loops take their time from.
#[async_trait]
pub trait Clock: std::fmt::Debug + Send + Sync + 'static {
    fn now(&self) -> Timestamp;

    /// The time since some moment of the past, which only ever grows, and by nothing but the passing of time:
    /// setting the clock does not touch it, and a suspended machine's sleep counts.
    fn uptime(&self) -> Duration;

    /// Returns once `now` is `until` or later.
    async fn sleep_until(&self, until: Timestamp);
}

#[cfg(target_os = "linux")]
const UPTIME: rustix::time::ClockId = rustix::time::ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const UPTIME: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

/// The system's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the room that reads the clock")]
    fn now(&self) -> Timestamp {
        let millis = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        };
        Timestamp::from_millis(millis)
    }

    fn uptime(&self) -> Duration {
        span(rustix::time::clock_gettime(UPTIME))
    }

    async fn sleep_until(&self, until: Timestamp) {
        // The wall clock may be set while this sleeps; looking again every minute bounds the harm.
        loop {
            let left = until.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(Duration::from_secs(60))).await;
        }
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<Timestamp>,
    uptime: Mutex<Duration>,
    moved: tokio::sync::Notify,
}

impl ManualClock {
    pub fn new(now: Timestamp) -> ManualClock {
        ManualClock { now: Mutex::new(now), uptime: Mutex::default(), moved: tokio::sync::Notify::new() }
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        *self.uptime.lock().expect("invariant: no holder of this lock can panic") += by;
        self.set(self.now().after(by));
    }

    /// Sets it to any time, an earlier one included, without any time passing.
    pub fn set(&self, to: Timestamp) {
        *self.now.lock().expect("invariant: no holder of this lock can panic") = to;
        self.moved.notify_waiters();
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().expect("invariant: no holder of this lock can panic")
    }

    fn uptime(&self) -> Duration {
        *self.uptime.lock().expect("invariant: no holder of this lock can panic")
    }

    async fn sleep_until(&self, until: Timestamp) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if self.now() >= until {
                return;
            }
            moved.await;
        }
    }
}

/// Measures how long something took, unmoved by changes of the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "this is the room that reads the clock")]
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The CPU time that the calling thread has used since it started.
pub fn thread_cpu_time() -> Duration {
    span(rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime))
}

fn span(time: rustix::time::Timespec) -> Duration {
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
