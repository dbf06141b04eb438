//! One account as a call needs it: endpoints, routes, credentials, and the reachable addresses.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;

use super::info::SecretKind;
use super::limits::budget::Budget;
use super::requests::wire::Wire;
use crate::model::{AccountKey, Timestamp};
use crate::net::{AddressPolicy, Via};
use crate::supply::grants::EndpointSource;

/// One account as a call needs it: whom to ask, how, and what may be reached in doing so.
#[derive(Clone, Debug)]
pub struct Target {
    pub key: AccountKey,
    /// Scheme, host, port and path, without a slash at the end.
    pub endpoint: String,
    /// The endpoints of the provider's other parts, by role, with how each is reached.
    pub roles: BTreeMap<String, RoleTarget>,
    pub endpoint_source: EndpointSource,
    pub options: BTreeMap<String, String>,
    pub password: SecretString,
    /// What the password is, and when it ends where that is known.
    pub secret: SecretKind,
    pub secret_expires: Option<Timestamp>,
    /// The secret options by name.
    pub secrets: BTreeMap<String, SecretString>,
    /// Which addresses the account's endpoint may resolve to, beside public ones.
    pub addresses: AddressPolicy,
    /// How its requests go out: whom they believe, as whom they come, and by which way.
    pub via: Via,
    /// Whether something stands in the network's place, or looks on.
    pub wire: Wire,
    /// What its requests are paid out of; absent where nobody counts, as when one driver is tried by hand.
    pub budget: Option<Arc<Budget>>,
}

/// A part of a provider that has an endpoint of its own.
#[derive(Clone, Debug)]
pub struct RoleTarget {
    pub endpoint: String,
    pub addresses: AddressPolicy,
    pub via: Via,
}
