//! A disk that fails when a test asks it to: a VFS of SQLite over the system's own. It also keeps what of a database
//! would be left after a power cut, with the semantics of Linux: what a failed flush should have written is lost for
//! good, though it can still be read, and the next flush succeeds without it.

mod shim;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use shim::NAME;

/// A file of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum File {
    Database,
    Log,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Open,
    Read,
    Write,
    Sync,
    Truncate,
    /// Of the index that connections share in memory.
    Map,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The device can't do it.
    Broken,
    /// Half of it is written, and then there is no room.
    Full,
    /// Less is read than was asked for.
    Short,
}

/// Which operations fail: those of this kind on this file, from the `first` after it was asked for (0 is the next), and
/// so many of them.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub file: File,
    pub operation: Operation,
    pub error: Error,
    pub first: u64,
    pub number: u64,
}

/// The disk under one database.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    fault: Option<Fault>,
    /// How many operations on each file there were since the last time that a fault was asked for.
    seen: HashMap<(File, u8), u64>,
    failed: u64,
    files: HashMap<File, Kept>,
}

/// What a file holds after a power cut, and what was written since.
#[derive(Debug, Default)]
struct Kept {
    flushed: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Debug)]
enum Pending {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

static DISKS: Mutex<Option<HashMap<PathBuf, Arc<Inner>>>> = Mutex::new(None);

impl Disk {
    /// A disk for the database at `path`, which is opened with the VFS `NAME` from then on. One for the same path
    /// before it ends.
    pub fn under(path: &Path) -> Disk {
        shim::register();
        let inner = Arc::new(Inner { path: path.to_owned(), state: Mutex::default() });
        let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
        disks.get_or_insert_default().insert(path.to_owned(), Arc::clone(&inner));
        Disk(inner)
    }

    /// Has operations fail, in the place of those that were asked to before.
    pub fn fail(&self, fault: Fault) {
        let mut state = self.0.state();
        state.seen.clear();
        state.failed = 0;
        state.fault = Some(fault);
    }

    /// Has nothing fail any more.
    pub fn mend(&self) {
        self.0.state().fault = None;
    }

    /// How many operations have failed since they were asked to.
    pub fn failed(&self) -> u64 {
        self.0.state().failed
    }

    /// How many operations there were since a fault was last asked for, or since the beginning.
    pub fn seen(&self, file: File, operation: Operation) -> u64 {
        self.0.state().seen.get(&(file, operation as u8)).copied().unwrap_or(0)
    }

    /// Writes what a power cut would leave now as a database at `path`.
    ///
    /// # Errors
    /// As the system's.
    pub fn after_power_cut(&self, path: &Path) -> io::Result<()> {
        let state = self.0.state();
        for (file, kept) in &state.files {
            std::fs::write(file.beside(path), &kept.flushed)?;
        }
        Ok(())
    }

    /// Writes a log once more as it is read, and flushes it: the same as a program can do by itself beside SQLite.
    ///
    /// # Errors
    /// If writing or flushing it fails.
    pub fn write_log_again(log: &Path) -> io::Result<()> {
        let path = log.to_str().and_then(|log| log.strip_suffix("-wal")).unwrap_or_default();
        let Some(inner) = disk_of(Path::new(path)) else { return Err(io::ErrorKind::NotFound.into()) };
        for operation in [Operation::Write, Operation::Sync] {
            if inner.fails(File::Log, operation).is_some() {
                return Err(io::Error::other("as asked"));
            }
        }
        let content = std::fs::read(log)?;
        inner.state().files.insert(File::Log, Kept { flushed: content, pending: Vec::new() });
        Ok(())
    }

    /// Writes pages of a database once more as they are read (by their numbers, from 1, and their size in bytes), as a
    /// program can do by itself beside SQLite.
    ///
    /// # Errors
    /// If reading or writing fails.
    pub fn write_pages_again(path: &Path, pages: &[u32], page: usize) -> io::Result<()> {
        let Some(inner) = disk_of(path) else { return Err(io::ErrorKind::NotFound.into()) };
        let content = std::fs::read(path)?;
        for number in pages.iter().filter_map(|number| usize::try_from(*number).ok()?.checked_sub(1)) {
            let at = number.saturating_mul(page);
            let Some(bytes) = content.get(at..at.saturating_add(page)) else { continue };
            if inner.fails(File::Database, Operation::Write).is_some() {
                return Err(io::Error::other("as asked"));
            }
            inner.written(File::Database, Pending::Write { at, bytes: bytes.to_vec() });
        }
        Ok(())
    }
}

impl File {
    fn beside(self, path: &Path) -> PathBuf {
        let mut path = path.as_os_str().to_owned();
        if self == File::Log {
            path.push("-wal");
        }
        path.into()
    }
}

fn disk_of(path: &Path) -> Option<Arc<Inner>> {
    let disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
    disks.as_ref()?.get(path).map(Arc::clone)
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation; says how it fails, if it does.
    fn fails(&self, file: File, operation: Operation) -> Option<Error> {
        let mut state = self.state();
        let seen = state.seen.entry((file, operation as u8)).or_default();
        let number = *seen;
        *seen += 1;
        let fault = state.fault.filter(|fault| (fault.file, fault.operation) == (file, operation))?;
        let ends = fault.first.saturating_add(fault.number);
        if !(fault.first..ends).contains(&number) {
            return None;
        }
        state.failed += 1;
        Some(fault.error)
    }

    /// A file is opened: what is in it now has been there for long.
    fn opened(&self, file: File) {
        let flushed = std::fs::read(file.beside(&self.path)).unwrap_or_default();
        self.state().files.entry(file).or_insert(Kept { flushed, pending: Vec::new() });
    }

    fn written(&self, file: File, change: Pending) {
        self.state().files.entry(file).or_default().pending.push(change);
    }

    fn flushed(&self, file: File) {
        let mut state = self.state();
        let Kept { flushed, pending } = state.files.entry(file).or_default();
        for change in pending.drain(..) {
            match change {
                Pending::Write { at, bytes } => {
                    let end = at.saturating_add(bytes.len());
                    if flushed.len() < end {
                        flushed.resize(end, 0);
                    }
                    flushed[at..end].copy_from_slice(&bytes);
                }
                Pending::Truncate(length) => flushed.resize(length, 0),
            }
        }
    }

    /// A flush failed: the system holds for written what it could not write.
    fn lost(&self, file: File) {
        self.state().files.entry(file).or_default().pending.clear();
    }
}
