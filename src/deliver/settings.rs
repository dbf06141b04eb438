//! How many callbacks are sent at once, how long each may take, and what becomes of those that fail.

use std::time::Duration;

use super::retry::Retries;
use crate::model::breaker;

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How many callbacks may be in flight at once. An account has no more of them than are free.
    pub concurrency: usize,
    /// How many of these may go to destinations on probation: those that never answered, and those whose last
    /// answer was late or did not come. Destinations of the latter two kinds have half of it at most, and
    /// destinations on probation half of `concurrency`.
    pub probation: usize,
    /// After how long an answer is late, so that its destination is on probation.
    pub slow_after: Duration,
    /// How many of these may be one hook's, once its receiver has shown that it takes them.
    pub per_hook: usize,
    /// How many of these may go to one scheme, host and port, once it has shown that it takes them. Keep it
    /// at most at the client's `idle_per_host`. Otherwise connections are closed and opened again all the time.
    pub per_destination: usize,
    /// For how many destinations and for how many hooks it is remembered how many callbacks they take.
    pub destinations: usize,
    pub breaker: breaker::Settings,
    /// How many are claimed at once, at most.
    pub batch: usize,
    /// How long a receiver has to answer, from the attempt to connect on.
    pub timeout: Duration,
    /// For how long a claim holds: should the host die, the callback is due again after that. At least
    /// ten seconds more than `timeout`, whatever is set.
    pub lease: Duration,
    pub retries: Retries,
    /// For how long a hook may fail, without a single success, until it is disabled.
    pub disable_after: Duration,
    /// How much of an answer is kept with the attempt, in bytes.
    pub answer_bytes: usize,
    /// How long attempts are kept.
    pub attempts_for: Duration,
    /// Of how many changes a hook's attempts are kept.
    pub attempts_per_hook: usize,
    /// How many changes of the journal are looked at in one step for hooks that are behind it.
    pub catch_up: usize,
    /// How many deliveries may wait for a hook before it is owed more of a replay.
    pub backlog: usize,
    /// How often the host looks for due deliveries without a signal: another host may have recorded some.
    pub idle: Duration,
    /// How long what is under way has to finish when the host stops.
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

/// How long settling a try may take before its lease ends.
const SETTLING: Duration = Duration::from_secs(5);

impl Settings {
    pub(super) fn lease(&self) -> Duration {
        self.lease.max(self.timeout.saturating_add(2 * SETTLING))
    }

    /// How long after its claim a try may still begin.
    pub(super) fn spare(&self) -> Duration {
        self.lease().saturating_sub(self.timeout).saturating_sub(SETTLING)
    }
}
