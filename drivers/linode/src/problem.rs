//! How Linode says that it refuses, `{"errors": [{"reason": .., "field": ..}]}`, and for how long.

use serde::Deserialize;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Headers, Response, retry_after};
use tracker_driver_sdk::{Error, Timestamp, json, time};

/// The windows of limits are of one or two minutes: no longer wait is ever asked for.
const LONGEST_WAIT: i64 = 120;

#[derive(Deserialize)]
struct Problem {
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    reason: Option<String>,
    field: Option<String>,
}

/// What an answer's head says, kept while its body is read.
#[derive(Debug)]
pub(crate) struct Head {
    asked: String,
    status: u16,
    wait: Option<u32>,
}

impl Head {
    pub(crate) fn of(response: &Response) -> Self {
        let wait = retry_after(&response.headers).or_else(|| wait(&response.headers, time::now()));
        Head { asked: response.asked().to_owned(), status: response.status, wait }
    }

    /// The error of a status, in the API's own words, with the wait that it asks for.
    pub(crate) fn refusal(&self, response: &Response, start: &[u8]) -> Error {
        let words = words(start);
        let error = match &words {
            Some(words) => response.error_quoting(words.as_bytes()),
            None => response.error_quoting(start),
        };
        match error {
            Error::Throttled(throttle) => Error::throttled(self.wait, throttle.message),
            // A token without the right to read comes back with 401 as well as with 403.
            Error::Unauthorized(message) if words.is_some_and(|words| lacks_right(&words.to_ascii_lowercase())) => {
                Error::Forbidden(message)
            }
            other => other,
        }
    }

    /// The error that a body is which came with the status of a success. The API has no codes: what tells one error from
    /// another is its text.
    pub(crate) fn told_by(&self, body: &[u8]) -> Option<Error> {
        let words = words(body)?;
        let text = format!("{} answered {}: {}", self.asked, self.status, quote(words.as_bytes()));
        let words = words.to_ascii_lowercase();
        let has = |part: &str| words.contains(part);
        Some(if lacks_right(&words) || words == "unauthorized" {
            Error::Forbidden(text)
        } else if has("invalid token") || has("invalid oauth token") {
            Error::Unauthorized(text)
        } else if has("too many requests") || has("rate limit") {
            Error::throttled(self.wait, text)
        } else if has("internal server error") || has("unavailable") || has("maintenance") {
            Error::Unavailable(text)
        } else {
            Error::UnexpectedAnswer(text)
        })
    }
}

/// Whether the token is good and lacks a scope, in small letters.
fn lacks_right(words: &str) -> bool {
    words.contains("not authorized to use this endpoint")
}

/// Whether the API itself says that there is nothing of that id.
pub fn says_not_found(body: &[u8]) -> bool {
    words(body).is_some_and(|words| words.eq_ignore_ascii_case("not found"))
}

/// What to quote of an error: its reasons, each with the field that it is about.
pub fn words(body: &[u8]) -> Option<String> {
    let Problem { errors } = json::parse(body).ok()?;
    let texts = errors.into_iter().filter_map(|fault| {
        let reason = fault.reason.filter(|reason| !reason.is_empty())?;
        Some(match fault.field.filter(|field| !field.is_empty()) {
            Some(field) => format!("{field}: {reason}"),
            None => reason,
        })
    });
    let words = texts.collect::<Vec<_>>().join("; ");
    (!words.is_empty()).then_some(words)
}

/// How long to wait in seconds, by `X-RateLimit-Reset`: the Unix second at which the window ends. One that lies in the past
/// says nothing.
pub fn wait(headers: &Headers, now: Timestamp) -> Option<u32> {
    let reset = headers.get("x-ratelimit-reset")?.trim().parse::<i64>().ok()?;
    let seconds = reset.checked_sub(now.div_euclid(1000)).filter(|seconds| *seconds >= 0)?;
    u32::try_from(seconds.min(LONGEST_WAIT)).ok()
}
