//! One expected resource, with every field. A field that is absent is expected to be absent.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::word::Word;
use crate::model::{Address, AddressKind, Resource, State, Text, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    #[serde(serialize_with = "write_state", deserialize_with = "read_state")]
    pub state: State,
    /// Of a realm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_state: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware_profile: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launched_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_addresses: Vec<ExpectedAddress>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub private_addresses: Vec<ExpectedAddress>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Text, Text>,
}

/// `{"ipv4": "192.0.2.1"}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum ExpectedAddress {
    Ipv4(Text),
    Ipv6(Text),
    Hostname(Text),
}

impl Row {
    pub fn of(resource: &Resource) -> Row {
        let mut row = Row {
            id: resource.id().to_string(),
            name: resource.name().map(Text::from),
            state: resource.state(),
            limit: None,
            provider_state: None,
            owner: None,
            realm: None,
            image: None,
            hardware_profile: None,
            launched_at: None,
            public_addresses: Vec::new(),
            private_addresses: Vec::new(),
            labels: BTreeMap::new(),
        };
        match resource {
            Resource::Realm(realm) => row.limit = realm.limit,
            Resource::Instance(instance) => {
                let text = |word: &Word| Text::from(word.as_str());
                row.provider_state = Some(text(&instance.provider_state));
                row.owner = instance.owner.as_ref().map(text);
                row.realm = instance.realm.as_ref().map(text);
                row.image = instance.image.as_ref().map(text);
                row.hardware_profile = instance.hardware_profile.as_ref().map(text);
                row.launched_at = instance.launched_at;
                row.public_addresses = addresses(&instance.public_addresses);
                row.private_addresses = addresses(&instance.private_addresses);
                row.labels = instance.labels.iter().cloned().collect();
            }
        }
        row
    }

    /// In what the resource with this id is another one, if it is.
    pub(crate) fn difference(&self, listed: &[Resource]) -> Option<String> {
        let Some(resource) = listed.iter().find(|resource| resource.id().as_str() == self.id) else {
            return Some(format!("{} was expected, and is not listed", self.id));
        };
        let came = Row::of(resource);
        let mut wanted = self.clone();
        wanted.public_addresses.sort();
        wanted.private_addresses.sort();
        if wanted == came {
            return None;
        }
        let json = |row: &Row| serde_json::to_value(row).unwrap_or_default();
        let (expected, now) = (json(&wanted), json(&came));
        let empty = serde_json::Map::new();
        let (expected, now) = (expected.as_object().unwrap_or(&empty), now.as_object().unwrap_or(&empty));
        let names: std::collections::BTreeSet<&String> = expected.keys().chain(now.keys()).collect();
        let other = names.into_iter().filter(|name| expected.get(*name) != now.get(*name));
        let shown = |value: Option<&serde_json::Value>| value.map_or("nothing".into(), ToString::to_string);
        let fields = other.map(|name| {
            format!("{name} was expected to be {}, and is {}", shown(expected.get(name)), shown(now.get(name)))
        });
        Some(format!("{}: {}", self.id, fields.collect::<Vec<_>>().join("; ")))
    }
}

/// Addresses of one kind have no order that says anything.
fn addresses(addresses: &[Address]) -> Vec<ExpectedAddress> {
    let mut expected: Vec<_> = addresses.iter().map(ExpectedAddress::of).collect();
    expected.sort();
    expected
}

impl ExpectedAddress {
    fn of(address: &Address) -> ExpectedAddress {
        let value = address.value.clone();
        match address.kind {
            AddressKind::Ipv4 => ExpectedAddress::Ipv4(value),
            AddressKind::Ipv6 => ExpectedAddress::Ipv6(value),
            AddressKind::Hostname => ExpectedAddress::Hostname(value),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).unwrap_or_default())
    }
}

fn write_state<S: Serializer>(state: &State, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.as_str())
}

fn read_state<'de, D: Deserializer<'de>>(deserializer: D) -> Result<State, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|error| serde::de::Error::custom(format!("{text:?} is {error}")))
}
