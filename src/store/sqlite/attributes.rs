//! The attributes of a resource that are only shown, never searched. One column holds them as JSON with short names, in
//! the store's own format, so that the model and the API may change without a migration.

use serde::{Deserialize, Serialize};

use super::super::Result;
use super::fault::Fault;
use crate::model::{
    Address, AddressKind, Instance, InstanceState, Realm, RealmState, Resource, ResourceId, State, Timestamp,
};

/// What stands in columns of its own.
pub(super) struct Columns {
    pub(super) id: ResourceId,
    pub(super) state: State,
    pub(super) name: Option<String>,
    pub(super) realm: Option<String>,
}

pub(super) fn write(resource: &Resource) -> Result<String> {
    let text = match resource {
        Resource::Instance(instance) => serde_json::to_string(&StoredInstance {
            owner: instance.owner.as_deref().map(Into::into),
            image: instance.image.as_deref().map(Into::into),
            hardware_profile: instance.hardware_profile.as_deref().map(Into::into),
            provider_state: instance.provider_state.as_str().into(),
            launched_at: instance.launched_at.map(Timestamp::as_millis),
            public: instance.public_addresses.iter().map(stored_address).collect(),
            private: instance.private_addresses.iter().map(stored_address).collect(),
            labels: instance.labels.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect(),
        }),
        Resource::Realm(realm) => serde_json::to_string(&StoredRealm { limit: realm.limit }),
    };
    Ok(text.map_err(Fault::Attributes)?)
}

/// The whole resource again. The kind is that of the state.
pub(super) fn read(columns: Columns, text: &str) -> serde_json::Result<Resource> {
    match columns.state {
        State::Instance(state) => read_instance(columns, state, text).map(Resource::Instance),
        State::Realm(state) => read_realm(columns, state, text).map(Resource::Realm),
    }
}

/// Of an instance's attributes only the provider's own word for its state.
pub(super) fn provider_state(text: &str) -> serde_json::Result<String> {
    let stored: StoredInstance<'_> = serde_json::from_str(text)?;
    Ok(stored.provider_state.into_owned())
}

fn read_instance(columns: Columns, state: InstanceState, text: &str) -> serde_json::Result<Instance> {
    let stored: StoredInstance<'_> = serde_json::from_str(text)?;
    Ok(Instance {
        id: columns.id,
        name: columns.name.map(Into::into),
        owner: stored.owner.map(Into::into),
        realm: columns.realm.map(Into::into),
        image: stored.image.map(Into::into),
        hardware_profile: stored.hardware_profile.map(Into::into),
        state,
        provider_state: stored.provider_state.into(),
        launched_at: stored.launched_at.map(Timestamp::from_millis),
        public_addresses: stored.public.into_iter().map(address).collect(),
        private_addresses: stored.private.into_iter().map(address).collect(),
        labels: stored.labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
    })
}

fn read_realm(columns: Columns, state: RealmState, text: &str) -> serde_json::Result<Realm> {
    let stored: StoredRealm = serde_json::from_str(text)?;
    Ok(Realm { id: columns.id, name: columns.name.unwrap_or_default().into(), state, limit: stored.limit })
}

type Text<'a> = std::borrow::Cow<'a, str>;

/// Absent members take no room, and one that a later version adds is passed over by this one.
#[derive(Serialize, Deserialize)]
struct StoredInstance<'a> {
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none", borrow)]
    owner: Option<Text<'a>>,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none", borrow)]
    image: Option<Text<'a>>,
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none", borrow)]
    hardware_profile: Option<Text<'a>>,
    #[serde(rename = "s", borrow)]
    provider_state: Text<'a>,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    launched_at: Option<i64>,
    #[serde(rename = "u", default, skip_serializing_if = "Vec::is_empty")]
    public: Vec<(StoredAddressKind, Text<'a>)>,
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    private: Vec<(StoredAddressKind, Text<'a>)>,
    #[serde(rename = "l", default, skip_serializing_if = "Vec::is_empty")]
    labels: Vec<(Text<'a>, Text<'a>)>,
}

#[derive(Serialize, Deserialize)]
struct StoredRealm {
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
}

#[derive(Serialize, Deserialize)]
enum StoredAddressKind {
    #[serde(rename = "4")]
    Ipv4,
    #[serde(rename = "6")]
    Ipv6,
    #[serde(rename = "h")]
    Hostname,
}

fn stored_address(address: &Address) -> (StoredAddressKind, Text<'_>) {
    let kind = match address.kind {
        AddressKind::Ipv4 => StoredAddressKind::Ipv4,
        AddressKind::Ipv6 => StoredAddressKind::Ipv6,
        AddressKind::Hostname => StoredAddressKind::Hostname,
    };
    (kind, address.value.as_str().into())
}

fn address((kind, value): (StoredAddressKind, Text<'_>)) -> Address {
    let kind = match kind {
        StoredAddressKind::Ipv4 => AddressKind::Ipv4,
        StoredAddressKind::Ipv6 => AddressKind::Ipv6,
        StoredAddressKind::Hostname => AddressKind::Hostname,
    };
    Address { kind, value: value.into() }
}
