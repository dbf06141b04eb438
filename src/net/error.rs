//! Why there is no HTTP client.

#[derive(Debug, thiserror::Error)]
#[error("can't make an HTTP client: {0}")]
pub struct NetError(pub String);
