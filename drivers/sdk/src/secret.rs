//! Using a secret without ever having it. `password` is the account's password; any other name is that of
//! an option that the driver declared secret. What comes back is a placeholder, for the secret or for something that is
//! computed with it. The host puts the value in its place on the way out: in headers, bodies and queries.

use crate::Error;
pub use crate::bindings::tracker::driver::credentials::{Encoding, Hash, Output, Scheme};
use crate::host;

/// The account's password, as secrets are named.
pub const PASSWORD: &str = "password";

/// A word that stands for the secret in this poll, to be put in a header, a body or a query.
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

/// A word that stands for an HMAC keyed with `prefix` and the secret behind it, over the first message of `chain`; then
/// over each further one keyed with the result before. Messages may have placeholders in them.
pub fn hmac(name: &str, hash: Hash, prefix: &[u8], chain: &[&[u8]], output: Output) -> Result<String, Error> {
    Ok(host::hmac(name, hash, prefix, chain, output)?)
}

/// The digest of a message in which the host first puts each value in its placeholder's place; a word that stands for it,
/// where there are placeholders.
pub fn digest(hash: Hash, message: &[u8], output: Output) -> Result<String, Error> {
    Ok(host::digest(hash, message, output)?)
}

/// A word that stands for a signature with an RSA private key in PEM.
pub fn sign(name: &str, scheme: Scheme, message: &[u8], output: Output) -> Result<String, Error> {
    Ok(host::sign(name, scheme, message, output)?)
}

/// Whether the secret is this text. A poll has one answer: for a driver that stands for a provider itself.
pub fn matches(name: &str, text: &str) -> Result<bool, Error> {
    Ok(host::matches(name, text)?)
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
