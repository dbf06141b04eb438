//! Times as providers write them: RFC 3339 and similar forms, the dates of HTTP, seconds and milliseconds.

use crate::model::Timestamp;

/// 2000-01-01: there were no clouds before.
pub(super) const FIRST_CLOUD: Timestamp = Timestamp::from_millis(946_684_800_000);

/// The times that a text may mean; none where it is no time.
pub(super) fn read(text: &str) -> Vec<Timestamp> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return vec![Timestamp::from_millis(number), Timestamp::from_millis(number.saturating_mul(1000))];
    }
    if let Ok(number) = text.parse::<f64>() {
        #[expect(clippy::cast_possible_truncation, reason = "a time has no more milliseconds than fit")]
        let millis = |factor: f64| Timestamp::from_millis((number * factor) as i64);
        return vec![millis(1.0), millis(1000.0)];
    }
    let http_date = || jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    let http_date = || http_date().map(|instant| Timestamp::from_millis(instant.as_millisecond()));
    instant(text).or_else(http_date).into_iter().collect()
}

/// What is written with a date and a time of day: in UTC where no zone stands there.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let instant = text.parse::<jiff::Timestamp>().ok();
    let instant = instant.or_else(|| {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    });
    instant.map(|instant| Timestamp::from_millis(instant.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form() {
        let at = Timestamp::from_millis(1_795_168_800_000);
        for text in [
            "2026-11-20T10:00:00Z",
            "2026-11-20T11:00:00+01:00",
            "2026-11-20T10:00:00+0000",
            "2026-11-20T10:00:00.000Z",
            "2026-11-20 10:00:00",
            "2026-11-20T10:00:00",
            "1795168800",
            "1795168800000",
            "1795168800.0",
            "Fri, 20 Nov 2026 10:00:00 GMT",
        ] {
            assert!(read(text).contains(&at), "{text}: {:?}", read(text));
        }
        for text in ["", "soon", "running", "10.0.0.1", "i-0a1"] {
            assert!(read(text).is_empty(), "{text}");
        }
    }
}
