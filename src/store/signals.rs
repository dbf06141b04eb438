//! Signals of a store to loops that sleep until something is due: something may be due earlier than they know.

use std::sync::Arc;

use tokio::sync::Notify;

/// Raised after each commit that made something due, whoever requested it. A signal without a waiting loop is kept for
/// the next one that waits. A lost signal only costs time, because loops also wake at the next due time that they know.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// A poll may be due.
    pub polls: Arc<Notify>,
    /// A delivery may be due, or a hook has to catch up with the journal.
    pub deliveries: Arc<Notify>,
}

/// A store that signals due work.
pub trait Signalling {
    fn signals(&self) -> &Signals;
}
