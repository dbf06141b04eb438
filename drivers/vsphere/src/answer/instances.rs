//! Virtual machines, as instances.

use tracker_driver_sdk::{Error, Instance, InstanceState, time};

use super::addresses::Addresses;
use super::object::{Item, Object};
use super::{Inventory, Lookup, path, state};
use crate::Realms;

impl Inventory<'_, Instance> {
    /// Takes an object of the answer. A template is none that runs, and is left out.
    pub(crate) fn virtual_machine(&mut self, object: Object, lookup: &Lookup, realms: Realms) -> Result<(), Error> {
        if object.kind != "VirtualMachine" {
            return self.omit(object);
        }
        if self.is_there(&object) {
            match instance(object, lookup, realms)? {
                Some(instance) => self.items.push(instance),
                None => self.omitted += 1,
            }
        }
        Ok(())
    }
}

fn instance(object: Object, lookup: &Lookup, realms: Realms) -> Result<Option<Instance>, Error> {
    let mut item = Instance::new(object.id, InstanceState::Unknown, String::new());
    let mut addresses = Addresses::default();
    let (mut power, mut connection) = (String::new(), String::new());
    let (mut cpus, mut memory, mut main) = (None, None, None);
    for (path, value) in object.values {
        match path.as_str() {
            path::NAME => item.name = value.text(),
            path::TEMPLATE => match value.text().as_deref().map(str::trim) {
                Some("true" | "1") => return Ok(None),
                Some("false" | "0") | None => {}
                Some(_) => {
                    let message = format!("`{}` of {} is neither true nor false", path::TEMPLATE, item.id);
                    return Err(Error::UnexpectedAnswer(message));
                }
            },
            path::CPUS => cpus = value.text(),
            path::MEMORY => memory = value.text(),
            path::POWER => power = value.text().unwrap_or_default(),
            path::CONNECTION => connection = value.text().unwrap_or_default(),
            path::HOST => {
                item.realm = match realms {
                    Realms::Hosts => value.text(),
                    Realms::Clusters => value.text().and_then(|host| lookup.cluster(&host).cloned()),
                }
            }
            path::BOOT_TIME => item.launched_at = value.text().and_then(|text| time::parse_rfc3339(text.trim())),
            path::ADDRESS => main = value.text(),
            path::NICS => value.items().iter().for_each(|item| {
                if let Item::Address(text) = item {
                    addresses.add(text);
                }
            }),
            path::CUSTOM_VALUES => {
                item.labels = value.customs().map(|(key, text)| (lookup.field(key), text)).collect();
                item.labels.sort();
            }
            _ => {}
        }
    }
    main.iter().for_each(|text| addresses.add(text));
    (item.public_addresses, item.private_addresses) = (addresses.public, addresses.private);
    item.hardware_profile = cpus.zip(memory).map(|(cpus, memory)| format!("{cpus} CPU, {memory} MB"));
    (item.state, item.provider_state) = state::state(&power, &connection);
    Ok(Some(item))
}
