//! The store, in words of the domain: one trait for each aggregate, each method one transaction unless it says
//! otherwise. An embedded SQLite is beside it; nothing here names a database.

mod accounts;
mod backoff;
mod comparison;
#[cfg(test)]
pub(crate) mod contract;
mod deliveries;
mod effects;
mod effort;
mod error;
mod hooks;
mod inventory;
mod journal;
mod keys;
mod mass_changes;
mod page;
mod polls;
mod provider_states;
mod repeats;
mod room;
mod sessions;
mod signals;
pub mod sqlite;
pub mod steps;
mod tokens;
mod unopened;

pub use accounts::{AccountSize, Accounts, Credential, DamagedRow, Enrolment, Forgetting, Fullness};
pub use backoff::Backoff;
pub use comparison::{Comparison, Delta, Known, KnownResource, Missing, Removed, Transition, Upsert, Upserts};
pub use deliveries::{
    CatchUp, CaughtUp, Deliveries, DeliveryClaim, DeliveryId, DueDelivery, KeptAttempts, LeaseId, LeasePlace,
    LeaseRequest, Leased, Outcome, PendingChange, Recipient, Settlement, Settling,
};
pub use effects::{Effects, HeldId};
pub use effort::Effort;
pub use error::{Result, StoreError};
pub use hooks::{
    Attempt, Condition, DamagedHook, DeliveryQuery, DeliveryRecord, DeliveryState, EditedHook, HookAction, HookEdit,
    HookPlace, HookTarget, Hooks, NewHook, Redrive, Redriven, ReplayFrom, Versions,
};
pub use inventory::{Inventory, ListQuery, Seen, Track};
pub use journal::{After, ChangePage, ChangeQuery, Extent, HistoryQuery, Journal, KeptChanges, Sweep};
pub use keys::{KeyUse, Keys, Resealed, SealedPage, SealedPlace, SealedValue, StoreKey};
pub use mass_changes::{Decided, Decision, Held, HeldMassChange, PollHeld};
pub use page::Page;
pub use polls::{
    Admission, Again, Breadth, NoShares, Pace, PaceReason, Passing, PlacedProvider, PollClaim, PollError, PollFailure,
    PollNote, PollRecord, PollStatus, PollTicket, Polls, Reach, Recorded, WantedIds,
};
pub use provider_states::ProviderStates;
pub use repeats::{Once, Refusal, RepeatableRequest, Repeats, Replay, RequestId, WriteAnswer, Written};
pub use room::{Budget, DestinationRoom, Free, InFlight, Room};
pub use sessions::{DriverSessions, SessionContent, SessionPage, SessionPlace, StoredSession};
pub use signals::{Signalling, Signals};
pub use tokens::{DamagedToken, NewToken, RenewedToken, TokenHash, Tokens};
pub use unopened::{SealedColumn, Unopened};

/// Everything that the host stores.
pub trait Store:
    Accounts
    + Polls
    + Inventory
    + Hooks
    + Deliveries
    + Journal
    + Repeats
    + Tokens
    + DriverSessions
    + Keys
    + Signalling
    + Send
    + Sync
    + 'static
{
}

impl<T> Store for T where
    T: Accounts
        + Polls
        + Inventory
        + Hooks
        + Deliveries
        + Journal
        + Repeats
        + Tokens
        + DriverSessions
        + Keys
        + Signalling
        + Send
        + Sync
        + 'static
{
}
