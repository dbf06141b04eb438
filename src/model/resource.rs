//! Resources: instances and realms, in one model for all providers.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::Timestamp;
use super::word::{Text, Word};

/// The two kinds of resource, which are polled and listed separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Instance,
    Realm,
}

impl Kind {
    pub const ALL: [Kind; 2] = [Kind::Instance, Kind::Realm];

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Instance => "instance",
            Kind::Realm => "realm",
        }
    }

    /// The name of the collection in the API's paths: `instances`, `realms`.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Instance => "instances",
            Kind::Realm => "realms",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many instance ids a driver is asked for at once, at most.
pub const MOST_IDS: usize = 100;

/// A provider's id for a resource: 1 to 255 bytes, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ResourceId(Text);

impl ResourceId {
    pub const MAX_BYTES: usize = 255;

    pub fn parse(text: impl Into<Text>) -> Result<ResourceId, InvalidResourceId> {
        let text = text.into();
        ResourceId::check(&text)?;
        Ok(ResourceId(text))
    }

    /// An id for a subject without an id of the provider: the text itself, or as much of it as an id may have.
    pub fn made_of(text: &str) -> ResourceId {
        let mut id: Text = text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
        id.truncate(id.floor_char_boundary(Self::MAX_BYTES));
        if id.is_empty() {
            id.push('-');
        }
        ResourceId(id)
    }

    /// Whether a text is an id, and if not, why.
    pub fn check(text: &str) -> Result<(), InvalidResourceId> {
        if text.is_empty() {
            return Err(InvalidResourceId::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidResourceId::TooLong);
        }
        // Nearly all ids are plain ASCII, which is quick to check.
        let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !plain && text.chars().any(char::is_control) {
            return Err(InvalidResourceId::ControlCharacter);
        }
        Ok(())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0.into_string()
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidResourceId {
    #[error("an id can't be empty")]
    Empty,
    #[error("an id has at most 255 bytes")]
    TooLong,
    #[error("an id can't have control characters")]
    ControlCharacter,
}

/// The state of an instance, in the words of Deltacloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InstanceState {
    Pending,
    Running,
    Stopping,
    Stopped,
    ShuttingDown,
    Finish,
    Error,
    Unknown,
}

impl InstanceState {
    /// Whether the instance leaves this state by itself.
    pub fn is_passing(self) -> bool {
        matches!(self, InstanceState::Pending | InstanceState::Stopping | InstanceState::ShuttingDown)
    }
}

/// The state of a realm, in the words of Deltacloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RealmState {
    Available,
    Unavailable,
}

/// The state of a resource of either kind, as in changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum State {
    Instance(InstanceState),
    Realm(RealmState),
}

impl State {
    pub const ALL: [State; 10] = [
        State::Instance(InstanceState::Pending),
        State::Instance(InstanceState::Running),
        State::Instance(InstanceState::Stopping),
        State::Instance(InstanceState::Stopped),
        State::Instance(InstanceState::ShuttingDown),
        State::Instance(InstanceState::Finish),
        State::Instance(InstanceState::Error),
        State::Instance(InstanceState::Unknown),
        State::Realm(RealmState::Available),
        State::Realm(RealmState::Unavailable),
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            State::Instance(InstanceState::Pending) => "PENDING",
            State::Instance(InstanceState::Running) => "RUNNING",
            State::Instance(InstanceState::Stopping) => "STOPPING",
            State::Instance(InstanceState::Stopped) => "STOPPED",
            State::Instance(InstanceState::ShuttingDown) => "SHUTTING_DOWN",
            State::Instance(InstanceState::Finish) => "FINISH",
            State::Instance(InstanceState::Error) => "ERROR",
            State::Instance(InstanceState::Unknown) => "UNKNOWN",
            State::Realm(RealmState::Available) => "AVAILABLE",
            State::Realm(RealmState::Unavailable) => "UNAVAILABLE",
        }
    }
}

impl std::str::FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<State, UnknownState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownState)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a state: instances are PENDING RUNNING STOPPING STOPPED SHUTTING_DOWN FINISH ERROR UNKNOWN, realms AVAILABLE UNAVAILABLE"
)]
pub struct UnknownState;

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AddressKind {
    Ipv4,
    Ipv6,
    Hostname,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Address {
    pub kind: AddressKind,
    #[schema(value_type = String)]
    pub value: Text,
}

/// One instance as a driver listed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    pub id: ResourceId,
    pub name: Option<Text>,
    pub owner: Option<Word>,
    pub realm: Option<Word>,
    pub image: Option<Word>,
    pub hardware_profile: Option<Word>,
    pub state: InstanceState,
    /// The provider's own word.
    pub provider_state: Word,
    pub launched_at: Option<Timestamp>,
    pub public_addresses: Box<[Address]>,
    pub private_addresses: Box<[Address]>,
    /// Name and value, sorted by name.
    pub labels: Box<[(Text, Text)]>,
}

/// One realm as a driver listed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    pub id: ResourceId,
    pub name: Text,
    pub state: RealmState,
    pub limit: Option<u64>,
}

/// A resource of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    Instance(Instance),
    Realm(Realm),
}

impl Resource {
    pub fn kind(&self) -> Kind {
        match self {
            Resource::Instance(_) => Kind::Instance,
            Resource::Realm(_) => Kind::Realm,
        }
    }

    pub fn id(&self) -> &ResourceId {
        match self {
            Resource::Instance(instance) => &instance.id,
            Resource::Realm(realm) => &realm.id,
        }
    }

    pub fn state(&self) -> State {
        match self {
            Resource::Instance(instance) => State::Instance(instance.state),
            Resource::Realm(realm) => State::Realm(realm.state),
        }
    }

    pub fn name(&self) -> Option<&str> {
        match self {
            Resource::Instance(instance) => instance.name.as_deref(),
            Resource::Realm(realm) => Some(&realm.name),
        }
    }

    /// The realm of an instance; none for a realm.
    pub fn realm(&self) -> Option<&str> {
        match self {
            Resource::Instance(instance) => instance.realm.as_deref(),
            Resource::Realm(_) => None,
        }
    }
}
