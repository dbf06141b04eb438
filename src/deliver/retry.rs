//! The retry schedule of a failed callback: the delays as data, the receiver's Retry-After, and an end. Pure.

use std::time::Duration;

use crate::model::Timestamp;
use crate::store::Outcome;

/// How failed callbacks are retried.
#[derive(Clone, Debug, PartialEq)]
pub struct Retries {
    /// How long to wait before each retry; the first attempt is made at once. After the last retry the delivery becomes
    /// a dead letter.
    pub waits: Vec<Duration>,
    /// Each wait is longer or shorter by up to this share, so that deliveries that failed together are not retried
    /// together. Between 0 and 1.
    pub jitter: f64,
    /// The shortest wait after a receiver gave no answer in time, or answered 429.
    pub slow_down: Duration,
    /// The longest wait that a receiver may request by `Retry-After`.
    pub longest_asked: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        let waits = [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR];
        Retries {
            waits: waits.map(Duration::from_secs).to_vec(),
            jitter: 0.2,
            slow_down: Duration::from_secs(MINUTE),
            longest_asked: Duration::from_secs(24 * HOUR),
        }
    }
}

/// A failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) pace: Pace,
    /// The wait that the receiver requested.
    pub(super) retry_after: Option<Duration>,
}

/// How soon after a failure the delivery may be retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Scheduled,
    /// The receiver is overloaded.
    Slowed,
}

impl Retries {
    /// The outcome for a delivery with `attempts` attempts before this failed one. `waits` are these, or the hook's
    /// own; `random` is evenly distributed over 0 to 1.
    pub(super) fn after(
        &self,
        failure: Failure,
        attempts: u32,
        waits: &[Duration],
        now: Timestamp,
        random: f64,
    ) -> Outcome {
        let Failure { pace, retry_after } = failure;
        let Some(wait) = usize::try_from(attempts).ok().and_then(|attempts| waits.get(attempts)) else {
            return Outcome::Dead;
        };
        let factor = 1.0 + self.jitter.clamp(0.0, 1.0) * (2.0 * random.clamp(0.0, 1.0) - 1.0);
        let scheduled = Duration::try_from_secs_f64(wait.as_secs_f64() * factor).unwrap_or(*wait);
        let least = match pace {
            Pace::Scheduled => Duration::ZERO,
            Pace::Slowed => self.slow_down,
        };
        let asked = retry_after.unwrap_or_default().min(self.longest_asked);
        Outcome::Retry { due: now.after(scheduled.max(least).max(asked)) }
    }
}

/// `Retry-After` in both its forms (RFC 9110, section 10.2.3): seconds, or a date. A date in the past is no wait; any
/// other value is ignored.
pub(super) fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number can hold only mean a longer wait.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let millis = date.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    Some(Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX)).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T10:00:00Z, a Sunday.
    const NOW: Timestamp = Timestamp::from_millis(1_795_341_600_000);

    fn failure(pace: Pace, retry_after: Option<u64>) -> Failure {
        Failure { pace, retry_after: retry_after.map(Duration::from_secs) }
    }

    /// `want` is the wait in milliseconds, or nothing for a dead letter.
    #[track_caller]
    fn check(failure: Failure, attempts: u32, random: f64, want: Option<i64>) {
        let retries = Retries::default();
        let got = match retries.after(failure, attempts, &retries.waits, NOW, random) {
            Outcome::Retry { due } => Some(due.as_millis() - NOW.as_millis()),
            Outcome::Dead => None,
            other => panic!("a failure became {other:?}"),
        };
        assert_eq!(got, want);
    }

    #[test]
    fn waits_as_the_schedule_says_and_then_gives_up() {
        let minutes = |minutes: i64| Some(minutes * 60_000);
        for (attempts, want) in
            [Some(5_000), minutes(5), minutes(30), minutes(120), minutes(300), minutes(600), minutes(600), None, None]
                .into_iter()
                .enumerate()
        {
            check(failure(Pace::Scheduled, None), attempts as u32, 0.5, want);
        }
        check(failure(Pace::Scheduled, None), u32::MAX, 0.5, None);
    }

    #[test]
    fn waits_are_spread_by_a_fifth() {
        check(failure(Pace::Scheduled, None), 1, 0.0, Some(240_000));
        check(failure(Pace::Scheduled, None), 1, 0.25, Some(270_000));
        check(failure(Pace::Scheduled, None), 1, 1.0, Some(360_000));
    }

    #[test]
    fn an_overloaded_receiver_gets_a_minute() {
        check(failure(Pace::Slowed, None), 0, 0.5, Some(60_000));
        check(failure(Pace::Slowed, Some(10)), 0, 0.5, Some(60_000));
        check(failure(Pace::Slowed, Some(90)), 0, 0.5, Some(90_000));
        check(failure(Pace::Slowed, None), 1, 0.5, Some(300_000));
        check(failure(Pace::Slowed, None), 7, 0.5, None);
    }

    #[test]
    fn what_the_receiver_asks_for_is_the_least_wait_up_to_a_day() {
        check(failure(Pace::Scheduled, Some(1)), 0, 0.5, Some(5_000));
        check(failure(Pace::Scheduled, Some(120)), 0, 0.5, Some(120_000));
        check(failure(Pace::Scheduled, Some(u64::MAX)), 0, 0.5, Some(86_400_000));
        check(failure(Pace::Scheduled, Some(120)), 7, 0.5, None);
    }

    #[test]
    fn a_hook_may_have_waits_of_its_own() {
        let waits = [Duration::from_secs(1), Duration::ZERO];
        let after = |attempts| Retries::default().after(failure(Pace::Scheduled, None), attempts, &waits, NOW, 0.5);
        assert_eq!(after(0), Outcome::Retry { due: NOW.after(waits[0]) });
        assert_eq!(after(1), Outcome::Retry { due: NOW });
        assert_eq!(after(2), Outcome::Dead);
    }

    #[test]
    fn settings_beyond_sense_still_give_a_time() {
        let retries = Retries { waits: vec![Duration::MAX], jitter: 7.0, ..Retries::default() };
        for random in [0.0, 1.0, f64::NAN] {
            let outcome = retries.after(failure(Pace::Scheduled, None), 0, &retries.waits, NOW, random);
            assert!(matches!(outcome, Outcome::Retry { due } if due >= NOW), "{outcome:?}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let check = |value: &str, want: Option<u64>| {
            assert_eq!(parse_retry_after(value, NOW), want.map(Duration::from_secs), "{value:?}");
        };
        check("120", Some(120));
        check(" 0 ", Some(0));
        check("99999999999999999999999999", Some(u64::MAX));
        check("Sun, 22 Nov 2026 10:02:00 GMT", Some(120));
        check("Sunday, 22-Nov-26 10:02:00 GMT", Some(120));
        check("Sun Nov 22 10:02:00 2026", Some(120));
        check("Sun, 22 Nov 2026 09:00:00 GMT", Some(0));
        check("-5", None);
        check("1.5", None);
        check("soon", None);
        check("", None);
    }
}
