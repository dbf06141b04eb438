//! The outcome of a driver's answers, over a real store.

mod answers;
mod broken_off;
mod by_id;
mod changing;
mod flapping;
mod incremental;
mod misfits;
mod pace;
mod steps;
mod unrecorded;

use std::sync::Arc;

use secrecy::ExposeSecret as _;

use super::list::{NoList, password};
use super::record::bounded;
use super::*;
use crate::clock::Clock;
use crate::driver::{CallError, CallFailure, Listing, Usage};
use crate::model::{
    AccountId, ChangeType, Details, Instance, InstanceState, Kind, Origin, Resource, ResourceId, Timestamp,
};
use crate::poll::tests::{Lab, key};
use crate::poll::{Settings, mass_change};
use crate::roster::Found;
use crate::store::{After, ChangeQuery, Decided, Decision, KnownResource, PollClaim};
use crate::vault::VaultError;

fn instance(number: usize, state: InstanceState) -> Resource {
    Resource::Instance(Instance {
        id: ResourceId::parse(format!("i{number:06}")).expect("an id"),
        name: None,
        owner: None,
        realm: None,
        image: None,
        hardware_profile: None,
        state,
        provider_state: "word".into(),
        launched_at: None,
        public_addresses: vec![].into(),
        private_addresses: vec![].into(),
        labels: vec![].into(),
    })
}

fn running(count: usize) -> Vec<Resource> {
    (0..count).map(|number| instance(number, InstanceState::Running)).collect()
}

/// A lab with one account of the configuration, whose instances a test lists.
struct Observed {
    lab: Lab,
    account: AccountId,
    /// The digest of the driver that lists.
    driver: std::cell::RefCell<String>,
}

impl Observed {
    async fn new() -> Observed {
        Observed::under(Settings::default()).await
    }

    async fn under(settings: Settings) -> Observed {
        let lab = Lab::new(settings);
        let account = lab.enrol("configured", Origin::Config).await;
        Observed { lab, account, driver: "one".to_owned().into() }
    }

    /// Claims the poll of instances, of those that are due once an interval has passed.
    async fn ticket(&self) -> PollTicket {
        loop {
            let now = self.lab.context.clock.now();
            let claim = PollClaim::on_all(now, Duration::from_secs(10), 9);
            let tickets = self.lab.context.store.claim_due_polls(claim).await.expect("claimed");
            if let Some(ticket) = tickets.into_iter().find(|ticket| ticket.kind == Kind::Instance) {
                return ticket;
            }
            self.lab.clock.advance(Duration::from_secs(11));
        }
    }

    async fn list(&self, resources: Vec<Resource>, coverage: Coverage) -> Recorded {
        let ticket = self.ticket().await;
        self.record(ticket, resources, coverage).await.expect("recorded")
    }

    async fn record(
        &self,
        ticket: PollTicket,
        resources: Vec<Resource>,
        coverage: Coverage,
    ) -> Result<Recorded, StoreError> {
        self.record_pages(ticket, resources, coverage, 1).await
    }

    async fn record_pages(
        &self,
        ticket: PollTicket,
        resources: Vec<Resource>,
        coverage: Coverage,
        pages: u32,
    ) -> Result<Recorded, StoreError> {
        let context = &self.lab.context;
        let usage = Usage { pages, requests: pages, ..Usage::default() };
        let listing = Listing { resources, coverage, usage, memory: Default::default() };
        let seen = Seen {
            listing,
            listed_by: self.driver.borrow().clone(),
            observed_at: context.clock.now(),
            since: None,
            by_id: false,
        };
        record(context, ticket, seen, &Stopwatch::start()).await
    }

    async fn decide(&self, answer: Decision) -> Decided {
        let now = self.lab.clock.now();
        let store = &self.lab.context.store;
        store.decide_mass_change(key("configured"), Kind::Instance, None, answer, now).await.expect("decided")
    }

    async fn changes(&self) -> Vec<crate::model::NewChange> {
        let query = ChangeQuery { after: After::Oldest, filter: Default::default(), limit: 1000, looked_at: 1000 };
        self.lab
            .context
            .store
            .changes(self.account, query)
            .await
            .expect("read")
            .changes
            .into_iter()
            .map(|change| change.what)
            .collect()
    }

    async fn known(&self) -> Vec<KnownResource> {
        self.lab.context.store.known_resources(self.account, Kind::Instance).await.expect("read")
    }
}

#[tokio::test]
async fn lists_are_compared_and_recorded() {
    let listed = Observed::new().await;
    let changes = |recorded: Recorded| recorded.changes;
    // A partial list is no baseline, the first complete one is: nobody is told what was there all along.
    let partial = || Coverage::Partial("one zone did not answer".into());
    assert_eq!(changes(listed.list(running(2), partial()).await), 0);
    let status = listed.lab.status(listed.account, Kind::Instance).await;
    assert_eq!(status.partial_reason.as_deref(), Some("one zone did not answer"));
    assert_eq!((status.last_complete, status.requests), (None, 1));
    assert_eq!(changes(listed.list(running(3), Coverage::Complete).await), 0);
    let first = listed.lab.status(listed.account, Kind::Instance).await;
    assert_eq!((first.last_complete, first.partial_reason), (Some(listed.lab.clock.now()), None));
    let wait = first.next_due.expect("watched").since(listed.lab.clock.now());
    assert!((30..=60).contains(&wait.as_secs()), "spread over half an interval: {wait:?}");

    let before = listed.known().await;
    assert_eq!(before.len(), 3);
    assert_eq!(changes(listed.list(running(3), Coverage::Complete).await), 0);
    assert_eq!(listed.known().await, before, "nothing changed, nothing is written");

    // One stops, one is new, and what a partial list leaves out stays.
    let now = vec![instance(1, InstanceState::Stopped), instance(7, InstanceState::Pending)];
    assert_eq!(changes(listed.list(now.clone(), partial()).await), 2);
    assert_eq!(listed.known().await.len(), 4);
    assert!(listed.known().await.iter().all(|known| known.missing == 0));
    assert_eq!(changes(listed.list(now.clone(), partial()).await), 0);
    // Two complete lists without them, and they are gone. The first ends a gap: not all was seen for a while.
    assert_eq!(changes(listed.list(now.clone(), Coverage::Complete).await), 1);
    let gap = listed.changes().await.pop().expect("a change");
    assert_eq!(gap.change_type.as_str(), "tracker.gap");
    let Some(Details::Gap(gap)) = gap.details else { panic!("{gap:?}") };
    assert_eq!((gap.of.as_str(), gap.why.as_str()), ("instances", "one zone did not answer"));
    assert_eq!(listed.known().await.iter().filter(|known| known.missing == 1).count(), 2);
    assert_eq!(changes(listed.list(now, Coverage::Complete).await), 2);
    assert_eq!(listed.known().await.len(), 2);
}

#[tokio::test]
async fn long_lists_are_recorded_as_short_ones_are() {
    const LONG_LIST: usize = 2000;
    let listed = Observed::new().await;
    listed.list(running(LONG_LIST + 1), Coverage::Complete).await;
    assert_eq!(listed.known().await.len(), LONG_LIST + 1);
    let mut now = running(LONG_LIST + 1);
    now[LONG_LIST] = instance(LONG_LIST, InstanceState::Stopped);
    assert_eq!(listed.list(now, Coverage::Complete).await.changes, 1);
    listed.list(vec![], Coverage::Complete).await;
    // And the mass change that this is.
    assert_eq!(listed.list(vec![], Coverage::Complete).await.changes, LONG_LIST + 2);
    assert_eq!(listed.known().await, []);
}

/// The account did nothing wrong, and was not asked for a while: that is a gap, which says why.
#[tokio::test]
async fn a_gap_after_an_open_circuit_says_so() {
    let lab = Observed::new().await;
    lab.list(running(1), Coverage::Complete).await;
    let ticket = lab.ticket().await;
    let endpoints = Arc::clone(lab.lab.context.turns.shares().endpoints());
    while endpoints.view(&ticket.endpoint).open_until.is_none() {
        endpoints.found(&ticket.endpoint, Found::Hangs);
    }
    let (account, now) = (ticket.account.id, lab.lab.clock.now());
    lab.lab.context.store.release_poll(account, ticket.kind, ticket.lease, now).await.expect("given back");
    lab.lab.clock.advance(Duration::from_secs(600));
    endpoints.found(&ticket.endpoint, Found::Answers);
    let mut ticket = lab.ticket().await;
    explain_wait(&lab.lab.context, &mut ticket);
    lab.record(ticket, running(1), Coverage::Complete).await.expect("recorded");
    let gaps: Vec<_> = lab.changes().await.into_iter().filter_map(|change| change.details).collect();
    let [Details::Gap(gap)] = &gaps[..] else { panic!("{gaps:?}") };
    assert!(gap.why.starts_with("circuit-open: "), "{}", gap.why);
    assert!(gap.to.since(gap.from) >= Duration::from_secs(600));
    // The next one comes in time, and says nothing of it.
    let mut ticket = lab.ticket().await;
    explain_wait(&lab.lab.context, &mut ticket);
    assert_eq!(ticket.trouble, None);
    lab.record(ticket, running(1), Coverage::Complete).await.expect("recorded");
    assert_eq!(lab.changes().await.len(), 1);
}

#[tokio::test]
async fn a_list_that_comes_after_its_lease_is_not_taken() {
    let listed = Observed::new().await;
    let slow = listed.ticket().await;
    listed.lab.clock.advance(Duration::from_secs(11));
    let again = listed.ticket().await;
    let late = listed.record(slow, running(5), Coverage::Complete).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    assert_eq!(listed.known().await, []);
    listed.record(again, running(1), Coverage::Complete).await.expect("recorded");
    assert_eq!(listed.known().await.len(), 1);
}

#[tokio::test]
async fn a_configured_account_is_polled_with_the_configured_password() {
    let listed = Observed::new().await;
    let ticket = listed.ticket().await;
    let password_of = |ticket: &PollTicket| {
        password(&listed.lab.context, ticket, &ticket.account.key).map(|secret| secret.expose_secret().to_owned())
    };
    assert_eq!(password_of(&ticket).expect("configured"), "as configured");
    // It is a client's account from the day on which the configuration does not name it any more.
    let mut left = ticket.clone();
    left.account.origin = Origin::Client;
    assert_eq!(password_of(&left).expect("opened"), "as proven");
    let mut other = ticket;
    other.account.key = key("another");
    assert!(matches!(password_of(&other), Err(VaultError::WrongKey)));
}

#[test]
fn what_is_kept_of_an_error_is_bounded() {
    let check = |message: String, want: usize| assert_eq!(bounded(message).len(), want);
    check("short".into(), 5);
    check("x".repeat(1024), 1024);
    check("x".repeat(5000), 1024);
    check(format!("x{}", "\u{e9}".repeat(600)), 1023);
}

#[tokio::test]
async fn another_version_maps_anew_without_a_change_of_state() {
    let observed = Observed::new().await;
    let mapped = |state| vec![instance(0, state), instance(1, InstanceState::Running)];
    observed.list(mapped(InstanceState::Running), Coverage::Complete).await;
    *observed.driver.borrow_mut() = "two".into();
    // Not the whole of it: the next list is still the new version's first.
    observed.list(vec![], Coverage::Partial("half is down".into())).await;
    observed.list(mapped(InstanceState::Stopped), Coverage::Complete).await;
    let known = observed.known().await;
    assert_eq!(known[0].state.as_str(), "STOPPED");
    // Whether the list that was not complete left a gap is a matter of when the polls were due.
    let mut changes = observed.changes().await;
    changes.retain(|change| change.change_type != ChangeType::TrackerGap);
    let types: Vec<_> = changes.iter().map(|change| change.change_type.as_str()).collect();
    assert_eq!(types, ["instance.updated"]);
    assert_eq!(changes[0].old_state, changes[0].new_state);

    // From then on a state is a state again.
    observed.list(mapped(InstanceState::Running), Coverage::Complete).await;
    assert_eq!(observed.changes().await.last().expect("a change").change_type.as_str(), "instance.state");
}

#[tokio::test]
async fn a_mass_change_is_told_once_a_second_list_shows_it() {
    let observed = Observed::new().await;
    let changes = |recorded: Recorded| recorded.changes;
    observed.list(running(50), Coverage::Complete).await;
    // Half of them vanish: nothing of it is taken, and the list is made again at once.
    assert_eq!(changes(observed.list(running(25), Coverage::Complete).await), 0);
    let known = observed.known().await;
    assert!(known.len() == 50 && known.iter().all(|known| known.missing == 0));
    let status = observed.lab.status(observed.account, Kind::Instance).await;
    assert_eq!(status.next_due, Some(observed.lab.clock.now()));

    // A glitch: they are back, and nothing was ever told of it.
    assert_eq!(changes(observed.list(running(50), Coverage::Complete).await), 0);
    assert_eq!(observed.changes().await, []);

    // A mass change: two lists show it, which is also how often something has to be missing until it is gone.
    assert_eq!(changes(observed.list(running(25), Coverage::Complete).await), 0);
    assert_eq!(changes(observed.list(running(25), Coverage::Complete).await), 26);
    let told = observed.changes().await;
    let Some(Details::MassChange(mass_change)) = &told[0].details else { panic!("{:?}", told[0]) };
    assert_eq!(
        (mass_change.of.as_str(), mass_change.affected, mass_change.known, mass_change.silent),
        ("instances", 25, 50, false)
    );
    assert!(told[1..].iter().all(|change| change.change_type.as_str() == "instance.removed"));
    assert_eq!(observed.known().await.len(), 25);
}

#[tokio::test]
async fn what_is_known_stays_until_a_list_differs_from_the_rejected_one() {
    for until in [mass_change::Until::Confirmed, mass_change::Until::Accepted] {
        let mass_changes = mass_change::Settings { until, ..Default::default() };
        let observed = Observed::under(Settings { mass_changes, ..Settings::default() }).await;
        let store = &observed.lab.context.store;
        let reject = async || {
            assert!(matches!(observed.decide(Decision::Reject).await, Decided::Taken(_)));
        };
        let held = async || store.held_mass_changes().await.expect("read").remove(0).held;
        observed.list(running(50), Coverage::Complete).await;
        observed.list(running(25), Coverage::Complete).await;
        reject().await;
        for lists in 2..6 {
            let mut list = running(25);
            list.rotate_left(lists);
            assert_eq!(observed.list(list, Coverage::Complete).await.changes, 0);
            assert_eq!(held().await.lists, u32::try_from(lists).expect("few"));
            let due = observed.lab.status(observed.account, Kind::Instance).await.next_due.expect("it is watched");
            assert_eq!(due.since(observed.lab.clock.now()), observed.lab.context.settings.instances_every);
        }
        // A part of a list shows no other one.
        let part = Coverage::Partial("not everything".to_owned());
        assert_eq!(observed.list(vec![], part).await.changes, 0);
        assert_eq!(held().await.decision, Some(Decision::Reject));
        assert_eq!(observed.known().await.len(), 50);

        // Another list is judged as if nothing had been held.
        assert_eq!(observed.list(running(24), Coverage::Complete).await.changes, 0);
        let anew = held().await;
        assert_eq!((anew.lists, anew.decision, anew.affected), (1, None, 26));
        assert_eq!(anew.since, observed.lab.clock.now());
        reject().await;
        assert_eq!(observed.list(running(24), Coverage::Complete).await.changes, 0);

        // One that is no mass change is recorded, and ends it.
        observed.list(running(49), Coverage::Complete).await;
        assert_eq!(store.held_mass_changes().await.expect("read"), []);
        observed.list(running(49), Coverage::Complete).await;
        let told: Vec<ChangeType> = observed.changes().await.iter().map(|change| change.change_type).collect();
        assert_eq!(told, [ChangeType::InstanceRemoved]);
        // Nothing is left of the decision.
        assert_eq!(observed.list(running(24), Coverage::Complete).await.changes, 0);
        assert_eq!(held().await.decision, None);
    }
}

#[tokio::test]
async fn a_mass_change_may_wait_for_the_operator() {
    let mass_changes = mass_change::Settings { until: mass_change::Until::Accepted, ..Default::default() };
    for (decision, changes) in [(Decision::Accept, 26), (Decision::AcceptSilently, 1)] {
        let observed = Observed::under(Settings { mass_changes: mass_changes.clone(), ..Settings::default() }).await;
        observed.list(running(50), Coverage::Complete).await;
        for lists in 1..4 {
            assert_eq!(observed.list(running(25), Coverage::Complete).await.changes, 0);
            let held = observed.lab.context.store.held_mass_changes().await.expect("read");
            assert_eq!(held.len(), 1);
            assert_eq!((held[0].held.lists, held[0].held.affected), (lists, 25));
        }
        let now = observed.lab.clock.now();
        let store = &observed.lab.context.store;
        let of_realms = store.decide_mass_change(key("configured"), Kind::Realm, None, decision, now).await;
        assert_eq!(of_realms.expect("decided"), Decided::NothingHeld);
        assert!(matches!(observed.decide(decision).await, Decided::Taken(_)));
        let status = observed.lab.status(observed.account, Kind::Instance).await;
        assert_eq!(status.next_due, Some(now), "it is not waited for");
        assert_eq!(observed.list(running(25), Coverage::Complete).await.changes, changes);
        assert_eq!(observed.known().await.len(), 25);
        assert_eq!(store.held_mass_changes().await.expect("read"), []);
        let told = observed.changes().await;
        assert!(
            matches!(&told[0].details, Some(Details::MassChange(mass_change)) if mass_change.silent == (changes == 1))
        );
    }
}
