//! Backup and restore: the store at one moment as one file, made while a host runs and writes; and the store replaced
//! with one.
//!
//! Both work the same way. A copy is written into a file beside its destination, verified there, flushed, and then
//! renamed into place. If anything ends it before (a full disk, a kill, a power cut), the old file stays as it was.
//! Each copy has a new mark: a host that runs on the copy refuses cursors of the original store, because that store
//! continued.

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
