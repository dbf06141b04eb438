//! Cassettes: what a provider answered, kept in plain files, so that a driver is tried without the provider and
//! without an account. One file is one scenario: an account, the list that is asked for, the exchanges that it
//! takes, and what is expected to come of them. `drivers/CASSETTES.md` describes the form for authors.

mod expect;
mod file;
pub mod leak;
pub mod record;
pub mod redact;
mod replay;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::wire::{Answered, Unanswered};
use super::{EndpointSource, SecretKind, Target, Wire};
use crate::model::{AccountKey, Kind, ResourceId, Timestamp};
use crate::net::{AddressPolicy, Via};

pub use expect::{Expect, ExpectedCoverage, ExpectedWait, Row};
pub use replay::{Replay, Surprise};

/// The form of the files; a host reads no later one.
pub const VERSION: u32 = 1;

/// What a directory of cassettes may have beside them: what an author declares to the conformance suite.
pub const MANIFEST: &str = "suite.json";

/// The most bytes of one file: several times a page of 1,000 in the most talkative of formats.
const MOST_FILE_BYTES: u64 = 64 << 20;
/// The most cassettes of one directory: enough for every state and error of any provider.
const MOST_FILES: usize = 1_000;

/// One scenario.
#[derive(Clone, Debug)]
pub struct Cassette {
    /// The file's name without its ending.
    pub name: String,
    /// What it shows, in a few words.
    pub about: String,
    /// Where the answers come from: a recording, or a provider's documentation.
    pub source: String,
    pub account: Account,
    /// What the sandbox's clock says.
    pub at: Timestamp,
    pub list: Kind,
    /// Since when what changed is asked for, in the place of everything: of a driver that can tell, of instances.
    pub since: Option<Timestamp>,
    /// The single instances that are asked for, in the place of everything: of a driver that can be asked for them. All of
    /// them if there are none.
    pub ids: Vec<ResourceId>,
    pub exchanges: Vec<Recorded>,
    pub expect: Expect,
}

/// The account that a scenario is played for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub provider: String,
    /// Scheme, host and port, without a slash at the end.
    pub endpoint: String,
    pub user: String,
    pub options: BTreeMap<String, String>,
    /// The secret options that are set, by name. Their values are made up.
    pub secrets: Vec<String>,
    /// What stands for a secret in replay where anything made up would not do: a key to sign with, a password
    /// that a driver knows. Never a real one.
    pub fakes: BTreeMap<String, String>,
}

/// One request and what came of it.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub request: Request,
    pub outcome: Outcome,
}

/// A request as it is expected. Headers and body are compared only where they are given.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// A parameter with the value `*` fits any value.
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<Body>,
}

#[derive(Clone, Debug)]
pub enum Outcome {
    Answer(Answer),
    /// There was none.
    Unanswered(Unanswered),
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Body,
    /// Whether the connection breaks off behind the body.
    pub broken: bool,
}

/// A body, in the form that reads best.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Text(String),
    Json(serde_json::Value),
    /// What is no text.
    Bytes(Bytes),
    /// In a file of its own, by its path from the cassette.
    File {
        name: String,
        content: Bytes,
    },
}

/// All cassettes of a directory, sorted by name.
#[derive(Clone, Debug, Default)]
pub struct Cassettes(Vec<Cassette>);

#[derive(Debug, thiserror::Error)]
pub enum CassetteError {
    #[error("can't read {}: {source}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("can't write {}: {source}", .path.display())]
    NotWritten { path: PathBuf, source: io::Error },
    #[error("{} has {found} bytes; a cassette and each file of a body have at most {MOST_FILE_BYTES}", .path.display())]
    TooLarge { path: PathBuf, found: u64 },
    #[error("there are more than {MOST_FILES} cassettes in {}: put them into several directories", .0.display())]
    TooMany(PathBuf),
    /// The message says in which line.
    #[error("{} is not a cassette: {source}", .path.display())]
    Malformed { path: PathBuf, source: serde_json::Error },
    #[error("{} is a cassette of form {found}, and this host reads form {VERSION}: update the host", .path.display())]
    TooNew { path: PathBuf, found: u32 },
    #[error("{}: {what}", .path.display())]
    Invalid { path: PathBuf, what: String },
}

impl Cassette {
    /// Reads a cassette and the files of its bodies.
    pub fn read(path: &Path) -> Result<Cassette, CassetteError> {
        file::read(path)
    }

    /// Writes a cassette, and the files of its bodies beside it.
    pub fn write(&self, path: &Path) -> Result<(), CassetteError> {
        file::write(self, path)
    }

    /// The text of its file, which names the files of bodies.
    pub fn text(&self) -> String {
        file::text(self)
    }

    /// What to call a driver with. Nothing of it reaches the network: every request is answered by a tape of
    /// its own; set `wire.tape` to see what became of it.
    pub fn target(&self) -> Target {
        let secret = |name: &str| match self.account.fakes.get(name) {
            Some(fake) => SecretString::from(fake.as_str()),
            None => SecretString::from(format!("cassette-{name}")),
        };
        Target {
            // The name keeps the sessions of different scenarios apart.
            key: AccountKey {
                driver: self.name.clone(),
                provider: self.account.provider.clone(),
                user: self.account.user.clone(),
            },
            endpoint: self.account.endpoint.clone(),
            roles: BTreeMap::new(),
            endpoint_source: EndpointSource::Operator,
            secret: SecretKind::Password,
            secret_expires: None,
            options: self.account.options.clone(),
            password: secret("password"),
            secrets: self.account.secrets.iter().map(|name| (name.clone(), secret(name))).collect(),
            addresses: AddressPolicy::default(),
            via: Via::default(),
            wire: Wire { tape: Some(self.tape()), ..Wire::default() },
            budget: None,
        }
    }

    /// Its answers, from the beginning.
    pub fn tape(&self) -> Arc<Replay> {
        Arc::new(Replay::new(self.exchanges.clone()))
    }

    /// The target and the tape that answers it.
    pub fn replay(&self) -> (Target, Arc<Replay>) {
        let tape = self.tape();
        let wire = Wire { tape: Some(Arc::clone(&tape) as _), ..Wire::default() };
        (Target { wire, ..self.target() }, tape)
    }

    /// The same with another answer in one place. There has to be an exchange there.
    #[must_use]
    pub fn with_answer(&self, index: usize, answer: Answer) -> Cassette {
        self.with_outcome(index, Outcome::Answer(answer))
    }

    /// The same with anything else in one place: an answer, or none. There has to be an exchange there.
    #[must_use]
    pub fn with_outcome(&self, index: usize, outcome: Outcome) -> Cassette {
        let mut changed = self.clone();
        changed.exchanges[index].outcome = outcome;
        changed
    }

    /// The answer in one place, if there is one.
    pub fn answer(&self, index: usize) -> Option<&Answer> {
        match &self.exchanges.get(index)?.outcome {
            Outcome::Answer(answer) => Some(answer),
            Outcome::Unanswered(_) => None,
        }
    }
}

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
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
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

impl Body {
    pub fn bytes(&self) -> Bytes {
        match self {
            Body::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
            Body::Json(value) => value.to_string().into(),
            Body::Bytes(bytes) => bytes.clone(),
            Body::File { content, .. } => content.clone(),
        }
    }

    /// The form that reads best and loses nothing: JSON where writing it anew gives the same but for blanks and
    /// the order of members, then text, then bytes.
    pub fn of(bytes: &Bytes) -> Body {
        let Ok(text) = std::str::from_utf8(bytes) else { return Body::Bytes(bytes.clone()) };
        if text.trim_start().starts_with(['{', '['])
            && let Ok(value) = serde_json::from_str::<serde_json::Value>(text)
            && value.to_string().len() == length_without_blanks(text)
        {
            return Body::Json(value);
        }
        Body::Text(text.to_owned())
    }
}

/// How long a JSON text is without the blanks between its tokens.
fn length_without_blanks(text: &str) -> usize {
    let (mut length, mut quoted, mut escaped) = (0, false, false);
    for byte in text.bytes() {
        if quoted || !byte.is_ascii_whitespace() {
            length += 1;
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    length
}

impl Answer {
    /// The answer as the driver is to read it.
    pub fn answered(&self) -> Answered {
        Answered { status: self.status, headers: self.headers.clone(), body: self.body.bytes(), broken: self.broken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_takes_the_form_that_loses_nothing() {
        let check = |text: &str, want_json: bool| {
            let body = Body::of(&Bytes::copy_from_slice(text.as_bytes()));
            assert_eq!(matches!(body, Body::Json(_)), want_json, "{text}: {body:?}");
            if !want_json {
                assert_eq!(body.bytes(), text.as_bytes());
            }
        };
        check(r#"{ "b": [1, 2.5, null],"a" : "x \" y" }"#, true);
        check("[]", true);
        // Written anew, each of these would be another text.
        check(r#"{"id": 123456789012345678901234567890}"#, false);
        check(r#"{"a": 1, "a": 2}"#, false);
        check(r#"{"a": "\u0041"}"#, false);
        check(r#"{"a": 1e3}"#, false);
        check("{", false);
        check("<a/>", false);
        check("", false);
        assert_eq!(Body::of(&Bytes::from_static(b"\xff")), Body::Bytes(Bytes::from_static(b"\xff")));
    }
}
