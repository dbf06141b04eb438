//! Polls that the store fails to record. Their claims are released whatever goes wrong, and polling recovers by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use super::*;
use crate::clock::ManualClock;
use crate::metrics::Threshold;
use crate::model::ErrorCode;
use crate::poll::run_once;
use crate::store::NoShares;

/// How soon a poll that could not be recorded is due again at most, though its lease is three minutes.
const SOON: Duration = Duration::from_secs(5);

/// No poll can be recorded, be it a list or a failure. Claims can be made and given back.
const UNRECORDABLE: &str = "CREATE TEMP TRIGGER broken BEFORE UPDATE OF failures ON polls
    BEGIN SELECT RAISE(ABORT, 'as asked'); END";
/// Claims can't be given back either.
const UNRELEASABLE: &str = "CREATE TEMP TRIGGER worse BEFORE UPDATE OF claimed ON polls WHEN NEW.claimed IS NULL
    BEGIN SELECT RAISE(ABORT, 'as asked'); END";

#[tokio::test]
async fn a_poll_that_cannot_be_recorded_is_due_again_within_seconds() {
    for origin in [Origin::Config, Origin::Client] {
        let lab = Lab::new(Settings { max_backoff: Duration::from_secs(2), ..Settings::default() });
        let account = lab.enrol("ann", origin.clone()).await;
        lab.context.store.request_poll(account, Kind::Instance, lab.clock.now()).await.expect("asked for");
        lab.store.execute(UNRECORDABLE).await.expect("broken");
        assert!(run_once(&lab.context).await.expect("claimed") > 0);
        let text = lab.context.metrics.text(None).expect("written");
        let line = r#"tracker_polls_total{driver="absent",kind="instances",outcome="unrecorded"} 1"#;
        assert!(text.contains(line), "{text}");
        let unrecorded = |kind| lab.context.metrics.work.health().unrecorded_of(account, kind);
        assert_eq!(unrecorded(Kind::Instance).expect("it is remembered").failures, 1);
        assert!(lab.context.metrics.work.health().is_failing(Operation::RecordPolls));

        lab.clock.advance(SOON);
        assert!(run_once(&lab.context).await.expect("claimed again") > 0);
        assert_eq!(unrecorded(Kind::Instance).expect("it is remembered").failures, 2);
        let threshold = Threshold { failures: 2, lasting: SOON };
        let failing = lab.context.metrics.work.health().failing(lab.clock.now(), threshold);
        assert_eq!(failing.iter().map(|failing| failing.operation).collect::<Vec<_>>(), [Operation::RecordPolls]);

        lab.store.execute("DROP TRIGGER broken").await.expect("mended");
        lab.clock.advance(SOON);
        assert!(run_once(&lab.context).await.expect("claimed again") > 0);
        assert_eq!(lab.status(account, Kind::Instance).await.failures, 1, "{origin:?}");
        assert_eq!(unrecorded(Kind::Instance), None);
        assert!(lab.context.metrics.work.health().failing(lab.clock.now(), threshold).is_empty());
    }
}

#[tokio::test]
async fn the_loop_gives_claims_back_as_soon_as_the_store_takes_that() {
    let lab = Lab::new(Settings::default());
    // Nobody watches it: without its claim given back, nothing would wake the loop for an hour.
    let account = lab.enrol("ann", Origin::Client).await;
    lab.context.store.request_poll(account, Kind::Instance, lab.clock.now()).await.expect("asked for");
    lab.store.execute(UNRECORDABLE).await.expect("broken");
    lab.store.execute(UNRELEASABLE).await.expect("broken");
    let mut polled = lab.context.polled.subscribe();
    let token = tokio_util::sync::CancellationToken::new();
    let the_loop = tokio::spawn(crate::poll::run(lab.context.clone(), token.clone()));
    polled.wait_for(|polled| *polled == 1).await.expect("it runs");
    lab.store.execute("DROP TRIGGER broken; DROP TRIGGER worse").await.expect("mended");
    let mended = lab.clock.now();
    while lab.status(account, Kind::Instance).await.failures == 0 {
        // Time passes only while nothing happens.
        if tokio::time::timeout(Duration::from_millis(20), polled.changed()).await.is_err() {
            lab.clock.advance(Duration::from_millis(100));
        }
        assert!(lab.clock.now().since(mended) < 20 * SOON, "it is still claimed");
    }
    token.cancel();
    the_loop.await.expect("it ends");
}

#[tokio::test]
async fn the_loop_wakes_at_the_end_of_a_lease_that_nobody_gives_back() {
    let lab = Lab::new(Settings::default());
    let account = lab.enrol("ann", Origin::Client).await;
    lab.context.store.request_poll(account, Kind::Instance, lab.clock.now()).await.expect("asked for");
    // As a host leaves it that dies, where another goes on.
    let lease = Duration::from_secs(180);
    let claim = PollClaim::on_all(lab.clock.now(), lease, 1);
    assert_eq!(lab.context.store.claim_due_polls(claim).await.expect("claimed").len(), 1);
    assert_eq!(
        lab.context.store.next_poll_due(lab.clock.now(), Arc::new(NoShares)).await.expect("read"),
        Some(lab.clock.now().after(lease))
    );
    let mut polled = lab.context.polled.subscribe();
    let token = tokio_util::sync::CancellationToken::new();
    let the_loop = tokio::spawn(crate::poll::run(lab.context.clone(), token.clone()));
    lab.clock.advance(lease);
    polled.wait_for(|polled| *polled == 1).await.expect("it runs");
    token.cancel();
    the_loop.await.expect("it ends");
}

/// Panics when it is asked for the time once too often.
#[derive(Debug)]
struct Brittle {
    clock: Arc<ManualClock>,
    left: AtomicU64,
}

impl Brittle {
    fn use_once(&self) {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| Some(left.saturating_sub(1)));
        assert_ne!(left, Ok(1), "as asked");
    }
}

#[async_trait]
impl Clock for Brittle {
    fn now(&self) -> Timestamp {
        self.use_once();
        self.clock.now()
    }

    fn uptime(&self) -> Duration {
        self.use_once();
        self.clock.uptime()
    }

    async fn sleep_until(&self, until: Timestamp) {
        self.clock.sleep_until(until).await;
    }

    async fn pause(&self, time: Duration) {
        self.clock.pause(time).await;
    }
}

#[tokio::test]
async fn a_poll_that_panics_again_and_again_fails_visibly_and_backs_off() {
    let lab = Lab::new(Settings { jitter: 0.0, ..Settings::default() });
    let account = lab.enrol("configured", Origin::Config).await;
    for (failures, wait) in [(1, 5), (2, 10), (3, 20)] {
        // Both kinds, one after the other, as an account's polls are.
        for _ in Kind::ALL {
            let claim = PollClaim::on_all(lab.clock.now(), Duration::from_secs(180), 1);
            let ticket = lab.context.store.claim_due_polls(claim).await.expect("claimed").pop().expect("it is due");
            let brittle = Arc::new(Brittle { clock: Arc::clone(&lab.clock), left: AtomicU64::new(1) });
            let context = Context { clock: brittle, ..lab.context.clone() };
            let in_flight = context.turns.shares().begin(&ticket.endpoint, ticket.share);
            let claimed_at = Reading::of(lab.clock.as_ref());
            poll(context, ticket, claimed_at, in_flight).await;
        }
        let wait = Duration::from_secs(wait);
        for kind in Kind::ALL {
            let status = lab.status(account, kind).await;
            assert_eq!((status.failures, status.under_way), (failures, false));
            assert_eq!(status.next_due, Some(lab.clock.now().after(wait)));
            let error = status.last_error.expect("it failed");
            assert_eq!(error.code, ErrorCode::HostFault);
            assert!(error.message.contains("see the host's log"), "{}", error.message);
        }
        lab.clock.advance(wait);
    }
    let text = lab.context.metrics.text(None).expect("written");
    for line in [
        r#"tracker_polls_total{driver="absent",kind="instances",outcome="host-fault"} 3"#,
        r#"tracker_host_faults_total{part="poll"} 6"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_poll_that_panics_anywhere_is_due_again_within_seconds() {
    let lab = Lab::new(Settings { max_backoff: Duration::from_secs(2), ..Settings::default() });
    let account = lab.enrol("ann", Origin::Client).await;
    let mut panics = 0;
    for uses in 1.. {
        lab.context.store.request_poll(account, Kind::Instance, lab.clock.now()).await.expect("asked for");
        let claim = PollClaim::on_all(lab.clock.now(), Duration::from_secs(180), 1);
        let ticket = lab.context.store.claim_due_polls(claim).await.expect("claimed").pop().expect("it is due");
        let before = lab.status(account, Kind::Instance).await.failures;
        let brittle = Arc::new(Brittle { clock: Arc::clone(&lab.clock), left: AtomicU64::new(uses) });
        let context = Context { clock: Arc::<Brittle>::clone(&brittle), ..lab.context.clone() };
        let in_flight = context.turns.shares().begin(&ticket.endpoint, ticket.share);
        let claimed_at = Reading::of(lab.clock.as_ref());
        poll(context, ticket, claimed_at, in_flight).await;
        if brittle.left.load(Ordering::SeqCst) > 0 {
            break;
        }
        panics += 1;
        let is_recorded = lab.status(account, Kind::Instance).await.failures > before;
        lab.clock.advance(SOON);
        let again = run_once(&lab.context).await.expect("claimed");
        assert!(is_recorded || again == 1, "after {uses} uses of the clock");
    }
    assert!(panics > 2, "the clock is asked more often than that: {panics}");
}
