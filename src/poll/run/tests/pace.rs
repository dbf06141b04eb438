//! The polling interval over the life of accounts and their hooks.

use super::*;
use crate::model::{HookSpec, HookUrl, Owner, Sealed};
use crate::store::contract::plainly::Plainly as _;
use crate::store::{NewHook, Pace, PaceReason};

const HOUR: Duration = Duration::from_secs(3600);

impl Observed {
    /// Sets a hook on an instance, or on everything.
    pub(super) async fn hook(&self, track: Option<usize>) {
        let track = track.map(|number| (Kind::Instance, instance(number, InstanceState::Running).id().clone()));
        let hook = NewHook {
            account: self.account,
            owner: Owner::Account,
            track,
            spec: HookSpec::to(HookUrl::parse("https://example.com/").expect("a URL")),
            secret: Sealed(vec![1]),
            limit: u64::MAX,
            filter_items: u64::MAX,
            poll_by: None,
            now: self.lab.clock.now(),
        };
        self.lab.context.store.set_hook(hook).await.expect("set");
    }

    /// Lists two instances, of which the first is in this state, and gives the pace from then on.
    async fn pace(&self, state: InstanceState) -> (u64, PaceReason) {
        self.list(vec![instance(0, state), instance(1, InstanceState::Running)], Coverage::Complete).await;
        let status = self.lab.status(self.account, Kind::Instance).await;
        let Pace { every, reason } = status.pace.expect("it was listed");
        assert!(status.next_due.expect("watched").since(self.lab.clock.now()) <= every.mul_f64(1.1), "{every:?}");
        (every.as_secs(), reason)
    }
}

#[tokio::test]
async fn what_is_awaited_is_listed_fast_until_it_has_come() {
    use InstanceState::{Pending, Running, Stopping};
    let after_hook = Duration::from_secs(300);
    let observed = Observed::under(Settings { fast_after_hook: after_hook, ..Settings::default() }).await;
    // Nobody waits for it; then somebody does for the other one.
    assert_eq!(observed.pace(Pending).await, (60, PaceReason::Usual));
    observed.hook(Some(1)).await;
    assert_eq!(observed.pace(Pending).await, (5, PaceReason::HookSet));
    observed.lab.clock.advance(after_hook);
    assert_eq!(observed.pace(Pending).await, (60, PaceReason::Usual));
    observed.hook(Some(0)).await;
    observed.lab.clock.advance(after_hook);
    assert_eq!(observed.pace(Pending).await, (5, PaceReason::Passing));
    assert_eq!(observed.pace(Running).await, (60, PaceReason::Usual));
    assert_eq!(observed.pace(Stopping).await, (5, PaceReason::Passing));
    // It is stuck: that hastens nothing any more, until it moves.
    observed.lab.clock.advance(Duration::from_secs(31 * 60));
    assert_eq!(observed.pace(Stopping).await, (60, PaceReason::Usual));
    assert_eq!(observed.pace(Pending).await, (5, PaceReason::Passing));
}

#[tokio::test]
async fn a_hook_on_everything_awaits_everything() {
    let observed = Observed::new().await;
    assert_eq!(observed.pace(InstanceState::Running).await, (60, PaceReason::Usual));
    observed.hook(None).await;
    observed.lab.clock.advance(Duration::from_secs(60));
    assert_eq!(observed.pace(InstanceState::ShuttingDown).await, (5, PaceReason::Passing));
}

#[tokio::test]
async fn a_quiet_account_is_listed_less_often_until_something_happens() {
    use InstanceState::{Running, Stopped};
    let observed = Observed::new().await;
    assert_eq!(observed.pace(Running).await, (60, PaceReason::Usual));
    observed.lab.clock.advance(HOUR);
    assert_eq!(observed.pace(Running).await, (90, PaceReason::Quiet));
    observed.lab.clock.advance(HOUR);
    assert_eq!(observed.pace(Running).await, (120, PaceReason::Quiet));
    let gaps = observed.changes().await.len();
    // What comes as planned is neither late nor behind a gap.
    for _ in 0..3 {
        observed.pace(Running).await;
    }
    assert_eq!(observed.pace(Stopped).await, (60, PaceReason::Usual));
    let told = observed.changes().await;
    assert_eq!((told.len(), told[gaps].passed_over), (gaps + 1, false), "{told:#?}");
}
