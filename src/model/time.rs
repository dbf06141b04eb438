//! A point in time, as the store keeps it and as the API writes it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since 1970-01-01T00:00:00Z. Written as RFC 3339 in UTC with three decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Timestamp {
        Timestamp(millis)
    }

    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down, as `webhook-timestamp` has them.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Whether RFC 3339 has a form for it: years up to 9999.
    pub fn can_be_written(self) -> bool {
        jiff::Timestamp::from_millisecond(self.0).is_ok()
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    pub fn after(self, wait: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }

    /// As many milliseconds later, or earlier where that is negative.
    pub fn shifted(self, millis: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(millis))
    }

    pub fn before(self, wait: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// What RFC 3339 has no form for is written as the nearest time that it has one for, so that every text can be read.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beyond = if self.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        let time = jiff::Timestamp::from_millisecond(self.0).unwrap_or(beyond);
        write!(f, "{time:.3}")
    }
}

impl std::str::FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Timestamp, InvalidTimestamp> {
        let time: Result<jiff::Timestamp, _> = text.parse();
        match time {
            Ok(time) => Ok(Timestamp(time.as_millisecond())),
            Err(_) if would_be_a_time_in_another_year(text) => Err(InvalidTimestamp::OutOfRange),
            Err(_) => Err(InvalidTimestamp::Malformed),
        }
    }
}

/// Whether only the year is what is wrong with it.
fn would_be_a_time_in_another_year(text: &str) -> bool {
    let Some((year, rest)) = text.strip_prefix(['+', '-']).unwrap_or(text).split_once('-') else { return false };
    if year.len() < 4 || !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    // More digits than a number has are a year, too.
    let is_beyond = year.parse().map_or(true, |year: u32| year >= 9999);
    is_beyond && format!("2000-{rest}").parse::<jiff::Timestamp>().is_ok()
}

/// Fits a sentence that ends in "is".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTimestamp {
    #[error("not a time as RFC 3339 writes it, such as 2026-11-22T10:00:00Z")]
    Malformed,
    #[error(
        "out of range: the earliest time is {:.0}, and the latest {:.0}",
        jiff::Timestamp::MIN,
        jiff::Timestamp::MAX
    )]
    OutOfRange,
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Whole milliseconds, as documents and logs have them; the most there can be, where it is longer.
pub fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_and_read_as_rfc_3339() {
        let check = |millis: i64, text: &str| {
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
            assert_eq!(text.parse::<Timestamp>().expect(text), Timestamp::from_millis(millis));
        };
        check(0, "1970-01-01T00:00:00.000Z");
        check(1_795_341_600_123, "2026-11-22T10:00:00.123Z");
        check(-1, "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn what_is_wrong_with_a_time_is_said() {
        let check = |text: &str, want: InvalidTimestamp| assert_eq!(text.parse::<Timestamp>(), Err(want), "{text}");
        for text in
            ["yesterday", "", "-", "2026-11-22", "2026-02-30T10:00:00Z", "10000-02-30T10:00:00Z", "12026", "9999-x"]
        {
            check(text, InvalidTimestamp::Malformed);
        }
        for text in [
            "10000-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "+010000-01-01T00:00:00Z",
            "-010000-01-01T00:00:00Z",
            "99999999999-01-01T00:00:00Z",
        ] {
            check(text, InvalidTimestamp::OutOfRange);
        }
        let said = InvalidTimestamp::OutOfRange.to_string();
        assert_eq!(
            said,
            "out of range: the earliest time is -009999-01-02T01:59:59Z, and the latest 9999-12-30T22:00:00Z"
        );
    }

    #[test]
    fn every_time_is_written_so_that_it_can_be_read() {
        let check = |millis: i64| {
            let text = Timestamp::from_millis(millis).to_string();
            let read = text.parse::<Timestamp>().expect(&text);
            assert_eq!(read.to_string(), text);
            assert!(read.as_millis() == millis || !Timestamp::from_millis(millis).can_be_written(), "{text}");
        };
        let (least, most) = (jiff::Timestamp::MIN.as_millisecond(), jiff::Timestamp::MAX.as_millisecond());
        for millis in [least, least + 1, most, most - 1, 0, -1, 1, i64::MIN, i64::MAX, least - 1, most + 1] {
            check(millis);
        }
    }

    #[test]
    fn arithmetic_saturates() {
        let end = Timestamp::from_millis(i64::MAX);
        assert_eq!(end.after(Duration::MAX), end);
        assert_eq!(Timestamp::default().since(end), Duration::ZERO);
    }
}
