//! A driver file that a person tries on a live account: found, loaded whether or not it is approved, asked about,
//! and joined with the account. It reaches what it declares and the account's endpoint; the host's own rules on
//! addresses and secrets hold all the same.

use std::net::IpAddr;
use std::sync::Arc;

use clap::Args;
use ipnet::IpNet;
use tokio::runtime::Runtime;

use super::{ask, find, short};
use crate::cli::account::AccountArgs;
use crate::cli::output;
use crate::cli::table::printable;
use crate::cli::{ConfigArgs, UsageError};
use crate::clock::Clock;
use crate::config::Config;
use crate::driver::{Catalog, Driver, DriverInfo, Engine, Target, load};
use crate::model::{AccountKey, Kind, MOST_IDS, ResourceId, Timestamp};
use crate::net::{AddressPolicy, Clients};
use crate::roster::{ConfiguredProvider, Roster};
use crate::supply::Lock;
use crate::supply::grants::Endpoint;

#[derive(Debug, Args)]
pub(crate) struct TriedArgs {
    /// A file, or a driver's name in the directory of drivers
    #[arg(value_name = "FILE|NAME")]
    what: String,
    #[command(flatten)]
    account: AccountArgs,
    /// The provider's endpoint, over the configured one and the driver's own
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    endpoint: Option<String>,
    /// Addresses that the endpoint may have beside public ones, such as 10.0.0.0/8; may be repeated
    #[arg(long, value_name = "RANGE", value_parser = range, requires = "endpoint")]
    allow_addresses: Vec<IpNet>,
    /// Do not ask: run a driver that is not approved, and accept the recording as correct
    #[arg(short, long)]
    pub(super) yes: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// What is tried, and on what.
pub(super) struct Tried {
    pub(super) driver: Driver,
    pub(super) target: Target,
}

impl TriedArgs {
    pub(super) fn open(&self, runtime: &Runtime, clock: Arc<dyn Clock>) -> anyhow::Result<Tried> {
        let mut config = self.config.load_and_log()?;
        let file = find(&self.what, &config.drivers.directory)?;
        let clients = Clients::new(config.network.clone())?;
        let engine = Engine::compiling(config.compile.clone(), config.limits.clone(), clients, clock)?;
        let loaded = runtime.block_on(load::unapproved(&engine, &file));
        let driver = loaded.map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
        let lock = Lock::read(&config.drivers.lock)?;
        let (key, password) = self.account.enter(&mut config, Some(&driver.info().name))?;
        self.enter_endpoint(&mut config, &key);
        let Config { providers, accounts, default_provider, .. } = config;
        let roster = Roster::new(Arc::new(Catalog::default()), providers, accounts, default_provider);
        let target =
            roster.target_of(&driver, &key, password).map_err(|error| UsageError(format!("{key}: {error}")))?;
        if let Some(approval) = lock.by_digest(&driver.info().digest) {
            return Ok(Tried { driver: driver.granted(approval)?, target });
        }
        output::stderr(format_args!("{}", notice(driver.info(), &target)));
        if !self.yes && !ask("Run it on this account?", "look at the above, and add --yes to run it")? {
            anyhow::bail!("not run");
        }
        Ok(Tried { driver, target })
    }

    fn enter_endpoint(&self, config: &mut Config, key: &AccountKey) {
        let Some(endpoint) = self.endpoint.clone() else { return };
        let addresses = AddressPolicy::opening(self.allow_addresses.clone());
        let of_key =
            |provider: &&mut ConfiguredProvider| (&provider.driver, &provider.name) == (&key.driver, &key.provider);
        match config.providers.iter_mut().find(of_key) {
            Some(provider) => (provider.endpoint, provider.addresses) = (endpoint, addresses),
            None => config.providers.push(ConfiguredProvider {
                driver: key.driver.clone(),
                name: key.provider.clone(),
                endpoint,
                roles: Default::default(),
                addresses,
                options: Default::default(),
                via: Default::default(),
                requests_per_minute: None,
            }),
        }
    }
}

/// Whether the driver can be asked for what changed since that time.
pub(super) fn check_since(since: Option<Timestamp>, kind: Kind, info: &DriverInfo) -> Result<(), UsageError> {
    match (since, kind) {
        (None, _) => Ok(()),
        (Some(_), Kind::Realm) => Err(UsageError("--since is for instances: realms are listed whole".into())),
        (Some(_), Kind::Instance) if !info.delta => Err(UsageError(format!(
            "{} can't be asked for what changed: its `describe` does not have the feature `delta`. Leave --since away",
            printable(&info.name)
        ))),
        (Some(_), Kind::Instance) => Ok(()),
    }
}

/// Whether the driver can be asked for single instances.
pub(super) fn check_ids(ids: &[ResourceId], kind: Kind, info: &DriverInfo) -> Result<(), UsageError> {
    match kind {
        _ if ids.is_empty() => Ok(()),
        Kind::Realm => Err(UsageError("--ids is for instances: realms are listed whole".into())),
        Kind::Instance if ids.len() > MOST_IDS => {
            Err(UsageError(format!("--ids: there are {}, and a driver is asked for {MOST_IDS} at most", ids.len())))
        }
        Kind::Instance if !info.by_id => Err(UsageError(format!(
            "{} can't be asked for single instances: its `describe` does not have the feature `by-id`. Leave --ids away",
            printable(&info.name)
        ))),
        Kind::Instance => Ok(()),
    }
}

/// What one should know before running a driver that is not approved.
fn notice(info: &DriverInfo, target: &Target) -> String {
    let DriverInfo { name, version, title, digest, asks_for, .. } = info;
    let mut text = format!(
        "{name} {} ({}), SHA-256 {}, is NOT approved: nobody vetted it.\nIt is given the account {}, and can reach:\n",
        printable(version),
        printable(title),
        short(digest),
        printable(&target.key.to_string()),
    );
    text.push_str(&format!("  {} (the account's endpoint)\n", printable(&target.endpoint)));
    for (role, target) in &target.roles {
        text.push_str(&format!("  {} (the account's endpoint for {})\n", printable(&target.endpoint), printable(role)));
    }
    for endpoint in asks_for.iter().filter(|endpoint| !endpoint.contains('*') && **endpoint != target.endpoint) {
        text.push_str(&format!("  {}\n", printable(endpoint)));
    }
    text
}

fn endpoint(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    Endpoint::parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn range(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| "write it as an address or a range, such as 10.0.0.0/8".into())
}
