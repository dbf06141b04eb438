//! `tracker poll`: polls one account now, directly through its driver. Nothing is stored, and no host needs to run.

use std::sync::Arc;

use clap::Args;
use secrecy::SecretString;

use super::account::AccountArgs;
use super::config_args::ConfigArgs;
use super::listing::{self, Output, What};
use super::process::runtime;
use super::table::printable;
use super::usage::UsageError;
use crate::config::Config;
use crate::driver::{Listing, Rejected};
use crate::model::AccountKey;
use crate::roster::{NotOnRoster, Roster};
use crate::serve::Drivers;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tracker poll --config tracker.toml                       the configured account, if there is only one
  tracker poll --account ec2/us-east-1/AKIAEXAMPLE --password-file secret-key
  tracker poll --driver mock --provider default --user mockuser --password-env MOCK_PASSWORD --output json")]
pub(super) struct Poll {
    #[command(flatten)]
    config: ConfigArgs,
    /// The account's driver
    #[arg(long, requires_all = ["provider", "user"], conflicts_with = "account")]
    driver: Option<String>,
    #[command(flatten)]
    account: AccountArgs,
    /// The kind of resources
    #[arg(long, value_enum, default_value_t = What::Instances)]
    kind: What,
    /// The format of the output
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

impl Poll {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut config = self.config.load_and_log()?;
        let (key, password) = self.account.enter(&mut config, self.driver.as_deref())?;
        let listing = runtime()?.block_on(self.list(config, &key, password))?;
        listing::print(&key, &listing, self.output)
    }

    async fn list(&self, config: Config, key: &AccountKey, password: SecretString) -> anyhow::Result<Listing> {
        let Drivers { catalog, .. } = Drivers::load(&config).await?;
        let roster = Roster::new(Arc::new(catalog), config.providers, config.accounts, config.default_provider);
        let (driver, target) = roster.target(key, password).map_err(|error| not_on_roster(&error, &roster))?;
        driver.list(&target, self.kind.into()).await.map_err(|failure| anyhow::anyhow!("{key}: {failure}"))
    }
}

/// Says also which drivers are there and not loaded: the missing one may be among them.
fn not_on_roster(error: &NotOnRoster, roster: &Roster) -> UsageError {
    let mut message = error.to_string();
    if let NotOnRoster::Driver { .. } = error {
        for Rejected { file, reason } in roster.catalog().rejected() {
            let file = printable(&file.display().to_string());
            message.push_str(&format!("\n  not loaded: {file}: {reason}"));
        }
    }
    UsageError(message)
}
