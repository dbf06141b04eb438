//! Who waits for memory, and who has to end because of that.

use std::collections::HashMap;

use tokio_util::sync::CancellationToken;

use super::PollMemory;
use super::state::Lack;
use crate::model::{AccountKey, Kind};

/// Who waits for memory.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// How many wait that need little.
    pub(super) small: usize,
    /// Those that need much and still hold some of the small part, with what ends them.
    pub(super) large: HashMap<u64, CancellationToken>,
    waited: u64,
    pub(super) accounts: HashMap<(AccountKey, Kind), usize>,
}

/// A task of a poll that waits for room.
pub(super) struct Waiting<'a> {
    memory: &'a PollMemory,
    lack: Lack,
    /// Its place among those that need much.
    place: Option<u64>,
}

impl Waiting<'_> {
    pub(super) fn begin(memory: &PollMemory, lack: Lack) -> Waiting<'_> {
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

impl Line {
    /// While a poll that needs little waits, none that waits for much keeps any of the small part.
    fn make_room(&mut self) {
        if self.small > 0 {
            self.large.drain().for_each(|(_, displaced)| displaced.cancel());
        }
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
