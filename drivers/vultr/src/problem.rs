//! How Vultr says that it refuses: `{"error": .., "status": ..}`, where the status is that of HTTP once more.

use serde::Deserialize;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Response, retry_after};
use tracker_driver_sdk::{Error, json};

/// An error document.
#[derive(Debug, Deserialize)]
pub struct Fault {
    pub error: String,
    pub status: Option<u16>,
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
        Head { asked: response.asked().to_owned(), status: response.status, wait: retry_after(&response.headers) }
    }

    /// The error of a status, in the API's own words.
    pub(crate) fn refusal(&self, response: &Response, start: &[u8]) -> Error {
        let Some(fault) = read(start) else { return response.error_quoting(start) };
        match response.error_quoting(fault.error.as_bytes()) {
            Error::Unauthorized(message) if names_address(&fault.error) => Error::Forbidden(message),
            Error::Unavailable(message) if response.status == 503 && names_rate(&fault.error) => {
                Error::throttled(self.wait, message)
            }
            other => other,
        }
    }

    /// The error that a body is which came with the status of a success, by the status in it.
    pub(crate) fn told_by(&self, body: &[u8]) -> Option<Error> {
        let Fault { error, status } = read(body)?;
        let text = format!("{} answered {}: {}", self.asked, self.status, quote(error.as_bytes()));
        Some(match status {
            Some(401) if !names_address(&error) => Error::Unauthorized(text),
            Some(401 | 403) => Error::Forbidden(text),
            Some(429) => Error::throttled(self.wait, text),
            Some(503) if names_rate(&error) => Error::throttled(self.wait, text),
            Some(500..=599) => Error::Unavailable(text),
            _ => Error::UnexpectedAnswer(text),
        })
    }
}

/// An error in the API's own words.
pub fn read(body: &[u8]) -> Option<Fault> {
    json::parse::<Fault>(body).ok().filter(|fault| !fault.error.is_empty())
}

/// Whether the key is good, and the address that it is used from is not on its list: its status is 401, too.
fn names_address(error: &str) -> bool {
    error.to_ascii_lowercase().starts_with("unauthorized ip")
}

/// Whether it is too many requests, by a 503 as the API has them beside 429.
fn names_rate(error: &str) -> bool {
    error.to_ascii_lowercase().contains("rate limit")
}
