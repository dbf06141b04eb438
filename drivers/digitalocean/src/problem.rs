//! How DigitalOcean says that it refuses, `{"id": .., "message": ..}`, and for how long.

use serde::Deserialize;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Headers, Response, retry_after};
use tracker_driver_sdk::{Error, Timestamp, json, time};

/// Each request counts for an hour: no longer wait is ever asked for.
const LONGEST_WAIT: i64 = 3_600;

#[derive(Deserialize)]
struct Problem {
    id: Option<String>,
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

    /// The error that a body is which came with the status of a success, by its name.
    pub(crate) fn told_by(&self, body: &[u8]) -> Option<Error> {
        let (id, text) = message(body)?;
        let text = format!("{} answered {}: {}", self.asked, self.status, quote(text.as_bytes()));
        Some(match id.to_ascii_lowercase().as_str() {
            "unauthorized" => Error::Unauthorized(text),
            "forbidden" => Error::Forbidden(text),
            "too_many_requests" => Error::throttled(self.wait, text),
            "server_error" | "service_unavailable" => Error::Unavailable(text),
            _ => Error::UnexpectedAnswer(text),
        })
    }
}

/// An error's name, and what to quote of it: `id: message`, or the one of them that it has.
pub fn message(body: &[u8]) -> Option<(String, String)> {
    let Problem { id, message } = json::parse(body).ok()?;
    let (id, message) = (id.unwrap_or_default(), message.unwrap_or_default());
    let quoted = match (id.is_empty(), message.is_empty()) {
        (true, true) => return None,
        (true, false) => message,
        (false, true) => id.clone(),
        (false, false) => format!("{id}: {message}"),
    };
    Some((id, quoted))
}

/// How long to wait in seconds, by `RateLimit-Reset`: the Unix second at which the oldest request is forgotten. One that
/// lies in the past says nothing.
pub fn wait(headers: &Headers, now: Timestamp) -> Option<u32> {
    let reset = headers.get("ratelimit-reset")?.trim().parse::<i64>().ok()?;
    let seconds = reset.checked_sub(now.div_euclid(1000)).filter(|seconds| *seconds >= 0)?;
    u32::try_from(seconds.min(LONGEST_WAIT)).ok()
}
