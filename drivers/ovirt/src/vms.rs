//! `vms`: the virtual machines, as instances. A thousand are megabytes, of which a tenth is wanted, so what is not is
//! skipped whole, subtree by subtree.

use std::io::BufRead;

use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Error, Instance, InstanceState, time};

use crate::addresses::{self, Addresses};
use crate::{fault, state};

/// The template that is none: what is made from nothing is made from it.
const BLANK: &str = "00000000-0000-0000-0000-000000000000";

/// A virtual machine, whose addresses may have to be asked for.
#[derive(Debug)]
pub(crate) struct Vm {
    pub(crate) instance: Instance,
    pub(crate) addresses: Addresses,
    /// Whether the answer has a place for addresses, with or without one in it.
    pub(crate) has_addresses: bool,
}

impl Vm {
    pub(crate) fn into_instance(self) -> Instance {
        let (public_addresses, private_addresses) = self.addresses.sorted_out();
        Instance { public_addresses, private_addresses, ..self.instance }
    }
}

/// The virtual machines in the list that the reader is in.
pub(crate) fn list<R: BufRead>(xml: &mut Reader<R>) -> Result<Vec<Vm>, Error> {
    let mut found = Vec::new();
    while let Some(name) = xml.child()? {
        match name {
            "vm" => found.push(vm(xml)?),
            other => {
                fault::require_none(other)?;
                xml.skip()?;
            }
        }
    }
    Ok(found)
}

/// The virtual machine that the reader is in.
pub(crate) fn vm<R: BufRead>(xml: &mut Reader<R>) -> Result<Vm, Error> {
    let missing = || Error::UnexpectedAnswer("a virtual machine in the answer has no id".to_owned());
    let id = id(xml)?.ok_or_else(missing)?;
    let instance = Instance::new(id, InstanceState::Unknown, String::new());
    let mut vm = Vm { instance, addresses: Addresses::default(), has_addresses: false };
    let item = &mut vm.instance;
    let (mut template, mut original) = (None, None);
    while let Some(name) = xml.child()? {
        match name {
            "name" => item.name = some(xml.text()?),
            "status" => {
                let Status { word, is_of_version_3 } = status(xml)?;
                item.state = state::of(&word);
                item.provider_state = word;
                // Its addresses stand here, or nowhere.
                vm.has_addresses |= is_of_version_3;
            }
            "start_time" => item.launched_at = time::parse_rfc3339(xml.text()?.trim()),
            "cluster" => item.realm = reference(xml)?,
            "template" => template = reference(xml)?.filter(|id| id != BLANK),
            "original_template" => original = reference(xml)?.filter(|id| id != BLANK),
            "instance_type" => item.hardware_profile = reference(xml)?,
            "custom_properties" => properties(xml, &mut item.labels)?,
            "tags" => tags(xml, &mut item.labels)?,
            "reported_devices" => {
                vm.has_addresses = true;
                addresses::reported(xml, &mut vm.addresses)?;
            }
            "guest_info" => {
                vm.has_addresses = true;
                addresses::device(xml, &mut vm.addresses)?;
            }
            _ => xml.skip()?,
        }
    }
    // A clone has the blank template, and remembers the one that it was made from.
    item.image = template.or(original);
    Ok(vm)
}

/// The id of the object that was entered last.
pub(crate) fn id<R: BufRead>(xml: &Reader<R>) -> Result<Option<String>, Error> {
    Ok(xml.attribute("id")?.filter(|id| !id.is_empty()))
}

/// A reference to a different object: `<cluster id=".."/>`.
fn reference<R: BufRead>(xml: &mut Reader<R>) -> Result<Option<String>, Error> {
    let id = id(xml)?;
    xml.skip()?;
    Ok(id)
}

pub(crate) struct Status {
    pub(crate) word: String,
    pub(crate) is_of_version_3: bool,
}

/// `<status>up</status>`, or `<status><state>up</state></status>` in version 3.
pub(crate) fn status<R: BufRead>(xml: &mut Reader<R>) -> Result<Status, Error> {
    if let Some(word) = xml.text_if_plain()? {
        // Space alone is what stands around an element that is missing.
        let word = if word.trim().is_empty() { "" } else { word };
        return Ok(Status { word: word.to_owned(), is_of_version_3: false });
    }
    let mut word = String::new();
    while let Some(name) = xml.child()? {
        match name {
            "state" => word = xml.text()?.to_owned(),
            _ => xml.skip()?,
        }
    }
    Ok(Status { word, is_of_version_3: true })
}

/// `<custom_property><name>..</name><value>..</value>`, or `<custom_property name=".." value=".."/>` in version 3.
fn properties<R: BufRead>(xml: &mut Reader<R>, labels: &mut Vec<(String, String)>) -> Result<(), Error> {
    while let Some(element) = xml.child()? {
        if element != "custom_property" {
            xml.skip()?;
            continue;
        }
        let mut name = xml.attribute("name")?.unwrap_or_default();
        let mut value = xml.attribute("value")?.unwrap_or_default();
        while let Some(element) = xml.child()? {
            match element {
                "name" => name = xml.text()?.to_owned(),
                "value" => value = xml.text()?.to_owned(),
                _ => xml.skip()?,
            }
        }
        labels.push((name, value));
    }
    Ok(())
}

fn tags<R: BufRead>(xml: &mut Reader<R>, labels: &mut Vec<(String, String)>) -> Result<(), Error> {
    while let Some(element) = xml.child()? {
        if element != "tag" {
            xml.skip()?;
            continue;
        }
        while let Some(element) = xml.child()? {
            match element {
                "name" => labels.push((xml.text()?.to_owned(), String::new())),
                _ => xml.skip()?,
            }
        }
    }
    Ok(())
}

/// An element without text is how the engine says that there is nothing.
fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
