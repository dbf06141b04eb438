//! The accounts that can be polled: the configured providers and accounts, combined with the providers that the drivers
//! know. From an account's key and password it makes the target of a call, both for polls and for proofs of
//! credentials. So both reach the same endpoints, and only the allowed ones.

mod endpoints;
mod shares;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use secrecy::SecretString;

use crate::driver::{
    Allowance, Budget, Budgets, Catalog, Driver, DriverInfo, OptionInfo, RoleTarget, SecretKind, Target, Wire,
};
use crate::model::{AccountKey, Timestamp};
use crate::net::{AddressPolicy, ProxyChoice, Via};
use crate::supply::EndpointSource;

pub use endpoints::{EndpointView, Endpoints, Found};
pub use shares::{CallShares, InFlight, Others, ShareLimits};

/// A provider of the configuration.
#[derive(Clone, Debug)]
pub struct ConfiguredProvider {
    pub driver: String,
    pub name: String,
    /// Scheme, host, port and path, without a slash at the end.
    pub endpoint: String,
    /// Those of its other parts, by role.
    pub roles: BTreeMap<String, RoleTarget>,
    /// Which addresses it may resolve to, beside public ones.
    pub addresses: AddressPolicy,
    /// Options of every account there, unless the account has its own.
    pub options: BTreeMap<String, String>,
    /// How the requests of every account there go out, where the account has nothing of its own.
    pub via: Via,
    /// How many of them in a minute for each account, where the account has no number of its own.
    pub requests_per_minute: Option<NonZeroU32>,
}

/// An account of the configuration.
#[derive(Clone, Debug)]
pub struct ConfiguredAccount {
    pub key: AccountKey,
    pub password: SecretString,
    /// What the password is, and when it ends.
    pub secret: SecretKind,
    pub secret_expires: Option<Timestamp>,
    pub options: BTreeMap<String, String>,
    pub secrets: BTreeMap<String, SecretString>,
    /// How its requests go out, over what its provider says.
    pub via: Via,
    /// How many of them in a minute, over what its provider says.
    pub requests_per_minute: Option<NonZeroU32>,
}

#[derive(Debug)]
pub struct Roster {
    /// Replaced as a whole when drivers are loaded anew. Whoever polls takes it once for each poll.
    catalog: RwLock<Arc<Catalog>>,
    providers: Vec<ConfiguredProvider>,
    accounts: Vec<ConfiguredAccount>,
    /// The driver and provider of a client that names none.
    default: Option<(String, String)>,
    counting: Option<Counting>,
}

/// How requests are counted.
#[derive(Debug)]
struct Counting {
    budgets: Budgets,
    /// For accounts of which neither the account nor the provider says anything.
    per_minute: Option<NonZeroU32>,
}

/// Why an account can't be polled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOnRoster {
    #[error("driver {name:?} is not loaded; loaded drivers: {}", listed(.known))]
    Driver { name: String, known: Vec<String> },
    #[error("driver {driver:?} has no provider {name:?}; it has: {}", listed(.known))]
    Provider { driver: String, name: String, known: Vec<String> },
    #[error("its options do not match its driver: {0}")]
    Options(Misfit),
    #[error("the endpoints of its provider do not match its driver: {0}")]
    Roles(RoleMisfit),
    #[error("its secret does not match its driver: {0}")]
    Secret(SecretMisfit),
}

/// An endpoint that a driver has no use for, or one that it can't do without.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleMisfit {
    #[error("the provider has an endpoint for {name:?}, which is not a role of the driver; its roles: {}", listed(.known))]
    Unknown { name: String, known: Vec<String> },
    #[error("the endpoint of {name:?} is required and not set ({help}); set it as endpoints.{name} of the provider")]
    Missing { name: String, help: String },
}

/// A kind of secret that a driver does not take, or an end of one that has none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretMisfit {
    #[error("its password_kind is {given}; the driver takes: {}", listed(.taken))]
    Kind { given: SecretKind, taken: Vec<String> },
    #[error(
        "its password_expires is set, but a {given} does not expire: remove it, or set password_kind to access-token"
    )]
    Expires { given: SecretKind },
}

/// What is wrong with an account's options. An option that nothing reads would be missed where it counts: a
/// session token under a wrong name looks like a wrong password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    #[error("it has no option {name:?}; it has: {}", listed(.known))]
    Unknown { name: String, known: Vec<String> },
    #[error("{0:?} is secret: set accounts.secrets.{0}, from a file or the environment")]
    Secret(String),
    #[error("{0:?} is not secret: set it in the options")]
    Plain(String),
    #[error("it needs the option {name:?}: {help}")]
    Missing { name: String, help: String },
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

impl Roster {
    pub fn new(
        catalog: Arc<Catalog>,
        providers: Vec<ConfiguredProvider>,
        accounts: Vec<ConfiguredAccount>,
        default: Option<(String, String)>,
    ) -> Roster {
        Roster { catalog: RwLock::new(catalog), providers, accounts, default, counting: None }
    }

    /// The same, with each account's requests counted. `per_minute` is for those of which nothing else is said; without
    /// it, the driver's word holds.
    pub fn counting(self, budgets: Budgets, per_minute: Option<NonZeroU32>) -> Roster {
        Roster { counting: Some(Counting { budgets, per_minute }), ..self }
    }

    /// What the account's requests are paid out of, where they are counted and the driver is there.
    pub fn budget(&self, key: &AccountKey) -> Option<Arc<Budget>> {
        let Counting { budgets, per_minute } = self.counting.as_ref()?;
        let account = self.accounts.iter().find(|account| account.key == *key);
        let provider = self.provider(key);
        let operator = account.and_then(|account| account.requests_per_minute);
        let operator = operator.or_else(|| provider.and_then(|provider| provider.requests_per_minute)).or(*per_minute);
        // By the driver that is in charge, whoever asks: a shadow spends what is its account's.
        let driver = self.catalog().driver(&key.driver)?.info().requests_per_minute;
        Some(budgets.of(key, Allowance::of(operator, driver)))
    }

    fn provider(&self, key: &AccountKey) -> Option<&ConfiguredProvider> {
        self.providers.iter().find(|provider| provider.driver == key.driver && provider.name == key.provider)
    }

    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other drivers in the place of those that there are, for every poll that begins from now on.
    pub fn replace_catalog(&self, catalog: Arc<Catalog>) {
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = catalog;
    }

    pub fn accounts(&self) -> &[ConfiguredAccount] {
        &self.accounts
    }

    /// Driver and provider for a client that names none.
    pub fn default_provider(&self) -> Option<(&str, &str)> {
        self.default.as_ref().map(|(driver, provider)| (driver.as_str(), provider.as_str()))
    }

    /// The endpoint that the accounts of a provider are called at, under a name that no other has. Accounts of a provider
    /// that is not known have one to themselves.
    pub fn endpoint(&self, driver: &str, provider: &str) -> Arc<str> {
        let configured = self.providers.iter().find(|known| known.driver == driver && known.name == provider);
        if let Some(configured) = configured {
            return endpoint_name(driver, &configured.endpoint, configured.via.socket.as_deref());
        }
        let catalog = self.catalog();
        let known = catalog
            .driver(driver)
            .and_then(|driver| driver.info().providers.iter().find(|known| known.name == provider));
        match known {
            Some(known) => endpoint_name(driver, &known.endpoint, None),
            None => format!("{driver} {provider}").into(),
        }
    }

    /// Every driver and provider that accounts may have.
    pub fn all_providers(&self) -> Vec<(String, String)> {
        let catalog = self.catalog();
        let mut all: Vec<(String, String)> =
            self.providers.iter().map(|known| (known.driver.clone(), known.name.clone())).collect();
        for driver in catalog.drivers() {
            let name = &driver.info().name;
            all.extend(driver.info().providers.iter().map(|known| (name.clone(), known.name.clone())));
        }
        all.sort();
        all.dedup();
        all
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

    /// Whether the operator configured a driver's provider of this name, be it one that the driver knows or not.
    pub fn is_configured(&self, driver: &Driver, name: &str) -> bool {
        self.providers.iter().any(|provider| provider.driver == driver.info().name && provider.name == name)
    }

    /// The driver to call and what to call it with.
    pub fn target(&self, key: &AccountKey, password: SecretString) -> Result<(Arc<Driver>, Target), NotOnRoster> {
        let catalog = self.catalog();
        let driver = catalog.driver(&key.driver).ok_or_else(|| NotOnRoster::Driver {
            name: key.driver.clone(),
            known: catalog.drivers().map(|driver| driver.info().name.clone()).collect(),
        })?;
        Ok((Arc::clone(driver), self.target_of(driver, key, password)?))
    }

    /// Whether an account's requests go by a proxy or socket that the configuration names for it alone. What becomes of
    /// them says nothing of the provider's endpoint to other accounts.
    pub fn goes_its_own_way(&self, key: &AccountKey) -> bool {
        let account = self.accounts.iter().find(|account| account.key == *key);
        account.is_some_and(|account| account.via.socket.is_some() || account.via.proxy != ProxyChoice::Host)
    }

    /// What to call this very driver with, which need not be the one that the catalog has by that name.
    pub fn target_of(&self, driver: &Driver, key: &AccountKey, password: SecretString) -> Result<Target, NotOnRoster> {
        let (endpoint, mut roles, endpoint_source, addresses, mut via, mut options) = match self.provider(key) {
            Some(provider) => (
                provider.endpoint.clone(),
                provider.roles.clone(),
                EndpointSource::Operator,
                provider.addresses.clone(),
                provider.via.clone(),
                provider.options.clone(),
            ),
            None => {
                let known = driver.info().providers.iter().find(|known| known.name == key.provider);
                let known = known.ok_or_else(|| NotOnRoster::Provider {
                    driver: key.driver.clone(),
                    name: key.provider.clone(),
                    known: self.providers_of(driver),
                })?;
                let role = |(role, endpoint): (&String, &String)| {
                    let (endpoint, addresses) = (endpoint.clone(), AddressPolicy::default());
                    (role.clone(), RoleTarget { endpoint, addresses, via: Via::default() })
                };
                (
                    known.endpoint.clone(),
                    known.endpoints.iter().map(role).collect(),
                    EndpointSource::Driver,
                    AddressPolicy::default(),
                    Via::default(),
                    BTreeMap::new(),
                )
            }
        };
        let mut secrets = BTreeMap::new();
        let (mut secret, mut secret_expires) = (SecretKind::Password, None);
        if let Some(account) = self.accounts.iter().find(|account| account.key == *key) {
            options.extend(account.options.clone());
            secrets.clone_from(&account.secrets);
            via = account.via.over(&via);
            for role in roles.values_mut() {
                role.via = account.via.over(&role.via);
            }
            (secret, secret_expires) = (account.secret, account.secret_expires);
        }
        fit_roles(driver.info(), &roles).map_err(NotOnRoster::Roles)?;
        fit_secret(driver.info(), secret, secret_expires).map_err(NotOnRoster::Secret)?;
        fit(&driver.info().options, &options, &secrets).map_err(NotOnRoster::Options)?;
        Ok(Target {
            key: key.clone(),
            endpoint,
            roles,
            endpoint_source,
            options,
            password,
            secret,
            secret_expires,
            secrets,
            addresses,
            via,
            wire: Wire::default(),
            budget: self.budget(key),
        })
    }
}

fn endpoint_name(driver: &str, endpoint: &str, socket: Option<&Path>) -> Arc<str> {
    match socket {
        Some(socket) => format!("{driver} unix:{}", socket.display()).into(),
        None => format!("{driver} {endpoint}").into(),
    }
}

/// Holds a provider's endpoints against the roles that the driver has.
fn fit_roles(driver: &DriverInfo, roles: &BTreeMap<String, RoleTarget>) -> Result<(), RoleMisfit> {
    if let Some(name) = roles.keys().find(|name| !driver.roles.iter().any(|role| role.name == **name)) {
        let known = driver.roles.iter().map(|role| role.name.clone()).collect();
        return Err(RoleMisfit::Unknown { name: name.clone(), known });
    }
    match driver.roles.iter().find(|role| role.required && !roles.contains_key(&role.name)) {
        Some(role) => Err(RoleMisfit::Missing { name: role.name.clone(), help: role.help.clone() }),
        None => Ok(()),
    }
}

/// Holds the kind of an account's secret against those that the driver takes, and its end against the kind.
fn fit_secret(driver: &DriverInfo, given: SecretKind, expires: Option<Timestamp>) -> Result<(), SecretMisfit> {
    let taken = driver.secret_kinds();
    if !taken.contains(&given) {
        return Err(SecretMisfit::Kind { given, taken: taken.iter().map(SecretKind::to_string).collect() });
    }
    match expires {
        Some(_) if !given.may_end() => Err(SecretMisfit::Expires { given }),
        _ => Ok(()),
    }
}

/// Holds an account's options against those that its driver takes.
fn fit(
    taken: &[OptionInfo],
    options: &BTreeMap<String, String>,
    secrets: &BTreeMap<String, SecretString>,
) -> Result<(), Misfit> {
    let find = |name: &String| {
        taken.iter().find(|option| option.name == *name).ok_or_else(|| Misfit::Unknown {
            name: name.clone(),
            known: taken.iter().map(|option| option.name.clone()).collect(),
        })
    };
    for name in options.keys() {
        if find(name)?.secret {
            return Err(Misfit::Secret(name.clone()));
        }
    }
    for name in secrets.keys() {
        if !find(name)?.secret {
            return Err(Misfit::Plain(name.clone()));
        }
    }
    let is_set = |name: &String| options.contains_key(name) || secrets.contains_key(name);
    match taken.iter().find(|option| option.required && !is_set(&option.name)) {
        Some(missing) => Err(Misfit::Missing { name: missing.name.clone(), help: missing.help.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_that_the_driver_takes() {
        let option = |name: &str, required: bool, secret: bool| OptionInfo {
            name: name.into(),
            help: "What it is.".into(),
            required,
            secret,
        };
        let taken = [option("project", true, false), option("region", false, false), option("token", false, true)];
        let check = |options: &[&str], secrets: &[&str], want: Result<(), &str>| {
            let options = options.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
            let secrets = secrets.iter().map(|name| ((*name).to_owned(), "x".into())).collect();
            let got = fit(&taken, &options, &secrets).map_err(|misfit| misfit.to_string());
            assert_eq!(got, want.map_err(str::to_owned), "{options:?}");
        };
        check(&["project"], &[], Ok(()));
        check(&["project", "region"], &["token"], Ok(()));
        check(&["project", "zone"], &[], Err("it has no option \"zone\"; it has: project, region, token"));
        check(&["project"], &["tokn"], Err("it has no option \"tokn\"; it has: project, region, token"));
        let where_it_goes = "\"token\" is secret: set accounts.secrets.token, from a file or the environment";
        check(&["project", "token"], &[], Err(where_it_goes));
        check(&["project"], &["region"], Err("\"region\" is not secret: set it in the options"));
        check(&["region"], &[], Err("it needs the option \"project\": What it is."));
    }

    #[test]
    fn a_secret_is_of_a_kind_that_the_driver_takes_and_ends_if_that_kind_does() {
        let check = |taken: &[SecretKind], given: SecretKind, ends: bool, want: Result<(), &str>| {
            let driver = DriverInfo { secrets: taken.to_vec(), ..DriverInfo::default() };
            let expires = ends.then(|| Timestamp::from_millis(0));
            let got = fit_secret(&driver, given, expires).map_err(|misfit| misfit.to_string());
            assert_eq!(got, want.map_err(str::to_owned), "{given}");
        };
        let both = [SecretKind::Password, SecretKind::AccessToken];
        check(&[], SecretKind::Password, false, Ok(()));
        check(&both, SecretKind::AccessToken, false, Ok(()));
        check(&both, SecretKind::AccessToken, true, Ok(()));
        let not_taken = "its password_kind is private-key; the driver takes: password, access-token";
        check(&both, SecretKind::PrivateKey, false, Err(not_taken));
        let endless = "its password_expires is set, but a password does not expire: remove it, or set password_kind to \
                       access-token";
        check(&both, SecretKind::Password, true, Err(endless));
    }
}
