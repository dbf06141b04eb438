//! Single instances, between complete lists.

use super::*;
use crate::store::{Pace, PaceReason};
use InstanceState::{Pending, Running, Stopped};

impl Observed {
    /// Asks for these instances alone, of which the provider has those.
    async fn ask(&self, numbers: &[usize], listed: Vec<Resource>) -> Recorded {
        let ids = numbers.iter().map(|number| instance(*number, Running).id().clone()).collect();
        let store = &self.lab.context.store;
        store.request_ids(self.account, ids, self.lab.clock.now()).await.expect("asked for");
        self.answer(self.next().await, listed).await
    }

    /// The poll of instances that is due next. That of realms is put off.
    async fn next(&self) -> PollTicket {
        let store = &self.lab.context.store;
        loop {
            let now = self.lab.clock.now();
            let claim = PollClaim::on_all(now, Duration::from_secs(10), 1);
            match store.claim_due_polls(claim).await.expect("claimed").pop() {
                Some(ticket) if ticket.kind == Kind::Instance => return ticket,
                Some(ticket) => {
                    let later = now.after(Duration::from_secs(86_400));
                    store.release_poll(self.account, ticket.kind, ticket.lease, later).await.expect("put off");
                }
                None => self.lab.clock.advance(Duration::from_secs(1)),
            }
        }
    }

    async fn answer(&self, ticket: PollTicket, listed: Vec<Resource>) -> Recorded {
        self.answer_with(ticket, self.seen(listed, Coverage::Complete)).await
    }

    async fn answer_with(&self, ticket: PollTicket, seen: Seen) -> Recorded {
        let wanted = ticket.wanted.clone().expect("single instances are due");
        super::super::by_id::record(&self.lab.context, ticket, seen, &wanted, &Stopwatch::start())
            .await
            .expect("recorded")
    }

    fn seen(&self, resources: Vec<Resource>, coverage: Coverage) -> Seen {
        let usage = Usage { requests: 1, ..Usage::default() };
        let listing = Listing { resources, coverage, usage, memory: Default::default() };
        let observed_at = self.lab.clock.now();
        Seen { listing, listed_by: "one".into(), observed_at, since: None, by_id: true }
    }

    /// A list of everything, by a driver that can be asked for single instances.
    async fn list_all(&self, resources: Vec<Resource>) {
        let ticket = self.next().await;
        assert_eq!(ticket.wanted, None);
        record(&self.lab.context, ticket, self.seen(resources, Coverage::Complete), &Stopwatch::start())
            .await
            .expect("recorded");
    }

    async fn schedule(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let status = self.lab.status(self.account, Kind::Instance).await;
        (status.next_due, status.last_complete)
    }
}

#[tokio::test]
async fn an_instance_that_is_asked_for_is_told_of_and_lists_stay_as_they_are() {
    let observed = Observed::new().await;
    observed.list_all(running(5)).await;
    let schedule = observed.schedule().await;
    observed.lab.clock.advance(Duration::from_secs(2));
    assert_eq!(observed.ask(&[1, 2], vec![instance(1, Stopped), instance(2, Running)]).await.changes, 1);
    let change = observed.changes().await.pop().expect("told");
    assert_eq!((change.change_type, change.observed_at), (ChangeType::InstanceState, observed.lab.clock.now()));
    assert_eq!((change.observed_after, change.passed_over), (schedule.1, false));
    assert_eq!(observed.known().await.len(), 5);
    assert_eq!(observed.schedule().await, schedule);
}

/// Of an id that stands twice, with two states: neither is recorded, and a list of everything tells.
#[tokio::test]
async fn an_answer_with_an_id_twice_is_not_believed_and_everything_is_polled() {
    let observed = Observed::new().await;
    observed.list_all(running(5)).await;
    observed.lab.clock.advance(Duration::from_secs(2));
    let ids = vec![instance(1, Running).id().clone()];
    observed.lab.context.store.request_ids(observed.account, ids, observed.lab.clock.now()).await.expect("asked for");
    let ticket = observed.next().await;
    let seen = observed.seen(vec![instance(1, Stopped)], Coverage::Misfit("\"i000001\" stands twice".into()));
    assert_eq!(observed.answer_with(ticket, seen).await.changes, 0);
    assert!(observed.changes().await.iter().all(|change| change.change_type != ChangeType::InstanceState));
    assert_eq!(observed.next().await.wanted, None, "everything is polled");
}

#[tokio::test]
async fn an_instance_that_is_not_listed_is_not_missed_and_everything_is_polled() {
    let observed = Observed::new().await;
    observed.list_all(running(5)).await;
    observed.lab.clock.advance(Duration::from_secs(2));
    assert_eq!(observed.ask(&[1, 2], vec![instance(2, Running)]).await.changes, 0);
    assert!(observed.known().await.iter().all(|known| known.missing == 0));
    assert_eq!(observed.schedule().await.0, Some(observed.lab.clock.now()));
    observed.list_all(running(5)).await;
    assert_eq!(observed.changes().await, []);
}

#[tokio::test]
async fn so_much_that_changed_at_once_is_left_to_a_list() {
    let observed = Observed::new().await;
    let least = observed.lab.context.settings.mass_changes.least;
    observed.list_all(running(least * 2)).await;
    observed.lab.clock.advance(Duration::from_secs(2));
    let numbers: Vec<usize> = (0..least).collect();
    let stopped = || numbers.iter().map(|number| instance(*number, Stopped)).collect();
    assert_eq!(observed.ask(&numbers, stopped()).await.changes, 0);
    assert_eq!(observed.schedule().await.0, Some(observed.lab.clock.now()));
}

#[tokio::test]
async fn what_is_awaited_is_asked_for_by_itself_until_it_has_come() {
    let observed = Observed::under(Settings { jitter: 0.0, ..Settings::default() }).await;
    let all = |state| vec![instance(0, state), instance(1, Running), instance(2, Pending)];
    observed.list_all(all(Running)).await;
    observed.hook(Some(0)).await;
    observed.lab.clock.advance(Duration::from_secs(60));
    observed.list_all(all(Pending)).await;
    let list_due = observed.lab.clock.now().after(Duration::from_secs(60));
    let pace = async || observed.lab.status(observed.account, Kind::Instance).await.pace;
    let every = Duration::from_secs(60);
    assert_eq!(pace().await, Some(Pace { every, reason: PaceReason::Passing }));
    for state in [Pending, Pending, Running] {
        let before = observed.lab.clock.now();
        let ticket = observed.next().await;
        assert_eq!(observed.lab.clock.now(), before.after(Duration::from_secs(5)));
        let wanted = ticket.wanted.clone().expect("nothing else is asked for");
        assert_eq!(wanted.ids, [instance(0, Running).id().clone()], "nobody waits for the other one");
        observed.answer(ticket, vec![instance(0, state)]).await;
    }
    assert_eq!(pace().await, Some(Pace { every, reason: PaceReason::Usual }));
    let due = observed.schedule().await.0.expect("watched");
    assert!(due <= list_due && list_due.since(due) <= Duration::from_secs(60), "{due:?} {list_due:?}");
    let told: Vec<_> = observed.changes().await.into_iter().map(|change| change.change_type).collect();
    assert_eq!(told, [ChangeType::InstanceState, ChangeType::InstanceState]);
}
