//! `suite.json`, beside the cassettes: the author's declarations about a provider that no answer can show, such as a
//! list without pages.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::kit::cassette::MANIFEST;
use crate::model::Kind;

/// Its form.
const FORM: u32 = 1;
/// A declaration is some lines long.
const MOST_BYTES: u64 = 64 << 10;

/// What is declared. What is absent has to be shown by a cassette.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    suite: u32,
    /// `false`: the provider gives each list whole.
    #[serde(default)]
    pub paging: Option<bool>,
    /// `false`: the provider has no way to answer with less than everything.
    #[serde(default)]
    pub partial: Option<bool>,
    /// `false`: a state is no word of the provider's, but a flag, say, or made of several.
    #[serde(default)]
    pub words: Option<bool>,
    /// The errors that the provider has words for, of those that every provider may have; all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<ErrorName>>,
    /// The lists that the provider has; both if absent.
    #[serde(default)]
    pub lists: Option<Vec<ListName>>,
}

/// As cassettes name lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListName {
    Instances,
    Realms,
}

/// As cassettes name errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorName {
    Unauthorized,
    Forbidden,
    Throttled,
    Unavailable,
}

impl ErrorName {
    pub const ALL: [ErrorName; 4] =
        [ErrorName::Unauthorized, ErrorName::Forbidden, ErrorName::Throttled, ErrorName::Unavailable];

    pub fn as_str(self) -> &'static str {
        match self {
            ErrorName::Unauthorized => "unauthorized",
            ErrorName::Forbidden => "forbidden",
            ErrorName::Throttled => "throttled",
            ErrorName::Unavailable => "unavailable",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("cannot read {path}: {source}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path} is not a valid declaration: {message}. It looks like {{\"suite\": 1, \"paging\": false}}")]
    Malformed { path: PathBuf, message: String },
    #[error("{path} has format {found}, but this suite reads format {FORM}")]
    OtherForm { path: PathBuf, found: u32 },
}

impl Manifest {
    /// Reads it from the folder of the cassettes; where there is none, nothing is declared.
    pub fn read(folder: &Path) -> Result<Manifest, ManifestError> {
        let path = folder.join(MANIFEST);
        let text = match std::fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Manifest::default()),
            Ok(metadata) if metadata.len() > MOST_BYTES => Err(io::Error::other("it has more than 64 KiB")),
            Ok(_) => std::fs::read_to_string(&path),
            Err(error) => Err(error),
        };
        let text = text.map_err(|source| ManifestError::Unreadable { path: path.clone(), source })?;
        Manifest::parse(&text, &path)
    }

    fn parse(text: &str, path: &Path) -> Result<Manifest, ManifestError> {
        let manifest: Manifest = serde_json::from_str(text)
            .map_err(|error| ManifestError::Malformed { path: path.to_owned(), message: error.to_string() })?;
        if manifest.suite != FORM {
            return Err(ManifestError::OtherForm { path: path.to_owned(), found: manifest.suite });
        }
        Ok(manifest)
    }

    /// In hexadecimal: two that declare the same have the same.
    pub fn sha256(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        hex::encode(Sha256::digest(text))
    }

    /// What is declared, a sentence each, for whoever is to believe it.
    pub fn declared(&self) -> Vec<String> {
        let mut declared = Vec::new();
        if self.paging == Some(false) {
            declared.push("paging: false: the provider gives every list whole, on one page".to_owned());
        }
        if self.partial == Some(false) {
            declared.push("partial: false: the provider never gives less than everything without an error".to_owned());
        }
        if self.words == Some(false) {
            declared.push("words: false: the provider has no words for states".to_owned());
        }
        if self.errors.is_some() {
            let errors: Vec<_> = self.errors().into_iter().map(ErrorName::as_str).collect();
            let errors = if errors.is_empty() { "no error".to_owned() } else { errors.join(" and ") };
            declared.push(format!("errors: the provider says {errors} in its own words, and nothing else"));
        }
        if self.lists.is_some() {
            let lists: Vec<_> = self.kinds().into_iter().map(Kind::plural).collect();
            declared.push(format!("lists: the provider lists {} and nothing else", lists.join(" and ")));
        }
        declared
    }

    /// The errors that have to be shown.
    pub fn errors(&self) -> Vec<ErrorName> {
        let named = |name: &ErrorName| self.errors.as_ref().is_none_or(|errors| errors.contains(name));
        ErrorName::ALL.into_iter().filter(named).collect()
    }

    /// The lists that have to be shown.
    pub fn kinds(&self) -> Vec<Kind> {
        let named = |kind: &Kind| {
            let name = match kind {
                Kind::Instance => ListName::Instances,
                Kind::Realm => ListName::Realms,
            };
            self.lists.as_ref().is_none_or(|lists| lists.contains(&name))
        };
        Kind::ALL.into_iter().filter(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_is_read_or_refused() {
        let check = |text: &str, want: Result<(Option<bool>, usize), &str>| {
            let read = Manifest::parse(text, Path::new("suite.json"));
            match (read, want) {
                (Ok(manifest), Ok(want)) => assert_eq!((manifest.paging, manifest.kinds().len()), want, "{text}"),
                (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}"),
                (read, _) => panic!("{text}: {read:?}"),
            }
        };
        check(r#"{"suite": 1}"#, Ok((None, 2)));
        check(r#"{"suite": 1, "paging": false, "lists": ["instances"]}"#, Ok((Some(false), 1)));
        check(r#"{"suite": 2}"#, Err("format 2"));
        check(r#"{"suite": 1, "pages": false}"#, Err("line 1 column 20"));
        check(r#"{"suite": 1, "lists": ["volumes"]}"#, Err("volumes"));
        check(r#"{"suite": 1, "errors": ["unauthorized"]}"#, Ok((None, 2)));
        check(r#"{"suite": 1, "errors": ["unexpected-answer"]}"#, Err("unexpected-answer"));
        check("{}", Err("suite.json is not a valid declaration"));
    }
}
