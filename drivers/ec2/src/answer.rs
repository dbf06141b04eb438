//! What EC2 answers: lists, read as they come, and errors, which it names in a document of their own.
//! Nothing in here makes a request, so recorded answers test it.

mod instances;
mod zones;

use tracker_driver_sdk::Error;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Response, retry_after};
use tracker_driver_sdk::xml::Reader;

pub use crate::request::Call;
pub use instances::instances;
pub use zones::zones;

/// The answer if it is one, or else the error that it is.
pub(crate) fn accepted(call: &Call<'_>, mut response: Response) -> Result<Response, Error> {
    if response.status == 200 {
        return Ok(response);
    }
    let start = response.start_of_body();
    let error = match Fault::read(&start) {
        Some(fault) => fault.meaning(&response).unwrap_or_else(|| response.error_quoting(fault.to_string().as_bytes())),
        None => response.error_quoting(&start),
    };
    Err(error.during(call.action()))
}

/// An error as EC2 words it: `<Response><Errors><Error><Code>..</Code><Message>..</Message>`.
#[derive(Debug, Default, PartialEq)]
struct Fault {
    code: String,
    message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl Fault {
    /// The first error in a body, where there is one. Compatible clouds put it in other roots, too.
    fn read(body: &[u8]) -> Option<Fault> {
        let mut xml = Reader::new(body);
        if !matches!(xml.any_root().ok()?, "Response" | "ErrorResponse") {
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
    fn meaning(&self, response: &Response) -> Option<Error> {
        let message = format!("{} answered {}: {self}", response.asked(), response.status);
        let error = match self.code.as_str() {
            "AuthFailure"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "IncompleteSignature"
            | "InvalidAccessKeyId"
            | "InvalidClientTokenId"
            | "InvalidSecurityToken"
            | "MissingAuthenticationToken"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException" => Error::Unauthorized(message),
            "AccessDenied"
            | "AccessDeniedException"
            | "Blocked"
            | "OptInRequired"
            | "PendingVerification"
            | "UnauthorizedOperation" => Error::Forbidden(message),
            "EC2ThrottledException"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "SlowDown"
            | "Throttling"
            | "ThrottlingException"
            | "TooManyRequestsException" => Error::throttled(retry_after(&response.headers), message),
            // The signature was too old or too new: clocks differ, and the credentials may well be right.
            "RequestExpired" | "InternalError" | "InternalFailure" => Error::Unavailable(message),
            _ => return None,
        };
        Some(error)
    }
}
