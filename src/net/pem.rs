//! Certificates and keys of an operator, in PEM: private root certificates, and a client certificate with its key. Both
//! are checked completely when they are read, not at the first connection.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};

/// The authorities that an account's own endpoint is believed by.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PrivateRoots {
    certificates: Arc<[CertificateDer<'static>]>,
    reach: RootsReach,
}

/// Whether private roots stand alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RootsReach {
    /// Nobody else is believed: an endpoint that a private authority vouches for has no business with a
    /// certificate of a public one, which many could get for its name.
    #[default]
    Only,
    /// Beside the machine's own.
    Also,
}

/// A client certificate with its key. Two are equal if both are.
#[derive(Clone)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    /// Of chain and key: it stands for them where they are compared, so that the key is held by TLS alone.
    digest: [u8; 32],
}

/// What is wrong with a PEM file, or with two.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    #[error("it is not PEM: {0}")]
    Malformed(String),
    #[error("there is no certificate in it: expected PEM with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    #[error("certificate {0} in it cannot be used as a root: {1}")]
    NoRoot(usize, String),
    #[error(
        "there is no private key in it: expected PEM with -----BEGIN PRIVATE KEY-----, and without a passphrase \
         (openssl pkey -in KEY -out KEY.plain takes it off)"
    )]
    NoKey,
    #[error("its key cannot be used: {0}. Use RSA, ECDSA on P-256 or P-384, or Ed25519")]
    Key(String),
    #[error("its certificate cannot be used: {0}")]
    Certificate(String),
    #[error(
        "the key does not fit the certificate: give the matching pair, with the client's own \
             certificate first"
    )]
    NotItsKey,
}

impl PrivateRoots {
    pub fn from_pem(text: &[u8], reach: RootsReach) -> Result<PrivateRoots, PemError> {
        let certificates = certificates(text)?;
        let mut store = RootCertStore::empty();
        for (at, certificate) in certificates.iter().enumerate() {
            store.add(certificate.clone()).map_err(|error| PemError::NoRoot(at + 1, error.to_string()))?;
        }
        Ok(PrivateRoots { certificates: certificates.into(), reach })
    }

    /// Whom to believe, on a machine that believes in these.
    pub(super) fn beside(&self, system: &RootCertStore) -> RootCertStore {
        let mut store = match self.reach {
            RootsReach::Only => RootCertStore::empty(),
            RootsReach::Also => system.clone(),
        };
        store.add_parsable_certificates(self.certificates.iter().cloned());
        store
    }
}

impl Identity {
    /// SHA-256 of chain and key, which tells two apart.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The client's own certificate, perhaps with those between it and its authority behind it, and its key.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Identity, PemError> {
        let chain = certificates(chain)?;
        let key = match PrivateKeyDer::from_pem_slice(key) {
            Ok(key) => key,
            Err(pem::Error::NoItemsFound) => return Err(PemError::NoKey),
            Err(error) => return Err(PemError::Malformed(error.to_string())),
        };
        let mut digest = Sha256::new();
        for certificate in &chain {
            digest.update((certificate.len() as u64).to_be_bytes());
            digest.update(certificate);
        }
        digest.update(key.secret_der());
        let provider = rustls::crypto::ring::default_provider();
        let signer = provider.key_provider.load_private_key(key).map_err(|error| PemError::Key(error.to_string()))?;
        let key = CertifiedKey::new(chain, signer);
        match key.keys_match() {
            Ok(()) => {}
            Err(rustls::Error::InconsistentKeys(_)) => return Err(PemError::NotItsKey),
            // X.509's first version, which openssl makes where no extension is asked for, is not read as a server's
            // here; to show one is no harm, and the key stands in it as in any other.
            Err(_) if holds_its_key(&key) => {}
            Err(error) => return Err(PemError::Certificate(error.to_string())),
        }
        Ok(Identity { key: Arc::new(key), digest: digest.finalize().into() })
    }

    pub(super) fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }
}

/// Whether the public key is somewhere in the certificate, which says it in the same bytes (RFC 5280, 4.1.2.7).
fn holds_its_key(key: &CertifiedKey) -> bool {
    let (Some(own), Some(public)) = (key.cert.first(), key.key.public_key()) else { return false };
    memchr::memmem::find(own, &public).is_some()
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(PemError::NoCertificate),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(PemError::Malformed(error.to_string())),
    }
}

impl fmt::Debug for PrivateRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateRoots({:?}, {} certificates)", self.reach, self.certificates.len())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} certificates)", self.key.cert.len())
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Identity) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey as Made, KeyPair, generate_simple_self_signed};

    use super::*;

    #[test]
    fn roots_are_read_or_what_is_wrong_with_them_is_said() {
        let Made { cert, signing_key } = generate_simple_self_signed(["ca".to_owned()]).unwrap();
        let one = cert.pem();
        let check = |text: &str, want: Result<usize, &str>| match (
            PrivateRoots::from_pem(text.as_bytes(), RootsReach::Only),
            want,
        ) {
            (Ok(roots), Ok(count)) => assert_eq!(roots.certificates.len(), count),
            (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}"),
            (got, want) => panic!("got {got:?}, want {want:?}"),
        };
        check(&one, Ok(1));
        check(&format!("a comment\n{one}\n{one}"), Ok(2));
        check("", Err("no certificate in it"));
        check("garbage", Err("no certificate in it"));
        check(&signing_key.serialize_pem(), Err("no certificate in it"));
        check("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n", Err("not PEM"));
        check("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", Err("certificate 1 in it"));
        check(&one.replace("-----END CERTIFICATE-----", ""), Err("not PEM"));
    }

    #[test]
    fn private_roots_stand_alone_or_beside_the_machines_own() {
        let pem = || generate_simple_self_signed(["ca".to_owned()]).unwrap().cert.pem();
        let (own, private) = (pem(), pem());
        let mut system = RootCertStore::empty();
        system.add_parsable_certificates(certificates(own.as_bytes()).unwrap());
        let check = |reach: RootsReach, want: usize| {
            let roots = PrivateRoots::from_pem(private.as_bytes(), reach).unwrap();
            assert_eq!(roots.beside(&system).len(), want, "{reach:?}");
        };
        check(RootsReach::Only, 1);
        check(RootsReach::Also, 2);
    }

    #[test]
    fn a_client_certificate_comes_with_its_own_key() {
        let Made { cert, signing_key } = generate_simple_self_signed(["client".to_owned()]).unwrap();
        let (chain, key) = (cert.pem(), signing_key.serialize_pem());
        let other = KeyPair::generate().unwrap().serialize_pem();
        let read = |chain: &str, key: &str| Identity::from_pem(chain.as_bytes(), key.as_bytes());
        let check = |chain: &str, key: &str, want: &str| {
            let error = read(chain, key).expect_err(want);
            assert!(error.to_string().contains(want), "{error}");
        };
        check("", &key, "no certificate");
        check(&chain, "", "no private key");
        check(&chain, &chain, "no private key");
        check(&chain, &key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), "no private key");
        check(&chain, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "cannot be used");
        check(&chain, &other, "does not fit");

        read(FIRST_VERSION, FIRST_VERSIONS_KEY).expect("the first version of X.509 is shown as well");
        check(FIRST_VERSION, &other, "cannot be used");

        let identity = read(&chain, &key).unwrap();
        assert_eq!(identity, read(&chain, &key).unwrap());
        assert_ne!(identity, read(&format!("{chain}{chain}"), &key).unwrap());
        let secret = key.lines().nth(1).unwrap();
        assert!(!format!("{identity:?}").contains(secret));
    }

    /// What `openssl x509 -req -signkey` makes of a request, and a key as `openssl ecparam -genkey` writes it. They
    /// are for this test alone.
    const FIRST_VERSION: &str = "-----BEGIN CERTIFICATE-----
MIIBLDCB0wIUIQxbiICam+1dAfwa57zcBo1lsEwwCgYIKoZIzj0EAwIwGDEWMBQG
A1UEAwwNZmlyc3QtdmVyc2lvbjAgFw0yNjExMjMwNTA3MDdaGA8yMTI2MTAzMDA1
MDcwN1owGDEWMBQGA1UEAwwNZmlyc3QtdmVyc2lvbjBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABMmWBW/sqv5yi0Ts7anSoXA3+KGIa5iNu9M8Lqh8cypb0HwtEkUw
+cPG4+fQ3b280m/trArzAEVNom+9wCekbw4wCgYIKoZIzj0EAwIDSAAwRQIgWSKl
9h/STpt/n3JNY+gTIAAOgMA9O/KjjnUIlvG7f9MCIQCabY+ttSFsXdZBHgVcjG3a
s5oHARBEY//OV+ZSSuhJsw==
-----END CERTIFICATE-----
";
    const FIRST_VERSIONS_KEY: &str = "-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIPf5SqNm/OuZsHU+B53YmIECHYtEV3YZuYXxdBi5GKnRoAoGCCqGSM49
AwEHoUQDQgAEyZYFb+yq/nKLROztqdKhcDf4oYhrmI270zwuqHxzKlvQfC0SRTD5
w8bj59DdvbzSb+2sCvMARU2ib73AJ6RvDg==
-----END EC PRIVATE KEY-----
";
}
