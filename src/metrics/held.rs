//! The content of the store, which is counted when somebody asks.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::times::gauged;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InStatus {
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WithStanding {
    standing: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InTable {
    table: &'static str,
}

/// What the store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub accounts: u64,
    pub hooks_active: u64,
    pub hooks_paused: u64,
    pub hooks_disabled: u64,
    pub hooks_damaged: u64,
    pub callbacks_waiting: u64,
    /// How many destinations of each standing callbacks wait for.
    pub destinations_waiting: Vec<(&'static str, u64)>,
    pub damaged_rows: Vec<DamagedRows>,
    /// The size of the store's file, and its limit.
    pub store_bytes: u64,
    pub store_limit: u64,
    /// Accounts that are near or at their share of it.
    pub accounts_near_limit: u64,
    pub accounts_at_limit: u64,
}

/// Rows of one table that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedRows {
    pub table: &'static str,
    /// Neither removed nor healed; of a file in which very much is damaged, as many as are remembered.
    pub now: u64,
    /// Met since the host started.
    pub found: u64,
}

#[derive(Debug)]
pub(super) struct Holdings {
    accounts: Gauge,
    hooks: Family<InStatus, Gauge>,
    waiting: Gauge,
    destinations_waiting: Family<WithStanding, Gauge>,
    damaged_rows: Family<InTable, Gauge>,
    damaged_rows_found: Family<InTable, Counter>,
    size: Gauge,
    limit: Gauge,
    large_accounts: Family<InState, Gauge>,
}

impl Holdings {
    pub(super) fn register(registry: &mut Registry) -> Holdings {
        let held = Holdings {
            accounts: Gauge::default(),
            hooks: Family::default(),
            waiting: Gauge::default(),
            destinations_waiting: Family::default(),
            damaged_rows: Family::default(),
            damaged_rows_found: Family::default(),
            size: Gauge::default(),
            limit: Gauge::default(),
            large_accounts: Family::default(),
        };
        registry.register("accounts", "Accounts of the host", held.accounts.clone());
        registry.register("hooks", "Hooks, by status", held.hooks.clone());
        registry.register("callbacks_waiting", "Pending deliveries", held.waiting.clone());
        let help = "Destinations with pending callbacks, by standing; at most 10000 of each are counted";
        registry.register("destinations_waiting", help, held.destinations_waiting.clone());
        let help = "Stored rows that cannot be read, by table, until they are removed or repaired";
        registry.register("damaged_rows", help, held.damaged_rows.clone());
        let help = "Damaged rows that were found in the store, by table";
        registry.register("damaged_rows_found", help, held.damaged_rows_found.clone());
        let help = "Size of the store's file, without the WAL";
        registry.register_with_unit("store_size", help, Unit::Bytes, held.size.clone());
        let help = "Limit of the store's file (store.size)";
        registry.register_with_unit("store_size_limit", help, Unit::Bytes, held.limit.clone());
        let help = "Accounts near or at their share of the store (store.account_share)";
        registry.register("large_accounts", help, held.large_accounts.clone());
        held
    }

    /// Takes over what was counted.
    pub(super) fn show(&self, held: Held) {
        self.accounts.set(gauged(held.accounts));
        self.waiting.set(gauged(held.callbacks_waiting));
        self.size.set(gauged(held.store_bytes));
        self.limit.set(gauged(held.store_limit));
        for (state, accounts) in [("near-limit", held.accounts_near_limit), ("at-limit", held.accounts_at_limit)] {
            self.large_accounts.get_or_create(&InState { state }).set(gauged(accounts));
        }
        let statuses = [
            ("active", held.hooks_active),
            ("paused", held.hooks_paused),
            ("disabled", held.hooks_disabled),
            ("damaged", held.hooks_damaged),
        ];
        for (status, hooks) in statuses {
            self.hooks.get_or_create(&InStatus { status }).set(gauged(hooks));
        }
        for (standing, destinations) in held.destinations_waiting {
            self.destinations_waiting.get_or_create(&WithStanding { standing }).set(gauged(destinations));
        }
        for DamagedRows { table, now, found } in held.damaged_rows {
            self.damaged_rows.get_or_create(&InTable { table }).set(gauged(now));
            let counter = self.damaged_rows_found.get_or_create(&InTable { table });
            counter.inc_by(found.saturating_sub(counter.get()));
        }
    }
}
