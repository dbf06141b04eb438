//! Time as a parameter: the system's clock in a host, a clock that is moved by hand in tests. The only module that
//! reads a clock.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use tokio::sync::{OwnedRwLockReadGuard, RwLock, RwLockWriteGuard};

use crate::model::Timestamp;

/// What the loops take their time from.
#[async_trait]
pub trait Clock: std::fmt::Debug + Send + Sync + 'static {
    fn now(&self) -> Timestamp;

    /// The time since some moment of the past, which only ever grows, and by nothing but the passing of time:
    /// setting the clock does not touch it, and a suspended machine's sleep counts.
    fn uptime(&self) -> Duration;

    /// Returns once `now` is `until` or later. If the clock is set back meanwhile, the sleep is longer by that step:
    /// `store::steps` wakes the loops that sleep until something is due.
    async fn sleep_until(&self, until: Timestamp);

    /// Returns after that time, even if the clock is set meanwhile.
    async fn sleep(&self, time: Duration) {
        let end = self.uptime().saturating_add(time);
        loop {
            let left = end.saturating_sub(self.uptime());
            if left.is_zero() {
                return;
            }
            self.pause(left.min(LOOKED_EVERY)).await;
        }
    }

    /// Returns after that time, or earlier where the clock is set.
    async fn pause(&self, time: Duration);

    /// The sum of the steps by which it was set since the start, in milliseconds. A time that was read when the sum was
    /// another one is of the clock of before.
    fn followed(&self) -> i64 {
        0
    }

    /// The time and that sum, read together.
    fn dated(&self) -> (Timestamp, i64) {
        (self.now(), self.followed())
    }

    /// Keeps what is due from being moved until the guard is dropped. Whoever reads `now` and has the store note when
    /// something is due holds it from the one to the other; otherwise the clock may be set in between, and the time that
    /// is noted is of the clock of before. Not to be asked for by one that holds it: the second may wait for a step, which
    /// waits for the first.
    async fn steady(&self) -> Steady {
        Steady { _guard: None }
    }
}

impl dyn Clock {
    /// Has `write` store something that goes by the time, which stays the clock's until it is stored. See `steady`.
    pub async fn while_steady<W: Future>(&self, write: impl FnOnce(Timestamp) -> W) -> W::Output {
        let _steady = self.steady().await;
        write(self.now()).await
    }
}

/// See `Clock::steady`.
#[derive(Debug)]
#[must_use = "the clock may be set as soon as it is dropped"]
pub struct Steady {
    _guard: Option<OwnedRwLockReadGuard<()>>,
}

/// How often a sleep checks whether the clock was set or the machine was suspended.
const LOOKED_EVERY: Duration = Duration::from_secs(1);

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

    async fn pause(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// How far a clock may be from the one that it follows until it is held to have been set, in milliseconds.
pub const SLEW: i64 = 1000;

/// A clock that goes on evenly when the one that it follows is set, until it is told to follow: so that what is due can
/// be moved along with it, and nothing comes to be due too early, or a year too late.
#[derive(Debug)]
pub struct EvenClock {
    followed: Arc<dyn Clock>,
    pace: Mutex<Pace>,
    steady: Arc<RwLock<()>>,
}

#[derive(Clone, Copy, Debug)]
struct Pace {
    now: Timestamp,
    /// The uptime at which it was that.
    at: Duration,
    /// The sum of all steps, in milliseconds.
    steps: i64,
}

impl EvenClock {
    pub fn new(followed: Arc<dyn Clock>) -> EvenClock {
        let pace = Pace { now: followed.now(), at: followed.uptime(), steps: 0 };
        EvenClock { followed, pace: Mutex::new(pace), steady: Arc::default() }
    }

    /// By how many milliseconds the followed clock was set since it was followed last; small differences are followed
    /// at once, and are none.
    pub fn step(&self) -> Option<i64> {
        let step = self.followed.now().as_millis().saturating_sub(self.now().as_millis());
        if step.abs() > SLEW {
            return Some(step);
        }
        self.follow(step);
        None
    }

    /// Takes the step.
    pub fn follow(&self, step: i64) {
        let uptime = self.followed.uptime();
        let mut pace = self.pace.lock().expect("invariant: no holder of this lock can panic");
        *pace = Pace { now: pace.at(uptime).shifted(step), at: uptime, steps: pace.steps.saturating_add(step) };
    }

    /// Waits until nobody relies on `steady`, and lets nobody do so until the guard is dropped.
    pub async fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.steady.write().await
    }

    fn pace(&self) -> Pace {
        *self.pace.lock().expect("invariant: no holder of this lock can panic")
    }
}

impl Pace {
    fn at(&self, uptime: Duration) -> Timestamp {
        self.now.after(uptime.saturating_sub(self.at))
    }
}

#[async_trait]
impl Clock for EvenClock {
    fn now(&self) -> Timestamp {
        self.pace().at(self.followed.uptime())
    }

    fn uptime(&self) -> Duration {
        self.followed.uptime()
    }

    async fn sleep_until(&self, until: Timestamp) {
        // Either of the two clocks may be set meanwhile.
        loop {
            let left = until.since(self.now());
            if left.is_zero() {
                return;
            }
            self.followed.pause(left.min(LOOKED_EVERY)).await;
        }
    }

    async fn pause(&self, time: Duration) {
        self.followed.pause(time).await;
    }

    fn followed(&self) -> i64 {
        self.pace().steps
    }

    fn dated(&self) -> (Timestamp, i64) {
        let pace = self.pace();
        (pace.at(self.followed.uptime()), pace.steps)
    }

    async fn steady(&self) -> Steady {
        Steady { _guard: Some(Arc::clone(&self.steady).read_owned().await) }
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

    async fn sleep(&self, time: Duration) {
        let end = self.uptime().saturating_add(time);
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if self.uptime() >= end {
                return;
            }
            moved.await;
        }
    }

    async fn pause(&self, _time: Duration) {
        self.moved.notified().await;
    }
}

/// A time, with the uptime at which it was read: it shows by how much the clock was set since.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub now: Timestamp,
    uptime: Duration,
}

impl Reading {
    pub fn of(clock: &dyn Clock) -> Reading {
        Reading { now: clock.now(), uptime: clock.uptime() }
    }

    /// By how many milliseconds the clock was set since; none where that is little.
    pub fn step(&self, clock: &dyn Clock) -> i64 {
        let passed = clock.uptime().saturating_sub(self.uptime);
        let step = clock.now().as_millis().saturating_sub(self.now.after(passed).as_millis());
        if step.abs() > SLEW { step } else { 0 }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_clock_is_set_when_it_is_told_to_follow() {
        let manual = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
        let even = EvenClock::new(Arc::<ManualClock>::clone(&manual));
        let check = |now: i64, step: Option<i64>, followed: i64| {
            assert_eq!((even.now().as_millis(), even.step()), (now, step));
            assert!((even.followed() - followed).abs() <= SLEW, "{}", even.followed());
        };
        check(1_000_000, None, 0);
        manual.advance(Duration::from_secs(5));
        check(1_005_000, None, 0);
        // A little is followed when it is looked for.
        manual.set(Timestamp::from_millis(1_004_600));
        check(1_005_000, None, 0);
        check(1_004_600, None, 0);
        manual.set(Timestamp::from_millis(2_004_600));
        manual.advance(Duration::from_secs(1));
        check(1_005_600, Some(1_000_000), 0);
        even.follow(1_000_000);
        check(2_005_600, None, 1_000_000);
        manual.set(Timestamp::from_millis(0));
        check(2_005_600, Some(-2_005_600), 1_000_000);
        even.follow(-2_005_600);
        check(0, None, -1_005_600);
        manual.advance(Duration::from_secs(1));
        check(1000, None, -1_005_600);
    }

    #[tokio::test]
    async fn nobody_sees_the_clock_being_set_between_a_reading_and_what_is_noted_of_it() {
        let manual = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let even = EvenClock::new(manual);
        let pending = |future: std::pin::Pin<&mut (dyn Future<Output = ()> + Send)>| {
            future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending()
        };
        let (first, second) = (even.steady().await, even.steady().await);
        let mut alone = Box::pin(async {
            let _alone = even.alone().await;
            tokio::task::yield_now().await;
        });
        assert!(pending(alone.as_mut()));
        drop((first, second));
        assert!(pending(alone.as_mut()), "it has the clock for itself");
        let mut third = Box::pin(async { drop(even.steady().await) });
        assert!(pending(third.as_mut()));
        alone.await;
        third.await;
    }

    #[tokio::test]
    async fn an_even_sleep_ends_in_time_though_the_clock_is_set_back() {
        let manual = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
        let even = Arc::new(EvenClock::new(Arc::<ManualClock>::clone(&manual)));
        let sleeper = Arc::clone(&even);
        let slept = tokio::spawn(async move { sleeper.sleep_until(Timestamp::from_millis(1_010_000)).await });
        for _ in 0..11 {
            tokio::task::yield_now().await;
            manual.set(Timestamp::from_millis(1));
            tokio::task::yield_now().await;
            manual.advance(Duration::from_secs(1));
        }
        slept.await.expect("it ended");
    }
}
