//! What polling needs of the house.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::settings::Settings;
use super::turns::Turns;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::roster::Roster;
use crate::store::Store;
use crate::vault::Vault;

/// What polling needs of the house.
#[derive(Clone)]
pub struct Context {
    pub store: Arc<dyn Store>,
    pub roster: Arc<Roster>,
    pub vault: Arc<Vault>,
    pub clock: Arc<dyn Clock>,
    pub settings: Settings,
    /// Whose turn it is, and who is under way.
    pub turns: Arc<Turns>,
    /// Woken when a poll may have come due earlier than the loop knows.
    pub wake: Arc<Notify>,
    /// Counts polls that ended: a hint to whoever waits for one.
    pub polled: watch::Sender<u64>,
    /// Woken when deliveries came due.
    pub deliver_wake: Arc<Notify>,
    pub metrics: Arc<Metrics>,
}
