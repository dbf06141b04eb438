//! Clocks that are set and hosts that restart. They invent no change and lose none, and polls continue.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::clock::{EvenClock, Reading};
use crate::store::steps;

#[derive(Clone, Debug)]
enum Step {
    /// An instance is there, in one of the states; or it is not there any more.
    Becomes(usize, Option<InstanceState>),
    /// So much time passes, and what is due is polled.
    Passes(u64),
    /// The machine sleeps.
    Suspended(u64),
    /// The clock is set by so many seconds.
    Set(i64),
    /// The clock is set by so many seconds while a poll is under way.
    SetInPoll(i64),
    /// The host dies and another starts, with the clock set back by so many seconds meanwhile.
    Restart(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let state = prop_oneof![
        Just(None),
        Just(Some(InstanceState::Pending)),
        Just(Some(InstanceState::Running)),
        Just(Some(InstanceState::Stopped)),
    ];
    let jump = || prop_oneof![-5_i64..5, -7200_i64..7200, -50_000_000_i64..50_000_000];
    let step = prop_oneof![
        6 => (0..8_usize, state).prop_map(|(number, state)| Step::Becomes(number, state)),
        8 => (1..50_u64).prop_map(Step::Passes),
        1 => (1000..100_000_u64).prop_map(Step::Suspended),
        2 => jump().prop_map(Step::Set),
        2 => jump().prop_map(Step::SetInPoll),
        1 => (0..100_000_i64).prop_map(Step::Restart),
    ];
    prop::collection::vec(step, 1..60)
}

/// A host with one account, and a provider that has what a test says.
struct Life {
    observed: Observed,
    even: Arc<EvenClock>,
    provider: BTreeMap<String, Resource>,
    /// What a client knows that follows the feed, and how far it is.
    client: BTreeMap<String, InstanceState>,
    followed: usize,
    suspended: bool,
}

impl Life {
    async fn new() -> Life {
        let settings = Settings { removal_confirmations: 1, jitter: 0.0, ..Settings::default() };
        let mut observed = Observed::under(settings).await;
        let even = Arc::new(EvenClock::new(Arc::<crate::clock::ManualClock>::clone(&observed.lab.clock)));
        observed.lab.context.clock = Arc::<EvenClock>::clone(&even);
        let mut life =
            Life { observed, even, provider: BTreeMap::new(), client: BTreeMap::new(), followed: 0, suspended: false };
        life.poll(0).await;
        life
    }

    async fn follow(&self) {
        steps::follow_once(self.observed.lab.context.store.as_ref(), &self.even).await.expect("followed");
    }

    fn set(&self, seconds: i64) {
        let clock = &self.observed.lab.clock;
        clock.set(Timestamp::from_millis((clock.now().as_millis() + seconds * 1000).max(1_000_000_000)));
    }

    async fn live(&mut self, step: Step) {
        match step {
            Step::Becomes(number, state) => {
                let resource = instance(number, state.unwrap_or(InstanceState::Finish));
                let id = resource.id().as_str().to_owned();
                match state {
                    Some(_) => drop(self.provider.insert(id, resource)),
                    None => drop(self.provider.remove(&id)),
                }
            }
            Step::Passes(seconds) => {
                self.observed.lab.clock.advance(Duration::from_secs(seconds));
                self.poll(0).await;
            }
            Step::Suspended(seconds) => {
                self.observed.lab.clock.advance(Duration::from_secs(seconds));
                self.suspended = true;
                self.poll(0).await;
            }
            Step::Set(seconds) => {
                self.set(seconds);
                self.follow().await;
                self.poll(0).await;
            }
            Step::SetInPoll(seconds) => {
                self.observed.lab.clock.advance(Duration::from_secs(49));
                self.poll(seconds).await;
            }
            Step::Restart(seconds) => {
                self.set(-seconds);
                self.observed.lab.restart();
                self.even = Arc::new(EvenClock::new(Arc::<crate::clock::ManualClock>::clone(&self.observed.lab.clock)));
                self.observed.lab.context.clock = Arc::<EvenClock>::clone(&self.even);
                let (store, now) = (&self.observed.lab.context.store, self.even.now());
                steps::begin(store.as_ref(), now).await.expect("begun");
                self.poll(0).await;
            }
        }
    }

    /// Polls the instances, if they are due; the clock is set by so many seconds meanwhile.
    async fn poll(&mut self, mut set: i64) {
        let context = self.observed.lab.context.clone();
        loop {
            let begun = Reading::of(context.clock.as_ref());
            let claim = PollClaim::on_all(begun.now, Duration::from_secs(180), 1);
            let ticket = context.store.claim_due_polls(claim).await.expect("claimed").pop();
            let Some(ticket) = ticket else { break };
            if set != 0 {
                self.set(std::mem::take(&mut set));
                self.follow().await;
            }
            let resources = match ticket.kind {
                Kind::Instance => self.provider.values().cloned().collect(),
                Kind::Realm => vec![],
            };
            let step = begun.step(context.clock.as_ref());
            let (ticket, observed_at) = (ticket.shifted(step), begun.now.shifted(step));
            let kind = ticket.kind;
            let listing = Listing {
                resources,
                coverage: Coverage::Complete,
                usage: Usage::default(),
                memory: Default::default(),
            };
            let seen = Seen { listing, listed_by: "one".into(), observed_at, since: None, by_id: false };
            record(&context, ticket, seen, &Stopwatch::start()).await.expect("recorded");
            if kind == Kind::Instance {
                self.check().await;
            }
        }
        for status in context.store.poll_status(self.observed.account).await.expect("read") {
            let wait = status.next_due.expect("it is watched").since(context.clock.now());
            // Steps of a second are followed without moving what is due.
            let most = if status.kind == Kind::Instance { 180 } else { 360 };
            assert!(wait <= Duration::from_secs(most), "{} are not listed for {wait:?}", status.kind);
        }
    }

    /// What the client knows is what the provider has, and what it was told has its bounds.
    async fn check(&mut self) {
        for change in self.observed.changes().await.into_iter().skip(self.followed) {
            self.followed += 1;
            assert!(change.observed_after.is_none_or(|after| after <= change.observed_at), "{change:?}");
            let state = |state: Option<crate::model::State>| match state {
                Some(crate::model::State::Instance(state)) => Some(state),
                _ => None,
            };
            let id = change.resource.as_str().to_owned();
            match change.change_type {
                ChangeType::InstanceRemoved => {
                    assert_eq!(self.client.remove(&id), state(change.old_state), "{change:?}");
                }
                ChangeType::InstanceCreated | ChangeType::InstanceState => {
                    let new = state(change.new_state).expect("a state");
                    assert_eq!(self.client.insert(id, new), state(change.old_state), "{change:?}");
                }
                ChangeType::TrackerGap => assert!(self.suspended, "every poll was made: {change:?}"),
                other => panic!("{other:?}"),
            }
        }
        let has = self.provider.iter().map(|(id, resource)| match resource {
            Resource::Instance(instance) => (id.clone(), instance.state),
            Resource::Realm(_) => panic!("no realm is listed"),
        });
        assert_eq!(self.client, has.collect());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn clocks_that_are_set_and_hosts_that_restart_neither_invent_nor_lose_a_change(lived in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut life = Life::new().await;
            for step in lived {
                life.live(step).await;
            }
        });
    }
}

#[tokio::test]
async fn the_loop_goes_on_when_the_clock_is_set() {
    let most = Duration::from_secs(60);
    let settings = Settings { instances_every: most, max_backoff: most, jitter: 0.0, ..Settings::default() };
    let mut lab = crate::poll::tests::Lab::new(settings);
    let even = Arc::new(EvenClock::new(Arc::<crate::clock::ManualClock>::clone(&lab.clock)));
    lab.context.clock = Arc::<EvenClock>::clone(&even);
    let account = lab.enrol("ann", Origin::Config).await;
    lab.context.store.request_poll(account, Kind::Instance, even.now()).await.expect("asked for");
    let mut polled = lab.context.polled.subscribe();
    let token = tokio_util::sync::CancellationToken::new();
    let the_loop = tokio::spawn(crate::poll::run(lab.context.clone(), token.clone()));
    polled.wait_for(|polled| *polled > 0).await.expect("it runs");
    // The loop is at another point each time.
    for step in [-40_000, -3_600_000, -40_000_000_000, 3_600_000, 40_000_000_000].repeat(20) {
        lab.clock.set(Timestamp::from_millis(lab.clock.now().as_millis() + step));
        steps::follow_once(lab.context.store.as_ref(), &even).await.expect("followed");
        let ended = *polled.borrow_and_update();
        let due = lab.status(account, Kind::Instance).await.next_due.expect("it is tried again");
        let wait = due.since(even.now());
        assert!(wait <= most, "what is due was not moved: {step}");
        lab.clock.advance(wait.max(Duration::from_secs(1)));
        // Only a test that fails waits so long.
        let again = tokio::time::timeout(Duration::from_secs(60), polled.wait_for(|count| *count > ended)).await;
        again.expect("it still sleeps").expect("it runs");
    }
    token.cancel();
    the_loop.await.expect("it ends");
}
