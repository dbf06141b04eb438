//! A cassette somewhere else: what is exchanged in it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use crate::driver::wire::Asked;
use crate::kit::cassette::{Body, Cassette, Outcome};
use crate::kit::conformance::chain::parameters;
use crate::kit::conformance::document::Document;

/// What a text becomes.
#[derive(Clone, Debug)]
pub(super) struct Exchanged {
    pub(super) old: String,
    pub(super) new: String,
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
    pairs.map(|(old, new)| Exchanged { old: (*old).to_owned(), new: (*new).to_owned() }).collect()
}

impl Exchanged {
    /// In a value; what is short is only found where it is all of it.
    pub(super) fn in_value(&self, value: &str) -> Option<String> {
        match self.is_long() {
            true => value.contains(&self.old).then(|| value.replace(&self.old, &self.new)),
            false => (value == self.old).then(|| self.new.clone()),
        }
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
        let within = |bytes: &[u8]| memchr::memmem::find(bytes, self.old.as_bytes()).is_some();
        asked.headers.values().any(|value| within(value.as_bytes()))
            || within(&asked.body)
            || within(asked.url.as_str().as_bytes())
    }

    /// In what is written for people to read, with values in quotes.
    pub(super) fn in_quotes(&self, text: &str) -> String {
        match self.is_long() {
            true => text.replace(&self.old, &self.new),
            false => text.replace(&format!("{:?}", self.old), &format!("{:?}", self.new)),
        }
    }
}

impl Variation {
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
    for text in [&mut account.provider, &mut account.endpoint, &mut account.user].into_iter() {
        if let Some(new) = exchanged.in_value(text) {
            *text = new;
        }
    }
    for recorded in &mut cassette.exchanges {
        let request = &mut recorded.request;
        let url = exchanged.is_long().then(|| request.url.as_str().replace(&exchanged.old, &exchanged.new));
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
    exchanged.is_long().then(|| text.replace(&exchanged.old, &exchanged.new).into_bytes())
}
