//! Secrets at rest: sealed with XChaCha20-Poly1305 under one key of the host's, and recognised by keyed
//! hashes, so that neither the store nor the log ever has one in the clear.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use secrecy::SecretString;
use sha2::Sha256;

use crate::model::{AccountKey, Sealed};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// The form of what is sealed; a later form takes another number.
const FORM: u8 = 1;

/// The host's key.
pub struct Vault {
    cipher: XChaCha20Poly1305,
    /// For hashes: not the sealing key itself, but one derived from it.
    hash_key: [u8; KEY_BYTES],
}

/// What a secret is for. It is bound to what is sealed: a secret moved to another place does not open.
#[derive(Clone, Copy, Debug)]
pub enum Purpose<'a> {
    AccountPassword(&'a AccountKey),
    HookToken(&'a AccountKey),
    HookSecret(&'a AccountKey),
    /// An answer that a client may ask for again.
    Answer(&'a AccountKey),
    /// What a driver, by the SHA-256 of its file, remembers of an account.
    Session(&'a AccountKey, &'a str),
}

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("can't read the key file {path}: {source}")]
    Unreadable { path: String, source: io::Error },
    #[error("can't make the key file {path}: {source}")]
    NotMade { path: String, source: io::Error },
    #[error(
        "the key file {path} can be read by others (mode {mode:o}): it holds the key to every stored \
         credential. Run: chmod 600 {path}"
    )]
    Exposed { path: String, mode: u32 },
    #[error("{origin} does not hold a key: expected base64 of {KEY_BYTES} bytes, as `openssl rand -base64 32` prints")]
    Malformed { origin: String },
    #[error("a stored secret does not open with the host's key: it is damaged")]
    WrongKey,
    #[error("the system gave no randomness: {0}")]
    NoRandomness(getrandom::Error),
}

impl Vault {
    /// Reads the key from a file, which is made with a fresh key and mode 0600 if it is not there.
    pub fn from_file(path: &Path) -> Result<Vault, VaultError> {
        let shown = || path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let metadata =
                    std::fs::metadata(path).map_err(|source| VaultError::Unreadable { path: shown(), source })?;
                let mode = metadata.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(VaultError::Exposed { path: shown(), mode });
                }
                Vault::from_base64(&text, &format!("the key file {}", shown()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut key = [0; KEY_BYTES];
                getrandom::fill(&mut key).map_err(VaultError::NoRandomness)?;
                write_new(path, BASE64.encode(key).as_bytes())
                    .map_err(|source| VaultError::NotMade { path: shown(), source })?;
                Ok(Vault::new(&key))
            }
            Err(source) => Err(VaultError::Unreadable { path: shown(), source }),
        }
    }

    /// Takes the key as base64 text; `origin` says in errors where it came from.
    pub fn from_base64(text: &str, origin: &str) -> Result<Vault, VaultError> {
        let malformed = || VaultError::Malformed { origin: origin.to_owned() };
        let bytes = BASE64.decode(text.trim()).map_err(|_| malformed())?;
        let key: [u8; KEY_BYTES] = bytes.try_into().map_err(|_| malformed())?;
        Ok(Vault::new(&key))
    }

    fn new(key: &[u8; KEY_BYTES]) -> Vault {
        let mut derive =
            <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("invariant: HMAC takes a key of any length");
        derive.update(b"tracker keyed hash 1");
        Vault { cipher: XChaCha20Poly1305::new(&Key::from(*key)), hash_key: derive.finalize().into_bytes().into() }
    }

    pub fn seal(&self, purpose: Purpose<'_>, secret: &[u8]) -> Result<Sealed, VaultError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(VaultError::NoRandomness)?;
        let payload = Payload { msg: secret, aad: &purpose.bound() };
        let ciphertext = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("invariant: encryption fails only beyond 256 GiB");
        let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + ciphertext.len());
        sealed.push(FORM);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(Sealed(sealed))
    }

    pub fn open(&self, purpose: Purpose<'_>, sealed: &Sealed) -> Result<SecretString, VaultError> {
        let (form, rest) = sealed.0.split_first().ok_or(VaultError::WrongKey)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(VaultError::WrongKey)?;
        if *form != FORM {
            return Err(VaultError::WrongKey);
        }
        let payload = Payload { msg: ciphertext, aad: &purpose.bound() };
        let secret = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| VaultError::WrongKey)?;
        let secret = String::from_utf8(secret).map_err(|_| VaultError::WrongKey)?;
        Ok(secret.into())
    }

    /// HMAC-SHA256 of the parts under a key of the host's: equal only for equal parts, and of no use to
    /// anyone without the key.
    pub fn keyed_hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hash = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&self.hash_key)
            .expect("invariant: HMAC takes a key of any length");
        for part in parts {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into_bytes().into()
    }
}

impl Vault {
    /// By which the key is recognised, and which says nothing of it.
    pub fn print(&self) -> i64 {
        let hash = self.keyed_hash(&[b"key print"]);
        i64::from_be_bytes(*hash.first_chunk().expect("invariant: a hash has 32 bytes"))
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

impl Purpose<'_> {
    fn bound(&self) -> Vec<u8> {
        let (word, key) = match self {
            Purpose::AccountPassword(key) => ("password".to_owned(), key),
            Purpose::HookToken(key) => ("hook-token".to_owned(), key),
            Purpose::HookSecret(key) => ("hook-secret".to_owned(), key),
            Purpose::Answer(key) => ("answer".to_owned(), key),
            Purpose::Session(key, driver) => (format!("session {driver}"), key),
        };
        [&word, &key.driver, &key.provider, &key.user].map(String::as_str).join("\0").into_bytes()
    }
}

/// Writes a file that is not there yet, for the owner's eyes only, and makes sure that it lasts.
fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn key(user: &str) -> AccountKey {
        AccountKey { driver: "mock".into(), provider: "default".into(), user: user.into() }
    }

    #[test]
    fn a_secret_opens_only_where_it_was_sealed() {
        let vault = Vault::new(&[7; 32]);
        let sealed = vault.seal(Purpose::AccountPassword(&key("a")), b"s3cret").expect("sealed");
        assert!(!sealed.0.windows(6).any(|window| window == b"s3cret"));
        let opened = vault.open(Purpose::AccountPassword(&key("a")), &sealed).expect("opened");
        assert_eq!(opened.expose_secret(), "s3cret");

        for purpose in [Purpose::AccountPassword(&key("b")), Purpose::HookToken(&key("a"))] {
            assert!(matches!(vault.open(purpose, &sealed), Err(VaultError::WrongKey)));
        }
        let other = Vault::new(&[8; 32]);
        assert!(matches!(other.open(Purpose::AccountPassword(&key("a")), &sealed), Err(VaultError::WrongKey)));
        for cut in [0, 1, 10, sealed.0.len() - 1] {
            let short = Sealed(sealed.0[..cut].to_vec());
            assert!(matches!(vault.open(Purpose::AccountPassword(&key("a")), &short), Err(VaultError::WrongKey)));
        }
    }

    #[test]
    fn the_key_file_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("data/key");
        let sealed =
            Vault::from_file(&path).expect("made").seal(Purpose::AccountPassword(&key("a")), b"x").expect("sealed");
        let mode = std::fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let again = Vault::from_file(&path).expect("read");
        assert!(again.open(Purpose::AccountPassword(&key("a")), &sealed).is_ok());

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
        assert!(matches!(Vault::from_file(&path), Err(VaultError::Exposed { mode: 0o644, .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
        std::fs::write(&path, "short").expect("written");
        assert!(matches!(Vault::from_file(&path), Err(VaultError::Malformed { .. })));
    }

    #[test]
    fn hashes_tell_parts_apart() {
        let vault = Vault::new(&[7; 32]);
        assert_eq!(vault.keyed_hash(&[b"a", b"b"]), vault.keyed_hash(&[b"a", b"b"]));
        assert_ne!(vault.keyed_hash(&[b"a", b"b"]), vault.keyed_hash(&[b"ab", b""]));
    }
}
