//! Lists with contradicting pages: each is repeated at once, a few times, and none removes anything.

use super::*;

impl Observed {
    /// Lists all but the last of three, since the first stands twice. Says whether the next poll is due at once.
    async fn misfit(&self) -> bool {
        let why = "\"i000000\" stands twice in the list, so another may be missing";
        self.list(running(2), Coverage::Misfit(why.into())).await;
        let status = self.lab.status(self.account, Kind::Instance).await;
        status.next_due.expect("it is polled always") <= self.lab.clock.now()
    }

    async fn partials(&self) -> u32 {
        self.lab.status(self.account, Kind::Instance).await.partials
    }
}

#[tokio::test]
async fn a_list_that_does_not_fit_together_is_repeated_at_once_and_removes_nothing() {
    let observed = Observed::new().await;
    observed.list(running(3), Coverage::Complete).await;
    assert!(observed.misfit().await && observed.misfit().await, "two are repeated");
    assert!(!observed.misfit().await && !observed.misfit().await, "then polls come as usual");
    assert_eq!((observed.partials().await, observed.known().await.len()), (4, 3));
    assert!(observed.known().await.iter().all(|known| known.missing == 0));
    // One that fits begins the count again.
    observed.list(running(3), Coverage::Complete).await;
    assert_eq!(observed.partials().await, 0);
    assert!(observed.misfit().await);
}

#[tokio::test]
async fn a_list_that_the_driver_calls_partial_is_not_repeated() {
    let observed = Observed::new().await;
    observed.list(running(3), Coverage::Complete).await;
    observed.list(running(2), Coverage::Partial("a zone is down".into())).await;
    let status = observed.lab.status(observed.account, Kind::Instance).await;
    assert!(status.next_due.expect("it is polled always") > observed.lab.clock.now());
    assert_eq!((status.partials, observed.known().await.len()), (1, 3));
}
