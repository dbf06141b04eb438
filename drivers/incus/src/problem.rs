//! How a server says that it refuses: `{"type": "error", "error": "why", "error_code": 403}`.

use serde::Deserialize;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Response, retry_after};
use tracker_driver_sdk::{Error, json};

#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "type")]
    kind: String,
    error: String,
    error_code: u16,
}

/// An answer that is none, with the beginning of its body.
pub(crate) struct Problem {
    response: Response,
    start: Vec<u8>,
}

impl Problem {
    pub(crate) fn of(mut response: Response) -> Self {
        let start = response.start_of_body();
        Problem { response, start }
    }

    /// Whether the server itself says that it does not have what was asked for.
    pub(crate) fn is_absence(&self) -> bool {
        self.response.status == 404 && refusal(&self.start).is_some_and(|refusal| refusal.error_code == 404)
    }

    /// The error of the status, in the server's own words. A status that says nothing of its own leaves it to the code.
    pub(crate) fn into_error(self) -> Error {
        let Problem { response, start } = self;
        let says_it_all = matches!(response.status, 401 | 403 | 429 | 500..);
        if !says_it_all && let Some(error) = Head::of(&response).told_by(&start) {
            return error;
        }
        let error = match refusal(&start) {
            Some(refusal) => response.error_quoting(refusal.error.as_bytes()),
            None => response.error_quoting(&start),
        };
        match error {
            Error::Forbidden(why) => Error::Forbidden(format!("{why} (a client that is not trusted gets this, too)")),
            other => other,
        }
    }
}

/// What an answer's head says, kept while its body is read.
pub(crate) struct Head {
    pub(crate) asked: String,
    status: u16,
    wait: Option<u32>,
}

impl Head {
    pub(crate) fn of(response: &Response) -> Self {
        Head { asked: response.asked().to_owned(), status: response.status, wait: retry_after(&response.headers) }
    }

    /// The error that a body is by its code.
    pub(crate) fn told_by(&self, body: &[u8]) -> Option<Error> {
        let Refusal { error, error_code, .. } = refusal(body)?;
        let text = format!("{} answered {}: {error_code}: {}", self.asked, self.status, quote(error.as_bytes()));
        Some(match error_code {
            401 => Error::Unauthorized(text),
            403 => Error::Forbidden(text),
            429 => Error::throttled(self.wait, text),
            500..=599 => Error::Unavailable(text),
            _ => Error::UnexpectedAnswer(text),
        })
    }
}

fn refusal(body: &[u8]) -> Option<Refusal> {
    json::parse::<Refusal>(body).ok().filter(|refusal| refusal.kind == "error")
}
