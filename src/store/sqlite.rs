//! The embedded store: one SQLite file, for one host only. A single thread writes and groups waiting writes into one
//! transaction, so that many callers share the cost of one flush to disk. A few connections read beside it, each from a
//! snapshot. All SQL is in this module.
//!
//! `traits` implements the traits of the store. Below them, code that reads and writes rows works with a `Reading` or a
//! `Writing`; work in several steps takes the store itself.

mod accounts;
mod attempts;
mod attention;
mod attributes;
pub mod backup;
mod bounded_page;
mod bounds;
mod catch_up;
mod change_ids;
mod claim;
mod columns;
mod connection;
mod damage;
mod dropped;
mod due_polls;
mod endpoints;
mod fair_pool;
mod fault;
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
mod lasting;
mod listener;
mod listeners;
mod lock;
mod marks;
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
mod settings;
mod settle;
mod space;
#[cfg(test)]
pub(crate) mod tests;
mod times;
mod tokens;
mod traits;
mod trim;
mod turns;
mod unopened;
mod wanted;
mod words;
mod writer;
mod writing;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::ErrorCode;
use tokio::sync::watch;

pub use self::settings::{Disk, LEAST_ROOM, Settings, Synchronous};

use self::bounds::Bounds;
use self::connection::{configure, connect};
use self::damage::{Damages, Reading};
use self::fair_pool::Flow;
use self::flush::Flush;
use self::lasting::Lasting;
use self::lock::HostLock;
use self::presence::Presence;
use self::readers::Readers;
use self::seen::Age;
use self::space::Space;
use self::writer::{OnDisk, Recovery, Writer};
use self::writing::Writing;
use super::{Result, Signalling, Signals, StoreError};

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
    signals: Signals,
}

impl Signalling for SqliteStore {
    fn signals(&self) -> &Signals {
        &self.signals
    }
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
        let has_log = std::fs::metadata(lock::with_suffix(path, "-wal")).is_ok_and(|log| log.len() > 0);
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
                        "the store's disk is full: the host serves what the store has, and writes nothing until there is \
                         room"
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
        let signals = Signals::default();
        let flush = Flush::new(&mut connection, path, &settings, has_log)?;
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
                (told, signals.clone()),
                (settings.queue.max(1), settings.filters_kept, settings.page_bytes),
                disk,
                lock,
            )?,
            mark,
            newest,
            signals,
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
        Some(ErrorCode::NotADatabase) => "it is not a store of Tracker: move it away, or name another path",
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
