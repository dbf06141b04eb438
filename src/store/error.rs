//! Why the store did not do what was asked for.

use std::path::PathBuf;

use crate::model::{Cursor, Timestamp};

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store can't be used as it is found: another host has it, or it is of a newer version.
    #[error("{0}")]
    Unusable(String),
    /// What was claimed is no longer held: its lease ran out and another took it, or it is gone.
    #[error("the lease on it ran out")]
    LeaseLost,
    /// The operator answered otherwise meanwhile, of what a poll was to be recorded under.
    #[error("the operator answered meanwhile")]
    AnswerChanged,
    /// What was asked for is older than what is kept: of the journal, everything behind this place.
    #[error("what is asked for is no longer kept")]
    Forgotten { oldest: Cursor },
    /// The past that was asked for is not known, or no longer; it is known since then. Nothing is known of what was never
    /// listed.
    #[error("what is asked for is not known, or no longer")]
    PastUnknown { since: Option<Timestamp> },
    /// There is no room on the disk for what was to be written.
    #[error("the store's disk is full: {0}")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store is as large as it may be, in bytes.
    #[error("the store takes {used} bytes, of {limit} that it may take (store.size)")]
    AtLimit { used: u64, limit: u64 },
    /// The account takes as much of the store as it may, in bytes.
    #[error(
        "the account takes {used} bytes of the store, of {limit} that it may take (store.account_share of store.size; an equal share once only store.reserve is left)"
    )]
    AccountAtLimit { used: u64, limit: u64 },
    /// As many users are enrolled with the same credentials as may be.
    #[error("{limit} users are enrolled with these credentials, which is as many as may be")]
    CredentialAtLimit { limit: u64 },
    /// The system could not read, write or flush the store's file.
    #[error("the store's disk failed: {0}")]
    Disk(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A page of the store's file is no page of a store.
    #[error("the store's file {} is damaged: {source}. Stop the host, and restore the file from a backup, or move it away, with all that begins with its name, to start anew", file.display())]
    Damaged { file: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    /// A file of the store is not where it was when the store was opened: what is written would be lost.
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
