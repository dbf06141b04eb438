//! The guarantees of delivery, for any sequence of events. Each change that matches a hook arrives at least once, and
//! in order for one resource unless a delivery was given up. Without the duplicates, the arrivals are exactly the
//! changes of the journal. For `mode=latest`, the last change arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::world::{World, spec};
use crate::model::{
    AccountId, Change, DisableReason, Filter, HookId, HookSpec, IdPattern, InstanceState, Mode, Owner, Rate, Sealed,
    Subject,
};
use crate::store::contract::plainly::Plainly as _;
use crate::store::{After, ChangeQuery, DeliveryId, DueDelivery, Outcome, ReplayFrom, Settling};

const NAMES: [&str; 4] = ["a-1", "a-2", "b-1", "b-2"];
const STATES: [InstanceState; 3] = [InstanceState::Pending, InstanceState::Running, InstanceState::Stopped];

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A poll finds instances in these states; 3 is not there.
    Observe([u8; 4]),
    Wait(u32),
    Claim(u8),
    /// One of those under way reaches its receiver, and so does what the receiver answers, or not.
    Send {
        which: prop::sample::Index,
        end: End,
    },
    Crash,
    Pause(u8),
    Resume(u8),
    Replay(u8),
    Redrive(u8),
    Take(u8),
    Hold(u16),
}

/// How a try ends. Only of the first two did the receiver take it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Taken,
    AnswerLost,
    Failed,
    GivenUp,
    Returned,
    Gone,
}

/// One event after another; what happens most often in life happens most often here.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let end = prop_oneof![
        8 => Just(End::Taken), 3 => Just(End::AnswerLost), 3 => Just(End::Failed),
        1 => Just(End::GivenUp), 2 => Just(End::Returned), 1 => Just(End::Gone),
    ];
    let step = prop_oneof![
        6 => prop::array::uniform4(0..4_u8).prop_map(Step::Observe),
        4 => (0..90_000_u32).prop_map(Step::Wait),
        8 => (1..6_u8).prop_map(Step::Claim),
        14 => (any::<prop::sample::Index>(), end).prop_map(|(which, end)| Step::Send { which, end }),
        1 => Just(Step::Crash),
        1 => (0..3_u8).prop_map(Step::Pause),
        2 => (0..3_u8).prop_map(Step::Resume),
        1 => (0..3_u8).prop_map(Step::Replay),
        1 => (0..3_u8).prop_map(Step::Redrive),
        1 => (1..9_u8).prop_map(Step::Take),
        1 => (0..20_000_u16).prop_map(Step::Hold),
    ];
    prop::collection::vec(step, 1..120)
}

/// A hook, and what its receiver took.
#[derive(Default)]
struct Receiver {
    mode: Mode,
    /// Places in the journal, in the order in which they arrived.
    arrived: Vec<i64>,
    /// Resources of which something was given up, as what is redriven comes after what is later; or of which
    /// a replay sent what a later change had taken the place of.
    unordered: BTreeSet<String>,
}

struct Life {
    world: World,
    account: AccountId,
    hooks: Vec<HookId>,
    receivers: BTreeMap<HookId, Receiver>,
    under_way: Vec<DueDelivery>,
    /// The newest claim on each delivery. A try ends before its lease does: when something is claimed anew, the
    /// try of the claim before has reached its receiver already, or never will.
    claims: BTreeMap<DeliveryId, i64>,
}

pub(crate) async fn hold(world: World, steps: &[Step]) {
    let mut life = Life::begin(world).await;
    for step in steps {
        life.step(step).await;
    }
    life.end().await;
}

impl Life {
    async fn begin(world: World) -> Life {
        let account = world.client("ann").await;
        world.observe(account, &[]).await;
        let filter = Filter { ids: vec![IdPattern::Prefix("a-".into())], ..Filter::default() };
        let specs = [
            spec("all"),
            HookSpec { filter, rate: Rate::per_second(20.0), ..spec("some") },
            HookSpec { mode: Mode::Latest, ..spec("latest") },
        ];
        let (mut hooks, mut receivers) = (Vec::new(), BTreeMap::new());
        for (number, spec) in (0..).zip(specs) {
            let mode = spec.mode;
            // By which it is known to whom a change was owed.
            let token = Some(Sealed(vec![number]));
            let hook = world.filtering(account, HookSpec { token, ..spec }).await;
            hooks.push(hook);
            receivers.insert(hook, Receiver { mode, ..Receiver::default() });
        }
        Life { world, account, hooks, receivers, under_way: Vec::new(), claims: BTreeMap::new() }
    }

    async fn step(&mut self, step: &Step) {
        let store = self.world.store();
        let now = self.world.now;
        let place = |hook: u8| self.world.place(self.account, self.hooks[usize::from(hook)]);
        match step {
            Step::Observe(states) => {
                let there = NAMES.into_iter().zip(states);
                let there = there.filter_map(|(name, state)| Some((name, *STATES.get(usize::from(*state))?)));
                let there: Vec<_> = there.collect();
                self.world.observe(self.account, &there).await;
            }
            Step::Wait(millis) => self.world.wait(Duration::from_millis(u64::from(*millis))),
            Step::Claim(limit) => self.claim(usize::from(*limit)).await,
            Step::Send { which, end } if !self.under_way.is_empty() => {
                let delivery = self.under_way.swap_remove(which.index(self.under_way.len()));
                self.send(&delivery, *end).await;
            }
            Step::Send { .. } => {}
            Step::Crash => {
                drop(store);
                self.world.crash();
                // Some of what was under way may have arrived; nobody will say so.
                for delivery in std::mem::take(&mut self.under_way).iter().step_by(2) {
                    self.arrive(delivery);
                }
            }
            Step::Pause(hook) => assert!(store.pause_hook(&place(*hook), now).await.expect("paused")),
            Step::Resume(hook) => {
                assert!(store.resume_hook(&place(*hook), now).await.expect("resumed"));
                self.world.catch_up().await;
            }
            Step::Replay(hook) => {
                assert!(store.replay(&place(*hook), ReplayFrom::After(0), now).await.expect("replayed"));
                self.world.catch_up().await;
                let receiver = self.receivers.get_mut(&self.hooks[usize::from(*hook)]).expect("it is one of the three");
                if receiver.mode == Mode::Latest {
                    receiver.unordered.extend(NAMES.map(str::to_owned));
                }
            }
            Step::Redrive(hook) => {
                assert!(store.redrive(&place(*hook), None, 99, now).await.expect("redriven").is_some());
            }
            Step::Take(limit) => self.take(usize::from(*limit)).await,
            Step::Hold(millis) => {
                let until = now.after(Duration::from_millis(u64::from(*millis)));
                let holds = vec![("https://example.com".into(), until)];
                store.settle(Settling { holds, ..Settling::default() }).await.expect("held");
            }
        }
    }

    async fn claim(&mut self, limit: usize) {
        self.world.catch_up().await;
        let claimed = self.world.claim_within(limit, 3, &[]).await;
        assert!(claimed.len() <= limit);
        let mut lines = BTreeSet::new();
        for delivery in &claimed {
            let line = (delivery.id.hook, delivery.change.what.resource.clone());
            assert!(lines.insert(line), "two of one line at once: {claimed:?}");
        }
        self.claims.extend(claimed.iter().map(|delivery| (delivery.id, delivery.lease)));
        self.under_way.extend(claimed);
    }

    fn arrive(&mut self, delivery: &DueDelivery) {
        if self.claims.get(&delivery.id) != Some(&delivery.lease) {
            return;
        }
        let receiver = self.receivers.get_mut(&delivery.id.hook).expect("it is one of the three");
        receiver.arrived.push(delivery.id.change);
    }

    async fn send(&mut self, delivery: &DueDelivery, end: End) {
        if matches!(end, End::Taken | End::AnswerLost) {
            self.arrive(delivery);
        }
        let retry = Outcome::Retry { due: self.world.now.after(Duration::from_secs(5)) };
        let outcome = match end {
            End::Taken => Outcome::Delivered,
            End::AnswerLost | End::Failed => retry,
            End::GivenUp => {
                let receiver = self.receivers.get_mut(&delivery.id.hook).expect("it is one of the three");
                receiver.unordered.insert(delivery.change.what.resource.to_string());
                Outcome::Dead
            }
            End::Returned => Outcome::Returned,
            End::Gone => Outcome::Disable(DisableReason::Gone),
        };
        self.world.settle(delivery, outcome).await;
    }

    async fn take(&mut self, limit: usize) {
        let owed = self.world.store().take_pending(self.account, &Owner::Account, limit).await.expect("taken");
        assert!(owed.is_sorted_by_key(|owed| owed.change.cursor));
        for owed in owed {
            let token = owed.token.expect("each hook has one");
            let hook = self.hooks[usize::from(token.0[0])];
            let receiver = self.receivers.get_mut(&hook).expect("it is one of the three");
            receiver.arrived.push(owed.change.cursor.sequence);
        }
    }

    /// Everything works from now on, and everybody is heard.
    async fn end(mut self) {
        let store = self.world.store();
        for hook in self.hooks.clone() {
            let place = self.world.place(self.account, hook);
            assert!(store.resume_hook(&place, self.world.now).await.expect("resumed"));
            assert!(store.redrive(&place, None, 1000, self.world.now).await.expect("redriven").is_some());
        }
        // Late ones arrive first: nothing that was promised of them holds any more.
        self.under_way.clear();
        self.world.wait(Duration::from_secs(86_400));
        for _ in 0..1000 {
            self.claim(100).await;
            if self.under_way.is_empty() && self.world.waiting().await == 0 {
                break;
            }
            for delivery in std::mem::take(&mut self.under_way) {
                self.send(&delivery, End::Taken).await;
            }
            self.world.wait(Duration::from_millis(50));
        }
        assert_eq!((self.world.waiting().await, self.world.next_delivery().await), (0, None), "something is left over");
        let query = ChangeQuery { after: After::Oldest, filter: Filter::default(), limit: 100_000, looked_at: 100_000 };
        let journal = store.changes(self.account, query).await.expect("read").changes;
        for (hook, receiver) in &self.receivers {
            let filter = self.world.get(self.account, *hook).await.spec.filter;
            let heard = journal.iter().filter(|change| change.what.subject == Subject::Instance);
            let heard = heard.filter(|change| filter.matches(&change.what)).collect::<Vec<_>>();
            receiver.check(&heard);
        }
    }
}

impl Receiver {
    /// `owed` is what the journal has for it.
    fn check(&self, owed: &[&Change]) {
        let mut seen = BTreeSet::new();
        let first: Vec<i64> = self.arrived.iter().copied().filter(|number| seen.insert(*number)).collect();
        let of = |name: &str| {
            let owed = owed.iter().filter(|change| change.what.resource.as_str() == name);
            owed.map(|change| change.cursor.sequence).collect::<Vec<_>>()
        };
        for name in NAMES {
            let owed = of(name);
            let first: Vec<i64> = first.iter().copied().filter(|number| owed.contains(number)).collect();
            let in_order = first.is_sorted();
            match self.mode {
                Mode::Every => {
                    let mut sorted = first.clone();
                    sorted.sort_unstable();
                    assert_eq!(sorted, owed, "{name}: each arrives, and nothing else does");
                }
                Mode::Latest => {
                    let latest = owed.last();
                    assert!(latest.is_none_or(|last| first.contains(last)), "{name}: {last:?} arrives", last = latest);
                }
            }
            assert!(in_order || self.unordered.contains(name), "{name}: out of order: {first:?}");
        }
    }
}
