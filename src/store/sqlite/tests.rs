//! What is SQLite's own, beside the contract that every store keeps.

mod file;
pub(super) mod plans;
mod promises;
mod turns;
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
