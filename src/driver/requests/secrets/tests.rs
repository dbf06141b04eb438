//! The values of placeholders, and the secrets that are found in texts.

use std::sync::Arc;

use super::super::withheld::Withheld;
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
        let digest = secrets.digest(Hash::Sha256, word.as_bytes(), (Output::Hex, 1000)).expect("there is room");
        assert!(digest.starts_with(WORD_PREFIX), "{digest} is of a secret");
        let sent = reveal(&secrets, digest.as_bytes());
        assert_eq!(String::from_utf8_lossy(&sent), hex::encode(signing::digest(Hash::Sha256, want.as_bytes())));
    };
    check("password", Encoding::Raw, "pass word");
    check("password", Encoding::Basic, "dXNlcjpwYXNzIHdvcmQ=");
    check("password", Encoding::Form, "pass+word");
    check("session-token", Encoding::Json, "tok&en \\\"1\\\"");
    check("session-token", Encoding::Form, "tok%26en+%221%22");
    check("session-token", Encoding::Query, "tok%26en%20%221%22");
    check("session-token", Encoding::Xml, "tok&amp;en &quot;1&quot;");
    let plain = secrets().digest(Hash::Sha256, b"no secret", (Output::Hex, 0)).expect("there is room");
    assert_eq!(plain, hex::encode(signing::digest(Hash::Sha256, b"no secret")));
}

#[test]
fn what_is_computed_is_a_word_that_may_be_computed_with() {
    let mut secrets = secrets();
    let password = secrets.placeholder("password", Encoding::Raw).expect("set");
    let chain = [b"day".to_vec(), [b"text\n", password.as_bytes()].concat()];
    let meant = signing::hmac(Hash::Sha1, b"Kpass word", &["day".as_bytes(), b"text\npass word"]).expect("signed");
    for (output, want) in [
        (Output::Hex, hex::encode(&meant)),
        (Output::Base64, BASE64.encode(&meant)),
        (Output::Base64url, BASE64_URL.encode(&meant)),
        (Output::Base64Query, utf8_percent_encode(&BASE64.encode(&meant), RESERVED).to_string()),
    ] {
        let word = secrets.hmac(("password", Hash::Sha1), b"K", &chain, (output, 1000)).expect("signed");
        assert!(word.starts_with(WORD_PREFIX));
        assert_eq!(String::from_utf8_lossy(&reveal(&secrets, word.as_bytes())), want);
        let again = secrets.digest(Hash::Sha512, word.as_bytes(), (Output::Hex, 1000)).expect("there is room");
        let want = hex::encode(signing::digest(Hash::Sha512, want.as_bytes()));
        assert_eq!(String::from_utf8_lossy(&reveal(&secrets, again.as_bytes())), want);
        let query = format!("a={word}&b={password}");
        let revealed = secrets.reveal_query(&query, &mut 1000).expect("there is room");
        assert!(revealed.is_none_or(|revealed| revealed.contains(&password) && !revealed.contains("pass word")));
    }
    let named = secrets.named(secrets.words.last().expect("there are some").text.as_bytes()).into_owned();
    assert_eq!(named, b"{{sha512 as hex}}");
}

#[test]
fn what_was_computed_for_a_request_is_masked_in_its_answer() {
    let mut secrets = secrets();
    let chain = [b"text\n".to_vec()];
    let sign = |secrets: &mut Secrets| {
        secrets.hmac(("password", Hash::Sha256), b"", &chain, (Output::Base64, 1000)).expect("signed")
    };
    let (sent, other) = (sign(&mut secrets), sign(&mut secrets));
    let computed = secrets.computed_in([b"nothing".as_slice(), format!("<{sent}>{sent}").as_bytes()]);
    let value = signing::hmac(Hash::Sha256, b"pass word", &chain).expect("signed");
    assert_eq!(computed, [value.to_vec()]);
    // The same text gives the same value, by whatever word.
    assert_eq!(secrets.computed_in([other.as_bytes(), sent.as_bytes()]), [value.to_vec()]);
    let mut withheld = Withheld::of(Arc::new(secrets.mask()));
    assert!(computed.iter().all(|value| withheld.note(value)));
    let mask = withheld.so_far();
    for form in [hex::encode(&value), hex::encode(&value).to_uppercase(), BASE64_URL.encode(&value)] {
        assert_eq!(mask.apply(format!("<{form}>").as_bytes()).as_deref(), Some(b"<[signature]>".as_slice()), "{form}");
    }
    assert_eq!(secrets.mask().apply(BASE64.encode(&value).as_bytes()), None);
}

#[test]
fn a_secret_is_compared_with_one_text() {
    let mut secrets = secrets();
    assert!(matches!(secrets.matches("password", "pass word"), Ok(true)));
    assert!(matches!(secrets.matches("password", "pass word"), Ok(true)));
    assert!(matches!(secrets.matches("password", "pass worm"), Err(Error::Unusable(_))));
    assert!(matches!(self::secrets().matches("password", "pass worm"), Ok(false)));
    assert!(matches!(secrets.matches("key", "x"), Err(Error::NotSet(_))));
}

#[test]
fn only_so_many_words_are_made() {
    let mut secrets = secrets();
    let sign = |secrets: &mut Secrets| {
        secrets.hmac(("password", Hash::Sha1), b"", &[b"text\n".to_vec()], (Output::Hex, 10)).map(drop)
    };
    let made = (0..MOST_WORDS + 10).map(|_| sign(&mut secrets)).filter(Result::is_ok).count();
    assert_eq!(made, MOST_WORDS);
}

#[test]
fn what_is_no_word_of_this_poll_stays() {
    let mut secrets = secrets();
    let word = secrets.placeholder("password", Encoding::Raw).expect("set");
    for text in [WORD_PREFIX.to_owned(), word[..word.len() - 1].to_owned(), format!("{WORD_PREFIX}{:032}", 0)] {
        assert_eq!(reveal(&secrets, text.as_bytes()), text.as_bytes());
    }
    let other = self::secrets();
    assert_eq!(reveal(&other, word.as_bytes()), word.as_bytes());
    assert!(matches!(secrets.placeholder("nothing", Encoding::Raw), Err(Error::NotSet(_))));
}

#[test]
fn a_secret_that_is_too_short_is_masked_as_basic_alone() {
    let check = |user: &str, secret: &str, text: &str, want: Option<&str>| {
        let masked = Secrets::new(user, secret.into(), &BTreeMap::new()).mask().apply(text.as_bytes());
        assert_eq!(masked.map(|masked| String::from_utf8_lossy(&masked).into_owned()).as_deref(), want, "{text}");
    };
    for secret in ["a", "abc", "abcde"] {
        let basic = BASE64.encode(format!("user:{secret}"));
        check("user", secret, &format!("a {secret} and user:{secret}"), None);
        check("user", secret, &BASE64.encode(secret.repeat(2)), None);
        let masked = format!("Basic [secret]{}", &basic[basic.trim_end_matches('=').len()..]);
        check("user", secret, &format!("Basic {basic}"), Some(&masked));
        check("other", secret, &basic, None);
    }
    check("user", "abcdef", "user:abcdef", Some("user:[secret]"));
    check("", "abc", &BASE64.encode(":abc"), None);
    check("user", "", &BASE64.encode("user:"), None);
}

#[test]
fn a_private_key_is_masked_however_its_lines_are_broken() {
    let key = include_str!("../../../../tests/data/rs256.pem");
    let mask = Secrets::new("user", key.into(), &BTreeMap::new()).mask();
    let lines: Vec<&str> = key.lines().filter(|line| !line.starts_with("-----")).collect();
    for between in ["\n", "\r\n", "\n    ", "", "\\n", "\\r\\n", "&#10;", "%0A"] {
        let masked = mask.apply(format!("<{}>", lines.join(between)).as_bytes()).expect("it is masked");
        assert_eq!(String::from_utf8_lossy(&masked).trim_end_matches(['>', '=']), "<[secret]", "{between:?}");
    }
    let one = lines[1].as_bytes();
    assert_eq!(mask.apply(one), None, "a part of a key is not the key");
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
    let endless = word.repeat(1_000_000);
    let digest = secrets.digest(Hash::Sha256, endless.as_bytes(), (Output::Hex, 1 << 20));
    assert!(matches!(digest, Err(Uncomputed::TooLong(TooLong))));
    // What has no word in it is as long as it likes.
    assert_eq!(secrets.reveal(&[b'x'; 10_000], &mut 0), Ok(Cow::Borrowed(&[b'x'; 10_000][..])));
}

#[test]
fn a_password_is_no_private_key() {
    let sign = |name: &str| secrets().sign((name, Scheme::Rs256), b"x", (Output::Base64, 10));
    assert!(matches!(sign("password"), Err(Uncomputed::Error(Error::Unusable(_)))));
    assert!(matches!(sign("key"), Err(Uncomputed::Error(Error::NotSet(_)))));
}
