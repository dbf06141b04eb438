//! The configuration: read once from a TOML file, and checked as a whole. The result has only valid values, and its
//! secrets do not appear in `Debug`. A key that is left out has the default of its module.

mod bounds;
mod error;
mod example;
mod file;
mod log;
mod network;
mod orders;
mod secret;
mod sections;
mod signatures;
mod values;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

pub use error::{ConfigError, Problem, Wrong};
pub use example::EXAMPLE;
pub use log::{LogFilter, LogFormat, LogSettings};
pub use network::NetworkFault;
pub use secret::{Environment, Found, KEY_VARIABLE, SecretError, SecretSource};

use crate::driver::{self, Limits, RoleTarget};
use crate::model::AccountKey;
use crate::net::{AddressPolicy, ClientSettings, Via};
use crate::roster::{ConfiguredAccount, ConfiguredProvider};
use crate::store::sqlite;
use crate::supply::signature::Policy;
use crate::supply::{self, source};
use crate::{api, deliver, poll, retention};
use error::Source;
use file::{Account, File, Provider, Role};
use network::Network;
use values::{FilePath, OptionValue, Range};

const DATA_DIR: &str = "./tracker-data";
const DRIVERS_DIRECTORY: &str = "./tracker-drivers";
const DRIVERS_LOCK: &str = "./drivers.lock";
/// In the data directory.
const CONTROL_SOCKET: &str = "control.sock";

#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    /// Where clients reach this host, without a slash at the end; `http://` and `listen` if absent.
    pub public_url: Option<String>,
    /// Holds the store, the key and compiled drivers.
    pub data_dir: PathBuf,
    pub key: KeySource,
    /// Where the operator's commands reach a running host.
    pub control_socket: PathBuf,
    /// Driver and provider of a client that names none.
    pub default_provider: Option<(String, String)>,
    pub drivers: supply::Settings,
    /// How drivers are fetched that are not in their directory.
    pub sources: source::Settings,
    pub limits: Limits,
    pub compile: driver::compile::Settings,
    pub polling: poll::Settings,
    pub delivery: deliver::Settings,
    /// Which addresses hooks may have, beside public ones.
    pub hook_addresses: AddressPolicy,
    pub api: api::Settings,
    pub store: sqlite::Settings,
    pub retention: retention::Settings,
    pub network: ClientSettings,
    pub log: LogSettings,
    pub providers: Vec<ConfiguredProvider>,
    pub accounts: Vec<ConfiguredAccount>,
    /// What the operator should know and that keeps nothing from working.
    pub warnings: Vec<String>,
}

/// Where the vault's key comes from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// Made, mode 0600, if it is not there.
    File(PathBuf),
    Environment(SecretString),
}

impl Config {
    pub fn load(path: &Path, environment: Environment<'_>) -> Result<Config, ConfigError> {
        let (text, origin) = read(path)?;
        Config::parse(&text, &origin, environment)
    }

    /// The same, but for accounts and all secrets: for commands that need neither, and are run where the secrets
    /// may not be at hand.
    pub fn load_without_accounts(path: &Path, environment: Environment<'_>) -> Result<Config, ConfigError> {
        let (text, origin) = read(path)?;
        let source = Source { origin: &origin, text: &text };
        let mut file = File { accounts: Vec::new(), ..source.file()? };
        for provider in &mut file.providers {
            provider.as_mut().network = None;
        }
        Reading { source, environment, warnings: Vec::new() }.config(file)
    }

    /// What a host without a configuration runs with.
    pub fn without_file(environment: Environment<'_>) -> Result<Config, ConfigError> {
        Config::parse("", "the empty configuration", environment)
    }

    /// `origin` says in errors where the text is from.
    pub fn parse(text: &str, origin: &str, environment: Environment<'_>) -> Result<Config, ConfigError> {
        let source = Source { origin, text };
        Reading { source, environment, warnings: Vec::new() }.config(source.file()?)
    }
}

/// A file on its way to a configuration.
struct Reading<'a> {
    source: Source<'a>,
    environment: Environment<'a>,
    warnings: Vec<String>,
}

impl Reading<'_> {
    fn config(mut self, mut file: File) -> Result<Config, ConfigError> {
        let default_provider = match (file.default_driver, file.default_provider) {
            (Some(driver), Some(provider)) => Some((driver.into_inner(), provider.into_inner())),
            (None, None) => None,
            (Some(half), None) | (None, Some(half)) => {
                return Err(self.source.wrong(Problem::HalfDefault, Some(half.span())));
            }
        };
        let data_dir = file.data_dir.map_or_else(|| DATA_DIR.into(), PathBuf::from);
        let key = match (file.key_file, (self.environment)(KEY_VARIABLE)) {
            (Some(path), _) => KeySource::File(path.into()),
            (None, Some(key)) => {
                let key = key.into_string().map_err(|_| ConfigError::KeyNotText)?;
                KeySource::Environment(key.into())
            }
            (None, None) => KeySource::File(data_dir.join("key")),
        };
        let mut drivers = supply::Settings {
            directory: DRIVERS_DIRECTORY.into(),
            lock: DRIVERS_LOCK.into(),
            cache: data_dir.join("compiled"),
            signatures: Policy::default(),
            require_tested: false,
        };
        let mut sources =
            source::Settings { docker_config: docker_config(self.environment), ..source::Settings::default() };
        let mut limits = Limits::default();
        let mut compile = driver::compile::Settings::default();
        let mut polling = poll::Settings::default();
        let mut delivery = deliver::Settings::default();
        let mut api = api::Settings::default();
        let mut store = sqlite::Settings::default();
        let mut retention = retention::Settings::default();
        let mut network = ClientSettings::default();
        let mut log = LogSettings::default();
        file.drivers.lay_over(&mut drivers);
        drivers.signatures = file
            .drivers
            .signatures
            .policy()
            .map_err(|invalid| self.source.wrong(Problem::Signatures(invalid), None))?;
        if let Some(fetch) = file.drivers.fetch {
            sources.fetch_missing = fetch;
        }
        if let Some(timeout) = file.drivers.fetch_timeout {
            sources.timeout = timeout.into();
        }
        file.drivers.limits.lay_over(&mut limits);
        file.drivers.compile.lay_over(&mut compile);
        file.polling.lay_over(&mut polling);
        file.polling.mass_changes.lay_over(&mut polling.mass_changes);
        file.polling.damping.lay_over(&mut polling.damping);
        file.polling.breaker.lay_over(&mut polling.breaker);
        file.delivery.lay_over(&mut delivery);
        file.delivery.retries.lay_over(&mut delivery.retries);
        file.delivery.breaker.lay_over(&mut delivery.breaker);
        file.api.lay_over(&mut api);
        file.api.credentials.lay_over(&mut api.proof);
        file.api.readiness.lay_over(&mut api.readiness);
        file.operator.lay_over(&mut api.operator);
        file.store.lay_over(&mut store);
        file.journal.lay_over(&mut retention);
        file.network.lay_over(&mut network);
        file.log.lay_over(&mut log);
        if let Some(https_only) = file.delivery.https_only {
            // The API is where a hook is taken or refused; to an operator it is a matter of delivery.
            api.https_only = https_only;
        }
        if let Some(consent) = file.delivery.consent {
            api.consent = consent.into();
        }
        if !store.has_room() {
            let at = ["store.account_share", "store.size"].into_iter().find_map(|key| self.source.find(key));
            return Err(self.source.wrong(Problem::StoreSize, at));
        }
        if let Some((problem, keys)) = orders::broken(&limits, &polling, &delivery, &api) {
            let at = keys.into_iter().find_map(|key| self.source.find(key));
            return Err(self.source.wrong(problem, at));
        }
        let (polls, proofs) = (polling.limits().all(), api.proof.limits().all());
        if (limits.sandboxes as usize) < polls.saturating_add(proofs) {
            let sandboxes = limits.sandboxes;
            let at = self.source.find("drivers.limits.sandboxes");
            return Err(self.source.wrong(Problem::Sandboxes { sandboxes, polls, proofs }, at));
        }
        if !api.operator_routes && api.operator.listen.is_none() {
            self.warnings.push(
                "api.operator_routes is false and operator.listen is not set: nothing serves /healthz, /readyz and /metrics"
                    .to_owned(),
            );
        }
        let providers = self.providers(file.providers)?;
        let accounts = self.accounts(file.accounts, default_provider.as_ref())?;
        let control_socket = file.control_socket.map_or_else(|| data_dir.join(CONTROL_SOCKET), PathBuf::from);
        Ok(Config {
            control_socket,
            listen: file.listen.map_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 3001)), SocketAddr::from),
            public_url: file.public_url.map(String::from),
            data_dir,
            key,
            default_provider,
            drivers,
            sources,
            limits,
            compile,
            polling,
            delivery,
            hook_addresses: policy(file.delivery.allow_addresses.unwrap_or_default()),
            api,
            store,
            retention,
            network,
            log,
            providers,
            accounts,
            warnings: self.warnings,
        })
    }

    fn providers(&mut self, tables: Vec<toml::Spanned<Provider>>) -> Result<Vec<ConfiguredProvider>, ConfigError> {
        let mut providers: Vec<ConfiguredProvider> = Vec::new();
        for table in tables {
            let at = table.span();
            let Provider { driver, name, endpoint, endpoints, allow_addresses, options, network, requests_per_minute } =
                table.into_inner();
            if providers.iter().any(|other| other.driver == driver && other.name == name) {
                return Err(self.source.wrong(Problem::ProviderTwice { driver, name }, Some(at)));
            }
            let provider_addresses = allow_addresses;
            let of = format!("provider {name:?} of driver {driver:?}");
            let via = self.via(network, &of).map_err(|problem| self.source.wrong(problem, Some(at.clone())))?;
            let (endpoint, socket) = endpoint.parts();
            let mut roles = BTreeMap::new();
            for (role, Role { endpoint, allow_addresses, network }) in endpoints.unwrap_or_default() {
                let of = format!("role {role:?} of provider {name:?} of driver {driver:?}");
                // What is set for the provider holds for its parts, where they have nothing of their own.
                let own = self.via(network, &of).map_err(|problem| self.source.wrong(problem, Some(at.clone())))?;
                let addresses = allow_addresses.or_else(|| provider_addresses.clone());
                let target = RoleTarget {
                    endpoint: endpoint.into(),
                    addresses: policy(addresses.unwrap_or_default()),
                    via: own.over(&via),
                };
                roles.insert(role, target);
            }
            providers.push(ConfiguredProvider {
                driver,
                name,
                endpoint,
                roles,
                addresses: policy(provider_addresses.unwrap_or_default()),
                options: texts(options),
                via: Via { socket, ..via },
                requests_per_minute: requests_per_minute.map(Into::into),
            });
        }
        Ok(providers)
    }

    fn accounts(
        &mut self,
        tables: Vec<toml::Spanned<Account>>,
        default: Option<&(String, String)>,
    ) -> Result<Vec<ConfiguredAccount>, ConfigError> {
        let mut accounts: Vec<ConfiguredAccount> = Vec::new();
        for table in tables {
            let at = table.span();
            let account = self
                .account(table.into_inner(), default)
                .map_err(|problem| self.source.wrong(problem, Some(at.clone())))?;
            if accounts.iter().any(|other| other.key == account.key) {
                return Err(self.source.wrong(Problem::AccountTwice(account.key), Some(at)));
            }
            accounts.push(account);
        }
        Ok(accounts)
    }

    fn account(&mut self, table: Account, default: Option<&(String, String)>) -> Result<ConfiguredAccount, Problem> {
        let driver = table.driver.or_else(|| default.map(|(driver, _)| driver.clone()));
        let provider = table.provider.or_else(|| default.map(|(_, provider)| provider.clone()));
        let key = AccountKey {
            driver: driver.ok_or(Problem::Incomplete("driver"))?,
            provider: provider.ok_or(Problem::Incomplete("provider"))?,
            user: table.user,
        };
        let source = one_source(table.password_file, table.password_env).ok_or_else(|| Problem::Source {
            of: format!("the password of account {key}"),
            file: "password_file",
            env: "password_env",
        })?;
        let password = self.secret(&source, &key, "password".into())?;
        let mut secrets = BTreeMap::new();
        for (name, table) in table.secrets.unwrap_or_default() {
            let source = one_source(table.file, table.env).ok_or_else(|| Problem::Source {
                of: format!("the secret {name:?} of account {key}"),
                file: "file",
                env: "env",
            })?;
            let secret = self.secret(&source, &key, format!("secret {name:?}"))?;
            secrets.insert(name, secret);
        }
        let via = self.via(table.network, &format!("account {key}"))?;
        let requests_per_minute = table.requests_per_minute;
        Ok(ConfiguredAccount {
            key,
            password,
            secret: table.password_kind.unwrap_or_default(),
            secret_expires: table.password_expires,
            options: texts(table.options),
            secrets,
            via,
            requests_per_minute: requests_per_minute.map(Into::into),
        })
    }

    /// How requests go out, as the provider's or account's own table has it. `of` says in errors whose it is.
    fn via(&mut self, network: Option<Network>, of: &str) -> Result<Via, Problem> {
        let Some(network) = network else { return Ok(Via::default()) };
        let via = network.read(self.environment, &mut self.warnings);
        via.map_err(|fault| Problem::Network { of: of.to_owned(), fault: Box::new(fault) })
    }

    fn secret(&mut self, source: &SecretSource, account: &AccountKey, what: String) -> Result<SecretString, Problem> {
        let found = source.read(self.environment).map_err(|source| Problem::Secret {
            account: account.clone(),
            what,
            source: Box::new(source),
        })?;
        self.warnings.extend(found.warning);
        Ok(found.secret)
    }
}

/// A file's text, and what to call it.
fn read(path: &Path) -> Result<(String, String), ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    Ok((text, path.display().to_string()))
}

/// The one of two places that is named; none where neither is, or both are.
fn one_source(file: Option<FilePath>, variable: Option<String>) -> Option<SecretSource> {
    match (file, variable) {
        (Some(path), None) => Some(SecretSource::File(path.into())),
        (None, Some(name)) => Some(SecretSource::Environment(name)),
        (None, None) | (Some(_), Some(_)) => None,
    }
}

fn policy(ranges: Vec<Range>) -> AddressPolicy {
    AddressPolicy::opening(ranges.into_iter().map(Into::into).collect())
}

/// Where Docker and those who do as it does keep logins to registries.
fn docker_config(environment: Environment<'_>) -> Option<PathBuf> {
    let folder = match environment("DOCKER_CONFIG").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(&environment("HOME").filter(|home| !home.is_empty())?).join(".docker"),
    };
    Some(folder.join("config.json"))
}

fn texts(options: Option<BTreeMap<String, OptionValue>>) -> BTreeMap<String, String> {
    options.unwrap_or_default().into_iter().map(|(name, value)| (name, value.into())).collect()
}

#[cfg(test)]
mod tests;
