//! One server of Nova's, and the instance that it is.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use tracker_driver_sdk::{Address, AddressKind, Instance, time};

use crate::settings::Settings;
use crate::state::state;

#[derive(Deserialize)]
pub(crate) struct Server {
    #[serde(deserialize_with = "id")]
    id: String,
    name: Option<String>,
    status: String,
    tenant_id: Option<String>,
    image: Option<Image>,
    flavor: Option<Flavor>,
    /// By the name of the network.
    addresses: Option<BTreeMap<String, Option<Vec<Ip>>>>,
    metadata: Option<BTreeMap<String, Option<String>>>,
    /// From microversion 2.26 on.
    tags: Option<Vec<String>>,
    #[serde(rename = "OS-EXT-AZ:availability_zone")]
    zone: Option<String>,
    #[serde(rename = "OS-SRV-USG:launched_at")]
    launched_at: Option<String>,
    #[serde(rename = "OS-EXT-STS:power_state")]
    power_state: Option<i64>,
}

/// The image's id. A server that was started from a volume has the empty text in its place.
struct Image(Option<String>);

#[derive(Deserialize)]
struct Flavor {
    /// Its name, from microversion 2.47 on. It is that of when the server was made.
    original_name: Option<String>,
    /// Up to microversion 2.46.
    id: Option<String>,
}

#[derive(Deserialize)]
struct Ip {
    addr: Option<String>,
    #[serde(rename = "OS-EXT-IPS:type")]
    kind: Option<String>,
}

impl Server {
    /// Whether it is one of a cell that Nova does not reach: then little more than its id is known.
    pub(crate) fn is_unreached(&self) -> bool {
        self.status == "UNKNOWN" && self.addresses.is_none()
    }

    pub(crate) fn into_instance(self, settings: &Settings<'_>) -> Instance {
        // What Nova says of a server's zone where it knows none.
        let unknown = if self.is_unreached() { "UNKNOWN" } else { "" };
        let (mut public_addresses, mut private_addresses) = (Vec::new(), Vec::new());
        for (network, ips) in self.addresses.into_iter().flatten() {
            let is_public = settings.public_networks.contains(&network.as_str());
            for ip in ips.into_iter().flatten() {
                let Some(address) = ip.addr.as_deref().and_then(Address::read) else { continue };
                let addresses = match (ip.kind.as_deref(), network.as_str()) {
                    (Some("floating"), _) => &mut public_addresses,
                    (Some("fixed"), _) if is_public => &mut public_addresses,
                    (Some("fixed"), _) => &mut private_addresses,
                    // In version 1.1 of the API addresses had no type, and the networks these two names.
                    (None, "public") => &mut public_addresses,
                    (None, "private") => &mut private_addresses,
                    // Nothing says who reaches it.
                    _ => continue,
                };
                // Networks may have the same addresses.
                if address.kind != AddressKind::Hostname && !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        // Of networks that have the same addresses, one may be public.
        private_addresses.retain(|address| !public_addresses.contains(address));
        let metadata = self.metadata.into_iter().flatten().map(|(name, value)| (name, value.unwrap_or_default()));
        let mut labels: BTreeMap<String, String> = metadata.collect();
        for tag in self.tags.into_iter().flatten() {
            labels.entry(tag).or_default();
        }
        let state = state(&self.status, self.power_state);
        Instance {
            name: self.name,
            owner: said(self.tenant_id),
            realm: said(self.zone).filter(|zone| zone != unknown),
            image: self.image.and_then(|image| said(image.0)),
            hardware_profile: self.flavor.and_then(|flavor| said(flavor.original_name).or_else(|| said(flavor.id))),
            launched_at: self.launched_at.as_deref().and_then(moment),
            public_addresses,
            private_addresses,
            labels: labels.into_iter().collect(),
            ..Instance::new(self.id, state, self.status)
        }
    }
}

/// Nova says of what a server does not have that it is the empty text.
fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// Nova writes this time without its zone, which is UTC: `2026-11-20T10:00:00.000000`.
fn moment(text: &str) -> Option<i64> {
    time::parse_rfc3339(text).or_else(|| time::parse_rfc3339(&format!("{text}Z")))
}

/// An id. It was a number in version 1.1 of the API.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer.deserialize_any(IdVisitor)
}

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
        if text.is_empty() { Err(E::custom("an id is the empty text")) } else { Ok(text.to_owned()) }
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

impl<'de> Deserialize<'de> for Image {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ImageVisitor)
    }
}

struct ImageVisitor;

impl<'de> Visitor<'de> for ImageVisitor {
    type Value = Image;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an image, or the empty text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Image, E> {
        if text.is_empty() { Ok(Image(None)) } else { Err(E::custom("an image is no text but the empty one")) }
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Image, M::Error> {
        let mut id = None;
        while let Some(name) = members.next_key::<String>()? {
            if name != "id" {
                members.next_value::<IgnoredAny>()?;
            } else if id.is_none() {
                id = Some(members.next_value::<Option<String>>()?);
            } else {
                return Err(M::Error::duplicate_field("id"));
            }
        }
        Ok(Image(id.flatten()))
    }
}
