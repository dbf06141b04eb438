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
        let time: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp)?;
        Ok(Timestamp(time.as_millisecond()))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("not a time as RFC 3339 writes it, such as 2026-11-22T10:00:00Z")]
pub struct InvalidTimestamp;

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
        assert!("yesterday".parse::<Timestamp>().is_err());
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
