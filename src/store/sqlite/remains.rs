//! Remains of a store whose file is missing or empty: a volume that is not mounted, an interrupted copy, a file that
//! was moved. A host that created a new store there would silently lose all hooks, so it refuses to start.

use std::fs::FileType;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use super::super::{Result, StoreError};
use super::lock::{cant_open, with_suffix};

/// What the host has seen of the store: it is there from the first start on.
const SEEN: &str = ".seen";

/// The store's log.
const LOG: &str = "-wal";

/// Errs where a path has something else than a file, or a missing or empty file of which something is left.
pub(super) fn require_none(store: &Path) -> Result<()> {
    let how = match std::fs::metadata(store) {
        Ok(found) if !found.is_file() => return Err(StoreError::Unusable(no_file(store, found.file_type()))),
        Ok(found) if found.len() > 0 => return Ok(()),
        Ok(_) => "empty",
        Err(error) if error.kind() == io::ErrorKind::NotFound => "missing",
        Err(error) => return Err(cant_open(store, &error)),
    };
    refuse(store, how, &[SEEN, LOG])
}

/// The same for a file that has no tables. Its log may be that of a first start which was broken off.
pub(super) fn require_none_of_blank(store: &Path) -> Result<()> {
    refuse(store, "a database without any table", &[SEEN])
}

fn refuse(store: &Path, how: &str, remains: &[&str]) -> Result<()> {
    let is_left = |suffix: &&str| match std::fs::symlink_metadata(with_suffix(store, suffix)) {
        Ok(log) if *suffix == LOG => log.is_file() && log.len() > 0,
        Ok(_) => true,
        Err(_) => false,
    };
    let remains: Vec<PathBuf> =
        remains.iter().copied().filter(is_left).map(|suffix| with_suffix(store, suffix)).collect();
    if remains.is_empty() {
        return Ok(());
    }
    let named = remains.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" and ");
    Err(StoreError::Unusable(format!(
        "the store {} is {how}, and there was one: {named} is left of it. Put the file back, or restore a backup with `tracker \
         restore`; to begin anew without what the store had, remove {named}",
        store.display()
    )))
}

/// In words that something is no file.
pub(super) fn no_file(path: &Path, found: FileType) -> String {
    let what = match found {
        found if found.is_dir() => "a directory",
        found if found.is_fifo() => "a named pipe",
        _ => "not a regular file",
    };
    format!("{} is {what}, and the store is a file: move it away, or name another path", path.display())
}
