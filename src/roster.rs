//! Who may be polled: the providers and accounts that the operator configured, joined with what the
//! drivers know by name. It turns an account's key and password into the target of a call, for whoever
//! polls and whoever proves credentials, so that both reach the same and only what was allowed.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;

use crate::driver::{Catalog, Driver, EndpointSource, Target};
use crate::model::AccountKey;
use crate::net::AddressPolicy;

/// A provider of the configuration.
#[derive(Clone, Debug)]
pub struct ConfiguredProvider {
    pub driver: String,
    pub name: String,
    /// Scheme, host and port, without a slash at the end.
    pub endpoint: String,
    /// Which addresses it may resolve to, beside public ones.
    pub addresses: AddressPolicy,
    /// Options of every account there, unless the account has its own.
    pub options: BTreeMap<String, String>,
}

/// An account of the configuration.
#[derive(Clone, Debug)]
pub struct ConfiguredAccount {
    pub key: AccountKey,
    pub password: SecretString,
    pub options: BTreeMap<String, String>,
    pub secrets: BTreeMap<String, SecretString>,
}

#[derive(Debug)]
pub struct Roster {
    catalog: Arc<Catalog>,
    providers: Vec<ConfiguredProvider>,
    accounts: Vec<ConfiguredAccount>,
    /// The driver and provider of a client that names none.
    default: Option<(String, String)>,
}

/// Why an account can't be polled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOnRoster {
    #[error("there is no driver {name:?}; loaded are: {}", .known.join(", "))]
    Driver { name: String, known: Vec<String> },
    #[error("driver {driver:?} has no provider {name:?}; it has: {}", .known.join(", "))]
    Provider { driver: String, name: String, known: Vec<String> },
}

impl Roster {
    pub fn new(
        catalog: Arc<Catalog>,
        providers: Vec<ConfiguredProvider>,
        accounts: Vec<ConfiguredAccount>,
        default: Option<(String, String)>,
    ) -> Roster {
        Roster { catalog, providers, accounts, default }
    }

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub fn accounts(&self) -> &[ConfiguredAccount] {
        &self.accounts
    }

    /// Driver and provider for a client that names none.
    pub fn default_provider(&self) -> Option<(&str, &str)> {
        self.default.as_ref().map(|(driver, provider)| (driver.as_str(), provider.as_str()))
    }

    /// The names of a driver's providers: the configured ones, then those that the driver knows.
    pub fn providers_of(&self, driver: &Driver) -> Vec<String> {
        let mut names: Vec<String> = self
            .providers
            .iter()
            .filter(|provider| provider.driver == driver.info().name)
            .map(|provider| provider.name.clone())
            .collect();
        for known in &driver.info().providers {
            if !names.contains(&known.name) {
                names.push(known.name.clone());
            }
        }
        names
    }

    /// The driver to call and what to call it with.
    pub fn target(&self, key: &AccountKey, password: SecretString) -> Result<(Arc<Driver>, Target), NotOnRoster> {
        let driver = self.catalog.driver(&key.driver).ok_or_else(|| NotOnRoster::Driver {
            name: key.driver.clone(),
            known: self.catalog.drivers().map(|driver| driver.info().name.clone()).collect(),
        })?;
        let configured =
            self.providers.iter().find(|provider| provider.driver == key.driver && provider.name == key.provider);
        let (endpoint, endpoint_source, addresses, mut options) = match configured {
            Some(provider) => (
                provider.endpoint.clone(),
                EndpointSource::Operator,
                provider.addresses.clone(),
                provider.options.clone(),
            ),
            None => {
                let known = driver.info().providers.iter().find(|known| known.name == key.provider);
                let known = known.ok_or_else(|| NotOnRoster::Provider {
                    driver: key.driver.clone(),
                    name: key.provider.clone(),
                    known: self.providers_of(driver),
                })?;
                (known.endpoint.clone(), EndpointSource::Driver, AddressPolicy::default(), BTreeMap::new())
            }
        };
        let mut secrets = BTreeMap::new();
        if let Some(account) = self.accounts.iter().find(|account| account.key == *key) {
            options.extend(account.options.clone());
            secrets.clone_from(&account.secrets);
        }
        let target = Target { key: key.clone(), endpoint, endpoint_source, options, password, secrets, addresses };
        Ok((Arc::clone(driver), target))
    }
}
