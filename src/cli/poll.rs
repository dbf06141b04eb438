//! `tracker poll`: one account, now, straight through its driver. Nothing is stored, and no host need run.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use secrecy::SecretString;
use serde::Serialize;

use super::table::table;
use super::{ConfigArgs, UsageError, environment, runtime};
use crate::config::{Config, SecretSource};
use crate::driver::{Coverage, Listing, Rejected};
use crate::model::{AccountKey, Address, Instance, InstanceState, Kind, Realm, RealmState, Resource, Timestamp};
use crate::roster::{NotOnRoster, Roster};
use crate::serve::Drivers;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tracker poll --config tracker.toml                       the configured account, if there is one only
  tracker poll --account ec2/us-east-1/AKIAEXAMPLE --password-file secret-key
  tracker poll --driver mock --provider default --user mockuser --password-env MOCK_PASSWORD --output json")]
pub(super) struct Poll {
    #[command(flatten)]
    config: ConfigArgs,
    /// The account: one of the configuration, or any with a password given here
    #[arg(long, value_name = "DRIVER/PROVIDER/USER", value_parser = account_key, conflicts_with_all = ["driver", "provider", "user"])]
    account: Option<AccountKey>,
    /// The account's driver
    #[arg(long, requires_all = ["provider", "user"])]
    driver: Option<String>,
    /// The account's provider
    #[arg(long, requires_all = ["driver", "user"])]
    provider: Option<String>,
    /// The account's user
    #[arg(long, requires_all = ["driver", "provider"])]
    user: Option<String>,
    /// The file that holds the account's password
    #[arg(long, value_name = "FILE", conflicts_with = "password_env")]
    password_file: Option<PathBuf>,
    /// The environment variable that holds the account's password
    #[arg(long, value_name = "NAME")]
    password_env: Option<String>,
    /// An option of the account, over the configured ones; may be repeated
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = name_and_value)]
    options: Vec<(String, String)>,
    /// What to list
    #[arg(long, value_enum, default_value_t = What::Instances)]
    kind: What,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum What {
    Instances,
    Realms,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Table,
    Json,
}

impl From<What> for Kind {
    fn from(what: What) -> Kind {
        match what {
            What::Instances => Kind::Instance,
            What::Realms => Kind::Realm,
        }
    }
}

impl Poll {
    #[expect(clippy::print_stdout, clippy::print_stderr, reason = "the command line's own printing")]
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = self.config.load()?;
        super::logging::to_stderr(&config.log)?;
        for warning in &config.warnings {
            eprintln!("warning: {warning}");
        }
        let (key, password) = self.account(&config)?;
        let listing = runtime()?.block_on(self.list(config, &key, password))?;
        match self.output {
            Output::Table => print!("{}", as_table(&listing.resources)),
            Output::Json => println!("{}", serde_json::to_string_pretty(&documents(&listing.resources))?),
        }
        eprintln!("{}", closing_line(&key, &listing));
        Ok(())
    }

    /// Which account, and its password.
    fn account(&self, config: &Config) -> anyhow::Result<(AccountKey, SecretString)> {
        let named = match (&self.account, &self.driver, &self.provider, &self.user) {
            (Some(key), ..) => Some(key.clone()),
            (None, Some(driver), Some(provider), Some(user)) => {
                Some(AccountKey { driver: driver.clone(), provider: provider.clone(), user: user.clone() })
            }
            _ => None,
        };
        let key = match (named, config.accounts.as_slice()) {
            (Some(key), _) => key,
            (None, [only]) => only.key.clone(),
            (None, []) => {
                return Err(usage("which account? Name it: --account DRIVER/PROVIDER/USER, or configure one"));
            }
            (None, several) => {
                let keys: Vec<_> = several.iter().map(|account| account.key.to_string()).collect();
                return Err(usage(format!("which account? Name one: --account {}", keys.join(", or --account "))));
            }
        };
        let source = match (&self.password_file, &self.password_env) {
            (Some(path), _) => Some(SecretSource::File(path.clone())),
            (None, Some(name)) => Some(SecretSource::Environment(name.clone())),
            (None, None) => None,
        };
        let configured = config.accounts.iter().find(|account| account.key == key);
        let password = match (source, configured) {
            (Some(source), _) => source.read(&environment).map_err(|error| usage(error.to_string()))?.secret,
            (None, Some(account)) => account.password.clone(),
            (None, None) => {
                return Err(usage(format!(
                    "{key} is not in the configuration: say where its password is, with --password-file or --password-env"
                )));
            }
        };
        Ok((key, password))
    }

    async fn list(&self, config: Config, key: &AccountKey, password: SecretString) -> anyhow::Result<Listing> {
        let Drivers { catalog, .. } = Drivers::load(&config).await?;
        let roster = Roster::new(Arc::new(catalog), config.providers, config.accounts, config.default_provider);
        let (driver, mut target) = roster.target(key, password).map_err(|error| not_on_roster(&error, &roster))?;
        target.options.extend(self.options.iter().cloned());
        driver.list(&target, Kind::from(self.kind)).await.map_err(|failure| anyhow::anyhow!("{key}: {failure}"))
    }
}

fn usage(message: impl Into<String>) -> anyhow::Error {
    UsageError(message.into()).into()
}

/// Says also which drivers are there and not loaded: the missing one may be among them.
fn not_on_roster(error: &NotOnRoster, roster: &Roster) -> anyhow::Error {
    let mut message = error.to_string();
    if let NotOnRoster::Driver { .. } = error {
        for Rejected { file, reason } in roster.catalog().rejected() {
            message.push_str(&format!("\n  not loaded: {}: {reason}", file.display()));
        }
    }
    usage(message)
}

pub(super) fn account_key(text: &str) -> Result<AccountKey, String> {
    // A user may have slashes in it; drivers and providers have none.
    let mut parts = text.splitn(3, '/').map(str::to_owned);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(driver), Some(provider), Some(user))
            if ![&driver, &provider, &user].iter().any(|part| part.is_empty()) =>
        {
            Ok(AccountKey { driver, provider, user })
        }
        _ => Err("write it as DRIVER/PROVIDER/USER".into()),
    }
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".into()),
    }
}

fn as_table(resources: &[Resource]) -> String {
    if resources.iter().any(|resource| resource.kind() == Kind::Realm) {
        let rows = resources.iter().map(|resource| {
            let name = resource.name().unwrap_or_default();
            [resource.id().to_string(), name.to_owned(), resource.state().to_string()]
        });
        return table(["ID", "NAME", "STATE"], rows);
    }
    let rows = resources.iter().filter_map(|resource| match resource {
        Resource::Instance(instance) => Some([
            instance.id.to_string(),
            instance.name.clone().unwrap_or_default(),
            resource.state().to_string(),
            instance.provider_state.clone(),
            instance.realm.clone().unwrap_or_default(),
            instance.hardware_profile.clone().unwrap_or_default(),
            instance.public_addresses.first().map(|address| address.value.clone()).unwrap_or_default(),
        ]),
        Resource::Realm(_) => None,
    });
    table(["ID", "NAME", "STATE", "PROVIDER STATE", "REALM", "PROFILE", "ADDRESS"], rows)
}

/// What the list is worth, and what it took.
fn closing_line(key: &AccountKey, listing: &Listing) -> String {
    let usage = &listing.usage;
    let coverage = match &listing.coverage {
        Coverage::Complete => "complete".to_owned(),
        Coverage::Partial(reason) => format!("NOT complete: {}", super::table::printable(reason)),
    };
    let count = |number: u32, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    format!(
        "{key}: {} listed, {coverage}; {}, {}, {:.1?}, sandbox {}",
        listing.resources.len(),
        count(usage.pages, "page"),
        count(usage.requests, "request"),
        usage.wall,
        bytesize::ByteSize(usage.memory as u64),
    )
}

/// A resource as JSON, in the API's words.
#[derive(Serialize)]
#[serde(untagged)]
enum Document<'a> {
    Instance(InstanceDocument<'a>),
    Realm(RealmDocument<'a>),
}

#[derive(Serialize)]
struct InstanceDocument<'a> {
    id: &'a str,
    name: Option<&'a str>,
    state: InstanceState,
    provider_state: &'a str,
    owner: Option<&'a str>,
    realm: Option<&'a str>,
    image: Option<&'a str>,
    hardware_profile: Option<&'a str>,
    public_addresses: &'a [Address],
    private_addresses: &'a [Address],
    labels: serde_json::Map<String, serde_json::Value>,
    launched_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct RealmDocument<'a> {
    id: &'a str,
    name: &'a str,
    state: RealmState,
    limit: Option<u64>,
}

fn documents(resources: &[Resource]) -> Vec<Document<'_>> {
    resources
        .iter()
        .map(|resource| match resource {
            Resource::Instance(instance) => Document::Instance(instance_document(instance)),
            Resource::Realm(realm) => Document::Realm(realm_document(realm)),
        })
        .collect()
}

fn instance_document(instance: &Instance) -> InstanceDocument<'_> {
    InstanceDocument {
        id: instance.id.as_str(),
        name: instance.name.as_deref(),
        state: instance.state,
        provider_state: &instance.provider_state,
        owner: instance.owner.as_deref(),
        realm: instance.realm.as_deref(),
        image: instance.image.as_deref(),
        hardware_profile: instance.hardware_profile.as_deref(),
        public_addresses: &instance.public_addresses,
        private_addresses: &instance.private_addresses,
        labels: instance.labels.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect(),
        launched_at: instance.launched_at,
    }
}

fn realm_document(realm: &Realm) -> RealmDocument<'_> {
    RealmDocument { id: realm.id.as_str(), name: &realm.name, state: realm.state, limit: realm.limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_driver_provider_and_user() {
        let check = |text: &str, want: Option<&str>| {
            let key = account_key(text).ok().map(|key| format!("{} {} {}", key.driver, key.provider, key.user));
            assert_eq!(key.as_deref(), want, "{text}");
        };
        check("mock/default/mockuser", Some("mock default mockuser"));
        check("openstack/lab/project/user", Some("openstack lab project/user"));
        check("mock/default", None);
        check("mock//user", None);
        check("mock/default/", None);
    }

    #[test]
    fn the_account_is_found_or_asked_for() {
        let check = |arguments: &str, configuration: &str, want: Result<&str, &str>| {
            #[derive(Debug, clap::Parser)]
            struct Line {
                #[command(flatten)]
                poll: Poll,
            }
            let line = <Line as clap::Parser>::try_parse_from(arguments.split(' ')).expect(arguments);
            let config = Config::parse(configuration, "", &|_| Some("s3cret".into())).expect("parsed");
            let account = line.poll.account(&config).map(|(key, _)| key.to_string()).map_err(|error| error.to_string());
            match (account, want) {
                (Ok(key), Ok(want)) => assert_eq!(key, want),
                (Err(error), Err(want)) => assert!(error.contains(want), "{error}"),
                (got, want) => panic!("got {got:?}, want {want:?}"),
            }
        };
        let one = "[[accounts]]\ndriver = \"mock\"\nprovider = \"default\"\nuser = \"a\"\npassword_env = \"P\"\n";
        let two = format!("{one}{}", one.replace("\"a\"", "\"b\""));
        check("poll", one, Ok("mock/default/a"));
        check("poll", &two, Err("--account mock/default/a, or --account mock/default/b"));
        check("poll", "", Err("which account?"));
        check("poll --account mock/default/b", &two, Ok("mock/default/b"));
        check("poll --account mock/default/c", &two, Err("mock/default/c is not in the configuration"));
        check("poll --account mock/default/c --password-env TRACKER_NOT_SET", &two, Err("TRACKER_NOT_SET is not set"));
        check("poll --account mock/default/c --password-file /nowhere", &two, Err("/nowhere"));
    }

    #[test]
    fn a_poll_is_printed_as_the_api_words_it() {
        let instance = Resource::Instance(Instance {
            id: crate::model::ResourceId::parse("inst1").expect("id"),
            name: Some("web".into()),
            owner: None,
            realm: Some("us".into()),
            image: None,
            hardware_profile: None,
            state: InstanceState::ShuttingDown,
            provider_state: "shutting-down".into(),
            launched_at: None,
            public_addresses: vec![],
            private_addresses: vec![],
            labels: vec![("team".into(), "blue".into())],
        });
        let json = serde_json::to_value(documents(std::slice::from_ref(&instance))).expect("json");
        assert_eq!(json[0]["state"], "SHUTTING_DOWN");
        assert_eq!(json[0]["labels"]["team"], "blue");
        let table = as_table(&[instance]);
        assert!(table.contains("inst1  web   SHUTTING_DOWN  shutting-down   us"), "{table}");
    }
}
