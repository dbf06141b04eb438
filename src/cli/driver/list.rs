//! `tracker driver list`: every driver file in the directory, loaded as the host would load it, or why it is not
//! loaded.

use clap::Args;

use super::find::short;
use crate::cli::config_args::ConfigArgs;
use crate::cli::output;
use crate::cli::process::runtime;
use crate::cli::table::{printable, table};
use crate::serve::Drivers;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tracker driver list
  tracker driver list --config tracker.toml --options")]
pub(crate) struct List {
    #[command(flatten)]
    config: ConfigArgs,
    /// Also show the providers and account options of each driver
    #[arg(long)]
    options: bool,
}

impl List {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = self.config.load_without_accounts()?;
        let catalog = runtime()?.block_on(Drivers::load(&config))?.catalog;
        let loaded = catalog.drivers().map(|driver| {
            let info = driver.info();
            [info.name.clone(), info.version.clone(), short(&info.digest).to_owned(), "loaded".into()]
        });
        let rejected = catalog.rejected().iter().map(|rejected| {
            let file = rejected.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            [file, "-".into(), "-".into(), format!("not loaded: {}", rejected.reason)]
        });
        let rows: Vec<_> = loaded.chain(rejected).collect();
        if rows.is_empty() {
            output::line!(
                "There are no drivers in {} (setting: drivers.directory).",
                config.drivers.directory.display()
            );
            return Ok(());
        }
        output::text!("{}", table(["DRIVER", "VERSION", "SHA-256", "STATUS"], rows));
        if self.options {
            for driver in catalog.drivers() {
                output::text!("\n{}", details(driver.info()));
            }
        }
        Ok(())
    }
}

fn details(info: &crate::driver::DriverInfo) -> String {
    let mut text = format!("{} ({})\n", printable(&info.title), info.name);
    for provider in &info.providers {
        text.push_str(&format!("  provider {}  {}\n", printable(&provider.name), printable(&provider.endpoint)));
    }
    for endpoint in &info.endpoints {
        text.push_str(&format!("  may reach {}\n", printable(endpoint)));
    }
    if !info.signed_by.is_empty() {
        text.push_str(&format!("  signed by {}\n", info.signed_by.join(", ")));
    }
    for option in &info.options {
        let traits = match (option.required, option.secret) {
            (true, true) => " (required, secret)",
            (true, false) => " (required)",
            (false, true) => " (secret)",
            (false, false) => "",
        };
        text.push_str(&format!("  option {}{traits}: {}\n", printable(&option.name), printable(&option.help)));
    }
    text
}
