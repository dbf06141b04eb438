//! Errors of the store.

use std::path::PathBuf;

use crate::model::{Cursor, Timestamp};

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store is not usable: another host uses it, or it has a newer version.
    #[error("{0}")]
    Unusable(String),
    /// The account was deleted meanwhile, or is being deleted.
    #[error("{0}")]
    NoAccount(String),
    /// The claim is lost: its lease expired and it was claimed again, or its subject is gone.
    #[error("its lease expired")]
    LeaseLost,
    /// The operator has changed the decision under which a poll was to be recorded.
    #[error("the operator decided meanwhile")]
    AnswerChanged,
    /// The requested data is older than what is kept: of the journal, everything after this place is kept.
    #[error("the requested data is no longer kept")]
    Forgotten { oldest: Cursor },
    /// The requested history is unknown, or no longer kept; it is known since this time. Nothing is known of an account
    /// that was never listed.
    #[error("the requested data is unknown, or no longer kept")]
    PastUnknown { since: Option<Timestamp> },
    /// The disk has no room for the write.
    #[error("the store's disk is full: {0}")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store has reached its maximum size, in bytes.
    #[error("the store has {used} bytes; the maximum is {limit} (store.size)")]
    AtLimit { used: u64, limit: u64 },
    /// The account has reached its share of the store, in bytes.
    #[error(
        "the account takes {used} bytes of the store, of {limit} that it may take (store.account_share of store.size; an equal share once only store.reserve is left)"
    )]
    AccountAtLimit { used: u64, limit: u64 },
    /// The maximum number of users is enrolled with the same credentials.
    #[error("{limit} users are enrolled with these credentials, which is the maximum")]
    CredentialAtLimit { limit: u64 },
    /// The system could not read, write or flush the store's file.
    #[error("the store's disk failed: {0}")]
    Disk(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A page of the store's file is not valid.
    #[error("the store's file {} is damaged: {source}. Stop the host, and restore the file from a backup, or move it away, with all that begins with its name, to start anew", file.display())]
    Damaged { file: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    /// A file of the store is not where it was when the store was opened: writes would be lost.
    #[error(
        "the store's file {} was {how} while the host runs. Put that very file back, or stop the host and restore a backup",
        file.display()
    )]
    Gone { file: PathBuf, how: &'static str },
    #[error("the store failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// A stable word for the kind of failure, for metrics and clients.
    pub fn kind(&self) -> &'static str {
        match self {
            StoreError::Unusable(_) => "unusable",
            StoreError::NoAccount(_) => "no-account",
            StoreError::LeaseLost => "lease-lost",
            StoreError::AnswerChanged => "answer-changed",
            StoreError::Forgotten { .. } | StoreError::PastUnknown { .. } => "forgotten",
            StoreError::Full(_) => "disk-full",
            StoreError::AtLimit { .. } => "size-limit",
            StoreError::AccountAtLimit { .. } => "account-size-limit",
            StoreError::CredentialAtLimit { .. } => "credential-user-limit",
            StoreError::Disk(_) => "disk-failed",
            StoreError::Damaged { .. } => "damaged",
            StoreError::Gone { .. } => "gone",
            StoreError::Failed(_) => "failed",
        }
    }
}
