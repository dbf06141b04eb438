//! One account's secrets for one poll: the words that stand for them in the sandbox, what egress puts in
//! their place, and the signatures that the host computes. Secrets leave this file in requests only.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use memchr::memmem;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::bindings::credentials::{Encoding, Error};
use super::mask::Mask;
use super::message::message;

/// What the name of an account's password is in the contract.
const PASSWORD: &str = "password";
/// Every word begins with this, so that egress finds them in one pass.
pub(super) const WORD_PREFIX: &str = "tracker-placeholder-";
const WORD_RANDOM_BYTES: usize = 16;
/// A handful is what an honest driver needs: one a secret and an encoding.
const MOST_WORDS: usize = 64;

/// What a text would become with secrets in the place of their words is more than there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request would be too long with the secrets in it")]
pub(super) struct TooLong;

#[derive(Debug)]
pub(super) struct Secrets {
    user: String,
    by_name: BTreeMap<String, SecretString>,
    /// The words made in this poll.
    words: Vec<Word>,
}

#[derive(Debug)]
struct Word {
    text: String,
    name: String,
    encoding: Encoding,
}

impl Secrets {
    pub(super) fn new(user: &str, password: SecretString, options: &BTreeMap<String, SecretString>) -> Secrets {
        let mut by_name = options.clone();
        by_name.insert(PASSWORD.to_owned(), password);
        Secrets { user: user.to_owned(), by_name, words: Vec::new() }
    }

    /// Of no account: for a driver that describes itself.
    pub(super) fn none() -> Secrets {
        Secrets { user: String::new(), by_name: BTreeMap::new(), words: Vec::new() }
    }

    fn secret(&self, name: &str) -> Result<&str, Error> {
        let secret = self
            .by_name
            .get(name)
            .ok_or_else(|| Error::NotSet(format!("the account has no {:?}", message(name.into()))))?;
        Ok(secret.expose_secret())
    }

    /// The word for a secret in an encoding: the same one each time in one poll.
    pub(super) fn placeholder(&mut self, name: &str, encoding: Encoding) -> Result<String, Error> {
        self.secret(name)?;
        if let Some(word) = self.words.iter().find(|word| word.name == name && word.encoding == encoding) {
            return Ok(word.text.clone());
        }
        if self.words.len() >= MOST_WORDS {
            return Err(Error::Unusable(format!("at most {MOST_WORDS} placeholders are made in a poll")));
        }
        let mut random = [0; WORD_RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(|error| Error::Unusable(format!("no randomness: {error}")))?;
        let text = random.iter().fold(WORD_PREFIX.to_owned(), |text, byte| format!("{text}{byte:02x}"));
        self.words.push(Word { text: text.clone(), name: name.to_owned(), encoding });
        Ok(text)
    }

    /// HMAC-SHA256 over a chain of messages, as the contract describes it.
    pub(super) fn hmac_sha256(&self, name: &str, prefix: &[u8], chain: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
        if chain.is_empty() {
            return Err(Error::Unusable("the chain is empty: there is nothing to sign".into()));
        }
        let mut key = [prefix, self.secret(name)?.as_bytes()].concat();
        for message in chain {
            let mut hmac = Hmac::<Sha256>::new_from_slice(&key).expect("invariant: HMAC takes a key of any length");
            hmac.update(message);
            key = hmac.finalize().into_bytes().to_vec();
        }
        Ok(key)
    }

    /// SHA-256 of a message as egress would send it, which is at most so many bytes, or as long as the message.
    pub(super) fn digest_sha256(&self, message: &[u8], mut most: usize) -> Result<Vec<u8>, TooLong> {
        Ok(Sha256::digest(self.reveal(message, &mut most)?).to_vec())
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256.
    pub(super) fn sign_rs256(&self, name: &str, message: &[u8]) -> Result<Vec<u8>, Error> {
        use rustls::pki_types::PrivateKeyDer;
        use rustls::pki_types::pem::PemObject as _;

        let unusable = |what: String| Error::Unusable(format!("{name:?} is not an RSA private key: {what}"));
        let key = PrivateKeyDer::from_pem_slice(self.secret(name)?.as_bytes())
            .map_err(|_| unusable("expected PEM, PKCS#8 or PKCS#1".into()))?;
        let pair = match &key {
            PrivateKeyDer::Pkcs8(der) => ring::signature::RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => ring::signature::RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(unusable("it is a key of another kind".into())),
        };
        let pair = pair.map_err(|rejected| unusable(rejected.to_string()))?;
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(&ring::signature::RSA_PKCS1_SHA256, &ring::rand::SystemRandom::new(), message, &mut signature)
            .map_err(|_| unusable("signing failed".into()))?;
        Ok(signature)
    }

    /// Puts each secret in the place of its word: what a granted endpoint is sent. A word is short and a secret may
    /// be long (a private key), so a text of nothing but words would be many times its length: where there are words,
    /// the text becomes no longer than there is room, or than it was, and takes up that room.
    pub(super) fn reveal<'a>(&self, text: &'a [u8], room: &mut usize) -> Result<Cow<'a, [u8]>, TooLong> {
        let most = text.len().max(*room);
        let revealed = self.replace(text, most, |word| self.encoded(&word.name, word.encoding))?;
        if let Cow::Owned(revealed) = &revealed {
            *room = room.saturating_sub(revealed.len());
        }
        Ok(revealed)
    }

    /// Puts each word's name in its place, the same in every poll: what is shown of a request.
    pub(super) fn named<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let named = self.replace(text, usize::MAX, |word| {
            let encoding = match word.encoding {
                Encoding::Raw => "raw",
                Encoding::Basic => "basic",
                Encoding::Json => "json",
                Encoding::Form => "form",
            };
            format!("{{{{{} as {encoding}}}}}", word.name)
        });
        named.unwrap_or(Cow::Borrowed(text))
    }

    /// Gives at most so many bytes.
    fn replace<'a>(&self, text: &'a [u8], most: usize, by: impl Fn(&Word) -> String) -> Result<Cow<'a, [u8]>, TooLong> {
        if self.words.is_empty() {
            return Ok(Cow::Borrowed(text));
        }
        let finder = memmem::Finder::new(WORD_PREFIX);
        let mut out: Option<Vec<u8>> = None;
        let (mut copied, mut from) = (0, 0);
        while let Some(found) = finder.find(&text[from..]) {
            let start = from + found;
            from = start + WORD_PREFIX.len();
            let end = from + 2 * WORD_RANDOM_BYTES;
            let Some(candidate) = text.get(start..end) else { break };
            if let Some(word) = self.words.iter().find(|word| word.text.as_bytes() == candidate) {
                let out = out.get_or_insert_with(|| Vec::with_capacity(text.len()));
                out.extend_from_slice(&text[copied..start]);
                out.extend_from_slice(by(word).as_bytes());
                if out.len() > most {
                    return Err(TooLong);
                }
                (copied, from) = (end, end);
            }
        }
        match out {
            Some(mut out) => {
                out.extend_from_slice(&text[copied..]);
                if out.len() > most { Err(TooLong) } else { Ok(Cow::Owned(out)) }
            }
            None => Ok(Cow::Borrowed(text)),
        }
    }

    fn encoded(&self, name: &str, encoding: Encoding) -> String {
        let secret = self.by_name.get(name).map_or("", |secret| secret.expose_secret());
        match encoding {
            Encoding::Raw => secret.to_owned(),
            Encoding::Basic => BASE64.encode(format!("{}:{secret}", self.user)),
            Encoding::Json => {
                let quoted = serde_json::Value::from(secret).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
            Encoding::Form => url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        }
    }

    /// Every form in which a provider might send a secret back.
    pub(super) fn mask(&self) -> Mask {
        let encodings = [Encoding::Raw, Encoding::Basic, Encoding::Json, Encoding::Form];
        let forms = self.by_name.iter().flat_map(|(name, secret)| {
            let secret = secret.expose_secret();
            // A secret that is too short to be masked is so in every encoding.
            let masked = secret.len() >= super::mask::SHORTEST;
            let encoded = encodings.into_iter().map(|encoding| self.encoded(name, encoding));
            encoded.chain(echoes(secret)).filter(move |_| masked).map(String::into_bytes)
        });
        Mask::new(forms.collect())
    }
}

/// The longest secret that is looked for in every form. What is longer is a key, with whose many forms the search
/// would be made anew for each poll.
const ECHOED_BYTES: usize = 256;

/// Forms that nobody asks for a secret in, and that a provider may give it back in all the same.
fn echoes(secret: &str) -> Vec<String> {
    let mut forms = vec![BASE64.encode(secret)];
    if secret.len() > ECHOED_BYTES {
        return forms;
    }
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    forms.extend([hex.to_uppercase(), hex]);
    forms.push(percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string());
    // Behind other text, base64 writes it in one of three ways. The digits at both ends hold bits of what is around.
    for before in 0..3 {
        let text = [&vec![0; before][..], secret.as_bytes()].concat();
        let from = (before * 8).div_ceil(6);
        let digits = STANDARD_NO_PAD.encode(&text)[from..text.len() * 8 / 6].to_owned();
        forms.push(digits.replace('+', "-").replace('/', "_"));
        forms.push(digits);
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let options = BTreeMap::from([("session-token".to_owned(), SecretString::from("tok&en \"1\""))]);
        Secrets::new("user", "pass word".into(), &options)
    }

    fn reveal(secrets: &Secrets, text: &[u8]) -> Vec<u8> {
        secrets.reveal(text, &mut 1000).expect("there is room").into_owned()
    }

    #[test]
    fn words_give_way_to_secrets_in_their_encoding() {
        let check = |name: &str, encoding: Encoding, want: &str| {
            let mut secrets = secrets();
            let word = secrets.placeholder(name, encoding).expect("set");
            assert!(word.starts_with(WORD_PREFIX) && !word.contains("pass"));
            assert_eq!(secrets.placeholder(name, encoding).expect("set"), word);
            let sent = reveal(&secrets, format!("<{word}|{word}>").as_bytes());
            assert_eq!(String::from_utf8_lossy(&sent), format!("<{want}|{want}>"));
            let shown = secrets.named(format!("<{word}>").as_bytes()).into_owned();
            assert!(shown.starts_with(format!("<{{{{{name} as ").as_bytes()), "{}", String::from_utf8_lossy(&shown));
            let digest = secrets.digest_sha256(word.as_bytes(), 1000).expect("there is room");
            assert_eq!(digest, Sha256::digest(want).to_vec());
        };
        check("password", Encoding::Raw, "pass word");
        check("password", Encoding::Basic, "dXNlcjpwYXNzIHdvcmQ=");
        check("password", Encoding::Form, "pass+word");
        check("session-token", Encoding::Json, "tok&en \\\"1\\\"");
        check("session-token", Encoding::Form, "tok%26en+%221%22");
    }

    #[test]
    fn what_is_no_word_of_this_poll_stays() {
        let mut secrets = secrets();
        let word = secrets.placeholder("password", Encoding::Raw).expect("set");
        for text in [WORD_PREFIX.to_owned(), word[..word.len() - 1].to_owned(), format!("{WORD_PREFIX}{:032}", 0)] {
            assert_eq!(reveal(&secrets, text.as_bytes()), text.as_bytes());
        }
        let other = super::tests::secrets();
        assert_eq!(reveal(&other, word.as_bytes()), word.as_bytes());
        assert!(matches!(secrets.placeholder("nothing", Encoding::Raw), Err(Error::NotSet(_))));
    }

    #[test]
    fn a_secret_is_masked_in_every_form_that_it_may_come_back_in() {
        let secret = "pass word+/?&\"é";
        let mask = Secrets::new("user", secret.into(), &BTreeMap::new()).mask();
        let check = |text: String| {
            let masked = mask.apply(text.as_bytes()).unwrap_or_else(|| panic!("not masked: {text}"));
            assert!(String::from_utf8_lossy(&masked).contains("[secret]"), "{text}");
        };
        for before in ["", "1", "12", "123", "1234", "12345"] {
            for after in ["", "!", "!?", "!?!"] {
                let whole = format!("{before}{secret}{after}");
                check(whole.clone());
                check(BASE64.encode(&whole));
                check(base64::engine::general_purpose::URL_SAFE.encode(&whole));
                check(serde_json::Value::from(whole.as_str()).to_string());
                check(url::form_urlencoded::byte_serialize(whole.as_bytes()).collect());
                check(percent_encoding::utf8_percent_encode(&whole, percent_encoding::NON_ALPHANUMERIC).to_string());
                check(whole.bytes().map(|byte| format!("{byte:02x}")).collect());
                check(whole.bytes().map(|byte| format!("{byte:02X}")).collect());
            }
        }
    }

    #[test]
    fn a_text_of_words_grows_no_further_than_there_is_room() {
        let long = "k".repeat(4096);
        let mut secrets = Secrets::new("user", long.as_str().into(), &BTreeMap::new());
        let word = secrets.placeholder("password", Encoding::Raw).expect("set");
        let check = |words: usize, room: usize, want: Result<usize, TooLong>| {
            let mut left = room;
            assert_eq!(secrets.reveal(word.repeat(words).as_bytes(), &mut left).map(|_| left), want, "{words} {room}");
        };
        check(1, 5000, Ok(904));
        check(2, 5000, Err(TooLong));
        check(1, 0, Err(TooLong));
        assert_eq!(secrets.digest_sha256(word.repeat(1_000_000).as_bytes(), 1 << 20), Err(TooLong));
        // What has no word in it is as long as it likes.
        assert_eq!(secrets.reveal(&[b'x'; 10_000], &mut 0), Ok(Cow::Borrowed(&[b'x'; 10_000][..])));
    }

    #[test]
    fn signs_as_aws_version_4() {
        // The derivation example of AWS's Signature Version 4 documentation.
        let secrets = Secrets::new("", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(), &BTreeMap::new());
        let chain: Vec<Vec<u8>> =
            ["20120215", "us-east-1", "iam", "aws4_request"].into_iter().map(|part| part.into()).collect();
        let key = secrets.hmac_sha256("password", b"AWS4", &chain).expect("signed");
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d");
        assert!(matches!(secrets.hmac_sha256("password", b"", &[]), Err(Error::Unusable(_))));
    }

    #[test]
    fn signs_as_openssl_does() {
        let message = b"a message to sign";
        for key in [include_str!("../../tests/data/rs256.pem"), include_str!("../../tests/data/rs256-pkcs1.pem")] {
            let options = BTreeMap::from([("key".to_owned(), SecretString::from(key))]);
            let signature = Secrets::new("", "".into(), &options).sign_rs256("key", message).expect("signed");
            assert_eq!(signature, include_bytes!("../../tests/data/rs256.sig"));
        }
    }

    #[test]
    fn a_password_is_no_private_key() {
        assert!(matches!(secrets().sign_rs256("password", b"x"), Err(Error::Unusable(_))));
        assert!(matches!(secrets().sign_rs256("key", b"x"), Err(Error::NotSet(_))));
    }
}
