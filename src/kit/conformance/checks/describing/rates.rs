//! Whether a driver leaves a part of its provider's rate limit to others, if recorded answers contain that limit.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::driver::{Allowance, DriverInfo};
use crate::kit::conformance::report::Finding;
use crate::kit::conformance::stage::recorded;
use crate::kit::conformance::suite::Suite;
use crate::kit::conformance::times;
use crate::kit::conformance::verdict::Verdict;
use crate::model::Timestamp;

const MINUTE: u64 = 60;
/// What is called a time until the limit is whole again, and is more, is a point in time.
const LONGEST_SPAN: u64 = 32 * 86_400;

/// A limit that a provider names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Limit {
    header: String,
    requests: u64,
    /// How long it is for at least, in seconds.
    seconds: u64,
}

impl Limit {
    /// What it comes to in a minute at most.
    fn per_minute(&self) -> u64 {
        self.requests.saturating_mul(MINUTE) / self.seconds.max(1)
    }
}

/// Holds what the driver suggests against every limit that a cassette names.
pub(super) fn held(suite: &Suite, info: &DriverInfo, verdict: &mut Verdict) {
    let suggested = info.requests_per_minute;
    let asked = u64::from(Allowance::of(None, suggested).per_minute.get());
    for case in &suite.cases {
        let answers = case.cassette.exchanges.iter().filter_map(|exchange| recorded(exchange).ok());
        let limits = answers.flat_map(|answered| limits(&answered.headers, case.cassette.at));
        let passed = limits.into_iter().find(|limit| asked >= limit.per_minute());
        if let Some(limit) = passed {
            let whose = if suggested.is_some() { "it suggests" } else { "it suggests none, which makes" };
            verdict.find(Finding {
                cassette: Some(case.name().to_owned()),
                why: format!(
                    "{whose} {asked} requests a minute, and by the header {} {} is all that the provider answers in {} \
                     seconds or more",
                    limit.header, limit.requests, limit.seconds
                ),
                what_to_do:
                    "suggest a part of the provider's limit as `requests-per-minute`: its owner's other programs \
                             live on the rest"
                        .to_owned(),
            });
        }
    }
}

/// The limits that an answer's headers name, of which can be told for how long they are at least.
fn limits(headers: &HeaderMap, at: Timestamp) -> Vec<Limit> {
    let left = headers.iter().filter_map(|(name, value)| until_whole(name, value, at)).max();
    let limit = |(name, value): (&HeaderName, &HeaderValue)| {
        let plain = name.as_str().replace('-', "");
        let (_, of) = plain.split_once("ratelimitlimit")?;
        let text = value.to_str().ok()?;
        let mut parts = text.split([',', ';']).map(str::trim);
        let requests = parts.next()?.parse().ok().filter(|requests| *requests > 0)?;
        let window = parts.find_map(|part| part.strip_prefix("w=").or(part.strip_prefix("window="))?.parse().ok());
        let named = match of {
            "second" => Some(1),
            "minute" => Some(MINUTE),
            "hour" => Some(60 * MINUTE),
            "day" => Some(1_440 * MINUTE),
            _ => None,
        };
        // What is left of the time that the limit is for is no more than the whole of it; what is over in a second may be for
        // no longer.
        let seen = left.filter(|left| *left > 1).map(|left| left.max(MINUTE));
        let seconds = window.or(named).or(seen)?;
        Some(Limit { header: name.to_string(), requests, seconds })
    };
    headers.iter().filter_map(limit).collect()
}

/// In how many seconds a limit is whole again, by a header that says so: as a span, or as a point in time.
fn until_whole(name: &HeaderName, value: &HeaderValue, at: Timestamp) -> Option<u64> {
    if !name.as_str().contains("reset") {
        return None;
    }
    let text = value.to_str().ok()?;
    match text.trim().parse::<u64>() {
        Ok(seconds) if seconds <= LONGEST_SPAN => Some(seconds),
        _ => {
            let left = times::read(text).into_iter().map(|time| time.as_seconds() - at.as_seconds());
            left.filter_map(|left| u64::try_from(left).ok()).find(|left| *left <= LONGEST_SPAN)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_for_as_long_as_can_be_told() {
        let at = Timestamp::from_millis(1_795_168_800_000);
        let check = |headers: &[(&'static str, &'static str)], want: &[(u64, u64)]| {
            let named =
                headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            let found = limits(&named.collect(), at);
            let found: Vec<_> = found.iter().map(|limit| (limit.requests, limit.per_minute())).collect();
            assert_eq!(found, want, "{headers:?}");
        };
        // 130 seconds before it is whole again.
        check(&[("ratelimit-limit", "3600"), ("ratelimit-reset", "1795168930")], &[(3600, 1661)]);
        check(&[("x-rate-limit-limit", "100"), ("x-rate-limit-reset", "30")], &[(100, 100)]);
        check(&[("ratelimit-limit", "100, 100;w=10")], &[(100, 600)]);
        check(&[("x-ratelimit-limit-hour", "1200")], &[(1200, 20)]);
        // Of a second, perhaps.
        check(&[("x-ratelimit-limit", "20"), ("x-ratelimit-reset", "1")], &[]);
        check(&[("x-ratelimit-limit", "20")], &[]);
        check(&[("x-ratelimit-remaining", "20"), ("x-ratelimit-reset", "60")], &[]);
    }
}
