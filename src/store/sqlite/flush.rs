//! Durability: what is on disk, and when. A transaction is flushed only if something in it has to survive a power cut.
//! The WAL is checkpointed from time to time, where a failure is noticed.
//!
//! A failed flush is never simply retried. The system may treat pages that it could not write as written. The next
//! flush then succeeds without them, and leaves a hole in the WAL; a power cut loses everything after the hole. So
//! after a failed flush the WAL is in doubt. Before anything else is written, the WAL is written again with the content
//! that is read from it, and flushed. Until that succeeds, every write fails.
//!
//! The same applies to the database file. While somebody reads an older snapshot, SQLite checkpoints a part of the WAL,
//! does not flush the file for it, and never writes that part again. If the flush of a later part fails, the earlier
//! part may be lost as well. So each page in the WAL is then written to the file again, with the content that is read
//! from it, before the next checkpoint. The WAL is reset only after a flush of everything that was checkpointed from
//! it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, ffi};

use super::idle_fold::{IdleFold, Whole, checkpoint};
use super::lasting::Lasting;
use super::settings::{Disk, Settings, Synchronous};
use super::space::{self, Space};
use crate::clock::Stopwatch;

/// How much of the log is written again at a time, in bytes.
const PIECE: usize = 1 << 20;

const TRUNCATE: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// How long to wait after a truncation of the log that came to no end.
const TRUNCATE_EVERY: Duration = Duration::from_secs(1);

/// How the connection's commits are flushed to disk.
pub(super) struct Flush {
    flushed: Synchronous,
    /// What the last transaction had.
    present: Lasting,
    /// How many pages the log has.
    pages: Arc<AtomicI32>,
    /// From how many on it is folded into the file.
    fold_from: i32,
    /// How many transactions have committed, of how many it is known that they are in the file, and of how many that will be
    /// known once the fold ends that is under way.
    committed: Arc<AtomicU64>,
    folded: u64,
    folding: u64,
    idle: IdleFold,
    /// Whether the log may have what was deleted for good: SQLite begins the log anew from its start, and leaves the rest of
    /// the file as it is.
    keeps_deleted: bool,
    /// Runs from the last truncation of the log.
    truncated: Option<Stopwatch>,
    /// Whether there was a flush that failed, and the log was not written again since.
    in_doubt: bool,
    /// Whether a folding failed, and the pages of the file were not written again since.
    file_in_doubt: bool,
    /// Whether the last folding failed, so that not each failure is logged.
    unfolded: bool,
    space: Space,
    file: PathBuf,
    log: PathBuf,
    /// In bytes.
    page: usize,
    disk: Disk,
    busy_timeout: Duration,
}

impl Flush {
    /// `has_log` is whether the last host left a log, which may have what it deleted for good.
    pub(super) fn new(
        connection: &mut Connection,
        path: &Path,
        settings: &Settings,
        has_log: bool,
    ) -> rusqlite::Result<Flush> {
        let pages = Arc::new(AtomicI32::new(0));
        // What the last host has left in the log counts as one.
        let committed = Arc::new(AtomicU64::new(1));
        let (seen, counted) = (Arc::clone(&pages), Arc::clone(&committed));
        // In the place of SQLite's own hook, which folds the log and passes over every error.
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            seen.store(pages, Ordering::Relaxed);
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }))?;
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let log = log.into();
        let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let page = usize::try_from(page).unwrap_or(usize::MAX).max(1);
        Ok(Flush {
            flushed: settings.synchronous,
            present: Lasting::Lasts,
            pages,
            fold_from: i32::try_from(settings.log / page).unwrap_or(i32::MAX),
            committed,
            folded: 0,
            folding: 0,
            idle: IdleFold::new(path, settings),
            keeps_deleted: has_log,
            truncated: None,
            in_doubt: false,
            file_in_doubt: false,
            unfolded: false,
            space: Space::default(),
            file: path.to_owned(),
            log,
            page,
            disk: settings.disk,
            busy_timeout: settings.busy_timeout,
        })
    }

    /// Has the next transaction flushed as it needs it.
    pub(super) fn prepare(&mut self, connection: &Connection, wanted: Lasting) -> rusqlite::Result<()> {
        self.settle_doubt()?;
        if self.flushed == Synchronous::Normal || wanted == self.present {
            return Ok(());
        }
        let level = match wanted {
            Lasting::Lasts => "full",
            Lasting::MayGo => "normal",
        };
        connection.pragma_update(None, "synchronous", level)?;
        self.present = wanted;
        Ok(())
    }

    /// Errs where there is no room for the store to grow.
    pub(super) fn require_room(&mut self) -> rusqlite::Result<()> {
        match matches!(self.disk, Disk::System) && self.space.is_lacking(&self.log) {
            true => Err(full("there is no room for the store to grow".to_owned())),
            false => Ok(()),
        }
    }

    /// A transaction did not commit. Gives the error back, as one of a full disk where it is that.
    pub(super) fn failed(&mut self, error: rusqlite::Error) -> rusqlite::Error {
        let Some(failure) = error.sqlite_error().filter(|error| error.code == ErrorCode::SystemIoFailure) else {
            return error;
        };
        let has_no_room = matches!(self.disk, Disk::System) && self.space.is_lacking(&self.log);
        // Else it does not matter which of the disk's failures it was: to write the log again costs little.
        if !(has_no_room && failure.extended_code == ffi::SQLITE_IOERR_WRITE) {
            self.in_doubt = true;
        }
        if has_no_room { full(format!("there is no room for the store to grow: {error}")) } else { error }
    }

    /// Whether the log is so long that it is to be folded.
    pub(super) fn is_long(&self) -> bool {
        self.pages.load(Ordering::Relaxed) >= self.fold_from
    }

    /// Folds the log into the file, unless that is under way. Says whether it did.
    pub(super) fn fold(&mut self, connection: &Connection) -> bool {
        self.take_in_fold();
        !self.idle.is_under_way() && self.fold_now(connection)
    }

    /// Folds what there is, if nothing was written for so long. Says whether that was begun.
    pub(super) fn fold_if_idle(&mut self, connection: &Connection, quiet: Duration) -> bool {
        self.take_in_fold();
        let committed = self.committed.load(Ordering::Relaxed);
        if self.folded == committed || self.in_doubt || !self.idle.is_due(quiet) {
            return false;
        }
        if self.file_in_doubt {
            return self.fold_now(connection);
        }
        self.folding = committed;
        self.idle.begin();
        true
    }

    /// Something was deleted that must not remain in the log.
    pub(super) fn note_deleted(&mut self) {
        self.keeps_deleted = true;
    }

    pub(super) fn is_truncation_due(&self) -> bool {
        self.keeps_deleted && self.truncated.as_ref().is_none_or(|since| since.elapsed() >= TRUNCATE_EVERY)
    }

    /// Folds the log and cuts it off, if it may have what was deleted for good. This waits for nobody: where somebody reads
    /// an older state, or the disk is full and the log is what the store can still write to, it is tried again later. Says
    /// whether it was tried.
    pub(super) fn truncate_if_due(&mut self, connection: &Connection) -> bool {
        self.take_in_fold();
        if !self.is_truncation_due() || self.in_doubt || self.idle.is_under_way() || self.require_room().is_err() {
            return false;
        }
        self.truncated = Some(Stopwatch::start());
        self.folding = self.committed.load(Ordering::Relaxed);
        let _ = connection.busy_timeout(Duration::ZERO);
        let truncated = self.fold_as(connection, TRUNCATE);
        let _ = connection.busy_timeout(self.busy_timeout);
        self.keeps_deleted = !matches!(truncated, Ok(true));
        self.note_fold(truncated);
        true
    }

    fn fold_now(&mut self, connection: &Connection) -> bool {
        self.folding = self.committed.load(Ordering::Relaxed);
        let folded = self.fold_as(connection, "PRAGMA wal_checkpoint(PASSIVE)");
        self.note_fold(folded);
        true
    }

    /// Takes in how a fold ended that was made beside the writer.
    fn take_in_fold(&mut self) {
        if let Some(ended) = self.idle.take_ended() {
            self.file_in_doubt |= ended.is_err();
            self.note_fold(ended);
        }
    }

    fn note_fold(&mut self, ended: rusqlite::Result<Whole>) {
        match ended {
            Ok(is_whole) => {
                self.unfolded = false;
                if is_whole {
                    self.folded = self.folding;
                }
            }
            Err(error) => {
                let error = self.failed(error);
                if !std::mem::replace(&mut self.unfolded, true) {
                    tracing::error!(%error, "the store's WAL cannot be checkpointed and grows");
                }
            }
        }
    }

    /// Folds the log into the file at the end, unless someone still reads from it, which is not waited for, or it takes too
    /// long; any of these is a sound state. Says whether all is in the file.
    pub(super) fn close(&mut self, connection: &Connection) -> bool {
        if let Some(ended) = self.idle.wait() {
            self.file_in_doubt |= ended.is_err();
        }
        let _ = connection.busy_timeout(Duration::ZERO);
        let prepared = self.prepare(connection, Lasting::Lasts);
        let folded = prepared.and_then(|()| self.fold_as(connection, TRUNCATE));
        if folded.is_err() {
            // SQLite would fold it by itself. The next start does, from its beginning.
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
        matches!(folded, Ok(true))
    }

    /// Says whether all of the log is in the file now.
    fn fold_as(&mut self, connection: &Connection, pragma: &str) -> rusqlite::Result<Whole> {
        if self.file_in_doubt {
            let written = pages_in(&self.log, self.page).and_then(|pages| match self.disk {
                Disk::System => write_pages_again(&self.file, &pages, self.page),
                Disk::Other { write_pages_again, .. } => write_pages_again(&self.file, &pages, self.page),
            });
            written.map_err(|error| {
                let why = format!("a flush failed, and the file's pages cannot be written again: {error}");
                rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_FSYNC), Some(why))
            })?;
            self.file_in_doubt = false;
        }
        let folded = checkpoint(connection, pragma);
        self.file_in_doubt = folded.is_err();
        folded
    }

    fn settle_doubt(&mut self) -> rusqlite::Result<()> {
        if !self.in_doubt {
            return Ok(());
        }
        let written = match self.disk {
            Disk::System => write_again(&self.log),
            Disk::Other { write_again, .. } => write_again(&self.log),
        };
        written.map_err(|error| {
            let why = format!("a flush failed, and the WAL cannot be written again: {error}");
            match space::is_no_room(&error) {
                true => full(why),
                false => rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_FSYNC), Some(why)),
            }
        })?;
        tracing::warn!("a flush of the store's WAL failed; the WAL was written again and is complete");
        self.in_doubt = false;
        Ok(())
    }
}

fn full(why: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), Some(why))
}

/// Writes a file again as it is read, and flushes it: pages that the system wrongly holds for written are written, too.
/// Nobody else writes it meanwhile, as only the writer's thread does.
fn write_again(path: &Path) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    loop {
        let read = file.read_at(&mut piece, at)?;
        if read == 0 {
            return file.sync_all();
        }
        file.write_all_at(&piece[..read], at)?;
        at += read as u64;
    }
}

/// The numbers of the pages that are in a log, those of an earlier round included, each once and in order. See SQLite's
/// description of its file format, "The Write-Ahead Log": a header of 32 bytes, then frames, each with a header of 24 bytes
/// that begins with the page's number (from 1, big-endian).
fn pages_in(log: &Path, page: usize) -> io::Result<Vec<u32>> {
    let file = File::open(log)?;
    let frames = file.metadata()?.len().saturating_sub(32) / (page as u64 + 24);
    let mut pages = BTreeSet::new();
    for frame in 0..frames {
        let mut number = [0; 4];
        file.read_exact_at(&mut number, 32 + frame * (page as u64 + 24))?;
        pages.insert(u32::from_be_bytes(number));
    }
    Ok(pages.into_iter().collect())
}

/// Writes these pages of a file again as they are read. Those that the file does not have yet are left out.
fn write_pages_again(file: &Path, pages: &[u32], page: usize) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(file)?;
    let mut content = vec![0; page];
    for number in pages.iter().filter(|number| **number > 0) {
        let at = u64::from(number - 1) * page as u64;
        match file.read_exact_at(&mut content, at) {
            Ok(()) => file.write_all_at(&content, at)?,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::connection::{configure, connect};
    use super::*;

    #[test]
    fn the_log_is_folded_once_nothing_was_written_for_a_time_and_not_again_before_the_next_write() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store");
        std::fs::write(&path, "").expect("made");
        let settings = Settings::default();
        let open = || {
            let connection = connect(&path, &settings).expect("opened");
            configure(&connection, &settings, 64).expect("configured");
            connection
        };
        let (mut connection, reader) = (open(), open());
        let mut flush = Flush::new(&mut connection, &path, &settings, false).expect("it follows the log");
        let mut fold = |connection: &Connection, quiet: Duration| {
            let is_begun = flush.fold_if_idle(connection, quiet);
            is_begun.then(|| {
                let ended = flush.idle.wait().expect("it is under way");
                flush.note_fold(ended);
                flush.folded == flush.folding
            })
        };
        // What a copy of the file alone has.
        let copied = || {
            let copy = folder.path().join("copy");
            std::fs::copy(&path, &copy).expect("copied");
            let count = "SELECT COUNT(*) FROM little";
            Connection::open(&copy).expect("opened").query_row(count, (), |row| row.get::<_, i64>(0)).ok()
        };

        connection.execute_batch("CREATE TABLE little (number); INSERT INTO little VALUES (1)").expect("written");
        assert_eq!(fold(&connection, Duration::ZERO), None, "it was just written");
        assert_eq!(copied(), None);
        assert_eq!(fold(&connection, settings.checkpoint_after), Some(true));
        assert_eq!(copied(), Some(1));
        assert_eq!(fold(&connection, Duration::MAX), None, "nothing was written since");

        connection.execute_batch("INSERT INTO little VALUES (2)").expect("written");
        reader.execute_batch("BEGIN; SELECT * FROM little").expect("read");
        connection.execute_batch("INSERT INTO little VALUES (3)").expect("written");
        assert_eq!(fold(&connection, settings.checkpoint_after), Some(false), "an older state is read");
        assert_eq!(fold(&connection, settings.checkpoint_after), None, "it is not tried again at once");
    }

    #[test]
    fn a_file_that_is_written_again_is_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
            let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            std::fs::write(&path, &content).expect("written");
            write_again(&path).expect("written again");
            assert!(std::fs::read(&path).expect("read") == content, "{length}");
        }
        std::fs::remove_file(&path).expect("removed");
        assert!(write_again(&path).is_err());
    }
}
