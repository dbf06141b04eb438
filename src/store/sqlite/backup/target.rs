//! The temporary file of a copy: beside its destination, with the suffix `.partial`. If a process was killed, the next
//! one overwrites its file; a lock tells whether another process is still writing it.

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, OFlags, RenameFlags, flock, renameat_with};
use rustix::io::Errno;

use super::super::lock::with_suffix;
use super::super::schema;
use super::super::space::is_no_room;
use super::error::BackupError;

/// What is to become of what is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    Kept,
    Replaced,
}

/// How a database begins.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// What SQLite may have beside a database.
const SQLITES: [&str; 3] = ["-wal", "-shm", "-journal"];

pub(super) struct Target {
    /// What it becomes.
    destination: PathBuf,
    path: PathBuf,
    /// Holds the lock. Closed after all connections to it: SQLite's own locks end with any descriptor of the file.
    file: File,
    is_put: bool,
}

impl Target {
    pub(super) fn beside(destination: &Path) -> Result<Target, BackupError> {
        let path = with_suffix(destination, ".partial");
        let file = open(&path)?;
        remove_sqlites(&path).map_err(|source| on_file("remove what is beside", &path, source))?;
        Ok(Target { destination: destination.to_owned(), path, file, is_put: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn flush(&self) -> Result<(), BackupError> {
        self.file.sync_all().map_err(|source| on_file("flush", &self.path, source))
    }

    /// Has it take its place, on disk, and gives its size.
    pub(super) fn put(mut self, existing: Existing) -> Result<u64, BackupError> {
        // In its exclusive mode SQLite leaves an empty journal behind.
        remove_sqlites(&self.path).map_err(|source| on_file("remove what is beside", &self.path, source))?;
        self.flush()?;
        let bytes = self.file.metadata().map_err(|source| on_file("look at", &self.path, source))?.len();
        match existing {
            Existing::Replaced => std::fs::rename(&self.path, &self.destination),
            Existing::Kept => rename_to_nothing(&self.path, &self.destination),
        }
        .map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => BackupError::FileExists(self.destination.clone()),
            _ => on_file("make", &self.destination, source),
        })?;
        self.is_put = true;
        flush_folder(&self.destination)?;
        Ok(bytes)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.is_put {
            // The next one writes over what is left.
            let _ = remove_sqlites(&self.path);
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn open(path: &Path) -> Result<File, BackupError> {
    loop {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let file = options.custom_flags(nofollow).open(path).map_err(|source| on_file("make", path, source))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(BackupError::InUse(path.to_owned())),
            Err(error) => return Err(on_file("lock", path, error.into())),
        }
        let look = || Ok::<_, io::Error>((file.metadata()?, std::fs::symlink_metadata(path)?));
        let (opened, found) = match look() {
            Ok(both) => both,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(on_file("look at", path, source)),
        };
        // Whoever held the lock may have put the file in its place meanwhile.
        if (opened.dev(), opened.ino()) != (found.dev(), found.ino()) {
            continue;
        }
        // One that somebody else can open, by another name or as its owner, is not written.
        if !opened.is_file() || opened.nlink() != 1 || opened.uid() != rustix::process::geteuid().as_raw() {
            return Err(BackupError::NotOurs(path.to_owned()));
        }
        if !is_left_copy(&file).map_err(|source| on_file("read", path, source))? {
            return Err(BackupError::NotOurs(path.to_owned()));
        }
        let emptied = file.set_len(0).and_then(|()| file.set_permissions(Permissions::from_mode(0o600)));
        return emptied.map(|()| file).map_err(|source| on_file("write", path, source));
    }
}

/// Whether a file is empty, or begins as a database does. The first page of a copy may be written last: before it is, there are
/// zeros.
fn is_left_copy(file: &File) -> io::Result<bool> {
    let mut start = Vec::new();
    file.take(MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(start.is_empty() || start == MAGIC || start.len() == MAGIC.len() && start.iter().all(|byte| *byte == 0))
}

/// Renames a file to a name that nothing has.
fn rename_to_nothing(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that does not know how: it is told by a look at what is there.
        Err(Errno::INVAL | Errno::NOSYS) => match std::fs::symlink_metadata(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => std::fs::rename(from, to),
        },
        renamed => Ok(renamed?),
    }
}

/// Whether a path is that of a store's file, or of one that is kept beside it.
pub(super) fn is_of_the_store(file: &Path, store: &Path) -> bool {
    let whole = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(std::fs::canonicalize(folder).ok()?.join(path.file_name()?))
    };
    let (Some(file), Some(store)) = (whole(file), whole(store)) else { return false };
    let ours = ["", "-wal", "-shm", "-journal", ".lock", ".seen", ".partial"].map(|suffix| with_suffix(&store, suffix));
    // It may be reached by another name.
    let file = std::fs::canonicalize(&file).unwrap_or(file);
    ours.iter().any(|own| *own == file || std::fs::canonicalize(own).is_ok_and(|own| own == file))
}

/// Whether a file has the header of a store (SQLite's "Database File Format", 1.3), or is empty: no other is replaced. A key, a
/// device or a link would be lost.
pub(super) fn is_backup(file: &Path) -> bool {
    const APPLICATION: std::ops::Range<usize> = 68..72;
    let is_file = std::fs::symlink_metadata(file).is_ok_and(|file| file.is_file());
    let read = || {
        let mut header = Vec::new();
        File::open(file)?.take(APPLICATION.end as u64).read_to_end(&mut header)?;
        Ok::<_, io::Error>(header)
    };
    let has_header = |header: Vec<u8>| {
        header.is_empty()
            || header.starts_with(MAGIC)
                && header.get(APPLICATION) == Some(schema::APPLICATION.to_be_bytes().as_slice())
    };
    is_file && read().is_ok_and(has_header)
}

/// Removes what SQLite may have left beside a database.
pub(super) fn remove_sqlites(database: &Path) -> io::Result<()> {
    for suffix in SQLITES {
        match std::fs::remove_file(with_suffix(database, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Has what was made, renamed or removed in a file's folder outlive a power cut.
pub(super) fn flush_folder(file: &Path) -> Result<(), BackupError> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.as_os_str().to_owned(),
        _ => OsString::from("."),
    };
    File::open(&folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| on_file("flush", Path::new(&folder), source))
}

pub(super) fn on_file(what: &'static str, file: &Path, source: io::Error) -> BackupError {
    let file = file.to_owned();
    match is_no_room(&source) {
        true => BackupError::NoRoom { file, source: Box::new(source) },
        false => BackupError::File { what, file, source },
    }
}
