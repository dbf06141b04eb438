//! What EC2 answers: lists, read as they come, and errors, which it names in a document of their own.
//! Nothing in here makes a request, so answers in files test it.

mod addresses;
mod enabled;
mod fault;
mod instances;
mod state;
mod statuses;
mod zones;

use std::io::BufRead;

use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Body, Response};
use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Error, Instance, Page, Realm};

pub use crate::request::Call;
use fault::{Fault, Head};
pub use instances::instances;
pub use statuses::statuses;
pub use zones::zones;

/// The page that an answer to DescribeInstances is, or else the error.
pub(crate) fn instance_page(response: Response) -> Result<Page<Instance>, Error> {
    list(response, instances::ROOT, instances::page)
}

/// The page that an answer to DescribeAvailabilityZones is, or else the error.
pub(crate) fn zone_page(response: Response) -> Result<Page<Realm>, Error> {
    list(response, zones::ROOT, zones::page)
}

/// The page that an answer to DescribeInstanceStatus is, or else the error: ids, each with what its checks say.
pub(crate) fn status_page(response: Response) -> Result<Page<(String, String)>, Error> {
    list(response, statuses::ROOT, statuses::page)
}

/// The names of regions that an answer to DescribeRegions is, or else the error.
pub(crate) fn region_page(response: Response) -> Result<Page<String>, Error> {
    list(response, enabled::ROOT, enabled::page)
}

fn list<T>(
    mut response: Response,
    root: &str,
    read: impl FnOnce(&mut Reader<Body>, &Head) -> Result<Page<T>, Error>,
) -> Result<Page<T>, Error> {
    let head = Head::of(&response);
    if response.status != 200 {
        let start = response.start_of_body();
        return Err(match Fault::read(&start) {
            Some(fault) => fault.meaning(&head).unwrap_or_else(|| response.error_quoting(fault.to_string().as_bytes())),
            None => response.error_quoting(&start),
        });
    }
    let mut xml = Reader::new(response.reader());
    let found = xml.any_root()?;
    if found == root {
        return read(&mut xml, &head);
    }
    // Some compatible clouds, and proxies before them, send an error with the status of a success.
    let found = quote(found.as_bytes());
    Err(match Fault::read_as(&found, &mut xml) {
        Some(fault) => fault.in_success(&head),
        None => Error::UnexpectedAnswer(format!("the answer is a <{found}> where <{root}> was expected")),
    })
}

/// A list in this API: an element with children called `item`. With anything else in it, it may be more than what is read.
fn each_item<R: BufRead>(
    xml: &mut Reader<R>,
    mut read: impl FnMut(&mut Reader<R>) -> Result<(), Error>,
) -> Result<(), Error> {
    while let Some(name) = xml.child()? {
        if name != "item" {
            let name = quote(name.as_bytes());
            return Err(Error::UnexpectedAnswer(format!(
                "a list in the answer has a <{name}> where <item> was expected"
            )));
        }
        read(xml)?;
    }
    Ok(())
}
