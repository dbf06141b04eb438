//! The required signatures of a driver's file: a policy over public keys, checked offline, before anything of the file
//! is parsed or compiled.
//!
//! A signature counts if a key of the policy made it over the file itself (a detached signature beside it), or over
//! cosign's payload for the registry artifact that contained the file (`evidence`).

mod chain;
mod claim;
mod detached;

use std::fmt;
use std::path::Path;

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use spki::der::Decode as _;
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use super::evidence::Evidence;
use claim::{Claim, file_name, unless};

/// Which signatures there must be. An empty policy asks for none.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    pub all_of: Vec<PublicKey>,
    pub any_of: Option<AnyOf>,
}

/// Signatures by so many of these keys.
#[derive(Clone, Debug)]
pub struct AnyOf {
    /// At least 1, and at most as many as there are keys.
    pub minimum: usize,
    pub keys: Vec<PublicKey>,
}

/// A key and what the operator calls it.
#[derive(Clone)]
pub struct PublicKey {
    name: String,
    /// Its DER, by which two keys are the same.
    der: Vec<u8>,
    /// The key itself, as its kind has it.
    bits: Vec<u8>,
    /// Each that such a key may sign by.
    algorithms: &'static [&'static dyn VerificationAlgorithm],
}

/// Kinds of keys (RFC 5480, 8017 and 8410), and the curves of ECDSA.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

#[derive(Debug, thiserror::Error)]
pub enum InvalidKey {
    #[error("key {name:?}: it is not a public key in PEM (-----BEGIN PUBLIC KEY-----)")]
    NotPem { name: String },
    #[error("key {name:?}: it is a private key: give the public one, and keep this one to yourself")]
    Private { name: String },
    #[error(
        "key {name:?}: its kind is not supported; supported are ECDSA (P-256, P-384), Ed25519 and RSA from 2048 bits"
    )]
    Kind { name: String },
}

#[derive(Debug, thiserror::Error)]
pub enum InvalidPolicy {
    #[error("keys {0:?} and {1:?} are the same key: one signature would count for both")]
    SameKey(String, String),
    #[error("two keys are called {0:?}")]
    SameName(String),
    #[error("any_of.minimum is {minimum}, of {keys} keys: it has to be 1 to {keys}")]
    Minimum { minimum: usize, keys: usize },
}

/// A file does not have the signatures that the policy asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Unsigned {
    /// The keys of `all_of` by which it is not signed.
    missing: Vec<String>,
    /// By how many keys of `any_of` it is signed, where that is not enough.
    too_few: Option<TooFew>,
    /// What was found beside the file, and why each did not count.
    found: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct TooFew {
    signed: usize,
    minimum: usize,
    keys: Vec<String>,
}

impl Policy {
    pub fn is_empty(&self) -> bool {
        self.all_of.is_empty() && self.any_of.is_none()
    }

    /// Whether it says what it seems to say.
    pub fn validate(&self) -> Result<(), InvalidPolicy> {
        if let Some(AnyOf { minimum, keys }) = &self.any_of {
            if *minimum == 0 || *minimum > keys.len() {
                return Err(InvalidPolicy::Minimum { minimum: *minimum, keys: keys.len() });
            }
            each_is_another(keys)?;
        }
        each_is_another(&self.all_of)
    }

    /// Holds a file against the policy, with what lies beside it. Gives the names of the keys that signed it.
    pub fn check(&self, file: &Path, bytes: &[u8], sha256: &str) -> Result<Vec<String>, Unsigned> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        let evidence = unless(Evidence::read(file), &Evidence::path_of(file), &mut found).flatten();
        let mut claims = detached::claims(file, bytes, &mut found);
        if let Some(evidence) = &evidence {
            let place = file_name(&Evidence::path_of(file));
            match chain::claims(evidence, sha256) {
                Ok(signed) => claims.extend(signed),
                Err(broken) => found.push(format!("{place}: {broken}")),
            }
        }
        let any_of = self.any_of.iter().flat_map(|any_of| &any_of.keys);
        let keys: Vec<&PublicKey> = self.all_of.iter().chain(any_of).collect();
        let mut signed_by: Vec<&str> = Vec::new();
        for claim in &claims {
            let signers: Vec<&str> = keys.iter().filter(|key| key.signed(claim)).map(|key| key.name()).collect();
            if signers.is_empty() {
                found.push(format!("{}: by no key of the policy, or over another file", claim.place));
            }
            signed_by.extend(signers);
        }
        signed_by.sort_unstable();
        signed_by.dedup();
        self.judge(&signed_by, found)?;
        Ok(signed_by.into_iter().map(str::to_owned).collect())
    }

    fn judge(&self, signed_by: &[&str], found: Vec<String>) -> Result<(), Unsigned> {
        let is_signed = |key: &&PublicKey| signed_by.contains(&key.name());
        let missing: Vec<String> =
            self.all_of.iter().filter(|key| !is_signed(key)).map(|key| key.name.clone()).collect();
        let too_few = self.any_of.as_ref().and_then(|AnyOf { minimum, keys }| {
            let signed = keys.iter().filter(is_signed).count();
            let keys = keys.iter().map(|key| key.name.clone()).collect();
            (signed < *minimum).then_some(TooFew { signed, minimum: *minimum, keys })
        });
        match missing.is_empty() && too_few.is_none() {
            true => Ok(()),
            false => Err(Unsigned { missing, too_few, found }),
        }
    }
}

impl PublicKey {
    /// Reads a public key in PEM, as cosign and openssl write it.
    pub fn parse(name: &str, pem: &str) -> Result<PublicKey, InvalidKey> {
        let name = || name.to_owned();
        let der = match SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()) {
            Ok(der) => der.to_vec(),
            Err(_) if pem.contains("PRIVATE KEY") => return Err(InvalidKey::Private { name: name() }),
            Err(_) => return Err(InvalidKey::NotPem { name: name() }),
        };
        let (algorithms, bits) = kind_of(&der).ok_or_else(|| InvalidKey::Kind { name: name() })?;
        let bits = bits.to_vec();
        Ok(PublicKey { name: name(), der, bits, algorithms })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    fn signed(&self, claim: &Claim<'_>) -> bool {
        let is_by = |algorithm: &&'static dyn VerificationAlgorithm| {
            UnparsedPublicKey::new(*algorithm, &self.bits).verify(claim.message, &claim.signature).is_ok()
        };
        self.algorithms.iter().any(is_by)
    }
}

/// What keys of each kind sign by.
static BY_RSA: [&dyn VerificationAlgorithm; 2] = [&RSA_PKCS1_2048_8192_SHA256, &RSA_PSS_2048_8192_SHA256];
static BY_ED25519: [&dyn VerificationAlgorithm; 1] = [&ED25519];
static BY_P256: [&dyn VerificationAlgorithm; 1] = [&ECDSA_P256_SHA256_ASN1];
static BY_P384: [&dyn VerificationAlgorithm; 1] = [&ECDSA_P384_SHA384_ASN1];

/// What a key in DER signs by, and its bits.
fn kind_of(der: &[u8]) -> Option<(&'static [&'static dyn VerificationAlgorithm], &[u8])> {
    let info = SubjectPublicKeyInfoRef::from_der(der).ok()?;
    let bits = info.subject_public_key.as_bytes()?;
    let algorithms: &'static [&'static dyn VerificationAlgorithm] = match info.algorithm.oid {
        RSA if is_rsa_of_2048(bits) => &BY_RSA,
        ED25519_KEY => &BY_ED25519,
        EC => match info.algorithm.parameters_oid().ok()? {
            P256 => &BY_P256,
            P384 => &BY_P384,
            _ => return None,
        },
        _ => return None,
    };
    Some((algorithms, bits))
}

/// Whether a key is long enough to count: no signature of a shorter one would be verified. Beside the modulus it has an exponent
/// of a few bytes.
fn is_rsa_of_2048(bits: &[u8]) -> bool {
    bits.len() > 2048 / 8
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("name", &self.name).finish_non_exhaustive()
    }
}

impl std::error::Error for Unsigned {}

impl fmt::Display for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unsigned { missing, too_few, found } = self;
        f.write_str("it is not signed as drivers.signatures asks:")?;
        if !missing.is_empty() {
            write!(f, " not by {}", missing.join(", "))?;
        }
        if let Some(TooFew { signed, minimum, keys }) = too_few {
            let and = if missing.is_empty() { "" } else { ", and" };
            write!(f, "{and} by {signed} of {}, where {minimum} have to", keys.join(", "))?;
        }
        match found.is_empty() {
            true => f.write_str("; no signature is beside it"),
            false => write!(f, "; beside it: {}", found.join("; ")),
        }
    }
}

fn each_is_another(keys: &[PublicKey]) -> Result<(), InvalidPolicy> {
    for (at, key) in keys.iter().enumerate() {
        for other in &keys[..at] {
            if other.der == key.der {
                return Err(InvalidPolicy::SameKey(other.name.clone(), key.name.clone()));
            }
            if other.name == key.name {
                return Err(InvalidPolicy::SameName(key.name.clone()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
