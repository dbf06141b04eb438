//! The feed of changes: the journal, read page by page or as a stream, and whoever waits for it.

pub(super) mod changes;
mod events;
pub(super) mod hub;
mod page;
pub(super) mod shares;
mod stream;
