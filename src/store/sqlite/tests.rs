//! Tests of SQLite's own features, in addition to the contract of every store.

mod backups;
mod bounds;
mod damage;
mod erased;
mod fair_reads;
mod fair_writes;
mod faults;
mod file;
mod going_back;
mod hearing;
mod histories;
mod long_work;
pub(super) mod noted;
mod page_bytes;
pub(super) mod plans;
mod presence;
mod promises;
pub(crate) mod rows;
mod turns;
mod versions;
mod writing;

use std::sync::Arc;

use tempfile::TempDir;

use super::{Settings, SqliteStore};
use crate::store::Store;
use crate::store::contract::world::World;
use crate::store::contract::{Lab, every_case};

/// A store in a directory of its own, which goes with it.
struct SqliteLab {
    store: Option<Arc<SqliteStore>>,
    directory: TempDir,
    settings: Settings,
}

impl SqliteLab {
    fn new() -> SqliteLab {
        SqliteLab::stepping(Settings::default().step_rows)
    }

    /// Whose steps are of so many rows.
    fn stepping(step_rows: usize) -> SqliteLab {
        let directory = TempDir::new().expect("a temporary directory");
        // The cases are about what is done, not about what a power cut leaves.
        let settings = Settings { synchronous: super::Synchronous::Normal, step_rows, ..Settings::default() };
        let store = Some(open(&directory, settings.clone()));
        SqliteLab { store, directory, settings }
    }
}

impl Lab for SqliteLab {
    fn store(&self) -> Arc<dyn Store> {
        Arc::<SqliteStore>::clone(self.store.as_ref().expect("it is open between crashes"))
    }

    fn crash(&mut self) {
        let store = Arc::into_inner(self.store.take().expect("it is open between crashes"));
        drop(store.expect("a case must not hold the store over a crash"));
        self.store = Some(open(&self.directory, self.settings.clone()));
    }
}

impl Drop for SqliteLab {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            counts_are_right(&self.directory);
        }
    }
}

/// Whatever a case did: what is kept count of for metrics is as many as there are.
fn counts_are_right(directory: &TempDir) {
    let connection = rusqlite::Connection::open(directory.path().join("tracker.db")).expect("the store's file");
    let sql = "SELECT name, number, CASE name
                   WHEN 'accounts' THEN (SELECT COUNT(*) FROM accounts)
                   WHEN 'waiting' THEN (SELECT COUNT(*) FROM deliveries WHERE dead IS NULL)
                   ELSE (SELECT COUNT(*) FROM hooks WHERE status = name) END FROM counts";
    let mut select = connection.prepare(sql).expect("read");
    let counts = select.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("read");
    let counts: Vec<(String, i64, i64)> = counts.collect::<rusqlite::Result<_>>().expect("read");
    assert_eq!(counts.len(), 6);
    for (name, kept, counted) in counts {
        assert_eq!(kept, counted, "{name}");
    }
}

fn open(directory: &TempDir, settings: Settings) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(&directory.path().join("tracker.db"), settings).expect("open"))
}

/// A world with a SQLite store whose inside the test can reach, too.
fn world() -> (World, Arc<SqliteStore>) {
    let lab = SqliteLab::new();
    let store = Arc::clone(lab.store.as_ref().expect("it is open"));
    (World::new(Box::new(lab)), store)
}

mod contract {
    use super::{SqliteLab, every_case};

    every_case!(SqliteLab::new());
}

mod contract_in_single_rows {
    use super::{SqliteLab, every_case};

    every_case!(SqliteLab::stepping(1));
}
