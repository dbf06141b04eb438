//! Settings of the store's file, with their defaults.

use std::path::Path;
use std::time::Duration;

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
        part(self.size as u64, self.account_share) >= LEAST_ROOM as u64
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

/// A part of so many bytes.
pub(super) fn part(of: u64, part: f64) -> u64 {
    (of as f64 * part) as u64
}
