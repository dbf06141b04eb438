//! Virtual machines and members of scale sets: both have the same shape.

use std::collections::BTreeMap;

use serde::Deserialize;
use tracker_driver_sdk::{Error, Instance, time};

use super::network::{Addresses, Configuration, DnsSettings, Interface, PublicAddress};
use super::state::{View, state};
use super::{Reference, id};

#[derive(Debug, Deserialize)]
pub struct Machine {
    /// As the list has it. It is asked for in this form.
    pub id: String,
    name: Option<String>,
    location: Option<String>,
    /// In the order of their names, whatever order the answer has them in.
    tags: Option<BTreeMap<String, Option<String>>>,
    /// Of members of scale sets.
    sku: Option<Sku>,
    /// What kind of resource a row of Resource Graph is.
    #[serde(rename = "type")]
    kind: Option<String>,
    properties: Option<Properties>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    vm_id: Option<String>,
    provisioning_state: Option<String>,
    time_created: Option<String>,
    hardware_profile: Option<HardwareProfile>,
    storage_profile: Option<StorageProfile>,
    network_profile: Option<NetworkProfile>,
    /// Where it was asked for.
    instance_view: Option<View>,
    /// What Resource Graph adds.
    extended: Option<Extended>,
    /// What rows of Resource Graph have that are interfaces or public addresses.
    ip_configurations: Option<Vec<Configuration>>,
    ip_address: Option<String>,
    dns_settings: Option<DnsSettings>,
}

#[derive(Debug, Deserialize)]
struct Sku {
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HardwareProfile {
    vm_size: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StorageProfile {
    image_reference: Option<Image>,
}

/// An image of the operator's own has an id, one of a gallery that is shared has another, and one of the marketplace
/// has four names.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    id: Option<String>,
    shared_gallery_image_id: Option<String>,
    community_gallery_image_id: Option<String>,
    publisher: Option<String>,
    offer: Option<String>,
    sku: Option<String>,
    version: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NetworkProfile {
    network_interfaces: Option<Vec<Reference>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extended {
    instance_view: Option<ExtendedView>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExtendedView {
    power_state: Option<PowerState>,
}

#[derive(Debug, Deserialize)]
struct PowerState {
    code: Option<String>,
}

/// One entry of the list of run-time states.
#[derive(Debug, Deserialize)]
pub struct RunTime {
    pub id: String,
    properties: Option<RunTimeProperties>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunTimeProperties {
    instance_view: Option<View>,
}

impl RunTime {
    pub(crate) fn into_view(self) -> Option<View> {
        self.properties.and_then(|properties| properties.instance_view)
    }
}

impl Machine {
    /// The ids of its interfaces, as the machine has them.
    pub(crate) fn interfaces(&self) -> impl Iterator<Item = &Reference> {
        let profile = self.properties.as_ref().and_then(|properties| properties.network_profile.as_ref());
        profile.and_then(|profile| profile.network_interfaces.as_ref()).into_iter().flatten()
    }

    /// The run-time state that it brings along.
    pub(crate) fn take_view(&mut self) -> Option<View> {
        let properties = self.properties.as_mut()?;
        let extended = properties.extended.take().and_then(|extended| extended.instance_view?.power_state?.code);
        properties.instance_view.take().or_else(|| extended.map(View::of_power))
    }

    /// The kind of a row of Resource Graph, in small letters.
    pub(crate) fn kind(&self) -> String {
        self.kind.as_deref().unwrap_or_default().to_ascii_lowercase()
    }

    /// The interface that a row is.
    pub(crate) fn into_interface(self) -> Interface {
        Interface::new(self.id, self.properties.and_then(|properties| properties.ip_configurations))
    }

    /// The public address that a row is.
    pub(crate) fn into_public_address(self) -> PublicAddress {
        let Properties { ip_address, dns_settings, .. } = self.properties.unwrap_or_default();
        PublicAddress::new(self.id, ip_address, dns_settings)
    }

    pub fn into_instance(self, view: Option<&View>, addresses: Addresses) -> Result<Instance, Error> {
        let Machine { id, name, location, tags, sku, properties, .. } = self;
        let properties = properties.unwrap_or_default();
        let (state, word) = state(view.and_then(View::power), properties.provisioning_state.as_deref());
        let size = properties.hardware_profile.and_then(|profile| profile.vm_size);
        let image = properties.storage_profile.and_then(|profile| profile.image_reference);
        let labels = tags.into_iter().flatten().map(|(name, value)| (name, value.unwrap_or_default())).collect();
        Ok(Instance {
            name: some(name),
            realm: some(location),
            image: image.and_then(Image::into_name),
            hardware_profile: some(size).or_else(|| some(sku.and_then(|sku| sku.name))),
            launched_at: properties.time_created.as_deref().and_then(time::parse_rfc3339),
            public_addresses: addresses.public,
            private_addresses: addresses.private,
            labels,
            ..Instance::new(id::of_instance(&id, properties.vm_id.as_deref())?, state, word)
        })
    }
}

impl Image {
    fn into_name(self) -> Option<String> {
        let own = some(self.id).or_else(|| some(self.shared_gallery_image_id));
        own.or_else(|| some(self.community_gallery_image_id)).or_else(|| {
            let names = [self.publisher, self.offer, self.sku, self.version].map(some);
            names.into_iter().collect::<Option<Vec<_>>>().map(|names| names.join(":"))
        })
    }
}

/// A text with something in it.
fn some(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
