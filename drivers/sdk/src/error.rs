//! The contract's error, made easy to raise: `?` works on what the SDK's own parts fail with, and each
//! failure lands on the variant that the host acts upon. A message says what was asked and what came back,
//! and is bounded, for some of it was written by a provider.

use std::io;

pub use crate::bindings::exports::tracker::driver::inventory::{Error, Throttle};
use crate::bindings::tracker::driver::credentials;

/// How much of a provider's own words is quoted in a message, in bytes.
const QUOTED: usize = 300;

impl Error {
    /// `throttled`, with the provider's Retry-After in seconds where it gave one.
    pub fn throttled(retry_after: Option<u32>, message: impl Into<String>) -> Self {
        Error::Throttled(Throttle { retry_after, message: message.into() })
    }

    /// `invalid-account` for an option that can't be used; `accepted` completes "it has to be ...".
    pub fn bad_option(name: &str, value: &str, accepted: &str) -> Self {
        Error::InvalidAccount(format!("the option `{name}` is `{}`: it has to be {accepted}", quote(value.as_bytes())))
    }

    /// The message, whichever variant it is in.
    pub fn message(&self) -> &str {
        match self {
            Error::Throttled(throttle) => &throttle.message,
            Error::Unauthorized(message)
            | Error::Forbidden(message)
            | Error::Unavailable(message)
            | Error::InvalidAccount(message)
            | Error::UnexpectedAnswer(message) => message,
        }
    }

    /// The same error with what was being done put before its message.
    pub fn during(mut self, what: &str) -> Self {
        let message = match &mut self {
            Error::Throttled(throttle) => &mut throttle.message,
            Error::Unauthorized(message)
            | Error::Forbidden(message)
            | Error::Unavailable(message)
            | Error::InvalidAccount(message)
            | Error::UnexpectedAnswer(message) => message,
        };
        *message = format!("{what}: {message}");
        self
    }
}

/// The beginning of what a provider wrote, on one line and at most some 300 bytes long, for a message.
pub fn quote(bytes: &[u8]) -> String {
    let cut = bytes.len() > QUOTED;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(QUOTED)]);
    let mut line = String::with_capacity(text.len() + 3);
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if cut {
        line.push_str("...");
    }
    line
}

/// Reading failed: the provider's answer broke off, or its connection did.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidData {
            return Error::UnexpectedAnswer(error.to_string());
        }
        Error::Unavailable(format!("the answer broke off: {error}"))
    }
}

/// JSON that ends too early was cut off on the way; any other fault is the answer's own.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        if error.is_eof() || error.is_io() {
            Error::Unavailable(format!("the answer broke off: {error}"))
        } else {
            Error::UnexpectedAnswer(format!("the answer is not the JSON expected: {error}"))
        }
    }
}

/// A secret that is not set, or can't be used so, is for the operator to put right.
impl From<credentials::Error> for Error {
    fn from(error: credentials::Error) -> Self {
        match error {
            credentials::Error::NotSet(why) => Error::InvalidAccount(format!("a secret is missing: {why}")),
            credentials::Error::Unusable(why) => Error::InvalidAccount(format!("a secret can't be used: {why}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotation_is_one_bounded_line() {
        assert_eq!(quote(b"<html>\r\n  <b>\tno</b>\0"), "<html> <b> no</b>");
        let long = quote(&[b'a'; 5000]);
        assert_eq!(long.len(), QUOTED + 3);
        assert!(quote(&[0xff, 0xfe, b'x']).ends_with('x'));
    }

    #[test]
    fn cut_off_json_is_unavailable_and_garbage_is_unexpected() {
        let of = |text: &str| Error::from(serde_json::from_str::<serde_json::Value>(text).unwrap_err());
        assert!(matches!(of("{\"a\": [1, 2"), Error::Unavailable(_)));
        assert!(matches!(of("<html>"), Error::UnexpectedAnswer(_)));
    }

    #[test]
    fn during_says_what_was_asked() {
        let error = Error::throttled(Some(3), "slow down").during("GET /servers");
        assert_eq!(error, Error::throttled(Some(3), "GET /servers: slow down"));
        assert_eq!(error.message(), "GET /servers: slow down");
    }
}
