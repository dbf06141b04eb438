//! A driver file that a person tries on a live account: found, loaded (approved or not), and combined with the account.
//! It reaches what it declares and the account's endpoint. The host's rules on addresses and secrets still apply.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use clap::Args;
use ipnet::IpNet;
use tokio::runtime::Runtime;

use super::ask::ask;
use super::find::{find, short};
use crate::cli::account::AccountArgs;
use crate::cli::config_args::ConfigArgs;
use crate::cli::output;
use crate::cli::table::printable;
use crate::cli::usage::UsageError;
use crate::clock::Clock;
use crate::config::Config;
use crate::driver::{Catalog, Driver, DriverInfo, Engine, RoleTarget, Target, load};
use crate::model::{AccountKey, Kind, MOST_IDS, ResourceId, Timestamp};
use crate::net::{AddressPolicy, Clients, Via};
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
    /// The endpoint of the provider or of one of its roles; overrides the configuration and the driver; repeatable
    #[arg(long = "endpoint", value_name = "[ROLE=]URL", value_parser = endpoint)]
    endpoints: Vec<GivenEndpoint>,
    /// Private addresses that these endpoints may have, such as 10.0.0.0/8; repeatable
    #[arg(long, value_name = "RANGE", value_parser = range, requires = "endpoints")]
    allow_addresses: Vec<IpNet>,
    /// Do not ask: run a driver that is not approved, and accept the recording as correct
    #[arg(short, long)]
    pub(super) yes: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// An endpoint of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct GivenEndpoint {
    /// None for the provider's own.
    role: Option<String>,
    endpoint: String,
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
        self.enter_endpoints(&mut config, &key, driver.info())?;
        let Config { providers, accounts, default_provider, .. } = config;
        let roster = Roster::new(Arc::new(Catalog::default()), providers, accounts, default_provider);
        let target =
            roster.target_of(&driver, &key, password).map_err(|error| UsageError(format!("{key}: {error}")))?;
        if let Some(approval) = lock.by_digest(&driver.info().digest) {
            return Ok(Tried { driver: driver.granted(approval)?, target });
        }
        output::stderr(format_args!("{}", notice(driver.info(), &target)));
        if !self.yes && !ask("Run it on this account?", "review the above, and add --yes to run it")? {
            anyhow::bail!("not run");
        }
        Ok(Tried { driver, target })
    }

    fn enter_endpoints(&self, config: &mut Config, key: &AccountKey, info: &DriverInfo) -> Result<(), UsageError> {
        let given = by_role(&self.endpoints)?;
        if given.is_empty() {
            return Ok(());
        }
        let addresses = AddressPolicy::opening(self.allow_addresses.clone());
        let is_of_key =
            |provider: &ConfiguredProvider| (&provider.driver, &provider.name) == (&key.driver, &key.provider);
        let at = match config.providers.iter().position(is_of_key) {
            Some(at) => at,
            None => {
                config.providers.push(unconfigured(key, info, given.contains_key(&None))?);
                config.providers.len() - 1
            }
        };
        let provider = &mut config.providers[at];
        for (role, endpoint) in given {
            let (endpoint, addresses) = (endpoint.to_owned(), addresses.clone());
            match role {
                None => (provider.endpoint, provider.addresses) = (endpoint, addresses),
                Some(role) => {
                    let own = provider.roles.get(role).map(|role| role.via.clone());
                    // A socket is where the provider's own endpoint is, and no part of it.
                    let via = own.unwrap_or_else(|| Via { socket: None, ..provider.via.clone() });
                    provider.roles.insert(role.to_owned(), RoleTarget { endpoint, addresses, via });
                }
            }
        }
        Ok(())
    }
}

/// What is given for the provider itself, and for each role.
fn by_role(given: &[GivenEndpoint]) -> Result<BTreeMap<Option<&str>, &str>, UsageError> {
    let mut by_role = BTreeMap::new();
    for GivenEndpoint { role, endpoint } in given {
        let role = role.as_deref();
        if by_role.insert(role, endpoint.as_str()).is_some() {
            let of = role.map_or("the provider itself".to_owned(), |role| format!("the role {role:?}"));
            return Err(UsageError(format!("--endpoint is given twice for {of}: give one")));
        }
    }
    Ok(by_role)
}

/// A provider that the configuration does not have: as the driver knows it. If another endpoint is given for the provider itself,
/// it is another installation, whose secrets the known endpoints are not to see.
fn unconfigured(key: &AccountKey, info: &DriverInfo, is_elsewhere: bool) -> Result<ConfiguredProvider, UsageError> {
    let known = info.providers.iter().find(|known| known.name == key.provider).filter(|_| !is_elsewhere);
    if known.is_none() && !is_elsewhere {
        return Err(UsageError(format!(
            "{key}: its provider is neither configured nor known to the driver: give its own endpoint as well, with \
             --endpoint URL"
        )));
    }
    let role = |(role, endpoint): (&String, &String)| {
        let (endpoint, addresses) = (endpoint.clone(), AddressPolicy::default());
        (role.clone(), RoleTarget { endpoint, addresses, via: Via::default() })
    };
    Ok(ConfiguredProvider {
        driver: key.driver.clone(),
        name: key.provider.clone(),
        endpoint: known.map(|known| known.endpoint.clone()).unwrap_or_default(),
        roles: known.into_iter().flat_map(|known| &known.endpoints).map(role).collect(),
        addresses: AddressPolicy::default(),
        options: Default::default(),
        via: Via::default(),
        requests_per_minute: None,
    })
}

/// Whether the driver can be asked for what changed since that time.
pub(super) fn check_since(since: Option<Timestamp>, kind: Kind, info: &DriverInfo) -> Result<(), UsageError> {
    match (since, kind) {
        (None, _) => Ok(()),
        (Some(_), Kind::Realm) => Err(UsageError("--since is for instances, not for realms".into())),
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
        Kind::Realm => Err(UsageError("--ids is for instances, not for realms".into())),
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

/// A URL, or a role, `=` and a URL: a role's name has no signs, and a URL has some before any `=`.
fn endpoint(text: &str) -> Result<GivenEndpoint, String> {
    let (role, url) = match text.split_once('=') {
        Some((role, url)) if !role.contains([':', '/']) => (Some(role), url),
        _ => (None, text),
    };
    if role == Some("") {
        return Err("write it as URL or ROLE=URL".into());
    }
    let endpoint = url.trim_end_matches('/').to_owned();
    Endpoint::parse(&endpoint).map_err(|error| error.to_string())?;
    Ok(GivenEndpoint { role: role.map(str::to_owned), endpoint })
}

fn range(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| "write it as an address or a range, such as 10.0.0.0/8".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::KnownProvider;

    #[test]
    fn an_endpoint_is_of_the_provider_or_of_a_role() {
        let check = |text: &str, want: Result<(Option<&str>, &str), &str>| match (endpoint(text), want) {
            (Ok(given), Ok((role, url))) => assert_eq!((given.role.as_deref(), given.endpoint.as_str()), (role, url)),
            (Err(error), Err(want)) => assert!(error.contains(want), "{error}"),
            (got, want) => panic!("{text}: got {got:?}, want {want:?}"),
        };
        check("https://a.example/", Ok((None, "https://a.example")));
        check("https://a.example/v=2/x", Ok((None, "https://a.example/v=2/x")));
        check("identity=https://i.example:5000/v3/", Ok((Some("identity"), "https://i.example:5000/v3")));
        check("block-store2=https://a.example/v=2", Ok((Some("block-store2"), "https://a.example/v=2")));
        check("=https://a.example", Err("ROLE=URL"));
        check("identity=i.example", Err("\"i.example\" is not an endpoint"));
        check("identity", Err("\"identity\" is not an endpoint"));
        check("identity=", Err("is not an endpoint"));
    }

    #[test]
    fn each_endpoint_is_given_once() {
        let given =
            |texts: &[&str]| -> Vec<GivenEndpoint> { texts.iter().map(|text| endpoint(text).expect(text)).collect() };
        let all = given(&["https://a.example", "identity=https://i.example", "image=https://i.example"]);
        assert_eq!(by_role(&all).expect("each once").len(), 3);
        for (twice, want) in [
            (["https://a.example", "https://b.example"], "the provider itself"),
            (["image=https://a.example", "image=https://a.example"], "the role \"image\""),
        ] {
            let error = by_role(&given(&twice)).expect_err(want).to_string();
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn a_known_provider_keeps_the_roles_that_are_not_given() {
        let known = KnownProvider {
            name: "main".into(),
            endpoint: "https://a.example".into(),
            endpoints: BTreeMap::from([("identity".to_owned(), "https://i.example".to_owned())]),
        };
        let info = DriverInfo { providers: vec![known], ..DriverInfo::default() };
        let key = |provider: &str| AccountKey { driver: "d".into(), provider: provider.into(), user: "u".into() };
        let provider = unconfigured(&key("main"), &info, false).expect("known");
        assert_eq!((provider.endpoint.as_str(), provider.roles.len()), ("https://a.example", 1));
        // An account of another installation shows nothing to this one.
        let provider = unconfigured(&key("main"), &info, true).expect("given");
        assert_eq!((provider.endpoint.as_str(), provider.roles.len()), ("", 0));
        assert_eq!(unconfigured(&key("lab"), &info, true).expect("given").roles.len(), 0);
        let error = unconfigured(&key("lab"), &info, false).expect_err("unknown").to_string();
        assert!(error.contains("--endpoint URL"), "{error}");
    }
}
