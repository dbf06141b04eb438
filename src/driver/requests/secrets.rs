//! One account's secrets for one poll: the placeholders in the sandbox, the values that egress replaces them with, and
//! the signatures that the host computes. Secrets leave this file in requests only.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64_URL};
use memchr::memmem;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

use super::signing;
use crate::driver::bindings::v0_2::credentials::{Encoding, Error, Hash, Output, Scheme};
use crate::driver::message::message;
use crate::mask::{Mask, SECRET};

/// What the name of an account's password is in the contract.
pub(crate) const PASSWORD: &str = "password";
/// Every word begins with this, so that egress finds them in one pass.
pub(crate) const WORD_PREFIX: &str = "tracker-placeholder-";
const WORD_RANDOM_BYTES: usize = 16;
/// One a secret and an encoding, and some for each request that is signed. Contract 0.2 names it.
const MOST_WORDS: usize = 1024;

/// What a text would become with secrets in the place of their words is more than there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request would be too long with its secrets")]
pub(in crate::driver) struct TooLong;

/// Why nothing is computed.
#[derive(Debug)]
pub(in crate::driver) enum Uncomputed {
    TooLong(TooLong),
    /// For the driver.
    Error(Error),
}

impl From<TooLong> for Uncomputed {
    fn from(too_long: TooLong) -> Uncomputed {
        Uncomputed::TooLong(too_long)
    }
}

impl From<Error> for Uncomputed {
    fn from(error: Error) -> Uncomputed {
        Uncomputed::Error(error)
    }
}

impl From<signing::Unusable> for Uncomputed {
    fn from(unusable: signing::Unusable) -> Uncomputed {
        Uncomputed::Error(Error::Unusable(unusable.to_string()))
    }
}

#[derive(Debug)]
pub(in crate::driver) struct Secrets {
    user: String,
    by_name: BTreeMap<String, SecretString>,
    /// The words made in this poll.
    words: Vec<Word>,
    /// Their places, by text.
    places: HashMap<String, usize>,
    /// The secret and the text that were compared.
    matched: Option<(String, String)>,
}

#[derive(Debug)]
struct Word {
    meaning: Meaning,
    text: String,
}

/// What a word stands for.
enum Meaning {
    Secret {
        name: String,
        encoding: Encoding,
    },
    /// Something computed, and from what, for those who look on.
    Computed {
        what: String,
        value: Vec<u8>,
        output: Output,
    },
}

impl std::fmt::Debug for Meaning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Meaning::Secret { name, encoding } => write!(f, "{name} as {}", encoding_name(*encoding)),
            Meaning::Computed { what, output, .. } => write!(f, "{what} as {}", output_name(*output)),
        }
    }
}

impl Secrets {
    pub(in crate::driver) fn new(
        user: &str,
        password: SecretString,
        options: &BTreeMap<String, SecretString>,
    ) -> Secrets {
        let mut by_name = options.clone();
        by_name.insert(PASSWORD.to_owned(), password);
        Secrets { user: user.to_owned(), by_name, words: Vec::new(), places: HashMap::new(), matched: None }
    }

    /// Of no account: for a driver that describes itself.
    pub(in crate::driver) fn none() -> Secrets {
        Secrets {
            user: String::new(),
            by_name: BTreeMap::new(),
            words: Vec::new(),
            places: HashMap::new(),
            matched: None,
        }
    }

    fn secret(&self, name: &str) -> Result<&str, Error> {
        let secret = self
            .by_name
            .get(name)
            .ok_or_else(|| Error::NotSet(format!("the account has no {:?}", message(name.into()))))?;
        Ok(secret.expose_secret())
    }

    /// The word for a secret in an encoding: the same one each time in one poll.
    pub(in crate::driver) fn placeholder(&mut self, name: &str, encoding: Encoding) -> Result<String, Error> {
        self.secret(name)?;
        let is_it = |word: &&Word| match &word.meaning {
            Meaning::Secret { name: made, encoding: of } => made == name && *of == encoding,
            Meaning::Computed { .. } => false,
        };
        if let Some(word) = self.words.iter().find(is_it) {
            return Ok(word.text.clone());
        }
        self.word(Meaning::Secret { name: name.to_owned(), encoding })
    }

    fn word(&mut self, meaning: Meaning) -> Result<String, Error> {
        if self.words.len() >= MOST_WORDS {
            return Err(Error::Unusable(format!("at most {MOST_WORDS} placeholders are made in a poll")));
        }
        let mut random = [0; WORD_RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(|error| Error::Unusable(format!("no randomness: {error}")))?;
        let text = format!("{WORD_PREFIX}{}", hex::encode(random));
        self.places.insert(text.clone(), self.words.len());
        self.words.push(Word { text: text.clone(), meaning });
        Ok(text)
    }

    /// Whether the secret is this text. Another text can't be asked for in the same poll: it would be guessing.
    pub(in crate::driver) fn matches(&mut self, name: &str, text: &str) -> Result<bool, Error> {
        let is_it = self.secret(name)? == text;
        let asked = (name.to_owned(), text.to_owned());
        match self.matched.get_or_insert_with(|| asked.clone()) == &asked {
            true => Ok(is_it),
            false => Err(Error::Unusable("a secret is compared with one text in a poll, and no more".into())),
        }
    }

    /// A word for an HMAC over a chain of messages, in which words stand for what they mean. They take at most so many
    /// bytes together, or as many as they are long.
    pub(in crate::driver) fn hmac(
        &mut self,
        (name, hash): (&str, Hash),
        prefix: &[u8],
        chain: &[Vec<u8>],
        (output, mut most): (Output, usize),
    ) -> Result<String, Uncomputed> {
        let key = [prefix, self.secret(name)?.as_bytes()].concat();
        let chain = chain.iter().map(|message| self.reveal(message, &mut most)).collect::<Result<Vec<_>, _>>()?;
        let value = signing::hmac(hash, &key, &chain)?;
        let what = format!("{name} hmac-{}", hash_name(hash));
        Ok(self.word(Meaning::Computed { what, value, output })?)
    }

    /// The digest of a message as egress would send it, which is at most so many bytes, or as long as the message. A word
    /// for it, if a secret is in the message; else the digest itself, which the driver could have computed.
    pub(in crate::driver) fn digest(
        &mut self,
        hash: Hash,
        message: &[u8],
        (output, mut most): (Output, usize),
    ) -> Result<String, Uncomputed> {
        let revealed = self.reveal(message, &mut most)?;
        let value = signing::digest(hash, &revealed);
        if matches!(revealed, Cow::Borrowed(_)) {
            return Ok(written(&value, output));
        }
        let what = hash_name(hash).to_owned();
        Ok(self.word(Meaning::Computed { what, value, output })?)
    }

    /// A word for an RSA signature of a message, in which words stand for what they mean.
    pub(in crate::driver) fn sign(
        &mut self,
        (name, scheme): (&str, Scheme),
        message: &[u8],
        (output, mut most): (Output, usize),
    ) -> Result<String, Uncomputed> {
        let message = self.reveal(message, &mut most)?;
        let key = self.secret(name)?;
        let value = signing::rsa(scheme, key, &message).map_err(|unusable| unusable.of(name))?;
        let what = format!("{name} {}", scheme_name(scheme));
        Ok(self.word(Meaning::Computed { what, value, output })?)
    }

    /// The HMAC-SHA256 of contract 0.1, which gives it to the driver.
    pub(in crate::driver) fn older_hmac(&self, name: &str, prefix: &[u8], chain: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
        let key = [prefix, self.secret(name)?.as_bytes()].concat();
        signing::hmac(Hash::Sha256, &key, chain).map_err(|unusable| Error::Unusable(unusable.to_string()))
    }

    /// The SHA-256 of contract 0.1, which gives it to the driver; and whether a secret is in it.
    pub(in crate::driver) fn older_digest(&self, message: &[u8], mut most: usize) -> Result<(Vec<u8>, bool), TooLong> {
        let revealed = self.reveal(message, &mut most)?;
        Ok((signing::digest(Hash::Sha256, &revealed), matches!(revealed, Cow::Owned(_))))
    }

    /// The RS256 of contract 0.1, which gives it to the driver.
    pub(in crate::driver) fn older_sign(&self, name: &str, message: &[u8]) -> Result<Vec<u8>, Error> {
        let key = self.secret(name)?;
        signing::rsa(Scheme::Rs256, key, message).map_err(|unusable| Error::Unusable(unusable.of(name).to_string()))
    }

    /// Puts each secret in the place of its word: what a granted endpoint is sent. A word is short and a secret may
    /// be long (a private key), so a text of nothing but words would be many times its length: where there are words,
    /// the text becomes no longer than there is room, or than it was, and takes up that room.
    pub(in crate::driver) fn reveal<'a>(&self, text: &'a [u8], room: &mut usize) -> Result<Cow<'a, [u8]>, TooLong> {
        let most = text.len().max(*room);
        let revealed = self.replace(text, most, |word| match &word.meaning {
            Meaning::Secret { name, encoding } => self.encoded(name, *encoding),
            Meaning::Computed { value, output, .. } => written(value, *output),
        })?;
        if let Cow::Owned(revealed) = &revealed {
            *room = room.saturating_sub(revealed.len());
        }
        Ok(revealed)
    }

    /// The query of a URL with values in the place of their words, if there are any: of words that can stand in one as
    /// they are, which are those in the encoding `query`, and computed values but for plain base64.
    pub(in crate::driver) fn reveal_query(&self, query: &str, room: &mut usize) -> Result<Option<String>, TooLong> {
        let fits = |word: &Word| match &word.meaning {
            Meaning::Secret { encoding, .. } => *encoding == Encoding::Query,
            Meaning::Computed { output, .. } => *output != Output::Base64,
        };
        let most = query.len().max(*room);
        let revealed = self.replace(query.as_bytes(), most, |word| match &word.meaning {
            Meaning::Secret { name, encoding } if fits(word) => self.encoded(name, *encoding),
            Meaning::Computed { value, output, .. } if fits(word) => written(value, *output),
            _ => word.text.clone(),
        })?;
        Ok(match revealed {
            Cow::Borrowed(_) => None,
            Cow::Owned(revealed) => {
                *room = room.saturating_sub(revealed.len());
                String::from_utf8(revealed).ok()
            }
        })
    }

    /// Puts each word's name in its place, the same in every poll: what is shown of a request.
    pub(in crate::driver) fn named<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let named = self.replace(text, usize::MAX, |word| format!("{{{{{:?}}}}}", word.meaning));
        named.unwrap_or(Cow::Borrowed(text))
    }

    /// Gives at most so many bytes.
    fn replace<'a>(&self, text: &'a [u8], most: usize, by: impl Fn(&Word) -> String) -> Result<Cow<'a, [u8]>, TooLong> {
        if self.words.is_empty() {
            return Ok(Cow::Borrowed(text));
        }
        let finder = memmem::Finder::new(WORD_PREFIX);
        let mut out: Option<Vec<u8>> = None;
        let (mut copied, mut from) = (0, 0);
        while let Some(found) = finder.find(&text[from..]) {
            let start = from + found;
            from = start + WORD_PREFIX.len();
            let end = from + 2 * WORD_RANDOM_BYTES;
            let Some(candidate) = text.get(start..end) else { break };
            let place = std::str::from_utf8(candidate).ok().and_then(|candidate| self.places.get(candidate));
            if let Some(word) = place.map(|place| &self.words[*place]) {
                let out = out.get_or_insert_with(|| Vec::with_capacity(text.len()));
                out.extend_from_slice(&text[copied..start]);
                out.extend_from_slice(by(word).as_bytes());
                if out.len() > most {
                    return Err(TooLong);
                }
                (copied, from) = (end, end);
            }
        }
        match out {
            Some(mut out) => {
                out.extend_from_slice(&text[copied..]);
                if out.len() > most { Err(TooLong) } else { Ok(Cow::Owned(out)) }
            }
            None => Ok(Cow::Borrowed(text)),
        }
    }

    fn encoded(&self, name: &str, encoding: Encoding) -> String {
        let secret = self.by_name.get(name).map_or("", |secret| secret.expose_secret());
        match encoding {
            Encoding::Raw => secret.to_owned(),
            Encoding::Basic => BASE64.encode(format!("{}:{secret}", self.user)),
            Encoding::Json => {
                let quoted = serde_json::Value::from(secret).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
            Encoding::Form => url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
            Encoding::Xml => in_xml(secret),
            Encoding::Query => utf8_percent_encode(secret, RESERVED).to_string(),
        }
    }

    /// The computed values whose words stand in a request.
    pub(in crate::driver) fn computed_in<'a>(&self, texts: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
        if !self.words.iter().any(|word| matches!(word.meaning, Meaning::Computed { .. })) {
            return Vec::new();
        }
        let finder = memmem::Finder::new(WORD_PREFIX);
        let mut found = BTreeSet::new();
        for text in texts {
            for start in finder.find_iter(text) {
                let end = start + WORD_PREFIX.len() + 2 * WORD_RANDOM_BYTES;
                let word = text.get(start..end).and_then(|word| std::str::from_utf8(word).ok());
                if let Some(place) = word.and_then(|word| self.places.get(word))
                    && let Some(Word { meaning: Meaning::Computed { value, .. }, .. }) = self.words.get(*place)
                {
                    found.insert(value.to_vec());
                }
            }
        }
        found.into_iter().collect()
    }

    /// The account's secrets, to be masked, each as `Basic` sends it, too: that is masked with the user in it, and of a secret
    /// that is too short it is all. By itself such a secret would be found in ordinary words.
    pub(in crate::driver) fn mask(&self) -> Mask {
        let secrets = self.by_name.values().map(|secret| secret.expose_secret().as_bytes());
        let mut mask = Mask::of(secrets);
        for (name, secret) in &self.by_name {
            let secret = secret.expose_secret();
            if !secret.is_empty() && !self.user.is_empty() {
                let basic = self.encoded(name, Encoding::Basic);
                mask.add(basic.trim_end_matches('=').as_bytes(), SECRET);
            }
            // Its lines may be broken otherwise, or not at all.
            if let Some(key) = signing::der(secret) {
                mask.add(&key, SECRET);
            }
        }
        mask
    }
}

/// What a query has to have escaped: all but the unreserved characters of RFC 3986, 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// As text and as an attribute's value (XML 1.0, 2.4): what XML can't have at all stays, and is refused by its reader.
fn in_xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // A reader makes blanks of these in an attribute, and a line feed of a carriage return everywhere.
            '\t' => escaped.push_str("&#9;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A computed value as it goes out.
fn written(value: &[u8], output: Output) -> String {
    match output {
        Output::Hex => hex::encode(value),
        Output::Base64 => BASE64.encode(value),
        Output::Base64url => BASE64_URL.encode(value),
        Output::Base64Query => utf8_percent_encode(&BASE64.encode(value), RESERVED).to_string(),
    }
}

fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Raw => "raw",
        Encoding::Basic => "basic",
        Encoding::Json => "json",
        Encoding::Form => "form",
        Encoding::Xml => "xml",
        Encoding::Query => "query",
    }
}

fn output_name(output: Output) -> &'static str {
    match output {
        Output::Hex => "hex",
        Output::Base64 => "base64",
        Output::Base64url => "base64url",
        Output::Base64Query => "base64-query",
    }
}

fn hash_name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha1 => "sha1",
        Hash::Sha256 => "sha256",
        Hash::Sha512 => "sha512",
    }
}

fn scheme_name(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Rs256 => "rs256",
        Scheme::Ps256 => "ps256",
    }
}

#[cfg(test)]
mod tests;
