//! How OpenStack says that it refuses: Nova as `{"itemNotFound": {"code": 404, "message": ..}}`, the name being the fault's,
//! Keystone as `{"error": {"code": 401, "title": .., "message": ..}}`. And for how long.

use std::collections::BTreeMap;

use serde_json::Value;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Response, retry_after};
use tracker_driver_sdk::{Error, json};

/// The names of faults (`Fault`, nova/api/openstack/wsgi.py), and Keystone's.
const NAMES: [&str; 12] = [
    "badMediaType",
    "badMethod",
    "badRequest",
    "computeFault",
    "conflictingRequest",
    "error",
    "forbidden",
    "itemNotFound",
    "notImplemented",
    OVER_LIMIT,
    "serviceUnavailable",
    "unauthorized",
];

const OVER_LIMIT: &str = "overLimit";

/// Longer documents are lists: no fault is looked for in them.
const LONGEST: usize = 64 * 1024;

/// A fault in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub name: String,
    pub code: Option<u64>,
    /// What to quote: `name: message`, or the name alone.
    pub text: String,
    /// In how many seconds to ask again.
    pub retry_after: Option<u32>,
}

impl Fault {
    /// The fault that a document is.
    pub fn read(body: &[u8]) -> Option<Fault> {
        if body.len() > LONGEST {
            return None;
        }
        let members: BTreeMap<String, Value> = json::parse(body).ok()?;
        members.into_iter().find_map(|(name, value)| {
            let is_fault = NAMES.contains(&name.as_str()) && value.is_object();
            is_fault.then(|| Fault {
                code: number(&value["code"]),
                retry_after: number(&value["retryAfter"]).and_then(|seconds| u32::try_from(seconds).ok()),
                text: match value["message"].as_str().filter(|message| !message.is_empty()) {
                    Some(message) => format!("{name}: {message}"),
                    None => name.clone(),
                },
                name,
            })
        })
    }

    /// The error that it means, where its status does not say it.
    fn meaning(&self, wait: Option<u32>, text: String) -> Option<Error> {
        Some(match (self.name.as_str(), self.code) {
            (OVER_LIMIT, _) | (_, Some(413 | 429)) => Error::throttled(wait.or(self.retry_after), text),
            ("unauthorized", _) | (_, Some(401)) => Error::Unauthorized(text),
            ("forbidden", _) | (_, Some(403)) => Error::Forbidden(text),
            ("serviceUnavailable", _) | (_, Some(500..=599)) => Error::Unavailable(text),
            _ => return None,
        })
    }
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// An answer: its head, and with the status of an error its fault, too.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    asked: String,
    /// What the headers say of when to ask again.
    wait: Option<u32>,
    fault: Option<Fault>,
    start: Vec<u8>,
    response: Response,
}

impl Answered {
    pub(crate) fn of(mut response: Response) -> Self {
        let status = response.status;
        let start = if is_success(status) { Vec::new() } else { response.start_of_body() };
        Answered {
            status,
            asked: response.asked().to_owned(),
            wait: retry_after(&response.headers),
            fault: Fault::read(&start),
            start,
            response,
        }
    }

    /// Whether it refuses in OpenStack's own words.
    pub(crate) fn is_fault(&self) -> bool {
        self.fault.is_some()
    }

    /// Whether Nova says that it does not have the microversion.
    pub(crate) fn is_other_version(&self) -> bool {
        self.status == 406 && self.fault.as_ref().is_some_and(|fault| fault.code == Some(406))
    }

    /// Whether Nova says that there is no such server. A proxy says 404 of much.
    pub(crate) fn is_absent(&self) -> bool {
        self.status == 404 && self.fault.as_ref().is_some_and(|fault| fault.name == "itemNotFound")
    }

    /// Whether Keystone says that there is no such thing.
    pub(crate) fn is_unknown(&self) -> bool {
        self.status == 404 && self.fault.as_ref().is_some_and(|fault| fault.name == "error")
    }

    /// The same, or else the error that its status means, in OpenStack's own words.
    pub(crate) fn success(self) -> Result<Self, Error> {
        if is_success(self.status) { Ok(self) } else { Err(self.refusal()) }
    }

    fn refusal(self) -> Error {
        let text = self.fault.as_ref().map_or(&self.start[..], |fault| fault.text.as_bytes());
        let error = self.response.error_quoting(text);
        let told = self.fault.as_ref().and_then(|fault| fault.meaning(self.wait, error.message().to_owned()));
        match (self.status, told) {
            (_, Some(throttled @ Error::Throttled(_))) => throttled,
            // A limit of requests, as Nova and proxies before it had one: what was sent is not too large.
            (413, None) if self.wait.is_some() => Error::throttled(self.wait, error.message()),
            (401 | 403 | 429 | 500..=599, _) | (_, None) => error,
            (_, Some(told)) => told,
        }
    }

    /// What its body means; a body that is a fault is its error.
    pub(crate) fn read<T>(self, meaning: impl FnOnce(&[u8]) -> Result<T, Error>) -> Result<T, Error> {
        let Answered { status, asked, wait, response, .. } = self;
        // OpenStack speaks JSON: another kind of document is of something that stands before it.
        let kind = response.headers.get("content-type").unwrap_or_default().to_ascii_lowercase();
        if kind.contains("html") || kind.contains("xml") {
            return Err(response.error_quoting(format!("an answer of the type {kind}").as_bytes()));
        }
        let body = response.bytes()?;
        meaning(&body).map_err(|error| {
            let told = Fault::read(&body).and_then(|fault| {
                let text = format!("{asked} answered {status}: {}", quote(fault.text.as_bytes()));
                fault.meaning(wait, text)
            });
            told.unwrap_or_else(|| error.during(&asked))
        })
    }
}

/// Keystone answers a login with 201.
fn is_success(status: u16) -> bool {
    matches!(status, 200 | 201 | 203)
}
