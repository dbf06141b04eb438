//! `VM_POOL`: the VMs, as instances. Of each only what is listed is read; the rest is skipped, subtree by subtree.

use std::io::BufRead;

use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Error, Instance, InstanceState, log};

use crate::addresses::Addresses;
use crate::call::Document;
use crate::state;

/// The VMs in the pool that the reader is in.
pub(crate) fn pool(xml: &mut Document<'_, '_>) -> Result<Vec<Instance>, Error> {
    let mut found = Vec::new();
    while let Some(name) = xml.child()? {
        match name {
            "VM" => found.push(vm(xml)?),
            other => {
                log::debug(&format!("a pool of VMs has a <{}>", quote(other.as_bytes())));
                xml.skip()?;
            }
        }
    }
    Ok(found)
}

/// The VM that the reader is in.
pub(crate) fn vm(xml: &mut Document<'_, '_>) -> Result<Instance, Error> {
    let mut item = Instance::new(String::new(), InstanceState::Unknown, String::new());
    let (mut state, mut activity) = (String::new(), String::new());
    let mut addresses = Addresses::default();
    let mut host = LastHost::default();
    while let Some(name) = xml.child()? {
        match name {
            "ID" => item.id = xml.text()?.trim().to_owned(),
            "NAME" => item.name = some(xml.text()?),
            // `USERNAME` is of the first versions.
            "UNAME" | "USERNAME" => item.owner = some(xml.text()?),
            "STATE" => state = xml.text()?.trim().to_owned(),
            "LCM_STATE" => activity = xml.text()?.trim().to_owned(),
            "STIME" => item.launched_at = seconds(xml.text()?),
            "MONITORING" => addresses.monitoring(xml)?,
            "TEMPLATE" => template(xml, &mut item, &mut addresses)?,
            "USER_TEMPLATE" => item.labels = attributes(xml)?,
            "HISTORY_RECORDS" => host.records(xml)?,
            // In the first versions the last record stands by itself.
            "HISTORY" => host.record(xml)?,
            _ => xml.skip()?,
        }
    }
    if item.id.is_empty() {
        return Err(Error::UnexpectedAnswer("a VM in the answer has no <ID>".to_owned()));
    }
    (item.state, item.provider_state) = state::of(&state, &activity);
    (item.public_addresses, item.private_addresses) = addresses.sorted_out();
    item.realm = host.id;
    Ok(item)
}

fn template<R: BufRead>(xml: &mut Reader<R>, item: &mut Instance, addresses: &mut Addresses) -> Result<(), Error> {
    while let Some(name) = xml.child()? {
        match name {
            "NIC" | "NIC_ALIAS" | "PCI" => addresses.interface(xml)?,
            "CONTEXT" => addresses.context(xml)?,
            // The first disk with an image is the one that the VM boots from, unless somebody says another.
            "DISK" if item.image.is_none() => item.image = image(xml)?,
            _ => xml.skip()?,
        }
    }
    Ok(())
}

fn image<R: BufRead>(xml: &mut Reader<R>) -> Result<Option<String>, Error> {
    let mut image = None;
    while let Some(name) = xml.child()? {
        match name {
            "IMAGE_ID" => image = some(xml.text()?.trim()),
            _ => xml.skip()?,
        }
    }
    Ok(image)
}

/// The attributes that users give a VM. An attribute may be made of others, and is then no label.
fn attributes<R: BufRead>(xml: &mut Reader<R>) -> Result<Vec<(String, String)>, Error> {
    let mut labels: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: &str| {
        if !labels.iter().any(|(known, _)| known == name) {
            labels.push((name.to_owned(), value.to_owned()));
        }
    };
    while let Some(name) = xml.child()? {
        match name {
            // OpenNebula writes these itself, with the time in them: each would be a change at every poll.
            "SCHED_MESSAGE" | "ERROR" => xml.skip()?,
            "LABELS" => match xml.text_if_plain()? {
                Some(text) => {
                    text.split(',').map(str::trim).filter(|label| !label.is_empty()).for_each(|label| add(label, ""))
                }
                None => xml.skip()?,
            },
            other => {
                let name = other.to_owned();
                match xml.text_if_plain()? {
                    Some(value) => add(&name, value),
                    None => xml.skip()?,
                }
            }
        }
    }
    Ok(labels)
}

/// The host of the last record: where the VM is, or was before it was stopped.
#[derive(Default)]
struct LastHost {
    id: Option<String>,
    sequence: i64,
}

impl LastHost {
    fn records<R: BufRead>(&mut self, xml: &mut Reader<R>) -> Result<(), Error> {
        while let Some(name) = xml.child()? {
            match name {
                "HISTORY" => self.record(xml)?,
                _ => xml.skip()?,
            }
        }
        Ok(())
    }

    fn record<R: BufRead>(&mut self, xml: &mut Reader<R>) -> Result<(), Error> {
        let (mut id, mut sequence) = (None, self.sequence);
        while let Some(name) = xml.child()? {
            match name {
                "HID" => id = some(xml.text()?.trim()).filter(|id| !id.starts_with('-')),
                "SEQ" => sequence = xml.text()?.trim().parse().unwrap_or(sequence),
                _ => xml.skip()?,
            }
        }
        if sequence >= self.sequence {
            *self = LastHost { id, sequence };
        }
        Ok(())
    }
}

/// An element without text is how OpenNebula says that there is nothing.
fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Seconds since 1970; 0 where it has not happened.
fn seconds(text: &str) -> Option<i64> {
    text.trim().parse::<i64>().ok().filter(|seconds| *seconds > 0)?.checked_mul(1_000)
}
