//! Computes values with secrets, and lists the forms in which these values may appear. Pure.

use ring::{digest, hmac, rand, signature};

pub(crate) use crate::driver::bindings::v0_2::credentials::{Hash, Scheme};

/// Why nothing can be computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("the chain is empty: there is nothing to sign")]
    EmptyChain,
    #[error("it is not an RSA private key: {0}")]
    NoKey(String),
    #[error("{name:?} cannot be used: {why}")]
    Named { name: String, why: Box<Unusable> },
    #[error("signing failed")]
    Failed,
}

impl Unusable {
    /// The same, of the secret of that name.
    pub(in crate::driver) fn of(self, name: &str) -> Unusable {
        Unusable::Named { name: name.to_owned(), why: Box::new(self) }
    }
}

/// HMAC (RFC 2104) over a chain of messages: over the first one with the key, over each further one with the result before.
pub(crate) fn hmac<M: AsRef<[u8]>>(hash: Hash, key: &[u8], chain: &[M]) -> Result<Vec<u8>, Unusable> {
    let algorithm = match hash {
        Hash::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => hmac::HMAC_SHA256,
        Hash::Sha512 => hmac::HMAC_SHA512,
    };
    let (first, rest) = chain.split_first().ok_or(Unusable::EmptyChain)?;
    let sign = |key: &[u8], message: &[u8]| hmac::sign(&hmac::Key::new(algorithm, key), message);
    let last = rest.iter().fold(sign(key, first.as_ref()), |key, message| sign(key.as_ref(), message.as_ref()));
    Ok(last.as_ref().to_vec())
}

pub(crate) fn digest(hash: Hash, message: &[u8]) -> Vec<u8> {
    let algorithm = match hash {
        Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha512 => &digest::SHA512,
    };
    digest::digest(algorithm, message).as_ref().to_vec()
}

/// An RSA signature (RFC 8017) with SHA-256. The key is PEM: PKCS#8 or PKCS#1.
pub(crate) fn rsa(scheme: Scheme, key: &str, message: &[u8]) -> Result<Vec<u8>, Unusable> {
    let pair = pair(key)?;
    let padding: &dyn signature::RsaEncoding = match scheme {
        Scheme::Rs256 => &signature::RSA_PKCS1_SHA256,
        Scheme::Ps256 => &signature::RSA_PSS_SHA256,
    };
    let mut signed = vec![0; pair.public().modulus_len()];
    pair.sign(padding, &rand::SystemRandom::new(), message, &mut signed).map_err(|_| Unusable::Failed)?;
    Ok(signed)
}

/// Whether a text is an RSA private key, and this is its signature of a message.
pub(crate) fn is_rsa(scheme: Scheme, key: &str, message: &[u8], signature: &[u8]) -> bool {
    let padding: &signature::RsaParameters = match scheme {
        Scheme::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Scheme::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
    };
    let verify = |pair: signature::RsaKeyPair| {
        signature::UnparsedPublicKey::new(padding, pair.public()).verify(message, signature).is_ok()
    };
    pair(key).is_ok_and(verify)
}

fn pair(key: &str) -> Result<signature::RsaKeyPair, Unusable> {
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject as _;

    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| Unusable::NoKey("expected PEM, PKCS#8 or PKCS#1".into()))?;
    let pair = match &key {
        PrivateKeyDer::Pkcs8(der) => signature::RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => signature::RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(Unusable::NoKey("it is a key of another kind".into())),
    };
    pair.map_err(|rejected| Unusable::NoKey(rejected.to_string()))
}

/// A private key as it is without PEM, where the secret is one.
pub(in crate::driver) fn der(secret: &str) -> Option<Vec<u8>> {
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject as _;

    if !secret.contains("PRIVATE KEY-----") {
        return None;
    }
    PrivateKeyDer::from_pem_slice(secret.as_bytes()).ok().map(|key| key.secret_der().to_vec())
}

/// Whether the HMAC over a chain that ends so may be given to a driver, as contract 0.1 does: a signature of one request,
/// and not a key from which signatures can be made. Keys are derived from words (a date, a region, a service), and
/// requests are signed over texts of several lines or fields.
pub(in crate::driver) fn is_signature(prefix: &[u8], chain: &[Vec<u8>]) -> bool {
    let Some(last) = chain.last() else { return true };
    let is_derived = !prefix.is_empty() || chain.len() > 1;
    let has_lines = last.contains(&b'\n');
    let is_word = last.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:".contains(byte));
    has_lines || !(is_derived || is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_are_those_of_the_published_tests() {
        // RFC 2202 and RFC 4231, test case 2; AWS's example of a derived signing key.
        let check = |hash, key: &[u8], chain: &[&str], want: &str| {
            assert_eq!(hex::encode(hmac(hash, key, chain).expect("computed")), want);
        };
        let text = "what do ya want for nothing?";
        check(Hash::Sha1, b"Jefe", &[text], "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        check(Hash::Sha256, b"Jefe", &[text], "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        check(
            Hash::Sha512,
            b"Jefe",
            &[text],
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        );
        check(
            Hash::Sha256,
            b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            &["20120215", "us-east-1", "iam", "aws4_request"],
            "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d",
        );
        assert_eq!(hmac::<&str>(Hash::Sha1, b"k", &[]), Err(Unusable::EmptyChain));
    }

    #[test]
    fn digests_are_those_of_the_published_tests() {
        let check = |hash, want: &str| assert_eq!(hex::encode(digest(hash, b"abc")), want);
        check(Hash::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
        check(Hash::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        check(
            Hash::Sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        );
    }

    #[test]
    fn signs_as_openssl_does() {
        let message = b"a message to sign";
        for key in [include_str!("../../../tests/data/rs256.pem"), include_str!("../../../tests/data/rs256-pkcs1.pem")]
        {
            let signed = rsa(Scheme::Rs256, key, message).expect("signed");
            assert_eq!(signed, include_bytes!("../../../tests/data/rs256.sig"));
            // PSS has a salt, so it is another signature each time.
            let signed = rsa(Scheme::Ps256, key, message).expect("signed");
            let public = public_key(key);
            let verified = signature::UnparsedPublicKey::new(&signature::RSA_PSS_2048_8192_SHA256, public);
            verified.verify(message, &signed).expect("it is a signature");
        }
        assert!(matches!(rsa(Scheme::Ps256, "a password", message), Err(Unusable::NoKey(_))));
    }

    fn public_key(pem: &str) -> Vec<u8> {
        use rustls::pki_types::PrivateKeyDer;
        use rustls::pki_types::pem::PemObject as _;
        let pair = match PrivateKeyDer::from_pem_slice(pem.as_bytes()).expect("PEM") {
            PrivateKeyDer::Pkcs8(der) => signature::RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => signature::RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => panic!("a key of another kind"),
        };
        signature::KeyPair::public_key(&pair.expect("a key")).as_ref().to_vec()
    }

    #[test]
    fn no_key_is_taken_for_a_signature() {
        let check = |prefix: &str, chain: &[&str], want: bool| {
            let chain: Vec<Vec<u8>> = chain.iter().map(|message| message.as_bytes().to_vec()).collect();
            assert_eq!(is_signature(prefix.as_bytes(), &chain), want, "{prefix} {chain:?}");
        };
        let aws = ["20261128", "eu-west-1", "ec2", "aws4_request"];
        for end in 1..=aws.len() {
            check("AWS4", &aws[..end], false);
            check("TC3", &aws[..end], false);
            check("", &aws[..end], false);
        }
        check(
            "AWS4",
            &["20261128", "eu-west-1", "ec2", "aws4_request", "AWS4-HMAC-SHA256\n20261128T0000Z\nx\ny"],
            true,
        );
        check("aliyun_v4", &["20261128", "cn-hangzhou", "ecs", "aliyun_v4_request"], false);
        check("", &["GET\n/\n"], true);
        check("", &["apikey=a&command=b"], true);
        check("", &["request"], false);
        // Behind a prefix, any text may be one of which a key is made.
        check("k", &["apikey=a&command=b"], false);
    }
}
