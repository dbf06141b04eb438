//! Faults, and what each means to the host.

use std::fmt;
use std::io::BufRead;

use tracker_driver_sdk::Error;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::Response;
use tracker_driver_sdk::xml::Reader;

/// What an answer's head says, kept while its body is read.
#[derive(Debug)]
pub(super) struct Head {
    asked: String,
    status: u16,
}

impl Head {
    pub(super) fn of(response: &Response) -> Self {
        Head { asked: response.asked().to_owned(), status: response.status }
    }

    pub(super) fn asked(&self) -> &str {
        &self.asked
    }
}

/// A call that failed: the error, and the fault by which the server said so.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    fault: Option<String>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, fault: None }
    }
}

impl Failure {
    pub(crate) fn during(self, call: &str) -> Self {
        Failure { error: self.error.during(call), ..self }
    }

    /// Whether the server does not know the session, or no longer.
    pub(crate) fn is_of_session(&self) -> bool {
        self.fault.as_deref() == Some("NotAuthenticated")
    }

    /// Whether a new login may help: the session has ended, or its view has, or something before the server refuses the
    /// cookie.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.error, Error::Unauthorized(_)) || self.fault.as_deref() == Some("ManagedObjectNotFound")
    }
}

/// `<faultstring>` and the name of what stands in `<detail>`.
#[derive(Debug, Default)]
pub(super) struct Fault {
    name: String,
    text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => f.write_str(&self.text),
            name => write!(f, "{name}: {}", self.text),
        }
    }
}

impl Fault {
    pub(super) fn read<R: BufRead>(xml: &mut Reader<R>) -> Result<Fault, Error> {
        let mut fault = Fault::default();
        while let Some(name) = xml.child()? {
            match name {
                "faultstring" => fault.text = quote(xml.text()?.as_bytes()),
                "detail" => {
                    while let Some(element) = xml.child()? {
                        let element = element.to_owned();
                        fault.name = kind(xml, &element)?;
                    }
                }
                _ => xml.skip()?,
            }
        }
        Ok(fault)
    }

    /// What the fault means, or else `unknown`.
    pub(super) fn failure(self, head: &Head, unknown: Error) -> Failure {
        let message = self.message(head);
        let error = match self.name.as_str() {
            // A session that the server has just given and does not know is refused as its login is.
            "InvalidLogin" | "InvalidClientCertificate" | "PasswordExpired" | "NotAuthenticated" => {
                Error::Unauthorized(message)
            }
            // RestrictedVersion: the licence of an ESXi host does not include the API.
            "NoPermission" | "RestrictedVersion" | "RestrictedByAdministrator" => Error::Forbidden(message),
            "SystemError" | "HostCommunication" | "HostNotConnected" | "HostNotReachable" | "RequestCanceled"
            | "Timedout" => Error::Unavailable(message),
            "InvalidArgument"
            | "InvalidProperty"
            | "InvalidRequest"
            | "InvalidType"
            | "ManagedObjectNotFound"
            | "MethodNotFound"
            | "NotImplemented"
            | "NotSupported" => Error::UnexpectedAnswer(message),
            _ => unknown,
        };
        Failure { error, fault: Some(self.name) }
    }

    pub(super) fn message(&self, head: &Head) -> String {
        format!("{} answered {}: {self}", head.asked, head.status)
    }
}

/// The type of the fault whose element was entered, which is left: `<NoPermissionFault xsi:type="NoPermission">`.
pub(super) fn kind<R: BufRead>(xml: &mut Reader<R>, element: &str) -> Result<String, Error> {
    let kind = xml.attribute("xsi:type")?;
    xml.skip()?;
    let local = match &kind {
        Some(kind) => kind.rsplit(':').next().unwrap_or_default(),
        None => element.strip_suffix("Fault").unwrap_or(element),
    };
    Ok(quote(local.as_bytes()))
}
