//! From a source to a file's bytes, with what is known of their origin.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::StatusCode;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::download::{Downloads, Wanted, shown};
use super::login::{Login, LoginError};
use super::push;
use super::registry::{self, Label, NotAnArtifact};
use super::{InvalidSource, Settings, Source};
use crate::driver::evidence::Evidence;
use crate::net::{Clients, NetError, SendError};

/// What sets the limit on a driver's size.
pub(super) const DRIVER_BYTES: &str = "setting: drivers.limits.driver_bytes";

/// Fetches within the operator's limits, and as whom he says.
#[derive(Clone, Debug)]
pub struct Fetcher {
    pub(super) downloads: Downloads,
    pub(super) settings: Settings,
    pub(super) driver_bytes: u64,
    /// Whom the command line names; good for the one source that it names, too.
    pub(super) login: Option<Login>,
    pub(super) proxy: Option<Url>,
}

/// What a source gave, checked against every digest that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    pub bytes: Vec<u8>,
    /// In hexadecimal.
    pub sha256: String,
    /// What a registry has of signatures, which nobody verified yet.
    pub evidence: Option<Evidence>,
    /// The source as it goes on to mean this file: pinned, where it can be.
    pub resolved: Source,
}

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

impl Fetcher {
    /// `driver_bytes` is the most that a driver may have.
    pub fn new(clients: &Clients, settings: &Settings, driver_bytes: u64) -> Result<Fetcher, NetError> {
        Ok(Fetcher {
            downloads: Downloads::new(clients)?,
            settings: settings.clone(),
            driver_bytes,
            login: None,
            proxy: clients.proxy().cloned(),
        })
    }

    /// The same as this user, whatever Docker's `config.json` says.
    pub fn as_user(self, login: Option<Login>) -> Fetcher {
        Fetcher { login, ..self }
    }

    /// Takes a file from a source. With an expected SHA-256 it is that file or an error.
    pub async fn fetch(&self, source: &Source, expected: Option<&str>) -> Result<Fetched, FetchError> {
        let fetched = self.in_time(source, async {
            match source {
                Source::File(path) => self.copy(path),
                Source::Https(url) => self.download(url).await,
                Source::Oci(reference) => registry::pull(self, reference).await,
            }
        });
        let fetched = Box::pin(fetched).await?;
        match expected {
            Some(expected) if expected != fetched.sha256 => Err(FetchError::Mismatch {
                from: source.to_string(),
                what: "file",
                expected: expected.to_owned(),
                found: fetched.sha256,
            }),
            _ => Ok(fetched),
        }
    }

    /// Puts a driver into a registry, as the standard artifact, and gives the reference that pins it.
    pub async fn push(&self, bytes: Vec<u8>, to: &Source, labels: &[Label]) -> Result<Source, FetchError> {
        let Source::Oci(reference) = to else { return Err(FetchError::NotATag(to.clone())) };
        if reference.digest().is_some() {
            return Err(FetchError::NotATag(to.clone()));
        }
        Box::pin(self.in_time(to, push::push(self, reference, bytes, labels))).await
    }

    async fn in_time<T>(
        &self,
        source: &Source,
        work: impl Future<Output = Result<T, FetchError>>,
    ) -> Result<T, FetchError> {
        let timeout = self.settings.timeout;
        let late = |_| Err(FetchError::Timeout { from: source.to_string(), timeout });
        tokio::time::timeout(timeout, work).await.unwrap_or_else(late)
    }

    fn copy(&self, path: &Path) -> Result<Fetched, FetchError> {
        let unreadable = |source| FetchError::Unreadable { path: path.to_owned(), source };
        // From the root, or it would mean another file wherever it is read next.
        let resolved = path.canonicalize().map_err(unreadable)?;
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(self.driver_bytes + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        let most_bytes = self.driver_bytes;
        if bytes.len() as u64 > most_bytes {
            let from = path.display().to_string();
            return Err(FetchError::TooLarge { from, most_bytes, limit: DRIVER_BYTES });
        }
        let evidence =
            Evidence::read(path).map_err(|source| FetchError::Unreadable { path: Evidence::path_of(path), source })?;
        Ok(Fetched { sha256: sha256(&bytes), bytes, evidence, resolved: Source::File(resolved) })
    }

    async fn download(&self, url: &Url) -> Result<Fetched, FetchError> {
        let wanted = Wanted {
            url: url.clone(),
            accept: "application/wasm, */*",
            authorization: None::<&SecretString>,
            most_bytes: self.driver_bytes,
            limit: DRIVER_BYTES,
        };
        let answer = self.downloads.get(wanted).await?;
        let (from, status) = (shown(&url.origin()), answer.status.as_u16());
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(FetchError::NotFound { from, status }),
            _ => return Err(FetchError::Status { from, status }),
        }
        let bytes = answer.bytes;
        Ok(Fetched { sha256: sha256(&bytes), bytes, evidence: None, resolved: Source::Https(url.clone()) })
    }
}

/// In hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
