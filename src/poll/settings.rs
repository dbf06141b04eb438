//! How often accounts are polled, how many at once, and which lists are believed.

use std::num::NonZeroU32;
use std::time::Duration;

use super::mass_change;
use crate::model::flapping::Damping;
use crate::model::{Kind, breaker};
use crate::roster::ShareLimits;

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub instances_every: Duration,
    pub realms_every: Duration,
    /// The interval while somebody waits for a change of state; never longer than the usual one.
    pub fast: Duration,
    /// How long the fast interval lasts after a hook was set.
    pub fast_after_hook: Duration,
    /// How long an instance in a passing state causes the fast interval.
    pub fast_for: Duration,
    /// After each further period of this length without a change, the interval grows by half.
    pub quiet_after: Duration,
    /// The longest interval without changes; the usual interval, if that is longer.
    pub quiet: Duration,
    /// The interval of complete lists for drivers with deltas.
    pub full_every: Duration,
    /// How far a delta reaches back before the last list, because clocks differ.
    pub delta_overlap: Duration,
    /// The share of an interval by which a poll may be early or late.
    pub jitter: f64,
    /// The request budget of an account, if neither its provider nor the account has a setting. It overrides the
    /// driver's suggestion.
    pub requests_per_minute: Option<NonZeroU32>,
    /// The longest wait between failed polls.
    pub max_backoff: Duration,
    /// In how many complete lists in a row a resource has to be missing until it is removed.
    pub removal_confirmations: u32,
    /// After how many failures in a row without an answer a provider counts as unreachable.
    pub unreachable_after: u32,
    /// The damping of the states of realms and providers.
    pub damping: Damping,
    /// Which lists are held as mass changes.
    pub mass_changes: mass_change::Settings,
    /// Polls at one time at fast endpoints. No other polls take these slots.
    pub concurrency: usize,
    /// Additional polls at one time at endpoints that were never asked.
    pub unproven: usize,
    /// Additional polls at one time that take longer than `slow_after` although their endpoint answers.
    pub slow: usize,
    /// Additional polls at one time at endpoints that gave no answer.
    pub suspected: usize,
    /// How long a list may take until it counts as slow, and how long an endpoint may give no answer until it is
    /// suspected.
    pub slow_after: Duration,
    /// Calls at one time at one endpoint, once it has shown that it can take them; proofs of credentials count as well.
    pub per_endpoint: usize,
    /// When the circuit breaker of an endpoint opens.
    pub breaker: breaker::Settings,
    /// The lease of a poll: longer than the time limit of a poll (`drivers.limits.poll_timeout`), or it may be repeated
    /// while it runs.
    pub lease: Duration,
    /// How long polls in progress may take to end when the host stops.
    pub grace: Duration,
    /// How long a client's account without a hook is kept after the client's last request.
    pub forget_after: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            instances_every: Duration::from_secs(60),
            realms_every: Duration::from_secs(300),
            fast: Duration::from_secs(5),
            fast_after_hook: Duration::from_secs(60),
            fast_for: Duration::from_secs(30 * 60),
            quiet_after: Duration::from_secs(3600),
            quiet: Duration::from_secs(120),
            full_every: Duration::from_secs(15 * 60),
            delta_overlap: Duration::from_secs(60),
            jitter: 0.1,
            requests_per_minute: None,
            max_backoff: Duration::from_secs(15 * 60),
            removal_confirmations: 2,
            unreachable_after: 3,
            damping: Damping::default(),
            mass_changes: mass_change::Settings::default(),
            concurrency: 32,
            unproven: 16,
            slow: 32,
            suspected: 16,
            slow_after: Duration::from_secs(2),
            per_endpoint: 24,
            breaker: breaker::Settings::default(),
            lease: Duration::from_secs(180),
            grace: Duration::from_secs(5),
            forget_after: Duration::from_secs(3600),
        }
    }
}

impl Settings {
    /// How many polls of each share may be in progress.
    pub fn limits(&self) -> ShareLimits {
        let Settings { concurrency, unproven, slow, suspected, slow_after, .. } = *self;
        ShareLimits { prompt: concurrency, unproven, slow, suspected, slow_after }
    }

    pub fn interval(&self, kind: Kind) -> Duration {
        match kind {
            Kind::Instance => self.instances_every,
            Kind::Realm => self.realms_every,
        }
    }
}
