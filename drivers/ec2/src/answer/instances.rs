//! DescribeInstances: reservations, each with its owner and its instances. A thousand instances are three
//! megabytes, of which a tenth is wanted, so what is not is skipped whole, subtree by subtree.

use std::io::BufRead;

use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Address, AddressKind, Error, Instance, InstanceState, Page, time};

/// Reads the whole answer: one page, with EC2's own token as the cursor to the next.
pub fn instances(body: impl BufRead) -> Result<Page<Instance>, Error> {
    let mut xml = Reader::new(body);
    xml.root("DescribeInstancesResponse")?;
    let mut items = None;
    let mut next = None;
    while let Some(name) = xml.child()? {
        match name {
            "reservationSet" => {
                let items = items.get_or_insert_with(|| Vec::with_capacity(64));
                each_item(&mut xml, |xml| reservation(xml, items))?;
            }
            "nextToken" => next = some(xml.text()?),
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
    let mut owner = None;
    while let Some(name) = xml.child()? {
        match name {
            "ownerId" => owner = some(xml.text()?),
            "instancesSet" => each_item(xml, |xml| {
                items.push(instance(xml)?);
                Ok(())
            })?,
            _ => xml.skip()?,
        }
    }
    for item in &mut items[first..] {
        item.owner.clone_from(&owner);
    }
    Ok(())
}

fn instance<R: BufRead>(xml: &mut Reader<R>) -> Result<Instance, Error> {
    let mut item = Instance::new(String::new(), InstanceState::Unknown, String::new());
    while let Some(name) = xml.child()? {
        match name {
            "instanceId" => item.id = xml.text()?.to_owned(),
            "imageId" => item.image = some(xml.text()?),
            "instanceType" => item.hardware_profile = some(xml.text()?),
            "instanceState" => (item.state, item.provider_state) = state(xml)?,
            "launchTime" => item.launched_at = time::parse_rfc3339(xml.text()?),
            "placement" => item.realm = zone(xml)?,
            "dnsName" | "publicDnsName" => add(&mut item.public_addresses, AddressKind::Hostname, xml.text()?),
            "ipAddress" => add(&mut item.public_addresses, AddressKind::Ipv4, xml.text()?),
            "ipv6Address" => add(&mut item.public_addresses, AddressKind::Ipv6, xml.text()?),
            "privateDnsName" => add(&mut item.private_addresses, AddressKind::Hostname, xml.text()?),
            "privateIpAddress" => add(&mut item.private_addresses, AddressKind::Ipv4, xml.text()?),
            "networkInterfaceSet" => each_item(xml, |xml| interface(xml, &mut item.public_addresses))?,
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
    Ok(item)
}

/// `<code>16</code><name>running</name>`. The code's high byte is for AWS's own use and may be anything; a
/// cloud that leaves the name out is read by its code ("InstanceState" in the EC2 API reference).
fn state<R: BufRead>(xml: &mut Reader<R>) -> Result<(InstanceState, String), Error> {
    let (mut code, mut word) = (None, String::new());
    while let Some(name) = xml.child()? {
        match name {
            "code" => code = xml.text()?.trim().parse::<u32>().ok(),
            "name" => word = xml.text()?.to_owned(),
            _ => xml.skip()?,
        }
    }
    if word.is_empty() {
        word = match code.map(|code| code & 0xff) {
            Some(0) => "pending",
            Some(16) => "running",
            Some(32) => "shutting-down",
            Some(48) => "terminated",
            Some(64) => "stopping",
            Some(80) => "stopped",
            _ => "",
        }
        .to_owned();
    }
    let state = match word.as_str() {
        "pending" => InstanceState::Pending,
        "running" => InstanceState::Running,
        "shutting-down" => InstanceState::ShuttingDown,
        "terminated" => InstanceState::Finish,
        "stopping" => InstanceState::Stopping,
        "stopped" => InstanceState::Stopped,
        _ => InstanceState::Unknown,
    };
    Ok((state, word))
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

/// Of a network interface only the IPv6 addresses are wanted: the others are the instance's own fields, too.
fn interface<R: BufRead>(xml: &mut Reader<R>, addresses: &mut Vec<Address>) -> Result<(), Error> {
    while let Some(name) = xml.child()? {
        match name {
            "ipv6AddressesSet" => each_item(xml, |xml| {
                while let Some(name) = xml.child()? {
                    match name {
                        "ipv6Address" => add(addresses, AddressKind::Ipv6, xml.text()?),
                        _ => xml.skip()?,
                    }
                }
                Ok(())
            })?,
            _ => xml.skip()?,
        }
    }
    Ok(())
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

/// A list in this API: an element with children called `item`.
fn each_item<R: BufRead>(
    xml: &mut Reader<R>,
    mut read: impl FnMut(&mut Reader<R>) -> Result<(), Error>,
) -> Result<(), Error> {
    while let Some(name) = xml.child()? {
        match name {
            "item" => read(xml)?,
            _ => xml.skip()?,
        }
    }
    Ok(())
}

/// An element without text is how this API says that there is nothing.
fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Adds an address once: EC2 gives some of them in two places.
fn add(addresses: &mut Vec<Address>, kind: AddressKind, value: &str) {
    if !value.is_empty() && !addresses.iter().any(|known| known.value == value) {
        addresses.push(Address { kind, value: value.to_owned() });
    }
}
