//! Redacts exchanges before they are kept in a cassette or traced. The host masks the account's own secrets before
//! anyone sees an exchange. What remains are the secrets that a provider issues: login tokens, cookies, signatures.
//! Each is replaced by one fake everywhere, so that a driver that logs in and sends the token that it got behaves the
//! same in replay.

mod encoding;
mod found;
mod loose;
mod members;
mod names;
mod paired;
mod scan;

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, MatchKind};
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use url::Url;

use super::{Answer, Body, Request};
use crate::driver::wire::{Answered, Asked, Exchange};

use encoding::{decode, encode};
use members::{rewritten, shaped};
use names::{is_credential, is_credential_header, is_noise, is_signature};

/// Shorter values are replaced where they stand and nowhere else: they would be found in ordinary words.
const SHORTEST: usize = 8;

/// What a parameter of a query is recorded as that no replay can have the same.
const ANY: &str = "*";

/// What stands in a trace for a header that is a secret.
const HIDDEN: &str = "[hidden]";

/// What an account's secret is replaced by while answers are read, see `mask`.
const MASKED: &str = "[secret]";

/// Knows the tokens seen so far.
#[derive(Debug, Default)]
pub struct Redactor {
    /// Every form of every token with its fake.
    fakes: BTreeMap<Vec<u8>, String>,
    tokens: usize,
    finder: Option<AhoCorasick>,
}

impl Redactor {
    /// Learns the tokens of an exchange: of its answer, as all that a request has comes from there, from a
    /// placeholder, or from a computation that nobody can repeat.
    pub fn learn(&mut self, exchange: &Exchange) {
        let Ok(Answered { headers, body, .. }) = &exchange.outcome else { return };
        let mut found: Vec<String> = Vec::new();
        for (name, value) in headers {
            let Ok(value) = value.to_str() else { continue };
            if *name == header::SET_COOKIE {
                found.extend(cookie(value).map(|(_, value, _)| value.to_owned()));
            } else if is_credential_header(name) {
                found.push(value.to_owned());
            }
            found.extend(shaped(value).map(str::to_owned));
        }
        let (text, _) = decode(body);
        rewritten(&text, form(headers), &mut |value| {
            found.push(value.to_owned());
            None
        });
        found.extend(shaped(&text).map(str::to_owned));
        found.into_iter().filter(|value| !is_made_up(value)).for_each(|value| self.token(&value));
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(self.fakes.keys());
        self.finder = Some(finder.expect("invariant: a few short patterns make an automaton"));
    }

    fn token(&mut self, value: &str) {
        if value.len() < SHORTEST || self.fakes.contains_key(value.as_bytes()) {
            return;
        }
        self.tokens += 1;
        let fake = format!("fake-token-{}", self.tokens);
        let quoted = serde_json::Value::from(value).to_string();
        let plain = value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
        let forms = [
            value.to_owned(),
            quoted[1..quoted.len() - 1].to_owned(),
            url::form_urlencoded::byte_serialize(value.as_bytes()).collect(),
            percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string(),
            plain,
        ];
        self.fakes.extend(forms.map(|form| (form.into_bytes(), fake.clone())));
    }

    /// Puts each token's fake in its place.
    fn hide(&self, text: &str) -> String {
        match &self.finder {
            Some(finder) if finder.is_match(text) => {
                let fakes: Vec<&str> = self.fakes.values().map(String::as_str).collect();
                finder.replace_all(text, &fakes)
            }
            _ => text.to_owned(),
        }
    }

    /// The body of an answer, or of a request that is traced.
    fn body(&self, headers: &HeaderMap, body: &Bytes) -> Bytes {
        let (text, encoding) = decode(body);
        let replaced = rewritten(&text, form(headers), &mut |value| {
            let hidden = self.hide(value);
            // Too short to be known everywhere, and here it is a secret all the same.
            let fake = if hidden == value { "fake".to_owned() } else { hidden };
            (!is_made_up(value)).then_some(fake)
        });
        let mut hidden = self.hide(replaced.as_deref().unwrap_or(&text));
        let left: Vec<String> = shaped(&hidden).map(str::to_owned).collect();
        for secret in left {
            hidden = hidden.replace(&secret, "fake");
        }
        if hidden == text { body.clone() } else { encode(&hidden, encoding).into() }
    }

    /// A URL, with `*` for what no replay can have the same.
    pub fn url(&self, url: &Url) -> Url {
        let mut shown = url.clone();
        shown.set_path(&self.hide(url.path()));
        if url.query().is_none() {
            return shown;
        }
        let mut pairs = shown.query_pairs_mut();
        pairs.clear();
        for (name, value) in url.query_pairs() {
            let hidden = self.hide(&value);
            let is_secret = hidden == value && !value.is_empty() && (is_credential(&name) || is_signature(&name));
            match is_secret || shaped(&hidden).next().is_some() {
                true => pairs.append_pair(&name, ANY),
                false => pairs.append_pair(&name, &hidden),
            };
        }
        drop(pairs);
        shown
    }

    /// A request as it is kept: with those headers that any driver has to send, and those that show how it proves
    /// who it is; without what is computed anew each time. A body that can't be the same twice is left out.
    pub(super) fn request(&self, asked: &Asked) -> Request {
        let mut headers = HeaderMap::new();
        for (name, value) in &asked.headers {
            let Ok(value) = value.to_str() else { continue };
            let hidden = self.hide(value);
            let kept = match is_credential_header(name) {
                true => is_repeatable(&hidden),
                false => matters(name) && shaped(&hidden).next().is_none(),
            };
            if let (true, Ok(value)) = (kept, HeaderValue::from_str(&hidden)) {
                headers.append(name, value);
            }
        }
        Request { method: asked.method.clone(), url: self.url(&asked.url), headers, body: self.request_body(asked) }
    }

    fn request_body(&self, asked: &Asked) -> Option<Body> {
        if asked.body.is_empty() {
            return None;
        }
        let Ok(text) = std::str::from_utf8(&asked.body) else { return None };
        let hidden = self.hide(text);
        let mut computed = shaped(&hidden).next().is_some();
        rewritten(&hidden, form(&asked.headers), &mut |value| {
            computed |= !is_made_up(value);
            None
        });
        (!computed).then(|| Body::of(&Bytes::from(hidden)))
    }

    /// An answer as it is kept.
    pub(super) fn answer(&self, answered: &Answered) -> Answer {
        let Answered { status, headers: given, body, broken } = answered;
        let mut headers = HeaderMap::new();
        for (name, value) in given.iter().filter(|(name, _)| !is_noise(name)) {
            let Ok(value) = value.to_str() else { continue };
            if let Ok(value) = HeaderValue::from_str(&self.answer_header(name, value)) {
                headers.append(name, value);
            }
        }
        Answer { status: *status, headers, body: Body::of(&self.body(given, body)), broken: *broken }
    }

    fn answer_header(&self, name: &HeaderName, value: &str) -> String {
        let hidden = self.hide(value);
        match cookie(&hidden) {
            Some((name_of, value, rest)) if *name == header::SET_COOKIE => {
                let value = if is_made_up(value) { value } else { "fake" };
                format!("{name_of}={value}{rest}")
            }
            _ if is_credential_header(name) && !is_made_up(&hidden) => "fake".into(),
            _ => hidden,
        }
    }

    /// The headers of a request or an answer as they may be shown to a person, in turn.
    pub fn shown_headers(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let shown = |(name, value): (&HeaderName, &HeaderValue)| {
            let hidden = self.hide(&String::from_utf8_lossy(value.as_bytes()));
            let open = !is_credential_header(name) || is_repeatable(&hidden);
            let value = if open && shaped(&hidden).next().is_none() { hidden } else { HIDDEN.into() };
            (name.to_string(), value)
        };
        headers.iter().map(shown).collect()
    }

    /// A body as it may be shown to a person.
    pub fn shown_body(&self, headers: &HeaderMap, body: &Bytes) -> Bytes {
        self.body(headers, body)
    }
}

/// Whether a value is no secret of anyone's: a placeholder's name, a mask or a fake.
fn is_made_up(value: &str) -> bool {
    value.is_empty() || value == MASKED || is_repeatable(value)
}

/// Whether a credential is the same in every replay: it has a placeholder or a fake in it, and nothing else that
/// is long enough to be a signature.
fn is_repeatable(value: &str) -> bool {
    const LONGEST: usize = 15;
    let mut rest = value.to_owned();
    let mut made_up = false;
    while let Some(start) = rest.find("{{")
        && let Some(length) = rest[start..].find("}}")
    {
        rest.replace_range(start..start + length + 2, " ");
        made_up = true;
    }
    for fake in ["fake-token-", MASKED] {
        made_up |= rest.contains(fake);
        rest = rest.replace(fake, " ");
    }
    let of_token = |c: char| c.is_ascii_alphanumeric() || "+/=_-.~%".contains(c);
    let is_name = |piece: &str| piece.ends_with('=') && piece.len() <= 2 * LONGEST;
    made_up && rest.split(|c| !of_token(c)).all(|piece| piece.len() <= LONGEST || is_name(piece))
}

/// Whether a request's header is part of what is asked.
fn matters(name: &HeaderName) -> bool {
    matches!(*name, header::ACCEPT | header::CONTENT_TYPE | header::RANGE)
        || name.as_str() == "prefer"
        || name.as_str().contains("version")
}

/// The name of a cookie, its value, and what comes after it.
fn cookie(value: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = value.split_once('=')?;
    let end = rest.find(';').unwrap_or(rest.len());
    Some((name, &rest[..end], &rest[end..]))
}

/// Whether a body is a form.
fn form(headers: &HeaderMap) -> members::Form {
    match headers.get(header::CONTENT_TYPE) {
        Some(kind) if kind.as_bytes().starts_with(b"application/x-www-form-urlencoded") => members::Form::Pairs,
        _ => members::Form::Document,
    }
}

#[cfg(test)]
mod tests;
