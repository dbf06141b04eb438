//! How Kubernetes says that it refuses: an object of the kind `Status`, with a reason in one word and for how long.

use serde::Deserialize;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Response, retry_after};
use tracker_driver_sdk::{Error, json};

#[derive(Deserialize)]
struct Status {
    kind: String,
    message: Option<String>,
    reason: Option<String>,
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(rename = "retryAfterSeconds")]
    retry_after: Option<i64>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// Kubernetes says itself that it does not have what was asked for.
    pub(crate) is_absent: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, is_absent: false }
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
        Head { asked: response.asked().to_owned(), status: response.status, wait: retry_after(&response.headers) }
    }

    /// The failure of a status, in the API's own words. A status that says nothing of its own leaves it to the reason.
    pub(crate) fn refusal(&self, response: &Response, start: &[u8]) -> Failure {
        let says_it_all = matches!(self.status, 401 | 403 | 429 | 500..);
        if !says_it_all && let Some(failure) = self.told_by(start) {
            return failure;
        }
        let Some(status) = status(start) else { return response.error_quoting(start).into() };
        match response.error_quoting(status.text().as_bytes()) {
            Error::Throttled(throttle) => Error::throttled(self.wait.or(status.wait()), throttle.message).into(),
            other => other.into(),
        }
    }

    /// The failure that a body is by its reason.
    pub(crate) fn told_by(&self, body: &[u8]) -> Option<Failure> {
        let status = status(body)?;
        let text = format!("{} answered {}: {}", self.asked, self.status, quote(status.text().as_bytes()));
        let reason = status.reason.as_deref().unwrap_or_default();
        let error = match reason {
            "Unauthorized" => Error::Unauthorized(text),
            "Forbidden" => Error::Forbidden(text),
            "TooManyRequests" => Error::throttled(self.wait.or(status.wait()), text),
            "InternalError" | "ServerTimeout" | "ServiceUnavailable" | "StoreReadError" | "Timeout" => {
                Error::Unavailable(text)
            }
            // `Expired`, too: the list that a cursor belongs to is too old, and has to begin anew.
            _ => Error::UnexpectedAnswer(text),
        };
        Some(Failure { error, is_absent: self.status == 404 && reason == "NotFound" })
    }
}

impl Status {
    /// `Reason: message`, or the one of them that there is.
    fn text(&self) -> String {
        let parts = [&self.reason, &self.message].into_iter().flatten().filter(|text| !text.is_empty());
        parts.map(String::as_str).collect::<Vec<_>>().join(": ")
    }

    fn wait(&self) -> Option<u32> {
        let seconds = self.details.as_ref()?.retry_after?;
        u32::try_from(seconds).ok().filter(|seconds| *seconds > 0)
    }
}

fn status(body: &[u8]) -> Option<Status> {
    let status: Status = json::parse(body).ok()?;
    (status.kind == "Status" && !status.text().is_empty()).then_some(status)
}
