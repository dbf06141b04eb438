//! A queue that serves flows round robin: one item of each waiting flow, however many items a flow has.

use std::collections::{HashMap, VecDeque};

use super::super::fair_pool::Flow;

pub(super) struct RoundRobin<T> {
    /// Of each flow that waits, in the order of their arrival.
    queues: HashMap<Flow, VecDeque<T>>,
    /// The flows that wait, in the order of their turns.
    turns: VecDeque<Flow>,
}

impl<T> RoundRobin<T> {
    pub(super) fn new() -> RoundRobin<T> {
        RoundRobin { queues: HashMap::new(), turns: VecDeque::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    pub(super) fn push(&mut self, flow: Flow, item: T) {
        let queue = self.queues.entry(flow.clone()).or_default();
        if queue.is_empty() {
            self.turns.push_back(flow);
        }
        queue.push_back(item);
    }

    /// Takes out the first of the flow whose turn it is.
    pub(super) fn pop(&mut self) -> Option<T> {
        let flow = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&flow)?;
        let item = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&flow);
        } else {
            self.turns.push_back(flow);
        }
        item
    }

    /// In no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.queues.values().flatten()
    }

    pub(super) fn clear(&mut self) {
        self.queues.clear();
        self.turns.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::AccountId;

    proptest! {
        /// Who waits sees every other flow served once at most before its own turn, and items of a flow keep their order.
        #[test]
        fn flows_take_turns(steps in proptest::collection::vec(proptest::option::of(0..5_i64), 0..200)) {
            let mut queue = RoundRobin::new();
            let mut pushed = [0_usize; 5];
            let mut popped = [0_usize; 5];
            let mut passed = [[0_usize; 5]; 5];
            for step in steps.iter().copied().chain(std::iter::repeat_n(None, steps.len())) {
                let Some(account) = step else {
                    let waits = |account: usize, popped: &[usize; 5]| pushed[account] > popped[account];
                    let Some((account, number)) = queue.pop() else {
                        prop_assert_eq!(pushed, popped);
                        prop_assert!(queue.is_empty());
                        continue;
                    };
                    prop_assert_eq!(number, popped[account]);
                    for other in (0..5).filter(|other| *other != account && waits(*other, &popped)) {
                        passed[other][account] += 1;
                        prop_assert!(passed[other][account] <= 1, "{account} was served twice while {other} waited");
                    }
                    popped[account] += 1;
                    passed[account] = [0; 5];
                    continue;
                };
                let index = account as usize;
                queue.push(Flow::Account(AccountId(account)), (index, pushed[index]));
                pushed[index] += 1;
                prop_assert_eq!(queue.iter().count(), pushed.iter().sum::<usize>() - popped.iter().sum::<usize>());
            }
        }
    }
}
