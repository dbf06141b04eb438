//! Restarts loops that panic. A panic in a loop does not end the host: the loop starts again after a backoff. The panic
//! is counted, and readiness shows it if the loop's work keeps failing. The loop loses what it had in memory; its
//! claims are due again when their leases expire.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::metrics::{Metrics, Operation};
use crate::store::Backoff;

/// The error of an operation that failed because its loop panicked, in metrics and in /readyz.
const HOST_FAULT: &str = "host-fault";

pub(super) struct Contained {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) token: CancellationToken,
}

/// A loop: its name in metrics and the log, and the work that does not get done without it.
#[derive(Clone, Copy)]
pub(super) struct Part(pub(super) &'static str, pub(super) Option<Operation>);

impl Contained {
    /// Runs a loop until it returns. Starts it again after each panic.
    pub(super) async fn run(&self, Part(part, work): Part, mut begin: impl AsyncFnMut()) {
        let mut backoff = Backoff::default();
        while AssertUnwindSafe(begin()).catch_unwind().await.is_err() {
            let wait = backoff.wait();
            tracing::error!(part, "a loop panicked and starts again in {wait:?}: this is a fault of the host");
            self.metrics.work.host_fault(part);
            if let Some(work) = work {
                self.metrics.work.failed(work, self.clock.now(), HOST_FAULT);
            }
            if self.token.run_until_cancelled(self.clock.pause(wait)).await.is_none() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;
    use crate::metrics::Threshold;
    use crate::model::Timestamp;

    #[tokio::test]
    async fn a_loop_that_panics_begins_anew_and_shows() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_341_600_000)));
        let (metrics, token) = (Arc::<Metrics>::default(), CancellationToken::new());
        let contained =
            Contained { clock: Arc::<ManualClock>::clone(&clock), metrics: Arc::clone(&metrics), token: token.clone() };
        let mut begun = 0;
        let looping = contained.run(Part("polls", Some(Operation::ClaimPolls)), async || {
            begun += 1;
            assert!(begun > 5, "as asked");
        });
        let moving = async {
            loop {
                clock.advance(Duration::from_secs(3));
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = looping => {}
            () = moving => unreachable!("it has no end"),
        }
        assert_eq!(begun, 6);
        let threshold = Threshold { failures: 5, lasting: Duration::from_secs(1) };
        let failing = metrics.work.health().failing(clock.now(), threshold);
        assert_eq!(failing.iter().map(|failing| failing.error).collect::<Vec<_>>(), ["host-fault"]);
        let text = metrics.text(None).expect("written");
        assert!(text.contains("tracker_host_faults_total{part=\"polls\"} 5"), "{text}");

        // One that stops does not wait.
        token.cancel();
        contained.run(Part("polls", None), async || panic!("as asked")).await;
    }
}
