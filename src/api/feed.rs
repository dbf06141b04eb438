//! The feed of changes: the journal as pages or as a stream, and the callers that wait for it.

pub(super) mod changes;
mod events;
pub(super) mod hub;
mod page;
pub(super) mod shares;
mod stream;
