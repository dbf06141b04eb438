//! `tracker backup` and `tracker restore`: the store as one file, made while a host runs, and restored while none runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytesize::ByteSize;
use clap::Args;

use super::config_args::ConfigArgs;
use super::output;
use super::process::{Signals, runtime};
use super::usage::UsageError;
use crate::config::Config;
use crate::model::KeyId;
use crate::serve::{STORE_FILE, named_keys, require_keys};
use crate::store::sqlite::backup::{self, BackupError, Existing, Restored, Stage, Watch};

#[derive(Debug, Args)]
#[command(after_help = "\
The backup is the store at one moment; the host continues meanwhile. The command writes FILE.partial, verifies it, and renames
it to FILE. A backup has no key: keep the key in a different place. It does not contain the configuration, the drivers or
drivers.lock either.

Examples:
  tracker backup /backup/tracker.db
  tracker backup /backup/tracker.db --force --config tracker.toml")]
pub(super) struct Backup {
    /// The file to write
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace FILE if it is a backup
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Stop the host first, and put the key that the backup names in its place. The command copies and verifies the backup before it
changes anything. The host then refuses cursors from before, so that clients list again and miss nothing.

Examples:
  tracker restore /backup/tracker.db
  tracker restore /backup/tracker.db --force    if a store exists; it is kept beside the new one")]
pub(super) struct Restore {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace the existing store, and keep it as tracker.db.before-restore
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Backup {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Backup { file, force, config } = self;
        require_name(&file)?;
        let config = config.load_without_accounts()?;
        let (store, settings) = (store(&config), config.store);
        let (from, to) = (store.clone(), file.clone());
        let made = watched(move |watch| backup::back_up(&from, &to, existing(force), &settings, watch))?;
        output::line!("Backed up {} to {}: {}, verified.", store.display(), file.display(), ByteSize(made.bytes));
        match made.keys.as_slice() {
            [] => {}
            keys => output::line!("It holds no key. To restore it, the host needs {}.", named_keys(keys)),
        }
        Ok(())
    }
}

impl Restore {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Restore { file, force, config } = self;
        require_name(&file)?;
        let config = config.load_without_accounts()?;
        let (store, settings, key) = (store(&config), config.store, config.key);
        let (from, to) = (file.clone(), store.clone());
        let restored = watched(move |watch| {
            let allow = |needed: &[KeyId]| require_keys(&key, needed, &from).map_err(|error| error.to_string());
            backup::restore(&from, &to, existing(force), &settings, &allow, watch)
        })?;
        let Restored { bytes, has_digest, aside } = restored;
        let restored = format!("Restored {} from {}: {}", store.display(), file.display(), ByteSize(bytes));
        match has_digest {
            true => output::line!("{restored}, verified."),
            false => output::line!(
                "{restored}. It has no digest, which `tracker backup` writes: a byte that changed in it would not show."
            ),
        }
        if let Some(aside) = aside {
            output::line!("The old store is kept as {}.", aside.display());
        }
        Ok(())
    }
}

fn store(config: &Config) -> PathBuf {
    config.data_dir.join(STORE_FILE)
}

fn existing(force: bool) -> Existing {
    if force { Existing::Replaced } else { Existing::Kept }
}

fn require_name(file: &Path) -> Result<(), UsageError> {
    match file.file_name() {
        Some(_) if !file.is_dir() => Ok(()),
        _ => Err(UsageError(format!("{} is not the name of a file", file.display()))),
    }
}

/// Runs what copies a store, shows how far it is, and has it stop at a signal.
fn watched<T: Send + 'static>(
    work: impl FnOnce(Watch<'_>) -> Result<T, BackupError> + Send + 'static,
) -> anyhow::Result<T> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    runtime()?.block_on(async {
        let mut signals = Signals::listen()?;
        let mut working = tokio::task::spawn_blocking(move || work(Watch { progress: &mut show, stop: stopped }));
        let ended = tokio::select! {
            ended = &mut working => ended,
            () = signals.next() => {
                stop.store(true, Ordering::Relaxed);
                working.await
            }
        };
        output::progress("");
        Ok(ended.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))?)
    })
}

fn show(stage: Stage) {
    match stage {
        Stage::Copying { bytes, of } => {
            let part = bytes.saturating_mul(100).checked_div(of).unwrap_or(100);
            output::progress(&format!("copying: {part} % of {}", ByteSize(of)));
        }
        Stage::Verifying => output::progress("verifying"),
        Stage::Replacing => output::progress("replacing"),
    }
}
