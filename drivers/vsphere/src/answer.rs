//! What the API answers: a document of SOAP with what a call returns in it, or a fault. Nothing in here makes a request, so
//! answers in files test it.

mod addresses;
mod content;
mod fault;
mod instances;
mod lookup;
mod object;
pub(crate) mod path;
mod realms;
pub mod state;

use std::io::BufRead;

use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Body, Response};
use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Error, Page};

pub(crate) use content::{Content, content, login, view};
pub(crate) use fault::Failure;
pub(crate) use lookup::Lookup;
pub(crate) use object::{Object, objects};

use fault::{Fault, Head};

/// What a call returns, or else why it failed. A server says so with status 500; whatever the status, its own word counts.
pub(crate) fn read<T>(
    mut response: Response,
    name: &str,
    read: impl FnOnce(&mut Reader<Body>) -> Result<T, Error>,
) -> Result<T, Failure> {
    let head = Head::of(&response);
    if response.status != 200 {
        let start = response.start_of_body();
        let nothing = |_: &mut Reader<&[u8]>| Ok(());
        return Err(match returned(&mut Reader::new(&start[..]), name, nothing) {
            Ok(Err(fault)) => {
                let by_status = response.error_quoting(fault.to_string().as_bytes());
                fault.failure(&head, by_status)
            }
            _ => response.error_quoting(&start).into(),
        });
    }
    match returned(&mut Reader::new(response.reader()), name, read).map_err(|error| error.during(head.asked()))? {
        Ok(found) => Ok(found),
        Err(fault) => {
            let unknown = Error::UnexpectedAnswer(fault.message(&head));
            Err(fault.failure(&head, unknown))
        }
    }
}

/// What stands in the body of a document, which is read to its end: a response of that name, or a fault.
fn returned<R: BufRead, T>(
    xml: &mut Reader<R>,
    name: &str,
    read: impl FnOnce(&mut Reader<R>) -> Result<T, Error>,
) -> Result<Result<T, Fault>, Error> {
    xml.root("Envelope")?;
    let (mut read, mut found, mut fault) = (Some(read), None, None);
    while let Some(part) = xml.child()? {
        if part != "Body" {
            xml.skip()?;
            continue;
        }
        while let Some(part) = xml.child()? {
            if part == "Fault" {
                fault.get_or_insert(Fault::read(xml)?);
            } else if part.strip_suffix("Response").is_some_and(|part| is_alike(part, name))
                && let Some(read) = read.take()
            {
                found = Some(read(xml)?);
            } else {
                let part = quote(part.as_bytes());
                return Err(Error::UnexpectedAnswer(format!(
                    "the answer has a <{part}> where <{name}Response> was expected"
                )));
            }
        }
    }
    match (fault, found) {
        (Some(fault), _) => Ok(Err(fault)),
        (None, Some(found)) => Ok(Ok(found)),
        (None, None) => Err(Error::UnexpectedAnswer(format!("the answer has no <{name}Response>"))),
    }
}

/// Whether a call returns what the other does: all pages of a list are the same.
fn is_alike(part: &str, name: &str) -> bool {
    let call = |name| str::strip_prefix(name, "Continue").unwrap_or(name);
    call(part) == call(name)
}

/// What has been read of a page.
pub(crate) struct Inventory<'a, T> {
    root: &'a str,
    items: Vec<T>,
    omitted: u64,
    /// What the user may do in the root folder, where the answer says it.
    roles: Option<Vec<String>>,
    /// Why the page is not everything.
    trouble: Option<String>,
}

/// The types of what an inventory is made of beside what is listed.
const OTHERS: [&str; 10] = [
    "ClusterComputeResource",
    "ComputeResource",
    "Datacenter",
    "Datastore",
    "Folder",
    "HostSystem",
    "Network",
    "ResourcePool",
    "VirtualApp",
    "VirtualMachine",
];

/// The roles that every server has and that do not read: View, Anonymous and NoAccess. A user whose rights begin
/// below the root folder has the first in it, by which the way down is seen.
const WITHOUT_READING: [&str; 3] = ["-3", "-4", "-5"];

impl<'a, T> Inventory<'a, T> {
    pub(crate) fn new(root: &'a str) -> Self {
        Inventory { root, items: Vec::new(), omitted: 0, roles: None, trouble: None }
    }

    /// Takes what is not of the list: the root folder, and other parts of the inventory, which some servers give without
    /// having been asked. Of an object of an unknown type nobody can say what it is.
    fn omit(&mut self, object: Object) -> Result<(), Error> {
        if !OTHERS.contains(&object.kind.as_str()) {
            let (kind, id) = (quote(object.kind.as_bytes()), quote(object.id.as_bytes()));
            return Err(Error::UnexpectedAnswer(format!("{id} in the answer is a `{kind}`, which was not asked for")));
        }
        self.omitted += 1;
        if object.kind == "Folder" && object.id == self.root {
            let mut roles = Vec::new();
            for (path, value) in object.values {
                if path == path::ROLES {
                    roles = value.words();
                }
            }
            self.roles = Some(roles);
        }
        Ok(())
    }

    /// Whether there is anything to be read of an object. One that went while it was read is no more, and is left out.
    fn is_there(&mut self, object: &Object) -> bool {
        if object.missing.iter().any(|(_, fault)| fault == "ManagedObjectNotFound") {
            self.omitted += 1;
            return false;
        }
        // What the user has no right to read is unknown, in each poll the same. All else may be there in the next one.
        if let Some((path, fault)) = object.missing.iter().find(|(_, fault)| fault != "NoPermission") {
            let (id, path, fault) = (quote(object.id.as_bytes()), quote(path.as_bytes()), quote(fault.as_bytes()));
            self.trouble.get_or_insert(format!("the server can't tell `{path}` of {id}: {fault}"));
        }
        true
    }

    pub(crate) fn page(self, next: Option<String>) -> Page<T> {
        let is_blind = self.items.is_empty()
            && self.roles.is_some_and(|roles| roles.iter().all(|role| WITHOUT_READING.contains(&role.as_str())));
        let page = Page::complete(self.items).followed_by(next).omitting(self.omitted);
        match self.trouble {
            Some(why) => page.partial(why),
            None if is_blind => page.partial(
                "the list is empty, and the user may read nothing in the root folder: rights may be missing (give the \
                 user the role Read-only there, with propagation to children)",
            ),
            None => page,
        }
    }
}
