//! What stands around handlers: the log's line and the time limit, `Host`, `ETag`, `Idempotency-Key`, pages of other origins.

pub(super) mod access_log;
pub(super) mod cors;
pub(super) mod etag;
pub(super) mod host;
pub(super) mod idempotency;
