//! The route of requests to one provider, or for one account: the `network` table of either, and the endpoint of a
//! provider that listens on a socket. Its files are read with the configuration. So an invalid file is reported when
//! the host starts, and a changed file takes effect when it restarts.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::secret::{Environment, SecretError, SecretSource};
use super::values::{Endpoint, FilePath, InvalidValue};
use crate::net::{Identity, PemError, PrivateRoots, Proxy, ProxyChoice, RootsReach, Via};

/// What a driver is told as the endpoint of a provider that listens on a socket: it makes its URLs of it, and
/// none of them is resolved.
const SOCKET_ENDPOINT: &str = "http://localhost";

/// The longest path of a socket that Linux takes (`sun_path`, with the zero behind it, has 108 bytes).
const SOCKET_PATH_BYTES: usize = 107;

/// All public authorities there are fill a quarter of that.
const MAX_CERTIFICATES: u64 = 1 << 20;

/// The `network` table of a provider or an account.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Network {
    roots_file: Option<FilePath>,
    roots: Option<WrittenRoots>,
    client_certificate_file: Option<FilePath>,
    client_key_file: Option<FilePath>,
    proxy: Option<WrittenProxy>,
    proxy_password_file: Option<FilePath>,
    proxy_password_env: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenRoots {
    Only,
    Also,
}

impl From<WrittenRoots> for RootsReach {
    fn from(written: WrittenRoots) -> RootsReach {
        match written {
            WrittenRoots::Only => RootsReach::Only,
            WrittenRoots::Also => RootsReach::Also,
        }
    }
}

/// `"none"`, or a proxy without its password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
enum WrittenProxy {
    None,
    Url(Url),
}

impl TryFrom<String> for WrittenProxy {
    type Error = InvalidNetwork;

    fn try_from(text: String) -> Result<WrittenProxy, InvalidNetwork> {
        if text == "none" {
            return Ok(WrittenProxy::None);
        }
        // The text is not repeated in errors: it may have a password in it.
        let url = Url::parse(&text).map_err(|_| InvalidNetwork::Proxy)?;
        if url.password().is_some() {
            return Err(InvalidNetwork::ProxyPassword);
        }
        let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        if !matches!(url.scheme(), "http" | "https") || !is_bare {
            return Err(InvalidNetwork::Proxy);
        }
        Ok(WrittenProxy::Url(url))
    }
}

impl fmt::Debug for WrittenProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WrittenProxy::None => f.write_str("none"),
            WrittenProxy::Url(url) => f.write_str(url.as_str()),
        }
    }
}

/// Where a provider is reached: at an endpoint, or at a socket of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Place {
    Web(Endpoint),
    Socket(PathBuf),
}

impl TryFrom<String> for Place {
    type Error = InvalidNetwork;

    fn try_from(text: String) -> Result<Place, InvalidNetwork> {
        let Some(path) = text.strip_prefix("unix:") else {
            return Ok(Place::Web(Endpoint::try_from(text)?));
        };
        // Both `unix:/run/x` and `unix:///run/x` are in use.
        let path = path.strip_prefix("//").unwrap_or(path);
        match path.len() {
            _ if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') => {
                Err(InvalidNetwork::Socket(text))
            }
            bytes if bytes > SOCKET_PATH_BYTES => Err(InvalidNetwork::SocketTooLong(bytes)),
            _ => Ok(Place::Socket(path.into())),
        }
    }
}

impl Place {
    /// What a driver is told, and the socket that its requests go to.
    pub(super) fn parts(self) -> (String, Option<PathBuf>) {
        match self {
            Place::Web(endpoint) => (endpoint.into(), None),
            Place::Socket(path) => (SOCKET_ENDPOINT.to_owned(), Some(path)),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidNetwork {
    #[error(transparent)]
    Endpoint(#[from] InvalidValue),
    #[error("{0:?} is not the path of a socket: write the whole path, as in \"unix:/run/podman/podman.sock\"")]
    Socket(String),
    #[error("the path of a socket has at most {SOCKET_PATH_BYTES} bytes, and this one has {0}")]
    SocketTooLong(usize),
    #[error("a proxy is http or https, a host and a port, as in \"http://proxy.example:3128\"; or it is \"none\"")]
    Proxy,
    #[error("the proxy's password must not be in its URL: set proxy_password_file or proxy_password_env")]
    ProxyPassword,
}

/// What is wrong with a `network` table or the files that it names.
#[derive(Debug, thiserror::Error)]
pub enum NetworkFault {
    #[error("{key} {} cannot be read: {source}", .path.display())]
    Unreadable { key: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{key} {} has more than {MAX_CERTIFICATES} bytes: is it the right file?", .path.display())]
    TooLong { key: &'static str, path: PathBuf },
    #[error("roots_file {}: {source}", .path.display())]
    Roots { path: PathBuf, source: PemError },
    #[error("client_certificate_file {} with client_key_file {}: {source}", .certificate.display(), .key.display())]
    Identity { certificate: PathBuf, key: PathBuf, source: PemError },
    #[error("client_key_file: {0}")]
    Key(SecretError),
    #[error("the proxy's password: {0}")]
    ProxyPassword(SecretError),
    #[error(
        "a client certificate and its key go together: set client_certificate_file and client_key_file, or neither"
    )]
    HalfIdentity,
    #[error("roots says how the host uses roots_file: set roots_file too, or remove roots")]
    RootsWithoutFile,
    #[error(
        "a proxy's password comes from a file or from the environment: set proxy_password_file or proxy_password_env"
    )]
    TwoPasswords,
    #[error("a password for a proxy is set, but no proxy with a user: write proxy = \"http://USER@HOST:PORT\"")]
    PasswordWithoutUser,
    #[error("the proxy has a user and no password: set proxy_password_file or proxy_password_env")]
    UserWithoutPassword,
}

impl Network {
    /// Reads what it names; what its owner should know is added to `warnings`.
    pub(super) fn read(self, environment: Environment<'_>, warnings: &mut Vec<String>) -> Result<Via, NetworkFault> {
        let roots = match (self.roots_file, self.roots) {
            (Some(path), reach) => Some(roots(path.into(), reach)?),
            (None, Some(_)) => return Err(NetworkFault::RootsWithoutFile),
            (None, None) => None,
        };
        let identity = match (self.client_certificate_file, self.client_key_file) {
            (Some(certificate), Some(key)) => Some(identity(certificate.into(), key.into(), warnings)?),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(NetworkFault::HalfIdentity),
        };
        let password = match (self.proxy_password_file, self.proxy_password_env) {
            (Some(path), None) => Some(SecretSource::File(path.into())),
            (None, Some(name)) => Some(SecretSource::Environment(name)),
            (None, None) => None,
            (Some(_), Some(_)) => return Err(NetworkFault::TwoPasswords),
        };
        let proxy = proxy(self.proxy, password, environment, warnings)?;
        Ok(Via { roots, identity, proxy, socket: None })
    }
}

fn roots(path: PathBuf, reach: Option<WrittenRoots>) -> Result<PrivateRoots, NetworkFault> {
    let text = certificates("roots_file", &path)?;
    let reach = reach.map_or_else(RootsReach::default, RootsReach::from);
    PrivateRoots::from_pem(&text, reach).map_err(|source| NetworkFault::Roots { path, source })
}

fn identity(certificate: PathBuf, key: PathBuf, warnings: &mut Vec<String>) -> Result<Identity, NetworkFault> {
    let chain = certificates("client_certificate_file", &certificate)?;
    let secret = secret(&SecretSource::File(key.clone()), &|_| None, warnings).map_err(NetworkFault::Key)?;
    Identity::from_pem(&chain, secret.expose_secret().as_bytes()).map_err(|source| NetworkFault::Identity {
        certificate,
        key,
        source,
    })
}

fn proxy(
    written: Option<WrittenProxy>,
    password: Option<SecretSource>,
    environment: Environment<'_>,
    warnings: &mut Vec<String>,
) -> Result<ProxyChoice, NetworkFault> {
    let url = match (written, &password) {
        (Some(WrittenProxy::Url(url)), _) => url,
        (_, Some(_)) => return Err(NetworkFault::PasswordWithoutUser),
        (Some(WrittenProxy::None), None) => return Ok(ProxyChoice::Direct),
        (None, None) => return Ok(ProxyChoice::Host),
    };
    match (url.username(), password) {
        ("", Some(_)) => Err(NetworkFault::PasswordWithoutUser),
        ("", None) => Ok(ProxyChoice::Through(Proxy::new(url, None))),
        (_, None) => Err(NetworkFault::UserWithoutPassword),
        (_, Some(source)) => {
            let password = secret(&source, environment, warnings).map_err(NetworkFault::ProxyPassword)?;
            Ok(ProxyChoice::Through(Proxy::new(url, Some(password))))
        }
    }
}

fn secret(
    source: &SecretSource,
    environment: Environment<'_>,
    warnings: &mut Vec<String>,
) -> Result<SecretString, SecretError> {
    let found = source.read(environment)?;
    warnings.extend(found.warning);
    Ok(found.secret)
}

/// A file of certificates, which are no secret.
fn certificates(key: &'static str, path: &Path) -> Result<Vec<u8>, NetworkFault> {
    let unreadable = |source| NetworkFault::Unreadable { key, path: path.to_owned(), source };
    let mut text = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_CERTIFICATES + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_CERTIFICATES {
        return Err(NetworkFault::TooLong { key, path: path.to_owned() });
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
