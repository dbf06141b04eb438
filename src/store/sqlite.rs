//! The embedded store: one SQLite file, one host's alone. A single thread writes and groups what waits
//! into one transaction, so that many callers share the price of one flush to disk; a few connections
//! read beside it, each from a snapshot. Everything that speaks SQL is in this room.

mod accounts;
mod attempts;
mod attention;
mod attributes;
pub mod backup;
mod bounded_page;
mod bounds;
mod catch_up;
mod claim;
mod columns;
mod damage;
mod deliveries;
mod dropped;
mod endpoints;
mod fair_pool;
mod flaps;
mod flush;
mod forget;
mod histories;
mod hook_cache;
mod hook_edits;
mod hook_index;
mod hooks;
mod idle_fold;
mod inventory;
mod journal;
mod keys;
mod known;
mod listeners;
mod lock;
mod mass_changes;
mod page;
mod past;
mod pending;
mod polls;
mod presence;
mod queue;
mod reach;
mod readers;
mod record;
mod redrive;
mod remains;
mod repair;
mod requests;
mod schema;
mod seen;
mod sessions;
mod settle;
mod space;
#[cfg(test)]
pub(crate) mod tests;
mod tokens;
mod trim;
mod turns;
mod unopened;
mod wanted;
mod words;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::watch;

use self::bounds::Bounds;
use self::damage::{Damages, Reading};
use self::fair_pool::Flow;
use self::flush::Flush;
use self::lock::HostLock;
use self::presence::{Absence, Presence};
use self::readers::Readers;
use self::seen::Age;
use self::space::Space;
use self::writer::{Lasting, OnDisk, Recovery, Writer, Writing};
use super::{Result, StoreError};

/// How the file is used. The defaults suit a host with tens of thousands of instances.
#[derive(Clone, Debug)]
pub struct Settings {
    pub synchronous: Synchronous,
    /// Connections that read at the same time; at least one. An account has all but one of them at most, and accounts that
    /// wait take turns.
    pub readers: usize,
    /// Writes that may wait for the writer; at least one. Who finds the queue full waits for a place. An account has a quarter
    /// of the places at most, and accounts that wait take turns.
    pub queue: usize,
    /// Bytes of the file kept in memory, all connections together: two thirds by the one that writes.
    pub page_cache: usize,
    /// From how many bytes on the log of writes is folded into the file. The log is read by who reads what is in it, so it
    /// must not get long; folding costs a flush, so it must not be short.
    pub log: usize,
    /// For how long nothing is written until the log is folded into the file, whatever its length. A copy of the file is a
    /// backup from then on.
    pub checkpoint_after: Duration,
    /// Rows that one step of a long write takes at most, and has others write before the next; at least one. A step
    /// ends sooner where its time is over.
    pub step_rows: usize,
    /// How many damaged rows are named in the log, shown and set aside one by one; at least one. Beyond these they are only
    /// counted: a file in which so much is damaged is restored from a backup.
    pub damaged_rows: usize,
    /// How much of hooks and their filters the writer keeps in its memory, of all accounts together: a hook counts as one,
    /// and so does each item of its filter. What is not kept is read anew when its account has a change.
    pub filters_kept: usize,
    /// How many bytes a page of hooks, resources, changes or deliveries takes at most, one item apart; a page ends early
    /// there.
    pub page_bytes: usize,
    /// How many bytes the store may take in its file. What would make it larger is refused.
    pub size: usize,
    /// Which part of that one account may take: 0 to 1.
    pub account_share: f64,
    /// From which part of either bound on a warning is given: 0 to 1.
    pub warn_at: f64,
    /// Which part of the store is the last that is taken, and only by accounts within an equal share of the store: 0 to 1.
    pub reserve: f64,
    /// How long another process (a backup, a shell) may hold the file before an operation fails.
    pub busy_timeout: Duration,
    /// Under the file. There is no key of the configuration for it.
    pub disk: Disk,
}

/// With less than this an account could not even be listed: a store that has nothing in it takes some hundred KiB.
pub const LEAST_ROOM: usize = 1 << 20;

impl Settings {
    /// Whether the bounds leave an account some room.
    pub fn has_room(&self) -> bool {
        bounds::part(self.size as u64, self.account_share) >= LEAST_ROOM as u64
    }
}

/// What SQLite reads and writes by.
#[derive(Clone, Copy, Debug, Default)]
pub enum Disk {
    /// The system's files.
    #[default]
    System,
    /// Another VFS, known to SQLite by its name, and how a file of it is written again as it is read and flushed,
    /// and how pages of one are (by their numbers, from 1, and their size in bytes) without being flushed: a test's, that
    /// fails when it is asked to.
    Other {
        vfs: &'static str,
        write_again: fn(&Path) -> std::io::Result<()>,
        write_pages_again: fn(&Path, &[u32], usize) -> std::io::Result<()>,
    },
}

/// What is on disk when a write is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// The write itself: it survives a power cut.
    Full,
    /// All but the last writes, should the power go; what is left is consistent. A crash of the host
    /// alone loses nothing.
    Normal,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            synchronous: Synchronous::Full,
            readers: 4,
            queue: 256,
            page_cache: 48 << 20,
            // What is folded at once takes the writer some tens of milliseconds, in which others wait.
            log: 16 << 20,
            checkpoint_after: Duration::from_secs(1),
            step_rows: 1000,
            damaged_rows: 1000,
            // Some tens of megabytes.
            filters_kept: 200_000,
            // A thousand instances as they are usually.
            page_bytes: 2 << 20,
            // Some ten times what the journal takes with all its changes.
            size: 32 << 30,
            account_share: 0.25,
            warn_at: 0.8,
            reserve: 0.1,
            busy_timeout: Duration::from_secs(5),
            disk: Disk::System,
        }
    }
}

/// How often the writer sees whether the store's files are in their places while it has nothing to do. That is three looks at
/// a directory.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// No sooner, whatever `checkpoint_after` says.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

pub struct SqliteStore {
    readers: Readers,
    writer: Writer,
    step_rows: usize,
    page_bytes: usize,
    damages: Damages,
    bounds: Arc<Bounds>,
    path: PathBuf,
    /// Whether a page of the file was found to be damaged.
    is_damaged: AtomicBool,
    /// The store's own, which is part of every cursor.
    mark: u32,
    /// See `Journal::newest`.
    newest: watch::Receiver<i64>,
}

impl SqliteStore {
    /// Opens the store at `path`, or makes it: the file with mode 0600, directories that are missing with
    /// 0700. What an earlier host had claimed is due again at once, because no other can hold it now.
    ///
    /// This blocks; it is meant for a host's start.
    ///
    /// # Errors
    /// `Unusable` if another host has it, if it is of a newer version, or if it is something else.
    pub fn open(path: &Path, settings: Settings) -> Result<SqliteStore> {
        let lock = HostLock::acquire(path)?;
        remains::require_none(path)?;
        lock::make_file(path)?;
        let readers = settings.readers.max(1);
        // Two thirds for the writer, which touches every table and index; the rest in equal shares.
        let writer_cache = settings.page_cache / 3 * 2 / 1024;
        let reader_cache = settings.page_cache / 3 / readers / 1024;

        let damages = Damages::new(settings.damaged_rows.max(1));
        let opened = || {
            let mut connection = connect(path, &settings)?;
            // Nothing is changed before it is known to be the tracker's.
            if schema::identify(&connection, path)? == schema::Content::Nothing {
                remains::require_none_of_blank(path)?;
            }
            lock::make_private(path)?;
            configure(&connection, &settings, writer_cache)?;
            let age = schema::bring_up_to_date(&mut connection)?;
            if age == Age::New {
                // On disk before `.seen` says that there is a store: with synchronous = normal, a power cut would take the log.
                idle_fold::checkpoint(&connection, "PRAGMA wal_checkpoint(PASSIVE)")?;
            }
            let mark = schema::check_meta(&connection, path)?;
            let start = seen::begin(&connection, path, mark, age, settings.synchronous)?;
            let recovery = match schema::begin_run(&connection, &damages, start.run) {
                Ok(()) => Recovery::Done,
                Err(error) if is_for_want_of_room(path, &error) => {
                    tracing::error!(
                        store = %path.display(), %error,
                        "the disk that the store is on is full: what it has is served, and nothing is written before there \
                         is room"
                    );
                    Recovery::Due(start.run)
                }
                Err(error) => return Err(error),
            };
            let readers = (0..readers)
                .map(|_| {
                    let connection = connect(path, &settings)?;
                    configure(&connection, &settings, reader_cache)?;
                    connection.pragma_update(None, "query_only", true)?;
                    Ok(connection)
                })
                .collect::<Result<Vec<_>>>()?;
            Ok((connection, start, readers, recovery))
        };
        let (mut connection, start, readers, recovery) = opened().map_err(|error| unusable(path, error))?;
        let (told, newest) = watch::channel(journal::newest(&connection)?);
        let flush = Flush::new(&mut connection, path, &settings)?;
        let presence = Presence::of(path).map_err(|error| lock::cant_open(path, &error))?;
        let bounds = Arc::new(Bounds::new(&settings));
        bounds.look(&connection)?;
        let seen::Start { seen, mark, .. } = start;
        let disk = OnDisk {
            flush,
            recovery,
            presence,
            seen,
            look_every: settings.checkpoint_after.clamp(LOOK_AGAIN, LOOK_EVERY),
        };
        Ok(SqliteStore {
            readers: Readers::new(readers),
            step_rows: settings.step_rows.max(1),
            page_bytes: settings.page_bytes,
            damages: damages.clone(),
            bounds: Arc::clone(&bounds),
            path: path.to_owned(),
            is_damaged: AtomicBool::new(false),
            writer: Writer::start(
                connection,
                (damages, bounds),
                mark,
                told,
                (settings.queue.max(1), settings.filters_kept, settings.page_bytes),
                disk,
                lock,
            )?,
            mark,
            newest,
        })
    }

    /// Names the file in an error that says it is damaged, and remembers that it is.
    fn named<T>(&self, result: Result<T>) -> Result<T> {
        let Err(StoreError::Damaged { source, .. }) = result else { return result };
        let error = StoreError::Damaged { file: self.path.clone(), source };
        if !self.is_damaged.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "the host is not ready: rows on the damaged pages cannot be read or written");
        }
        Err(error)
    }

    /// Errs once a page of the file was found to be damaged: what is asked next may be on another page.
    fn require_whole(&self) -> Result<()> {
        match self.is_damaged.load(Ordering::Relaxed) {
            true => {
                Err(StoreError::Damaged { file: self.path.clone(), source: "a page could not be read before".into() })
            }
            false => Ok(()),
        }
    }

    /// Takes no more writes, finishes those that wait, and gives the file up, within about a second. Reading goes on.
    ///
    /// Dropping the store does the same, but blocks the thread that drops it.
    pub async fn close(&self) -> Result<()> {
        self.writer.close().await
    }

    /// Runs `work` on a snapshot, on a thread where it may block, when the flow has its turn.
    async fn read<T, F>(&self, flow: Flow, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Reading<'_>) -> Result<T> + Send + 'static,
    {
        let (damages, page_bytes, mark) = (self.damages.clone(), self.page_bytes, self.mark);
        let read = self
            .readers
            .read(flow, move |connection| work(&Reading { connection, damages: &damages, page_bytes, mark }))
            .await;
        let read = self.named(read);
        if self.damages.is_any_pending() {
            // The writer sets aside what was met after each of its jobs. Who reads has what can be read, be that done or not.
            let _ = self.write_passing(Flow::Host, |_| Ok(())).await;
        }
        read
    }

    /// Runs `work` when the flow has its turn of the writer, and answers once that is on disk. If `work` fails,
    /// it has written nothing. A caller that gives up before its turn has nothing written either.
    async fn write<T, F>(&self, flow: Flow, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Writing<'_>) -> Result<T> + Send + 'static,
    {
        self.named(self.writer.write(flow, Lasting::Lasts, work).await)
    }

    /// The same for a step of long work, which waits behind other steps and lets others write in between.
    async fn write_step<T, F>(&self, flow: Flow, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Writing<'_>) -> Result<T> + Send + 'static,
    {
        self.named(self.writer.step(flow, Lasting::Lasts, work).await)
    }

    /// The same for what may be lost, whole, in a power cut: it is answered without a flush to disk.
    async fn write_passing<T, F>(&self, flow: Flow, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Writing<'_>) -> Result<T> + Send + 'static,
    {
        self.named(self.writer.write(flow, Lasting::MayGo, work).await)
    }

    /// A step that may be lost in a power cut.
    async fn write_passing_step<T, F>(&self, flow: Flow, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Writing<'_>) -> Result<T> + Send + 'static,
    {
        self.named(self.writer.step(flow, Lasting::MayGo, work).await)
    }
}

#[cfg(test)]
impl SqliteStore {
    /// Runs statements as they are, so that a test can make the next ones fail.
    pub(crate) async fn execute(&self, sql: &'static str) -> Result<()> {
        self.write(Flow::Host, move |writing| Ok(writing.connection.execute_batch(sql)?)).await
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

/// Why a transaction did not commit, or is lost.
#[derive(Debug, thiserror::Error)]
enum NotCommitted {
    #[error(transparent)]
    Sqlite(rusqlite::Error),
    #[error(transparent)]
    Gone(Absence),
}

/// What went wrong inside, beside SQLite's own errors.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the store is closed")]
    Closed,
    #[error("a read of the store did not end: {0}")]
    Read(#[source] tokio::task::JoinError),
    #[error("the transaction that this was a part of did not commit: {0}")]
    NotCommitted(#[source] std::sync::Arc<NotCommitted>),
    #[error("account {0} is not in the store: it may have been forgotten meanwhile")]
    NoAccount(crate::model::AccountId),
    #[error("account {0} is being forgotten, and can be used again once all of it is gone")]
    Forgetting(crate::model::AccountId),
    #[error("can't write a resource's attributes: {0}")]
    Attributes(#[source] serde_json::Error),
    #[error("hook {0} is damaged: it can only be deleted")]
    DamagedHook(crate::model::HookId),
    #[error("can't write what a hook's owner says of it: {0}")]
    Words(#[source] serde_json::Error),
    #[error("can't write the answer to a request: {0}")]
    Answer(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("this write of the store panicked: {0}")]
    Panicked(String),
    #[error("an earlier statement of this transaction failed, and SQLite took all of it back")]
    TakenBack,
    #[error("the system gave no randomness: {0}")]
    NoRandomness(#[source] getrandom::Error),
    #[error("can't start the store's writer: {0}")]
    NoThread(#[source] std::io::Error),
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> StoreError {
        let Fault::NotCommitted(cause) = &fault else { return StoreError::Failed(Box::new(fault)) };
        match &**cause {
            NotCommitted::Sqlite(error) => of_kind(error.sqlite_error_code())(Box::new(fault)),
            NotCommitted::Gone(absence) => absence.clone().into(),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        of_kind(error.sqlite_error_code())(Box::new(error))
    }
}

fn of_kind(code: Option<ErrorCode>) -> fn(Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    match code {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::SystemIoFailure) => StoreError::Disk,
        // Which file it is, the store knows.
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            |source| StoreError::Damaged { file: PathBuf::new(), source }
        }
        _ => StoreError::Failed,
    }
}

fn connect(path: &Path, settings: &Settings) -> rusqlite::Result<Connection> {
    // SQLite's own locks are not needed: a connection is never used by two threads at a time.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match settings.disk {
        Disk::System => Connection::open_with_flags(path, flags)?,
        Disk::Other { vfs, .. } => Connection::open_with_flags_and_vfs(path, flags, vfs)?,
    };
    connection.busy_timeout(settings.busy_timeout)?;
    #[cfg(test)]
    let connection = tests::plans::noting(connection)?;
    Ok(connection)
}

fn configure(connection: &Connection, settings: &Settings, cache_kib: usize) -> Result<()> {
    connection.set_prepared_statement_cache_capacity(128);
    // Without this a statement may be planned anew each time that its parameters are bound, which costs more
    // than to run it. No plan here hangs on a parameter's value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // The log is folded into the file by the writer, and when it ends; what is left then is not waited for.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    let synchronous = match settings.synchronous {
        Synchronous::Full => "full",
        Synchronous::Normal => "normal",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    // Negative: in KiB, not in pages.
    connection.pragma_update(None, "cache_size", -i64::try_from(cache_kib.max(64)).unwrap_or(i64::MAX))?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // After a big transaction the log is cut back to this, rather than staying at its largest.
    let log = i64::try_from(settings.log.saturating_mul(4)).unwrap_or(i64::MAX);
    connection.pragma_update(None, "journal_size_limit", log)?;
    // The writer folds the log into the file, see `flush`.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(())
}

/// Whether it is that there is no room beside the store's file.
fn is_for_want_of_room(path: &Path, error: &StoreError) -> bool {
    match error {
        StoreError::Full(_) => true,
        // SQLite calls by other names what is beyond a quota, and a file that it could not make.
        StoreError::Disk(_) => Space::default().is_lacking(path),
        StoreError::Failed(source) => {
            let code = source.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
            code == Some(ErrorCode::CannotOpen) && Space::default().is_lacking(path)
        }
        _ => false,
    }
}

/// Says which file it was and what can be done, where that is known.
fn unusable(path: &Path, error: StoreError) -> StoreError {
    if is_for_want_of_room(path, &error) {
        return StoreError::Unusable(format!(
            "can't open the store {}: the disk that it is on is full; make room there, and start the tracker again ({error})",
            path.display()
        ));
    }
    let (StoreError::Failed(source) | StoreError::Damaged { source, .. }) = &error else { return error };
    let Some(sqlite) = source.downcast_ref::<rusqlite::Error>() else { return error };
    let advice = match sqlite.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "it is not a store of the tracker: move it away, or name another path",
        Some(ErrorCode::DatabaseCorrupt) => {
            "it is damaged: restore it from a backup, or move it away, with all that begins with its name, to start anew"
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            "the tracker must be able to write the file and its directory"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process holds it: close the backup or shell that does"
        }
        _ => return error,
    };
    StoreError::Unusable(format!("can't use the store {}: {sqlite}; {advice}", path.display()))
}
