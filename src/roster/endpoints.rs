//! The state of endpoints: a circuit breaker for each, and the outcome of the last call. Polls, proofs of credentials
//! and shadows share it, because a hanging provider hangs for all of them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::clock::Clock;
use crate::driver::{Answers, CallError};
use crate::model::Timestamp;
use crate::model::breaker::{self, Breaker, Failing, Standing};

/// All endpoints that were called or are known from before. There are no more than the roster has providers.
#[derive(Debug)]
pub struct Endpoints {
    clock: Arc<dyn Clock>,
    breaker: breaker::Settings,
    /// How many calls may be under way at one endpoint, at best.
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    by_name: HashMap<Arc<str>, Endpoint>,
    /// Those of which something else is known than the store was told.
    changed: HashSet<Arc<str>>,
}

#[derive(Debug)]
struct Endpoint {
    breaker: Breaker,
    /// A call waits for an answer for longer than calls should; it may still come.
    suspected: bool,
    until: Option<Timestamp>,
    answers: Answers,
    /// How many answers there were when that was looked at last, and since when (uptime) they have been so many.
    heard: (u64, Duration),
    /// When the circuit was last open.
    last_open: Option<Timestamp>,
}

/// What is known of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointView {
    pub standing: Standing,
    /// Until when nothing is sent there.
    pub open_until: Option<Timestamp>,
}

impl EndpointView {
    /// A stable word for it, as `/api/account` and the metrics have it.
    pub fn state(&self) -> &'static str {
        state_word(self.standing)
    }
}

fn state_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Proven | Standing::Slow => "answers",
        Standing::Unproven => "unproven",
        Standing::TimedOut => "suspected",
    }
}

/// What a call found out about its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It answers.
    Answers,
    /// It answers that it can't, or takes no connection.
    Fails,
    /// It gave no answer in time.
    Hangs,
    /// Nothing: the trouble is the driver's, the account's or the host's.
    Nothing,
}

impl Found {
    /// What an error says of the endpoint. `heard` is whether any answer came.
    pub fn of(error: &CallError, heard: bool) -> Found {
        match error {
            CallError::Limit { setting: "request_timeout", .. } => Found::Hangs,
            CallError::Limit { setting: "poll_timeout", .. } if !heard => Found::Hangs,
            CallError::Unavailable(_) => Found::Fails,
            CallError::Unauthorized(_)
            | CallError::Forbidden(_)
            | CallError::Throttled { .. }
            | CallError::UnexpectedAnswer(_) => Found::Answers,
            _ if heard => Found::Answers,
            _ => Found::Nothing,
        }
    }
}

impl Endpoints {
    pub fn new(clock: Arc<dyn Clock>, breaker: breaker::Settings, most: usize) -> Endpoints {
        Endpoints { clock, breaker, most: most.max(1), state: Mutex::default() }
    }

    /// Takes up what was known when the last host ended.
    pub fn recall(&self, known: impl IntoIterator<Item = (Arc<str>, Standing)>) {
        let mut state = self.lock();
        for (name, standing) in known {
            let endpoint = self.fresh(standing);
            state.by_name.insert(name, endpoint);
        }
    }

    /// How many more calls may begin there while so many are under way.
    pub fn allowance(&self, name: &str, under_way: usize) -> usize {
        let now = self.clock.now();
        let first = usize::from(under_way == 0);
        match self.lock().by_name.get(name) {
            Some(endpoint) if endpoint.suspected => endpoint.breaker.allowance(now, under_way).min(first),
            Some(endpoint) => endpoint.breaker.allowance(now, under_way),
            None => first,
        }
    }

    pub fn standing(&self, name: &str) -> Standing {
        self.lock().by_name.get(name).map_or(Standing::Unproven, Endpoint::standing)
    }

    pub fn view(&self, name: &str) -> EndpointView {
        let now = self.clock.now();
        let state = self.lock();
        let Some(endpoint) = state.by_name.get(name) else {
            return EndpointView { standing: Standing::Unproven, open_until: None };
        };
        let open_until = endpoint.until.filter(|until| *until > now && endpoint.breaker.allowance(now, 0) == 0);
        EndpointView { standing: endpoint.standing(), open_until }
    }

    /// Whether its circuit was open at some time since then.
    pub fn was_open_since(&self, name: &str, since: Timestamp) -> bool {
        self.lock().by_name.get(name).and_then(|endpoint| endpoint.last_open).is_some_and(|at| at >= since)
    }

    /// How many endpoints there are of each state, those whose circuit is open apart.
    pub fn counts(&self) -> Vec<(&'static str, usize)> {
        let mut counts: Vec<(&str, usize)> =
            ["answers", "unproven", "suspected", "open"].into_iter().map(|state| (state, 0)).collect();
        for endpoint in self.lock().by_name.values() {
            let word = if endpoint.breaker.is_closed() { state_word(endpoint.standing()) } else { "open" };
            counts.iter_mut().filter(|(state, _)| *state == word).for_each(|(_, count)| *count += 1);
        }
        counts
    }

    /// What the store is to be told.
    pub fn take_changed(&self) -> Vec<(Arc<str>, EndpointView)> {
        let changed: Vec<Arc<str>> = self.lock().changed.drain().collect();
        changed.into_iter().map(|name| (Arc::clone(&name), self.view(&name))).collect()
    }

    /// The store was not told of these after all.
    pub fn changed_again(&self, names: impl IntoIterator<Item = Arc<str>>) {
        self.lock().changed.extend(names);
    }

    pub(super) fn begin(&self, name: &Arc<str>) -> Answers {
        let mut state = self.lock();
        let endpoint = state.by_name.entry(Arc::clone(name)).or_insert_with(|| self.fresh(Standing::Unproven));
        endpoint.answers.clone()
    }

    /// Since when (uptime) it has given no answer, to whatever call.
    pub(super) fn silent_since(&self, name: &str) -> Duration {
        let uptime = self.clock.uptime();
        let mut state = self.lock();
        let Some(endpoint) = state.by_name.get_mut(name) else { return uptime };
        let is_back = endpoint.has_answered(uptime) && std::mem::replace(&mut endpoint.suspected, false);
        let since = endpoint.heard.1;
        if is_back {
            state.changed.insert(name.into());
        }
        since
    }

    /// A call waits there for longer than calls should.
    pub(super) fn suspect(&self, name: &Arc<str>) {
        let mut state = self.lock();
        if let Some(endpoint) = state.by_name.get_mut(name)
            && !std::mem::replace(&mut endpoint.suspected, true)
        {
            state.changed.insert(Arc::clone(name));
        }
    }

    /// Takes down what a call found.
    pub fn found(&self, name: &Arc<str>, found: Found) {
        let now = self.clock.now();
        let mut state = self.lock();
        let endpoint = state.by_name.entry(Arc::clone(name)).or_insert_with(|| self.fresh(Standing::Unproven));
        let before = (endpoint.standing(), endpoint.until);
        match found {
            Found::Answers => {
                endpoint.suspected = false;
                endpoint.until = None;
                if endpoint.breaker.succeeded(self.most) {
                    tracing::info!(endpoint = %name, "the endpoint answers again: its circuit breaker closed");
                }
            }
            Found::Fails | Found::Hangs => {
                let how = if found == Found::Hangs { Failing::TimedOut } else { Failing::Strained };
                if let Some(until) = endpoint.breaker.failed(&self.breaker, now, how) {
                    endpoint.until = Some(until);
                    endpoint.last_open = Some(until);
                    tracing::warn!(endpoint = %name, %until, "the endpoint does not answer: its circuit breaker opened");
                }
            }
            Found::Nothing => {}
        }
        if (endpoint.standing(), endpoint.until) != before {
            state.changed.insert(Arc::clone(name));
        }
    }

    fn fresh(&self, standing: Standing) -> Endpoint {
        Endpoint {
            breaker: Breaker::new(standing, self.most),
            suspected: false,
            until: None,
            answers: Answers::default(),
            heard: (0, self.clock.uptime()),
            last_open: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: no holder of this lock can panic")
    }
}

impl Endpoint {
    fn standing(&self) -> Standing {
        if self.suspected { Standing::TimedOut } else { self.breaker.standing() }
    }

    /// Whether it gave an answer since this was asked last.
    fn has_answered(&mut self, uptime: Duration) -> bool {
        let answers = self.answers.count();
        let has_answered = answers != self.heard.0;
        if has_answered {
            self.heard = (answers, uptime);
        }
        has_answered
    }
}
