//! HTTP for a driver: one request, one answer, its body read as it comes. Over `wasi:http` and nothing
//! else; the host pools the connections, decides what may be reached and puts secrets in their place.

mod body;
mod status;
mod url;

use std::fmt;

use serde::de::DeserializeOwned;

pub use body::Body;
pub use status::retry_after;
pub use url::{Scheme, Url, encode_form, encode_path, encode_query};

use crate::secret::{self, Encoding};
use crate::{Error, host, json};

/// A request being put together. Nothing is sent before `send`.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub fn get(url: impl Into<String>) -> Self {
        Request::new("GET", url)
    }

    pub fn post(url: impl Into<String>) -> Self {
        Request::new("POST", url)
    }

    pub fn new(method: &'static str, url: impl Into<String>) -> Self {
        Request { method, url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header; one that stands already is kept beside it.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// `Authorization: Basic` with the account's user and password; the host fills them in.
    pub fn basic_auth(self) -> Result<Self, Error> {
        let word = secret::placeholder(secret::PASSWORD, Encoding::Basic)?;
        Ok(self.header("authorization", format!("Basic {word}")))
    }

    /// `Authorization: Bearer` with the secret of that name; the host fills it in.
    pub fn bearer(self, name: &str) -> Result<Self, Error> {
        let word = secret::placeholder(name, Encoding::Raw)?;
        Ok(self.header("authorization", format!("Bearer {word}")))
    }

    /// The body as it is; say what it is with a `content-type` header.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// A body of names and values, `application/x-www-form-urlencoded`.
    pub fn form<'a>(self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        self.header("content-type", "application/x-www-form-urlencoded; charset=utf-8").body(encode_form(fields))
    }

    /// A JSON body.
    pub fn json(self, value: &impl serde::Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(value).map_err(|e| Error::InvalidAccount(format!("no JSON can be made: {e}")))?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// Sends it and waits for the head of the answer. Whatever status came is an answer; see
    /// [`Response::success`]. Not reached at all is `unavailable`; not allowed to, `invalid-account`.
    pub fn send(self) -> Result<Response, Error> {
        let url = Url::parse(&self.url)?;
        let outgoing = Outgoing { method: self.method, url: &url, headers: &self.headers, body: &self.body };
        let (status, headers, chunks) = host::send(&outgoing)?;
        let expected = headers.get("content-length").filter(|_| headers.get("content-encoding").is_none());
        let expected = expected.and_then(|length| length.trim().parse().ok());
        Ok(Response { asked: outgoing.to_string(), status, headers, body: Body::new(chunks, expected) })
    }
}

/// A request with its address parsed, as the host is given it.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) method: &'static str,
    pub(crate) url: &'a Url,
    pub(crate) headers: &'a [(String, String)],
    pub(crate) body: &'a [u8],
}

/// For messages: method, scheme, host and path. Not the query: it may be long, and some put keys there.
impl fmt::Display for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}://{}{}", self.method, self.url.scheme, self.url.authority, self.url.path())
    }
}

/// An answer: its head, and its body yet to be read.
#[derive(Debug)]
pub struct Response {
    asked: String,
    pub status: u16,
    pub headers: Headers,
    body: Body,
}

impl Response {
    /// What was asked, for messages: method and address without its query.
    pub fn asked(&self) -> &str {
        &self.asked
    }

    /// The answer if its status is 2xx, or else the error that the status means: 401 `unauthorized`, 403
    /// `forbidden`, 429 and a 503 with Retry-After `throttled`, other 5xx `unavailable`, the rest `unexpected-answer`.
    pub fn success(self) -> Result<Response, Error> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(self.into_error()) }
    }

    /// The error that the status means, with the beginning of the body quoted.
    pub fn into_error(mut self) -> Error {
        let start = self.start_of_body();
        self.error_quoting(&start)
    }

    /// The beginning of the body, some 16 KiB at most, whatever comes after it: for drivers that look into
    /// an error's body before they fall back on [`Response::error_quoting`].
    pub fn start_of_body(&mut self) -> Vec<u8> {
        self.body.beginning()
    }

    /// The error that the status means, with the beginning of what is given quoted.
    pub fn error_quoting(&self, start: &[u8]) -> Error {
        status::error(&self.asked, self.status, &self.headers, start)
    }

    /// The whole body.
    pub fn bytes(self) -> Result<Vec<u8>, Error> {
        self.body.read_all().map_err(|e| Error::from(e).during(&self.asked))
    }

    /// The whole body, which has to be UTF-8.
    pub fn text(self) -> Result<String, Error> {
        let asked = self.asked.clone();
        String::from_utf8(self.bytes()?)
            .map_err(|_| Error::UnexpectedAnswer(format!("{asked}: the answer is not UTF-8")))
    }

    /// The whole body as JSON.
    pub fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let asked = self.asked.clone();
        json::parse(&self.bytes()?).map_err(|e| e.during(&asked))
    }

    /// The body as it comes: `Read` and `BufRead`, in pieces as large as the host has them, without copying.
    pub fn reader(self) -> Body {
        self.body
    }
}

/// The headers of an answer, found by name whatever its case.
#[derive(Debug, Clone, Default)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    pub fn new(headers: Vec<(String, String)>) -> Self {
        Headers(headers)
    }

    /// The first header of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(set, _)| set.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answer, Host};

    #[test]
    fn a_request_carries_placeholders_and_an_answer_is_read() {
        let host = Host::new().secret("password", "s3cret").answer(Answer::new(200).body("[1, 2]"));
        let (numbers, seen) = host
            .run(|| Request::get("https://Example.com:443/a?b=c").basic_auth()?.send()?.success()?.json::<Vec<u8>>());
        assert_eq!(numbers, Ok(vec![1, 2]));
        let sent = &seen.sent[0];
        assert_eq!((sent.method.as_str(), sent.url.as_str()), ("GET", "https://example.com/a?b=c"));
        assert!(sent.header("Authorization").is_some_and(|value| value.starts_with("Basic ")));
        assert!(!format!("{sent:?}").contains("s3cret"));
    }

    #[test]
    fn a_body_shorter_than_it_said_is_an_error_and_not_an_end() {
        let host = Host::new().answer(Answer::new(200).header("Content-Length", "10").body("[1, 2]"));
        let (answer, _) = host.run(|| Request::get("http://example.com/").send()?.json::<Vec<u8>>());
        assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");

        let host = Host::new().answer(Answer::new(200).body("[1,").broken("ConnectionTerminated"));
        let (answer, _) = host.run(|| Request::get("http://example.com/x").send()?.bytes());
        let Err(Error::Unavailable(message)) = answer else { panic!("{answer:?}") };
        assert_eq!(message, "GET http://example.com/x: the answer broke off: ConnectionTerminated");
    }

    #[test]
    fn no_answer_at_all_is_unavailable() {
        let (answer, _) = Host::new().run(|| Request::get("http://example.com/").send().map(|r| r.status));
        assert!(matches!(answer, Err(Error::Unavailable(_))));
        let (answer, _) = Host::new().run(|| Request::get("ftp://example.com/").send().map(|r| r.status));
        assert!(matches!(answer, Err(Error::InvalidAccount(_))));
    }
}
