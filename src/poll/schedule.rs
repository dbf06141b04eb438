//! The time of the next poll, at the interval that `cadence` chose. Pure: randomness comes in as a number from 0 up to
//! 1.

use std::time::Duration;

use super::settings::Settings;
use crate::driver::CallError;
use crate::model::{Kind, Timestamp};

/// The first wait after a failure; it doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_secs(5);
/// Refused credentials hardly become valid within seconds, and retries may lock the user out.
const UNAUTHORIZED_BACKOFF: Duration = Duration::from_secs(60);
/// The longest Retry-After of a provider that is honoured.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// A poll that returned a list.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// When it was due.
    pub due: Timestamp,
    pub now: Timestamp,
    /// Whether it is the first complete list of its account and kind.
    pub first: bool,
}

/// After a success: one interval after the poll was due, so that the schedule does not drift. If that has passed,
/// within an interval from now, because missed polls are not made up for.
///
/// Polls of new or overdue accounts that coincide at a start do not stay together: the second poll of each comes after
/// half to all of an interval.
pub fn after_success(settings: &Settings, interval: Duration, done: Done, random: f64) -> Timestamp {
    let next = done.due.after(interval);
    if done.first || next <= done.now {
        return done.now.after(interval.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0)));
    }
    shifted(next, interval, settings.jitter, random).max(done.now)
}

/// After failures in a row, including this one.
pub fn after_failure(
    settings: &Settings,
    kind: Kind,
    error: Option<&CallError>,
    failures: u32,
    now: Timestamp,
    random: f64,
) -> Timestamp {
    let first = match error {
        Some(CallError::Unauthorized(_)) => UNAUTHORIZED_BACKOFF,
        _ => FIRST_BACKOFF.min(settings.interval(kind)),
    };
    let doublings = failures.saturating_sub(1).min(20);
    let backoff = first.saturating_mul(1 << doublings).min(settings.max_backoff);
    let next = shifted(now.after(backoff), backoff, settings.jitter, random);
    match error {
        Some(CallError::Throttled { retry_after: Some(wait), .. } | CallError::Budget { retry_after: wait, .. }) => {
            next.max(now.after((*wait).min(LONGEST_RETRY_AFTER)))
        }
        _ => next,
    }
}

/// Moves a time by up to `share` of a span, earlier or later.
fn shifted(time: Timestamp, span: Duration, share: f64, random: f64) -> Timestamp {
    let most = span.mul_f64(share.clamp(0.0, 1.0));
    time.before(most).after((2 * most).mul_f64(random.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_success_keeps_the_pace_and_makes_up_nothing() {
        let settings = Settings::default();
        let check = |kind: Kind, due: i64, now: i64, random: f64, want: i64| {
            let done = Done { due: at(due), now: at(now), first: false };
            let interval = settings.interval(kind);
            assert_eq!(after_success(&settings, interval, done, random), at(want), "{kind} {due} {now} {random}");
        };
        check(Kind::Instance, 1000, 1002, 0.5, 1060);
        check(Kind::Instance, 1000, 1002, 0.0, 1054);
        check(Kind::Instance, 1000, 1002, 1.0, 1066);
        check(Kind::Realm, 1000, 1002, 0.5, 1300);
        check(Kind::Realm, 1000, 1002, 0.0, 1270);
        // It took nearly all of the interval: jitter puts nothing into the past.
        check(Kind::Instance, 1000, 1059, 0.0, 1059);
        // Late by one interval or by many: the next comes within one, spread out, and the missed ones do not.
        check(Kind::Instance, 1000, 1060, 1.0, 1120);
        check(Kind::Instance, 1000, 1500, 0.0, 1530);
        check(Kind::Instance, 1000, 1500, 1.0, 1560);
        // Numbers that are none of 0 to 1 do no harm.
        check(Kind::Instance, 1000, 1500, 7.0, 1560);
        check(Kind::Instance, 1000, 1002, -7.0, 1054);
    }

    #[test]
    fn accounts_that_start_together_do_not_stay_together() {
        let settings = Settings { jitter: 0.0, ..Settings::default() };
        let next = |random: f64| {
            let done = Done { due: at(1000), now: at(1002), first: true };
            after_success(&settings, Duration::from_secs(60), done, random)
        };
        assert_eq!((next(0.0), next(0.5), next(1.0)), (at(1032), at(1047), at(1062)));
    }

    #[test]
    fn failures_back_off() {
        let settings = Settings { jitter: 0.0, ..Settings::default() };
        let check = |error: Option<CallError>, failures: u32, want: i64| {
            let next = after_failure(&settings, Kind::Instance, error.as_ref(), failures, at(0), 0.5);
            assert_eq!(next, at(want), "{error:?} {failures}");
        };
        let unavailable = || Some(CallError::Unavailable(String::new()));
        check(unavailable(), 1, 5);
        check(unavailable(), 2, 10);
        check(unavailable(), 4, 40);
        check(unavailable(), 8, 640);
        check(unavailable(), 9, 900);
        check(unavailable(), u32::MAX, 900);
        check(None, 1, 5);
        check(Some(CallError::Unauthorized(String::new())), 1, 60);
        let throttled = |seconds| {
            Some(CallError::Throttled { retry_after: Some(Duration::from_secs(seconds)), message: String::new() })
        };
        check(throttled(30), 1, 30);
        check(throttled(30), 4, 40);
        check(throttled(1 << 30), 1, 3600);
    }

    #[test]
    fn jitter_never_undercuts_what_the_provider_asked_for() {
        let settings = Settings { jitter: 0.5, ..Settings::default() };
        let error = CallError::Throttled { retry_after: Some(Duration::from_secs(20)), message: String::new() };
        for random in [0.0, 0.5, 1.0] {
            assert!(after_failure(&settings, Kind::Instance, Some(&error), 1, at(0), random) >= at(20));
        }
    }
}
