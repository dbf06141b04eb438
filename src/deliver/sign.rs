//! Signatures as Standard Webhooks 1.0 has them: HMAC-SHA256 over `{id}.{timestamp}.{body}`. Pure.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::model::SigningSecret;

/// The same on every try of a callback: receivers drop repeats by it.
pub const ID_HEADER: &str = "webhook-id";
/// Unix seconds of this try: receivers refuse what is minutes old.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The signatures, apart by spaces.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// One signature: `v1,` and base64. `id` has no dot in it; `timestamp` is in Unix seconds.
pub fn sign(secret: &SigningSecret, id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut hash = Hmac::<Sha256>::new_from_slice(secret.expose()).expect("invariant: HMAC takes a key of any length");
    hash.update(id.as_bytes());
    hash.update(b".");
    hash.update(timestamp.to_string().as_bytes());
    hash.update(b".");
    hash.update(body);
    let mut signature = String::from("v1,");
    BASE64.encode_string(hash.finalize().into_bytes(), &mut signature);
    signature
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_the_specification_s_own_example() {
        // The example of the reference libraries' documentation.
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn an_independent_verifier_agrees() {
        for bytes in [24, 32, 64] {
            let text = format!("whsec_{}", BASE64.encode(vec![bytes; usize::from(bytes)]));
            let secret = SigningSecret::parse(&text).unwrap();
            let verifier = standardwebhooks::Webhook::new(&text).unwrap();
            for body in [&b"{}"[..], b"", "{\"name\":\"\u{1f980}.\"}".as_bytes()] {
                let signature = verifier.sign("chg_01", 1_700_000_000, body).unwrap();
                assert_eq!(sign(&secret, "chg_01", 1_700_000_000, body), signature);
                assert_ne!(sign(&secret, "chg_02", 1_700_000_000, body), signature);
                assert_ne!(sign(&secret, "chg_01", 1_700_000_001, body), signature);
            }
        }
    }
}
