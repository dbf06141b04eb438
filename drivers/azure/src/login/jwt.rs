//! The client assertion (RFC 7523) with which an application proves that it has a private key. Microsoft Entra ID takes a JSON
//! Web Token that is signed with PS256 and has the SHA-256 thumbprint of the certificate in its header.

use std::hash::{BuildHasher, RandomState};

use serde::Serialize;
use tracker_driver_sdk::secret::{self, Output, Scheme};
use tracker_driver_sdk::{Error, Timestamp};

/// For how many seconds an assertion is valid: it is used at once.
const LIFETIME: i64 = 600;

/// A signed assertion for that address.
pub(crate) fn assertion(audience: &str, client: &str, thumbprint: &[u8], now: Timestamp) -> Result<String, Error> {
    let message = message(audience, client, thumbprint, now);
    let signature = secret::sign(secret::PASSWORD, Scheme::Ps256, message.as_bytes(), Output::Base64url)?;
    Ok(format!("{message}.{signature}"))
}

/// What is signed: the head and the claims.
pub fn message(audience: &str, client: &str, thumbprint: &[u8], now: Timestamp) -> String {
    let head = Head { alg: "PS256", typ: "JWT", thumbprint: base64url(thumbprint) };
    let jti = unique(now);
    let now = now.div_euclid(1000);
    let exp = now + LIFETIME;
    let claims = Claims { aud: audience, iss: client, sub: client, jti, iat: now, nbf: now, exp };
    format!("{}.{}", part(&head), part(&claims))
}

#[derive(Serialize)]
struct Head {
    alg: &'static str,
    typ: &'static str,
    #[serde(rename = "x5t#S256")]
    thumbprint: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: String,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// Texts and numbers make JSON in any case.
fn part(value: &impl Serialize) -> String {
    base64url(&serde_json::to_vec(value).unwrap_or_default())
}

/// A word that no other assertion has: of the time, and of the random numbers that hash tables begin with.
fn unique(now: Timestamp) -> String {
    let random = || RandomState::new().hash_one(now);
    format!("{:016x}{:016x}", random(), random())
}

/// Base64 of the URL-safe alphabet, without padding (RFC 4648, 5).
pub fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            text.push(char::from(LETTERS[(bits >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}
