//! The options of a subcommand that reads the configuration.

use std::path::{Path, PathBuf};

use clap::Args;

use super::process::environment;
use super::{compile, logging, output};
use crate::config::{Config, ConfigError};
use crate::metrics::LogLines;

/// The configuration file, and the settings that the command line overrides.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// The configuration file; without one, every key has its default
    #[arg(short, long, value_name = "FILE", env = "TRACKER_CONFIG")]
    config: Option<PathBuf>,
    /// The directory of drivers; overrides the configuration
    #[arg(long, value_name = "DIR")]
    drivers: Option<PathBuf>,
    /// The lock file of drivers; overrides the configuration
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
}

impl ConfigArgs {
    /// Reads the configuration; its warnings are the caller's to show.
    pub(super) fn load(&self) -> Result<Config, ConfigError> {
        self.load_by(|path| Config::load(path, &environment))
    }

    /// The same for a command that then lists: its log goes to standard error, and so do the warnings.
    pub(super) fn load_and_log(&self) -> anyhow::Result<Config> {
        let config = self.load()?;
        logging::to_stderr(&config.log, &LogLines::default())?;
        for warning in &config.warnings {
            output::stderr_line!("warning: {warning}");
        }
        Ok(config)
    }

    /// The same without accounts and their secrets.
    pub(super) fn load_without_accounts(&self) -> Result<Config, ConfigError> {
        self.load_by(|path| Config::load_without_accounts(path, &environment))
    }

    fn load_by(&self, load: impl Fn(&Path) -> Result<Config, ConfigError>) -> Result<Config, ConfigError> {
        let mut config = match &self.config {
            Some(path) => load(path)?,
            None => Config::without_file(&environment)?,
        };
        config.compile.executable = compile::this_program().ok();
        if let Some(directory) = &self.drivers {
            config.drivers.directory.clone_from(directory);
        }
        if let Some(lock) = &self.lock {
            config.drivers.lock.clone_from(lock);
        }
        Ok(config)
    }
}
