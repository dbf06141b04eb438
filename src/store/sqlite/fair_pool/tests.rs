//! Requests that arrive, are served and give up in any order: none starves, and no item is lost.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;

use futures_util::future::FutureExt;
use proptest::prelude::*;

use super::{FairPool, Flow, Lent, lock};
use crate::model::AccountId;

fn flow(account: i64) -> Flow {
    Flow::Account(AccountId(account))
}

type Request<'a> = Pin<Box<dyn Future<Output = Lent<usize>> + 'a>>;

#[derive(Clone, Debug)]
enum Event {
    Ask {
        account: i64,
    },
    GiveBack {
        index: usize,
    },
    GiveUp {
        index: usize,
    },
    /// The waiter may have been served, and does not know it yet.
    GiveBackThenGiveUp {
        index: usize,
    },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..4_i64).prop_map(|account| Event::Ask { account }),
        3 => any::<usize>().prop_map(|index| Event::GiveBack { index }),
        1 => any::<usize>().prop_map(|index| Event::GiveUp { index }),
        1 => any::<usize>().prop_map(|index| Event::GiveBackThenGiveUp { index }),
    ]
}

struct Run<'a> {
    pool: &'a FairPool<usize>,
    items: usize,
    /// In the order of their arrival.
    waiting: Vec<(i64, Request<'a>)>,
    lent: Vec<(i64, Lent<usize>)>,
    /// How often an account that waits saw another served since its own turn began, while it might have been served.
    passed: HashMap<(i64, i64), usize>,
}

impl<'a> Run<'a> {
    fn most(&self) -> usize {
        self.items.saturating_sub(1).max(1)
    }

    fn held(&self, account: i64) -> usize {
        self.lent.iter().filter(|(of, _)| *of == account).count()
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Ask { account } => {
                let pool = self.pool;
                self.waiting.push((*account, Box::pin(pool.borrow(flow(*account)))));
            }
            Event::GiveBack { index } => self.give_back(*index),
            Event::GiveUp { index } => self.give_up(*index),
            Event::GiveBackThenGiveUp { index } => {
                self.give_back(*index);
                self.give_up(*index);
            }
        }
        self.settle();
    }

    fn give_back(&mut self, index: usize) {
        if !self.lent.is_empty() {
            self.lent.remove(index % self.lent.len());
        }
    }

    fn give_up(&mut self, index: usize) {
        if !self.waiting.is_empty() {
            let (account, _) = self.waiting.remove(index % self.waiting.len());
            // It may have been the one that had the turn.
            self.passed.retain(|(of, _), _| *of != account);
        }
    }

    /// Sees who was served, and whether that was right.
    fn settle(&mut self) {
        let (mut still, mut served, mut behind) = (Vec::new(), Vec::new(), HashSet::new());
        for (account, mut request) in self.waiting.drain(..) {
            match request.as_mut().now_or_never() {
                Some(lent) => {
                    assert!(!behind.contains(&account), "an earlier request of {account} waits");
                    served.push(account);
                    self.lent.push((account, lent));
                }
                None => {
                    behind.insert(account);
                    still.push((account, request));
                }
            }
        }
        self.waiting = still;
        self.passed.retain(|(of, _), _| behind.contains(of) && !served.contains(of));
        for &served in &served {
            for &of in &behind {
                if of != served && self.held(of) < self.most() {
                    let passed = self.passed.entry((of, served)).or_default();
                    *passed += 1;
                    assert!(*passed <= 1, "{served} had more than a turn before {of}");
                }
            }
        }

        let items: BTreeSet<usize> = self.lent.iter().map(|(_, lent)| **lent).collect();
        assert_eq!(items.len(), self.lent.len(), "no item is lent twice");
        for account in 0..4 {
            assert!(self.held(account) <= self.most());
            let may_have_more = self.held(account) < self.most();
            let is_any_idle = self.lent.len() < self.items;
            assert!(!(behind.contains(&account) && may_have_more && is_any_idle), "{account} waits for what is idle");
        }
        let state = lock(&self.pool.state);
        assert_eq!(state.idle.len() + self.lent.len(), self.items, "no item is lost");
        assert_eq!(state.flows.values().map(|queue| queue.waiting.len()).sum::<usize>(), self.waiting.len());
        assert_eq!(state.turns.len(), behind.len());
    }
}

proptest! {
    #[test]
    fn flows_take_turns_and_no_item_is_lost(items in 1..5_usize, events in prop::collection::vec(event(), 1..200)) {
        let pool = FairPool::new((0..items).collect(), items.saturating_sub(1).max(1));
        let (waiting, lent, passed) = (Vec::new(), Vec::new(), HashMap::new());
        let mut run = Run { pool: &pool, items, waiting, lent, passed };
        for event in &events {
            run.apply(event);
        }
        // Nobody starves: each that waits is served once others give back what they have.
        while !run.waiting.is_empty() {
            assert!(!run.lent.is_empty(), "all items are there, and nobody is served");
            run.apply(&Event::GiveBack { index: 0 });
        }
        drop(run);
        let state = lock(&pool.state);
        assert_eq!(state.idle.len(), items);
        assert!(state.flows.is_empty() && state.turns.is_empty(), "nothing is kept of flows that have nothing");
    }
}

/// Who is served, in order, when all that wait give back at once what they get.
fn served(waiting: &mut Vec<(i64, Request<'_>)>) -> Vec<i64> {
    let mut served = Vec::new();
    loop {
        let mut ready = None;
        for (index, (_, request)) in waiting.iter_mut().enumerate() {
            if let Some(lent) = request.as_mut().now_or_never() {
                ready = Some((index, lent));
                break;
            }
        }
        let Some((index, lent)) = ready else { return served };
        served.push(waiting.remove(index).0);
        drop(lent);
    }
}

#[test]
fn many_requests_of_one_account_delay_another_by_one_turn() {
    let pool = FairPool::new(vec![0], 1);
    let held = pool.borrow(flow(0)).now_or_never().expect("it is idle");
    let mut waiting: Vec<(i64, Request<'_>)> = Vec::new();
    for account in [0; 200].into_iter().chain([1, 1, 2]) {
        waiting.push((account, Box::pin(pool.borrow(flow(account)))));
        assert!(waiting.last_mut().is_some_and(|(_, request)| request.as_mut().now_or_never().is_none()));
    }
    drop(held);
    let served = served(&mut waiting);
    assert_eq!(served[..6], [0, 1, 2, 0, 1, 0]);
    assert_eq!(served.len(), 203);
}

#[test]
fn an_account_leaves_an_item_to_others() {
    let pool = FairPool::new(vec![0, 1, 2, 3], 3);
    let ask = |account| pool.borrow(flow(account)).now_or_never();
    let held = [ask(0), ask(0), ask(0)];
    assert!(held.iter().all(Option::is_some));
    assert!(ask(0).is_none());
    assert!(ask(1).is_some());
    drop(held);
    assert!(ask(0).is_some());
}
