//! The login at a registry: from the command line, or from Docker's `config.json`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// Docker's own files have some lines for each registry.
const MOST_BYTES: u64 = 1 << 20;

/// User and password at a registry.
#[derive(Clone)]
pub struct Login {
    pub user: String,
    pub password: SecretString,
}

#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    #[error("cannot read {}, which contains the logins to registries: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is not Docker's config.json: {message}", path.display())]
    Malformed { path: PathBuf, message: String },
    #[error("the login to {registry} in {} is not USER:PASSWORD in base64: log in again", path.display())]
    Broken { path: PathBuf, registry: String },
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
}

#[derive(Default, Deserialize)]
struct Auth {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

impl Login {
    /// The login of a registry, `HOST` or `HOST:PORT`, in Docker's `config.json`; none where there is no such file or
    /// it has none. Helpers that keep logins elsewhere are not run.
    pub(super) fn in_docker_config(path: &Path, registry: &str) -> Result<Option<Login>, LoginError> {
        let unreadable = |source| LoginError::Unreadable { path: path.to_owned(), source };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(unreadable)?,
        };
        let mut text = String::new();
        file.take(MOST_BYTES).read_to_string(&mut text).map_err(unreadable)?;
        // Where it is broken, and not what is written there: that may be a password.
        let config: DockerConfig = serde_json::from_str(&text).map_err(|error| LoginError::Malformed {
            path: path.to_owned(),
            message: format!("line {}, column {}", error.line(), error.column()),
        })?;
        let Some((_, auth)) = config.auths.into_iter().find(|(name, _)| host_of(name) == host_of(registry)) else {
            return Ok(None);
        };
        auth.login().map_err(|()| LoginError::Broken { path: path.to_owned(), registry: registry.to_owned() })
    }

    /// As it stands in a header.
    pub(super) fn basic(&self) -> SecretString {
        format!("Basic {}", BASE64.encode(format!("{}:{}", self.user, self.password.expose_secret()))).into()
    }
}

impl Auth {
    fn login(self) -> Result<Option<Login>, ()> {
        let Auth { auth, username, password } = self;
        if auth.is_empty() {
            let is_there = !username.is_empty() && !password.is_empty();
            return Ok(is_there.then(|| Login { user: username, password: password.into() }));
        }
        let decoded = BASE64.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(())?;
        let (user, password) = decoded.trim_end_matches('\0').split_once(':').ok_or(())?;
        Ok(Some(Login { user: user.to_owned(), password: password.to_owned().into() }))
    }
}

/// Docker Hub has several names, and older files have URLs.
fn host_of(name: &str) -> &str {
    let name = name.split_once("://").map_or(name, |(_, rest)| rest);
    match name.split('/').next().unwrap_or_default() {
        "docker.io" | "registry-1.docker.io" => "index.docker.io",
        host => host,
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_of_a_registry_is_found() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("config.json");
        let check = |text: &str, registry: &str, want: Result<Option<(&str, &str)>, &str>| {
            std::fs::write(&path, text).expect("written");
            let found = Login::in_docker_config(&path, registry);
            match (found, want) {
                (Ok(None), Ok(None)) => {}
                (Ok(Some(login)), Ok(Some((user, password)))) => {
                    assert_eq!((login.user.as_str(), login.password.expose_secret()), (user, password));
                    assert!(!format!("{login:?}").contains(password));
                }
                (Err(error), Err(want)) => {
                    let error = error.to_string();
                    assert!(error.contains(want) && !error.contains("hunter2"), "{error}");
                }
                (found, want) => panic!("{text}: {found:?}, wanted {want:?}"),
            }
        };
        // {"auth": base64 of me:a:secret}
        let auths = r#"{"auths": {"ghcr.io": {"auth": "bWU6YTpzZWNyZXQ="}, "localhost:5000": {}}, "credsStore": "x"}"#;
        check(auths, "ghcr.io", Ok(Some(("me", "a:secret"))));
        check(auths, "localhost:5000", Ok(None));
        check(auths, "quay.io", Ok(None));
        check("{}", "quay.io", Ok(None));
        let old = r#"{"auths": {"https://index.docker.io/v1/": {"username": "me", "password": "secret"}}}"#;
        check(old, "docker.io", Ok(Some(("me", "secret"))));
        check(r#"{"auths": {"a.b": {"auth": "???"}}}"#, "a.b", Err("log in again"));
        check(r#"{"auths": {"a.b": {"auth": "bWU="}}}"#, "a.b", Err("log in again"));
        check(r#"{"auths": {"a.b": {"password": "hunter2"#, "a.b", Err("line 1"));
        check(r#"{"auths": {"a.b": "hunter2"}}"#, "a.b", Err("line 1"));
        assert!(Login::in_docker_config(&folder.path().join("none"), "a.b").expect("no such file").is_none());
    }
}
