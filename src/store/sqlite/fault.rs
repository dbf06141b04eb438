//! Errors inside the store, and how callers see them.

use std::path::PathBuf;

use rusqlite::ErrorCode;

use super::super::StoreError;
use super::presence::Absence;

/// Why a transaction did not commit, or is lost.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotCommitted {
    #[error(transparent)]
    Sqlite(rusqlite::Error),
    #[error(transparent)]
    Gone(Absence),
}

/// What went wrong inside, beside SQLite's own errors.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("the store is closed")]
    Closed,
    #[error("a read of the store did not end: {0}")]
    Read(#[source] tokio::task::JoinError),
    #[error("its transaction did not commit: {0}")]
    NotCommitted(#[source] std::sync::Arc<NotCommitted>),
    #[error("account {0} is not in the store: it may have been forgotten meanwhile")]
    NoAccount(crate::model::AccountId),
    #[error("account {0} is being deleted; it can be used again afterwards")]
    Forgetting(crate::model::AccountId),
    #[error("cannot serialize the attributes of a resource: {0}")]
    Attributes(#[source] serde_json::Error),
    #[error("hook {0} is damaged: it can only be deleted")]
    DamagedHook(crate::model::HookId),
    #[error("cannot serialize the properties of a hook: {0}")]
    Words(#[source] serde_json::Error),
    #[error("cannot serialize the answer to a request: {0}")]
    Answer(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("this write of the store panicked: {0}")]
    Panicked(String),
    #[error("an earlier statement of this transaction failed, and SQLite rolled it back")]
    TakenBack,
    #[error("the system's random number generator failed: {0}")]
    NoRandomness(#[source] getrandom::Error),
    #[error("cannot start the store's writer: {0}")]
    NoThread(#[source] std::io::Error),
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> StoreError {
        match &fault {
            Fault::NotCommitted(cause) => match &**cause {
                NotCommitted::Sqlite(error) => of_kind(error.sqlite_error_code())(Box::new(fault)),
                NotCommitted::Gone(absence) => absence.clone().into(),
            },
            Fault::NoAccount(_) | Fault::Forgetting(_) => StoreError::NoAccount(fault.to_string()),
            _ => StoreError::Failed(Box::new(fault)),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        of_kind(error.sqlite_error_code())(Box::new(error))
    }
}

fn of_kind(code: Option<ErrorCode>) -> fn(Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    match code {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::SystemIoFailure) => StoreError::Disk,
        // Which file it is, the store knows.
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            |source| StoreError::Damaged { file: PathBuf::new(), source }
        }
        _ => StoreError::Failed,
    }
}
