//! `tracker man`: the manual pages, one for each command.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Command};

use super::output;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tracker man ~/.local/share/man/man1    then: man tracker, man tracker-driver-approve")]
pub(super) struct Man {
    /// The folder for the pages; the command creates it
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Man {
    /// `command` is the whole command line.
    pub(super) fn run(self, command: Command) -> anyhow::Result<()> {
        let Man { folder } = self;
        let wrote = std::fs::create_dir_all(&folder).and_then(|()| clap_mangen::generate_to(command, &folder));
        wrote.map_err(|error| anyhow!("can't write the pages into {}: {error}", folder.display()))?;
        output::line!("Wrote the pages into {}.", folder.display());
        Ok(())
    }
}
