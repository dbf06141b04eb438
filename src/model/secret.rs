//! The secret that a hook's callbacks are signed with, in the form that Standard Webhooks 1.0 gives it:
//! `whsec_` and base64 of 24 to 64 bytes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret as _, SecretSlice};

const PREFIX: &str = "whsec_";
const MIN_BYTES: usize = 24;
const MAX_BYTES: usize = 64;

/// Its `Debug` shows nothing of it, and its memory is wiped when it goes.
#[derive(Clone)]
pub struct SigningSecret(SecretSlice<u8>);

impl SigningSecret {
    /// How many random bytes a new secret is made of.
    pub const BYTES: usize = 32;

    /// A new secret of random bytes, which the caller has from the system.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> SigningSecret {
        SigningSecret(bytes.to_vec().into())
    }

    pub fn parse(text: &str) -> Result<SigningSecret, InvalidSigningSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSigningSecret::Prefix)?;
        let bytes = BASE64.decode(encoded).map_err(|_| InvalidSigningSecret::Base64)?;
        if !(MIN_BYTES..=MAX_BYTES).contains(&bytes.len()) {
            return Err(InvalidSigningSecret::Length(bytes.len()));
        }
        Ok(SigningSecret(bytes.into()))
    }

    /// As `parse` takes it: for the client, once, and for the vault.
    pub fn to_text(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(self.expose()))
    }

    /// The key itself.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSigningSecret {
    #[error("a signing secret begins with {PREFIX}")]
    Prefix,
    #[error("a signing secret is {PREFIX} and base64 with its padding")]
    Base64,
    #[error("a signing secret has {MIN_BYTES} to {MAX_BYTES} bytes, this one {0}")]
    Length(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_standard_webhooks_writes_it() {
        let check = |text: &str, want: Result<usize, InvalidSigningSecret>| {
            let got = SigningSecret::parse(text);
            assert_eq!(got.as_ref().map(|secret| secret.expose().len()).map_err(|error| *error), want, "{text}");
            if let Ok(secret) = got {
                assert_eq!(secret.to_text(), text);
                assert_eq!(format!("{secret:?}"), "SigningSecret");
            }
        };
        let of = |bytes: usize| format!("whsec_{}", BASE64.encode(vec![7; bytes]));
        check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Ok(24));
        check(&of(64), Ok(64));
        check(&of(23), Err(InvalidSigningSecret::Length(23)));
        check(&of(65), Err(InvalidSigningSecret::Length(65)));
        check("whsec_", Err(InvalidSigningSecret::Length(0)));
        check("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Err(InvalidSigningSecret::Prefix));
        check("whsec_not base64", Err(InvalidSigningSecret::Base64));
        check("", Err(InvalidSigningSecret::Prefix));
    }

    #[test]
    fn a_new_one_is_one() {
        let secret = SigningSecret::from_bytes([1; SigningSecret::BYTES]);
        assert_eq!(SigningSecret::parse(&secret.to_text()).unwrap().expose(), [1; 32]);
    }
}
