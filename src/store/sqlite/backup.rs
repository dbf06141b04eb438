//! Backups: the store as it is at one moment, in one file, made while a host runs and writes; and such a file put in the place
//! of a store.
//!
//! Both are made the same way: a copy is written into a file of its own beside where it is to be, is verified there, flushed,
//! and only then takes the place, by one rename. Whatever ends it before (a full disk, a kill, a power cut) leaves what was
//! there as it was. Each copy has a mark of its own: cursors of the store that it was made of are refused by a host that runs
//! on it, since that store went on.

mod copy;
mod digest;
mod restore;
mod target;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::ErrorCode;

use super::super::StoreError;
use super::{Settings, space};
use crate::model::KeyId;
pub use restore::{Restored, restore};
use target::Target;

/// What is to become of what is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    Kept,
    Replaced,
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Copying {
        bytes: u64,
        of: u64,
    },
    /// All of it is read, and its indexes are held against its tables.
    Verifying,
    /// What was there is set aside.
    Replacing,
}

/// Who looks on while a copy is made.
pub struct Watch<'a> {
    pub progress: &'a mut dyn FnMut(Stage),
    /// Set to have the work stop. Nothing is left of it then.
    pub stop: Arc<AtomicBool>,
}

impl Watch<'_> {
    fn show(&mut self, stage: Stage) {
        (self.progress)(stage);
    }

    /// The same where the work can still be stopped: errs if it is to.
    fn tell(&mut self, stage: Stage) -> Result<(), BackupError> {
        self.show(stage);
        match self.stop.load(Ordering::Relaxed) {
            true => Err(BackupError::Stopped),
            false => Ok(()),
        }
    }
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    pub bytes: u64,
    /// The keys without which it can't be restored.
    pub keys: Vec<KeyId>,
}

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("there is no store {}: is this the host's configuration?", .0.display())]
    NoStore(PathBuf),
    #[error("there is no backup {}", .0.display())]
    NoBackup(PathBuf),
    #[error("{} is there already: name another file, or replace it with --force", .0.display())]
    FileExists(PathBuf),
    #[error(
        "there is a store already: {}. With --force, the backup takes its place, and the store is kept beside it", .0.display()
    )]
    StoreExists(PathBuf),
    #[error("{} is a file of the host's store: name another file", .0.display())]
    OfTheStore(PathBuf),
    #[error("{} is there already, and is no backup: --force replaces a backup alone. Name another file", .0.display())]
    NoBackupThere(PathBuf),
    #[error("{} is being written by another process: wait until it has ended", .0.display())]
    InUse(PathBuf),
    #[error("{} is not a file that this program left there: move it away, or name another file", .0.display())]
    NotOurs(PathBuf),
    #[error(
        "{} is damaged ({what}): {}", file.display(),
        match origin { Origin::Store => "restore the store from an earlier backup", Origin::Backup => "use another backup" }
    )]
    Damaged { file: PathBuf, what: String, origin: Origin },
    #[error("{} is not a store of the tracker: name another file", .0.display())]
    NoTracker(PathBuf),
    #[error("there is no room for {}: {source}", file.display())]
    NoRoom { file: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("can't copy {} to {}: {source}", from.display(), to.display())]
    Copy { from: PathBuf, to: PathBuf, source: rusqlite::Error },
    #[error("can't {what} {}: {source}", file.display())]
    File { what: &'static str, file: PathBuf, source: io::Error },
    /// The host lacks a key.
    #[error("{0}")]
    Key(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("stopped: nothing was changed")]
    Stopped,
}

/// What a copy is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Store,
    Backup,
}

/// Says whether the host can use what names these keys, or in words why not.
pub type Allow<'a> = &'a dyn Fn(&[KeyId]) -> Result<(), String>;

/// Copies a store into a file, which takes the place that it is named for once it is whole and on disk. A host may run on the
/// store, and write. This blocks.
///
/// # Errors
/// Whatever it is, a file that was there is as it was.
pub fn back_up(
    store: &Path,
    file: &Path,
    existing: Existing,
    settings: &Settings,
    mut watch: Watch<'_>,
) -> Result<Backup, BackupError> {
    if !store.is_file() {
        return Err(BackupError::NoStore(store.to_owned()));
    }
    if target::is_of_the_store(file, store) {
        return Err(BackupError::OfTheStore(file.to_owned()));
    }
    if std::fs::symlink_metadata(file).is_ok() {
        match existing {
            Existing::Kept => return Err(BackupError::FileExists(file.to_owned())),
            Existing::Replaced if target::is_backup(file) => {}
            Existing::Replaced => return Err(BackupError::NoBackupThere(file.to_owned())),
        }
    }
    let target = Target::beside(file)?;
    let copied = copy::copy(store, Origin::Store, &target, settings, &|_| Ok(()), &mut watch)?;
    let bytes = target.put(existing)?;
    Ok(Backup { bytes, keys: copied.keys })
}

/// An error of SQLite's while one file is copied to another, or the copy is worked on.
fn failed(from: &Path, target: &Target, origin: Origin, source: rusqlite::Error) -> BackupError {
    let to = target.path();
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => BackupError::NoRoom { file: to.to_owned(), source: Box::new(source) },
        // A quota, or the largest size of files, is a failure of the disk to SQLite.
        Some(ErrorCode::SystemIoFailure) if space::Space::default().is_lacking(to) => {
            BackupError::NoRoom { file: to.to_owned(), source: Box::new(source) }
        }
        Some(ErrorCode::NotADatabase) => BackupError::NoTracker(from.to_owned()),
        Some(ErrorCode::DatabaseCorrupt) => {
            BackupError::Damaged { file: from.to_owned(), what: source.to_string(), origin }
        }
        Some(ErrorCode::OperationInterrupted) => BackupError::Stopped,
        _ => BackupError::Copy { from: from.to_owned(), to: to.to_owned(), source },
    }
}
