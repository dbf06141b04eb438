//! The memory that polls make the host use: sandboxes, lists, requests, answers, headers. One limit holds for each poll
//! and one for all polls together. A poll that exceeds its own limit ends; a poll that does not fit beside the others
//! waits.
//!
//! The memory for all polls has three parts, so that small polls never wait for large ones:
//!
//! - The *reserve* is as much as one poll may need. One poll at a time holds it.
//! - A quarter of the rest is *small*: only polls that need at most `FIRST_BYTES` use it. As much as one of these polls
//!   may need is a reserve within this part, too. A poll that grows beyond `FIRST_BYTES` moves completely to the shared
//!   part, and returns its memory to the small part.
//! - The remainder is *shared*. An endpoint never has more of it than is left to others, so that long and endless lists
//!   leave room to the accounts of other endpoints. A small poll uses it if the small part is full.
//!
//! Waiting can't deadlock. A poll that waits for any part also waits for the reserve, in which endpoints take turns.
//! The next poll gets the reserve when its holder has ended. The holder has room up to its own limit, so it never waits
//! for memory, and ends at the latest with the time limit of a poll. So one poll can always continue.
//!
//! Small polls continue even if nothing else does. A poll that has grown beyond `FIRST_BYTES` and waits for the shared
//! part still holds its memory of the small part. If a small poll has to wait as well, the host ends the large one, and
//! repeats it later (`line`). So small polls wait only for small polls. One of these has the small reserve: it either
//! ends, or grows beyond `FIRST_BYTES` and then returns the small reserve as well.

mod line;
mod shares;
mod state;

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{CONTEXT_BYTES, Limits};
use crate::driver::error::CallError;
use crate::driver::load::outline;
use crate::metrics;
use crate::model::{AccountKey, Kind};
use line::Line;
use shares::{Grant, Sharer, Shares, UNIT};
use state::{Lack, State};

/// What a sandbox takes beside its linear memory, at most: the contexts of its core instances, the states of its component
/// instances and passive segments (`outline`), and its stack, tables of handles and store.
pub(in crate::driver) const SANDBOX_BYTES: usize = CONTEXT_BYTES + outline::MOST_BYTES + (1 << 20);
/// What a poll may need and still count as one that needs little: a sandbox, its linear memory, and a list of some thousand
/// instances with the answers that it is made of.
const FIRST_BYTES: usize = SANDBOX_BYTES + (12 << 20);
/// Of the memory beside the reserve, one part in this many is for polls that need little.
const SMALL_PART: usize = 4;

/// The memory for all polls of a host.
#[derive(Debug)]
pub(in crate::driver) struct Pool {
    poll_limit: usize,
    total_limit: usize,
    /// How many units a poll may need and still take of the small part.
    first: usize,
    small: Arc<Semaphore>,
    small_reserve: Arc<Semaphore>,
    /// The shared part, and the reserve.
    shares: Arc<Shares>,
    line: Mutex<Line>,
    gauges: metrics::PollMemory,
}

/// Whose memory it is.
#[derive(Clone, Debug)]
pub(in crate::driver) struct Owner {
    pub(in crate::driver) account: AccountKey,
    pub(in crate::driver) kind: Kind,
    pub(in crate::driver) endpoint: String,
}

/// `drivers.limits.total_memory` has no room for one poll.
#[derive(Debug, thiserror::Error)]
#[error(
    "drivers.limits.total_memory is {total} bytes, less than drivers.limits.poll_memory ({poll}): no poll would fit into it"
)]
pub(in crate::driver) struct TotalTooSmall {
    total: usize,
    poll: usize,
}

/// The poll has had all the memory that one may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the poll needs more than its {0} bytes of memory")]
pub(in crate::driver) struct Full(usize);

impl From<Full> for CallError {
    fn from(Full(limit): Full) -> CallError {
        let value = format!("{limit} bytes");
        CallError::Limit { limit: "memory of a poll", setting: "poll_memory", value }
    }
}

impl Pool {
    pub(in crate::driver) fn new(limits: &Limits) -> Result<Arc<Pool>, TotalTooSmall> {
        let (poll, total) = (limits.poll_memory, limits.total_memory);
        let beside = total.checked_sub(poll).ok_or(TotalTooSmall { total, poll })? / UNIT;
        let beside = beside.min(Semaphore::MAX_PERMITS);
        let small = beside / SMALL_PART;
        let shared = beside - small;
        let first = (FIRST_BYTES.min(poll) / UNIT).min(small);
        Ok(Arc::new(Pool {
            poll_limit: poll,
            total_limit: total,
            first,
            small: Arc::new(Semaphore::new(small - first)),
            small_reserve: Arc::new(Semaphore::new(1)),
            shares: Shares::new(shared),
            line: Mutex::default(),
            gauges: metrics::PollMemory::default(),
        }))
    }

    /// Where the pool is seen from outside.
    pub(in crate::driver) fn gauges(&self) -> &metrics::PollMemory {
        &self.gauges
    }

    /// Whether a call for this account waits for memory.
    pub(in crate::driver) fn is_waited_for(&self, account: &AccountKey, kind: Kind) -> bool {
        self.line().accounts.contains_key(&(account.clone(), kind))
    }

    /// Begins the account of a poll, as soon as there is room for a sandbox. What is nobody's poll has no owner.
    pub(in crate::driver) async fn admit(self: &Arc<Pool>, owner: Option<Owner>) -> Arc<PollMemory> {
        let memory = self.begin(owner);
        // A limit that has no room even for this is found to be passed when the sandbox is made.
        let _ = memory.grow(SANDBOX_BYTES).await;
        memory
    }

    fn begin(self: &Arc<Pool>, owner: Option<Owner>) -> Arc<PollMemory> {
        let endpoint = owner.as_ref().map(|owner| owner.endpoint.clone()).unwrap_or_default();
        let account = owner.as_ref().map(|owner| owner.account.clone());
        Arc::new(PollMemory {
            pool: Arc::clone(self),
            sharer: Arc::new(Sharer { endpoint, account }),
            whose: owner.map(|Owner { account, kind, .. }| (account, kind)),
            displaced: CancellationToken::new(),
            state: Mutex::default(),
        })
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().expect("invariant: no holder of this lock can panic")
    }
}

/// What one poll makes the host spend.
#[derive(Debug)]
pub(in crate::driver) struct PollMemory {
    pool: Arc<Pool>,
    /// Whose share it takes of what is shared.
    sharer: Arc<Sharer>,
    whose: Option<(AccountKey, Kind)>,
    /// Told to end, since what it holds while it waits is wanted by polls that need little.
    displaced: CancellationToken,
    state: Mutex<State>,
}

impl PollMemory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: no holder of this lock can panic")
    }

    fn add(&self, lasting: usize, held: usize) -> Result<(), Full> {
        let limit = self.pool.poll_limit;
        let mut state = self.state();
        let used = state.used().saturating_add(lasting).saturating_add(held);
        if used > limit {
            state.passed = true;
            return Err(Full(limit));
        }
        state.lasting += lasting;
        state.held += held;
        self.show(&mut state);
        Ok(())
    }

    /// Brings the gauge up to date with what this has.
    fn show(&self, state: &mut State) {
        let covered = state.covered(self.pool.first);
        self.pool.gauges.add(covered.saturating_sub(state.shown));
        self.pool.gauges.remove(state.shown.saturating_sub(covered));
        state.shown = covered;
    }

    /// Spends bytes for as long as the sandbox is there. Where they do not fit beside other polls, this one is in debt
    /// until it is next interrupted, and waits then: for what can't wait, and is little.
    pub(in crate::driver) fn spend(&self, bytes: usize) -> Result<(), Full> {
        self.add(bytes, 0)
    }

    /// Spends bytes for as long as the sandbox is there, and waits for room.
    pub(in crate::driver) async fn grow(&self, bytes: usize) -> Result<(), Full> {
        self.add(bytes, 0)?;
        self.settle().await;
        Ok(())
    }

    /// Spends bytes until what it gives is dropped, and waits for room.
    pub(in crate::driver) async fn hold(self: &Arc<PollMemory>, bytes: usize) -> Result<Held, Full> {
        let mut held = Held { memory: Arc::clone(self), bytes: 0 };
        held.grow(bytes).await?;
        Ok(held)
    }

    /// Whether the poll's limit was passed.
    pub(in crate::driver) fn passed(&self) -> Option<Full> {
        self.state().passed.then_some(Full(self.pool.poll_limit))
    }

    pub(in crate::driver) fn is_in_debt(&self) -> bool {
        self.state().lack(self.pool.first).is_some()
    }

    /// The error of a poll that waits for room, if it does.
    pub(in crate::driver) fn waiting(&self) -> Option<CallError> {
        (self.state().waiting > 0).then(|| self.no_room())
    }

    /// Returns when the poll has to end, with the error of that: it needs much and waits for it, and what it has meanwhile
    /// is wanted by polls that need little.
    pub(in crate::driver) async fn displaced(&self) -> CallError {
        self.displaced.cancelled().await;
        self.no_room()
    }

    fn no_room(&self) -> CallError {
        CallError::Limit {
            limit: "memory of all polls",
            setting: "total_memory",
            value: format!("{} bytes", self.pool.total_limit),
        }
    }

    /// Waits until all that is spent has room.
    pub(in crate::driver) async fn settle(&self) {
        let Pool { small, small_reserve, shares, first, .. } = &*self.pool;
        let lack = {
            let mut state = self.state();
            let Some(lack) = state.lack(*first) else { return };
            if self.take_what_is_free(&mut state, lack) {
                self.show(&mut state);
                return;
            }
            lack
        };
        let _waiting = Waiting::begin(self, lack);
        let needs_little = matches!(lack, Lack::Small(_));
        let there = "invariant: the semaphore is never closed";
        tokio::select! {
            permit = Arc::clone(small).acquire_many_owned(lack.permits()), if needs_little => {
                self.state().take_small(permit.expect(there));
            }
            permit = Arc::clone(small_reserve).acquire_owned(), if needs_little => {
                self.state().take_small_reserve(permit.expect(there));
            }
            grant = shares.wait(&self.sharer, lack.units()) => match grant {
                Grant::Units(units) => self.state().take_shared(units),
                Grant::Reserve(reserve) => self.state().take_reserve(reserve),
            },
        }
        self.show(&mut self.state());
    }

    fn take_what_is_free(&self, state: &mut State, lack: Lack) -> bool {
        let Pool { small, small_reserve, shares, .. } = &*self.pool;
        let needs_little = matches!(lack, Lack::Small(_));
        if needs_little && let Ok(permit) = Arc::clone(small).try_acquire_many_owned(lack.permits()) {
            state.take_small(permit);
            return true;
        }
        if let Some(units) = shares.try_units(&self.sharer, lack.units()) {
            state.take_shared(units);
            return true;
        }
        if needs_little && let Ok(permit) = Arc::clone(small_reserve).try_acquire_owned() {
            state.take_small_reserve(permit);
            return true;
        }
        if let Some(reserve) = shares.try_reserve(&self.sharer) {
            state.take_reserve(reserve);
            return true;
        }
        false
    }

    fn give_back(&self, bytes: usize) {
        let mut state = self.state();
        state.held -= bytes;
        state.trim();
        self.show(&mut state);
    }
}

impl Drop for PollMemory {
    fn drop(&mut self) {
        let shown = self.state().shown;
        self.pool.gauges.remove(shown);
    }
}

/// Gives back what a sandbox took when it is gone. Whoever has it makes sure of the order.
#[derive(Debug)]
pub(in crate::driver) struct SandboxMemory(pub(in crate::driver) Arc<PollMemory>);

impl Drop for SandboxMemory {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.lasting = 0;
        state.trim();
        self.0.show(&mut state);
    }
}

/// Bytes of a poll that are spent until this is dropped.
#[derive(Debug)]
pub(in crate::driver) struct Held {
    memory: Arc<PollMemory>,
    bytes: usize,
}

impl Held {
    /// Spends so many bytes more, and waits for room.
    pub(in crate::driver) async fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        self.memory.add(0, bytes)?;
        self.bytes += bytes;
        self.memory.settle().await;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.give_back(self.bytes);
    }
}

/// The memory that a list takes, for as long as somebody has the list.
#[derive(Clone, Debug, Default)]
pub struct ListMemory {
    _held: Option<Arc<Held>>,
}

impl From<Held> for ListMemory {
    fn from(held: Held) -> ListMemory {
        ListMemory { _held: Some(Arc::new(held)) }
    }
}

/// A task of a poll that waits for room.
struct Waiting<'a> {
    memory: &'a PollMemory,
    lack: Lack,
    /// Its place among those that need much.
    place: Option<u64>,
}

impl Waiting<'_> {
    fn begin(memory: &PollMemory, lack: Lack) -> Waiting<'_> {
        let holds_small = {
            let mut state = memory.state();
            state.waiting += 1;
            if state.waiting == 1 {
                memory.pool.gauges.wait();
            }
            state.holds_small()
        };
        let mut line = memory.pool.line();
        if let Some(whose) = &memory.whose {
            *line.accounts.entry(whose.clone()).or_default() += 1;
        }
        let mut place = None;
        match lack {
            Lack::Small(_) => line.small += 1,
            Lack::Large(_) if holds_small => {
                line.waited += 1;
                place = Some(line.waited);
                let number = line.waited;
                line.large.insert(number, memory.displaced.clone());
            }
            Lack::Large(_) => {}
        }
        line.make_room();
        drop(line);
        Waiting { memory, lack, place }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let PollMemory { pool, whose, .. } = self.memory;
        let mut line = pool.line();
        if let Lack::Small(_) = self.lack {
            line.small -= 1;
        }
        if let Some(place) = self.place {
            line.large.remove(&place);
        }
        if let Some(whose) = whose
            && let Some(waiting) = line.accounts.get_mut(whose)
        {
            *waiting -= 1;
            if *waiting == 0 {
                line.accounts.remove(whose);
            }
        }
        drop(line);
        let mut state = self.memory.state();
        state.waiting -= 1;
        if state.waiting == 0 {
            pool.gauges.go_on();
        }
    }
}

#[cfg(test)]
mod tests;
