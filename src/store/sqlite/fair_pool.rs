//! A fair pool: each flow has a queue, and the waiting flows take turns for the pool's items, however many requests
//! wait in each. So many reads of one account delay a read of another by one turn of each flow, and by the reads in
//! progress. The places in the queues of the writer work the same way.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::super::TokenHash;
use crate::model::{AccountId, AccountKey};

/// Who shares one queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Flow {
    Host,
    Account(AccountId),
    /// Somebody of whom no more is known yet than the account that they name.
    Key(AccountKey),
    /// Somebody of whom no more is known yet than their token.
    Token(TokenHash),
}

pub(super) struct FairPool<T> {
    state: Arc<Mutex<State<T>>>,
}

/// While an item is idle, nobody waits whose flow may have it.
struct State<T> {
    idle: Vec<T>,
    /// How many items a flow has at most.
    most: usize,
    /// Those that have an item or wait for one.
    flows: HashMap<Flow, Queue<T>>,
    /// Those that wait, in the order of their turns.
    turns: BTreeMap<u64, Flow>,
    /// The number of the next turn or waiter.
    next: u64,
}

struct Queue<T> {
    held: usize,
    /// In the order of their arrival.
    waiting: BTreeMap<u64, oneshot::Sender<Lent<T>>>,
    /// Holds while somebody waits.
    turn: u64,
}

impl<T> FairPool<T> {
    /// A flow has so many of the items at most.
    pub(super) fn new(items: Vec<T>, most: usize) -> FairPool<T> {
        let state = State { idle: items, most, flows: HashMap::new(), turns: BTreeMap::new(), next: 0 };
        FairPool { state: Arc::new(Mutex::new(state)) }
    }

    /// Waits for an item. A caller that stops waiting leaves the queue.
    pub(super) async fn borrow(&self, flow: Flow) -> Lent<T> {
        let state = Arc::clone(&self.state);
        let (number, served) = {
            let mut locked = lock(&state);
            if let Some(item) = locked.take(&flow) {
                drop(locked);
                return Lent { item: Some(item), flow, state };
            }
            locked.enqueue(&flow)
        };
        let mut waiter = Waiter { number, flow, state, served };
        (&mut waiter.served).await.expect("invariant: a waiter is in its queue until it is served")
    }
}

impl<T> State<T> {
    fn take(&mut self, flow: &Flow) -> Option<T> {
        if self.flows.get(flow).is_some_and(|queue| queue.held >= self.most) {
            return None;
        }
        let item = self.idle.pop()?;
        self.queue(flow).held += 1;
        Some(item)
    }

    fn enqueue(&mut self, flow: &Flow) -> (u64, oneshot::Receiver<Lent<T>>) {
        let (number, turn) = (self.number(), self.number());
        let (sender, served) = oneshot::channel();
        let queue = self.queue(flow);
        let is_first = queue.waiting.is_empty();
        queue.waiting.insert(number, sender);
        if is_first {
            queue.turn = turn;
            self.turns.insert(turn, flow.clone());
        }
        (number, served)
    }

    /// Takes an item for whoever has the next turn.
    fn serve(&mut self) -> Option<(Flow, T, oneshot::Sender<Lent<T>>)> {
        if self.idle.is_empty() {
            return None;
        }
        // All flows together have no more items than there are, so few are passed over here for having the most.
        let may_have_more = |flow: &Flow| self.flows.get(flow).is_some_and(|queue| queue.held < self.most);
        let (turn, flow) = self.turns.iter().find(|(_, flow)| may_have_more(flow))?;
        let (turn, flow) = (*turn, flow.clone());
        let next_turn = self.number();
        let queue = self.queue(&flow);
        let (_, sender) = queue.waiting.pop_first()?;
        queue.held += 1;
        queue.turn = next_turn;
        let is_more = !queue.waiting.is_empty();
        self.turns.remove(&turn);
        if is_more {
            self.turns.insert(next_turn, flow.clone());
        }
        Some((flow, self.idle.pop()?, sender))
    }

    fn put_back(&mut self, flow: &Flow, item: T) {
        self.idle.push(item);
        self.queue(flow).held -= 1;
        self.forget_unused(flow);
    }

    /// Does nothing to a waiter that was served.
    fn leave(&mut self, flow: &Flow, number: u64) {
        let Some(queue) = self.flows.get_mut(flow) else { return };
        if queue.waiting.remove(&number).is_some() && queue.waiting.is_empty() {
            self.turns.remove(&queue.turn);
            self.forget_unused(flow);
        }
    }

    fn queue(&mut self, flow: &Flow) -> &mut Queue<T> {
        let new = || Queue { held: 0, waiting: BTreeMap::new(), turn: 0 };
        self.flows.entry(flow.clone()).or_insert_with(new)
    }

    fn forget_unused(&mut self, flow: &Flow) {
        if self.flows.get(flow).is_some_and(|queue| queue.held == 0 && queue.waiting.is_empty()) {
            self.flows.remove(flow);
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

fn lock<T>(state: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Waiter<T> {
    number: u64,
    flow: Flow,
    state: Arc<Mutex<State<T>>>,
    /// What came too late is dropped with it, and so given back.
    served: oneshot::Receiver<Lent<T>>,
}

impl<T> Drop for Waiter<T> {
    fn drop(&mut self) {
        lock(&self.state).leave(&self.flow, self.number);
    }
}

/// An item on loan. It goes back when this is dropped, also by a panic.
pub(super) struct Lent<T> {
    item: Option<T>,
    flow: Flow,
    state: Arc<Mutex<State<T>>>,
}

impl<T> Lent<T> {
    /// Whose it is.
    pub(super) fn flow(&self) -> &Flow {
        &self.flow
    }
}

impl<T> Deref for Lent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.item.as_ref().expect("invariant: the item is there until this is dropped")
    }
}

impl<T> Drop for Lent<T> {
    fn drop(&mut self) {
        let Some(item) = self.item.take() else { return };
        let served = {
            let mut state = lock(&self.state);
            state.put_back(&self.flow, item);
            state.serve()
        };
        if let Some((flow, item, waiter)) = served {
            // A waiter that stopped waiting just now drops the item, which serves the next one. The lock is free for that.
            drop(waiter.send(Lent { item: Some(item), flow, state: Arc::clone(&self.state) }));
        }
    }
}
