//! `tracker driver run`: one list of a live account through a driver file, approved or not. No host needs to run. For
//! authors, and for operators who want to see what a driver does.

use std::sync::Arc;

use clap::Args;

use super::trace::{Extent, Trace};
use super::tried::{Tried, TriedArgs, check_since};
use crate::cli::listing::{self, Output, What};
use crate::cli::process::runtime;
use crate::clock::SystemClock;
use crate::model::Timestamp;

#[derive(Debug, Args)]
#[command(after_help = "\
If the driver is not approved, the command shows what it can reach and asks you first. The account's secrets stay in the
host in any case: a trace shows their names in place of their values.

Examples:
  tracker driver run ./example.wasm --provider main --user demo --password-file key
  tracker driver run ec2 --config tracker.toml --list realms
  tracker driver run ./example.wasm --provider main --user demo --password-file key --since 2026-11-20T10:00:00Z
  tracker driver run ./ec2.wasm --provider lab --endpoint http://10.0.0.5:5000 --allow-addresses 10.0.0.5 \\
      --user AKIAEXAMPLE --password-file secret-key --trace
  tracker driver run ./parts.wasm --provider lab --user demo --password-file token --password-kind access-token \\
      --endpoint https://cloud.example:8774/v2.1 --endpoint identity=https://cloud.example:5000/v3")]
pub(crate) struct Run {
    #[command(flatten)]
    tried: TriedArgs,
    /// The kind of resources
    #[arg(long, value_enum, default_value_t = What::Instances)]
    list: What,
    /// List only what has changed since this time, such as 2026-11-20T10:00:00Z, if the driver has the feature delta
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Show each HTTP exchange on standard error, with the beginning of each body, or with =full all of it
    #[arg(long, value_enum, value_name = "EXTENT", num_args = 0..=1, require_equals = true, default_missing_value = "short")]
    trace: Option<Extent>,
    /// The format of the output
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

impl Run {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let runtime = runtime()?;
        let Tried { driver, mut target } = self.tried.open(&runtime, Arc::new(SystemClock))?;
        check_since(self.since, self.list.into(), driver.info())?;
        if let Some(extent) = self.trace {
            target.wire.watch = Some(Arc::new(Trace::new(extent)));
        }
        let listed = runtime.block_on(driver.list_since(&target, self.list.into(), self.since));
        let listing = listed.map_err(|failure| anyhow::anyhow!("{}: {failure}", target.key))?;
        listing::print(&target.key, &listing, self.output)
    }
}
