//! The signing secrets of hooks, in the forms that Standard Webhooks 1.0 defines: a secret that both sides know
//! (`whsec_`), or a key of which the receiver knows only the public half (`whsk_`, `whpk_`).
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{KEYPAIR_LENGTH, SECRET_KEY_LENGTH};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretSlice};

const PREFIX: &str = "whsec_";
const MIN_BYTES: usize = 24;
const MAX_BYTES: usize = 64;

const PRIVATE_PREFIX: &str = "whsk_";
const PUBLIC_PREFIX: &str = "whpk_";

/// A signing key of either kind.
#[derive(Clone, Debug)]
pub enum SigningKey {
    /// HMAC-SHA256, signature `v1`: whoever can verify can sign too.
    Hmac(SigningSecret),
    /// ed25519, signature `v1a`: the receiver needs no secret.
    Ed25519(Ed25519Key),
}

impl SigningKey {
    /// Parses a key of either kind, by its prefix.
    pub fn parse(text: &str) -> Result<SigningKey, InvalidSigningKey> {
        if text.starts_with(PREFIX) {
            Ok(SigningKey::Hmac(SigningSecret::parse(text)?))
        } else if text.starts_with(PRIVATE_PREFIX) {
            Ok(SigningKey::Ed25519(Ed25519Key::parse(text)?))
        } else if text.starts_with(PUBLIC_PREFIX) {
            Err(InvalidSigningKey::Public)
        } else {
            Err(InvalidSigningKey::Prefix)
        }
    }

    /// The secret part of such a text.
    pub fn bare(text: &str) -> &str {
        [PREFIX, PRIVATE_PREFIX].iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text)
    }

    /// The bytes that are secret: an HMAC key, or the seed of an ed25519 key.
    pub fn secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            SigningKey::Hmac(secret) => secret.expose().to_vec(),
            SigningKey::Ed25519(key) => key.0.as_bytes().to_vec(),
        })
    }

    /// As `parse` takes it: for the client, once, and for the vault.
    pub fn to_text(&self) -> String {
        match self {
            SigningKey::Hmac(secret) => secret.to_text(),
            SigningKey::Ed25519(key) => key.to_text(),
        }
    }

    /// The public half, with which a receiver verifies: `whpk_` and base64 of 32 bytes. An HMAC secret has none.
    pub fn public_text(&self) -> Option<String> {
        match self {
            SigningKey::Hmac(_) => None,
            SigningKey::Ed25519(key) => Some(key.public_text()),
        }
    }
}

impl From<SigningSecret> for SigningKey {
    fn from(secret: SigningSecret) -> SigningKey {
        SigningKey::Hmac(secret)
    }
}

impl From<Ed25519Key> for SigningKey {
    fn from(key: Ed25519Key) -> SigningKey {
        SigningKey::Ed25519(key)
    }
}

/// A secret for HMAC: `whsec_` and base64 of 24 to 64 bytes. Its `Debug` does not show it, and its memory is wiped when
/// it is dropped.
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

/// A private ed25519 key: `whsk_` and base64 of 64 bytes, which are the seed of RFC 8032 followed by the public half.
/// Its `Debug` does not show it, and its memory is wiped when it is dropped.
// Boxed, because moving a value leaves a copy that nothing wipes.
#[derive(Clone)]
pub struct Ed25519Key(Box<ed25519_dalek::SigningKey>);

impl Ed25519Key {
    /// How many random bytes a new key is made of.
    pub const BYTES: usize = SECRET_KEY_LENGTH;

    /// A new key of random bytes, which the caller has from the system.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Ed25519Key {
        let seed = Zeroizing::new(bytes);
        Ed25519Key(Box::new(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// Also accepts the seed alone, as most libraries return it.
    pub fn parse(text: &str) -> Result<Ed25519Key, InvalidEd25519Key> {
        let encoded = text.strip_prefix(PRIVATE_PREFIX).ok_or(InvalidEd25519Key::Prefix)?;
        let bytes = Zeroizing::new(BASE64.decode(encoded).map_err(|_| InvalidEd25519Key::Base64)?);
        let Some((seed, public)) = bytes.split_first_chunk() else {
            return Err(InvalidEd25519Key::Length(bytes.len()));
        };
        if !matches!(bytes.len(), SECRET_KEY_LENGTH | KEYPAIR_LENGTH) {
            return Err(InvalidEd25519Key::Length(bytes.len()));
        }
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        // The author of this key expects signatures that match the public half in it; these would not.
        if !public.is_empty() && public != key.verifying_key().as_bytes() {
            return Err(InvalidEd25519Key::Halves);
        }
        Ok(Ed25519Key(Box::new(key)))
    }

    /// As `parse` takes it: for the client, once, and for the vault.
    pub fn to_text(&self) -> String {
        let bytes = Zeroizing::new(self.0.to_keypair_bytes());
        format!("{PRIVATE_PREFIX}{}", BASE64.encode(bytes.as_slice()))
    }

    /// The public half: `whpk_` and base64 of 32 bytes.
    pub fn public_text(&self) -> String {
        format!("{PUBLIC_PREFIX}{}", BASE64.encode(self.0.verifying_key().as_bytes()))
    }

    /// The key itself.
    pub fn expose(&self) -> &ed25519_dalek::SigningKey {
        &self.0
    }
}

impl fmt::Debug for Ed25519Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ed25519Key")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSigningKey {
    #[error(
        "a signing key begins with {PREFIX} (a secret for HMAC-SHA256) or {PRIVATE_PREFIX} (a private ed25519 key)"
    )]
    Prefix,
    #[error(
        "{PUBLIC_PREFIX} is a public key, which can't sign: give the private one, which begins with {PRIVATE_PREFIX}"
    )]
    Public,
    #[error(transparent)]
    Hmac(#[from] InvalidSigningSecret),
    #[error(transparent)]
    Ed25519(#[from] InvalidEd25519Key),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEd25519Key {
    #[error("a private ed25519 key begins with {PRIVATE_PREFIX}")]
    Prefix,
    #[error("a private ed25519 key is {PRIVATE_PREFIX} and base64 with its padding")]
    Base64,
    #[error(
        "a private ed25519 key has {KEYPAIR_LENGTH} bytes, the seed and then the public key, or {SECRET_KEY_LENGTH}, the seed alone; this one {0}"
    )]
    Length(usize),
    #[error("its second half is not the public key of its first half, the seed: give the seed alone")]
    Halves,
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

    /// Seeds and public halves, from RFC 8032 (section 7.1, test 1), from Svix's documentation, and made with
    /// Python's `cryptography`.
    const PAIRS: [(&str, &str); 3] = [
        ("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
        ("6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=", "1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="),
    ];

    #[test]
    fn an_ed25519_key_has_the_public_half_that_others_find() {
        for (seed, public) in PAIRS {
            let seed = BASE64.decode(seed).unwrap();
            let key = Ed25519Key::from_bytes(seed.as_slice().try_into().unwrap());
            assert_eq!(key.public_text(), format!("whpk_{public}"));
            let text = format!("whsk_{}", BASE64.encode([seed.clone(), BASE64.decode(public).unwrap()].concat()));
            assert_eq!(key.to_text(), text);
            for text in [text, format!("whsk_{}", BASE64.encode(&seed))] {
                let read = Ed25519Key::parse(&text).unwrap();
                assert_eq!(read.expose().as_bytes().as_slice(), seed, "{text}");
                assert_eq!(read.public_text(), key.public_text());
            }
        }
        let svix = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
        assert_eq!(Ed25519Key::parse(svix).unwrap().to_text(), svix);
    }

    #[test]
    fn a_key_is_told_by_its_prefix() {
        let check = |text: &str, want: Result<&str, InvalidSigningKey>| {
            let got = SigningKey::parse(text);
            let debug = got.as_ref().map(|key| format!("{key:?}"));
            assert_eq!(debug.as_deref().map_err(|error| **error), want, "{text}");
            let Ok(key) = got else { return };
            assert_eq!(SigningKey::parse(&key.to_text()).unwrap().to_text(), key.to_text());
            assert_eq!(key.public_text().is_some(), matches!(key, SigningKey::Ed25519(_)));
        };
        let of = |bytes: usize| format!("whsk_{}", BASE64.encode(vec![7; bytes]));
        let ed25519 = |error| Err(InvalidSigningKey::Ed25519(error));
        check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Ok("Hmac(SigningSecret)"));
        check("whsec_", Err(InvalidSigningKey::Hmac(InvalidSigningSecret::Length(0))));
        check(&of(32), Ok("Ed25519(Ed25519Key)"));
        for bytes in [0, 31, 33, 63, 65] {
            check(&of(bytes), ed25519(InvalidEd25519Key::Length(bytes)));
        }
        check(&of(64), ed25519(InvalidEd25519Key::Halves));
        check("whsk_not base64", ed25519(InvalidEd25519Key::Base64));
        check(&of(32).replace('=', ""), ed25519(InvalidEd25519Key::Base64));
        check("whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", Err(InvalidSigningKey::Public));
        check("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Err(InvalidSigningKey::Prefix));
        check("", Err(InvalidSigningKey::Prefix));
        assert_eq!(Ed25519Key::parse("whsec_").unwrap_err(), InvalidEd25519Key::Prefix);
    }

    #[test]
    fn a_new_key_is_one() {
        let hmac = SigningKey::from(SigningSecret::from_bytes([1; SigningSecret::BYTES]));
        let ed25519 = SigningKey::from(Ed25519Key::from_bytes([1; Ed25519Key::BYTES]));
        for (key, prefix) in [(hmac, "whsec_"), (ed25519, "whsk_")] {
            let text = key.to_text();
            assert!(text.starts_with(prefix), "{text}");
            assert_eq!(SigningKey::parse(&text).unwrap().to_text(), text);
        }
    }
}
