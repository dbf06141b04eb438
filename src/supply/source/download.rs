//! Downloads one file over HTTP: never more than the limit, and without redirects from https to http.

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Method, Request, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Origin, Url};

use super::error::FetchError;
use super::is_loopback;
use crate::net::{AddressPolicy, Client, Clients, NetError, SendError};

/// From a name to a mirror to where that keeps its files; more than this is a circle.
const MOST_REDIRECTS: usize = 5;

/// Downloads from wherever the operator says. His word opens private addresses, too: beyond this machine they are
/// reached by TLS alone, and so only if they are what the name says.
#[derive(Clone, Debug)]
pub(super) struct Downloads {
    client: Client,
}

/// What is asked for, and how.
pub(super) struct Wanted<'a> {
    pub(super) url: Url,
    pub(super) accept: &'static str,
    /// Sent to the URL's own origin, and to no other that it redirects to.
    pub(super) authorization: Option<&'a SecretString>,
    pub(super) most_bytes: u64,
    /// The setting that moves the limit, or what sets it.
    pub(super) limit: &'static str,
}

/// An answer that came whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Empty but after a success: what a server says of its errors is not shown.
    pub(super) bytes: Vec<u8>,
    /// What it wants to be shown, where it does not let us in.
    pub(super) challenges: Vec<String>,
}

impl Downloads {
    pub(super) fn new(clients: &Clients) -> Result<Downloads, NetError> {
        let everywhere = ["0.0.0.0/0", "::/0"].map(|range| range.parse().expect("invariant: it is a range"));
        Ok(Downloads { client: clients.under(&AddressPolicy::opening(everywhere.into()))? })
    }

    pub(super) async fn get(&self, wanted: Wanted<'_>) -> Result<Answer, FetchError> {
        let Wanted { mut url, accept, authorization, most_bytes, limit } = wanted;
        let first = url.origin();
        for _ in 0..=MOST_REDIRECTS {
            let request = request(&url, accept, authorization.filter(|_| url.origin() == first))?;
            let from = shown(&url.origin());
            let failed = |source: SendError| FetchError::Send { from: from.clone(), source };
            let response = self.client.send(request).await.map_err(failed)?;
            if let Some(next) = redirect(&url, &response)? {
                url = next;
                continue;
            }
            let status = response.status();
            if status != StatusCode::OK {
                return Ok(Answer { status, bytes: Vec::new(), challenges: challenges(&response) });
            }
            let bytes = read(response, most_bytes).await.map_err(failed)?;
            let bytes = bytes.ok_or(FetchError::TooLarge { from, most_bytes, limit })?;
            return Ok(Answer { status, bytes, challenges: Vec::new() });
        }
        Err(FetchError::Redirects { from: shown(&first), most: MOST_REDIRECTS })
    }
}

/// An origin as errors name it: nothing of a path or a query, in which a redirect may carry a token.
pub(super) fn shown(origin: &Origin) -> String {
    origin.ascii_serialization()
}

fn request(url: &Url, accept: &'static str, authorization: Option<&SecretString>) -> Result<Request, FetchError> {
    let mut request = Request::new(Method::GET, url.clone());
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
    if let Some(authorization) = authorization {
        let mut value = HeaderValue::from_str(authorization.expose_secret())
            .map_err(|_| FetchError::Credentials { registry: shown(&url.origin()) })?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(request)
}

fn challenges(response: &Response) -> Vec<String> {
    let values = response.headers().get_all(WWW_AUTHENTICATE).iter();
    values.filter_map(|value| value.to_str().ok()).map(str::to_owned).collect()
}

/// Where an answer sends its reader, if it does.
fn redirect(from: &Url, response: &Response) -> Result<Option<Url>, FetchError> {
    let redirects = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    if !redirects.contains(&response.status()) {
        return Ok(None);
    }
    let broken = || FetchError::Redirect { from: shown(&from.origin()) };
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).ok_or_else(broken)?;
    let to = from.join(location).map_err(|_| broken())?;
    match may_follow(from, &to) {
        true => Ok(Some(to)),
        false => Err(FetchError::InsecureRedirect { from: shown(&from.origin()), to: shown(&to.origin()) }),
    }
}

/// Never out of TLS; what began in the clear on this machine may stay there.
pub(super) fn may_follow(from: &Url, to: &Url) -> bool {
    match to.scheme() {
        "https" => true,
        "http" => from.scheme() == "http" && is_loopback(to),
        _ => false,
    }
}

/// The whole body, or none where it has more bytes than the limit.
async fn read(mut response: Response, most_bytes: u64) -> Result<Option<Vec<u8>>, SendError> {
    if response.content_length().is_some_and(|length| length > most_bytes) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if (bytes.len() + chunk.len()) as u64 > most_bytes {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_redirect_leaves_tls() {
        let check = |from: &str, to: &str, want: bool| {
            let url = |text: &str| Url::parse(text).expect(text);
            assert_eq!(may_follow(&url(from), &url(to)), want, "{from} {to}");
        };
        check("https://a.example/x", "https://b.example/y", true);
        check("https://a.example/x", "http://a.example/x", false);
        check("https://a.example/x", "http://127.0.0.1/x", false);
        check("http://127.0.0.1/x", "http://127.0.0.1:81/x", true);
        check("http://127.0.0.1/x", "http://169.254.169.254/x", false);
        check("http://127.0.0.1/x", "https://a.example/x", true);
        check("https://a.example/x", "file:///etc/passwd", false);
    }
}
