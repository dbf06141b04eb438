//! Deliveries in flight, counted by hook, destination and account, and how many more each may have. The store asks here
//! while it claims. No I/O: what is known about hooks and destinations is lost with the process.
//!
//! The width of a hook and of a destination grows by one with each success and halves under strain. Deliveries to
//! destinations on probation have a bounded share of all slots, so that hanging receivers leave the others free.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::send::Sign;
use super::settings::Settings;
use crate::metrics::Metrics;
use crate::model::breaker::{Breaker, FIRST_WIDTH, Failing, Standing};
use crate::model::{AccountId, HookId, Timestamp};
use crate::store::{DestinationRoom, Free, InFlight, Recipient, Room};

/// How many deliveries a hook may have in flight before its first success: the next changes of a busy account are sent
/// together, and a new destination has a smaller width anyway.
const FIRST_HOOK_WIDTH: usize = 2 * FIRST_WIDTH;

#[derive(Debug)]
pub(super) struct Admission {
    concurrency: usize,
    probation: usize,
    per_hook: usize,
    per_destination: usize,
    /// The maximum number of hooks, and of destinations, that are remembered.
    remembered: usize,
    slow_after: Duration,
    breaker: crate::model::breaker::Settings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    all: usize,
    probation: usize,
    late: usize,
    hooks: HashMap<HookId, Hook>,
    destinations: HashMap<Arc<str>, Destination>,
    accounts: HashMap<AccountId, InFlight>,
}

#[derive(Debug)]
struct Hook {
    in_flight: usize,
    width: usize,
}

#[derive(Debug)]
struct Destination {
    in_flight: usize,
    breaker: Breaker,
}

/// What an attempt showed about its destination.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lesson {
    pub(super) sign: Sign,
    pub(super) took: Duration,
    pub(super) now: Timestamp,
}

/// The state of a destination after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Learnt {
    pub(super) standing: Standing,
    /// If set, nothing is sent before this time.
    pub(super) hold: Option<Timestamp>,
}

impl Admission {
    pub(super) fn new(settings: &Settings) -> Admission {
        let concurrency = settings.concurrency.max(1);
        Admission {
            concurrency,
            // At least half of the slots are for destinations that answer.
            probation: settings.probation.min(concurrency / 2).max(1),
            per_hook: settings.per_hook.max(1),
            per_destination: settings.per_destination.max(1),
            remembered: settings.destinations.max(1),
            slow_after: settings.slow_after,
            breaker: settings.breaker.clone(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: no holder of this lock can panic")
    }

    /// Exports how many deliveries of each share are in flight, and how many may be.
    pub(super) fn show(&self, metrics: &Metrics) {
        let state = self.state();
        metrics.callbacks.in_flight("all", state.all, self.concurrency);
        metrics.callbacks.in_flight("probation", state.probation, self.probation);
        metrics.callbacks.in_flight("late", state.late, self.late());
    }

    /// How many deliveries may go to destinations that answered late, or not at all: half of those on probation. The
    /// rest is for destinations that are likely to answer.
    fn late(&self) -> usize {
        self.probation.div_ceil(2)
    }

    /// How many more deliveries may be in flight.
    pub(super) fn room(&self) -> usize {
        self.concurrency.saturating_sub(self.state().all)
    }

    /// Records the start of an attempt.
    pub(super) fn launch(&self, recipient: &Recipient) {
        let mut state = self.state();
        state.all += 1;
        state.probation += usize::from(recipient.standing.is_probation());
        state.late += usize::from(recipient.standing.is_late());
        let account = state.accounts.entry(recipient.account).or_default();
        account.all += 1;
        account.probation += usize::from(recipient.standing.is_probation());
        self.hook(&mut state, recipient.hook).in_flight += 1;
        self.destination(&mut state, recipient).in_flight += 1;
        state.forget_quiet(self.remembered, self.first_hook_width());
    }

    /// Records the end of an attempt. Its result counts if it reached the destination.
    pub(super) fn land(&self, recipient: &Recipient, lesson: Lesson) -> Learnt {
        let mut state = self.state();
        let less = |number: &mut usize, by: bool| *number = number.saturating_sub(usize::from(by));
        less(&mut state.all, true);
        less(&mut state.probation, recipient.standing.is_probation());
        less(&mut state.late, recipient.standing.is_late());
        if let Some(account) = state.accounts.get_mut(&recipient.account) {
            less(&mut account.all, true);
            less(&mut account.probation, recipient.standing.is_probation());
            if *account == InFlight::default() {
                state.accounts.remove(&recipient.account);
            }
        }
        let (most, first) = (self.per_hook, self.first_hook_width());
        let hook = self.hook(&mut state, recipient.hook);
        less(&mut hook.in_flight, true);
        match lesson.sign {
            Sign::Alive => hook.width = (hook.width + 1).min(most),
            Sign::Failing(Failing::Strained | Failing::TimedOut) => hook.width = (hook.width / 2).max(1),
            Sign::Failing(Failing::Refusing) | Sign::None => {}
        }
        if hook.in_flight == 0 && hook.width == first {
            state.hooks.remove(&recipient.hook);
        }
        let destination = self.destination(&mut state, recipient);
        less(&mut destination.in_flight, true);
        let breaker = &mut destination.breaker;
        let hold = match lesson.sign {
            Sign::None => None,
            Sign::Alive => breaker.succeeded(self.per_destination).then_some(lesson.now),
            Sign::Failing(how) => breaker.failed(&self.breaker, lesson.now, how),
        };
        if lesson.sign != Sign::None && lesson.took > self.slow_after {
            breaker.slowed();
        }
        Learnt { standing: breaker.standing(), hold }
    }

    fn first_hook_width(&self) -> usize {
        FIRST_HOOK_WIDTH.min(self.per_hook)
    }

    fn hook<'a>(&self, state: &'a mut State, hook: HookId) -> &'a mut Hook {
        state.hooks.entry(hook).or_insert(Hook { in_flight: 0, width: self.first_hook_width() })
    }

    fn destination<'a>(&self, state: &'a mut State, recipient: &Recipient) -> &'a mut Destination {
        let made = || Destination { in_flight: 0, breaker: Breaker::new(recipient.standing, self.per_destination) };
        state.destinations.entry(Arc::clone(&recipient.destination)).or_insert_with(made)
    }
}

impl State {
    /// Bounds the memory. The store keeps the standing and the hold of a destination.
    fn forget_quiet(&mut self, remembered: usize, first_hook_width: usize) {
        if self.destinations.len() > remembered {
            self.destinations.retain(|_, known| known.in_flight > 0 || !known.breaker.is_closed());
            if self.destinations.len() > remembered {
                self.destinations.retain(|_, known| known.in_flight > 0);
            }
        }
        if self.hooks.len() > remembered {
            self.hooks.retain(|_, known| known.in_flight > 0 || known.width < first_hook_width);
            if self.hooks.len() > remembered {
                self.hooks.retain(|_, known| known.in_flight > 0);
            }
        }
    }
}

impl Room for Admission {
    fn free(&self) -> Free {
        let state = self.state();
        let all = self.concurrency.saturating_sub(state.all);
        Free {
            slots: self.concurrency,
            all,
            // An eighth: much for destinations with few deliveries in flight, and a small loss for the others.
            reserve: self.concurrency / 8,
            probation: self.probation.saturating_sub(state.probation).min(all),
            late: self.late().saturating_sub(state.late).min(all),
        }
    }

    fn hook(&self, hook: HookId) -> usize {
        let state = self.state();
        state.hooks.get(&hook).map_or(self.first_hook_width(), |known| known.width.saturating_sub(known.in_flight))
    }

    fn destination(&self, name: &str, stored: Standing, now: Timestamp) -> DestinationRoom {
        match self.state().destinations.get(name) {
            Some(Destination { in_flight, breaker }) => DestinationRoom {
                room: breaker.allowance(now, *in_flight),
                in_flight: *in_flight,
                standing: breaker.standing(),
            },
            None => DestinationRoom {
                room: Breaker::new(stored, self.per_destination).allowance(now, 0),
                in_flight: 0,
                standing: stored,
            },
        }
    }

    fn account(&self, account: AccountId) -> InFlight {
        self.state().accounts.get(&account).copied().unwrap_or_default()
    }
}
