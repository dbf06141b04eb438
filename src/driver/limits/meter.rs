//! Counts the CPU time of a guest: the time on a thread while its future runs. It excludes the time that the guest
//! waits for a provider, and the time that the machine gives to others.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::thread_cpu_time;

/// CPU time of one sandbox. Only one thread runs a sandbox at a time.
#[derive(Debug)]
pub(in crate::driver) struct Meter {
    limit: Duration,
    /// Nanoseconds since the last `restart`, but for the slice that is running.
    used: AtomicU64,
    /// The thread's CPU time when the running slice began.
    slice: AtomicU64,
    /// Nanoseconds before the last `restart`.
    before: AtomicU64,
    passed: AtomicBool,
}

impl Meter {
    pub(in crate::driver) fn new(limit: Duration) -> Meter {
        Meter {
            limit,
            used: AtomicU64::new(0),
            slice: AtomicU64::new(0),
            before: AtomicU64::new(0),
            passed: AtomicBool::new(false),
        }
    }

    /// Begins to count anew against the limit, for the next page.
    pub(in crate::driver) fn restart(&self) {
        self.before.fetch_add(self.used.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Runs a future and counts the CPU time of the thread that runs it.
    pub(in crate::driver) async fn count<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        std::future::poll_fn(|context| {
            let start = nanos(thread_cpu_time());
            self.slice.store(start, Ordering::Relaxed);
            let polled = future.as_mut().poll(context);
            self.used.fetch_add(nanos(thread_cpu_time()).saturating_sub(start), Ordering::Relaxed);
            polled
        })
        .await
    }

    /// Called from within the counted future: whether the limit is passed by now.
    pub(in crate::driver) fn over(&self) -> bool {
        let slice = nanos(thread_cpu_time()).saturating_sub(self.slice.load(Ordering::Relaxed));
        let over = self.used.load(Ordering::Relaxed).saturating_add(slice) > nanos(self.limit);
        if over {
            self.passed.store(true, Ordering::Relaxed);
        }
        over
    }

    /// Whether it was found to be over the limit.
    pub(in crate::driver) fn passed(&self) -> bool {
        self.passed.load(Ordering::Relaxed)
    }

    /// All that was used, restarts included.
    pub(in crate::driver) fn total(&self) -> Duration {
        Duration::from_nanos(self.before.load(Ordering::Relaxed) + self.used.load(Ordering::Relaxed))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
