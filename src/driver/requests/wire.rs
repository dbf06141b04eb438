//! The transport of a driver's requests: the network, or a substitute such as recorded answers; and an observer. Both
//! see requests as the driver wrote them, with the secret's name in place of a placeholder, and answers as the driver
//! reads them, masked: neither contains a secret.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use super::pulse::Pulse;
use crate::model::Resource;

/// What stands in the place of the network, or looks on, for the polls of one account.
#[derive(Clone, Default)]
pub struct Wire {
    /// Answers in the providers' place; the network where there is none. Grants are held to all the same.
    pub tape: Option<Arc<dyn Tape>>,
    /// Sees every exchange. Answers are then held whole before the driver reads them.
    pub watch: Option<Arc<dyn Watch>>,
    /// Told of requests that wait for an answer.
    pub pulse: Option<Arc<Pulse>>,
}

/// Answers in the providers' place.
#[async_trait]
pub trait Tape: Send + Sync + 'static {
    async fn answer(&self, request: &Asked) -> Result<Answered, Unanswered>;
}

/// Looks on.
pub trait Watch: Send + Sync + 'static {
    fn saw(&self, exchange: Exchange);

    /// A request as it would go out, with secrets in it. Asked only where a tape answers, whose secrets are made up: what
    /// goes to a provider is shown to nobody.
    fn would_send(&self, _sent: &Asked) {}

    /// A request was not let out, for this reason.
    fn refused(&self, _why: &str) {}

    /// The driver gave a page, as it came.
    fn paged(&self, _page: Paged<'_>) {}

    /// The driver slept for that long, or would have, where nobody sleeps (`driver/sandbox/skipped_sleep`).
    fn slept(&self, _time: Duration) {}

    /// The driver wrote a line into the log.
    fn logged(&self, _line: &str) {}

    /// The driver printed that, on its standard output or its standard error. What belongs together may come in parts.
    fn printed(&self, _part: &[u8]) {}
}

/// One page as the driver gave it.
#[derive(Clone, Copy, Debug)]
pub struct Paged<'a> {
    /// In the driver's order.
    pub resources: &'a [Resource],
    /// Whether there is another behind it.
    pub is_last: bool,
    /// How many entries the driver says that it left out.
    pub omitted: u64,
    /// What it took, and, of the first page, what making the sandbox took.
    pub cpu: Duration,
    /// The most linear memory that the sandbox had by then, in bytes.
    pub memory: usize,
}

/// One request and what came of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub asked: Asked,
    pub outcome: Result<Answered, Unanswered>,
    pub took: Duration,
}

/// A request as the driver wrote it. Where a placeholder stood, its name stands: `{{password as basic}}`.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// An answer as the driver reads it: decompressed and masked.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Whether the connection broke off behind the body, before the answer's end.
    pub broken: bool,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// A limit was passed, or the request was not let out.
    #[error("not allowed: {0}")]
    Refused(String),
    #[error("its name does not resolve")]
    Unresolved,
    #[error("no connection could be made")]
    NoConnection,
    #[error("the connection broke off")]
    Broken,
    #[error("no answer in time")]
    Timeout,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wire { tape, watch, pulse: _ } = self;
        f.debug_struct("Wire").field("tape", &tape.is_some()).field("watch", &watch.is_some()).finish()
    }
}
