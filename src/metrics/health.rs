//! Whether the host's own work gets through to the store: for each kind of work when it last did, and how often in a row
//! it has failed since. Kept in memory, so that it can be told while nothing can be written.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use crate::model::{AccountId, Kind, Timestamp};

/// Work that a host can't be without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    ClaimPolls,
    RecordPolls,
    ClaimDeliveries,
    SettleDeliveries,
    CatchUp,
    Retention,
    /// What is approved is loaded, or will not be for a reason that does not pass.
    LoadDrivers,
    /// The store is asked whether it can be written, as readiness is looked up.
    Ping,
}

impl Operation {
    pub const ALL: [Operation; 8] = [
        Operation::ClaimPolls,
        Operation::RecordPolls,
        Operation::ClaimDeliveries,
        Operation::SettleDeliveries,
        Operation::CatchUp,
        Operation::Retention,
        Operation::LoadDrivers,
        Operation::Ping,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Operation::ClaimPolls => "claim-polls",
            Operation::RecordPolls => "record-polls",
            Operation::ClaimDeliveries => "claim-deliveries",
            Operation::SettleDeliveries => "settle-deliveries",
            Operation::CatchUp => "catch-up",
            Operation::Retention => "retention",
            Operation::LoadDrivers => "load-drivers",
            Operation::Ping => "ping",
        }
    }
}

/// When work counts as failing. One failure says little: the next try a moment later usually gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// In a row, at least.
    pub failures: u32,
    /// From the first of them on, at least.
    pub lasting: Duration,
}

impl Default for Threshold {
    fn default() -> Threshold {
        // A store that fails is tried again within three seconds at most: these are reached after about five.
        Threshold { failures: 3, lasting: Duration::from_secs(5) }
    }
}

/// Work that fails again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failing {
    pub operation: Operation,
    /// The first failure in a row.
    pub since: Timestamp,
    pub last: Timestamp,
    pub failures: u32,
    /// A stable word for the last error.
    pub error: &'static str,
    pub last_success: Option<Timestamp>,
}

/// Polls of one account that could not be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unrecorded {
    pub last: Timestamp,
    /// In a row.
    pub failures: u32,
    pub error: &'static str,
}

/// Nothing is said of work that was not tried for so long: what was to be done may be gone, and with it the chance of
/// a success. While it is there, it is tried far more often.
const STALE: Duration = Duration::from_secs(60);

/// Of how many accounts it is remembered that their polls could not be recorded: some megabytes.
const UNRECORDED: usize = 50_000;

#[derive(Debug, Default)]
pub struct Health {
    work: Mutex<HashMap<Operation, Work>>,
    unrecorded: Mutex<HashMap<(AccountId, Kind), Unrecorded>>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    pub(super) last_success: Option<Timestamp>,
    pub(super) failing: Option<Row>,
}

/// Failures in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    since: Timestamp,
    last: Timestamp,
    pub(super) failures: u32,
    error: &'static str,
}

impl Row {
    /// What lies in the future was noted before the clock was set back, and moves with it: else a row of failures would not
    /// last until the old time came again.
    fn as_of(self, now: Timestamp) -> Row {
        let ahead = self.last.since(now);
        Row { since: self.since.before(ahead), last: self.last.before(ahead), ..self }
    }
}

impl Health {
    pub(super) fn succeeded(&self, operation: Operation, now: Timestamp) {
        self.work().insert(operation, Work { last_success: Some(now), failing: None });
    }

    pub(super) fn failed(&self, operation: Operation, now: Timestamp, error: &'static str) {
        let mut work = self.work();
        let work = work.entry(operation).or_default();
        let before = work.failing.map(|row| row.as_of(now)).filter(|row| now.since(row.last) < STALE);
        let (since, failures) = before.map_or((now, 0), |row| (row.since, row.failures));
        work.failing = Some(Row { since, last: now, failures: failures.saturating_add(1), error });
    }

    /// Whether the last try failed.
    pub fn is_failing(&self, operation: Operation) -> bool {
        self.of(operation).failing.is_some()
    }

    /// When the last try failed and of what, if it did.
    pub fn last_failure(&self, operation: Operation) -> Option<(Timestamp, &'static str)> {
        self.of(operation).failing.map(|row| (row.last, row.error))
    }

    /// What has failed in a row for so often and so long that it counts.
    pub fn failing(&self, now: Timestamp, threshold: Threshold) -> Vec<Failing> {
        let counts = |failing: &Failing| {
            let lasts = failing.last.since(failing.since) >= threshold.lasting;
            // Nor of work that was tried last before the clock was set back.
            let is_recent = now.since(failing.last) < STALE && failing.last.since(now) < STALE;
            failing.failures >= threshold.failures && lasts && is_recent
        };
        Operation::ALL.into_iter().filter_map(|operation| self.row(operation)).filter(counts).collect()
    }

    /// How work has failed since it last succeeded, if it has.
    pub fn row(&self, operation: Operation) -> Option<Failing> {
        let Work { last_success, failing } = self.of(operation);
        let Row { since, last, failures, error } = failing?;
        Some(Failing { operation, since, last, failures, error, last_success })
    }

    pub(super) fn of(&self, operation: Operation) -> Work {
        self.work().get(&operation).copied().unwrap_or_default()
    }

    /// A poll of an account could not be recorded.
    pub fn unrecorded(&self, account: AccountId, kind: Kind, now: Timestamp, error: &'static str) {
        let mut unrecorded = self.unrecorded_polls();
        let is_known = unrecorded.contains_key(&(account, kind));
        if !is_known && unrecorded.len() >= UNRECORDED {
            // With so many of them, readiness and the log say what there is to say.
            return;
        }
        let entry = unrecorded.entry((account, kind)).or_insert(Unrecorded { last: now, failures: 0, error });
        *entry = Unrecorded { last: now, failures: entry.failures.saturating_add(1), error };
    }

    /// A poll of an account was recorded, or its failure was.
    pub fn recorded(&self, account: AccountId, kind: Kind) {
        self.unrecorded_polls().remove(&(account, kind));
    }

    /// What could not be recorded of an account's polls since the last one that was.
    pub fn unrecorded_of(&self, account: AccountId, kind: Kind) -> Option<Unrecorded> {
        self.unrecorded_polls().get(&(account, kind)).copied()
    }

    fn work(&self) -> MutexGuard<'_, HashMap<Operation, Work>> {
        self.work.lock().expect("invariant: no holder of this lock can panic")
    }

    fn unrecorded_polls(&self) -> MutexGuard<'_, HashMap<(AccountId, Kind), Unrecorded>> {
        self.unrecorded.lock().expect("invariant: no holder of this lock can panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_795_341_600_000);

    fn at(seconds: u64) -> Timestamp {
        START.after(Duration::from_secs(seconds))
    }

    #[test]
    fn work_fails_once_it_failed_often_and_long_enough_and_recovers_with_a_success() {
        let check = |failures: &[u64], now: u64, want: Option<(u64, u32)>| {
            let health = Health::default();
            health.succeeded(Operation::RecordPolls, at(0));
            for second in failures {
                health.failed(Operation::RecordPolls, at(*second), "disk-full");
            }
            let threshold = Threshold { failures: 3, lasting: Duration::from_secs(5) };
            let failing = health.failing(at(now), threshold);
            let got = failing.first().map(|failing| (failing.since, failing.failures));
            assert_eq!(got, want.map(|(since, failures)| (at(since), failures)), "{failures:?}");
            assert_eq!(health.is_failing(Operation::RecordPolls), !failures.is_empty());
            health.succeeded(Operation::RecordPolls, at(now));
            assert!(health.failing(at(now), threshold).is_empty());
            assert!(!health.is_failing(Operation::RecordPolls));
        };
        check(&[], 100, None);
        check(&[1, 7], 8, None);
        check(&[1, 2, 3], 4, None);
        check(&[1, 2, 6], 7, Some((1, 3)));
        check(&[1, 2, 6, 20], 79, Some((1, 4)));
        // Nothing was tried since.
        check(&[1, 2, 6, 20], 80, None);
        // A row that begins anew.
        check(&[1, 2, 6, 100], 101, None);
    }

    #[test]
    fn work_that_fails_is_told_though_the_clock_is_set_back() {
        let health = Health::default();
        let threshold = Threshold { failures: 3, lasting: Duration::from_secs(5) };
        let fail = |second| health.failed(Operation::RecordPolls, at(second), "disk-full");
        [100_000, 100_003, 10].into_iter().for_each(fail);
        assert!(health.failing(at(10), threshold).is_empty(), "for 3 seconds only");
        fail(12);
        let failing = health.failing(at(12), threshold);
        assert_eq!(failing.first().map(|failing| (failing.since, failing.failures)), Some((at(7), 4)));
        // And not until the old time comes again, once it is not tried any more.
        [100_000, 100_003, 100_006].into_iter().for_each(fail);
        assert!(!health.failing(at(100_006), threshold).is_empty());
        assert!(health.failing(at(20), threshold).is_empty());
    }

    #[test]
    fn an_account_is_remembered_until_its_poll_is_recorded() {
        let health = Health::default();
        let account = AccountId(7);
        health.unrecorded(account, Kind::Instance, at(1), "disk-full");
        health.unrecorded(account, Kind::Instance, at(2), "disk-failed");
        let want = Unrecorded { last: at(2), failures: 2, error: "disk-failed" };
        assert_eq!(health.unrecorded_of(account, Kind::Instance), Some(want));
        assert_eq!(health.unrecorded_of(account, Kind::Realm), None);
        health.recorded(account, Kind::Instance);
        assert_eq!(health.unrecorded_of(account, Kind::Instance), None);
    }
}
