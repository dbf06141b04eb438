//! How CloudStack says that it refuses: `{"listzonesresponse": {"errorcode": 431, "errortext": ".."}}`, in which the code is the
//! status as well; and for how long.

use serde::Deserialize;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Response, retry_after};
use tracker_driver_sdk::{Error, json};

use crate::request::{PAGE_SIZE, PROJECT};

/// An error by whichever member it is in. `errorresponse` is for calls that a user may not make, or that are not there.
#[derive(Deserialize)]
struct Problem {
    #[serde(alias = "listvirtualmachinesresponse", alias = "listzonesresponse")]
    errorresponse: Fault,
}

#[derive(Debug, Deserialize)]
struct Fault {
    errorcode: u16,
    errortext: Option<String>,
}

/// What an answer's head says, kept while its body is read.
#[derive(Debug)]
pub(crate) struct Head {
    asked: String,
    command: &'static str,
    status: u16,
    retry_after: Option<u32>,
    /// Of a proxy, or of a portal that one has to log in to: CloudStack has none.
    is_html: bool,
}

impl Head {
    pub(crate) fn of(response: &Response, command: &'static str) -> Self {
        let retry_after = retry_after(&response.headers);
        let content_type = response.headers.get("content-type").unwrap_or_default();
        let is_html = content_type.to_ascii_lowercase().contains("html");
        Head { asked: response.asked().to_owned(), command, status: response.status, retry_after, is_html }
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What a body says which came with the status of a success, or the error that it is.
    pub(crate) fn read<T>(&self, body: &[u8], read: impl FnOnce(&[u8]) -> Result<T, Error>) -> Result<T, Error> {
        if self.is_html {
            let text = format!("{}: {} answered with HTML: {}", self.command, self.asked, quote(body));
            return Err(Error::UnexpectedAnswer(text));
        }
        read(body).map_err(|error| self.told_by(body).unwrap_or_else(|| error.during(self.command)))
    }

    /// The error of an answer that is not 2xx: by CloudStack's code, or else by the status.
    pub(crate) fn refusal(&self, response: &Response, start: &[u8]) -> Error {
        self.meaning(start).unwrap_or_else(|| {
            let error = match fault(start) {
                Some(fault) => response.error_quoting(fault.in_words().as_bytes()),
                None => response.error_quoting(start),
            };
            error.during(self.command)
        })
    }

    fn told_by(&self, body: &[u8]) -> Option<Error> {
        let fault = fault(body)?;
        Some(self.meaning(body).unwrap_or_else(|| Error::UnexpectedAnswer(self.message(&fault))))
    }

    /// What a code means ("Error Handling" of the programmer guide, and the API's list of codes).
    fn meaning(&self, body: &[u8]) -> Option<Error> {
        let fault = fault(body)?;
        let text = fault.errortext.as_deref().unwrap_or_default();
        let message = self.message(&fault);
        Some(match fault.errorcode {
            // The role of the key's user lacks the call. Its own code would be 432, which older versions give.
            401 if text.contains("does not exist") || text.contains("not available") => Error::Forbidden(message),
            401 => Error::Unauthorized(format!("{message} (check the keys, and the clocks of both hosts)")),
            411 => Error::Unauthorized(message),
            429 => Error::throttled(self.retry_after.or_else(|| wait(text)), message),
            431 if text.contains("age size") => {
                Error::InvalidAccount(format!("{message} (set the option `{PAGE_SIZE}`)"))
            }
            431 if text.contains("parameter projectid ") || text.contains("find project") => {
                Error::InvalidAccount(format!("{message} (the option `{PROJECT}` names a project that is not there)"))
            }
            // The account may not see what was asked for: a project, a domain.
            432 | 531 => Error::Forbidden(message),
            503 if self.retry_after.is_some() => Error::throttled(self.retry_after, message),
            503 | 530 | 534 => Error::Unavailable(message),
            _ => return None,
        })
    }

    fn message(&self, fault: &Fault) -> String {
        let words = quote(fault.in_words().as_bytes());
        format!("{}: {} answered {}: {words}", self.command, self.asked, self.status)
    }
}

impl Fault {
    /// `431: Invalid parameter ..`
    fn in_words(&self) -> String {
        format!("{}: {}", self.errorcode, self.errortext.as_deref().unwrap_or_default())
    }
}

fn fault(body: &[u8]) -> Option<Fault> {
    json::parse::<Problem>(body).ok().map(|problem| problem.errorresponse)
}

/// Whether a body says that CloudStack does not know this id, in its own words: a proxy says 431 of other things.
pub(crate) fn is_unknown(body: &[u8], id: &str) -> bool {
    let Some(Fault { errorcode: 431, errortext: Some(text) }) = fault(body) else { return false };
    text.contains(&format!("parameter ids value={id} ")) && text.contains("does not exist")
}

/// How long to wait in seconds, by the text of an error: `please retry after 640 ms`, or `[640] ms`.
pub(crate) fn wait(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("retry after ")?;
    let (number, _) = rest.split_once(" ms")?;
    let milliseconds: u64 = number.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    u32::try_from(milliseconds.div_ceil(1000)).ok()
}
