//! A client that sends a request again until it is answered, as one does that can't know whether the one before arrived.

use reqwest::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::Host;
use crate::support::client::http;
use crate::support::wait::{SOON, a_moment, at_most};

#[derive(Clone)]
pub(super) struct Persistent {
    http: reqwest::Client,
    base: String,
    provider: &'static str,
    credentials: Credentials,
}

#[derive(Clone)]
pub(super) enum Credentials {
    Password(String, String),
    Token(String),
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) tag: Option<String>,
    pub(super) is_replay: bool,
    pub(super) body: Value,
}

impl Persistent {
    /// Of an account at this provider of the ec2 driver.
    pub(super) fn new(host: &Host, provider: &'static str, credentials: Credentials) -> Persistent {
        Persistent { http: http(), base: host.client().base(), provider, credentials }
    }

    /// Sends it until it is answered for good.
    pub(super) async fn answered(&self, method: Method, path: &str, keyed: Option<(&str, &Value)>) -> Answer {
        let (key, body) = keyed.unzip();
        let mut instead = String::new();
        let asking = async {
            loop {
                match self.send(method.clone(), path, key, None, body).await {
                    Ok(answer) => break answer,
                    Err(why) => instead = why,
                }
                a_moment().await;
            }
        };
        match at_most(4 * SOON, asking).await {
            Some(answer) => answer,
            None => panic!("{method} {path} is not answered; instead: {instead}"),
        }
    }

    /// Errs where the host is not there, or says that it did nothing and that the same is to be sent again.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        tag: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        request = match &self.credentials {
            Credentials::Password(user, password) => request.basic_auth(user, Some(password)),
            Credentials::Token(token) => request.bearer_auth(token),
        };
        request = request.header("X-Deltacloud-Driver", "ec2").header("X-Deltacloud-Provider", self.provider);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(tag) = tag {
            request = request.header(IF_MATCH, tag);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
        let status = answer.status();
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (tag, is_replay) = (header(ETAG.as_str()), header("idempotency-replayed").is_some());
        let text = answer.text().await.map_err(|error| format!("{error:?}"))?;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(format!("{status}: {text}"));
        }
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") };
        Ok(Answer { status, tag, is_replay, body })
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("text: {value}")).to_owned()
}
