//! Errors of a command line.

/// The command line asks for something that can't be: told apart from what fails while it is done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);
