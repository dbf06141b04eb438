//! Recent passwords that were not accepted: the list of each account, and the allowance of the networks that they came
//! from. Pure.

use std::net::IpAddr;
use std::time::Duration;

use super::claim::Print;
use crate::model::Timestamp;

/// Passwords that were tried for one account and not accepted, each once for each network, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Tries(Vec<Tried>);

/// How many wrong passwords one network may still try, over all accounts: each costs `interval`, and time pays them back.
/// A network that has spent all of it waits for one interval, and not for a whole window: many people may share an
/// address, and most of them know their passwords.
#[derive(Debug)]
pub(super) struct Allowance {
    /// When all that was spent is paid back.
    pub(super) paid_back: Timestamp,
}

#[derive(Debug)]
pub(super) struct Tried {
    pub(super) print: Print,
    pub(super) network: Option<IpAddr>,
    pub(super) at: Timestamp,
    /// Refused by the provider, rather than under way, given up, or without an answer.
    pub(super) refused: bool,
}

impl Tries {
    pub(super) fn find(&self, print: &Print) -> Option<&Tried> {
        self.0.iter().find(|tried| tried.print == *print)
    }

    pub(super) fn has(&self, print: &Print, network: Option<IpAddr>) -> bool {
        self.0.iter().any(|tried| tried.print == *print && tried.network == network)
    }

    pub(super) fn forget(&mut self, print: &Print) {
        self.0.retain(|tried| tried.print != *print);
    }

    /// Beyond the limit the oldest go, so that a list never grows.
    pub(super) fn put(&mut self, tried: Tried, limit: usize) {
        self.0.retain(|other| other.print != tried.print || other.network != tried.network);
        if self.0.len() >= limit.max(1) {
            self.0.remove(0);
        }
        self.0.push(tried);
    }

    pub(super) fn expire(&mut self, now: Timestamp, window: Duration) {
        self.0.retain(|tried| is_within(tried.at, now, window));
    }

    /// Whether this one was tried, and the provider has not refused it.
    pub(super) fn is_unsettled(&self, print: &Print) -> bool {
        self.find(print).is_some_and(|tried| !tried.refused)
    }

    pub(super) fn hold_off(
        &self,
        now: Timestamp,
        window: Duration,
        limit: usize,
        counts: impl Fn(&Tried) -> bool,
    ) -> Option<Duration> {
        let counted: Vec<&Tried> = self.0.iter().filter(|tried| counts(tried)).collect();
        let freed_by = counted.get(counted.len().checked_sub(limit.max(1))?)?;
        Some(freed_by.at.after(window).since(now))
    }
}

impl Allowance {
    pub(super) fn spend(&mut self, now: Timestamp, window: Duration, interval: Duration) {
        self.paid_back = self.as_of(now, window).after(interval).min(now.after(window));
    }

    pub(super) fn give_back(&mut self, interval: Duration) {
        self.paid_back = self.paid_back.before(interval);
    }

    pub(super) fn hold_off(&self, now: Timestamp, window: Duration, interval: Duration) -> Option<Duration> {
        let wait = self.as_of(now, window).after(interval).since(now).saturating_sub(window);
        (!wait.is_zero()).then_some(wait)
    }

    /// Nobody owes more than a window. Who seems to do so spent it before the clock was set back.
    fn as_of(&self, now: Timestamp, window: Duration) -> Timestamp {
        let was_set_back = self.paid_back > now.after(window + CLOCK_SLACK);
        if was_set_back { now } else { self.paid_back.max(now) }
    }
}

/// What one wrong password costs a network.
pub(super) fn interval(window: Duration, limit: usize) -> Duration {
    let limit = u32::try_from(limit.max(1)).unwrap_or(u32::MAX);
    (window / limit).max(Duration::from_millis(1))
}

const CLOCK_SLACK: Duration = Duration::from_secs(5);

/// Whether what happened at `at` is less than `span` ago. What lies in the future is not: the clock was set
/// back, by more than it is when it is kept in time, and how long ago it was can't be said.
pub(super) fn is_within(at: Timestamp, now: Timestamp, span: Duration) -> bool {
    at <= now.after(CLOCK_SLACK) && now.since(at) < span
}
