//! All cassettes of a directory.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::error::{CassetteError, MOST_FILES};
use super::scenario::{Body, Cassette, Outcome};

/// What a directory of cassettes may have beside them: what an author declares to the conformance suite.
pub const MANIFEST: &str = "suite.json";

/// All cassettes of a directory, sorted by name.
#[derive(Clone, Debug, Default)]
pub struct Cassettes(Vec<Cassette>);

impl Cassettes {
    /// Reads every `*.json` of a directory but its `suite.json`.
    pub fn read_dir(directory: &Path) -> Result<Cassettes, CassetteError> {
        let unreadable = |source| CassetteError::Unreadable { path: directory.to_owned(), source };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let is_json = path.extension().is_some_and(|extension| extension == "json") && path.is_file();
            if is_json && path.file_name().is_some_and(|name| name != MANIFEST) {
                paths.push(path);
            }
            if paths.len() > MOST_FILES {
                return Err(CassetteError::TooMany(directory.to_owned()));
            }
        }
        paths.sort();
        paths.iter().map(|path| Cassette::read(path)).collect::<Result<_, _>>().map(Cassettes)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Cassette> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Of all that they say, the files of bodies included, in hexadecimal.
    pub fn sha256(&self) -> String {
        let mut digest = Sha256::new();
        let mut add = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        };
        for cassette in self {
            add(cassette.name.as_bytes());
            add(cassette.text().as_bytes());
            for recorded in &cassette.exchanges {
                let answered = match &recorded.outcome {
                    Outcome::Answer(answer) => Some(&answer.body),
                    Outcome::Unanswered(_) => None,
                };
                for body in recorded.request.body.iter().chain(answered) {
                    if let Body::File { content, .. } = body {
                        add(content);
                    }
                }
            }
        }
        hex::encode(digest.finalize())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl IntoIterator for Cassettes {
    type Item = Cassette;
    type IntoIter = std::vec::IntoIter<Cassette>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Cassettes {
    type Item = &'a Cassette;
    type IntoIter = std::slice::Iter<'a, Cassette>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Vec<Cassette>> for Cassettes {
    fn from(cassettes: Vec<Cassette>) -> Cassettes {
        Cassettes(cassettes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{ "cassette": 1, "about": "none", "source": "made up", "at": "2026-11-20T10:00:00Z",
        "account": { "provider": "p", "endpoint": "https://a.example", "endpoints": { "identity": "https://i.example" },
            "user": "u", "secret": "access-token", "secret_expires": "2026-11-20T12:00:00Z" },
        "list": "instances", "exchanges": [] }"#;

    #[test]
    fn the_digest_is_of_the_whole_account() {
        let digest = |text: &str| {
            let folder = tempfile::tempdir().expect("a folder");
            std::fs::write(folder.path().join("one.json"), text).expect("written");
            Cassettes::read_dir(folder.path()).expect("read").sha256()
        };
        let own = digest(ONE);
        assert_eq!(own, digest(&ONE.replace("\"user\": \"u\"", "\"user\":  \"u\"")), "blanks say nothing");
        let expires = r#", "secret_expires": "2026-11-20T12:00:00Z""#;
        let without = ONE.replace(expires, "");
        let others = [
            ONE.replace("i.example", "j.example"),
            ONE.replace("identity", "compute"),
            ONE.replace("12:00:00Z", "13:00:00Z"),
            without.replace("access-token", "password"),
            without,
        ];
        for (at, other) in others.iter().enumerate() {
            assert_ne!(digest(other), own, "{other}");
            assert!(others[..at].iter().all(|before| digest(before) != digest(other)), "{other}");
        }
    }
}
