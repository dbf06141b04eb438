//! The policy, and a signature that the real cosign made. What openssl signs is tried in `tests/it`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::*;
use crate::driver::evidence::SignedPayload;

/// From the tests of sigstore-rs 0.15 (src/crypto): cosign's signature of an image that its authors made.
const COSIGN_KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENptdY/l3nB0yqkXLBWkZWQwo6+cu
OSWS1X9vPavpiQOoTTGC0xX57OojUadxF1cdQmrsiReWg2Wn4FneJfa8xw==
-----END PUBLIC KEY-----";
const COSIGN_SIGNATURE: &str =
    "MEUCIQD6q/COgzOyW0YH1Dk+CCYSt4uAhm3FDHUwvPI55zwnlwIgE0ZK58ZOWpZw8YVmBapJhBqCfdPekIknimuO0xH8Jh8=";
const COSIGN_PAYLOAD: &str = r#"{"critical":{"identity":{"docker-reference":"registry-testing.svc.lan/busybox"},"image":{"docker-manifest-digest":"sha256:f3cfc9d0dbf931d3db4685ec659b7ac68e2a578219da4aae65427886e649b06b"},"type":"cosign container image signature"},"optional":null}"#;
/// Another key, of nobody's.
const OTHER_KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAETJP9cqpUQsn2ggmJniWGjHdlsHzD
JsB89BPhZYch0U0hKANx5TY+ncrm0s8bfJxxHoenAEFhwhuXeb4PqIrtoQ==
-----END PUBLIC KEY-----";

fn key(name: &str, pem: &str) -> PublicKey {
    PublicKey::parse(name, pem).expect(name)
}

#[test]
fn what_cosign_signed_is_verified() {
    let signature = BASE64.decode(COSIGN_SIGNATURE).expect("base64");
    let check = |key: &PublicKey, message: &str, signature: &[u8], want: bool| {
        let claim = Claim { message: message.as_bytes(), signature: signature.to_vec(), place: String::new() };
        assert_eq!(key.signed(&claim), want);
    };
    let cosign = key("cosign", COSIGN_KEY);
    check(&cosign, COSIGN_PAYLOAD, &signature, true);
    check(&key("other", OTHER_KEY), COSIGN_PAYLOAD, &signature, false);
    check(&cosign, &COSIGN_PAYLOAD.replace("busybox", "busyboy"), &signature, false);
    for cut in 0..signature.len() {
        check(&cosign, COSIGN_PAYLOAD, &signature[..cut], false);
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
    check("-----BEGIN PUBLIC KEY-----\nAAEC\n-----END PUBLIC KEY-----", "of a kind that is not known");
}

#[test]
fn a_policy_says_what_it_seems_to_say() {
    let (a, b) = (key("a", COSIGN_KEY), key("b", OTHER_KEY));
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
    check(any_of(1, &[&a, &key("twin", COSIGN_KEY)]), Some("the same key"));
    check(Policy { all_of: vec![a.clone(), key("a", OTHER_KEY)], any_of: None }, Some("two keys are called \"a\""));
}

#[test]
fn what_is_missing_is_named() {
    let (a, b) = (key("a", COSIGN_KEY), key("b", OTHER_KEY));
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
    use sha2::{Digest as _, Sha256};

    let hex = |bytes: &[u8]| Sha256::digest(bytes).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
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
    check("[]", "", Err("no OCI manifest"));
    for cut in 0..good.len() {
        check(&good[..cut], &payload(&hex(&good.as_bytes()[..cut]), kind), Err(""));
    }
}
