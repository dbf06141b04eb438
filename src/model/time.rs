//! A point in time, as the store keeps it and as the API writes it.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::civil::DateTime;
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

    /// The range of RFC 3339: 0000-01-01T00:00:00.000Z to 9999-12-31T23:59:59.999Z.
    pub const EARLIEST: Timestamp = Timestamp(-62_167_219_200_000);
    pub const LATEST: Timestamp = Timestamp(253_402_300_799_999);

    /// Whether it is within the range of RFC 3339.
    pub fn can_be_written(self) -> bool {
        (Timestamp::EARLIEST..=Timestamp::LATEST).contains(&self)
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    pub fn after(self, wait: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This time plus `millis`, which may be negative.
    pub fn shifted(self, millis: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(millis))
    }

    pub fn before(self, wait: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// A time outside the range of RFC 3339 is written as the nearest one within it, so that every text can be read.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.clamp(Timestamp::EARLIEST.0, Timestamp::LATEST.0);
        let time = EPOCH.saturating_add(SignedDuration::from_millis(millis));
        write!(f, "{time:.3}Z")
    }
}

/// In UTC. `jiff::Timestamp` does not cover all times of RFC 3339: it reserves a day at both ends for offsets.
const EPOCH: DateTime = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);

/// As in RFC 3339, 5.6. A space may replace the T. Digits below a millisecond are cut off, and a leap second is the end
/// of the second before.
impl std::str::FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Timestamp, InvalidTimestamp> {
        let (year, rest) = year(text).ok_or(InvalidTimestamp::Malformed)?;
        let is_written_right = text.as_bytes().first().is_some_and(u8::is_ascii_digit) && text.find('-') == Some(4);
        if !is_written_right {
            // Whether only the year is invalid.
            let in_another_year = format!("2000-{rest}");
            return Err(match millis(2000, &in_another_year) {
                Some(_) => InvalidTimestamp::OutOfRange,
                None => InvalidTimestamp::Malformed,
            });
        }
        let time = millis(year, text).map(Timestamp).ok_or(InvalidTimestamp::Malformed)?;
        if time.can_be_written() { Ok(time) } else { Err(InvalidTimestamp::OutOfRange) }
    }
}

/// A year of four digits or more, with or without a sign, and the rest of the text; zero for a year beyond every
/// calendar.
fn year(text: &str) -> Option<(i16, &str)> {
    let (year, rest) = text.strip_prefix(['+', '-']).unwrap_or(text).split_once('-')?;
    (year.len() >= 4 && year.bytes().all(|byte| byte.is_ascii_digit())).then(|| (year.parse().unwrap_or(0), rest))
}

/// The milliseconds since the epoch of a text that begins with a year of four digits.
fn millis(year: i16, text: &str) -> Option<i64> {
    // yyyy-mm-ddThh:mm:ss, then a fraction, then an offset.
    let (head, rest) = text.split_at_checked(19)?;
    let bytes = head.as_bytes();
    let marks: [(usize, &[u8]); 5] = [(4, b"-"), (7, b"-"), (10, b"Tt "), (13, b":"), (16, b":")];
    if !marks.iter().all(|(at, allowed)| allowed.contains(&bytes[*at])) {
        return None;
    }
    let [month, day, hour, minute, second] = [5, 8, 11, 14, 17].map(|at| two_digits(&bytes[at..at + 2]));
    // 60 is a leap second.
    let second = second.filter(|second| *second <= 60)?;
    let date = jiff::civil::Date::new(year, month?, day?).ok()?;
    let time = jiff::civil::Time::new(hour?, minute?, second.min(59), 0).ok()?;
    let (fraction, offset) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
        None => ("0", rest),
    };
    if fraction.is_empty() {
        return None;
    }
    let thousandths: i64 =
        fraction.bytes().chain(*b"000").take(3).fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let thousandths = if second == 60 { 999 } else { thousandths };
    let seconds = date.to_datetime(time).duration_since(EPOCH).as_secs() - offset_seconds(offset)?;
    Some(seconds * 1000 + thousandths)
}

/// `Z`, or hours and minutes ahead of or behind UTC.
fn offset_seconds(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let hours = two_digits(hours.as_bytes()).filter(|hours| *hours < 24)?;
    let minutes = two_digits(minutes.as_bytes()).filter(|minutes| *minutes < 60)?;
    Some(sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60))
}

fn two_digits(digits: &[u8]) -> Option<i8> {
    match digits {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => i8::try_from((tens - b'0') * 10 + (ones - b'0')).ok(),
        _ => None,
    }
}

/// Completes a sentence that ends in "is".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTimestamp {
    #[error("not a time as RFC 3339 writes it, such as 2026-11-22T10:00:00Z")]
    Malformed,
    #[error("out of range: the earliest time is {}, and the latest {}", Timestamp::EARLIEST, Timestamp::LATEST)]
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

/// Whole milliseconds, for documents and logs; the maximum of u64 for a longer time.
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
        check(Timestamp::EARLIEST.as_millis(), "0000-01-01T00:00:00.000Z");
        check(Timestamp::LATEST.as_millis(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn each_form_of_rfc_3339_is_read() {
        let check = |text: &str, want: &str| {
            assert_eq!(text.parse::<Timestamp>().map(|time| time.to_string()), Ok(want.to_owned()), "{text}");
        };
        check("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z");
        check("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999Z");
        check("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z");
        check("2026-11-28t16:10:00z", "2026-11-28T16:10:00.000Z");
        check("2026-11-28 16:10:00Z", "2026-11-28T16:10:00.000Z");
        check("2026-11-28T16:10:00.1Z", "2026-11-28T16:10:00.100Z");
        check("2026-11-28T16:10:00.0019999999999999Z", "2026-11-28T16:10:00.001Z");
        check("2026-11-28T16:10:00+05:30", "2026-11-28T10:40:00.000Z");
        check("2026-11-28T16:10:00.5-08:00", "2026-11-29T00:10:00.500Z");
        check("2026-11-28T16:10:00-00:00", "2026-11-28T16:10:00.000Z");
        check("1969-12-31T23:59:59.25Z", "1969-12-31T23:59:59.250Z");
        check("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z");
        check("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z");
        check("2016-12-31T23:59:60.5Z", "2016-12-31T23:59:59.999Z");
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(millis in Timestamp::EARLIEST.as_millis()..=Timestamp::LATEST.as_millis()) {
            let text = Timestamp::from_millis(millis).to_string();
            assert_eq!(text.parse(), Ok(Timestamp::from_millis(millis)), "{text}");
            assert_eq!(text.len(), "2026-11-28T16:10:00.000Z".len());
        }
    }

    #[test]
    fn what_is_wrong_with_a_time_is_said() {
        let check = |text: &str, want: InvalidTimestamp| assert_eq!(text.parse::<Timestamp>(), Err(want), "{text}");
        for text in [
            "yesterday",
            "",
            "-",
            "2026-11-22",
            "2026-02-30T10:00:00Z",
            "10000-02-30T10:00:00Z",
            "12026",
            "9999-x",
            // ISO 8601, and not RFC 3339.
            "20261128T161000Z",
            "2026-11-28T161000Z",
            "2026-11-28T16:10Z",
            "2026-11-28T16Z",
            "2026-332T16:10:00Z",
            "2026-W48-6T16:10:00Z",
            "2026-11-28T16:10:00",
            "2026-11-28T16:10:00+01",
            "2026-11-28T16:10:00+0100",
            "2026-11-28T16:10:00,5Z",
            "2026-11-28T16:10:00[Europe/Berlin]",
            "2026-11-28T16:10:00Z[UTC]",
            // Neither.
            "2026-11-28T24:00:00Z",
            "2026-11-28T23:60:00Z",
            "2026-11-28T23:59:61Z",
            "2026-11-28T16:10:00+24:00",
            "2026-11-28T16:10:00+01:60",
            "2026-11-28T16:10:00.Z",
            "2026-11-28T16:10:00 Z",
            "2026-11-28T16:10:00Z ",
            " 2026-11-28T16:10:00Z",
            "2026-11-28T16:10:0\u{0664}Z",
            "2026-11-28T16:10:0\u{e9}",
            "2026-1128T16:10:000Z",
        ] {
            check(text, InvalidTimestamp::Malformed);
        }
        for text in [
            "10000-01-01T00:00:00Z",
            "+010000-01-01T00:00:00Z",
            "-010000-01-01T00:00:00Z",
            "-2026-01-01T00:00:00Z",
            "99999999999-01-01T00:00:00Z",
            "9999-12-31T23:59:59-00:01",
            "0000-01-01T00:00:00+00:01",
        ] {
            check(text, InvalidTimestamp::OutOfRange);
        }
        let said = InvalidTimestamp::OutOfRange.to_string();
        assert_eq!(
            said,
            "out of range: the earliest time is 0000-01-01T00:00:00.000Z, and the latest 9999-12-31T23:59:59.999Z"
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
        let (least, most) = (Timestamp::EARLIEST.as_millis(), Timestamp::LATEST.as_millis());
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
