//! One scenario: an account, a list to ask for, the exchanges for it, and the expected outcome.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use super::expect::Expect;
use crate::driver::SecretKind;
use crate::driver::wire::{Answered, Unanswered};
use crate::model::{Kind, ResourceId, Timestamp};

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
    /// Scheme, host, port and path, without a slash at the end.
    pub endpoint: String,
    /// Those of the provider's other parts, by role.
    pub endpoints: BTreeMap<String, String>,
    pub user: String,
    /// What the password is, and when it ends where that is known.
    pub secret: SecretKind,
    pub secret_expires: Option<Timestamp>,
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

impl Account {
    /// Its own endpoint, and those of the provider's other parts.
    pub(crate) fn all_endpoints(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.endpoint).chain(self.endpoints.values()).map(String::as_str)
    }
}

impl Cassette {
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
