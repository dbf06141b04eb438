//! One instance, from the members that it is asked for with.

use std::collections::BTreeMap;

use serde::Deserialize;
use tracker_driver_sdk::{Address, Error, Instance, InstanceState, time};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    id: Id,
    name: Option<String>,
    status: String,
    zone: Option<String>,
    machine_type: Option<String>,
    creation_timestamp: Option<String>,
    source_machine_image: Option<String>,
    /// In the order of their names, whatever order the answer has them in.
    labels: Option<BTreeMap<String, String>>,
    disks: Option<Vec<Disk>>,
    network_interfaces: Option<Vec<Interface>>,
}

/// An unsigned number of 64 bits, which the API writes as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(u64),
}

#[derive(Deserialize)]
struct Disk {
    boot: Option<bool>,
    licenses: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Interface {
    #[serde(rename = "networkIP")]
    network_ip: Option<String>,
    #[serde(rename = "ipv6Address")]
    ipv6_address: Option<String>,
    #[serde(rename = "aliasIpRanges")]
    alias_ip_ranges: Option<Vec<Range>>,
    #[serde(rename = "accessConfigs")]
    access_configs: Option<Vec<Access>>,
    #[serde(rename = "ipv6AccessConfigs")]
    ipv6_access_configs: Option<Vec<Access>>,
}

#[derive(Deserialize)]
struct Range {
    #[serde(rename = "ipCidrRange")]
    ip_cidr_range: Option<String>,
}

#[derive(Deserialize)]
struct Access {
    /// Absent while an instance with an ephemeral address is stopped.
    #[serde(rename = "natIP")]
    nat_ip: Option<String>,
    #[serde(rename = "externalIpv6")]
    external_ipv6: Option<String>,
}

impl Entry {
    pub(super) fn into_instance(self) -> Result<Instance, Error> {
        let id = match self.id {
            Id::Text(text) if text.is_empty() => {
                return Err(Error::UnexpectedAnswer("an instance has an empty id".to_owned()));
            }
            Id::Text(text) => text,
            Id::Number(number) => number.to_string(),
        };
        let (public_addresses, private_addresses) = addresses(self.network_interfaces);
        Ok(Instance {
            name: self.name,
            realm: self.zone.as_deref().and_then(last_part),
            image: self.source_machine_image.as_deref().and_then(last_part).or_else(|| license(self.disks)),
            hardware_profile: self.machine_type.as_deref().and_then(last_part),
            launched_at: self.creation_timestamp.as_deref().and_then(time::parse_rfc3339),
            public_addresses,
            private_addresses,
            labels: self.labels.into_iter().flatten().collect(),
            ..Instance::new(id, state(&self.status), self.status)
        })
    }
}

fn state(word: &str) -> InstanceState {
    match word {
        "PENDING" | "PROVISIONING" | "STAGING" => InstanceState::Pending,
        "RUNNING" => InstanceState::Running,
        "PENDING_STOP" | "STOPPING" | "SUSPENDING" => InstanceState::Stopping,
        // `TERMINATED` is a stopped instance, which can be started again; one that is deleted is no longer listed.
        "STOPPED" | "SUSPENDED" | "TERMINATED" => InstanceState::Stopped,
        "DEPROVISIONING" => InstanceState::ShuttingDown,
        // `REPAIRING`, too: the machine failed or is maintained, and what becomes of the instance is not known.
        _ => InstanceState::Unknown,
    }
}

/// Compute Engine names things by their URL: `.../zones/us-central1-a`.
fn last_part(url: &str) -> Option<String> {
    url.rsplit('/').next().filter(|part| !part.is_empty()).map(str::to_owned)
}

/// What the image of the boot disk is licensed as, `debian-12-bookworm`: an instance does not have the image itself.
fn license(disks: Option<Vec<Disk>>) -> Option<String> {
    let boot = disks.into_iter().flatten().find(|disk| disk.boot == Some(true))?;
    last_part(boot.licenses?.first()?)
}

/// The public and the private addresses of all interfaces.
fn addresses(interfaces: Option<Vec<Interface>>) -> (Vec<Address>, Vec<Address>) {
    let (mut public, mut private) = (Vec::new(), Vec::new());
    for interface in interfaces.into_iter().flatten() {
        for access in interface.access_configs.into_iter().chain(interface.ipv6_access_configs).flatten() {
            add(&mut public, access.nat_ip.as_deref());
            add(&mut public, access.external_ipv6.as_deref());
        }
        add(&mut private, interface.network_ip.as_deref());
        add(&mut private, interface.ipv6_address.as_deref());
        for range in interface.alias_ip_ranges.into_iter().flatten() {
            add(&mut private, range.ip_cidr_range.as_deref());
        }
    }
    private.retain(|address| !public.contains(address));
    (public, private)
}

fn add(addresses: &mut Vec<Address>, text: Option<&str>) {
    let address = text.and_then(single).and_then(Address::read).filter(|address| !addresses.contains(address));
    addresses.extend(address);
}

/// The address of a range of one. Of a longer one the instance has all addresses, and often uses none: the pods of a cluster do.
fn single(range: &str) -> Option<&str> {
    match range.split_once('/') {
        Some((address, "32" | "128")) => Some(address),
        Some(_) => None,
        None => Some(range),
    }
}
