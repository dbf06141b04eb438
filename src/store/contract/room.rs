//! A `Room` with the values that a case chooses.

use std::collections::HashMap;

use crate::model::breaker::Standing;
use crate::model::{AccountId, HookId, Timestamp};
use crate::store::{DestinationRoom, Free, InFlight, Room};

/// What is not named has as much as there is.
#[derive(Clone, Debug)]
pub(crate) struct GivenRoom {
    pub(crate) free: Free,
    pub(crate) per_hook: usize,
    /// How many deliveries of a hook are in flight.
    pub(crate) in_flight: Vec<(HookId, usize)>,
    pub(crate) per_destination: usize,
    /// How many more each of these destinations may have.
    pub(crate) destinations: HashMap<String, usize>,
    pub(crate) accounts: HashMap<AccountId, InFlight>,
}

impl GivenRoom {
    /// Of everything more than a case can have in flight.
    pub(crate) fn ample() -> GivenRoom {
        const AMPLE: usize = 1_000_000;
        GivenRoom {
            free: Free { slots: AMPLE, all: AMPLE, reserve: 0, probation: AMPLE, late: AMPLE },
            per_hook: AMPLE,
            in_flight: Vec::new(),
            per_destination: AMPLE,
            destinations: HashMap::new(),
            accounts: HashMap::new(),
        }
    }
}

impl Room for GivenRoom {
    fn free(&self) -> Free {
        self.free
    }

    fn hook(&self, hook: HookId) -> usize {
        let in_flight = self.in_flight.iter().filter(|(other, _)| *other == hook).map(|(_, number)| number);
        self.per_hook.saturating_sub(in_flight.sum())
    }

    fn destination(&self, name: &str, stored: Standing, _: Timestamp) -> DestinationRoom {
        let room = self.destinations.get(name).copied().unwrap_or(self.per_destination);
        DestinationRoom { room, in_flight: 0, standing: stored }
    }

    fn account(&self, account: AccountId) -> InFlight {
        self.accounts.get(&account).copied().unwrap_or_default()
    }
}
