//! What a store tells the loops that sleep until something is due: that something may be due sooner than they know.

use std::sync::Arc;

use tokio::sync::Notify;

/// Raised after the commit that made something due, whoever asked for it. A signal that nobody waits for is kept for the next
/// who does; one that is lost only costs time, as loops also wake when the next thing that they know of is due.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// A poll may be due.
    pub polls: Arc<Notify>,
    /// A delivery may be due, or a hook has to catch up with the journal.
    pub deliveries: Arc<Notify>,
}

/// A store that tells of what comes due.
pub trait Signalling {
    fn signals(&self) -> &Signals;
}
