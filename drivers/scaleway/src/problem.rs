//! How Scaleway says that it refuses, `{"type": .., "message": ..}`, and for how long.

use serde::Deserialize;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Headers, Response, retry_after};
use tracker_driver_sdk::{Error, json};

/// No window of a limit is longer.
const LONGEST_WAIT: u32 = 3_600;

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<String>,
    /// What is wrong with a key: that it is not known, has expired.
    reason: Option<String>,
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
        let wait = retry_after(&response.headers).or_else(|| wait(&response.headers));
        Head { asked: response.asked().to_owned(), status: response.status, wait }
    }

    /// The error of a status, in the API's own words, with the wait that it asks for.
    pub(crate) fn refusal(&self, response: &Response, start: &[u8]) -> Error {
        let (kind, error) = match message(start) {
            Some((kind, text)) => (kind, response.error_quoting(text.as_bytes())),
            None => (String::new(), response.error_quoting(start)),
        };
        match (kind.as_str(), error) {
            (_, Error::Throttled(throttle)) => Error::throttled(self.wait, throttle.message),
            // 401 and 403 are not always told apart; the types are.
            ("denied_authentication" | "invalid_auth", Error::Forbidden(text)) => Error::Unauthorized(text),
            ("permissions_denied", Error::Unauthorized(text)) => Error::Forbidden(text),
            (_, other) => other,
        }
    }

    /// The error that a body is which came with the status of a success, by its type.
    pub(crate) fn told_by(&self, body: &[u8]) -> Option<Error> {
        let (kind, text) = message(body)?;
        let text = format!("{} answered {}: {}", self.asked, self.status, quote(text.as_bytes()));
        Some(match kind.as_str() {
            "denied_authentication" | "invalid_auth" => Error::Unauthorized(text),
            "permissions_denied" => Error::Forbidden(text),
            "too_many_requests" => Error::throttled(self.wait, text),
            "api_error" | "internal_error" | "unavailable" => Error::Unavailable(text),
            _ => Error::UnexpectedAnswer(text),
        })
    }
}

/// An error's type, and what to quote of it: `type: message (reason)`, or those of them that it has.
pub fn message(body: &[u8]) -> Option<(String, String)> {
    let Problem { kind, message, reason } = json::parse(body).ok()?;
    let (kind, message) = (kind.unwrap_or_default(), message.unwrap_or_default());
    let mut quoted = match (kind.is_empty(), message.is_empty()) {
        (true, true) => return None,
        (true, false) => message,
        (false, true) => kind.clone(),
        (false, false) => format!("{kind}: {message}"),
    };
    if let Some(reason) = reason.filter(|reason| !reason.is_empty()) {
        quoted.push_str(&format!(" ({reason})"));
    }
    Some((kind, quoted))
}

/// Whether there is nothing at that path, by the body of a 404: the API says so, or whoever answers in its place and knows
/// the path alone. An error of another type is not of the path.
pub fn is_not_found(body: &[u8]) -> bool {
    message(body).is_none_or(|(kind, _)| matches!(kind.as_str(), "" | "not_found" | "unknown_resource"))
}

/// How long to wait, by `X-RateLimit-Reset`: the seconds until the window ends, and no time of day.
pub fn wait(headers: &Headers) -> Option<u32> {
    let seconds = headers.get("x-ratelimit-reset")?.trim().parse::<u32>().ok()?;
    (seconds <= LONGEST_WAIT).then_some(seconds)
}
