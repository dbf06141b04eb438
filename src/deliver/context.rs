//! The parts of the host that delivery needs.

use std::sync::Arc;

use super::settings::Settings;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::net::Client;
use crate::store::Deliveries;
use crate::vault::Vault;

/// The parts of the host that delivery needs.
#[derive(Clone)]
pub struct Context {
    pub store: Arc<dyn Deliveries + Send + Sync>,
    /// Opens the hooks' tokens and secrets.
    pub vault: Arc<Vault>,
    /// Its policy allows the addresses that hooks may have.
    pub client: Client,
    pub clock: Arc<dyn Clock>,
    pub settings: Settings,
    /// The host's own address as clients reach it, without a slash at the end.
    pub public_url: String,
    pub metrics: Arc<Metrics>,
}
