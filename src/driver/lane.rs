//! The threads that drivers run on. They are separate, because a guest's call of the host can't be interrupted.
//! Meanwhile the API, callbacks and connections continue.
//!
//! The slow lane runs polls that have used more CPU time than a light one does. The system gives a core to its threads
//! last. So a heavy driver takes no CPU time from other accounts' polls, from callbacks or from the API. On an idle
//! machine these threads run like any other, and legitimate heavy drivers (an interpreter in a component, a list of a
//! million) lose nothing.
//!
//! A poll starts among the light ones, and moves when it becomes heavy. A poll that was heavy the last time starts in
//! the slow lane. Otherwise a driver that uses up its limit in each of a thousand polls would have a thousand light
//! starts.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, RandomState};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinError;

use super::limits::meter::Meter;
use crate::net::home::at_home;

/// How many heavy polls are remembered, at 8 bytes each. Beyond that all are forgotten: each then has one light
/// start more.
const MOST_REMEMBERED: usize = 10_000;

pub(super) struct Lane {
    /// The CPU time of a poll from which on it is heavy.
    heavy_after: Duration,
    /// Taken only when the lane is dropped, as is the other.
    light: Option<Runtime>,
    slow: Option<Runtime>,
    /// Hashes of those that were heavy the last time. Two that share one are no harm: the light one moves out.
    heavy: Mutex<HashSet<u64>>,
    hasher: RandomState,
}

impl Lane {
    pub(super) fn open(heavy_after: Duration) -> std::io::Result<Lane> {
        let light = Builder::new_multi_thread().thread_name("driver").enable_all().build()?;
        let slow = Builder::new_multi_thread()
            .thread_name("driver-slow-lane")
            .on_thread_start(stand_back)
            .enable_all()
            .build()?;
        let (light, slow) = (Some(light), Some(slow));
        Ok(Lane { heavy_after, light, slow, heavy: Mutex::default(), hasher: RandomState::new() })
    }

    /// Runs a poll, of whose CPU time the meter knows, to its end: among the light ones, and in the slow lane from where
    /// it is heavy. `whose` tells polls apart. Where this future is dropped, so is the poll, if a little later.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        whose: impl Hash,
        meter: &Arc<Meter>,
        poll: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        let there = "invariant: the runtimes are there until the lane is dropped";
        let mark = self.hasher.hash_one(whose);
        let mut poll: Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(poll);
        if !self.is_remembered(mark) {
            let (metered, heavy_after) = (Arc::clone(meter), self.heavy_after);
            let light = async move {
                let done = std::future::poll_fn(|context| match poll.as_mut().poll(context) {
                    Poll::Ready(done) => Poll::Ready(Some(done)),
                    Poll::Pending if metered.total() > heavy_after => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                });
                done.await.ok_or(poll)
            };
            match at_home(self.light.as_ref().expect(there).handle(), light).await? {
                Ok(done) => return Ok(done),
                Err(heavy) => poll = heavy,
            }
            self.remember(mark);
        }
        let done = at_home(self.slow.as_ref().expect(there).handle(), poll).await?;
        if meter.total() <= self.heavy_after {
            self.forget(mark);
        }
        Ok(done)
    }

    /// Runs among the light ones what is made once and has to end soon, such as a description.
    pub(super) async fn run_once<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        let light = self.light.as_ref().expect("invariant: the runtime is there until the lane is dropped");
        at_home(light.handle(), future).await
    }

    fn is_remembered(&self, mark: u64) -> bool {
        self.heavy.lock().expect("invariant: no holder of this lock can panic").contains(&mark)
    }

    fn remember(&self, mark: u64) {
        let mut heavy = self.heavy.lock().expect("invariant: no holder of this lock can panic");
        if heavy.len() >= MOST_REMEMBERED {
            heavy.clear();
        }
        heavy.insert(mark);
    }

    fn forget(&self, mark: u64) {
        self.heavy.lock().expect("invariant: no holder of this lock can panic").remove(&mark);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // The engine may be dropped by a task, which must not wait for threads.
        for runtime in [self.light.take(), self.slow.take()].into_iter().flatten() {
            runtime.shutdown_background();
        }
    }
}

/// Gives the calling thread the lowest priority. On Linux it is a thread that has one; elsewhere it is the whole
/// process, and the lane is one like any other.
fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 19) {
        tracing::warn!("heavy drivers can slow down others: the priority of their thread cannot be lowered: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    /// Burns CPU time, with a pause after each slice, as a guest that is interrupted; gives the threads that it ran on.
    async fn burn(meter: Arc<Meter>, slices: u32) -> Vec<String> {
        let mut threads = vec![thread()];
        let burning = async {
            for _ in 0..slices {
                let before = crate::clock::thread_cpu_time();
                while crate::clock::thread_cpu_time() - before < Duration::from_millis(4) {
                    std::hint::spin_loop();
                }
                tokio::task::yield_now().await;
                threads.push(thread());
            }
        };
        meter.count(burning).await;
        threads
    }

    #[tokio::test]
    async fn what_is_heavy_moves_and_begins_there_the_next_time() {
        let lane = Lane::open(Duration::from_millis(10)).expect("a lane");
        let run = async |whose: &str, slices: u32| {
            let meter = Arc::new(Meter::new(Duration::from_secs(1)));
            let threads = lane.run(whose, &meter, burn(Arc::clone(&meter), slices)).await.expect("run");
            assert!(threads.iter().all(|thread| thread.starts_with("driver")), "never on the host's own: {threads:?}");
            let slow = |thread: &String| thread == "driver-slow-lane";
            (slow(&threads[0]), slow(&threads[threads.len() - 1]))
        };
        assert_eq!(run("light", 1).await, (false, false));
        assert_eq!(run("heavy", 8).await, (false, true));
        assert_eq!(run("heavy", 8).await, (true, true));
        assert_eq!(run("light", 1).await, (false, false), "whose poll it is counts");
        assert_eq!(run("heavy", 1).await, (true, true), "light this time");
        assert_eq!(run("heavy", 1).await, (false, false), "and so not remembered");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn its_threads_stand_back_and_no_others() {
        let nice = || rustix::process::getpriority_process(None).expect("a priority");
        let own = nice();
        let lane = Lane::open(Duration::ZERO).expect("a lane");
        let meter = Arc::new(Meter::new(Duration::from_secs(1)));
        let counted = Arc::clone(&meter);
        let there = async move {
            counted.count(tokio::task::yield_now()).await;
            nice()
        };
        assert_eq!(lane.run("any", &meter, there).await.expect("run"), 19);
        assert_eq!(nice(), own);
    }

    #[tokio::test]
    async fn a_poll_that_nobody_waits_for_ends() {
        struct Ends(tokio::sync::mpsc::UnboundedSender<()>);
        impl Drop for Ends {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        let lane = Lane::open(Duration::ZERO).expect("a lane");
        let meter = Arc::new(Meter::new(Duration::from_secs(1)));
        let (sender, mut ended) = tokio::sync::mpsc::unbounded_channel();
        let ends = Ends(sender);
        let counted = Arc::clone(&meter);
        let endless = async move {
            let _ends = ends;
            counted.count(tokio::task::yield_now()).await;
            std::future::pending::<()>().await;
        };
        let waiting = tokio::time::timeout(Duration::from_millis(20), lane.run("any", &meter, endless));
        assert!(waiting.await.is_err());
        ended.recv().await.expect("it was dropped");
    }
}
