//! Fetches a file's bytes from a source, with the evidence of their origin.

use std::io::Read as _;
use std::path::Path;

use reqwest::StatusCode;
use secrecy::SecretString;
use url::Url;

use super::Source;
use super::artifact::Artifact;
use super::download::{Wanted, shown};
use super::error::FetchError;
use super::fetched::{DRIVER_BYTES, Fetched};
use super::fetcher::Fetcher;
use super::push::push;
use super::registry;
use crate::supply::evidence::Evidence;
use crate::supply::file::sha256;

impl Fetcher {
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
    pub async fn push(&self, artifact: Artifact, to: &Source) -> Result<Source, FetchError> {
        let Source::Oci(reference) = to else { return Err(FetchError::NotATag(to.clone())) };
        if reference.digest().is_some() {
            return Err(FetchError::NotATag(to.clone()));
        }
        Box::pin(self.in_time(to, push(self, reference, artifact))).await
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
