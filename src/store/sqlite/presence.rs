//! Checks that the files that the store was opened with are still in place. A file that is removed or replaced can be
//! written as long as it is open, but all of that would be lost when the host ends.
//!
//! The check uses only paths. Closing any descriptor of a file releases all locks of the process on it (POSIX),
//! including those of SQLite.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::super::StoreError;
use super::lock::with_suffix;

/// The files of an open store.
#[derive(Debug)]
pub(super) struct Presence {
    files: Vec<(PathBuf, Identity)>,
    /// What the last look found, so that each change of it is logged once.
    absence: Option<Absence>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

/// A file of the store is not where it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} was {}", file.display(), how)]
pub(super) struct Absence {
    file: PathBuf,
    how: &'static str,
}

impl Presence {
    /// Of a store that all connections are open to.
    pub(super) fn of(store: &Path) -> io::Result<Presence> {
        // Without the lock file, a second host would take the store for its own.
        let files = ["", "-wal", "-shm", ".lock"].map(|suffix| with_suffix(store, suffix));
        let files = files.into_iter().map(|file| identity(&file).map(|identity| (file, identity)));
        Ok(Presence { files: files.collect::<io::Result<_>>()?, absence: None })
    }

    /// Errs with the first file that is not in its place. One that is put back is as good as before.
    pub(super) fn check(&mut self) -> Result<(), Absence> {
        let absence = self.files.iter().find_map(|(file, opened)| {
            let how = match identity(file) {
                Ok(found) if found == *opened => return None,
                Ok(_) => "replaced by another file",
                Err(error) if is_absent(&error) => "removed",
                // That it can't be looked at says nothing of it.
                Err(_) => return None,
            };
            Some(Absence { file: file.clone(), how })
        });
        if absence != self.absence {
            match &absence {
                Some(absence) => {
                    let error = StoreError::from(absence.clone());
                    tracing::error!(%error, "the host is not ready and does not write");
                }
                None => tracing::info!("the store's files are in place again: the host writes again"),
            }
            self.absence.clone_from(&absence);
        }
        absence.map_or(Ok(()), Err)
    }
}

impl From<Absence> for StoreError {
    fn from(absence: Absence) -> StoreError {
        let Absence { file, how } = absence;
        StoreError::Gone { file, how }
    }
}

fn identity(file: &Path) -> io::Result<Identity> {
    let metadata = std::fs::metadata(file)?;
    Ok(Identity { device: metadata.dev(), inode: metadata.ino() })
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_missed_until_the_very_same_one_is_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join("data/tracker.db");
        std::fs::create_dir(folder.path().join("data")).expect("made");
        for suffix in ["", "-wal", "-shm", ".lock"] {
            std::fs::write(with_suffix(&store, suffix), "x").expect("written");
        }
        let mut presence = Presence::of(&store).expect("looked at");
        let mut check = |want: Option<(&str, &str)>| {
            let found = presence.check().err();
            let found = found.as_ref().map(|absence| (absence.file.to_str().expect("UTF-8"), absence.how));
            match (found, want) {
                (None, None) => {}
                (Some((file, how)), Some((name, wanted))) => {
                    assert!(file.ends_with(name) && how == wanted, "{file}: {how}")
                }
                (found, want) => panic!("{found:?}, and not {want:?}"),
            }
        };
        check(None);
        for suffix in ["", "-wal", "-shm", ".lock"] {
            let (file, aside) = (with_suffix(&store, suffix), folder.path().join("aside"));
            let name = format!("tracker.db{suffix}");
            std::fs::rename(&file, &aside).expect("moved");
            check(Some((&name, "removed")));
            std::fs::write(&file, "x").expect("written");
            check(Some((&name, "replaced by another file")));
            std::fs::rename(&aside, &file).expect("moved back");
            check(None);
        }
        let (data, aside) = (folder.path().join("data"), folder.path().join("aside"));
        std::fs::rename(&data, &aside).expect("moved");
        check(Some(("tracker.db", "removed")));
        std::fs::write(&data, "x").expect("written");
        check(Some(("tracker.db", "removed")));
        std::fs::remove_file(&data).expect("removed");
        std::fs::rename(&aside, &data).expect("moved back");
        check(None);
    }
}
