//! How Prism Central says that it refuses: in `data.error`, with a list of messages, or with what is wrong with a request.

use serde::Deserialize;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Headers, Response, retry_after};
use tracker_driver_sdk::{Error, json};

#[derive(Deserialize)]
struct Refusal {
    data: RefusalData,
}

#[derive(Deserialize)]
struct RefusalData {
    error: Fault,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Fault {
    Messages(Vec<Message>),
    Request(Validation),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Validation {
    status_code: Option<u16>,
    error: Option<String>,
    validation_error_messages: Option<Vec<Message>>,
}

#[derive(Deserialize)]
struct Message {
    message: Option<String>,
    code: Option<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Error,
    is_absence: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, is_absence: false }
    }
}

impl Failure {
    /// Whether Prism Central itself says that it does not have what was asked for.
    pub(crate) fn is_absence(&self) -> bool {
        self.is_absence
    }

    pub(crate) fn into_error(self) -> Error {
        self.error
    }
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
        Head { asked: response.asked().to_owned(), status: response.status, wait: wait(&response.headers) }
    }

    /// The failure of a status, in Prism Central's own words. A status that says nothing of its own leaves it to the body.
    pub(crate) fn refusal(&self, response: &Response, start: &[u8]) -> Failure {
        let says_it_all = matches!(self.status, 401 | 403 | 429 | 500..);
        if !says_it_all && let Some(failure) = self.told_by(start) {
            return failure;
        }
        let error = match json::parse::<Refusal>(start) {
            Ok(Refusal { data }) => response.error_quoting(data.error.text().as_bytes()),
            Err(_) => response.error_quoting(start),
        };
        match error {
            Error::Throttled(throttle) => Error::throttled(self.wait, throttle.message).into(),
            other => other.into(),
        }
    }

    /// The failure that a body is.
    pub(crate) fn told_by(&self, body: &[u8]) -> Option<Failure> {
        let Refusal { data: RefusalData { error: fault } } = json::parse(body).ok()?;
        let text = format!("{} answered {}: {}", self.asked, self.status, quote(fault.text().as_bytes()));
        let error = match fault.status() {
            Some(401) => Error::Unauthorized(text),
            Some(403) => Error::Forbidden(text),
            Some(429) => Error::throttled(self.wait, text),
            Some(500..=599) => Error::Unavailable(text),
            _ => Error::UnexpectedAnswer(text),
        };
        Some(Failure { error, is_absence: self.status == 404 })
    }
}

impl Fault {
    fn status(&self) -> Option<u16> {
        match self {
            Fault::Messages(_) => None,
            Fault::Request(validation) => validation.status_code,
        }
    }

    fn text(&self) -> String {
        let (first, messages) = match self {
            Fault::Messages(messages) => (None, messages.as_slice()),
            Fault::Request(Validation { error, validation_error_messages, .. }) => {
                (error.clone(), validation_error_messages.as_deref().unwrap_or_default())
            }
        };
        let words: Vec<String> = first.into_iter().chain(messages.iter().filter_map(Message::text)).collect();
        words.join("; ")
    }
}

impl Message {
    /// `code: message`, or the one of them that there is.
    fn text(&self) -> Option<String> {
        let parts: Vec<&str> = [&self.code, &self.message].into_iter().flatten().map(String::as_str).collect();
        (!parts.is_empty()).then(|| parts.join(": "))
    }
}

/// How long to wait in seconds. Where there is no Retry-After, requests are there again after a period, which the limit of the
/// API that was asked has in a header. What is behind `-reset` has no unit.
fn wait(headers: &Headers) -> Option<u32> {
    let period = || headers.get("x-api-ratelimit-refresh-period-seconds")?.trim().parse().ok();
    retry_after(headers).or_else(|| period().filter(|seconds| (1..=3_600).contains(seconds)))
}
