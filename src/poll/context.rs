//! What polling needs of the house.

use std::sync::Arc;

use tokio::sync::watch;

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
    /// Counts polls that ended: a hint to whoever waits for one.
    pub polled: watch::Sender<u64>,
    pub metrics: Arc<Metrics>,
}
