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
    #[error("can't read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("can't write {}: {source}", path.display())]
    NotWritten { path: PathBuf, source: io::Error },
    #[error("{from}: {source}")]
    Send { from: String, source: SendError },
    #[error("{from} answered with status {status}")]
    Status { from: String, status: u16 },
    #[error("{from} does not have it: status {status}")]
    NotFound { from: String, status: u16 },
    #[error(
        "{registry} does not let us in as {user:?}: check the name and the password, and what that user may do there"
    )]
    Refused { registry: String, user: String },
    #[error(
        "{registry} lets nobody in without a login: give one with --username and --password-file, or put it into \
         Docker's config.json with `docker login`"
    )]
    LoginNeeded { registry: String },
    #[error("the login to {registry} can't be sent: its token has characters that no header takes")]
    Credentials { registry: String },
    #[error("{registry} has logins sent to {to}, out of TLS, where anyone on the way could read them")]
    InsecureRealm { registry: String, to: String },
    #[error("{registry} does not do as asked: {message}")]
    Registry { registry: String, message: String },
    #[error("{from} redirects to nowhere")]
    Redirect { from: String },
    #[error("{from} redirects to {to}, out of TLS, where anyone on the way could change what comes")]
    InsecureRedirect { from: String, to: String },
    #[error("{from} redirects more than {most} times")]
    Redirects { from: String, most: usize },
    #[error("{from} has more than {most_bytes} bytes for it; {limit}")]
    TooLarge { from: String, most_bytes: u64, limit: &'static str },
    #[error("{from} did not give it within {timeout:?}; setting: drivers.fetch_timeout")]
    Timeout { from: String, timeout: Duration },
    #[error(
        "it did not come from {from} within the {timeout:?} that all which is missing has together: `tracker driver pull` \
         gives each as long; setting: drivers.fetch_timeout"
    )]
    TimeOver { from: String, timeout: Duration },
    #[error("{from} gave another {what} than the one that is meant: SHA-256 {expected} is expected, {found} came")]
    Mismatch { from: String, what: &'static str, expected: String, found: String },
    #[error("{from} gave {found} bytes of a file of {expected}")]
    CutShort { from: String, expected: u64, found: u64 },
    #[error("what {from} has there is no driver: {source}")]
    NotAnArtifact { from: String, source: NotAnArtifact },
    #[error("a registry is pushed to by a tag, as in oci://HOST/REPOSITORY:TAG, and {0} is not that")]
    NotATag(Source),
    #[error("drivers.lock names the file {file:?}, which is not a name in the directory of drivers")]
    FileName { file: String },
    #[error("drivers.lock has no source for it: put {} there, or approve it anew", file.display())]
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
