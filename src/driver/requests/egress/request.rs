//! A request of a driver in two forms: as it is sent, with secrets in place of placeholders, and as observers see it,
//! without secrets.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use url::Url;
use wasmtime_wasi_http::Error;

use super::outcome::Outcome;
use crate::driver::requests::secrets::{Secrets, TooLong};
use crate::driver::requests::wire::Asked;
use crate::driver::requests::withheld::TOO_MANY_COMPUTED;
use crate::mask::Mask;

/// Headers that a driver may write and that do not go out. The client sets what it needs of them itself, from
/// what it really connects to, sends and understands; the others speak of one connection (RFC 9110, 7.6.1), which
/// is the host's and serves more than this request. The sandbox refuses most of them already.
pub(super) const HOSTS_OWN_HEADERS: [&str; 14] = [
    "host",
    "content-length",
    "accept-encoding",
    "connection",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The account's secrets, as its requests have them.
pub(super) struct RequestSecrets {
    secrets: Mutex<Secrets>,
    outcome: Arc<Outcome>,
}

impl RequestSecrets {
    pub(super) fn new(secrets: Secrets, outcome: Arc<Outcome>) -> RequestSecrets {
        RequestSecrets { secrets: Mutex::new(secrets), outcome }
    }

    pub(super) fn with<T>(&self, use_them: impl FnOnce(&mut Secrets) -> T) -> T {
        use_them(&mut self.secrets.lock().expect("invariant: no holder of this lock can panic"))
    }

    /// What is masked in the answer to a request: secrets, and what was computed for this request or for one before. From then on
    /// that is masked in all that leaves the sandbox: a provider may give back later what it was sent.
    ///
    /// # Errors
    /// Too many different values are sent.
    pub(super) fn mask(&self, parts: &Parts, body: &[u8]) -> Result<Arc<Mask>, Error> {
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        let texts = parts.headers.values().map(|value| value.as_bytes()).chain([query, body]);
        let computed = self.with(|secrets| secrets.computed_in(texts));
        match self.outcome.with_withheld(|withheld| computed.iter().all(|value| withheld.note(value))) {
            true => Ok(self.outcome.withheld()),
            false => {
                self.outcome.refuse(TOO_MANY_COMPUTED.to_owned());
                Err(Error::HttpRequestDenied)
            }
        }
    }

    /// A request with the secrets in it, as it goes out.
    pub(super) fn revealed(&self, mut url: Url, parts: &Parts, body: Bytes) -> Result<Asked, Error> {
        let too_long = |_| {
            self.outcome.pass_request_bytes(TooLong);
            Error::HttpRequestDenied
        };
        let mut room = self.outcome.limits.request_bytes;
        let query = url.query().map(|query| self.with(|secrets| secrets.reveal_query(query, &mut room)));
        if let Some(query) = query.transpose().map_err(too_long)?.flatten() {
            url.set_query(Some(&query));
        }
        let mut headers = HeaderMap::with_capacity(parts.headers.len());
        let body = self.with(|secrets| {
            for (name, value) in &parts.headers {
                if HOSTS_OWN_HEADERS.contains(&name.as_str()) {
                    continue;
                }
                let value = secrets.reveal(value.as_bytes(), &mut room).map_err(too_long)?;
                let Ok(value) = HeaderValue::from_bytes(&value) else {
                    self.outcome.refuse(format!(
                        "driver {:?} put a secret into the header {name} that can't stand in one: it has a line break \
                         or another control character in it",
                        self.outcome.driver
                    ));
                    return Err(Error::HttpRequestDenied);
                };
                headers.append(name, value);
            }
            let revealed = match secrets.reveal(&body, &mut room).map_err(too_long)? {
                Cow::Borrowed(_) => None,
                Cow::Owned(revealed) => Some(Bytes::from(revealed)),
            };
            Ok::<Bytes, Error>(revealed.unwrap_or(body))
        })?;
        Ok(Asked { method: parts.method.clone(), url, headers, body })
    }

    /// A request as observers see it: a secret that stands in it without a placeholder is masked.
    pub(super) fn asked(&self, url: &Url, parts: &Parts, body: &Bytes) -> Asked {
        let mask = self.outcome.withheld();
        let shown = |secrets: &Secrets, text: &[u8]| {
            let named = secrets.named(text);
            mask.apply(&named).unwrap_or_else(|| named.into_owned())
        };
        self.with(|secrets| {
            let mut headers = HeaderMap::with_capacity(parts.headers.len());
            for (name, value) in &parts.headers {
                if let Ok(value) = HeaderValue::from_bytes(&shown(secrets, value.as_bytes())) {
                    headers.append(name, value);
                }
            }
            let body = Bytes::from(shown(secrets, body));
            let mut url = url.clone();
            if let Some(path) = mask.apply(url.path().as_bytes()) {
                url.set_path(&String::from_utf8_lossy(&path));
            }
            if let Some(query) = url.query().map(str::to_owned) {
                let shown = shown(secrets, query.as_bytes());
                if shown != query.as_bytes() {
                    url.set_query(Some(&String::from_utf8_lossy(&shown)));
                }
            }
            Asked { method: parts.method.clone(), url, headers, body }
        })
    }
}
