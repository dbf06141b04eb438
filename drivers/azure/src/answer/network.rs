//! Interfaces and public addresses. A machine names its interfaces; an interface has private addresses and names
//! public ones.

use std::collections::HashMap;

use serde::Deserialize;
use tracker_driver_sdk::Address;

#[derive(Debug, Deserialize)]
pub struct Interface {
    id: String,
    properties: Option<InterfaceProperties>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct InterfaceProperties {
    ip_configurations: Option<Vec<Configuration>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Configuration {
    properties: Option<ConfigurationProperties>,
}

#[derive(Debug, Deserialize)]
struct ConfigurationProperties {
    #[serde(rename = "privateIPAddress")]
    private_address: Option<String>,
    #[serde(rename = "publicIPAddress")]
    public_address: Option<PublicReference>,
}

/// A public address, by its id; with all that it is where an interface by itself was asked for so.
#[derive(Debug, Deserialize)]
struct PublicReference {
    id: Option<String>,
    properties: Option<PublicProperties>,
}

#[derive(Debug, Deserialize)]
pub struct PublicAddress {
    id: String,
    properties: Option<PublicProperties>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublicProperties {
    /// Absent as long as it belongs to no machine that runs.
    ip_address: Option<String>,
    dns_settings: Option<DnsSettings>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct DnsSettings {
    fqdn: Option<String>,
}

/// The addresses of an interface, or of a machine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Addresses {
    pub public: Vec<Address>,
    pub private: Vec<Address>,
}

impl Addresses {
    pub(crate) fn add(&mut self, other: &Addresses) {
        add(&mut self.public, &other.public);
        add(&mut self.private, &other.private);
    }
}

/// Public addresses, by the keys of their ids.
pub(crate) type Public = HashMap<String, Vec<Address>>;

impl PublicProperties {
    /// The address, and the name that leads to it. A name without an address leads nowhere.
    fn addresses(&self) -> Vec<Address> {
        let address = self.ip_address.as_deref().and_then(Address::read);
        let name = self.dns_settings.as_ref().and_then(|dns| dns.fqdn.as_deref()).filter(|_| address.is_some());
        address.into_iter().chain(name.and_then(Address::read)).collect()
    }
}

impl PublicAddress {
    pub(crate) fn new(id: String, ip_address: Option<String>, dns_settings: Option<DnsSettings>) -> Self {
        PublicAddress { id, properties: Some(PublicProperties { ip_address, dns_settings }) }
    }

    pub(crate) fn into_entry(self) -> (String, Vec<Address>) {
        (super::id::key(&self.id), self.properties.map(|properties| properties.addresses()).unwrap_or_default())
    }
}

impl Interface {
    pub(crate) fn new(id: String, ip_configurations: Option<Vec<Configuration>>) -> Self {
        Interface { id, properties: Some(InterfaceProperties { ip_configurations }) }
    }

    pub(crate) fn key(&self) -> String {
        super::id::key(&self.id)
    }

    fn configurations(&self) -> impl Iterator<Item = &ConfigurationProperties> {
        let list = self.properties.as_ref().and_then(|properties| properties.ip_configurations.as_ref());
        list.into_iter().flatten().filter_map(|configuration| configuration.properties.as_ref())
    }

    /// Whether it has a public address, or may get one.
    pub(crate) fn is_public(&self) -> bool {
        self.configurations().any(|configuration| configuration.public_address.is_some())
    }

    /// The ids of public addresses of which it has nothing else.
    pub(crate) fn unexpanded(&self) -> impl Iterator<Item = &str> {
        let references = self.configurations().filter_map(|configuration| configuration.public_address.as_ref());
        let ids = references.filter(|reference| reference.properties.is_none()).filter_map(|it| it.id.as_deref());
        ids.filter(|id| !id.is_empty())
    }

    /// Its addresses, the public ones by their ids unless it brings them along.
    pub(crate) fn addresses(&self, public: &Public) -> Addresses {
        let mut found = Addresses::default();
        for configuration in self.configurations() {
            let private = configuration.private_address.as_deref().and_then(single).and_then(Address::read);
            add(&mut found.private, private.as_slice());
            let Some(reference) = &configuration.public_address else { continue };
            match &reference.properties {
                Some(properties) => add(&mut found.public, &properties.addresses()),
                None => {
                    let listed = reference.id.as_deref().and_then(|id| public.get(&super::id::key(id)));
                    add(&mut found.public, listed.map(Vec::as_slice).unwrap_or_default());
                }
            }
        }
        found
    }
}

/// The address of a block of one. Of a longer one, which an interface may have beside its address, none is listed.
fn single(text: &str) -> Option<&str> {
    match text.split_once('/') {
        Some((address, "32" | "128")) => Some(address),
        Some(_) => None,
        None => Some(text),
    }
}

/// Adds what is not there yet.
fn add(addresses: &mut Vec<Address>, more: &[Address]) {
    for address in more {
        if !addresses.contains(address) {
            addresses.push(address.clone());
        }
    }
}
