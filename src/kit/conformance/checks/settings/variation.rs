//! A cassette in other circumstances: the texts to replace in it.

use std::cmp::Reverse;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use crate::driver::wire::Asked;
use crate::kit::cassette::{Account, Body, Cassette, Outcome};
use crate::kit::conformance::chain::parameters;
use crate::kit::conformance::document::Document;

/// What a text becomes.
#[derive(Clone, Debug)]
pub(super) struct Exchanged {
    pub(super) old: String,
    pub(super) new: String,
    /// What begins with the old text, is longer, and stays as it is.
    kept: Vec<String>,
}

/// A cassette somewhere else.
pub(super) struct Variation {
    pub(super) what: String,
    pub(super) cassette: Cassette,
    /// In the place of the cassette's password.
    pub(super) password: Option<&'static str>,
    pub(super) exchanged: Vec<Exchanged>,
    /// How long each request takes by the sandbox's clock.
    pub(super) step: Duration,
    /// Whether a value may be none that the provider has: then it is an account that can't be used.
    pub(super) may_be_refused: bool,
    /// What stands in no request any more.
    pub(super) outdated: Vec<String>,
}

/// What becomes what; nothing where there is nothing.
pub(super) fn exchanged(pairs: &[(&str, &str)]) -> Vec<Exchanged> {
    let pairs = pairs.iter().filter(|(old, _)| !old.is_empty());
    pairs.map(|(old, new)| Exchanged::new(*old, *new)).collect()
}

/// Endpoints of an account that become others. An endpoint of the account that one of them is only the beginning of stays
/// where it is.
pub(super) fn moved(account: &Account, pairs: &[(&str, &str)]) -> Vec<Exchanged> {
    let mut moved = exchanged(pairs);
    for one in &mut moved {
        let is_longer = |other: &&str| other.len() > one.old.len() && other.starts_with(&one.old);
        let kept = account.all_endpoints().filter(is_longer).map(str::to_owned).collect();
        one.kept = kept;
    }
    // What begins with another one is gone by the time that that is exchanged.
    moved.sort_by_key(|one| Reverse(one.old.len()));
    moved
}

impl Exchanged {
    pub(super) fn new(old: impl Into<String>, new: impl Into<String>) -> Exchanged {
        Exchanged { old: old.into(), new: new.into(), kept: Vec::new() }
    }

    /// In a value; what is short is only found where it is all of it.
    pub(super) fn in_value(&self, value: &str) -> Option<String> {
        match self.is_long() {
            true => value.contains(&self.old).then(|| self.in_text(value)),
            false => (value == self.old).then(|| self.new.clone()),
        }
    }

    /// Wherever it stands.
    fn in_text(&self, text: &str) -> String {
        let mut changed = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(&self.old) {
            let (before, found) = rest.split_at(at);
            changed.push_str(before);
            let kept = self.kept_at(found.as_bytes());
            changed.push_str(kept.unwrap_or(&self.new));
            rest = &found[kept.unwrap_or(&self.old).len()..];
        }
        changed + rest
    }

    /// What is kept of what begins here.
    fn kept_at(&self, found: &[u8]) -> Option<&str> {
        let begins = |kept: &&String| found.starts_with(kept.as_bytes());
        self.kept.iter().filter(begins).max_by_key(|kept| kept.len()).map(String::as_str)
    }

    pub(super) fn is_long(&self) -> bool {
        self.old.len() >= 6
    }

    /// Whether a request has it: a long one anywhere, a short one as a value of its own.
    pub(super) fn is_in(&self, asked: &Asked) -> bool {
        if !self.is_long() {
            let header = |value: &HeaderValue| value.as_bytes() == self.old.as_bytes();
            return parameters(asked).values().any(|value| *value == self.old)
                || asked.url.path_segments().is_some_and(|mut parts| parts.any(|part| part == self.old))
                || asked.headers.values().any(header);
        }
        let within = |bytes: &[u8]| {
            memchr::memmem::find_iter(bytes, self.old.as_bytes()).any(|at| self.kept_at(&bytes[at..]).is_none())
        };
        asked.headers.values().any(|value| within(value.as_bytes()))
            || within(&asked.body)
            || within(asked.url.as_str().as_bytes())
    }

    /// In what is written for people to read, with values in quotes.
    pub(super) fn in_quotes(&self, text: &str) -> String {
        match self.is_long() {
            true => self.in_text(text),
            false => text.replace(&format!("{:?}", self.old), &format!("{:?}", self.new)),
        }
    }
}

impl Variation {
    /// A cassette as it is.
    pub(super) fn of(cassette: &Cassette) -> Variation {
        Variation {
            what: String::new(),
            cassette: cassette.clone(),
            password: None,
            exchanged: Vec::new(),
            step: Duration::ZERO,
            may_be_refused: false,
            outdated: Vec::new(),
        }
    }

    /// The cassette with everything exchanged.
    pub(super) fn played(mut self) -> Variation {
        for exchanged in self.exchanged.clone() {
            exchange(&mut self.cassette, &exchanged);
        }
        self
    }
}

fn exchange(cassette: &mut Cassette, exchanged: &Exchanged) {
    let account = &mut cassette.account;
    let texts = [&mut account.provider, &mut account.endpoint, &mut account.user];
    for text in texts.into_iter().chain(account.endpoints.values_mut()) {
        if let Some(new) = exchanged.in_value(text) {
            *text = new;
        }
    }
    for recorded in &mut cassette.exchanges {
        let request = &mut recorded.request;
        let url = exchanged.is_long().then(|| exchanged.in_text(request.url.as_str()));
        if let Some(url) = url.and_then(|url| url.parse().ok()) {
            request.url = url;
        }
        in_headers(&mut request.headers, exchanged);
        if let Some(body) = &request.body {
            let changed = in_body(&body.bytes(), exchanged);
            request.body = Some(changed.map_or_else(|| body.clone(), |changed| Body::of(&changed.into())));
        }
        if let Outcome::Answer(answer) = &mut recorded.outcome {
            in_headers(&mut answer.headers, exchanged);
            if let Some(changed) = in_body(&answer.body.bytes(), exchanged) {
                answer.body = Body::of(&Bytes::from(changed));
            }
        }
    }
}

fn in_headers(headers: &mut HeaderMap, exchanged: &Exchanged) {
    for value in headers.values_mut() {
        let new = value.to_str().ok().and_then(|text| exchanged.in_value(text));
        if let Some(new) = new.and_then(|new| HeaderValue::from_str(&new).ok()) {
            *value = new;
        }
    }
}

fn in_body(body: &Bytes, exchanged: &Exchanged) -> Option<Vec<u8>> {
    if let Some(document) = Document::read(body) {
        return document.with_values(&mut |value| exchanged.in_value(value));
    }
    let text = std::str::from_utf8(body).ok()?;
    exchanged.is_long().then(|| exchanged.in_text(text).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_moves_alone_where_another_begins_with_it() {
        let roles = [("identity", "https://cloud.example/v3"), ("image", "https://cloud.example:9292")];
        let account = Account {
            endpoint: "https://cloud.example".to_owned(),
            endpoints: roles.map(|(role, endpoint)| (role.to_owned(), endpoint.to_owned())).into(),
            ..Account::default()
        };
        let text = "https://cloud.example/servers https://cloud.example/v3/auth https://cloud.example:9292/";
        let check = |pairs: &[(&str, &str)], want: &str| {
            let moved = moved(&account, pairs);
            let changed = moved.iter().fold(text.to_owned(), |text, one| one.in_text(&text));
            assert_eq!(changed, want, "{pairs:?}");
            let asked = |url: &str| Asked {
                method: http::Method::GET,
                url: url.parse().expect(url),
                headers: HeaderMap::new(),
                body: Bytes::new(),
            };
            let left = text.split(' ').filter(|url| moved.iter().any(|one| one.is_in(&asked(url)))).count();
            assert_eq!(left, pairs.len(), "{pairs:?}: each was in a request of its own");
        };
        let (own, identity) = ("https://cloud.example", "https://cloud.example/v3");
        check(&[(own, "http://o:1")], "http://o:1/servers https://cloud.example/v3/auth https://cloud.example:9292/");
        check(&[(identity, "http://i")], "https://cloud.example/servers http://i/auth https://cloud.example:9292/");
        check(
            &[(own, "http://o"), (identity, "http://i"), ("https://cloud.example:9292", "http://m")],
            "http://o/servers http://i/auth http://m/",
        );
    }
}
