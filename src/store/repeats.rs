//! Writes that a client asks for: requests that it may repeat (`Idempotency-Key`), and what becomes of a write that is
//! refused. The key, the work and the answer of a request commit in one transaction: after a crash at any point either all
//! of it is there, or nothing.

use std::sync::Arc;

use async_trait::async_trait;

use super::Result;
use crate::model::{AccountId, HookVersion, Owner, Sealed, Timestamp};

/// Answers to requests that a client may repeat: the answer to the first is the answer to all.
#[async_trait]
pub trait Repeats {
    /// How a request is answered that was carried out before. Nothing where it was not, or only in part.
    async fn find_answer(&self, request: &RepeatableRequest) -> Result<Option<Replay>>;

    /// Notes that the answer of a request that was carried out can't be read; `why` is for whoever sent it.
    async fn lose_answer(&self, request: &RepeatableRequest, why: &'static str) -> Result<()>;
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId {
    pub account: AccountId,
    pub owner: Owner,
    /// As the client wrote it.
    pub key: String,
}

#[derive(Clone, Debug)]
pub struct RepeatableRequest {
    pub id: RequestId,
    /// Of method, path and body.
    pub fingerprint: [u8; 32],
    /// The same as it was made before the host's key was rotated.
    pub old_fingerprints: Vec<[u8; 32]>,
    pub now: Timestamp,
    /// What was begun before is forgotten.
    pub forget: Timestamp,
}

/// Writes and seals the answer to what was written.
pub type WriteAnswer<T> = dyn Fn(&T) -> Result<Sealed, Box<dyn std::error::Error + Send + Sync>> + Send + Sync;

/// Beside a write: the request that it belongs to, so that it is carried out once.
pub struct Once<T> {
    pub request: RepeatableRequest,
    /// Runs within the transaction: where it fails, nothing is written.
    pub answer: Arc<WriteAnswer<T>>,
}

/// How a request is answered that was made before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// The key came with a different request.
    Another,
    Answered(Sealed),
    /// It was carried out, and its answer can't be read any more.
    Lost,
}

/// What became of a write that a client asked for.
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
    /// It is not among the owner's.
    NotFound,
    /// Its owner is a token that was revoked meanwhile.
    OwnerGone,
    /// Something stored of it can't be read, for this reason.
    Damaged(String),
    /// It has this version, which the request is not for.
    VersionDiffers(HookVersion),
    /// The account has as many as it may have.
    LimitReached,
    /// The filters of the account's hooks would have more items than they may have.
    TooManyFilterItems,
    /// The change was not given up for this hook.
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
