//! Middleware: access log and time limit, `Host`, `ETag`, `Idempotency-Key`, CORS.

pub(super) mod access_log;
pub(super) mod cors;
pub(super) mod etag;
pub(super) mod host;
pub(super) mod idempotency;
