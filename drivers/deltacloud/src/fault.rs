//! How a Deltacloud server says that it refuses: `<error url=".." status="502"><code>..</code><message>..</message></error>`. A
//! Tracker's has a `<kind>` as well, the name of the problem.

use std::io::BufRead;

use tracker_driver_sdk::Error;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Response, retry_after};
use tracker_driver_sdk::xml::Reader;

use crate::request::PAGE_SIZE;

pub(crate) const ROOT: &str = "error";

/// An error document.
#[derive(Debug, Default)]
pub(crate) struct Fault {
    /// From `<code>`, or else from the attribute `status`.
    code: Option<u16>,
    kind: String,
    message: String,
}

impl Fault {
    /// The error that a body is, where it is one.
    pub(crate) fn read(body: &[u8]) -> Option<Fault> {
        let mut xml = Reader::new(body);
        (xml.any_root().ok()? == ROOT).then(|| Fault::behind_root(&mut xml).ok()).flatten()
    }

    /// The same behind the root, which has been entered.
    pub(crate) fn behind_root<R: BufRead>(xml: &mut Reader<R>) -> Result<Fault, Error> {
        let status = xml.attribute("status")?;
        let mut fault = Fault::default();
        while let Some(name) = xml.child()? {
            match name {
                "code" => fault.code = xml.text()?.trim().parse().ok(),
                "kind" => fault.kind = quote(xml.text()?.as_bytes()),
                "message" => fault.message = quote(xml.text()?.as_bytes()),
                _ => xml.skip()?,
            }
        }
        fault.code = fault.code.or_else(|| status?.trim().parse().ok());
        Ok(fault)
    }

    /// Whether it says that what was asked for is not there.
    pub(crate) fn is_absence(&self) -> bool {
        self.code == Some(404)
    }

    /// What it means in an answer that is not a success.
    pub(crate) fn meaning(&self, response: &Response) -> Error {
        let words = self.words();
        let text = format!("{} answered {}: {words}", response.asked(), response.status);
        let wait = retry_after(&response.headers);
        self.error(wait, text).unwrap_or_else(|| response.error_quoting(words.as_bytes()))
    }

    /// What it means in an answer whose status is that of a success.
    pub(crate) fn in_success(&self, wait: Option<u32>) -> Error {
        let text = format!("the answer is an error: {}", self.words());
        self.error(wait, text.clone()).unwrap_or(Error::UnexpectedAnswer(text))
    }

    /// What its kind or its code says; nothing where the status has to tell.
    fn error(&self, wait: Option<u32>, text: String) -> Option<Error> {
        Some(match self.kind.as_str() {
            "account-unusable" | "provider-not-named" | "unknown-driver" | "unknown-provider" => {
                Error::InvalidAccount(text)
            }
            "invalid-parameter" if self.message.contains("limit") => {
                Error::InvalidAccount(format!("{text} (set the option `{PAGE_SIZE}`)"))
            }
            _ => match self.code? {
                401 => Error::Unauthorized(text),
                403 => Error::Forbidden(text),
                429 => Error::throttled(wait, text),
                503 if wait.is_some() => Error::throttled(wait, text),
                // The server's own fault, or that of the cloud behind it.
                500..=599 => Error::Unavailable(text),
                _ => return None,
            },
        })
    }

    fn words(&self) -> String {
        let code = self.code.map(|code| code.to_string()).unwrap_or_default();
        let words = [code.as_str(), &self.kind, &self.message];
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(": ")
    }
}
