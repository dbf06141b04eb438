//! Replaces a store with a backup. The old store is kept beside it under another name. It stays in place until the last
//! step, which is one rename: before that step the old store is complete, and from then on the backup is.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::super::connection::connect;
use super::super::lock::{HostLock, with_suffix};
use super::super::settings::Settings;
use super::super::{idle_fold, remains, seen};
use super::copy::{self, Allow};
use super::error::{BackupError, Origin};
use super::target::{Existing, Target, flush_folder, is_of_the_store, on_file, remove_sqlites};
use super::watch::{Stage, Watch};
use crate::store::StoreError;

/// A backup that took the place of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    pub bytes: u64,
    /// Whether the file has the digest of a backup, which shows that its content did not change. A copy of a store's file has
    /// none.
    pub has_digest: bool,
    /// Where the store is that was there, or what was left of it.
    pub aside: Option<PathBuf>,
}

/// Puts a backup in the place of a store, with a new mark: cursors that were given out before are refused. `allow` is asked
/// whether the host has the keys that the backup names. This blocks.
///
/// # Errors
/// Whatever it is, the store that was there is as it was: also if a host runs on it.
pub fn restore(
    file: &Path,
    store: &Path,
    existing: Existing,
    settings: &Settings,
    allow: Allow<'_>,
    mut watch: Watch<'_>,
) -> Result<Restored, BackupError> {
    if !file.is_file() {
        return Err(BackupError::NoBackup(file.to_owned()));
    }
    if is_of_the_store(file, store) {
        return Err(BackupError::OfTheStore(file.to_owned()));
    }
    let _lock = HostLock::acquire(store)?;
    let is_there = is_there(store)?;
    if is_there && existing == Existing::Kept {
        return Err(BackupError::StoreExists(store.to_owned()));
    }
    let target = Target::beside(store)?;
    let copied = copy::copy(file, Origin::Backup, &target, settings, allow, &mut watch)?;
    target.flush()?;
    watch.tell(Stage::Replacing)?;
    let aside = if is_there { Some(set_aside(store, settings, &mut watch)?) } else { keep_log(store)? };
    // A log that was left without its store would be taken for one of this.
    remove_sqlites(store).map_err(|source| on_file("remove what is beside", store, source))?;
    flush_folder(store)?;
    watch.show(Stage::Replacing);
    let bytes = target.put(Existing::Replaced)?;
    seen::leave(store, copied.renewed);
    Ok(Restored { bytes, has_digest: copied.has_digest, aside })
}

/// Whether a store has the path already. An empty file is none.
fn is_there(store: &Path) -> Result<bool, BackupError> {
    match std::fs::symlink_metadata(store) {
        Ok(found) if found.is_file() => Ok(found.len() > 0),
        // Whatever it leads to.
        Ok(found) if found.is_symlink() => Ok(true),
        Ok(found) => Err(StoreError::Unusable(remains::no_file(store, found.file_type())).into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(on_file("look at", store, source)),
    }
}

/// Keeps a log whose store is not there: with the store's file, which may have been moved away, it is whole again.
fn keep_log(store: &Path) -> Result<Option<PathBuf>, BackupError> {
    let log = with_suffix(store, "-wal");
    if !std::fs::metadata(&log).is_ok_and(|log| log.is_file() && log.len() > 0) {
        return Ok(None);
    }
    let aside = with_suffix(&free_name(store), "-wal");
    name_also(&log, &aside)?;
    Ok(Some(aside))
}

/// Gives the store another name beside its own; gives that name. From then on all of the store is in its file, or its log
/// has the other name, too.
fn set_aside(store: &Path, settings: &Settings, watch: &mut Watch<'_>) -> Result<PathBuf, BackupError> {
    // One that is damaged may not be foldable. Then its log is kept beside it.
    let is_folded = fold(store, settings).unwrap_or(false);
    watch.show(Stage::Replacing);
    let aside = free_name(store);
    let log = with_suffix(store, "-wal");
    if !is_folded && log.exists() {
        name_also(&log, &with_suffix(&aside, "-wal"))?;
    }
    name_also(store, &aside)?;
    flush_folder(store)?;
    watch.show(Stage::Replacing);
    Ok(aside)
}

/// Folds all of the store's log into its file.
fn fold(store: &Path, settings: &Settings) -> rusqlite::Result<bool> {
    let connection: Connection = connect(store, settings)?;
    connection.pragma_update(None, "synchronous", "full")?;
    idle_fold::checkpoint(&connection, "PRAGMA wal_checkpoint(TRUNCATE)")
}

/// A name beside the store's that nothing has.
fn free_name(store: &Path) -> PathBuf {
    let name = |number: u32| match number {
        1 => with_suffix(store, ".before-restore"),
        number => with_suffix(store, &format!(".before-restore-{number}")),
    };
    let is_free = |name: &PathBuf| ["", "-wal"].iter().all(|suffix| !with_suffix(name, suffix).exists());
    (1..).map(name).find(is_free).unwrap_or_else(|| name(0))
}

/// Gives a file a second name; where the file system has no such thing, makes a copy of that name.
fn name_also(file: &Path, name: &Path) -> Result<(), BackupError> {
    match std::fs::hard_link(file, name) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => copy_to(file, name),
        linked => linked,
    }
    .map_err(|source| on_file("keep the store as", name, source))
}

fn copy_to(file: &Path, name: &Path) -> io::Result<()> {
    let copied = std::fs::copy(file, name).and_then(|_| std::fs::File::open(name)?.sync_all());
    copied.inspect_err(|_| {
        // Half of it is of no use.
        let _ = std::fs::remove_file(name);
    })
}
