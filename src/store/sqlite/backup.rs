//! Backups: the store as it is at one moment, in one file, made while a host runs and writes; and such a file put in the place
//! of a store.
//!
//! Both are made the same way: a copy is written into a file of its own beside where it is to be, is verified there, flushed,
//! and only then takes the place, by one rename. Whatever ends it before (a full disk, a kill, a power cut) leaves what was
//! there as it was. Each copy has a mark of its own: cursors of the store that it was made of are refused by a host that runs
//! on it, since that store went on.

mod copy;
mod digest;
mod error;
mod restore;
mod target;
mod watch;

use std::path::Path;

use super::settings::Settings;
use crate::model::KeyId;
pub use copy::Allow;
pub use error::{BackupError, Origin};
pub use restore::{Restored, restore};
pub use target::Existing;
use target::Target;
pub use watch::{Stage, Watch};

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    pub bytes: u64,
    /// The keys without which it can't be restored.
    pub keys: Vec<KeyId>,
}

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
