//! The difference between this host's clock and a provider's, by the `Date` of its answers. A provider that compares
//! signatures or tokens with the time refuses a host with a wrong clock, and seldom says why.

use std::time::Duration;

use http::HeaderMap;
use http::header::{AGE, DATE};

use crate::model::Timestamp;

/// What less explains nothing: the date is in whole seconds, the answer was under way, and providers allow for minutes.
const NOTED_FROM: Duration = Duration::from_secs(60);

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Clocks that differ so much that it may be why a provider refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::driver) struct Skew {
    /// This host's clock minus the provider's, in seconds.
    seconds: i64,
}

impl Skew {
    /// By the headers of an answer that came now. One that was kept by a cache has the date of another time.
    pub(in crate::driver) fn of(headers: &HeaderMap, now: Timestamp) -> Option<Skew> {
        if headers.contains_key(AGE) {
            return None;
        }
        let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
        let date = date.duration_since(std::time::UNIX_EPOCH).ok()?;
        let seconds = now.as_seconds().checked_sub(i64::try_from(date.as_secs()).ok()?)?;
        (seconds.unsigned_abs() >= NOTED_FROM.as_secs()).then_some(Skew { seconds })
    }
}

impl std::fmt::Display for Skew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.seconds.unsigned_abs();
        // In the largest unit of which there are two.
        let (unit, name) = match seconds {
            ..120 => (1, "seconds"),
            120..7200 => (MINUTE, "minutes"),
            7200..172_800 => (HOUR, "hours"),
            172_800.. => (DAY, "days"),
        };
        let direction = if self.seconds < 0 { "behind" } else { "ahead of" };
        write!(f, "this host's clock is {} {name} {direction} the provider's", (seconds + unit / 2) / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_differ_by_a_minute_or_more_are_told() {
        // 784111777 is Sun, 06 Nov 1994 08:49:37 GMT.
        let check = |offset: i64, want: Option<&str>| {
            let headers = HeaderMap::from_iter([(DATE, "Sun, 06 Nov 1994 08:49:37 GMT".parse().expect("a value"))]);
            let now = Timestamp::from_millis((784_111_777 + offset) * 1000);
            let skew = Skew::of(&headers, now).map(|skew| skew.to_string());
            assert_eq!(skew, want.map(|want| format!("this host's clock is {want} the provider's")), "{offset}");
        };
        check(0, None);
        check(59, None);
        check(-59, None);
        check(60, Some("60 seconds ahead of"));
        check(-119, Some("119 seconds behind"));
        check(-3660, Some("61 minutes behind"));
        check(-3689, Some("61 minutes behind"));
        check(7199, Some("120 minutes ahead of"));
        check(7200, Some("2 hours ahead of"));
        check(-DAY_AND_A_BIT, Some("25 hours behind"));
        check(-784_111_777, Some("9075 days behind"));
    }

    const DAY_AND_A_BIT: i64 = 25 * 3600 + 60;

    #[test]
    fn an_answer_without_a_date_of_its_own_tells_nothing() {
        let check = |headers: &[(http::HeaderName, &str)]| {
            let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect();
            assert_eq!(Skew::of(&headers, Timestamp::from_millis(0)), None, "{headers:?}");
        };
        check(&[]);
        check(&[(DATE, "yesterday")]);
        check(&[(DATE, "Sun, 06 Nov 1994 08:49:37 GMT"), (AGE, "3600")]);
    }
}
