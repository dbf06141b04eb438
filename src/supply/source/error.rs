//! Why nothing was fetched.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::artifact::NotAnArtifact;
use super::login::{Login, LoginError};
use super::{InvalidSource, Source};
use crate::mask::Mask;
use crate::net::{NetError, SendError};

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Source(#[from] InvalidSource),
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("cannot write {}: {source}", path.display())]
    NotWritten { path: PathBuf, source: io::Error },
    #[error("{from}: {source}")]
    Send { from: String, source: SendError },
    #[error("{from} answered with status {status}")]
    Status { from: String, status: u16 },
    #[error("{from} does not have it: status {status}")]
    NotFound { from: String, status: u16 },
    #[error(
        "{registry} refuses the login as {user:?}: check the name and the password, and the permissions of that user"
    )]
    Refused { registry: String, user: String },
    #[error(
        "{registry} requires a login: give one with --username and --password-file, or put it into \
         Docker's config.json with `docker login`"
    )]
    LoginNeeded { registry: String },
    #[error("the login to {registry} cannot be sent: its token has characters that are invalid in a header")]
    Credentials { registry: String },
    #[error("{registry} wants logins to be sent to {to} without TLS, where anyone on the way could read them")]
    InsecureRealm { registry: String, to: String },
    #[error("{registry} returned an error: {message}")]
    Registry { registry: String, message: String },
    #[error("{from} redirects without a target")]
    Redirect { from: String },
    #[error("{from} redirects to {to} without TLS, where anyone on the way could change the file")]
    InsecureRedirect { from: String, to: String },
    #[error("{from} redirects more than {most} times")]
    Redirects { from: String, most: usize },
    #[error("the file at {from} has more than {most_bytes} bytes; {limit}")]
    TooLarge { from: String, most_bytes: u64, limit: &'static str },
    #[error("{from} did not send it within {timeout:?}; setting: drivers.fetch_timeout")]
    Timeout { from: String, timeout: Duration },
    #[error(
        "it did not come from {from} within the {timeout:?} that all which is missing has together: `tracker driver pull` \
         gives each as long; setting: drivers.fetch_timeout"
    )]
    TimeOver { from: String, timeout: Duration },
    #[error("{from} returned another {what}: SHA-256 {expected} is expected, but it has {found}")]
    Mismatch { from: String, what: &'static str, expected: String, found: String },
    #[error("{from} sent {found} of {expected} bytes of the file")]
    CutShort { from: String, expected: u64, found: u64 },
    #[error("the file at {from} is not a driver: {source}")]
    NotAnArtifact { from: String, source: NotAnArtifact },
    #[error("a push needs a tag, as in oci://HOST/REPOSITORY:TAG; {0} has none")]
    NotATag(Source),
    #[error("drivers.lock names the file {file:?}, which is not a name in the directory of drivers")]
    FileName { file: String },
    #[error("drivers.lock has no source for it: put the file at {}, or approve it again", file.display())]
    NoSource { file: PathBuf },
}

impl FetchError {
    /// The same, without the secrets that a registry sends back.
    pub(super) fn masked(self, mask: &Mask) -> FetchError {
        match self {
            FetchError::Registry { registry, message } => {
                FetchError::Registry { registry, message: mask.text(message) }
            }
            FetchError::NotAnArtifact { from, source } => {
                FetchError::NotAnArtifact { from, source: source.masked(mask) }
            }
            other => other,
        }
    }

    /// Whether another try may succeed although nobody changes anything.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            FetchError::Send { .. }
            | FetchError::Timeout { .. }
            | FetchError::TimeOver { .. }
            | FetchError::NotWritten { .. }
            | FetchError::CutShort { .. } => true,
            FetchError::Status { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }

    /// A registry lets in others, or nobody without a name.
    pub(super) fn not_let_in(registry: String, login: Option<&Login>) -> FetchError {
        match login {
            Some(login) => FetchError::Refused { registry, user: login.user.clone() },
            None => FetchError::LoginNeeded { registry },
        }
    }
}
