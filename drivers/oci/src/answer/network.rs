//! VNICs and their addresses. An instance has none itself: attachments lead from it to its VNICs.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use serde::Deserialize;
use serde::de::IgnoredAny;
use tracker_driver_sdk::{Address, AddressKind, Instance};

/// That an instance has a VNIC.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// Not needed: an entry without one is no attachment.
    #[serde(rename = "id")]
    _id: IgnoredAny,
    instance_id: Option<String>,
    /// Null until it is attached.
    vnic_id: Option<String>,
    /// Null where the VNIC is in a VLAN.
    subnet_id: Option<String>,
    vlan_id: Option<String>,
    lifecycle_state: Option<String>,
    time_created: Option<String>,
}

/// A VNIC that is attached.
#[derive(Debug)]
pub struct Attached {
    pub vnic: String,
    pub subnet: Option<String>,
    /// For their order: the first one is the instance's primary VNIC.
    created: Option<String>,
}

/// By the ids of instances.
pub type Attachments = HashMap<String, Vec<Attached>>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vnic {
    pub id: String,
    pub private_ip: Option<String>,
    pub public_ip: Option<String>,
    pub ipv6_addresses: Option<Vec<String>>,
}

/// An address in a subnet.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrivateIp {
    pub id: String,
    pub vnic_id: Option<String>,
    pub ip_address: Option<String>,
    pub is_primary: Option<bool>,
    pub compartment_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ipv6 {
    /// Not needed: an entry without one is no address.
    #[serde(rename = "id")]
    _id: IgnoredAny,
    pub vnic_id: Option<String>,
    pub ip_address: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicIp {
    /// Not needed: an entry without one is no address.
    #[serde(rename = "id")]
    _id: IgnoredAny,
    pub ip_address: Option<String>,
    /// The private address that it stands for, if any.
    pub assigned_entity_id: Option<String>,
}

/// Sorts a page of attachments by their instances. Gives how many of them do not say what they attach.
pub fn attach(page: Vec<Attachment>, into: &mut Attachments) -> usize {
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    let mut unreadable = 0;
    for attachment in page {
        let Attachment { instance_id, vnic_id, subnet_id, vlan_id, lifecycle_state, time_created, .. } = attachment;
        // Oracle gives no addresses to what is in a VLAN.
        if text(vlan_id).is_some() {
            continue;
        }
        match (lifecycle_state.as_deref(), text(instance_id), text(vnic_id)) {
            (Some("ATTACHING" | "DETACHING" | "DETACHED"), _, _) => {}
            (Some("ATTACHED"), Some(instance), Some(vnic)) => {
                let attached = into.entry(instance).or_default();
                attached.push(Attached { vnic, subnet: text(subnet_id), created: time_created });
                // Their order in the answer is not said to stay the same.
                attached.sort_by(|one, other| (&one.created, &one.vnic).cmp(&(&other.created, &other.vnic)));
            }
            _ => unreadable += 1,
        }
    }
    unreadable
}

/// Adds an IPv4 address, unless the instance has it already.
pub fn address(text: Option<&str>, into: &mut Vec<Address>) {
    if let Some(address) = text.and_then(Address::read)
        && !into.contains(&address)
    {
        into.push(address);
    }
}

/// Adds an IPv6 address: they are public, but for the unique local ones, which no router of the Internet forwards.
pub fn ipv6(text: &str, instance: &mut Instance) {
    let is_local = |ip: &Ipv6Addr| ip.is_unique_local() || ip.is_unicast_link_local();
    match text.trim().parse() {
        Ok(IpAddr::V6(ip)) if is_local(&ip) => address(Some(text), &mut instance.private_addresses),
        _ if Address::read(text).is_some_and(|address| address.kind == AddressKind::Hostname) => {}
        _ => address(Some(text), &mut instance.public_addresses),
    }
}
