//! How many callbacks are sent at once, how long each may take, and what happens to those that fail.

use std::time::Duration;

use super::retry::Retries;
use crate::model::breaker;

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How many callbacks may be in flight at once. An account has at most as many as are free.
    pub concurrency: usize,
    /// How many of these may go to destinations on probation: those that never answered, and those whose last answer
    /// was late or missing. The latter two have at most half of it, and destinations on probation at most half of
    /// `concurrency`.
    pub probation: usize,
    /// After how long an answer is late, so that its destination is on probation.
    pub slow_after: Duration,
    /// How many of these one hook may have, once its receiver has shown that it can take them.
    pub per_hook: usize,
    /// How many of these may go to one scheme, host and port, once it has shown that it can take them. Keep it at or
    /// below the client's `idle_per_host`. Otherwise connections are closed and opened again all the time.
    pub per_destination: usize,
    /// For how many destinations, and for how many hooks, their width is remembered.
    pub destinations: usize,
    pub breaker: breaker::Settings,
    /// The maximum number of deliveries in one claim.
    pub batch: usize,
    /// How long a receiver has to answer, from the start of connecting.
    pub timeout: Duration,
    /// Lease of a claimed delivery. If the host dies, the delivery is due again when it expires. It is always at least
    /// ten seconds longer than `timeout`.
    pub lease: Duration,
    pub retries: Retries,
    /// How long a hook may fail, without a single success, until it is disabled.
    pub disable_after: Duration,
    /// How much of an answer is kept with the attempt, in bytes.
    pub answer_bytes: usize,
    /// How long attempts are kept.
    pub attempts_for: Duration,
    /// For how many changes a hook's attempts are kept.
    pub attempts_per_hook: usize,
    /// How many changes of the journal are read in one step for hooks that are behind it.
    pub catch_up: usize,
    /// How many deliveries of a hook may be pending before a replay adds more.
    pub backlog: usize,
    /// How often the host looks for due deliveries without a signal: another host may have recorded some.
    pub idle: Duration,
    /// How long attempts in progress have to finish when the host stops.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            concurrency: 8_192,
            probation: 2_048,
            slow_after: Duration::from_secs(5),
            per_hook: 1_024,
            per_destination: 1_024,
            destinations: 10_000,
            breaker: breaker::Settings::default(),
            batch: 512,
            timeout: Duration::from_secs(20),
            lease: Duration::from_secs(60),
            retries: Retries::default(),
            disable_after: Duration::from_secs(5 * 24 * 3600),
            answer_bytes: 1024,
            attempts_for: Duration::from_secs(3 * 24 * 3600),
            attempts_per_hook: 1000,
            catch_up: 2_000,
            backlog: 10_000,
            idle: Duration::from_secs(5),
            grace: Duration::from_secs(10),
        }
    }
}

/// How long settling an attempt may take before its lease expires.
const SETTLING: Duration = Duration::from_secs(5);

impl Settings {
    pub(super) fn lease(&self) -> Duration {
        self.lease.max(self.timeout.saturating_add(2 * SETTLING))
    }

    /// How long after its claim an attempt may still begin.
    pub(super) fn spare(&self) -> Duration {
        self.lease().saturating_sub(self.timeout).saturating_sub(SETTLING)
    }
}
