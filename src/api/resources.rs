//! One file for each resource: instances, realms, drivers, the account, its tokens and pending changes; and their
//! shared parts.

pub(super) mod account;
pub(super) mod documents;
pub(super) mod drivers;
pub(super) mod entry;
pub(super) mod fresh;
pub(super) mod health;
pub(super) mod history;
pub(super) mod instances;
pub(super) mod listing;
pub(super) mod pending;
pub(super) mod realms;
pub(super) mod refresh;
pub(super) mod tickets;
pub(super) mod tokens;
pub(super) mod tracking;
