//! Whether the store has room to grow. SQLite recognises a full disk by one error of the system, ENOSPC. An exhausted
//! quota and the file size limit of the process have the same effect on a write, but SQLite calls them disk errors.
//! After a disk error, this file finds out the reason.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use crate::clock::Stopwatch;

/// For how long an answer holds. Looking costs a flush, and a store that can't be written is tried often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// As much as SQLite writes at once at least.
const PIECE: [u8; 4096] = [0x5a; 4096];

#[derive(Debug, Default)]
pub(super) struct Space {
    /// When it was looked at last, and whether there was no room.
    looked: Option<(Stopwatch, bool)>,
}

impl Space {
    /// Whether a file beside this one could not be written to where this one ends, since there is no room for that.
    pub(super) fn is_lacking(&mut self, file: &Path) -> bool {
        if let Some((looked, is_lacking)) = &self.looked
            && looked.elapsed() < LOOK_EVERY
        {
            return *is_lacking;
        }
        let is_lacking = try_to_grow(file).is_err_and(|error| is_no_room(&error));
        self.looked = Some((Stopwatch::start(), is_lacking));
        is_lacking
    }
}

/// Whether an error of the system's says that there is no room.
pub(super) fn is_no_room(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn try_to_grow(file: &Path) -> io::Result<()> {
    let end = std::fs::metadata(file).map_or(0, |file| file.len());
    let mut path = file.as_os_str().to_owned();
    path.push("-probe");
    let written = File::options().write(true).create(true).truncate(true).mode(0o600).open(&path).and_then(|probe| {
        probe.write_all_at(&PIECE, end)?;
        // Some file systems find out only then.
        probe.sync_all()
    });
    // One that is left over is written over by the next.
    let _ = std::fs::remove_file(&path);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_beside_a_file_on_a_disk_that_has_some() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("log");
        assert!(!Space::default().is_lacking(&file), "it is not there");
        std::fs::write(&file, [1; 100]).expect("written");
        assert!(!Space::default().is_lacking(&file));
        let left: Vec<_> = std::fs::read_dir(folder.path()).expect("read").collect();
        assert_eq!(left.len(), 1, "nothing else is left: {left:?}");
    }

    #[test]
    fn what_says_that_there_is_no_room_is_known() {
        let check = |code: rustix::io::Errno, want: bool| {
            assert_eq!(is_no_room(&io::Error::from(code)), want, "{code}");
        };
        check(rustix::io::Errno::NOSPC, true);
        check(rustix::io::Errno::DQUOT, true);
        check(rustix::io::Errno::FBIG, true);
        check(rustix::io::Errno::IO, false);
        check(rustix::io::Errno::ROFS, false);
    }
}
