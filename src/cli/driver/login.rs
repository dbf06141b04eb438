//! The login at a registry, from the command line. The password itself is never on the command line.

use std::path::PathBuf;

use clap::Args;

use crate::cli::output;
use crate::cli::process::environment;
use crate::cli::usage::UsageError;
use crate::config::{Config, SecretSource};
use crate::net::Clients;
use crate::supply::source::Login;
use crate::supply::{Fetcher, Source};

#[derive(Debug, Args)]
pub(super) struct LoginArgs {
    /// The user at the registry; if absent, the login in Docker's config.json
    #[arg(long, value_name = "NAME", requires = "password")]
    username: Option<String>,
    /// The file that holds the password or token of the user
    #[arg(long, value_name = "FILE", group = "password", requires = "username")]
    password_file: Option<PathBuf>,
    /// The environment variable that holds the password or token
    #[arg(long, value_name = "NAME", group = "password", requires = "username")]
    password_env: Option<String>,
}

impl LoginArgs {
    /// What fetches from the source that the command line names; with no source a login would be for nobody.
    pub(super) fn fetcher(&self, config: &Config, source: Option<&Source>) -> anyhow::Result<Fetcher> {
        let clients = Clients::new(config.network.clone())?;
        let fetcher = Fetcher::new(&clients, &config.sources, config.limits.driver_bytes)?;
        match (self.login()?, source) {
            (None, _) => Ok(fetcher),
            (login, Some(Source::Oci(_))) => Ok(fetcher.as_user(login)),
            (Some(_), _) => {
                Err(UsageError("a login is for a registry: name one, as oci://HOST/REPOSITORY:TAG".into()).into())
            }
        }
    }

    fn login(&self) -> anyhow::Result<Option<Login>> {
        let source = match (&self.password_file, &self.password_env) {
            (Some(file), _) => SecretSource::File(file.clone()),
            (None, Some(name)) => SecretSource::Environment(name.clone()),
            (None, None) => return Ok(None),
        };
        let Some(user) = self.username.clone() else { return Ok(None) };
        let found = source.read(&environment).map_err(|error| UsageError(error.to_string()))?;
        if let Some(warning) = found.warning {
            output::stderr_line!("warning: {warning}");
        }
        Ok(Some(Login { user, password: found.secret }))
    }
}
