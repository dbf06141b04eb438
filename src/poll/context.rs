//! The parts of the host that polling needs.

use std::sync::Arc;

use tokio::sync::watch;

use super::settings::Settings;
use super::turns::Turns;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::roster::Roster;
use crate::store::Store;
use crate::vault::Vault;

/// The parts of the host that polling needs.
#[derive(Clone)]
pub struct Context {
    pub store: Arc<dyn Store>,
    pub roster: Arc<Roster>,
    pub vault: Arc<Vault>,
    pub clock: Arc<dyn Clock>,
    pub settings: Settings,
    /// The shares of polls, and the polls in progress.
    pub turns: Arc<Turns>,
    /// Counts ended polls: a hint to requests that wait for one.
    pub polled: watch::Sender<u64>,
    pub metrics: Arc<Metrics>,
}
