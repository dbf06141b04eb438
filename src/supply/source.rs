//! The source of a driver's file: another directory, a web server or an OCI registry. A fetched file is checked by its
//! digest, never exceeds its limit, and replaces no file before it is complete.

mod artifact;
mod download;
mod error;
mod fetch;
mod fetched;
mod fetcher;
mod keep;
mod login;
mod provide;
mod push;
mod registry;
mod token;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use oci_client::Reference;
use url::{Host, Url};

pub use artifact::{Artifact, Label, NotAnArtifact};
pub use error::FetchError;
pub use fetched::Fetched;
pub use fetcher::Fetcher;
pub use keep::{file_name, keep, signatures_beside};
pub use login::{Login, LoginError};
pub use provide::{missing, provide, provide_missing};

/// How sources are read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether a host fetches what is approved and not there.
    pub fetch_missing: bool,
    /// For one source, from the first question to the last byte.
    pub timeout: Duration,
    /// Docker's `config.json`, where logins to registries are.
    pub docker_config: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { fetch_missing: true, timeout: Duration::from_secs(120), docker_config: None }
    }
}

/// Parsed once, from the command line or from `drivers.lock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file of this machine, which is copied.
    File(PathBuf),
    /// `https://`, or `http://` on this very machine.
    Https(Url),
    /// `oci://HOST/REPOSITORY`, with `:TAG` or `@sha256:...` or both, in which case the digest counts.
    Oci(Reference),
}

/// No text here repeats what may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSource {
    #[error("the source is empty: expected a file, https://HOST/PATH or oci://HOST/REPOSITORY:TAG")]
    Empty,
    #[error("{0}:// is not a supported source: expected a file, https://HOST/PATH or oci://HOST/REPOSITORY:TAG")]
    Scheme(String),
    #[error(
        "the source contains credentials, which everybody could read in drivers.lock: remove them. For a \
         registry, give them with --username and --password-file, or in Docker's config.json"
    )]
    Credentials,
    #[error("{0:?} is not the URL of a file: expected https://HOST/PATH")]
    Url(String),
    #[error(
        "{0:?} has a query or a fragment: a source is written to drivers.lock and into logs, where a token in it would \
         be read"
    )]
    Query(String),
    #[error("http:// is only for this machine, where nobody listens in, and {0} is another: use https://")]
    PlainHttp(String),
    #[error("{0:?} is not a reference to a registry: expected oci://HOST/REPOSITORY:TAG, or with @sha256:... after it")]
    Reference(String),
    #[error("{0:?} names no registry: expected oci://HOST/REPOSITORY:TAG, as in oci://ghcr.io/me/ec2:1.0.0")]
    NoRegistry(String),
    #[error("{0:?} is pinned by a digest that is not SHA-256, the only supported one")]
    Digest(String),
}

impl Source {
    /// Whether it is on another machine, or could as well be.
    pub fn is_remote(&self) -> bool {
        !matches!(self, Source::File(_))
    }

    /// Whether it goes on to mean the same file whatever happens at the other end.
    pub fn is_pinned(&self) -> bool {
        matches!(self, Source::Oci(reference) if reference.digest().is_some())
    }
}

impl FromStr for Source {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Source, InvalidSource> {
        if text.is_empty() {
            return Err(InvalidSource::Empty);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Source::File(text.into()));
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(InvalidSource::Credentials);
        }
        match scheme {
            "https" | "http" => http(text),
            "oci" => oci(rest, text),
            _ => Err(InvalidSource::Scheme(scheme.to_owned())),
        }
    }
}

fn http(text: &str) -> Result<Source, InvalidSource> {
    let invalid = || InvalidSource::Url(text.to_owned());
    let url = Url::parse(text).map_err(|_| invalid())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidSource::Credentials);
    }
    if url.query().is_some() || url.fragment().is_some() {
        let mut shown = url;
        shown.set_query(None);
        shown.set_fragment(None);
        return Err(InvalidSource::Query(shown.into()));
    }
    let host = url.host_str().ok_or_else(invalid)?;
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(InvalidSource::PlainHttp(host.to_owned()));
    }
    if url.path().ends_with('/') {
        return Err(invalid());
    }
    Ok(Source::Https(url))
}

fn oci(rest: &str, text: &str) -> Result<Source, InvalidSource> {
    // A reference without a registry would be one of Docker Hub's, which nobody wrote.
    let Some((registry, _)) = rest.split_once('/') else {
        return Err(InvalidSource::NoRegistry(text.to_owned()));
    };
    if !registry.contains(['.', ':']) && registry != "localhost" {
        return Err(InvalidSource::NoRegistry(text.to_owned()));
    }
    let reference = Reference::try_from(rest).map_err(|_| InvalidSource::Reference(text.to_owned()))?;
    match reference.digest() {
        Some(digest) if !digest.starts_with("sha256:") => Err(InvalidSource::Digest(text.to_owned())),
        _ => Ok(Source::Oci(reference)),
    }
}

/// Whether a URL leads to this machine and nowhere else.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_localhost(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether a registry, `HOST` or `HOST:PORT`, is on this machine.
fn is_local_registry(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    is_localhost(host) || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost")
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) => path.display().fmt(f),
            Source::Https(url) => url.fmt(f),
            Source::Oci(reference) => write!(f, "oci://{reference}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn a_source_is_written_as_it_was_read() {
        let check = |text: &str, want: &str, remote: bool, pinned: bool| {
            let source: Source = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(source.to_string(), want);
            assert_eq!((source.is_remote(), source.is_pinned()), (remote, pinned), "{text}");
            assert_eq!(want.parse::<Source>().expect(want), source);
        };
        check("/srv/drivers/ec2.wasm", "/srv/drivers/ec2.wasm", false, false);
        check("./ec2.wasm", "./ec2.wasm", false, false);
        check("https://EXAMPLE.com/ec2.wasm", "https://example.com/ec2.wasm", true, false);
        check("http://127.0.0.1:8080/ec2.wasm", "http://127.0.0.1:8080/ec2.wasm", true, false);
        check("http://[::1]/ec2.wasm", "http://[::1]/ec2.wasm", true, false);
        check("http://localhost/ec2.wasm", "http://localhost/ec2.wasm", true, false);
        check("oci://ghcr.io/me/drivers/ec2:1.0.0", "oci://ghcr.io/me/drivers/ec2:1.0.0", true, false);
        check("oci://ghcr.io/me/ec2", "oci://ghcr.io/me/ec2:latest", true, false);
        check("oci://localhost:5000/ec2:1", "oci://localhost:5000/ec2:1", true, false);
        let (digest, both) = (format!("oci://ghcr.io/me/ec2@{DIGEST}"), format!("oci://ghcr.io/me/ec2:1@{DIGEST}"));
        check(&digest, &digest, true, true);
        check(&both, &both, true, true);
    }

    #[test]
    fn what_is_no_source_says_what_is_wrong() {
        let check = |text: &str, want: InvalidSource| assert_eq!(text.parse::<Source>(), Err(want));
        check("", InvalidSource::Empty);
        check("ftp://example.com/x", InvalidSource::Scheme("ftp".into()));
        check("https://", InvalidSource::Url("https://".into()));
        check("https://example.com/", InvalidSource::Url("https://example.com/".into()));
        check("http://example.com/x.wasm", InvalidSource::PlainHttp("example.com".into()));
        check("http://127.0.0.1.example.com/x", InvalidSource::PlainHttp("127.0.0.1.example.com".into()));
        check("http://localhost.example.com/x", InvalidSource::PlainHttp("localhost.example.com".into()));
        check("https://example.com/x?token=secret", InvalidSource::Query("https://example.com/x".into()));
        check("https://example.com/x#part", InvalidSource::Query("https://example.com/x".into()));
        check("oci://ec2", InvalidSource::NoRegistry("oci://ec2".into()));
        check("oci://me/ec2:1", InvalidSource::NoRegistry("oci://me/ec2:1".into()));
        check("oci://ghcr.io/Me/ec2:1", InvalidSource::Reference("oci://ghcr.io/Me/ec2:1".into()));
        check("oci://ghcr.io/me/ec2@sha256:12", InvalidSource::Reference("oci://ghcr.io/me/ec2@sha256:12".into()));
        let sha512 = format!("oci://ghcr.io/me/ec2@sha512:{}", "a".repeat(128));
        check(&sha512, InvalidSource::Digest(sha512.clone()));
    }

    #[test]
    fn credentials_are_refused_and_never_repeated() {
        for text in [
            "https://user:secret@example.com/x.wasm",
            "https://secret@example.com/x.wasm",
            "oci://user:secret@ghcr.io/me/ec2:1",
            "http://user:secret@127.0.0.1/x",
            "https://user:secret@exa mple.com/x",
            "https://user:secret@",
        ] {
            let error = text.parse::<Source>().expect_err(text);
            assert_eq!(error, InvalidSource::Credentials);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        let check = |registry: &str, want: bool| assert_eq!(is_local_registry(registry), want, "{registry}");
        check("localhost", true);
        check("localhost:5000", true);
        check("127.0.0.1:5000", true);
        check("127.8.8.8", true);
        check("10.0.0.1:5000", false);
        check("ghcr.io", false);
        check("localhost.example.com:5000", false);
        check("127.0.0.1.example.com", false);
    }
}
