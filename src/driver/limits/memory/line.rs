//! The polls that wait for memory, and those that have to end so that others can continue.

use std::collections::HashMap;

use tokio_util::sync::CancellationToken;

use crate::model::{AccountKey, Kind};

/// Who waits for memory.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// How many wait that need little.
    pub(super) small: usize,
    /// Those that need much and still hold some of the small part, with what ends them.
    pub(super) large: HashMap<u64, CancellationToken>,
    pub(super) waited: u64,
    pub(super) accounts: HashMap<(AccountKey, Kind), usize>,
}

impl Line {
    /// While a poll that needs little waits, none that waits for much keeps any of the small part.
    pub(super) fn make_room(&mut self) {
        if self.small > 0 {
            self.large.drain().for_each(|(_, displaced)| displaced.cancel());
        }
    }
}
