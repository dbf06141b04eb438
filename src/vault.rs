//! Secrets at rest: sealed with XChaCha20-Poly1305 under the host's key, and compared by keyed hashes, so that neither
//! the store nor the log ever contains one in the clear. While the host's key is rotated there are several keys: the
//! current one seals, and each opens what it sealed.

mod error;
mod key_file;
mod keyring;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use secrecy::{ExposeSecret as _, SecretString};

use crate::model::{AccountKey, KeyId, Sealed};
pub use error::VaultError;
pub use key_file::{KeyFile, make_folder};
pub use keyring::{HashKey, Keyring};

const ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;
/// The form of what is sealed: this byte, the id of the key, the nonce, and the ciphertext. A later form takes another number.
const FORM: u8 = 2;

/// Seals and opens secrets.
pub struct Vault {
    keyring: RwLock<Arc<Keyring>>,
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

impl Vault {
    pub fn new(keyring: Keyring) -> Vault {
        Vault { keyring: RwLock::new(Arc::new(keyring)) }
    }

    /// The host's keys, the current one first.
    pub fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.keyring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes other keys. From now on their first one seals. The keys before still open.
    pub fn take_keys(&self, keyring: &Keyring) {
        let mut held = self.keyring.write().unwrap_or_else(PoisonError::into_inner);
        *held = Arc::new(keyring.and(&held));
    }

    /// The key that seals.
    pub fn current_key(&self) -> KeyId {
        self.keyring().current_id()
    }

    pub fn seal(&self, purpose: Purpose<'_>, secret: &[u8]) -> Result<Sealed, VaultError> {
        let keyring = self.keyring();
        let key = keyring.current();
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(VaultError::NoRandomness)?;
        let payload = Payload { msg: secret, aad: &purpose.bound() };
        let ciphertext =
            key.cipher.encrypt(&XNonce::from(nonce), payload).expect("invariant: encryption fails only beyond 256 GiB");
        let mut sealed = Vec::with_capacity(1 + ID_BYTES + NONCE_BYTES + ciphertext.len());
        sealed.push(FORM);
        sealed.extend_from_slice(&key.id.0.to_be_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(Sealed(sealed))
    }

    /// The same of a secret that was opened.
    pub fn seal_again(&self, purpose: Purpose<'_>, secret: &SecretString) -> Result<Sealed, VaultError> {
        self.seal(purpose, secret.expose_secret().as_bytes())
    }

    pub fn open(&self, purpose: Purpose<'_>, sealed: &Sealed) -> Result<SecretString, VaultError> {
        let (id, rest) = split(sealed).ok_or(VaultError::WrongKey)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(VaultError::WrongKey)?;
        let keyring = self.keyring();
        let key = keyring.find(id).ok_or(VaultError::WrongKey)?;
        let payload = Payload { msg: ciphertext, aad: &purpose.bound() };
        let secret = key.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| VaultError::WrongKey)?;
        let secret = String::from_utf8(secret).map_err(|_| VaultError::WrongKey)?;
        Ok(secret.into())
    }

    /// Makes keyed hashes under the current key, also after another key took its place.
    pub fn hash_key(&self) -> HashKey {
        self.keyring().current().hash.clone()
    }

    /// The parts' hashes under each key, the current one first.
    pub fn keyed_hashes(&self, parts: &[&[u8]]) -> Vec<[u8; 32]> {
        self.keyring().keys().iter().map(|key| key.hash.hash(parts)).collect()
    }
}

/// By which key it is sealed, if that can be told.
pub fn sealed_by(sealed: &Sealed) -> Option<KeyId> {
    split(sealed).map(|(id, _)| id)
}

fn split(sealed: &Sealed) -> Option<(KeyId, &[u8])> {
    let (form, rest) = sealed.0.split_first()?;
    let (id, rest) = rest.split_first_chunk::<ID_BYTES>()?;
    (*form == FORM).then(|| (KeyId(i64::from_be_bytes(*id)), rest))
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use secrecy::ExposeSecret as _;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn key(user: &str) -> AccountKey {
        AccountKey { driver: "mock".into(), provider: "default".into(), user: user.into() }
    }

    fn keyring(bytes: &[u8]) -> Keyring {
        let keys: Vec<String> = bytes.iter().map(|byte| BASE64.encode([*byte; 32])).collect();
        Keyring::parse(&keys.join("\n"), "the test").expect("keys")
    }

    #[test]
    fn a_secret_opens_only_where_it_was_sealed() {
        let vault = Vault::new(keyring(&[7]));
        let sealed = vault.seal(Purpose::AccountPassword(&key("a")), b"s3cret").expect("sealed");
        assert!(!sealed.0.windows(6).any(|window| window == b"s3cret"));
        let opened = vault.open(Purpose::AccountPassword(&key("a")), &sealed).expect("opened");
        assert_eq!(opened.expose_secret(), "s3cret");

        for purpose in [Purpose::AccountPassword(&key("b")), Purpose::HookToken(&key("a"))] {
            assert!(matches!(vault.open(purpose, &sealed), Err(VaultError::WrongKey)));
        }
        let other = Vault::new(keyring(&[8]));
        assert!(matches!(other.open(Purpose::AccountPassword(&key("a")), &sealed), Err(VaultError::WrongKey)));
        for cut in 0..sealed.0.len() {
            let short = Sealed(sealed.0[..cut].to_vec());
            assert!(matches!(vault.open(Purpose::AccountPassword(&key("a")), &short), Err(VaultError::WrongKey)));
        }
    }

    #[test]
    fn the_first_key_seals_and_each_opens_what_it_sealed() {
        let purpose = Purpose::AccountPassword;
        let (name, vault) = (key("a"), Vault::new(keyring(&[7])));
        let (old, hash) = (vault.seal(purpose(&name), b"old").expect("sealed"), vault.hash_key());
        vault.take_keys(&keyring(&[8, 7]));
        let new = vault.seal(purpose(&name), b"new").expect("sealed");
        assert_eq!(sealed_by(&old), keyring(&[7]).ids().next());
        assert_eq!(sealed_by(&new), Some(vault.current_key()));
        assert_ne!(sealed_by(&old), sealed_by(&new));
        let hashes = vault.keyed_hashes(&[b"part"]);
        assert_eq!(hashes[1], hash.hash(&[b"part"]), "it is of the key that was the current one");
        assert_ne!(hashes[0], hashes[1]);

        // A key that is in no file any more still opens, for as long as the process lives.
        vault.take_keys(&keyring(&[8]));
        for (sealed, content) in [(&old, "old"), (&new, "new")] {
            assert_eq!(vault.open(purpose(&name), sealed).expect("opened").expose_secret(), content);
        }
        let after = Vault::new(keyring(&[8]));
        assert!(after.open(purpose(&name), &new).is_ok());
        assert!(matches!(after.open(purpose(&name), &old), Err(VaultError::WrongKey)));
    }

    #[test]
    fn a_key_file_is_read_if_it_is_well_formed_and_private() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("key");
        Keyring::make(&path).expect("made");
        let written = |text: &str| {
            std::fs::write(&path, text).expect("written");
            Keyring::read(&path)
        };
        let (one, other) = (BASE64.encode([1; 32]), BASE64.encode([2; 32]));
        assert!(written(&format!("\n{one}, {other}\n{one}")).is_ok_and(|keyring| keyring.is_some()));
        for (text, at) in [("", 1), ("short", 1), (&format!("{one}\nshort\n"), 2), (&format!("{one}{other}"), 1)] {
            assert!(matches!(written(text), Err(VaultError::Malformed { number, .. }) if number == at), "{text:?}");
        }
        let many = |number: u16| {
            let key = |number: u16| BASE64.encode([number.to_be_bytes(); 16].concat());
            (0..number).map(key).collect::<Vec<_>>().join("\n")
        };
        // None is added to as many as these, but they open what they sealed.
        for (number, is_full) in [(15, false), (16, true), (17, true), (256, true)] {
            let keyring = written(&many(number)).expect("read").expect("there");
            assert_eq!((keyring.ids().count(), keyring.is_full()), (number.into(), is_full));
            assert_eq!(matches!(keyring.with_new_key(), Err(VaultError::Full { .. })), is_full, "{number}");
        }
        assert!(matches!(written(&many(257)), Err(VaultError::TooMany { .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
        assert!(matches!(Keyring::read(&path), Err(VaultError::Exposed { mode: 0o644, .. })));
        // Nobody waits for what a pipe will have in it.
        let (pipe, mode) = (folder.path().join("pipe"), Mode::RUSR | Mode::WUSR);
        mknodat(CWD, &pipe, FileType::Fifo, mode, 0).expect("made");
        for other in [pipe.as_path(), folder.path()] {
            let error = Keyring::read(other).map(|keyring| keyring.is_some()).expect_err("it is no file");
            assert!(error.to_string().contains("it is not a regular file"), "{error}");
        }
    }

    #[test]
    fn hashes_tell_parts_apart() {
        let hash = Vault::new(keyring(&[7])).hash_key();
        assert_eq!(hash.hash(&[b"a", b"b"]), hash.hash(&[b"a", b"b"]));
        assert_ne!(hash.hash(&[b"a", b"b"]), hash.hash(&[b"ab", b""]));
    }
}
