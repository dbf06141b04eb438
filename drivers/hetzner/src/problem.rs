//! How Hetzner Cloud says that it refuses, `{"error": {"code": .., "message": ..}}`, and for how long.

use serde::Deserialize;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Headers, Response, retry_after};
use tracker_driver_sdk::{Error, Timestamp, json, time};

/// How many requests an account has in an hour, unless `RateLimit-Limit` says another number.
const USUAL_LIMIT: i64 = 3_600;

/// As many requests as are worth coming back for: 3,000 servers.
const ENOUGH: i64 = 60;

#[derive(Deserialize)]
struct Problem {
    error: Fault,
}

#[derive(Deserialize)]
struct Fault {
    code: Option<String>,
    message: Option<String>,
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
        let error = match message(start) {
            Some((_, text)) => response.error_quoting(text.as_bytes()),
            None => response.error_quoting(start),
        };
        match error {
            Error::Throttled(throttle) => Error::throttled(self.wait, throttle.message),
            other => other,
        }
    }

    /// The error that a body is which came with the status of a success, by its code.
    pub(crate) fn told_by(&self, body: &[u8]) -> Option<Error> {
        let (code, text) = message(body)?;
        let text = format!("{} answered {}: {}", self.asked, self.status, quote(text.as_bytes()));
        Some(match code.as_str() {
            "unauthorized" => Error::Unauthorized(text),
            "forbidden" | "token_readonly" => Error::Forbidden(text),
            "rate_limit_exceeded" => Error::throttled(self.wait, text),
            "maintenance" | "server_error" | "service_error" | "timeout" | "unavailable" => Error::Unavailable(text),
            _ => Error::UnexpectedAnswer(text),
        })
    }
}

/// An error's code, and what to quote of it: `code: message`, or the one of them that it has.
pub fn message(body: &[u8]) -> Option<(String, String)> {
    let Problem { error } = json::parse(body).ok()?;
    let (code, text) = (error.code.unwrap_or_default(), error.message.unwrap_or_default());
    let quoted = match (code.is_empty(), text.is_empty()) {
        (true, true) => return None,
        (true, false) => text,
        (false, true) => code.clone(),
        (false, false) => format!("{code}: {text}"),
    };
    Some((code, quoted))
}

/// How long to wait in seconds. `RateLimit-Reset` is the Unix second at which all requests of an hour are there again,
/// which is an hour after they were spent; they come back one by one, and a list needs but few of them. One that lies in
/// the past says nothing.
pub fn wait(headers: &Headers, now: Timestamp) -> Option<u32> {
    let number = |name: &str| headers.get(name)?.trim().parse::<i64>().ok();
    let whole = number("ratelimit-reset")?.checked_sub(now.div_euclid(1000)).filter(|seconds| *seconds >= 0)?;
    let an_hour = number("ratelimit-limit").filter(|limit| *limit > 0).unwrap_or(USUAL_LIMIT);
    let some = (ENOUGH * 3_600 - 1) / an_hour + 1;
    u32::try_from(whole.min(some)).ok()
}
