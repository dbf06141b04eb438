//! The structure of the configuration file. A key that is left out stays `None`: each module has its own defaults, and
//! a section overrides them. Unknown keys are refused everywhere.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::bounds::PerMinute;
use super::network::{Network, Place};
use super::sections::{
    ApiSection, DeliverySection, DriversSection, JournalSection, LogSection, NetworkSection, OperatorSection,
    PollingSection, StoreSection,
};
use super::values::{Endpoint, FilePath, Listen, OptionValue, PublicUrl, Range};
use crate::driver::SecretKind;
use crate::model::Timestamp;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) listen: Option<Listen>,
    pub(super) public_url: Option<PublicUrl>,
    pub(super) data_dir: Option<FilePath>,
    pub(super) key_file: Option<FilePath>,
    pub(super) control_socket: Option<FilePath>,
    pub(super) default_driver: Option<Spanned<String>>,
    pub(super) default_provider: Option<Spanned<String>>,
    pub(super) drivers: DriversSection,
    pub(super) polling: PollingSection,
    pub(super) delivery: DeliverySection,
    pub(super) api: ApiSection,
    pub(super) operator: OperatorSection,
    pub(super) journal: JournalSection,
    pub(super) store: StoreSection,
    pub(super) network: NetworkSection,
    pub(super) log: LogSection,
    pub(super) providers: Vec<Spanned<Provider>>,
    pub(super) accounts: Vec<Spanned<Account>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Provider {
    pub(super) driver: String,
    pub(super) name: String,
    pub(super) endpoint: Place,
    pub(super) endpoints: Option<BTreeMap<String, Role>>,
    pub(super) allow_addresses: Option<Vec<Range>>,
    pub(super) options: Option<BTreeMap<String, OptionValue>>,
    pub(super) network: Option<Network>,
    pub(super) requests_per_minute: Option<PerMinute>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Account {
    pub(super) driver: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) user: String,
    pub(super) password_file: Option<FilePath>,
    pub(super) password_env: Option<String>,
    pub(super) password_kind: Option<SecretKind>,
    pub(super) password_expires: Option<Timestamp>,
    pub(super) options: Option<BTreeMap<String, OptionValue>>,
    pub(super) secrets: Option<BTreeMap<String, Secret>>,
    pub(super) network: Option<Network>,
    pub(super) requests_per_minute: Option<PerMinute>,
}

/// A part of a provider that has an endpoint of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Role {
    pub(super) endpoint: Endpoint,
    pub(super) allow_addresses: Option<Vec<Range>>,
    pub(super) network: Option<Network>,
}

/// Where a secret option comes from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Secret {
    pub(super) file: Option<FilePath>,
    pub(super) env: Option<String>,
}
