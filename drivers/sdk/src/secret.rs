//! Using a secret without ever having it. `password` is the account's password; any other name is that of
//! an option that the driver declared secret. What comes back is either a placeholder, which the host
//! replaces on the way out, or a signature, which the host computed.

use crate::Error;
pub use crate::bindings::tracker::driver::credentials::Encoding;
use crate::host;

/// The account's password, as secrets are named.
pub const PASSWORD: &str = "password";

/// A word that stands for the secret in this poll, to be put in a header or a body.
pub fn placeholder(name: &str, encoding: Encoding) -> Result<String, Error> {
    Ok(host::placeholder(name, encoding)?)
}

/// The same, or nothing where the account has no secret of that name.
pub fn optional_placeholder(name: &str, encoding: Encoding) -> Result<Option<String>, Error> {
    use crate::bindings::tracker::driver::credentials::Error as Failure;
    match host::placeholder(name, encoding) {
        Ok(word) => Ok(Some(word)),
        Err(Failure::NotSet(_)) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// HMAC-SHA256 keyed with `prefix` and the secret behind it, over the first message of `chain`; then over
/// each further one keyed with the result before. 32 bytes.
pub fn hmac_sha256(name: &str, prefix: &[u8], chain: &[&[u8]]) -> Result<Vec<u8>, Error> {
    Ok(host::hmac_sha256(name, prefix, chain)?)
}

/// SHA-256 of a message in which the host first puts each secret in its placeholder's place. 32 bytes.
pub fn digest_sha256(message: &[u8]) -> Vec<u8> {
    host::digest_sha256(message)
}

/// RSASSA-PKCS1-v1_5 with SHA-256, where the secret is an RSA private key in PEM.
pub fn sign_rs256(name: &str, message: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(host::sign_rs256(name, message)?)
}

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}
