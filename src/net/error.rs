//! Why an HTTP client cannot be created.

#[derive(Debug, thiserror::Error)]
#[error("cannot create an HTTP client: {0}")]
pub struct NetError(pub String);
