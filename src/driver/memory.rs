//! The memory that polls make the host spend: sandboxes, lists, requests, answers, headers. One limit holds for each
//! poll and one for all polls together. A poll that passes its own limit ends; a poll that does not fit beside the
//! others waits.
//!
//! Waiting can't deadlock: of the memory for all polls, as much as one poll may need is a reserve, which one poll at a
//! time may hold. That poll always finishes, and what it then gives back is there for the next.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::CallError;
use super::limits::{CONTEXT_BYTES, Limits};
use super::outline;
use crate::metrics;

/// Memory of all polls is shared out in units of this size.
const UNIT: usize = 64 << 10;
/// What a sandbox takes beside its linear memory, at most: the contexts of its core instances, the states of its component
/// instances and passive segments (`outline`), and its stack, tables of handles and store.
pub(super) const SANDBOX_BYTES: usize = CONTEXT_BYTES + outline::MOST_BYTES + (1 << 20);

/// The memory for all polls of a host.
#[derive(Debug)]
pub(super) struct Pool {
    poll_limit: usize,
    total_limit: usize,
    /// Units for all polls but the one that holds the reserve.
    shared: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
    gauges: metrics::PollMemory,
}

/// `drivers.limits.total_memory` has no room for one poll.
#[derive(Debug, thiserror::Error)]
#[error(
    "drivers.limits.total_memory is {total} bytes, less than drivers.limits.poll_memory ({poll}): no poll would fit into it"
)]
pub(super) struct TotalTooSmall {
    total: usize,
    poll: usize,
}

/// The poll has had all the memory that one may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the poll needs more than its {0} bytes of memory")]
pub(super) struct Full(usize);

impl From<Full> for CallError {
    fn from(Full(limit): Full) -> CallError {
        let value = format!("{limit} bytes");
        CallError::Limit { limit: "memory of a poll", setting: "poll_memory", value }
    }
}

impl Pool {
    pub(super) fn new(limits: &Limits) -> Result<Arc<Pool>, TotalTooSmall> {
        let (poll, total) = (limits.poll_memory, limits.total_memory);
        let shared = total.checked_sub(poll).ok_or(TotalTooSmall { total, poll })? / UNIT;
        Ok(Arc::new(Pool {
            poll_limit: poll,
            total_limit: total,
            shared: Arc::new(Semaphore::new(shared.min(Semaphore::MAX_PERMITS))),
            reserve: Arc::new(Semaphore::new(1)),
            gauges: metrics::PollMemory::default(),
        }))
    }

    /// Where the pool is seen from outside.
    pub(super) fn gauges(&self) -> &metrics::PollMemory {
        &self.gauges
    }

    /// Begins the account of a poll, as soon as there is room for a sandbox.
    pub(super) async fn admit(self: &Arc<Pool>) -> Arc<PollMemory> {
        let memory = Arc::new(PollMemory { pool: Arc::clone(self), state: Mutex::default() });
        // A limit that has no room even for this is found to be passed when the sandbox is made.
        let _ = memory.grow(SANDBOX_BYTES).await;
        memory
    }
}

/// What one poll makes the host spend.
#[derive(Debug)]
pub(super) struct PollMemory {
    pool: Arc<Pool>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes that are spent for as long as the sandbox is there.
    lasting: usize,
    /// Bytes of `Held`, each given back when it is dropped.
    held: usize,
    /// Units taken of those that all polls share.
    shared: Option<OwnedSemaphorePermit>,
    /// With the reserve the poll has room up to its limit.
    reserve: Option<OwnedSemaphorePermit>,
    /// Tasks of the poll that wait for room.
    waiting: usize,
    /// Whether the poll's own limit was passed.
    passed: bool,
}

impl State {
    fn used(&self) -> usize {
        self.lasting.saturating_add(self.held)
    }

    fn granted(&self) -> usize {
        self.shared.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// How many units more it needs.
    fn lacking(&self) -> usize {
        match self.reserve {
            Some(_) => 0,
            None => self.used().div_ceil(UNIT).saturating_sub(self.granted()),
        }
    }

    fn take_shared(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.shared {
            Some(shared) => shared.merge(permit),
            None => self.shared = Some(permit),
        }
    }

    /// Gives back what is not needed any more.
    fn trim(&mut self) {
        if self.used() == 0 {
            (self.shared, self.reserve) = (None, None);
            return;
        }
        let excess = self.granted().saturating_sub(self.used().div_ceil(UNIT));
        if let Some(shared) = &mut self.shared {
            drop(shared.split(excess));
        }
    }
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
        drop(state);
        self.pool.gauges.add(lasting + held);
        Ok(())
    }

    /// Spends bytes for as long as the sandbox is there. Where they do not fit beside other polls, this one is in debt
    /// until it is next interrupted, and waits then: for what can't wait, and is little.
    pub(super) fn spend(&self, bytes: usize) -> Result<(), Full> {
        self.add(bytes, 0)
    }

    /// Spends bytes for as long as the sandbox is there, and waits for room.
    pub(super) async fn grow(&self, bytes: usize) -> Result<(), Full> {
        self.add(bytes, 0)?;
        self.settle().await;
        Ok(())
    }

    /// Spends bytes until what it gives is dropped, and waits for room.
    pub(super) async fn hold(self: &Arc<PollMemory>, bytes: usize) -> Result<Held, Full> {
        let mut held = Held { memory: Arc::clone(self), bytes: 0 };
        held.grow(bytes).await?;
        Ok(held)
    }

    /// Whether the poll's limit was passed.
    pub(super) fn passed(&self) -> Option<Full> {
        self.state().passed.then_some(Full(self.pool.poll_limit))
    }

    pub(super) fn is_in_debt(&self) -> bool {
        self.state().lacking() > 0
    }

    /// The error of a poll that waits for room, if it does.
    pub(super) fn waiting(&self) -> Option<CallError> {
        (self.state().waiting > 0).then(|| CallError::Limit {
            limit: "memory of all polls",
            setting: "total_memory",
            value: format!("{} bytes", self.pool.total_limit),
        })
    }

    /// Waits until all that is spent has room.
    pub(super) async fn settle(&self) {
        let Pool { shared, reserve, .. } = &*self.pool;
        let lacking = {
            let mut state = self.state();
            match u32::try_from(state.lacking()) {
                Ok(0) => return,
                Ok(lacking) => match Arc::clone(shared).try_acquire_many_owned(lacking) {
                    Ok(permit) => return state.take_shared(permit),
                    Err(_) => lacking,
                },
                Err(_) => u32::MAX,
            }
        };
        let _waiting = Waiting::begin(self);
        tokio::select! {
            permit = Arc::clone(shared).acquire_many_owned(lacking) => {
                self.state().take_shared(permit.expect("invariant: the semaphore is never closed"));
            }
            permit = Arc::clone(reserve).acquire_owned() => {
                let mut state = self.state();
                state.reserve = Some(permit.expect("invariant: the semaphore is never closed"));
                state.shared = None;
            }
        }
    }

    fn give_back(&self, bytes: usize) {
        let mut state = self.state();
        state.held -= bytes;
        state.trim();
        drop(state);
        self.pool.gauges.remove(bytes);
    }
}

impl Drop for PollMemory {
    fn drop(&mut self) {
        let used = self.state().used();
        self.pool.gauges.remove(used);
    }
}

/// A task of a poll that waits for room.
struct Waiting<'a>(&'a PollMemory);

impl Waiting<'_> {
    fn begin(memory: &PollMemory) -> Waiting<'_> {
        let mut state = memory.state();
        state.waiting += 1;
        if state.waiting == 1 {
            memory.pool.gauges.wait();
        }
        Waiting(memory)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.waiting -= 1;
        if state.waiting == 0 {
            self.0.pool.gauges.go_on();
        }
    }
}

/// Gives back what a sandbox took when it is gone. Whoever has it makes sure of the order.
#[derive(Debug)]
pub(super) struct SandboxMemory(pub(super) Arc<PollMemory>);

impl Drop for SandboxMemory {
    fn drop(&mut self) {
        let mut state = self.0.state();
        let lasting = std::mem::take(&mut state.lasting);
        state.trim();
        drop(state);
        self.0.pool.gauges.remove(lasting);
    }
}

/// Bytes of a poll that are spent until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    memory: Arc<PollMemory>,
    bytes: usize,
}

impl Held {
    /// Spends so many bytes more, and waits for room.
    pub(super) async fn grow(&mut self, bytes: usize) -> Result<(), Full> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;
    use std::pin::pin;

    fn pool(poll_units: usize, total_units: usize) -> Arc<Pool> {
        let limits = Limits { poll_memory: poll_units * UNIT, total_memory: total_units * UNIT, ..Limits::default() };
        Pool::new(&limits).expect("there is room for a poll")
    }

    fn begin(pool: &Arc<Pool>) -> Arc<PollMemory> {
        Arc::new(PollMemory { pool: Arc::clone(pool), state: Mutex::default() })
    }

    #[tokio::test]
    async fn a_poll_has_its_limit_whatever_is_free() {
        let pool = pool(4, 100);
        let memory = begin(&pool);
        memory.grow(3 * UNIT).await.expect("there is room");
        let held = memory.hold(UNIT).await.expect("there is room");
        assert_eq!(memory.passed(), None);
        assert!(memory.hold(1).await.is_err());
        let error = CallError::from(memory.passed().expect("it was passed"));
        assert_eq!(error.code(), "limit.poll_memory");
        assert!(error.to_string().contains("drivers.limits.poll_memory"), "{error}");
        drop(held);
        memory.spend(UNIT).expect("it was given back");
        drop(SandboxMemory(Arc::clone(&memory)));
        assert_eq!(memory.state().used(), 0);
        assert_eq!(pool.shared.available_permits(), 96);
    }

    #[tokio::test]
    async fn polls_that_do_not_fit_wait_and_one_of_them_always_goes_on() {
        // Six units are shared, and four are the reserve.
        let pool = pool(4, 10);
        let (one, two, three) = (begin(&pool), begin(&pool), begin(&pool));
        one.grow(3 * UNIT).await.expect("shared");
        two.grow(3 * UNIT).await.expect("shared");
        three.grow(2 * UNIT).await.expect("the reserve");
        assert!(three.state().reserve.is_some());
        {
            let mut more = pin!(one.grow(UNIT));
            assert!(poll!(&mut more).is_pending(), "nothing is left");
            assert!(one.waiting().is_some_and(|error| error.code() == "limit.total_memory"));
            assert_eq!(pool.gauges.waiting(), 1);
            three.grow(2 * UNIT).await.expect("the reserve has room for all that a poll may need");
            drop(SandboxMemory(Arc::clone(&three)));
            more.await.expect("the reserve is free again");
        }
        assert!(one.waiting().is_none());
        assert_eq!(pool.gauges.waiting(), 0);
        assert_eq!(pool.shared.available_permits(), 3, "who has the reserve shares nothing");
        drop(SandboxMemory(one));
        drop(SandboxMemory(two));
        assert_eq!((pool.shared.available_permits(), pool.reserve.available_permits()), (6, 1));
        assert_eq!(pool.gauges.bytes(), 0);
    }

    #[tokio::test]
    async fn what_cannot_wait_is_a_debt() {
        let pool = pool(2, 3);
        let (one, two) = (begin(&pool), begin(&pool));
        one.grow(2 * UNIT).await.expect("the reserve");
        two.spend(2 * UNIT).expect("within its limit");
        assert!(two.is_in_debt());
        let mut settled = pin!(two.settle());
        assert!(poll!(&mut settled).is_pending());
        drop(SandboxMemory(one));
        settled.await;
        assert!(!two.is_in_debt());
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_leaves_nothing_behind() {
        let pool = pool(2, 2);
        let (one, two) = (begin(&pool), begin(&pool));
        one.grow(UNIT).await.expect("the reserve");
        {
            let mut more = pin!(two.hold(UNIT));
            assert!(poll!(&mut more).is_pending());
        }
        assert_eq!((two.state().used(), pool.gauges.waiting()), (0, 0));
        drop(SandboxMemory(one));
        two.grow(UNIT).await.expect("the reserve is free");
    }

    #[test]
    fn there_is_room_for_one_poll_at_least() {
        let limits = Limits { poll_memory: 2 << 20, total_memory: 1 << 20, ..Limits::default() };
        let error = Pool::new(&limits).expect_err("no room").to_string();
        assert!(
            error.contains("drivers.limits.total_memory") && error.contains("drivers.limits.poll_memory"),
            "{error}"
        );
    }
}
