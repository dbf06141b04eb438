//! Control groups that containers leave behind.

use std::path::{Path, PathBuf};

/// Removes a group, and the groups in it first. Each has to be empty; there is nobody left to tell of one that is not.
pub(super) fn remove(group: &Path) {
    folders(group).iter().for_each(|inner| remove(inner));
    let _ = std::fs::remove_dir(group);
}

pub(super) fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}
