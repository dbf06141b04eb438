//! A pretend host, so that a whole driver can be tested on the machine that builds it: it holds secrets,
//! gives recorded answers in turn, and keeps what the driver sent. Not there in a component.
//!
//! ```
//! use tracker_driver_sdk::http::Request;
//! use tracker_driver_sdk::testing::{Answer, Host};
//!
//! let host = Host::new().secret("password", "s3cret").answer(Answer::new(200).body("hello"));
//! let (text, seen) = host.run(|| Request::get("https://cloud.example/").bearer("password")?.send()?.text());
//! assert_eq!(text.unwrap(), "hello");
//! assert_eq!(seen.sent[0].url, "https://cloud.example/");
//! ```

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

use crate::model::Timestamp;
use crate::secret::Encoding;

thread_local! {
    static CURRENT: RefCell<Option<Host>> = const { RefCell::new(None) };
}

/// What a driver under test finds around it.
#[derive(Debug, Default)]
pub struct Host {
    user: String,
    secrets: HashMap<String, Vec<u8>>,
    now: Option<Timestamp>,
    answers: VecDeque<Answer>,
    seen: Seen,
}

/// What a driver under test did.
#[derive(Debug, Default)]
pub struct Seen {
    /// The requests, in turn, with placeholders where secrets would have been.
    pub sent: Vec<Sent>,
    pub log: Vec<String>,
    /// What is kept for the next poll.
    pub session: HashMap<String, Vec<u8>>,
}

#[derive(Debug)]
pub struct Sent {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Sent {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(set, _)| set.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One answer of the provider.
#[derive(Debug, Default)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    broken: Option<String>,
    piece: usize,
}

impl Answer {
    pub fn new(status: u16) -> Self {
        Answer { status, piece: 64 * 1024, ..Answer::default() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The body comes in pieces of so many bytes.
    pub fn in_pieces_of(mut self, bytes: usize) -> Self {
        self.piece = bytes.max(1);
        self
    }

    /// Behind the body there is no end but a broken connection.
    pub fn broken(mut self, why: &str) -> Self {
        self.broken = Some(why.to_owned());
        self
    }
}

impl Host {
    /// A host with no secrets, no answers and the real time: a request to it fails as `unavailable`.
    pub fn new() -> Self {
        Host::default()
    }

    /// The account's user, which a Basic placeholder stands for too.
    pub fn user(mut self, user: &str) -> Self {
        self.user = user.to_owned();
        self
    }

    pub fn secret(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.secrets.insert(name.to_owned(), value.into());
        self
    }

    /// The time at which all of it happens.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// The answer to the next request that has none yet.
    pub fn answer(mut self, answer: Answer) -> Self {
        self.answers.push_back(answer);
        self
    }

    /// What the account's session remembers from polls before.
    pub fn remembering(mut self, key: &str, value: impl Into<Vec<u8>>) -> Self {
        self.seen.session.insert(key.to_owned(), value.into());
        self
    }

    /// Runs a driver's code with this host around it, on this thread.
    pub fn run<T>(self, code: impl FnOnce() -> T) -> (T, Seen) {
        let before = CURRENT.with(|current| current.borrow_mut().replace(self));
        let result = code();
        let host = CURRENT.with(|current| std::mem::replace(&mut *current.borrow_mut(), before));
        (result, host.map(|host| host.seen).unwrap_or_default())
    }

    /// The word that stands for a secret. Not unguessable, as the real one is: a test has to know it.
    pub fn placeholder(name: &str, encoding: Encoding) -> String {
        let encoding = match encoding {
            Encoding::Raw => "raw",
            Encoding::Basic => "basic",
            Encoding::Json => "json",
            Encoding::Form => "form",
            Encoding::Xml => "xml",
            Encoding::Query => "query",
        };
        format!("placeholder-{encoding}-{name}-end")
    }

    /// A text with what was computed in the place of the words that stand for it.
    pub fn computed(text: &str) -> String {
        String::from_utf8_lossy(&without_computed(text.as_bytes())).into_owned()
    }

    /// A message as the real host would send it: each placeholder replaced by its value.
    fn filled_in(&self, message: &[u8]) -> Vec<u8> {
        let mut message = without_computed(message);
        for (name, secret) in &self.secrets {
            let text = String::from_utf8_lossy(secret).into_owned();
            let json = serde_json::to_string(&text).unwrap_or_default();
            let xml = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
            let forms = [
                (Encoding::Raw, secret.clone()),
                (Encoding::Basic, base64(&[self.user.as_bytes(), b":", secret].concat())),
                (Encoding::Json, json.trim_matches('"').as_bytes().to_vec()),
                (Encoding::Form, crate::http::encode_form([("", text.as_str())]).as_bytes()[1..].to_vec()),
                (Encoding::Xml, xml.replace('\'', "&apos;").into_bytes()),
                (Encoding::Query, crate::http::encode_path(&text).replace('/', "%2F").into_bytes()),
            ];
            for (encoding, value) in forms {
                let word = Host::placeholder(name, encoding);
                while let Some(at) = find(&message, &word) {
                    message.splice(at..at + word.len(), value.iter().copied());
                }
            }
        }
        message
    }
}

/// Around a computed value in its word, where it stands in hexadecimal: as in the real one there is nothing in it that has
/// to be escaped.
const COMPUTED: &str = "computed-";
const COMPUTED_END: &str = "-end";

/// A message with each computed value in the place of its word.
fn without_computed(message: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(message.len());
    let mut rest = message;
    while let Some(start) = find(rest, COMPUTED) {
        let word = &rest[start + COMPUTED.len()..];
        let end = find(word, COMPUTED_END).unwrap_or(0);
        let digits = std::str::from_utf8(&word[..end]).unwrap_or_default();
        let bytes = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok());
        match bytes.collect::<Option<Vec<u8>>>().filter(|value| !value.is_empty()) {
            Some(value) => {
                plain.extend_from_slice(&rest[..start]);
                plain.extend_from_slice(&value);
                rest = &word[end + COMPUTED_END.len()..];
            }
            // It only begins as a word does.
            None => {
                plain.extend_from_slice(&rest[..start + COMPUTED.len()]);
                rest = word;
            }
        }
    }
    plain.extend_from_slice(rest);
    plain
}

fn find(message: &[u8], part: &str) -> Option<usize> {
    message.windows(part.len()).position(|window| window == part.as_bytes())
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Vec::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place > group.len() { b'=' } else { letter });
        }
    }
    text
}

/// What `crate::host` is where there is no real one.
pub(crate) mod calls {
    use std::io;

    use hmac::{Hmac, KeyInit, Mac};
    use sha1::Sha1;
    use sha2::{Digest, Sha256, Sha512};

    use super::{Answer, CURRENT, Host, Sent};
    use crate::Error;
    use crate::bindings::tracker::driver::credentials;
    use crate::http::{Headers, Outgoing};
    use crate::log::Level;
    use crate::model::Timestamp;
    use crate::secret::{Encoding, Hash, Output, Scheme};

    fn with<T>(call: impl FnOnce(&mut Host) -> T) -> T {
        CURRENT.with(|current| call(current.borrow_mut().get_or_insert_default()))
    }

    fn secret(name: &str) -> Result<Vec<u8>, credentials::Error> {
        with(|host| host.secrets.get(name).cloned()).ok_or_else(|| credentials::Error::NotSet(format!("`{name}`")))
    }

    pub(crate) fn placeholder(name: &str, encoding: Encoding) -> Result<String, credentials::Error> {
        secret(name).map(|_| Host::placeholder(name, encoding))
    }

    pub(crate) fn hmac(
        name: &str,
        hash: Hash,
        prefix: &[u8],
        chain: &[&[u8]],
        output: Output,
    ) -> Result<String, credentials::Error> {
        let mut key = [prefix, &secret(name)?].concat();
        if chain.is_empty() {
            return Err(credentials::Error::Unusable("an empty chain".to_owned()));
        }
        for message in chain {
            let message = with(|host| host.filled_in(message));
            key = match hash {
                Hash::Sha1 => keyed::<Hmac<Sha1>>(&key, &message)?,
                Hash::Sha256 => keyed::<Hmac<Sha256>>(&key, &message)?,
                Hash::Sha512 => keyed::<Hmac<Sha512>>(&key, &message)?,
            };
        }
        Ok(computed(&key, output))
    }

    fn keyed<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Result<Vec<u8>, credentials::Error> {
        let unusable = |_| credentials::Error::Unusable("the length of the key".to_owned());
        let mut mac = <M as KeyInit>::new_from_slice(key).map_err(unusable)?;
        mac.update(message);
        Ok(mac.finalize().into_bytes().to_vec())
    }

    pub(crate) fn digest(hash: Hash, message: &[u8], output: Output) -> Result<String, credentials::Error> {
        let filled_in = with(|host| host.filled_in(message));
        let value = match hash {
            Hash::Sha1 => Sha1::digest(&filled_in).to_vec(),
            Hash::Sha256 => Sha256::digest(&filled_in).to_vec(),
            Hash::Sha512 => Sha512::digest(&filled_in).to_vec(),
        };
        Ok(if filled_in == message { written(&value, output) } else { computed(&value, output) })
    }

    fn written(value: &[u8], output: Output) -> String {
        let base64 = String::from_utf8_lossy(&super::base64(value)).into_owned();
        match output {
            Output::Hex => crate::secret::hex(value),
            Output::Base64 => base64,
            Output::Base64url => base64.replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned(),
            Output::Base64Query => base64.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"),
        }
    }

    fn computed(value: &[u8], output: Output) -> String {
        format!("{}{}{}", super::COMPUTED, crate::secret::hex(written(value, output).as_bytes()), super::COMPUTED_END)
    }

    pub(crate) fn matches(name: &str, text: &str) -> Result<bool, credentials::Error> {
        Ok(secret(name)? == text.as_bytes())
    }

    /// There is no RSA here: an HMAC with SHA-256 stands in for a signature, so that a test sees what was signed.
    pub(crate) fn sign(
        name: &str,
        _scheme: Scheme,
        message: &[u8],
        output: Output,
    ) -> Result<String, credentials::Error> {
        hmac(name, Hash::Sha256, b"", &[message], output)
    }

    pub(crate) fn session_get(key: &str) -> Option<Vec<u8>> {
        with(|host| host.seen.session.get(key).cloned())
    }

    pub(crate) fn session_put(key: &str, value: &[u8], _lifetime_seconds: u32) {
        with(|host| host.seen.session.insert(key.to_owned(), value.to_vec()));
    }

    pub(crate) fn log(_level: Level, message: &str) {
        with(|host| host.seen.log.push(message.to_owned()));
    }

    pub(crate) fn now() -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the pretend host's clock")]
        let real = std::time::SystemTime::now();
        let since = real.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        with(|host| host.now).unwrap_or_else(|| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    pub(crate) fn send(request: &Outgoing<'_>) -> Result<(u16, Headers, Chunks), Error> {
        let answer = with(|host| {
            host.seen.sent.push(Sent {
                method: request.method.to_owned(),
                url: format!("{}://{}{}", request.url.scheme, request.url.authority, request.url.path_and_query),
                headers: request.headers.to_vec(),
                body: request.body.to_vec(),
            });
            host.answers.pop_front()
        });
        let Some(Answer { status, headers, body, broken, piece }) = answer else {
            return Err(Error::Unavailable(format!("{request}: the test has no answer for it")));
        };
        Ok((status, Headers::new(headers), Chunks { body, at: 0, piece, broken }))
    }

    #[derive(Debug)]
    pub(crate) struct Chunks {
        body: Vec<u8>,
        at: usize,
        piece: usize,
        broken: Option<String>,
    }

    impl Chunks {
        pub(crate) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
            let rest = &self.body[self.at..];
            if rest.is_empty() {
                return match self.broken.take() {
                    Some(why) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, why)),
                    None => Ok(None),
                };
            }
            let piece = rest[..rest.len().min(self.piece)].to_vec();
            self.at += piece.len();
            Ok(Some(piece))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{Hash, Output, Scheme};

    #[test]
    fn a_digest_is_of_what_would_be_sent() {
        let host = || Host::new().user("mockuser").secret("password", "a b\"c");
        let same = |template: &str, meant: &str| {
            let digest = |message: &str| crate::secret::digest(Hash::Sha256, message.as_bytes(), Output::Hex).unwrap();
            let (digests, _) = host().run(|| [template, meant].map(digest));
            assert_eq!(Host::computed(&digests[0]), digests[1], "{template}");
        };
        let word = |encoding| Host::placeholder("password", encoding);
        same(&format!("x{}y", word(Encoding::Raw)), "xa b\"cy");
        same(&format!("{{\"p\":\"{}\"}}", word(Encoding::Json)), "{\"p\":\"a b\\\"c\"}");
        same(&format!("p={}", word(Encoding::Form)), "p=a%20b%22c");
        same(&format!("p={}", word(Encoding::Query)), "p=a%20b%22c");
        same(&format!("<p>{}</p>", word(Encoding::Xml)), "<p>a b&quot;c</p>");
        same(&format!("Basic {}", word(Encoding::Basic)), "Basic bW9ja3VzZXI6YSBiImM=");
    }

    #[test]
    fn a_signature_is_of_its_message_and_key() {
        let sign = |key: &str, message: &str| {
            let sign = || crate::secret::sign("password", Scheme::Rs256, message.as_bytes(), Output::Base64).unwrap();
            Host::computed(&Host::new().secret("password", key).run(sign).0)
        };
        assert_eq!(sign("key", "text"), sign("key", "text"));
        assert_ne!(sign("key", "text"), sign("key", "test"));
        assert_ne!(sign("key", "text"), sign("other key", "text"));
        assert!(Host::new().run(|| crate::secret::sign("password", Scheme::Rs256, b"", Output::Hex)).0.is_err());
    }

    #[test]
    fn what_is_computed_can_be_signed_again() {
        let host = Host::new().secret("password", "key");
        let (signature, _) = host.run(|| {
            let digest =
                crate::secret::digest(Hash::Sha1, Host::placeholder("password", Encoding::Raw).as_bytes(), Output::Hex)
                    .unwrap();
            let signed = crate::secret::hmac("password", Hash::Sha1, b"", &[digest.as_bytes()], Output::Hex).unwrap();
            let plain = Host::computed(&digest);
            (signed, crate::secret::hmac("password", Hash::Sha1, b"", &[plain.as_bytes()], Output::Hex).unwrap())
        });
        assert_eq!(signature.0, signature.1);
    }

    #[test]
    fn a_word_is_not_escaped_and_what_only_looks_like_one_is_none() {
        let host = Host::new().secret("password", "key");
        let sign = || crate::secret::hmac("password", Hash::Sha1, b"", &[b"text"], Output::Base64Query).unwrap();
        let (word, _) = host.run(sign);
        assert_eq!(crate::http::encode_query([("s", word.as_str())]), format!("s={word}"));
        assert_eq!(Host::computed(&format!("?s={word}&t=1")), "?s=Np4pWetJRQM4shJ0j3fY3tdIR7s%3D&t=1");
        for text in ["", "computed-", "computed--end", "computed-7-end", "computed-xy-end", "computed-ff"] {
            assert_eq!(Host::computed(text), text);
        }
    }
}
