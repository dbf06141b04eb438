//! Copies a database page by page from one snapshot, and verifies the copy. Writers continue: a read transaction holds
//! the snapshot, which blocks no writer in WAL mode. Meanwhile the WAL cannot be reset, and grows with every write.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::backup::{Backup as Pages, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::super::lock::with_suffix;
use super::super::seen::Renewed;
use super::super::settings::{Disk, Settings};
use super::super::{keys, schema, seen, space};
use super::digest::{self, Digest};
use super::error::{BackupError, Origin};
use super::target::Target;
use super::watch::{Stage, Watch};
use crate::model::KeyId;
use crate::store::StoreError;

/// Says whether the host can use what names these keys, or in words why not.
pub type Allow<'a> = &'a dyn Fn(&[KeyId]) -> Result<(), String>;

/// How many pages are copied between two looks at who watches: some megabytes.
const AT_ONCE: i32 = 1024;

/// How many faults of a damaged file are told.
const FAULTS: usize = 3;

/// For how long to wait where another process keeps the file for itself for a moment.
const BUSY: Duration = Duration::from_millis(50);

/// So many instructions of SQLite's are between two looks at whether to stop.
const INSTRUCTIONS: i32 = 100_000;

/// What may stand in the path of a URI as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

/// A copy that is whole.
pub(super) struct Copied {
    pub(super) keys: Vec<KeyId>,
    pub(super) renewed: Renewed,
    /// Whether a digest shows that the content is what was backed up.
    pub(super) has_digest: bool,
}

/// Copies a file as it is at this moment, verifies the copy, and gives it a new mark, and a backup its digest. Before anything is
/// copied, `allow` says whether the host has the keys that the file names.
pub(super) fn copy(
    from: &Path,
    origin: Origin,
    target: &Target,
    settings: &Settings,
    allow: Allow<'_>,
    watch: &mut Watch<'_>,
) -> Result<Copied, BackupError> {
    let on_failure = |error| failed(from, target, origin, error);
    let of_source = |error| store_failed(from, origin, error);
    let source = open_source(from, origin, settings).map_err(on_failure)?;
    if !schema::is_store(&source).map_err(on_failure)? {
        return Err(BackupError::NoTracker(from.to_owned()));
    }
    schema::identify(&source, from).map_err(of_source)?;
    allow(&keys::needed(&source).map_err(of_source)?).map_err(BackupError::Key)?;
    pages(&source, from, origin, target, settings, watch)?;
    drop(source);

    let mut copy = connect(target.path(), flags(), settings).map_err(on_failure)?;
    settle(&copy).map_err(on_failure)?;
    // What fails of `settle` for want of room may show only as the copy is read.
    let of_copy = |error| match error {
        StoreError::Full(source) => BackupError::NoRoom { file: target.path().to_owned(), source },
        StoreError::Disk(source) if space::Space::default().is_lacking(target.path()) => {
            BackupError::NoRoom { file: target.path().to_owned(), source }
        }
        error => of_source(error),
    };
    schema::check_meta(&copy, from).map_err(of_copy)?;
    let keys = keys::needed(&copy).map_err(of_copy)?;
    let has_digest = verify(&mut copy, from, target, origin, watch)?;
    let renewed = seen::renew(&copy).map_err(of_copy)?;
    if origin == Origin::Store {
        interruptible(&mut copy, watch, digest::write).map_err(on_failure)?;
    }
    copy.close().map_err(|(_, error)| on_failure(error))?;
    Ok(Copied { keys, renewed, has_digest })
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn connect(path: &Path, flags: OpenFlags, settings: &Settings) -> rusqlite::Result<Connection> {
    let connection = match settings.disk {
        Disk::System => Connection::open_with_flags(path, flags)?,
        Disk::Other { vfs, .. } => Connection::open_with_flags_and_vfs(path, flags, vfs)?,
    };
    connection.busy_timeout(settings.busy_timeout)?;
    // A host may have the file open, too. SQLite can't tell, should the host have lost its locks on it, and would take the log
    // away from under it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

fn open_source(from: &Path, origin: Origin, settings: &Settings) -> rusqlite::Result<Connection> {
    let has_log = std::fs::metadata(with_suffix(from, "-wal")).is_ok_and(|log| log.len() > 0);
    if origin == Origin::Store || has_log {
        // To read what is in the log, SQLite has to be able to write beside it.
        let source = connect(from, flags(), settings)?;
        source.pragma_update(None, "query_only", true)?;
        return Ok(source);
    }
    // Nobody writes a backup. So it may be on a disk that can only be read, and nothing is left beside it.
    let uri = format!("file:{}?immutable=1", percent_encode(from.as_os_str().as_bytes(), PLAIN));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    connect(Path::new(&uri), flags, settings)
}

fn pages(
    source: &Connection,
    from: &Path,
    origin: Origin,
    target: &Target,
    settings: &Settings,
    watch: &mut Watch<'_>,
) -> Result<(), BackupError> {
    let on_failure = |error| failed(from, target, origin, error);
    // From the first read to the end of this transaction one snapshot is read: else each write of a host would have the copy
    // begun anew.
    let snapshot = source.unchecked_transaction().map_err(on_failure)?;
    let page: u64 = snapshot
        .query_row("SELECT page_size FROM pragma_page_size, meta LIMIT 1", (), |row| row.get::<_, u32>(0))
        .map_err(on_failure)?
        .into();
    let mut copy = connect(target.path(), flags(), settings).map_err(on_failure)?;
    // A copy that is not whole is thrown away, and one that is whole is flushed once.
    let unsafely = copy.pragma_update(None, "journal_mode", "off");
    unsafely.and_then(|()| copy.pragma_update(None, "synchronous", "off")).map_err(on_failure)?;
    let pages = Pages::new(&snapshot, &mut copy).map_err(on_failure)?;
    loop {
        let step = pages.step(AT_ONCE).map_err(on_failure)?;
        let progress = pages.progress();
        let bytes = |pages: i32| u64::try_from(pages).unwrap_or(0) * page;
        let of = bytes(progress.pagecount);
        watch.tell(Stage::Copying { bytes: of.saturating_sub(bytes(progress.remaining)), of })?;
        match step {
            StepResult::Done => return Ok(()),
            StepResult::Busy | StepResult::Locked => std::thread::sleep(BUSY),
            _ => {}
        }
    }
}

/// Makes a copy one file that needs no other: without a log, and without a journal while it is worked on.
fn settle(copy: &Connection) -> rusqlite::Result<()> {
    copy.pragma_update(None, "locking_mode", "exclusive")?;
    copy.pragma_update(None, "synchronous", "off")?;
    copy.pragma_update(None, "journal_mode", "delete")?;
    copy.pragma_update(None, "journal_mode", "memory")
}

/// Reads all of a copy; says whether a digest shows that nothing in it changed. What is wrong in it was so in what it was made
/// of, or came about on the way.
fn verify(
    copy: &mut Connection,
    from: &Path,
    target: &Target,
    origin: Origin,
    watch: &mut Watch<'_>,
) -> Result<bool, BackupError> {
    watch.tell(Stage::Verifying)?;
    let on_failure = |error| failed(from, target, origin, error);
    let damaged = |what| Err(BackupError::Damaged { file: from.to_owned(), what, origin });
    let faults = interruptible(copy, watch, |copy| {
        let mut check = copy.prepare("PRAGMA integrity_check(100)")?;
        check.query_map((), |row| row.get::<_, String>(0))?.take(FAULTS).collect::<rusqlite::Result<Vec<_>>>()
    });
    match faults.map_err(on_failure)?.as_slice() {
        [ok] if ok == "ok" => {}
        faults => return damaged(faults.join("; ")),
    }
    if origin == Origin::Store {
        return Ok(false);
    }
    match interruptible(copy, watch, digest::verify).map_err(on_failure)? {
        Digest::Fits => Ok(true),
        Digest::Absent => Ok(false),
        Digest::Differs => damaged("its content is not what was backed up".to_owned()),
    }
}

/// Works on a copy, until somebody has it stop.
fn interruptible<T>(
    copy: &mut Connection,
    watch: &Watch<'_>,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let stop = Arc::clone(&watch.stop);
    copy.progress_handler(INSTRUCTIONS, Some(move || stop.load(Ordering::Relaxed)))?;
    let worked = work(copy);
    copy.progress_handler(INSTRUCTIONS, None::<fn() -> bool>)?;
    worked
}

/// What the store says of a file that is not one, or is damaged.
fn store_failed(from: &Path, origin: Origin, error: StoreError) -> BackupError {
    let code = match &error {
        StoreError::Damaged { source, .. } | StoreError::Failed(source) => {
            source.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code)
        }
        _ => None,
    };
    match code {
        Some(ErrorCode::NotADatabase) => BackupError::NoTracker(from.to_owned()),
        Some(ErrorCode::DatabaseCorrupt) => {
            BackupError::Damaged { file: from.to_owned(), what: error.to_string(), origin }
        }
        _ => BackupError::Store(error),
    }
}

/// An error of SQLite's while one file is copied to another, or the copy is worked on.
fn failed(from: &Path, target: &Target, origin: Origin, source: rusqlite::Error) -> BackupError {
    let to = target.path();
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => BackupError::NoRoom { file: to.to_owned(), source: Box::new(source) },
        // A quota, or the largest size of files, is a failure of the disk to SQLite.
        Some(ErrorCode::SystemIoFailure) if space::Space::default().is_lacking(to) => {
            BackupError::NoRoom { file: to.to_owned(), source: Box::new(source) }
        }
        Some(ErrorCode::NotADatabase) => BackupError::NoTracker(from.to_owned()),
        Some(ErrorCode::DatabaseCorrupt) => {
            BackupError::Damaged { file: from.to_owned(), what: source.to_string(), origin }
        }
        Some(ErrorCode::OperationInterrupted) => BackupError::Stopped,
        _ => BackupError::Copy { from: from.to_owned(), to: to.to_owned(), source },
    }
}
