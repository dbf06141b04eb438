//! Polls that end between any two steps of their recording. No change is lost, invented or reported twice, and features
//! that need complete lists use only lists that were recorded completely.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::Poll;

use proptest::prelude::*;

use super::*;
use crate::model::{Change, HookSpec, HookUrl, NewChange, Owner, Sealed, State, Subject};
use crate::store::contract::plainly::Plainly as _;
use crate::store::{Decided, DeliveryQuery, HookPlace, NewHook, sqlite};

/// The instance that a hook waits for.
const AWAITED: usize = 0;
const CONFIRMATIONS: u32 = 2;

#[derive(Clone, Debug)]
enum Event {
    /// An instance is there, in one of the states; or it is not there any more.
    Becomes(usize, Option<InstanceState>),
    List(Extent),
    /// A list of which recording is broken off, sooner or later; and the host dies with it, or goes on.
    BrokenOff {
        extent: Extent,
        after: usize,
        dies: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Complete,
    /// Only the even ones or the odd ones are listed.
    Partial(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    use InstanceState::{Pending, Running, Stopped};
    let state = prop_oneof![Just(None), Just(Some(Pending)), Just(Some(Running)), Just(Some(Stopped))];
    let extent = || prop_oneof![3 => Just(Extent::Complete), 1 => (0..2_usize).prop_map(Extent::Partial)];
    let event = prop_oneof![
        8 => (0..8_usize, state).prop_map(|(number, state)| Event::Becomes(number, state)),
        3 => extent().prop_map(Event::List),
        4 => (extent(), 0..40_usize, any::<bool>())
            .prop_map(|(extent, after, dies)| Event::BrokenOff { extent, after, dies }),
    ];
    prop::collection::vec(event, 1..60)
}

/// An account, what its provider has, and what is to be expected of the journal.
struct Life {
    observed: Observed,
    provider: BTreeMap<usize, InstanceState>,
    hook: HookPlace,
    /// How many of its changes were looked at, and what of them the hook hears of.
    followed: usize,
    heard: Vec<i64>,
    has_baseline: bool,
    /// In how many complete lists in a row each was missing: at least, and at most, as one that was not recorded to its
    /// end may have shown it again.
    missing: BTreeMap<String, (u32, u32)>,
    /// The end of the last gap that was told.
    gap: Timestamp,
}

impl Life {
    async fn new() -> Life {
        let settings = Settings { removal_confirmations: CONFIRMATIONS, jitter: 0.0, ..Settings::default() };
        let lab = Lab::over(settings, sqlite::Settings { step_rows: 1, ..sqlite::Settings::default() });
        let account = lab.enrol("configured", Origin::Config).await;
        let observed = Observed { lab, account, driver: "one".to_owned().into() };
        let new_hook = |track| NewHook {
            account,
            owner: Owner::Account,
            track,
            spec: HookSpec::to(HookUrl::parse("https://example.com/").expect("a URL")),
            secret: Sealed(vec![1]),
            limit: u64::MAX,
            filter_items: u64::MAX,
            poll_by: None,
            now: observed.lab.clock.now(),
        };
        let awaited = Some((Kind::Instance, instance(AWAITED, InstanceState::Running).id().clone()));
        let store = &observed.lab.context.store;
        store.set_hook(new_hook(awaited)).await.expect("set");
        let hook = store.set_hook(new_hook(None)).await.expect("set");
        Life {
            hook: HookPlace { account, owner: Owner::Account, hook },
            observed,
            provider: BTreeMap::new(),
            followed: 0,
            heard: Vec::new(),
            has_baseline: false,
            missing: BTreeMap::new(),
            gap: Timestamp::default(),
        }
    }

    fn listed(&self, extent: Extent) -> (Vec<Resource>, Coverage) {
        let has = self.provider.iter().map(|(number, state)| (*number, instance(*number, *state)));
        match extent {
            Extent::Complete => (has.map(|(_, instance)| instance).collect(), Coverage::Complete),
            Extent::Partial(part) => {
                let part = has.filter(|(number, _)| number % 2 == part).map(|(_, instance)| instance);
                (part.collect(), Coverage::Partial("half is down".into()))
            }
        }
    }

    async fn live(&mut self, event: Event) {
        match event {
            Event::Becomes(number, Some(state)) => drop(self.provider.insert(number, state)),
            Event::Becomes(number, None) => drop(self.provider.remove(&number)),
            Event::List(extent) => {
                let before = self.stored().await;
                let ticket = self.ticket().await;
                let (resources, coverage) = self.listed(extent);
                self.observed.record(ticket, resources, coverage).await.expect("recorded");
                self.check(&before).await;
                match extent {
                    Extent::Complete => self.check_recorded().await,
                    Extent::Partial(_) => self.note_shown(extent),
                }
            }
            Event::BrokenOff { extent, after, dies } => {
                let before = self.stored().await;
                let ticket = self.ticket().await;
                let (resources, coverage) = self.listed(extent);
                {
                    let recording = std::pin::pin!(self.observed.record(ticket, resources, coverage));
                    polled_at_most(recording, after).await;
                }
                if dies {
                    self.observed.lab.restart();
                }
                // A step that was under way is through once a later write is.
                self.observed.lab.context.store.ping().await.expect("written");
                self.check(&before).await;
                // It may have been the last one.
                let status = self.observed.lab.status(self.observed.account, Kind::Instance).await;
                if extent == Extent::Complete && status.last_complete == Some(self.observed.lab.clock.now()) {
                    self.check_recorded().await;
                } else {
                    self.note_shown(extent);
                }
            }
        }
    }

    async fn ticket(&self) -> PollTicket {
        self.observed.lab.clock.advance(Duration::from_secs(60));
        self.observed.ticket().await
    }

    async fn stored(&self) -> BTreeMap<String, State> {
        let known = self.observed.known().await;
        known.into_iter().map(|known| (known.id.as_str().to_owned(), known.state)).collect()
    }

    /// Those of a list that was not recorded to its end, or not complete, may be stored as seen or not.
    fn note_shown(&mut self, extent: Extent) {
        for resource in self.listed(extent).0 {
            if let Some((least, _)) = self.missing.get_mut(resource.id().as_str()) {
                *least = 0;
            }
        }
    }

    /// What was told since explains what is stored now by what was stored before, step by step.
    async fn check(&mut self, before: &BTreeMap<String, State>) {
        let mut told = before.clone();
        let mut created = Vec::new();
        for change in self.new_changes().await {
            let NewChange { change_type, resource, old_state, new_state, .. } = change.what;
            let id = resource.as_str().to_owned();
            match change_type {
                ChangeType::TrackerGap => {
                    let from = change.what.observed_after.expect("a gap has a beginning");
                    assert!(from >= self.gap, "a gap is told twice: from {from:?}, and one until {:?}", self.gap);
                    self.gap = change.what.observed_at;
                    continue;
                }
                ChangeType::InstanceCreated => created.push(id.clone()),
                ChangeType::InstanceRemoved => {
                    let (_, most) = self.missing.get(&id).copied().unwrap_or_default();
                    assert!(most + 1 >= CONFIRMATIONS, "{id} was missing in {most} complete lists and this one");
                    assert_eq!(told.remove(&id), old_state, "{id}");
                    continue;
                }
                ChangeType::InstanceState => {}
                other => panic!("{other:?}"),
            }
            assert_eq!(told.insert(id.clone(), new_state.expect("a state")), old_state, "{id}");
        }
        let stored = self.stored().await;
        let awaited = instance(AWAITED, InstanceState::Running).id().as_str().to_owned();
        for (id, state) in &stored {
            // Before the baseline only what a hook waits for is told to be new.
            if !self.has_baseline && !before.contains_key(id) && *id != awaited {
                assert!(!created.contains(id), "{id} was there all along");
                continue;
            }
            assert_eq!(told.get(id), Some(state), "{id}");
        }
        assert!(told.keys().all(|id| stored.contains_key(id)), "told {told:?}, stored {stored:?}");
        self.check_deliveries().await;
    }

    async fn new_changes(&mut self) -> Vec<Change> {
        let query = ChangeQuery { after: After::Oldest, filter: Default::default(), limit: 10_000, looked_at: 10_000 };
        let mut changes =
            self.observed.lab.context.store.changes(self.observed.account, query).await.expect("read").changes;
        let new = changes.split_off(self.followed);
        self.followed += new.len();
        let heard = new.iter().filter(|change| change.what.subject != Subject::Hook);
        self.heard.extend(heard.map(|change| change.cursor.sequence));
        new
    }

    /// The hook that hears of everything is owed just what the journal has.
    async fn check_deliveries(&self) {
        let query = DeliveryQuery { state: None, before: None, limit: 10_000 };
        let store = &self.observed.lab.context.store;
        let records = store.hook_deliveries(&self.hook, query).await.expect("read");
        let mut owed: Vec<i64> = records.iter().map(|record| record.change.cursor.sequence).collect();
        owed.reverse();
        assert_eq!(owed, self.heard);
    }

    /// A complete list was recorded to its end: it is what is stored, but for what is to be confirmed.
    async fn check_recorded(&mut self) {
        self.has_baseline = true;
        let listed: Vec<String> =
            self.listed(Extent::Complete).0.iter().map(|resource| resource.id().as_str().to_owned()).collect();
        let mut missing = BTreeMap::new();
        for known in self.observed.known().await {
            let id = known.id.as_str().to_owned();
            if listed.contains(&id) {
                assert_eq!(known.missing, 0, "{id}");
                continue;
            }
            let (least, most) = self.missing.get(&id).copied().unwrap_or_default();
            assert!(least + 1 < CONFIRMATIONS, "{id} is missing for the {}th time", least + 1);
            assert!((least + 1..=most + 1).contains(&known.missing), "{id}: {}", known.missing);
            missing.insert(id, (known.missing, known.missing));
        }
        self.missing = missing;
        let stored = self.stored().await;
        assert!(listed.iter().all(|id| stored.contains_key(id)));
    }
}

/// Lets a future go on so many times, and gives it up then.
pub(super) async fn polled_at_most<F: Future>(mut future: Pin<&mut F>, times: usize) -> Option<F::Output> {
    let mut left = times;
    std::future::poll_fn(move |context| {
        let Some(rest) = left.checked_sub(1) else { return Poll::Ready(None) };
        left = rest;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn polls_broken_off_between_steps_neither_lose_nor_invent_a_change(events in events()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut life = Life::new().await;
            for event in events {
                life.live(event).await;
            }
            // Whatever was broken off, two complete lists settle it.
            for _ in 0..CONFIRMATIONS {
                life.live(Event::List(Extent::Complete)).await;
            }
            let stored: Vec<String> = life.stored().await.into_keys().collect();
            let listed = life.listed(Extent::Complete).0;
            assert_eq!(stored, listed.iter().map(|resource| resource.id().as_str()).collect::<Vec<_>>());
        });
    }
}

#[tokio::test]
async fn a_mass_change_of_which_recording_was_broken_off_is_told_once() {
    for (until, decision) in
        [(mass_change::Until::Confirmed, None), (mass_change::Until::Accepted, Some(Decision::AcceptSilently))]
    {
        for after in 0..60 {
            let mass_changes = mass_change::Settings { until, ..Default::default() };
            let lab = Lab::over(
                Settings { mass_changes, ..Settings::default() },
                sqlite::Settings { step_rows: 1, ..sqlite::Settings::default() },
            );
            let account = lab.enrol("configured", Origin::Config).await;
            let mut observed = Observed { lab, account, driver: "one".to_owned().into() };
            observed.list(running(40), Coverage::Complete).await;
            observed.list(running(15), Coverage::Complete).await;
            if let Some(decision) = decision {
                assert!(matches!(observed.decide(decision).await, Decided::Taken(_)));
            }
            let ticket = observed.ticket().await;
            {
                let recording = std::pin::pin!(observed.record(ticket, running(15), Coverage::Complete));
                polled_at_most(recording, after).await;
            }
            observed.lab.restart();
            for _ in 0..3 {
                observed.list(running(15), Coverage::Complete).await;
            }
            let mut told: Vec<ChangeType> =
                observed.changes().await.into_iter().map(|change| change.change_type).collect();
            told.retain(|change_type| *change_type != ChangeType::TrackerGap);
            let removed = if decision.is_none() { 25 } else { 0 };
            assert_eq!(told.remove(0), ChangeType::TrackerMassChange, "broken off after {after}");
            assert_eq!(told, vec![ChangeType::InstanceRemoved; removed], "broken off after {after}");
            assert_eq!(observed.known().await.len(), 15, "broken off after {after}");
        }
    }
}
