//! The account of a command, with its secrets: from the configuration, or named on the command line. The same for every
//! command that asks a provider.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use secrecy::SecretString;

use super::process::environment;
use super::usage::UsageError;
use crate::config::{Config, SecretSource};
use crate::driver::SecretKind;
use crate::model::{AccountKey, Timestamp};
use crate::roster::ConfiguredAccount;

#[derive(Clone, Debug, Args)]
pub(super) struct AccountArgs {
    /// An account of the configuration, or any account together with a password
    #[arg(long, value_name = "DRIVER/PROVIDER/USER", value_parser = account_key, conflicts_with_all = ["provider", "user"])]
    account: Option<AccountKey>,
    /// The account's provider
    #[arg(long, requires = "user")]
    provider: Option<String>,
    /// The account's user
    #[arg(long, requires = "provider")]
    user: Option<String>,
    /// The file that holds the account's password
    #[arg(long, value_name = "FILE", conflicts_with = "password_env")]
    password_file: Option<PathBuf>,
    /// The environment variable that holds the account's password
    #[arg(long, value_name = "NAME")]
    password_env: Option<String>,
    /// The kind of the password; overrides the configuration; `tracker driver inspect` shows the kinds that a driver takes
    #[arg(long, value_enum, value_name = "KIND")]
    password_kind: Option<PasswordKind>,
    /// The expiry of an access token, such as 2026-11-20T12:00:00Z, if it is known
    #[arg(long, value_name = "TIME")]
    password_expires: Option<Timestamp>,
    /// An option of the account; overrides the configuration; repeatable
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = name_and_value)]
    options: Vec<(String, String)>,
    /// The file that holds a secret option of the account; repeatable
    #[arg(long, value_name = "NAME=FILE", value_parser = name_and_value)]
    secret_file: Vec<(String, String)>,
    /// The environment variable that holds a secret option of the account; repeatable
    #[arg(long, value_name = "NAME=VARIABLE", value_parser = name_and_value)]
    secret_env: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PasswordKind {
    /// A password, an API key, or a token that does not expire
    Password,
    /// A private key in PEM
    PrivateKey,
    /// A token that a different program obtains
    AccessToken,
}

impl From<PasswordKind> for SecretKind {
    fn from(kind: PasswordKind) -> SecretKind {
        match kind {
            PasswordKind::Password => SecretKind::Password,
            PasswordKind::PrivateKey => SecretKind::PrivateKey,
            PasswordKind::AccessToken => SecretKind::AccessToken,
        }
    }
}

impl AccountArgs {
    /// Which account it is, with its password. What the command line says of it is entered into the
    /// configuration, over what stands there.
    pub(super) fn enter(
        &self,
        config: &mut Config,
        driver: Option<&str>,
    ) -> Result<(AccountKey, SecretString), UsageError> {
        let key = self.key(config, driver)?;
        let password = self.password(config, &key)?;
        let mut secrets = Vec::new();
        let sources = self.secret_file.iter().map(|(name, path)| (name, SecretSource::File(path.into())));
        let variables =
            self.secret_env.iter().map(|(name, variable)| (name, SecretSource::Environment(variable.clone())));
        for (name, source) in sources.chain(variables) {
            secrets.push((name.clone(), read(&source)?));
        }
        let at = match config.accounts.iter().position(|account| account.key == key) {
            Some(at) => at,
            None => {
                let (key, password) = (key.clone(), password.clone());
                let (options, secrets, via) = Default::default();
                config.accounts.push(ConfiguredAccount {
                    key,
                    password,
                    secret: SecretKind::Password,
                    secret_expires: None,
                    options,
                    secrets,
                    via,
                    requests_per_minute: None,
                });
                config.accounts.len() - 1
            }
        };
        let account = &mut config.accounts[at];
        if let Some(kind) = self.password_kind {
            // The configured end is that of another secret.
            (account.secret, account.secret_expires) = (kind.into(), None);
        }
        account.secret_expires = self.password_expires.or(account.secret_expires);
        account.options.extend(self.options.iter().cloned());
        account.secrets.extend(secrets);
        Ok((key, password))
    }

    fn key(&self, config: &Config, driver: Option<&str>) -> Result<AccountKey, UsageError> {
        match (&self.account, &self.provider, &self.user) {
            (Some(key), ..) => match driver {
                Some(driver) if driver != key.driver => {
                    Err(UsageError(format!("{key} is an account of driver {:?}, and this is {driver:?}", key.driver)))
                }
                _ => Ok(key.clone()),
            },
            (None, Some(provider), Some(user)) => match driver {
                Some(driver) => {
                    Ok(AccountKey { driver: driver.into(), provider: provider.clone(), user: user.clone() })
                }
                None => Err(UsageError("which driver? Name it with --driver".into())),
            },
            _ => self.only(config, driver),
        }
    }

    /// The only account of the configuration that it can be.
    fn only(&self, config: &Config, driver: Option<&str>) -> Result<AccountKey, UsageError> {
        let fits = |key: &&AccountKey| driver.is_none_or(|driver| driver == key.driver);
        let keys: Vec<&AccountKey> = config.accounts.iter().map(|account| &account.key).filter(fits).collect();
        match keys.as_slice() {
            [only] => Ok((*only).clone()),
            [] => Err(UsageError("which account? Name it: --account DRIVER/PROVIDER/USER, or configure one".into())),
            several => {
                let keys: Vec<_> = several.iter().map(ToString::to_string).collect();
                Err(UsageError(format!("which account? Name one: --account {}", keys.join(", or --account "))))
            }
        }
    }

    fn password(&self, config: &Config, key: &AccountKey) -> Result<SecretString, UsageError> {
        let source = match (&self.password_file, &self.password_env) {
            (Some(path), _) => Some(SecretSource::File(path.clone())),
            (None, Some(name)) => Some(SecretSource::Environment(name.clone())),
            (None, None) => None,
        };
        let configured = config.accounts.iter().find(|account| account.key == *key);
        match (source, configured) {
            (Some(source), _) => read(&source),
            (None, Some(account)) => Ok(account.password.clone()),
            (None, None) => Err(UsageError(format!(
                "{key} is not in the configuration: say where its password is, with --password-file or --password-env"
            ))),
        }
    }
}

fn read(source: &SecretSource) -> Result<SecretString, UsageError> {
    source.read(&environment).map(|found| found.secret).map_err(|error| UsageError(error.to_string()))
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

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        account: AccountArgs,
    }

    fn line(arguments: &str) -> Result<Line, clap::Error> {
        <Line as clap::Parser>::try_parse_from(arguments.split(' '))
    }

    #[test]
    fn what_the_password_is_stands_over_the_configuration() {
        let check = |arguments: &str, configuration: &str, want: &str| {
            let one = "[[accounts]]\ndriver = \"d\"\nprovider = \"p\"\nuser = \"u\"\npassword_env = \"P\"\n";
            let configuration = format!("{one}{configuration}");
            let mut config = Config::parse(&configuration, "", &|_| Some("s3cret".into())).expect("parsed");
            line(arguments).expect(arguments).account.enter(&mut config, None).expect(arguments);
            let ConfiguredAccount { secret, secret_expires, .. } = &config.accounts[0];
            let expires = secret_expires.map_or("never".to_owned(), |expires| expires.to_string());
            assert_eq!(format!("{secret} {expires}"), want, "{arguments}");
        };
        let token = "password_kind = \"access-token\"\npassword_expires = \"2030-01-01T00:00:00Z\"\n";
        check("poll", "", "password never");
        check("poll", token, "access-token 2030-01-01T00:00:00.000Z");
        check("poll --password-kind private-key", token, "private-key never");
        let until = "--password-expires 2026-11-20T12:00:00Z";
        check(&format!("poll {until}"), token, "access-token 2026-11-20T12:00:00.000Z");
        check(&format!("poll --password-kind access-token {until}"), "", "access-token 2026-11-20T12:00:00.000Z");
        let error = line("poll --password-kind token").expect_err("no kind").to_string();
        assert!(error.contains("private-key"), "{error}");
        let error = line("poll --password-expires soon").expect_err("no time").to_string();
        assert!(error.contains("RFC 3339"), "{error}");
    }

    #[test]
    fn the_account_is_found_or_asked_for() {
        let check = |arguments: &str, driver: Option<&str>, configuration: &str, want: Result<&str, &str>| {
            let line = line(arguments).expect(arguments);
            let mut config = Config::parse(configuration, "", &|_| Some("s3cret".into())).expect("parsed");
            let entered = line.account.enter(&mut config, driver);
            let entered = entered.map(|(key, _)| key.to_string()).map_err(|error| error.to_string());
            match (entered, want) {
                (Ok(key), Ok(want)) => assert_eq!(key, want),
                (Err(error), Err(want)) => assert!(error.contains(want), "{error}"),
                (got, want) => panic!("got {got:?}, want {want:?}"),
            }
        };
        let one = "[[accounts]]\ndriver = \"mock\"\nprovider = \"default\"\nuser = \"a\"\npassword_env = \"P\"\n";
        let two = format!("{one}{}", one.replace("\"a\"", "\"b\""));
        check("poll", None, one, Ok("mock/default/a"));
        check("poll", None, &two, Err("--account mock/default/a, or --account mock/default/b"));
        check("poll", None, "", Err("which account?"));
        check("poll --account mock/default/b", None, &two, Ok("mock/default/b"));
        check("poll --account mock/default/c", None, &two, Err("mock/default/c is not in the configuration"));
        let unset = "poll --account mock/default/c --password-env TRACKER_NOT_SET";
        check(unset, None, &two, Err("TRACKER_NOT_SET is not set"));
        check("poll --account mock/default/c --password-file /nowhere", None, &two, Err("/nowhere"));
        check("poll --account mock/default/a --secret-file t=/nowhere", None, &two, Err("/nowhere"));
        check("poll --provider default --user a", None, one, Err("which driver?"));
        // A driver file that is tried says which driver it is.
        check("run --provider default --user a", Some("mock"), one, Ok("mock/default/a"));
        check("run", Some("mock"), one, Ok("mock/default/a"));
        check("run", Some("ec2"), one, Err("which account?"));
        check("run --account mock/default/a", Some("ec2"), one, Err("of driver \"mock\", and this is \"ec2\""));
    }
}
