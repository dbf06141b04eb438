//! Deltas, between complete lists.

use super::*;
use InstanceState::{Pending, Running, Stopped};

impl Observed {
    /// What changed, and the ids of what is gone, a minute after the list before.
    async fn delta(&self, listed: Vec<Resource>, gone: &[usize]) -> Recorded {
        let removed = gone.iter().map(|number| instance(*number, Running).id().clone()).collect();
        self.list(listed, Coverage::Delta(removed)).await
    }

    async fn all_told(&self) -> Vec<(ChangeType, String)> {
        self.changes()
            .await
            .into_iter()
            .map(|change| (change.change_type, change.resource.as_str().to_owned()))
            .collect()
    }
}

#[tokio::test]
async fn what_a_list_of_changes_says_is_told_and_what_it_leaves_out_is_as_it_was() {
    let observed = Observed::new().await;
    observed.list(running(5), Coverage::Complete).await;
    let first = observed.lab.clock.now();
    observed.delta(vec![instance(1, Stopped), instance(2, Running), instance(7, Pending)], &[3, 9]).await;
    let second = observed.lab.clock.now();
    let id = |number: usize| instance(number, Running).id().as_str().to_owned();
    let want = [
        (ChangeType::InstanceState, id(1)),
        (ChangeType::InstanceCreated, id(7)),
        // Removals come last.
        (ChangeType::InstanceRemoved, id(3)),
    ];
    assert_eq!(observed.all_told().await, want);
    for change in observed.changes().await {
        assert_eq!((change.observed_after, change.observed_at), (Some(first), second));
    }
    assert_eq!(observed.known().await.len(), 5);
    let status = observed.lab.status(observed.account, Kind::Instance).await;
    assert_eq!((status.last_complete, status.last_full), (Some(second), Some(first)));

    // The next bounds what it tells by the one before.
    observed.delta(vec![instance(4, Stopped)], &[]).await;
    let last = observed.changes().await.pop().expect("told");
    assert_eq!((last.observed_after, last.observed_at), (Some(second), observed.lab.clock.now()));

    // A partial one gets nobody on: what it missed has to be asked for again.
    let before = observed.lab.status(observed.account, Kind::Instance).await;
    observed.list(vec![instance(0, Stopped)], Coverage::Partial("a zone is down".into())).await;
    let after = observed.lab.status(observed.account, Kind::Instance).await;
    assert_eq!((after.last_complete, after.last_full), (before.last_complete, before.last_full));
    assert_eq!(observed.all_told().await.len(), 5);
}

#[tokio::test]
async fn a_list_of_everything_finds_what_was_not_told() {
    let observed = Observed::new().await;
    observed.list(running(5), Coverage::Complete).await;
    let first = observed.lab.clock.now();
    observed.delta(vec![], &[]).await;
    observed.delta(vec![instance(3, Stopped)], &[]).await;
    let third = observed.lab.clock.now();
    // The first two are gone, and nobody said so.
    let now = || [instance(2, Stopped), instance(3, Stopped), instance(4, Stopped)].to_vec();
    observed.list(now(), Coverage::Complete).await;
    let ticket = observed.ticket().await;
    assert!(ticket.unconfirmed, "what is missing is looked for again, in a list of everything");
    observed.record(ticket, now(), Coverage::Complete).await.expect("recorded");
    assert!(!observed.ticket().await.unconfirmed);
    // That it was as it was is known for no later than the last list that would have shown it: changes after it may have
    // been left out of what the provider told.
    let bounds: Vec<_> = (observed.changes().await.into_iter().skip(1))
        .map(|change| (change.change_type, change.observed_after))
        .collect();
    let state = |after| (ChangeType::InstanceState, Some(after));
    let removed = |after| (ChangeType::InstanceRemoved, Some(after));
    assert_eq!(bounds, [state(first), state(first), removed(first), removed(first)]);
    assert!(third > first);
}

#[tokio::test]
async fn so_much_that_changed_at_once_is_not_believed_of_a_list_of_changes_either() {
    let observed = Observed::new().await;
    observed.list(running(50), Coverage::Complete).await;
    let stopped = || (0..25).map(|number| instance(number, Stopped)).collect::<Vec<_>>();
    assert_eq!(observed.delta(stopped(), &[]).await.changes, 0);
    let ticket = observed.ticket().await;
    assert!(ticket.held.is_some(), "it is asked for again, in a list of everything");
    let mut all = stopped();
    all.extend((25..50).map(|number| instance(number, Running)));
    let recorded = observed.record(ticket, all, Coverage::Complete).await.expect("recorded");
    assert_eq!(recorded.changes, 26);

    // Among a thousand, the same number is nothing to wonder at.
    let many = Observed::new().await;
    many.list(running(1000), Coverage::Complete).await;
    assert_eq!(many.delta(stopped(), &[]).await.changes, 25);
}

#[tokio::test]
async fn what_passes_is_listed_fast_though_lists_of_changes_leave_it_out() {
    let observed = Observed::under(Settings { fast_after_hook: Duration::ZERO, ..Settings::default() }).await;
    observed.list(vec![instance(0, Pending), instance(1, Running)], Coverage::Complete).await;
    observed.hook(Some(0)).await;
    let pace = async || {
        let status = observed.lab.status(observed.account, Kind::Instance).await;
        status.pace.expect("it was listed").reason
    };
    observed.delta(vec![], &[]).await;
    assert_eq!(pace().await, crate::store::PaceReason::Passing);
    observed.delta(vec![instance(0, Running)], &[]).await;
    assert_eq!(pace().await, crate::store::PaceReason::Usual);
}
