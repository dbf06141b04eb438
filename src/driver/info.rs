//! The description of a driver, and its grants. Plain data.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// What a driver says of itself, and what it was granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DriverInfo {
    pub name: String,
    pub title: String,
    pub version: String,
    /// SHA-256 of the file, in hexadecimal.
    pub digest: String,
    pub providers: Vec<KnownProvider>,
    /// The endpoint patterns that it asks for.
    pub asks_for: Vec<String>,
    /// Those that the operator granted.
    pub endpoints: Vec<String>,
    pub options: Vec<OptionInfo>,
    /// The parts of a provider that have an endpoint of their own.
    pub roles: Vec<RoleInfo>,
    /// What the secret of an account may be; a password where nothing is said.
    pub secrets: Vec<SecretKind>,
    /// Whether it lists single instances by their ids.
    pub by_id: bool,
    /// Whether it answers `changed-since` with a delta.
    pub delta: bool,
    /// How many requests a minute it suggests for an account.
    pub requests_per_minute: Option<NonZeroU32>,
    /// The keys of the host's policy that signed it, by name.
    pub signed_by: Vec<String>,
}

impl DriverInfo {
    /// What the secret of an account may be.
    pub fn secret_kinds(&self) -> &[SecretKind] {
        if self.secrets.is_empty() { &[SecretKind::Password] } else { &self.secrets }
    }
}

/// A provider that a driver knows by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownProvider {
    pub name: String,
    /// Scheme, host, port and path; empty where the driver makes no requests.
    pub endpoint: String,
    /// Those of its other parts, by role.
    pub endpoints: BTreeMap<String, String>,
}

/// A part of a provider that has an endpoint of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleInfo {
    pub name: String,
    pub help: String,
    pub required: bool,
}

/// What the secret of an account is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretKind {
    #[default]
    Password,
    /// In PEM.
    PrivateKey,
    /// Which somebody else got, and which may end.
    AccessToken,
}

impl SecretKind {
    /// Whether one ends at a time that may be known.
    pub fn may_end(self) -> bool {
        self == SecretKind::AccessToken
    }
}

impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SecretKind::Password => "password",
            SecretKind::PrivateKey => "private-key",
            SecretKind::AccessToken => "access-token",
        })
    }
}

/// What an account of the driver may be given beside user and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionInfo {
    pub name: String,
    pub help: String,
    pub required: bool,
    pub secret: bool,
}
