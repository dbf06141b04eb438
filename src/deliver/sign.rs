//! Signatures as Standard Webhooks 1.0 defines them, over `{id}.{timestamp}.{body}`: HMAC-SHA256 (`v1`) and ed25519
//! (`v1a`). Pure.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::ed25519::signature::MultipartSigner as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::model::SigningKey;

/// The same in every attempt of a delivery, so that receivers can drop duplicates.
pub const ID_HEADER: &str = "webhook-id";
/// The Unix time of this attempt in seconds: receivers refuse one that is minutes old.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The signatures, separated by spaces.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// The length of the longest signature, with its version and the space before it.
const LONGEST: usize = " v1a,".len() + 64_usize.div_ceil(3) * 4;

/// The digits of an `i64`, and its sign.
const LONGEST_DECIMAL: usize = 20;

/// The value of `webhook-signature`: one signature for each key, in their order, separated by spaces. The current key
/// comes first, because some receivers read no other; during a rotation, the old one follows. `id` has no dot in it;
/// `timestamp` is in Unix seconds.
pub fn signatures(keys: &[SigningKey], id: &str, timestamp: i64, body: &[u8]) -> String {
    // Signed in pieces, so that the body need not be copied behind the prefix.
    let mut decimal = [0; LONGEST_DECIMAL];
    let mut left = decimal.as_mut_slice();
    write!(left, "{timestamp}").expect("invariant: there is room for every i64");
    let digits = LONGEST_DECIMAL - left.len();
    let message = [id.as_bytes(), b".", &decimal[..digits], b".", body];

    let mut list = String::with_capacity(keys.len() * LONGEST);
    for key in keys {
        if !list.is_empty() {
            list.push(' ');
        }
        match key {
            SigningKey::Hmac(secret) => {
                let mut hash =
                    Hmac::<Sha256>::new_from_slice(secret.expose()).expect("invariant: HMAC takes a key of any length");
                for piece in message {
                    hash.update(piece);
                }
                list.push_str("v1,");
                BASE64.encode_string(hash.finalize().into_bytes(), &mut list);
            }
            SigningKey::Ed25519(key) => {
                list.push_str("v1a,");
                BASE64.encode_string(key.expose().multipart_sign(&message).to_bytes(), &mut list);
            }
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Ed25519Key;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const PAIR: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    /// The seed of the bytes 0 to 31.
    const COUNTED: &str = "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn keys<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<SigningKey> {
        texts.into_iter().map(|text| SigningKey::parse(text).unwrap()).collect()
    }

    #[test]
    fn signs_as_others_do() {
        let check = |texts: &[&str], (id, timestamp, body): (&str, i64, &str), want: &str| {
            let list = signatures(&keys(texts.iter().copied()), id, timestamp, body.as_bytes());
            assert_eq!(list, want, "{texts:?}");
            assert!(list.capacity() <= texts.len() * LONGEST, "it had to grow");
        };
        let example = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        // The example of the reference libraries' documentation, and that of Svix's tests for ed25519.
        let hmac = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let ed25519 = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";
        check(&[SECRET], example, hmac);
        check(&[PAIR], example, ed25519);
        check(&[SECRET, PAIR], example, &format!("{hmac} {ed25519}"));
        check(&[PAIR, SECRET], example, &format!("{ed25519} {hmac}"));
        check(&[PAIR, PAIR, PAIR], example, &format!("{ed25519} {ed25519} {ed25519}"));
        check(&[], example, "");
        // Made with Python's `cryptography`.
        check(
            &[COUNTED],
            ("chg_01", -1, "{\"name\":\"\u{1f980}.\"}"),
            "v1a,a/kLEMS6crTwyZ4lstWH1JrwcHPBjOxhVUuaw4bDqROnzRDhodaahhu7PbYWaqwQ9D3z6lBCP/Bs9KjW1zWfDg==",
        );
    }

    #[test]
    fn an_independent_verifier_agrees() {
        for bytes in [24, 32, 64] {
            let text = format!("whsec_{}", BASE64.encode(vec![bytes; usize::from(bytes)]));
            let keys = keys([text.as_str()]);
            let verifier = standardwebhooks::Webhook::new(&text).unwrap();
            for body in [&b"{}"[..], b"", "{\"name\":\"\u{1f980}.\"}".as_bytes()] {
                for timestamp in [0, -1, 1_700_000_000, i64::MIN, i64::MAX] {
                    let signature = verifier.sign("chg_01", timestamp, body).unwrap();
                    assert_eq!(signatures(&keys, "chg_01", timestamp, body), signature);
                    assert_ne!(signatures(&keys, "chg_02", timestamp, body), signature);
                    assert_ne!(signatures(&keys, "chg_01", timestamp ^ 1, body), signature);
                }
            }
        }
    }

    #[test]
    fn an_ed25519_signature_covers_all_of_it() {
        let key = Ed25519Key::from_bytes([7; Ed25519Key::BYTES]);
        let public = BASE64.decode(key.public_text().strip_prefix("whpk_").unwrap()).unwrap();
        let public = ed25519_dalek::VerifyingKey::from_bytes(public.as_slice().try_into().unwrap()).unwrap();
        let verifies = |list: &str, message: &str| {
            let signature = BASE64.decode(list.strip_prefix("v1a,").unwrap()).unwrap();
            public.verify_strict(message.as_bytes(), &signature.as_slice().try_into().unwrap()).is_ok()
        };
        let list = signatures(&[key.into()], "chg_01", 1_700_000_000, b"{}");
        assert!(verifies(&list, "chg_01.1700000000.{}"));
        for other in ["chg_02.1700000000.{}", "chg_01.1700000001.{}", "chg_01.1700000000.{} ", "chg_01.1700000000."] {
            assert!(!verifies(&list, other), "{other}");
        }
    }
}
