//! EC2's errors, and what each means to the host.

use std::fmt;
use std::io::BufRead;

use tracker_driver_sdk::Error;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Response, retry_after};
use tracker_driver_sdk::secret::{self, Encoding};
use tracker_driver_sdk::xml::Reader;

use crate::request::SESSION_TOKEN;

/// What an answer's head says, kept while its body is read.
#[derive(Debug, Default)]
pub(super) struct Head {
    asked: String,
    status: u16,
    retry_after: Option<u32>,
}

impl Head {
    pub(super) fn of(response: &Response) -> Self {
        let retry_after = retry_after(&response.headers);
        Head { asked: response.asked().to_owned(), status: response.status, retry_after }
    }
}

/// An error as EC2 words it: `<Response><Errors><Error><Code>..</Code><Message>..</Message>`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fault {
    code: String,
    message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl Fault {
    /// The first error in a body, where there is one.
    pub(super) fn read(body: &[u8]) -> Option<Fault> {
        let mut xml = Reader::new(body);
        let root = xml.any_root().ok()?.to_owned();
        Fault::read_as(&root, &mut xml)
    }

    /// The same behind the root, which has that name: compatible clouds put their errors in other roots, too.
    pub(super) fn read_as<R: BufRead>(root: &str, xml: &mut Reader<R>) -> Option<Fault> {
        if !matches!(root, "Response" | "ErrorResponse" | "Error" | "Errors") {
            return None;
        }
        let mut fault = Fault::default();
        // How deep the current element is in those that are entered: Errors, Error.
        let mut depth = 0;
        loop {
            match xml.child().ok()? {
                Some("Errors" | "Error") => depth += 1,
                Some("Code") if fault.code.is_empty() => fault.code = quote(xml.text().ok()?.as_bytes()),
                Some("Message") if fault.message.is_empty() => fault.message = quote(xml.text().ok()?.as_bytes()),
                Some(_) => xml.skip().ok()?,
                None if depth == 0 => break,
                None => depth -= 1,
            }
        }
        (!fault.code.is_empty()).then_some(fault)
    }

    /// What a code means to the host; nothing where the status has to tell ("Error codes for the Amazon EC2 API").
    pub(super) fn meaning(&self, head: &Head) -> Option<Error> {
        let message = self.message(head);
        // The prefixes are of the API's older versions, which compatible clouds speak.
        let code = self.code.strip_prefix("Client.").or_else(|| self.code.strip_prefix("Server."));
        let error = match code.unwrap_or(&self.code) {
            "AuthFailure"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "IncompleteSignature"
            | "InvalidAccessKeyId"
            | "InvalidClientTokenId"
            | "InvalidSecurityToken"
            | "MissingAuthenticationToken"
            | "SignatureDoesNotMatch"
            | "Unauthorized"
            | "UnrecognizedClientException" => Error::Unauthorized(message),
            "AccessDenied"
            | "AccessDeniedException"
            | "Blocked"
            | "Forbidden"
            | "OptInRequired"
            | "PendingVerification"
            | "UnauthorizedOperation" => Error::Forbidden(message),
            "EC2ThrottledException"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "SlowDown"
            | "Throttling"
            | "ThrottlingException"
            | "TooManyRequestsException" => Error::throttled(head.retry_after, message),
            "RequestExpired" | "RequestTimeTooSkewed" => expired(message),
            "ServiceUnavailable" | "Unavailable" if head.retry_after.is_some() => {
                Error::throttled(head.retry_after, message)
            }
            "InternalError" | "InternalFailure" | "ServiceUnavailable" | "Unavailable" => Error::Unavailable(message),
            _ => return None,
        };
        Some(error)
    }

    /// What it means in an answer whose status is that of a success.
    pub(super) fn in_success(&self, head: &Head) -> Error {
        self.meaning(head).unwrap_or_else(|| Error::UnexpectedAnswer(self.message(head)))
    }

    /// Errs where the element that was entered, which has that name, is an error beside a list.
    pub(super) fn none_in<R: BufRead>(name: &str, xml: &mut Reader<R>, head: &Head) -> Result<(), Error> {
        match Fault::read_as(name, xml) {
            Some(fault) => Err(fault.in_success(head)),
            None => Ok(()),
        }
    }

    fn message(&self, head: &Head) -> String {
        format!("{} answered {}: {self}", head.asked, head.status)
    }
}

/// The request came too late, or too early, by the provider's clock. With temporary credentials it means that these have
/// ended; without them that the clocks differ, and the credentials may well be right.
fn expired(message: String) -> Error {
    match secret::optional_placeholder(SESSION_TOKEN, Encoding::Raw) {
        Ok(None) => Error::UnexpectedAnswer(format!(
            "{message} (the provider takes the request's time for wrong: compare this host's clock with the provider's)"
        )),
        _ => Error::Unauthorized(format!(
            "{message} (the session token may have ended, or this host's clock may be wrong)"
        )),
    }
}
