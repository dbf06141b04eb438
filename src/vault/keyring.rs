//! The host's keys, from a file or the environment: the first one seals, and all of them open.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::KeyInit;
use chacha20poly1305::{Key, XChaCha20Poly1305};
use hmac::{Hmac, Mac};
use secrecy::zeroize::Zeroizing;
use sha2::Sha256;

use super::error::VaultError;
use crate::model::KeyId;

const KEY_BYTES: usize = 32;
/// No key file with [`MOST_READ`] is longer; a wrong path is.
const MAX_FILE_BYTES: u64 = 64 << 10;
/// A rotation needs two. More are left where old ones were not pruned, or are needed still. None is added beyond these.
const MAX_KEYS: usize = 16;
/// More than are ever written, so that whatever has them can still be opened and pruned.
const MOST_READ: usize = 256;

/// At least one key.
#[derive(Clone)]
pub struct Keyring(pub(super) Vec<HostKey>);

#[derive(Clone)]
pub(super) struct HostKey {
    pub(super) id: KeyId,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    pub(super) cipher: XChaCha20Poly1305,
    pub(super) hash: HashKey,
}

/// Makes keyed hashes: not the sealing key itself, but one derived from it.
#[derive(Clone)]
pub struct HashKey(Zeroizing<[u8; KEY_BYTES]>);

impl HashKey {
    /// HMAC-SHA256 of the parts: equal only for equal parts, and of no use to anyone without the key.
    pub fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hash = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&*self.0)
            .expect("invariant: HMAC takes a key of any length");
        for part in parts {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into_bytes().into()
    }
}

impl HostKey {
    fn new(bytes: Zeroizing<[u8; KEY_BYTES]>) -> HostKey {
        let mut derive = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&*bytes)
            .expect("invariant: HMAC takes a key of any length");
        derive.update(b"tracker keyed hash 1");
        let hash = HashKey(Zeroizing::new(derive.finalize().into_bytes().into()));
        let print = hash.hash(&[b"key print"]);
        let id = KeyId(i64::from_be_bytes(*print.first_chunk().expect("invariant: a hash has 32 bytes")));
        HostKey { id, cipher: XChaCha20Poly1305::new(&Key::from(*bytes)), bytes, hash }
    }

    pub(super) fn random() -> Result<HostKey, VaultError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(&mut *bytes).map_err(VaultError::NoRandomness)?;
        Ok(HostKey::new(bytes))
    }

    /// As text, behind what is there.
    pub(super) fn write(&self, text: &mut String) {
        BASE64.encode_string(*self.bytes, text);
    }

    fn parse(text: &str) -> Option<HostKey> {
        let bytes = Zeroizing::new(BASE64.decode(text).ok()?);
        let bytes: [u8; KEY_BYTES] = bytes.as_slice().try_into().ok()?;
        Some(HostKey::new(Zeroizing::new(bytes)))
    }
}

impl Keyring {
    /// Takes keys as base64 text, each of 32 bytes, with white space or commas between them. `origin` says in errors where
    /// the text came from.
    pub fn parse(text: &str, origin: &str) -> Result<Keyring, VaultError> {
        let mut keys: Vec<HostKey> = Vec::new();
        let separators = |character: char| character.is_ascii_whitespace() || character == ',';
        for (number, word) in text.split(separators).filter(|word| !word.is_empty()).enumerate() {
            let malformed = || VaultError::Malformed { origin: origin.to_owned(), number: number + 1 };
            let key = HostKey::parse(word).ok_or_else(malformed)?;
            if keys.iter().all(|known| known.id != key.id) {
                keys.push(key);
            }
            if keys.len() > MOST_READ {
                return Err(VaultError::TooMany { origin: origin.to_owned(), most: MOST_READ });
            }
        }
        match keys.is_empty() {
            true => Err(VaultError::Malformed { origin: origin.to_owned(), number: 1 }),
            false => Ok(Keyring(keys)),
        }
    }

    /// Reads the keys from a file, if there is one. It has to be the owner's alone.
    pub fn read(path: &Path) -> Result<Option<Keyring>, VaultError> {
        let unreadable = |source| VaultError::Unreadable { path: path.to_owned(), source };
        // Not opened first: to open a pipe waits until somebody writes into it.
        let found = match std::fs::metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(unreadable(source)),
        };
        if !found.is_file() {
            return Err(unreadable(io::Error::other("it is not a regular file")));
        }
        let file = File::open(path).map_err(unreadable)?;
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(VaultError::Exposed { path: path.to_owned(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(unreadable)?;
        Keyring::parse(&text, &format!("the key file {}", path.display())).map(Some)
    }

    /// These keys behind a new one, which is the current one.
    pub fn with_new_key(&self) -> Result<Keyring, VaultError> {
        if self.is_full() {
            return Err(VaultError::Full { keys: self.0.len() });
        }
        Ok(Keyring([vec![HostKey::random()?], self.0.clone()].concat()))
    }

    /// Whether there are as many keys as may be: no new one is put before them.
    pub fn is_full(&self) -> bool {
        self.0.len() >= MAX_KEYS
    }

    /// Those of the keys that `keep` names; all of them, if it names none.
    pub fn keeping(&self, keep: impl Fn(KeyId) -> bool) -> Keyring {
        let kept: Vec<HostKey> = self.0.iter().filter(|key| keep(key.id)).cloned().collect();
        if kept.is_empty() { self.clone() } else { Keyring(kept) }
    }

    /// These keys, and behind them those of the other that are not among them.
    pub(super) fn and(&self, other: &Keyring) -> Keyring {
        let missing = other.0.iter().filter(|key| self.find(key.id).is_none()).cloned();
        Keyring(self.0.iter().cloned().chain(missing).collect())
    }

    /// The ids of the keys, the current one first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.0.iter().map(|key| key.id)
    }

    pub fn current_id(&self) -> KeyId {
        self.current().id
    }

    pub(super) fn keys(&self) -> &[HostKey] {
        &self.0
    }

    pub(super) fn current(&self) -> &HostKey {
        self.0.first().expect("invariant: a keyring has a key")
    }

    pub(super) fn find(&self, id: KeyId) -> Option<&HostKey> {
        self.0.iter().find(|key| key.id == id)
    }
}
