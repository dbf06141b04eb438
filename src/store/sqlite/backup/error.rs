//! Why a store was not backed up, or not restored.

use std::io;
use std::path::PathBuf;

use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("there is no store {}: is this the host's configuration?", .0.display())]
    NoStore(PathBuf),
    #[error("there is no backup {}", .0.display())]
    NoBackup(PathBuf),
    #[error("{} exists: name another file, or replace it with --force", .0.display())]
    FileExists(PathBuf),
    #[error(
        "a store exists: {}. With --force, the backup replaces it, and the store is kept beside it", .0.display()
    )]
    StoreExists(PathBuf),
    #[error("{} is a file of the host's store: name another file", .0.display())]
    OfTheStore(PathBuf),
    #[error("{} exists and is not a backup: --force replaces only a backup. Name another file", .0.display())]
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
    #[error("{} is not a store of Tracker: name another file", .0.display())]
    NoTracker(PathBuf),
    #[error("there is no room for {}: {source}", file.display())]
    NoRoom { file: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("cannot copy {} to {}: {source}", from.display(), to.display())]
    Copy { from: PathBuf, to: PathBuf, source: rusqlite::Error },
    #[error("cannot {what} {}: {source}", file.display())]
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
