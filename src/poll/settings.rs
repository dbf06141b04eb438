//! How often accounts are polled, how many at once, and what is believed of a list.

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
    /// How often while something is on its way that somebody waits for; no more slowly than usual.
    pub fast: Duration,
    /// For how long that pace is kept after a hook was set.
    pub fast_after_hook: Duration,
    /// For how long an instance may pass from one state to another until it speeds nothing up any more.
    pub fast_for: Duration,
    /// With each further such time without a change, lists come half as far apart again.
    pub quiet_after: Duration,
    /// How far apart they come to be at most; the usual interval, where that is longer.
    pub quiet: Duration,
    /// How often everything is listed by a driver that can list what changed.
    pub full_every: Duration,
    /// From how long before the last list on changes are asked for, as clocks differ.
    pub delta_overlap: Duration,
    /// By which share of an interval a poll may come early or late.
    pub jitter: f64,
    /// How many requests a minute an account's provider is sent, where neither it nor its account has a number of
    /// its own. It stands over what the driver suggests.
    pub requests_per_minute: Option<NonZeroU32>,
    /// The longest wait between polls that fail.
    pub max_backoff: Duration,
    /// In how many complete lists in a row a resource must be missing until it is taken for gone.
    pub removal_confirmations: u32,
    /// After how many failures in a row that say so a provider is held to be out of reach.
    pub unreachable_after: u32,
    /// When changes of the states of realms and of providers are held back.
    pub damping: Damping,
    /// What is not believed at once.
    pub mass_changes: mass_change::Settings,
    /// Polls at one time at endpoints that answer soon. No other polls take these slots.
    pub concurrency: usize,
    /// Polls at one time, beside those, at endpoints that were never asked.
    pub unproven: usize,
    /// Polls at one time, beside those, that take longer than `slow_after` though their endpoint answers.
    pub slow: usize,
    /// Polls at one time, beside those, at endpoints that gave no answer.
    pub suspected: usize,
    /// How long a list may take until it is slow, and an endpoint may give no answer until it is suspected.
    pub slow_after: Duration,
    /// Calls at one time at one endpoint, once it has shown that it takes them; proofs of credentials count, too.
    pub per_endpoint: usize,
    /// When nothing is sent to an endpoint for a while.
    pub breaker: breaker::Settings,
    /// How long a poll is held to be under way when nothing is heard of it: longer than the limit on a
    /// poll's time (`drivers.limits.poll_timeout`), or it may be made twice.
    pub lease: Duration,
    /// How long polls that are under way may take to end when the host stops.
    pub grace: Duration,
    /// How long a client's account without a hook is remembered after the client's last request.
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
    /// How many polls may be under way of each share.
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
