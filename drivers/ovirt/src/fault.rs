//! How the engine says that it refuses: `<fault><reason>..</reason><detail>..</detail></fault>`.

use std::fmt;
use std::io::BufRead;

use tracker_driver_sdk::Error;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::xml::Reader;

/// Errs where an element of a list is no entry of it but says that something failed.
pub(crate) fn require_none(element: &str) -> Result<(), Error> {
    let lower = element.to_ascii_lowercase();
    if lower.contains("fault") || lower.contains("error") {
        let element = quote(element.as_bytes());
        return Err(Error::UnexpectedAnswer(format!("there is a <{element}> in the list")));
    }
    Ok(())
}

#[derive(Debug, Default)]
pub(crate) struct Fault {
    reason: String,
    detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail.is_empty() {
            true => f.write_str(&self.reason),
            false => write!(f, "{}: {}", self.reason, self.detail),
        }
    }
}

impl Fault {
    /// The fault that a body is, where it is one.
    pub(crate) fn read(body: &[u8]) -> Option<Fault> {
        let mut xml = Reader::new(body);
        let root = xml.any_root().ok()?.to_owned();
        Fault::read_as(&root, &mut xml)
    }

    /// The same behind the root, which has that name.
    pub(crate) fn read_as<R: BufRead>(root: &str, xml: &mut Reader<R>) -> Option<Fault> {
        if root != "fault" {
            return None;
        }
        let mut fault = Fault::default();
        while let Some(name) = xml.child().ok()? {
            match name {
                "reason" => fault.reason = quote(xml.text().ok()?.as_bytes()),
                "detail" => fault.detail = quote(xml.text().ok()?.as_bytes()),
                _ => xml.skip().ok()?,
            }
        }
        Some(fault)
    }

    /// The engine has no codes in a fault, and a user without permissions gets various statuses: 400 for a query of
    /// administrators, 403 for an action. Its words tell: `query execution failed due to insufficient permissions.`, `User is not
    /// authorized to perform this action.`
    pub(crate) fn is_about_permissions(&self) -> bool {
        let detail = self.detail.to_ascii_lowercase();
        detail.contains("insufficient permissions") || detail.contains("not authorized to perform")
    }

    /// `Entity not found: ...`, in other words in some versions. A proxy's 404 is no fault.
    pub(crate) fn is_about_absence(&self) -> bool {
        self.detail.to_ascii_lowercase().contains("not found")
    }
}
