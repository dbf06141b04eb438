//! The tokens of a service account: a JSON Web Token that the host signs with its key is exchanged for an access token (RFC
//! 7523), which the session keeps for most of its hour.

use serde::{Deserialize, Serialize};
use tracker_driver_sdk::http::Request;
use tracker_driver_sdk::secret::{self, Output, Scheme};
use tracker_driver_sdk::{Account, Error, SecretKind, Timestamp, json, session, time};

use crate::problem::Head;

/// The role of the endpoint that gives tokens. Its address is the whole one: Google's has changed its path before.
pub const ROLE: &str = "token";
pub const ENDPOINT: &str = "https://oauth2.googleapis.com/token";

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Enough for both lists, and for nothing else.
const SCOPE: &str = "https://www.googleapis.com/auth/compute.readonly";
/// Under which name the session keeps the token.
const KEPT: &str = "token";

/// The most that Google accepts between `iat` and `exp`, in seconds.
const ASSERTED_FOR: i64 = 3_600;
/// How long before its end a token is given up, in seconds: a poll of many pages takes its time.
const MARGIN: u32 = 300;
/// The shortest token that is looked for in answers: a shorter one, which no provider gives, may be a part of any word.
const SHORTEST: usize = 16;

#[derive(Serialize)]
struct Header {
    alg: &'static str,
    typ: &'static str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'static str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    expires_in: Option<u32>,
}

/// The token of a poll before.
pub(crate) fn kept() -> Option<String> {
    String::from_utf8(session::get(KEPT)?).ok().filter(|token| is_token(token))
}

/// A new token, which the session keeps.
pub(crate) fn fresh(account: &Account) -> Result<String, Error> {
    let invalid = |what: &str| Err(Error::InvalidAccount(what.to_owned()));
    if account.secret != SecretKind::PrivateKey {
        return invalid("the password has to be a private key or an access token: set `password_kind` to which it is");
    }
    if account.user.is_empty() {
        return invalid("the user is empty: it has to be the e-mail address of the service account");
    }
    let Some(endpoint) = account.endpoint_of(ROLE) else {
        return invalid("the provider has no endpoint for the role `token`: set it to the `token_uri` of the key file");
    };
    let unsigned = unsigned(&account.user, endpoint, time::now())?;
    let signature = secret::sign(secret::PASSWORD, Scheme::Rs256, unsigned.as_bytes(), Output::Base64url)?;
    let assertion = format!("{unsigned}.{signature}");
    let request = Request::post(endpoint).header("accept", "application/json");
    let mut response = request.form([("grant_type", GRANT), ("assertion", &assertion)]).send()?;
    let head = Head::of(&response);
    if !(200..300).contains(&response.status) {
        let start = response.start_of_body();
        return Err(head.refusal(&response, &start));
    }
    let body = response.bytes()?;
    let (token, lifetime) =
        granted(&body).map_err(|error| head.told_by(&body).unwrap_or_else(|| head.during(error)))?;
    session::put(KEPT, token.as_bytes(), lifetime);
    Ok(token)
}

/// The token, and for how many seconds it is to be kept. What came is not quoted: a token may be in it.
pub fn granted(body: &[u8]) -> Result<(String, u32), Error> {
    let unexpected = || Error::UnexpectedAnswer("the answer has no access token that can be sent".to_owned());
    let Grant { access_token, expires_in } = json::parse(body).map_err(|error| match error {
        Error::Unavailable(_) => Error::Unavailable("the answer with the access token broke off".to_owned()),
        _ => unexpected(),
    })?;
    if !is_token(&access_token) {
        return Err(unexpected());
    }
    // Where nobody says when it ends, it is kept for a little while: one that is refused is replaced.
    let lifetime = expires_in.map_or(MARGIN, |seconds| seconds.saturating_sub(MARGIN).max(seconds / 2));
    Ok((access_token, lifetime))
}

/// Whether it may stand in a header.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// An answer without the token that was sent for it: a proxy that shows a request again shows the token, too.
pub(crate) fn hidden(body: Vec<u8>, token: &str) -> Vec<u8> {
    match std::str::from_utf8(&body) {
        _ if token.len() < SHORTEST => body,
        Ok(text) if !text.contains(token) => body,
        _ => String::from_utf8_lossy(&body).replace(token, "[token]").into_bytes(),
    }
}

/// Header and claims of the assertion, in the form that is signed.
pub fn unsigned(user: &str, endpoint: &str, now: Timestamp) -> Result<String, Error> {
    let iat = now.div_euclid(1000);
    let claims = Claims { iss: user, scope: SCOPE, aud: endpoint, iat, exp: iat + ASSERTED_FOR };
    let part = |json: serde_json::Result<Vec<u8>>| Ok::<_, Error>(base64url(&json?));
    let header = part(serde_json::to_vec(&Header { alg: "RS256", typ: "JWT" }))?;
    Ok(format!("{header}.{}", part(serde_json::to_vec(&claims))?))
}

/// Base64 of the URL-safe alphabet without padding (RFC 4648, 5).
fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            text.push(char::from(LETTERS[(bits >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}
