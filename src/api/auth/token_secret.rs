//! The secrets of tokens: how the host creates one, and what it stores.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use crate::api::problem::Problem;
use crate::store::TokenHash;

/// What every secret begins with, so that one that got lost is known for what it is.
const PREFIX: &str = "trk_";
const SECRET_BYTES: usize = 32;

pub(crate) fn new_secret() -> Result<SecretString, Problem> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(Problem::internal)?;
    Ok(format!("{PREFIX}{}", BASE64URL.encode(bytes)).into())
}

/// What is stored of a secret. It has so much chance in it that it needs no salt, and nothing slow.
pub(crate) fn hash(secret: &str) -> TokenHash {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn secrets_are_long_and_no_two_are_the_same() {
        let (one, two) = (new_secret().expect("randomness"), new_secret().expect("randomness"));
        assert_eq!((one.expose_secret().len(), &one.expose_secret()[..4]), (47, PREFIX));
        assert_ne!(hash(one.expose_secret()), hash(two.expose_secret()));
    }
}
