//! The little that a driver needs of time: now, the two notations that providers write it in, and the one
//! that AWS signs. Everything is milliseconds since 1970-01-01T00:00:00Z, as in the contract.

use crate::host;
use crate::model::Timestamp;

const DAY: i64 = 86_400_000;

/// The host's clock.
pub fn now() -> Timestamp {
    host::now()
}

/// Reads RFC 3339: `2026-11-22T10:00:00.123Z`, with any offset (`+0000`, too), any number of decimals, and a
/// space for the T.
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || bytes[4] != b'-' || bytes[7] != b'-' || !matches!(bytes[10], b'T' | b't' | b' ') {
        return None;
    }
    let date = date(number(&bytes[..4])?, number(&bytes[5..7])?, number(&bytes[8..10])?)?;
    let seconds = clock(&bytes[11..19])?;
    let mut rest = &bytes[19..];
    let mut millis = 0;
    if rest[0] == b'.' {
        let decimals = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
        if decimals == 0 {
            return None;
        }
        let digit = |place| rest[1..=decimals].get(place).map_or(0, |digit| i64::from(digit - b'0'));
        millis = digit(0) * 100 + digit(1) * 10 + digit(2);
        rest = &rest[1 + decimals..];
    }
    let offset = match rest {
        [b'Z' | b'z'] => 0,
        // The colon is missing in what some libraries write.
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            let minutes = number(&[*h1, *h2])? * 60 + number(&[*m1, *m2])?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    Some(date + (seconds - offset * 60) * 1000 + millis)
}

/// Reads an HTTP date in any of its three notations (RFC 9110, 5.6.7).
pub fn parse_http_date(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let (mut day, mut month, mut year, mut time) = (None, None, None, None);
    for word in text.split([' ', ',', '-']).filter(|word| !word.is_empty()) {
        let lower = word.to_ascii_lowercase();
        if word.contains(':') {
            time = Some(clock(word.as_bytes())?);
        } else if let Some(number) = number(word.as_bytes()) {
            if day.is_none() {
                day = Some(number);
            } else {
                // Two digits are of RFC 850's time, and so is their pivot.
                year = Some(if word.len() > 2 { number } else { number + if number < 70 { 2000 } else { 1900 } });
            }
        } else if let Some(index) = MONTHS.iter().position(|name| *name == lower) {
            month = Some(i64::try_from(index).ok()? + 1);
        }
    }
    Some(date(year?, month?, day?)? + time? * 1000)
}

/// `20261122T100000Z`, as AWS's signatures write it.
pub fn format_amz_date(time: Timestamp) -> String {
    let (days, clock) = (time.div_euclid(DAY), time.rem_euclid(DAY) / 1000);
    // Civil-from-days (Howard Hinnant's algorithms for dates).
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", clock / 3600, clock / 60 % 60, clock % 60)
}

/// `hh:mm:ss` in seconds; a leap second counts as the one before it.
fn clock(text: &[u8]) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = text else { return None };
    let (hour, minute, second) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?);
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second.min(59))
}

/// Midnight of a day of the Gregorian calendar.
fn date(year: i64, month: i64, day: i64) -> Option<Timestamp> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Days-from-civil (Howard Hinnant's algorithms for dates).
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    Some((era * 146_097 + of_era - 719_468) * DAY)
}

fn number(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_is_read_in_its_variants() {
        let check = |text: &str, expected: Option<i64>| assert_eq!(parse_rfc3339(text), expected, "{text}");
        check("1970-01-01T00:00:00Z", Some(0));
        check("2026-11-22T10:00:00.123Z", Some(1_795_341_600_123));
        check("2026-11-22T10:00:00.1234567Z", Some(1_795_341_600_123));
        check("2026-11-22 12:00:00.5+02:00", Some(1_795_341_600_500));
        check("2026-11-22T09:30:00-00:30", Some(1_795_341_600_000));
        check("2026-11-22T10:00:00+0000", Some(1_795_341_600_000));
        check("2026-11-22T09:30:00.000-0030", Some(1_795_341_600_000));
        check("2026-11-22T10:00:00+00", None);
        check("2026-11-22T10:00:00+00000", None);
        check("2024-02-29T23:59:60Z", Some(1_709_251_199_000));
        check("2023-02-29T00:00:00Z", None);
        check("2026-13-01T00:00:00Z", None);
        check("2026-11-22T25:00:00Z", None);
        check("2026-11-22T10:00:00", None);
        check("2026-11-22T10:00:00.Z", None);
        check("2026-11-22T10:00:00+é", None);
        check("", None);
    }

    #[test]
    fn http_dates_are_read_in_all_three_notations() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse_http_date(text), Some(784_111_777_000), "{text}");
        }
        assert_eq!(parse_http_date("tomorrow"), None);
        assert_eq!(parse_http_date("Sun, 32 Nov 1994 08:49:37 GMT"), None);
    }

    #[test]
    fn amz_dates_are_the_inverse_of_reading() {
        assert_eq!(format_amz_date(0), "19700101T000000Z");
        assert_eq!(format_amz_date(1_440_938_160_000), "20150830T123600Z");
        assert_eq!(format_amz_date(1_709_251_199_999), "20240229T235959Z");
    }
}
