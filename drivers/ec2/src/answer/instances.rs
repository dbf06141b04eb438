//! DescribeInstances: reservations, each with its owner and its instances. A thousand instances are three
//! megabytes, of which a tenth is wanted, so what is not is skipped whole, subtree by subtree.

use std::io::BufRead;

use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Error, Instance, InstanceState, Page, time};

use super::addresses::{self, Addresses};
use super::fault::{Fault, Head};
use super::{each_item, state};

pub(crate) const ROOT: &str = "DescribeInstancesResponse";

/// Reads the whole answer: one page, with EC2's own token as the cursor to the next.
pub fn instances(body: impl BufRead) -> Result<Page<Instance>, Error> {
    let mut xml = Reader::new(body);
    xml.root(ROOT)?;
    page(&mut xml, &Head::default())
}

/// The same behind the root.
pub(super) fn page<R: BufRead>(xml: &mut Reader<R>, head: &Head) -> Result<Page<Instance>, Error> {
    let mut items = None;
    let mut next = None;
    while let Some(name) = xml.child()? {
        match name {
            "reservationSet" => {
                let items = items.get_or_insert_with(|| Vec::with_capacity(64));
                each_item(xml, |xml| reservation(xml, items))?;
            }
            "nextToken" => next = some(xml.text()?),
            "Errors" => Fault::none_in("Errors", xml, head)?,
            "Error" => Fault::none_in("Error", xml, head)?,
            _ => xml.skip()?,
        }
    }
    // Without its list an answer says nothing: it is not an account without instances.
    let missing = || Error::UnexpectedAnswer("the answer has no <reservationSet>".to_owned());
    Ok(Page::complete(items.ok_or_else(missing)?).followed_by(next))
}

/// A reservation: its owner is the owner of the instances in it, whichever stands first.
fn reservation<R: BufRead>(xml: &mut Reader<R>, items: &mut Vec<Instance>) -> Result<(), Error> {
    let first = items.len();
    let (mut owner, mut has_instances) = (None, false);
    while let Some(name) = xml.child()? {
        match name {
            "ownerId" => owner = some(xml.text()?),
            "instancesSet" => {
                has_instances = true;
                each_item(xml, |xml| {
                    items.push(instance(xml)?);
                    Ok(())
                })?;
            }
            _ => xml.skip()?,
        }
    }
    if !has_instances {
        return Err(Error::UnexpectedAnswer("a reservation in the answer has no <instancesSet>".to_owned()));
    }
    for item in &mut items[first..] {
        item.owner.clone_from(&owner);
    }
    Ok(())
}

fn instance<R: BufRead>(xml: &mut Reader<R>) -> Result<Instance, Error> {
    let mut item = Instance::new(String::new(), InstanceState::Unknown, String::new());
    let mut addresses = Addresses::default();
    let mut reason = String::new();
    while let Some(name) = xml.child()? {
        match name {
            "instanceId" => item.id = xml.text()?.to_owned(),
            "imageId" => item.image = some(xml.text()?),
            "instanceType" => item.hardware_profile = some(xml.text()?),
            "instanceState" => (item.state, item.provider_state) = state::read(xml)?,
            "stateReason" => reason = code(xml)?,
            "launchTime" => item.launched_at = time::parse_rfc3339(xml.text()?),
            "placement" => item.realm = zone(xml)?,
            "dnsName" | "publicDnsName" => addresses.public_name(xml.text()?),
            "ipAddress" | "ipv6Address" => addresses.public(xml.text()?),
            "privateDnsName" | "privateIpAddress" => addresses.private(xml.text()?),
            "networkInterfaceSet" => each_item(xml, |xml| addresses::interface(xml, &mut addresses))?,
            "tagSet" => each_item(xml, |xml| {
                let (key, value) = tag(xml)?;
                if key == "Name" {
                    item.name = some(&value);
                }
                item.labels.push((key, value));
                Ok(())
            })?,
            _ => xml.skip()?,
        }
    }
    if item.id.is_empty() {
        return Err(Error::UnexpectedAnswer("an instance in the answer has no <instanceId>".to_owned()));
    }
    if state::tells_more(item.state, &reason) {
        item.provider_state = format!("{}/{reason}", item.provider_state);
    }
    (item.public_addresses, item.private_addresses) = addresses.sorted_out();
    Ok(item)
}

/// A reason's code: its message is for people.
fn code<R: BufRead>(xml: &mut Reader<R>) -> Result<String, Error> {
    let mut code = String::new();
    while let Some(name) = xml.child()? {
        match name {
            "code" => code = xml.text()?.to_owned(),
            _ => xml.skip()?,
        }
    }
    Ok(code)
}

fn zone<R: BufRead>(xml: &mut Reader<R>) -> Result<Option<String>, Error> {
    let mut zone = None;
    while let Some(name) = xml.child()? {
        match name {
            "availabilityZone" => zone = some(xml.text()?),
            _ => xml.skip()?,
        }
    }
    Ok(zone)
}

fn tag<R: BufRead>(xml: &mut Reader<R>) -> Result<(String, String), Error> {
    let (mut key, mut value) = (String::new(), String::new());
    while let Some(name) = xml.child()? {
        match name {
            "key" => key = xml.text()?.to_owned(),
            "value" => value = xml.text()?.to_owned(),
            _ => xml.skip()?,
        }
    }
    Ok((key, value))
}

/// An element without text is how this API says that there is nothing.
fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
