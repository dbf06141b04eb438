//! `tracker driver reload`: a running host loads the drivers that are approved now.

use clap::Args;
use http::Method;

use crate::cli::config_args::ConfigArgs;
use crate::cli::output;
use crate::cli::process::runtime;
use crate::cli::table::{printable, table};
use crate::net::local;
use crate::operator::{ReloadDocument, ReloadedDocument};
use crate::supply::Role;

#[derive(Debug, Args)]
#[command(after_help = "\
A poll in progress ends with the driver that it began with. If a new version cannot be loaded, the old one stays. SIGHUP
does the same, and the host logs the outcome.

Examples:
  tracker driver reload
  tracker driver reload --config tracker.toml")]
pub(crate) struct Reload {
    #[command(flatten)]
    config: ConfigArgs,
}

impl Reload {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = self.config.load_without_accounts()?;
        let asked = local::ask(&config.control_socket, Method::POST, "/drivers/reload", None);
        let answer: ReloadDocument = serde_json::from_slice(&runtime()?.block_on(asked)?)?;
        output::text!("{}", table(["DRIVER", "ROLE", "NOW", "BEFORE", ""], answer.drivers.iter().map(row)));
        for file in &answer.not_loaded {
            output::line!("not loaded: {}: {}", printable(&file.file), printable(&file.reason));
        }
        // For a script to notice.
        anyhow::ensure!(
            !answer.not_loaded.iter().any(|file| file.approved),
            "some of the approved drivers are not loaded"
        );
        Ok(())
    }
}

fn row(driver: &ReloadedDocument) -> [String; 5] {
    let role = match driver.role {
        Role::Current => "current",
        Role::Shadow => "shadow",
    };
    let version = |version: &Option<String>| version.as_deref().unwrap_or("-").to_owned();
    [driver.name.clone(), role.to_owned(), version(&driver.version), version(&driver.before), driver.outcome.clone()]
}
