//! Writes that a client may repeat (`Idempotency-Key`), and refused writes. The key, the work and the answer of a
//! request commit in one transaction: after a crash at any point, either all of it is stored or nothing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Result;
use crate::model::{AccountId, HookVersion, Owner, Sealed, Timestamp};

/// Answers to requests that a client may repeat: every repetition gets the first answer.
#[async_trait]
pub trait Repeats {
    /// The answer to a request that was carried out before. None if it was not, or only in part.
    async fn find_answer(&self, request: &RepeatableRequest) -> Result<Option<Replay>>;

    /// Records that the answer of a request cannot be read; `why` is for the client.
    async fn lose_answer(&self, request: &RepeatableRequest, why: &'static str) -> Result<()>;
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId {
    pub account: AccountId,
    pub owner: Owner,
    /// The key as the client wrote it.
    pub key: String,
}

#[derive(Clone, Debug)]
pub struct RepeatableRequest {
    pub id: RequestId,
    /// A hash of method, path and body.
    pub fingerprint: [u8; 32],
    /// The same hash with the keys from before a rotation.
    pub old_fingerprints: Vec<[u8; 32]>,
    pub now: Timestamp,
    /// Requests that began before this time are deleted.
    pub forget: Timestamp,
}

impl RepeatableRequest {
    /// The same that comes at this time, where requests are kept for so long.
    pub fn at(self, now: Timestamp, kept_for: Duration) -> RepeatableRequest {
        RepeatableRequest { now, forget: now.before(kept_for), ..self }
    }
}

/// Creates and seals the answer from the result of the write.
pub type WriteAnswer<T> = dyn Fn(&T) -> Result<Sealed, Box<dyn std::error::Error + Send + Sync>> + Send + Sync;

/// The request that a write belongs to, so that it is carried out once.
pub struct Once<T> {
    pub request: RepeatableRequest,
    /// Runs within the transaction: if it fails, nothing is written.
    pub answer: Arc<WriteAnswer<T>>,
}

/// The answer to a repeated request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// The key came with a different request.
    Another,
    Answered(Sealed),
    /// The request was carried out, but its answer can no longer be read.
    Lost,
}

/// The outcome of a write that a client requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written<T> {
    Done(T),
    /// An earlier request with the same key was carried out, and this one wrote nothing.
    Replayed(Replay),
    Refused(Refusal),
}

/// Why nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The owner has no such thing.
    NotFound,
    /// Its owner is a token that was revoked meanwhile.
    OwnerGone,
    /// Its stored values cannot be read, for this reason.
    Damaged(String),
    /// It has this version, which does not match the condition.
    VersionDiffers(HookVersion),
    /// The account has the maximum number.
    LimitReached,
    /// The filters of the account's hooks would exceed the maximum number of items.
    TooManyFilterItems,
    /// The change is not a dead letter of this hook.
    NoDeadLetter,
}

impl<T> Clone for Once<T> {
    fn clone(&self) -> Once<T> {
        Once { request: self.request.clone(), answer: Arc::clone(&self.answer) }
    }
}

impl<T> From<std::result::Result<T, Refusal>> for Written<T> {
    fn from(done: std::result::Result<T, Refusal>) -> Written<T> {
        match done {
            Ok(done) => Written::Done(done),
            Err(refusal) => Written::Refused(refusal),
        }
    }
}
