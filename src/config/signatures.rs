//! `[drivers.signatures]`: the required signatures of drivers, with the keys read from their files.

use std::path::PathBuf;

use serde::Deserialize;

use super::values::FilePath;
use crate::supply::signature::{self, InvalidKey, InvalidPolicy, Policy, PublicKey};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SignaturesSection {
    all_of: Vec<Key>,
    any_of: Option<AnyOf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnyOf {
    minimum: usize,
    keys: Vec<Key>,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "WrittenKey")]
struct Key(PublicKey);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKey {
    name: String,
    file: Option<FilePath>,
    pem: Option<String>,
}

#[derive(Debug, thiserror::Error)]
enum UnusableKey {
    #[error("key {name:?}: it comes from a file or is written here: set file or pem, and not both")]
    Source { name: String },
    #[error("key {name:?}: cannot read {}: {source}", .path.display())]
    Unreadable { name: String, path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Invalid(#[from] InvalidKey),
}

impl TryFrom<WrittenKey> for Key {
    type Error = UnusableKey;

    fn try_from(written: WrittenKey) -> Result<Key, UnusableKey> {
        let WrittenKey { name, file, pem } = written;
        let pem = match (file.map(PathBuf::from), pem) {
            (None, Some(pem)) => pem,
            (Some(path), None) => match std::fs::read_to_string(&path) {
                Ok(pem) => pem,
                Err(source) => return Err(UnusableKey::Unreadable { name, path, source }),
            },
            (None, None) | (Some(_), Some(_)) => return Err(UnusableKey::Source { name }),
        };
        Ok(Key(PublicKey::parse(&name, &pem)?))
    }
}

impl SignaturesSection {
    pub(super) fn policy(self) -> Result<Policy, InvalidPolicy> {
        let keys = |keys: Vec<Key>| keys.into_iter().map(|key| key.0).collect();
        let any_of = self.any_of.map(|any_of| signature::AnyOf { minimum: any_of.minimum, keys: keys(any_of.keys) });
        let policy = Policy { all_of: keys(self.all_of), any_of };
        policy.validate()?;
        Ok(policy)
    }
}
