//! The context of a write: the connection within its transaction, and the caches of the writer.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{CachedStatement, Connection};

use super::super::Result;
use super::bounds::Bounds;
use super::change_ids::ChangeIds;
use super::damage::{Damages, Reading};
use super::hook_cache::HookCache;
use crate::clock::Stopwatch;
use crate::model::Timestamp;

/// For how long one turn takes further jobs into its transaction. With what the last of them takes and the commit, a
/// turn stays under 50 ms.
pub(super) const TURN: Duration = Duration::from_millis(25);

/// What a job works with.
pub(super) struct Writing<'a> {
    pub(super) connection: &'a Connection,
    pub(super) memory: &'a mut Memory,
    /// Runs from the beginning of the turn.
    pub(super) turn: Stopwatch,
}

/// What the writer keeps from one job to the next.
pub(super) struct Memory {
    /// The store's own mark, which is part of every cursor.
    pub(super) mark: u32,
    pub(super) change_ids: ChangeIds,
    /// Who hears of changes.
    pub(super) hooks: HookCache,
    pub(super) damages: Damages,
    pub(super) bounds: Arc<Bounds>,
    /// How many bytes a page takes at most.
    pub(super) page_bytes: usize,
    /// Runs from the last write for readiness that was committed, unless a commit failed since.
    pub(super) proven: Option<Stopwatch>,
    /// Whether the transaction has a write for readiness.
    pub(super) proving: bool,
    /// Whether the transaction deleted the last of what must not remain anywhere.
    pub(super) deleted: bool,
    /// Whether the transaction gave a number to a hook or a token, and how many were given by those before it.
    pub(super) gave_id: bool,
    pub(super) ids: i64,
    /// What the transaction made due sooner than those know who sleep until then.
    pub(super) polls_due: Cell<bool>,
    pub(super) deliveries_due: Cell<bool>,
    /// The number of the newest change, of which waiting readers are told once it is committed.
    pub(super) newest: i64,
    /// The hook whose old attempts were looked at last.
    pub(super) swept: i64,
    /// The hook that was last owed more of the journal.
    pub(super) caught_up: i64,
    /// When polls were claimed last.
    pub(super) polls_claimed: Timestamp,
    /// By how many milliseconds the clock was set since the store was opened.
    pub(super) clock_set: i64,
}

impl<'a> Writing<'a> {
    pub(super) fn prepare(&self, sql: &str) -> Result<CachedStatement<'a>> {
        Ok(self.connection.prepare_cached(sql)?)
    }

    /// What the transaction has written so far, for those who read.
    pub(super) fn reading(&self) -> Reading<'_> {
        let Memory { damages, page_bytes, mark, .. } = &*self.memory;
        Reading { connection: self.connection, damages, page_bytes: *page_bytes, mark: *mark }
    }

    /// Has whoever polls look once this is committed.
    pub(super) fn wake_polls(&self) {
        self.memory.polls_due.set(true);
    }

    /// Has whoever delivers look once this is committed.
    pub(super) fn wake_deliveries(&self) {
        self.memory.deliveries_due.set(true);
    }

    /// Whether a step should leave the rest of its work to the next one, so that others get their turn.
    pub(super) fn is_turn_over(&self) -> bool {
        self.turn.elapsed() >= TURN
    }
}
