//! Checkpoints the WAL while nobody writes. So the file of an idle host is the complete store, and a copy of it is a
//! backup. A separate connection on a separate thread does that, with a checkpoint that waits for nobody (SQLite's
//! PASSIVE): a write that arrives meanwhile is not delayed. Only one such thread runs at a time, and its work is
//! bounded by the maximum length of the WAL.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::connection::connect;
use super::settings::Settings;
use crate::clock::Stopwatch;

/// For how long to wait after a fold that came to no end: somebody reads an older state, or the disk fails.
const TRY_AGAIN: Duration = Duration::from_secs(10);

pub(super) struct IdleFold {
    path: PathBuf,
    settings: Settings,
    under_way: Option<JoinHandle<rusqlite::Result<Whole>>>,
    /// Runs from the last fold that came to no end.
    in_vain: Option<Stopwatch>,
}

/// Whether all of the log was folded.
pub(super) type Whole = bool;

impl IdleFold {
    pub(super) fn new(path: &Path, settings: &Settings) -> IdleFold {
        IdleFold { path: path.to_owned(), settings: settings.clone(), under_way: None, in_vain: None }
    }

    /// Whether it is time to fold after so long without a write.
    pub(super) fn is_due(&self, quiet: Duration) -> bool {
        let may_try = self.in_vain.is_none_or(|since| since.elapsed() >= TRY_AGAIN);
        quiet >= self.settings.checkpoint_after && may_try && self.under_way.is_none()
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    pub(super) fn begin(&mut self) {
        let (path, settings) = (self.path.clone(), self.settings.clone());
        let thread = std::thread::Builder::new().name("store-fold".to_owned()).spawn(move || fold(&path, &settings));
        match thread {
            Ok(thread) => self.under_way = Some(thread),
            Err(error) => {
                tracing::warn!(%error, "the thread that checkpoints the store cannot be started");
                self.in_vain = Some(Stopwatch::start());
            }
        }
    }

    /// How the fold that was begun ended, once it has.
    pub(super) fn take_ended(&mut self) -> Option<rusqlite::Result<Whole>> {
        match self.under_way.as_ref()?.is_finished() {
            true => self.wait(),
            false => None,
        }
    }

    /// The same, waiting for its end.
    pub(super) fn wait(&mut self) -> Option<rusqlite::Result<Whole>> {
        let ended = self.under_way.take()?.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        self.in_vain = (!matches!(ended, Ok(true))).then(Stopwatch::start);
        Some(ended)
    }
}

fn fold(path: &Path, settings: &Settings) -> rusqlite::Result<Whole> {
    let connection = connect(path, settings)?;
    // The last connection would remove the log otherwise: SQLite can't tell that the host has others, should the host have lost
    // its locks on the file.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    checkpoint(&connection, "PRAGMA wal_checkpoint(PASSIVE)")
}

/// Runs a checkpoint; says whether all of the log is in the file now.
pub(super) fn checkpoint(connection: &Connection, pragma: &str) -> rusqlite::Result<Whole> {
    // Whether it was kept from it; how many pages the log has, and how many of these are in the file.
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let (busy, pages, folded): (i64, i64, i64) = connection.query_row(pragma, (), read)?;
    Ok(busy == 0 && pages == folded)
}
