//! Requests that a client may repeat.

use async_trait::async_trait;

use super::Result;
use crate::model::{AccountId, Owner, Sealed, Timestamp};

/// Requests that a client may repeat (`Idempotency-Key`): the answer to the first is the answer to all.
#[async_trait]
pub trait Repeats {
    /// Begins a request, unless it is known. What was begun before `forget` is forgotten.
    async fn begin_request(&self, request: RepeatableRequest) -> Result<Begun>;

    /// Keeps the answer.
    async fn finish_request(&self, id: &RequestId, answer: Sealed) -> Result<()>;

    /// Notes that the answer of a request that was carried out can't be read, or could not be kept; `why` is for whoever
    /// sent it.
    async fn lose_answer(&self, id: &RequestId, why: &'static str) -> Result<()>;

    /// Forgets a request that did nothing, so that it may be made again.
    async fn abandon_request(&self, id: &RequestId) -> Result<()>;
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
    pub now: Timestamp,
    /// What was begun before is forgotten.
    pub forget: Timestamp,
    /// One begun before, and not finished, was cut off, and is begun anew.
    pub abandoned: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is the first: answer it.
    New,
    /// The first is still being answered.
    UnderWay,
    /// The key came with another request before.
    Another,
    Answered(Sealed),
    /// The first may have been carried out; its answer is lost.
    Lost,
}
