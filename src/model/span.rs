//! Durations as people write them, in the configuration and in requests: `60s`, `5 min`, `1h 30m`, or ISO 8601.

use std::time::Duration;

use jiff::fmt::friendly::SpanPrinter;

/// Parses a duration of zero or more.
pub fn parse(text: &str) -> Result<Duration, InvalidSpan> {
    let span: jiff::Span = text.parse().map_err(|_| InvalidSpan::Malformed)?;
    // Days and weeks are taken as 24 and 168 hours; months and years have no fixed length and are refused.
    let exact = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| InvalidSpan::Malformed)?;
    exact.try_into().map_err(|_| InvalidSpan::Negative)
}

/// The same for stored durations: in whole milliseconds, so that they read back unchanged.
pub fn parse_kept(text: &str) -> Result<Duration, InvalidSpan> {
    match parse(text)? {
        span if span.subsec_nanos().is_multiple_of(1_000_000) => Ok(span),
        _ => Err(InvalidSpan::TooFine),
    }
}

/// Writes a duration so that `parse` reads the same one.
pub fn to_text(span: Duration) -> String {
    let most = jiff::SignedDuration::MAX;
    SpanPrinter::new().duration_to_string(&jiff::SignedDuration::try_from(span).unwrap_or(most))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpan {
    #[error("not a length of time: write it as \"60s\", \"5 min\" or \"1h 30m\"")]
    Malformed,
    #[error("negative: a length of time is zero or more")]
    Negative,
    #[error("finer than a millisecond: give whole milliseconds")]
    TooFine,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_read_as_people_write_them() {
        let check = |text: &str, want: Result<u64, InvalidSpan>| {
            assert_eq!(parse(text), want.map(Duration::from_millis), "{text}");
        };
        check("60s", Ok(60_000));
        check("5 min", Ok(300_000));
        check("1h 30m", Ok(5_400_000));
        check("250 ms", Ok(250));
        check("7 days", Ok(604_800_000));
        check("PT5M", Ok(300_000));
        check("0s", Ok(0));
        check("-5s", Err(InvalidSpan::Negative));
        for text in ["60", "2 months", "", "soon", "5 min later"] {
            check(text, Err(InvalidSpan::Malformed));
        }
    }

    #[test]
    fn what_is_kept_is_no_finer_than_a_millisecond() {
        for text in ["1ns", "999us", "1.5ms", "1s 1ns", "PT0.0001S"] {
            assert!(parse(text).is_ok(), "{text}");
            assert_eq!(parse_kept(text), Err(InvalidSpan::TooFine), "{text}");
        }
        for text in ["0s", "1ms", "1.5s", "7 days"] {
            assert_eq!(parse_kept(text), parse(text), "{text}");
        }
    }

    #[test]
    fn are_written_so_that_they_read_the_same() {
        let check = |millis: u64, want: &str| {
            let span = Duration::from_millis(millis);
            assert_eq!(to_text(span), want);
            assert_eq!(parse(want), Ok(span), "{want}");
        };
        check(0, "0s");
        check(250, "250ms");
        check(5_000, "5s");
        check(300_000, "5m");
        check(5_400_000, "1h 30m");
        check(604_800_000, "168h");
    }
}
