//! A client of the tracker: one account's credentials, and the requests of `api.md`.

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, LINK};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::wait::{SOON, eventually};

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    provider: Option<(String, String)>,
    credentials: Option<(String, String)>,
    /// Its `Idempotency-Key`.
    key: Option<String>,
    /// What it takes, where it says so.
    accept: Option<&'static str>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Client {
    pub(crate) fn new(base: &str) -> Client {
        Client { http: http(), base: base.to_owned(), provider: None, credentials: None, key: None, accept: None }
    }

    /// Where the tracker is.
    pub(crate) fn base(&self) -> String {
        self.base.clone()
    }

    /// Asks about this provider of this driver.
    pub(crate) fn at(&self, driver: &str, provider: &str) -> Client {
        Client { provider: Some((driver.into(), provider.into())), ..self.clone() }
    }

    pub(crate) fn as_user(&self, user: &str, password: &str) -> Client {
        Client { credentials: Some((user.into(), password.into())), ..self.clone() }
    }

    /// Says in `Accept` what it takes.
    pub(crate) fn accepting(&self, accept: &'static str) -> Client {
        Client { accept: Some(accept), ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post_text(&self, path: &str, text: &str) -> Answer {
        self.send(Method::POST, path, Some(("text/plain", text.to_owned()))).await
    }

    /// With a form as its body, as a client of the 2012 design sends it.
    pub(crate) async fn put(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.send(Method::PUT, path, Some(("application/x-www-form-urlencoded", body))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(("application/json", body.to_string()))).await
    }

    pub(crate) async fn put_json(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, Some(("application/json", body.to_string()))).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Names its requests, so that one that comes again is done once.
    pub(crate) fn with_key(&self, key: &str) -> Client {
        Client { key: Some(key.into()), ..self.clone() }
    }

    /// Sets a hook, and gives the secret that its callbacks are signed with.
    pub(crate) async fn track(&self, path: &str, hook: &str, token: &str) -> String {
        let answer = self.put(path, &[("track_hook", hook), ("track_token", token)]).await.ok();
        let secret = answer["track"]["secret"].as_str();
        secret.unwrap_or_else(|| panic!("the answer to a new hook has its secret: {answer}")).to_owned()
    }

    /// Waits until the answer to a request is as it should be.
    pub(crate) async fn until(&self, path: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        eventually(SOON, what, async || {
            let answer = self.get(path).await;
            let body = serde_json::from_str(&answer.text).ok();
            body.filter(|body| answer.status.is_success() && is_so(body)).ok_or(answer.text)
        })
        .await
    }

    /// The pending changes of the account's hooks, read in one step.
    pub(crate) async fn pending(&self) -> Vec<Value> {
        match self.get("/api/changes").await.ok() {
            Value::Array(changes) => changes,
            other => panic!("pending changes are a bare array: {other}"),
        }
    }

    /// All changes of the feed from a path on.
    pub(crate) async fn feed(&self, path: &str) -> Vec<Value> {
        let (mut changes, mut next) = (Vec::new(), path.to_owned());
        loop {
            let answer = self.get(&next).await;
            next = answer.next_page().expect("the feed always goes on");
            match answer.ok() {
                Value::Array(page) if page.is_empty() => return changes,
                Value::Array(page) => changes.extend(page),
                other => panic!("no list of changes: {other}"),
            }
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<(&str, String)>) -> Answer {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
        if let Some((driver, provider)) = &self.provider {
            request = request.header("X-Deltacloud-Driver", driver).header("X-Deltacloud-Provider", provider);
        }
        if let Some((user, password)) = &self.credentials {
            request = request.basic_auth(user, Some(password));
        }
        if let Some(key) = &self.key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(accept) = self.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some((content_type, body)) = body {
            request = request.header(CONTENT_TYPE, content_type).body(body);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"));
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"));
        Answer { status, headers, text }
    }
}

impl Answer {
    /// The body of a success.
    pub(crate) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text);
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Where the next page of a list is (RFC 8288), as a path.
    pub(crate) fn next_page(&self) -> Option<String> {
        let link = self.headers.get(LINK)?.to_str().expect("text");
        let next = link.split(',').find(|link| link.contains("rel=\"next\""))?;
        let target = next.split(['<', '>']).nth(1).unwrap_or_else(|| panic!("a link: {link}"));
        let path = target.find("/api/").unwrap_or_else(|| panic!("a link into the API: {link}"));
        Some(target[path..].to_owned())
    }

    /// The body of an error, which is a problem document (RFC 9457) of this status.
    pub(crate) fn problem(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        let content_type = self.headers.get(CONTENT_TYPE).map(|value| value.to_str().expect("text").to_owned());
        assert_eq!(content_type.as_deref(), Some("application/problem+json"), "{}", self.text);
        let problem: Value = serde_json::from_str(&self.text).expect("JSON");
        assert_eq!(problem["status"], status, "{problem}");
        for member in ["type", "title", "detail"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member} of {problem}");
        }
        problem
    }
}

/// A client of the tests' own.
pub(crate) fn http() -> reqwest::Client {
    builder().build().expect("an HTTP client")
}

/// One that speaks HTTP/2 from the first byte.
pub(crate) fn http2() -> reqwest::Client {
    builder().http2_prior_knowledge().build().expect("an HTTP client")
}

/// Nothing here speaks TLS, and yet reqwest wants to know how it would.
#[expect(clippy::disallowed_methods, reason = "a client of the tracker is outside of it, and not its `net`")]
fn builder() -> reqwest::ClientBuilder {
    // The second of two tests finds the first one's choice, which is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(SOON)
}
