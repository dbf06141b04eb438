//! Fair shares of the calls in progress. Calls to endpoints that answer start in a share that nothing else uses. New
//! endpoints, slow endpoints and endpoints without an answer have one bounded share each. A call that takes too long
//! moves to the share where it belongs. If that share is full and others need the slot, the call is ended, and repeated
//! later within the right share, where it has its full time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::endpoints::{Endpoints, Found};
use crate::clock::Clock;
use crate::driver::Pulse;
use crate::model::Share;
use crate::model::breaker::Standing;

/// Whether somebody wants a slot that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    Wait,
    NoneWait,
}

/// How much may be under way of each share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareLimits {
    pub prompt: usize,
    pub unproven: usize,
    pub slow: usize,
    pub suspected: usize,
    /// How long a call may take until it is slow, and an endpoint may give no answer until it is suspected.
    pub slow_after: Duration,
}

impl ShareLimits {
    /// How much may be under way of all shares.
    pub fn all(&self) -> usize {
        Share::ALL.into_iter().map(|share| self.of(share)).fold(0, usize::saturating_add)
    }

    fn of(&self, share: Share) -> usize {
        let most = match share {
            Share::Prompt => self.prompt,
            Share::Unproven => self.unproven,
            Share::Slow => self.slow,
            Share::Suspected => self.suspected,
        };
        most.max(1)
    }
}

#[derive(Debug)]
pub struct CallShares {
    endpoints: Arc<Endpoints>,
    clock: Arc<dyn Clock>,
    limits: ShareLimits,
    state: Mutex<State>,
    /// Notified when a slot is free.
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    calls: HashMap<u64, Call>,
    /// By share.
    counts: HashMap<Share, usize>,
    begun: u64,
}

#[derive(Debug)]
struct Call {
    endpoint: Arc<str>,
    share: Share,
    /// By the machine's uptime.
    since: Duration,
    pulse: Arc<Pulse>,
    cut_off: CancellationToken,
    stage: Stage,
    /// Its requests go by a proxy that is its account's own, or the like: that no answer comes says nothing of the
    /// endpoint.
    goes_its_own_way: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The driver works, or waits for its provider.
    Asks,
    /// What it gave is recorded: whatever takes long about that is not the endpoint's doing.
    Records,
    /// It was told to end.
    Ends,
}

impl CallShares {
    pub fn new(endpoints: Arc<Endpoints>, clock: Arc<dyn Clock>, limits: ShareLimits) -> Arc<CallShares> {
        Arc::new(CallShares { endpoints, clock, limits, state: Mutex::default(), freed: Notify::new() })
    }

    pub fn endpoints(&self) -> &Arc<Endpoints> {
        &self.endpoints
    }

    /// The share of a quick call to an endpoint.
    pub fn share_of(&self, endpoint: &str) -> Share {
        match self.endpoints.standing(endpoint) {
            Standing::Proven | Standing::Slow => Share::Prompt,
            Standing::Unproven => Share::Unproven,
            Standing::TimedOut => Share::Suspected,
        }
    }

    /// How many more calls of a share may begin.
    pub fn room(&self, share: Share) -> usize {
        self.limits.of(share).saturating_sub(self.lock().count(share))
    }

    /// How many more may begin at an endpoint.
    pub fn room_at(&self, endpoint: &str, share: Share) -> usize {
        let state = self.lock();
        let under_way = state.calls.values().filter(|call| *call.endpoint == *endpoint).count();
        let slow = state.slow_room(endpoint, self.limits.of(Share::Slow));
        drop(state);
        let allowance = self.endpoints.allowance(endpoint, under_way);
        if share == Share::Slow { allowance.min(slow) } else { allowance }
    }

    /// How many calls are under way in a share.
    pub fn under_way(&self, share: Share) -> usize {
        self.lock().count(share)
    }

    /// Returns when a slot has become free since this was called last.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Counts a call as under way from now on. Whoever begins it has asked whether there is room.
    pub fn begin(self: &Arc<CallShares>, endpoint: &Arc<str>, share: Share) -> InFlight {
        let pulse = Arc::new(Pulse::new(self.endpoints.begin(endpoint)));
        let cut_off = CancellationToken::new();
        let call = Call {
            endpoint: Arc::clone(endpoint),
            share,
            since: self.clock.uptime(),
            pulse: Arc::clone(&pulse),
            cut_off: cut_off.clone(),
            stage: Stage::Asks,
            goes_its_own_way: false,
        };
        let mut state = self.lock();
        state.begun += 1;
        let number = state.begun;
        *state.counts.entry(share).or_default() += 1;
        state.calls.insert(number, call);
        drop(state);
        InFlight { shares: Arc::clone(self), number, endpoint: Arc::clone(endpoint), pulse, cut_off }
    }

    /// Looks for calls that take longer than they should, and counts them where they belong. Gives after which time to
    /// look again. Where others wait, a share of quick calls that is full of such calls is made free by ending them, the
    /// longest first, until a quarter of it is free.
    pub fn look(&self, others: Others) -> Option<Duration> {
        let now = self.clock.uptime();
        let after = self.limits.slow_after;
        let mut state = self.lock();
        let mut overdue: Vec<(u64, Share, Share, Duration)> = Vec::new();
        let mut next: Option<Duration> = None;
        for (number, call) in &state.calls {
            if call.stage != Stage::Asks || !call.share.is_quick() {
                continue;
            }
            let took = now.saturating_sub(call.since);
            if took < after {
                let left = after - took;
                next = Some(next.map_or(left, |next| next.min(left)));
                continue;
            }
            let silent_since = self.endpoints.silent_since(&call.endpoint).max(call.since);
            let is_silent =
                !call.goes_its_own_way && call.pulse.is_waiting() && now.saturating_sub(silent_since) >= after;
            if is_silent {
                self.endpoints.suspect(&call.endpoint);
            }
            overdue.push((*number, call.share, if is_silent { Share::Suspected } else { Share::Slow }, call.since));
        }
        overdue.sort_by_key(|(number, _, to, since)| (*to != Share::Suspected, *since, *number));
        let mut freed = false;
        for (number, from, to, _) in overdue {
            if state.has_room(number, to, self.limits.of(to)) {
                state.count_to(number, to);
                freed = true;
            } else {
                let most = self.limits.of(from);
                let ends = state.calls.values().filter(|call| call.share == from && call.stage == Stage::Ends).count();
                let is_full = state.count(from) >= most || ends > 0;
                if is_full && others == Others::Wait && state.count(from) - ends > most - most.div_ceil(4) {
                    state.cut(number);
                }
                next = Some(next.map_or(after / 4, |next| next.min(after / 4)));
            }
        }
        drop(state);
        if freed {
            self.freed.notify_one();
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: no holder of this lock can panic")
    }
}

impl State {
    fn count(&self, share: Share) -> usize {
        self.counts.get(&share).copied().unwrap_or(0)
    }

    /// How many more slow calls of `most` an endpoint may have: no more than it leaves to others, and one where it has none.
    /// So however many endpoints are slow, each leaves half of what it found.
    fn slow_room(&self, endpoint: &str, most: usize) -> usize {
        let free = most.saturating_sub(self.count(Share::Slow));
        let is_slow = |call: &&Call| call.share == Share::Slow && *call.endpoint == *endpoint;
        match self.calls.values().filter(is_slow).count() {
            0 => free.div_ceil(2),
            has => free.saturating_sub(has).div_ceil(2),
        }
    }

    /// Whether a call may be counted to another share.
    fn has_room(&self, number: u64, to: Share, most: usize) -> bool {
        match self.calls.get(&number) {
            Some(call) if to == Share::Slow => self.slow_room(&call.endpoint, most) > 0,
            _ => self.count(to) < most,
        }
    }

    fn count_to(&mut self, number: u64, share: Share) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let before = std::mem::replace(&mut call.share, share);
        if let Some(count) = self.counts.get_mut(&before) {
            *count -= 1;
        }
        *self.counts.entry(share).or_default() += 1;
    }

    fn cut(&mut self, number: u64) {
        if let Some(call) = self.calls.get_mut(&number) {
            call.stage = Stage::Ends;
            call.cut_off.cancel();
        }
    }
}

/// A call that is under way; its slot is free when this is dropped.
#[derive(Debug)]
pub struct InFlight {
    shares: Arc<CallShares>,
    number: u64,
    endpoint: Arc<str>,
    pulse: Arc<Pulse>,
    cut_off: CancellationToken,
}

impl InFlight {
    /// To be told of the call's requests.
    pub fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// Returns when the call has to end, because others need its slot.
    pub async fn cut_off(&self) {
        self.cut_off.cancelled().await;
    }

    /// Counts only answers for the endpoint from now on: that none come may be the doing of what is in between, which is
    /// the account's own.
    pub fn goes_its_own_way(&self) {
        if let Some(call) = self.shares.lock().calls.get_mut(&self.number) {
            call.goes_its_own_way = true;
        }
    }

    pub fn is_on_its_own_way(&self) -> bool {
        self.shares.lock().calls.get(&self.number).is_some_and(|call| call.goes_its_own_way)
    }

    /// The driver is done: takes down what that says of the endpoint, and gives whether it was slow.
    pub fn ended(&self, found: Found) -> bool {
        let now = self.shares.clock.uptime();
        let found = match found {
            Found::Fails | Found::Hangs if self.is_on_its_own_way() => Found::Nothing,
            found => found,
        };
        self.shares.endpoints.found(&self.endpoint, found);
        let mut state = self.shares.lock();
        let Some(call) = state.calls.get_mut(&self.number) else { return false };
        call.stage = Stage::Records;
        now.saturating_sub(call.since) >= self.shares.limits.slow_after
    }

    /// Goes on as a slow call, if there is room for one.
    pub fn goes_on_slowly(&self) -> bool {
        let mut state = self.shares.lock();
        let is_slow = state.calls.get(&self.number).is_some_and(|call| call.share == Share::Slow);
        if !is_slow && !state.has_room(self.number, Share::Slow, self.shares.limits.of(Share::Slow)) {
            return false;
        }
        state.count_to(self.number, Share::Slow);
        drop(state);
        self.shares.freed.notify_one();
        true
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.shares.lock();
        if let Some(call) = state.calls.remove(&self.number)
            && let Some(count) = state.counts.get_mut(&call.share)
        {
            *count -= 1;
        }
        drop(state);
        self.shares.freed.notify_one();
    }
}

#[cfg(test)]
mod tests;
