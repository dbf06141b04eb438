//! The policy, and signatures of each kind of key. `tests/it` tests the output of cosign and openssl.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair as RsaKeyPair;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
};
use rustls::pki_types::PrivatePkcs8KeyDer;

use super::*;
use crate::supply::evidence::SignedPayload;

/// What stands before the bits of a key (RFC 5280, 4.1.2.7): its kind, and how long it is.
const P256_KEY: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
const P384_KEY: &[u8] = b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
const P521_KEY: &[u8] =
    b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23\x03\x81\x86\x00";
const ED25519_BITS: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
const RSA_KEY: &[u8] =
    b"\x30\x82\x01\x22\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03\x82\x01\x0f\x00";

fn pem(kind: &[u8], bits: &[u8]) -> String {
    let der = BASE64.encode([kind, bits].concat());
    format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----")
}

fn key(name: &str, pem: &str) -> PublicKey {
    PublicKey::parse(name, pem).expect(name)
}

/// A new key, by its PEM and what it signs with.
fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm, kind: &[u8]) -> (String, EcdsaKeyPair) {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).expect("a key");
    (pem(kind, pair.public_key().as_ref()), pair)
}

/// The PEM of a new key.
fn some_key() -> String {
    ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING, P256_KEY).0
}

#[test]
fn each_kind_of_key_verifies_what_it_signed() {
    const MESSAGE: &[u8] = b"a driver";
    let random = SystemRandom::new();
    let mut signed: Vec<(&str, String, Vec<u8>)> = Vec::new();
    for (name, algorithm, kind) in
        [("P-256", &ECDSA_P256_SHA256_ASN1_SIGNING, P256_KEY), ("P-384", &ECDSA_P384_SHA384_ASN1_SIGNING, P384_KEY)]
    {
        let (pem, pair) = ecdsa(algorithm, kind);
        signed.push((name, pem, pair.sign(&random, MESSAGE).expect("signed").as_ref().to_vec()));
    }
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key");
    signed.push(("Ed25519", pem(ED25519_BITS, pair.public_key().as_ref()), pair.sign(MESSAGE).as_ref().to_vec()));
    let rsa = PrivatePkcs8KeyDer::from_pem_slice(include_bytes!("../../../tests/data/rs256.pem")).expect("a key");
    let rsa = RsaKeyPair::from_pkcs8(rsa.secret_pkcs8_der()).expect("a key");
    let encodings: [(&str, &'static dyn RsaEncoding); 2] = [("RSA", &RSA_PKCS1_SHA256), ("RSA-PSS", &RSA_PSS_SHA256)];
    for (name, encoding) in encodings {
        let mut signature = vec![0; rsa.public().modulus_len()];
        rsa.sign(encoding, &random, MESSAGE, &mut signature).expect("signed");
        signed.push((name, pem(RSA_KEY, rsa.public().as_ref()), signature));
    }
    for (name, pem, signature) in &signed {
        let key = key(name, pem);
        let check = |message: &[u8], signature: &[u8], want: bool| {
            let claim = Claim { message, signature: signature.to_vec(), place: String::new() };
            assert_eq!(key.signed(&claim), want, "{name}");
        };
        check(MESSAGE, signature, true);
        check(b"another driver", signature, false);
        for cut in 0..signature.len() {
            check(MESSAGE, &signature[..cut], false);
        }
        for (other, _, signature) in signed.iter().filter(|(_, other, _)| other != pem) {
            assert_ne!(other, name);
            check(MESSAGE, signature, false);
        }
    }
}

#[test]
fn what_is_no_public_key_is_told() {
    let check = |pem: &str, want: &str| {
        let error = PublicKey::parse("release", pem).expect_err(want).to_string();
        assert!(error.contains("\"release\"") && error.contains(want), "{error}");
    };
    check("", "not a public key in PEM");
    check("c29tZXRoaW5n", "not a public key in PEM");
    check(include_str!("../../../tests/data/rs256.pem"), "it is a private key");
    check("-----BEGIN PUBLIC KEY-----\nAAEC\n-----END PUBLIC KEY-----", "its kind is not supported");
    check(&pem(P521_KEY, &[4; 133]), "its kind is not supported");
    let short_rsa = [RSA_KEY[..2].to_vec(), RSA_KEY[4..].to_vec()].concat();
    check(&pem(&short_rsa, &[0; 140]), "its kind is not supported");
}

#[test]
fn a_policy_says_what_it_seems_to_say() {
    let (first, second) = (some_key(), some_key());
    let (a, b) = (key("a", &first), key("b", &second));
    let any_of = |minimum: usize, keys: &[&PublicKey]| Policy {
        all_of: vec![],
        any_of: Some(AnyOf { minimum, keys: keys.iter().map(|&key| key.clone()).collect() }),
    };
    let check = |policy: Policy, want: Option<&str>| {
        let error = policy.validate().err().map(|error| error.to_string());
        match (error, want) {
            (None, None) => {}
            (Some(error), Some(want)) => assert!(error.contains(want), "{error}"),
            (got, want) => panic!("got {got:?}, want {want:?}"),
        }
    };
    check(Policy::default(), None);
    check(any_of(2, &[&a, &b]), None);
    check(any_of(0, &[&a]), Some("1 to 1"));
    check(any_of(2, &[&a]), Some("is 2, of 1 keys"));
    check(any_of(1, &[&a, &key("twin", &first)]), Some("the same key"));
    check(Policy { all_of: vec![a.clone(), key("a", &second)], any_of: None }, Some("two keys are called \"a\""));
}

#[test]
fn what_is_missing_is_named() {
    let (first, second) = (some_key(), some_key());
    let (a, b) = (key("a", &first), key("b", &second));
    let policy = Policy { all_of: vec![a.clone()], any_of: Some(AnyOf { minimum: 1, keys: vec![b] }) };
    let check = |signed_by: &[&str], found: &[&str], want: Option<&str>| {
        let found = found.iter().map(|&text| text.to_owned()).collect();
        let error = policy.judge(signed_by, found).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), want);
    };
    check(&["a", "b"], &["noise"], None);
    let asks = "it is not signed as drivers.signatures asks:";
    check(&["b"], &[], Some(&format!("{asks} not by a; no signature is beside it")));
    check(&["a"], &["x: why"], Some(&format!("{asks} by 0 of b, where 1 have to; beside it: x: why")));
    check(&[], &[], Some(&format!("{asks} not by a, and by 0 of b, where 1 have to; no signature is beside it")));
}

#[test]
fn each_link_of_the_chain_has_to_hold() {
    let hex = crate::supply::sha256;
    let file = hex(b"the driver");
    let layer = |digest: &str| format!("{{\"mediaType\":\"application/wasm\",\"digest\":\"sha256:{digest}\"}}");
    let manifest = |layers: &str| format!("{{\"schemaVersion\":2,\"layers\":[{layers}]}}");
    let payload = |manifest: &str, kind: &str| {
        format!(
            "{{\"critical\":{{\"image\":{{\"docker-manifest-digest\":\"sha256:{manifest}\"}},\"type\":\"{kind}\"}}}}"
        )
    };
    let check = |manifest: &str, payload: &str, want: Result<usize, &str>| {
        let signature = SignedPayload { payload: payload.into(), signature: vec![1] };
        let evidence = Evidence { manifest: manifest.into(), signatures: vec![signature] };
        match (chain::claims(&evidence, &file), want) {
            (Ok(claims), Ok(count)) => assert_eq!(claims.len(), count),
            (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}"),
            (got, want) => panic!("got {:?}, want {want:?}", got.map(|claims| claims.len())),
        }
    };
    let kind = "cosign container image signature";
    let good = manifest(&layer(&file));
    check(&good, &payload(&hex(good.as_bytes()), kind), Ok(1));
    check(&good, &payload(&hex(b"another manifest"), kind), Err("no signature of that manifest"));
    check(&good, &payload(&hex(good.as_bytes()), "attestation"), Err("no signature of that manifest"));
    check(&good, "garbage", Err("no signature of that manifest"));
    let other = manifest(&layer(&hex(b"another driver")));
    check(&other, &payload(&hex(other.as_bytes()), kind), Err("names another file"));
    let two = manifest(&format!("{},{}", layer(&file), layer(&file)));
    check(&two, &payload(&hex(two.as_bytes()), kind), Err("exactly one"));
    check(&manifest(""), "", Err("exactly one"));
    check("[]", "", Err("not an OCI manifest"));
    for cut in 0..good.len() {
        check(&good[..cut], &payload(&hex(&good.as_bytes()[..cut]), kind), Err(""));
    }
}
