//! A clock that is set while a request is under way. What the request stores goes by the clock that was set.

use std::sync::Weak;
use std::sync::atomic::AtomicBool;

use super::crashing::REQUESTS;
use super::*;
use crate::clock::{EvenClock, Steady};
use crate::store::sqlite::tests::rows::later_than;
use crate::store::steps;

const DAY: i64 = 24 * 3_600_000;
/// By how much it is set back.
const STEP: i64 = 30 * DAY;

/// Requests that store times, beside those that write what a client asks for.
const OTHERS: [(&str, &str, &str); 4] = [
    ("GET", "/api/changes?lease=60", ""),
    ("GET", "/api/changes", ""),
    ("POST", "/api/refresh", ""),
    ("POST", "/api/refresh?id=i-1", ""),
];

/// A clock that is set back, and followed, right after it was read for the time that a test says; unless somebody relies on it
/// just then.
#[derive(Debug)]
struct SetAsRead {
    even: EvenClock,
    manual: Arc<ManualClock>,
    store: Weak<SqliteStore>,
    reads: AtomicUsize,
    set_at: AtomicUsize,
    was_set: AtomicBool,
}

#[async_trait]
impl Clock for SetAsRead {
    fn now(&self) -> Timestamp {
        let now = self.even.now();
        let read = self.reads.fetch_add(1, Ordering::SeqCst) + 1;
        if read == self.set_at.load(Ordering::SeqCst) && self.even.alone().now_or_never().is_some() {
            self.set();
        }
        now
    }

    fn uptime(&self) -> Duration {
        self.even.uptime()
    }

    async fn sleep_until(&self, until: Timestamp) {
        self.even.sleep_until(until).await;
    }

    async fn pause(&self, time: Duration) {
        self.even.pause(time).await;
    }

    async fn steady(&self) -> Steady {
        self.even.steady().await
    }
}

impl SetAsRead {
    fn set(&self) {
        self.manual.set(Timestamp::from_millis(self.manual.now().as_millis() - STEP));
        let store = self.store.upgrade().expect("a store");
        let follow = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(steps::follow_once(&*store, &self.even)).expect("followed");
        };
        std::thread::scope(|scope| scope.spawn(follow).join().expect("no panic"));
        self.was_set.store(true, Ordering::SeqCst);
    }
}

/// Makes the request with the clock set after that reading; says how often it was read, and whether it was set.
async fn check(request: (&str, &str, &str), set_at: usize) -> (usize, bool) {
    let mut made = None;
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::by(
        folder,
        sqlite::Settings::default(),
        |_| {},
        |manual, store| {
            let even = EvenClock::new(Arc::<ManualClock>::clone(&manual));
            let (reads, set_at, was_set) = Default::default();
            let clock = Arc::new(SetAsRead { even, manual, store: Arc::downgrade(store), reads, set_at, was_set });
            made = Some(Arc::clone(&clock));
            clock
        },
    );
    let clock = made.expect("it was made");
    house.fill().await;
    let before = clock.reads.load(Ordering::SeqCst);
    clock.set_at.store(before + set_at, Ordering::SeqCst);
    // Who asks for a poll waits for it, and nobody polls here.
    let _ = tokio::time::timeout(Duration::from_millis(300), house.make(request)).await;
    let was_set = clock.was_set.load(Ordering::SeqCst);
    let latest = house.clock.now().as_millis() + 2 * DAY;
    let late = later_than(&house.folder.path().join("tracker.db"), latest);
    assert!(late.is_empty(), "{request:?}, set after reading {set_at}: by the clock of before are {late:?}");
    (clock.reads.load(Ordering::SeqCst) - before, was_set)
}

#[tokio::test]
async fn what_a_request_stores_goes_by_the_clock_that_was_set_meanwhile() {
    for request in REQUESTS.into_iter().chain(OTHERS) {
        let (reads, _) = check(request, 0).await;
        assert!(reads > 0, "{request:?}");
        let mut times_set = 0;
        for set_at in 1..=reads {
            times_set += usize::from(check(request, set_at).await.1);
        }
        assert!(times_set > 0, "{request:?}: the clock was never set");
    }
}
