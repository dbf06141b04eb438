//! The source of a secret in the configuration: a file or an environment variable. A secret is never in the
//! configuration itself, which is passed around and kept in version control.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// Looks up an environment variable: the process's in the program, a table in tests.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The environment variable that holds the vault's key, should it not be in a file.
pub const KEY_VARIABLE: &str = "TRACKER_KEY";

/// No password or private key is longer; a wrong path (a disk image, a log) is.
const MAX_BYTES: u64 = 64 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    File(PathBuf),
    Environment(String),
}

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("can't read the secret file {}: {source}. Write the secret into it, readable only by you (chmod 600)", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the secret file {} is empty: write the secret into it", .0.display())]
    Empty(PathBuf),
    #[error("the secret file {} has more than {MAX_BYTES} bytes: is it the right file?", .0.display())]
    TooLong(PathBuf),
    #[error("the secret file {} is not UTF-8 text: is it the right file?", .0.display())]
    NotText(PathBuf),
    #[error("the environment variable {0} is not set: set it for this process")]
    NotSet(String),
    #[error("the environment variable {0} is empty: set it to the secret")]
    EmptyVariable(String),
    #[error("the environment variable {0} is not UTF-8 text: set it to the secret")]
    VariableNotText(String),
}

/// A secret, and what its owner should be told about the place it came from.
#[derive(Debug)]
pub struct Found {
    pub secret: SecretString,
    pub warning: Option<String>,
}

impl SecretSource {
    pub fn read(&self, environment: Environment<'_>) -> Result<Found, SecretError> {
        match self {
            SecretSource::File(path) => read_file(path),
            SecretSource::Environment(name) => match environment(name) {
                None => Err(SecretError::NotSet(name.clone())),
                Some(value) if value.is_empty() => Err(SecretError::EmptyVariable(name.clone())),
                Some(value) => match value.into_string() {
                    Ok(value) => Ok(Found { secret: value.into(), warning: None }),
                    Err(_) => Err(SecretError::VariableNotText(name.clone())),
                },
            },
        }
    }
}

/// The whole file is the secret, but for one line end behind it, which editors add.
fn read_file(path: &Path) -> Result<Found, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(SecretError::TooLong(path.to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|_| SecretError::NotText(path.to_owned()))?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() {
        return Err(SecretError::Empty(path.to_owned()));
    }
    let shown = path.display();
    let warning = (mode & 0o004 != 0).then(|| {
        format!(
            "the secret file {shown} can be read by every user of this machine (mode {mode:o}). Run: chmod 600 {shown}"
        )
    });
    Ok(Found { secret: secret.into(), warning })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_secret_is_read_or_its_absence_explained() {
        let folder = tempfile::tempdir().expect("folder");
        let check = |content: Option<&[u8]>, mode: u32, want: Result<(&str, bool), &str>| {
            let path = folder.path().join("secret");
            let _ = std::fs::remove_file(&path);
            if let Some(content) = content {
                std::fs::write(&path, content).expect("written");
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
            }
            match (SecretSource::File(path).read(&|_| None), want) {
                (Ok(found), Ok((secret, warned))) => {
                    assert_eq!((found.secret.expose_secret(), found.warning.is_some()), (secret, warned));
                }
                (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}"),
                (got, want) => panic!("got {got:?}, want {want:?}"),
            }
        };
        check(Some(b"s3cret\n"), 0o600, Ok(("s3cret", false)));
        check(Some(b"s3cret\r\n"), 0o640, Ok(("s3cret", false)));
        check(Some(b"two\nlines\n"), 0o644, Ok(("two\nlines", true)));
        check(Some(b"\n"), 0o600, Err("is empty"));
        check(Some(b"\xff\xfe"), 0o600, Err("not UTF-8"));
        check(Some(&[b'x'; 70_000]), 0o600, Err("more than"));
        check(None, 0, Err("can't read the secret file"));
    }

    #[test]
    fn a_variable_is_read_or_its_absence_explained() {
        let environment = |name: &str| match name {
            "SET" => Some("value".into()),
            "EMPTY" => Some(OsString::new()),
            "BINARY" => Some(OsString::from_vec(b"\xffvalue".to_vec())),
            _ => None,
        };
        let read = |name: &str| SecretSource::Environment(name.into()).read(&environment);
        assert_eq!(read("SET").expect("set").secret.expose_secret(), "value");
        assert!(matches!(read("EMPTY"), Err(SecretError::EmptyVariable(_))));
        assert!(matches!(read("BINARY"), Err(SecretError::VariableNotText(_))));
        assert!(matches!(read("UNSET"), Err(SecretError::NotSet(_))));
    }
}
