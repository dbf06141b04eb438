//! How Oracle says that it refuses: `{"code": .., "message": ..}`. Its word counts before the status.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Headers, Response, retry_after};
use tracker_driver_sdk::{Error, json};

/// An error, with what a list may make of it.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Whether Oracle itself says that a resource is not there or not allowed: it does not tell which.
    pub(crate) is_absent_or_refused: bool,
    pub(crate) error: Error,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { is_absent_or_refused: false, error }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// What an error document says.
#[derive(Debug, Deserialize)]
struct Told {
    code: String,
    message: Option<String>,
}

/// Reads an answer, or says what is wrong with it.
pub(crate) fn read<T: DeserializeOwned>(mut response: Response) -> Result<(T, Headers), Failure> {
    let (status, wait) = (response.status, retry_after(&response.headers));
    if !(200..300).contains(&status) {
        let start = response.start_of_body();
        let Some(told) = told(&start) else { return Err(response.error_quoting(&start).into()) };
        let text = told.text();
        let error = match meaning(&told.code, wait, &format!("{} answered {status}: {text}", response.asked())) {
            // Where the status says so too, it may say for how long.
            Some(Error::Unavailable(_)) if status >= 500 => response.error_quoting(text.as_bytes()),
            Some(error) => error,
            None => response.error_quoting(text.as_bytes()),
        };
        let is_absent_or_refused = matches!(status, 403 | 404) && matches!(error, Error::Forbidden(_));
        return Err(Failure { is_absent_or_refused, error });
    }
    let asked = response.asked().to_owned();
    let headers = response.headers.clone();
    let body = response.bytes()?;
    match json::parse(&body) {
        Ok(value) => Ok((value, headers)),
        Err(unread) => {
            let error = told(&body).map(|told| {
                let text = format!("{asked} answered {status}: {}", told.text());
                meaning(&told.code, wait, &text).unwrap_or(Error::UnexpectedAnswer(text))
            });
            Err(error.unwrap_or_else(|| unread.during(&asked)).into())
        }
    }
}

impl Told {
    fn text(&self) -> String {
        match self.message.as_deref().filter(|message| !message.is_empty()) {
            Some(message) => quote(format!("{}: {message}", self.code).as_bytes()),
            None => quote(self.code.as_bytes()),
        }
    }
}

fn told(body: &[u8]) -> Option<Told> {
    json::parse(body).ok().filter(|told: &Told| !told.code.is_empty())
}

/// The error that Oracle's code means ("API Errors"); none where it is not a known one.
fn meaning(code: &str, wait: Option<u32>, text: &str) -> Option<Error> {
    let text = text.to_owned();
    Some(match code {
        // A clock that is more than five minutes wrong is refused so, too.
        "NotAuthenticated" => Error::Unauthorized(format!(
            "{text} (check the user, the tenancy, the fingerprint, the key, and the clock)"
        )),
        "NotAllowed" | "NotAuthorized" | "NotAuthorizedOrNotFound" | "SignUpRequired" => Error::Forbidden(text),
        "TooManyRequests" => Error::throttled(wait, text),
        "BadGateway"
        | "ExternalServerInvalidResponse"
        | "ExternalServerTimeout"
        | "ExternalServerUnreachable"
        | "GatewayTimeout"
        | "InternalError"
        | "InternalServerError"
        | "ServiceUnavailable" => Error::Unavailable(text),
        _ => return None,
    })
}
