//! Exclusive access to the file: a lock file beside it keeps a second host out, and its permissions keep other users
//! out.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::super::{Result, StoreError};
use super::space::is_no_room;

/// Held for as long as this host may write. The system releases it when the process ends, however
/// that comes about, so that a lock is never left behind.
#[derive(Debug)]
pub(super) struct HostLock {
    _file: File,
}

impl HostLock {
    pub(super) fn acquire(store: &Path) -> Result<HostLock> {
        let directory = store.parent().filter(|directory| !directory.as_os_str().is_empty());
        if let Some(directory) = directory {
            DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| {
                StoreError::Unusable(format!("can't make the store's directory {}: {error}", directory.display()))
            })?;
        }
        let path = with_suffix(store, ".lock");
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file =
            open().map_err(|error| StoreError::Unusable(format!("can't open {}: {error}", path.display())))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(StoreError::Unusable(in_use(store, &path, &mut file))),
            Err(error) => return Err(StoreError::Unusable(format!("can't lock {}: {error}", path.display()))),
        }
        // Only for whoever is refused; the lock does not depend on it.
        match file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())) {
            Ok(()) => {}
            Err(error) if is_no_room(&error) => {}
            Err(error) => return Err(StoreError::Unusable(format!("can't write {}: {error}", path.display()))),
        }
        Ok(HostLock { _file: file })
    }
}

fn in_use(store: &Path, lock: &Path, file: &mut File) -> String {
    let mut holder = String::new();
    let holder = match file.take(20).read_to_string(&mut holder) {
        Ok(_) if !holder.is_empty() => format!("process {holder}"),
        _ => "another process".to_owned(),
    };
    format!(
        "the store {} is in use: {holder} holds {}. Stop that host, or give this one a store of its own",
        store.display(),
        lock.display()
    )
}

/// Makes the file if it is not there.
pub(super) fn make_file(store: &Path) -> Result<()> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(store);
    opened.map(|_| ()).map_err(|error| cant_open(store, &error))
}

/// Closes the file to other users, should it be open to them, and those that SQLite keeps beside it: it
/// makes them with the permissions that the file has at the time.
pub(super) fn make_private(store: &Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let path = with_suffix(store, suffix);
        let mode = match std::fs::metadata(&path) {
            Ok(metadata) => metadata.permissions().mode(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(cant_open(&path, &error)),
        };
        if mode & 0o077 != 0 {
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(|error| {
                StoreError::Unusable(format!("cannot protect {} from other users: {error}", path.display()))
            })?;
        }
    }
    Ok(())
}

pub(super) fn cant_open(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unusable(format!("cannot open the store {}: {error}", path.display()))
}

pub(super) fn with_suffix(store: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(store);
    name.push(suffix);
    PathBuf::from(name)
}
