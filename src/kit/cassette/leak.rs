//! The last check before a cassette is written: does it contain a secret of the account, in any form that a driver, a
//! provider or a file may give it? Earlier steps should have removed all secrets. This check verifies them, and knows
//! nothing of how they work.

use secrecy::ExposeSecret as _;

use super::{Body, Cassette, Outcome};
use crate::driver::Target;
use crate::mask::{Mask, SHORTEST};

/// Why a cassette is not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Leak {
    #[error(
        "it has the account's {name:?} in it, in {place}. Nothing was written. The driver, or the provider, puts the \
         secret where it is not recognised; write this cassette by hand"
    )]
    Found { name: String, place: String },
    #[error(
        "the account's {name:?} has fewer than {SHORTEST} bytes: it can't be told from ordinary words, so nothing can \
         make sure that it is not in a recording. Record with an account that has a longer one"
    )]
    TooShort { name: String },
}

/// Whether nothing of the account's secrets is in a cassette.
pub fn check(cassette: &Cassette, target: &Target) -> Result<(), Leak> {
    let text = cassette.text();
    let mut places = vec![("its text".to_owned(), text.into_bytes())];
    for (at, recorded) in cassette.exchanges.iter().enumerate() {
        let url = percent_encoding::percent_decode_str(recorded.request.url.as_str()).collect();
        places.push((format!("exchanges[{at}].request.url"), url));
        if let Some(body) = &recorded.request.body {
            places.push((format!("exchanges[{at}].request"), whole(body)));
        }
        if let Outcome::Answer(answer) = &recorded.outcome {
            places.push((format!("exchanges[{at}].answer"), whole(&answer.body)));
        }
    }
    let password = [("password", &target.password)];
    let options = target.secrets.iter().map(|(name, secret)| (name.as_str(), secret));
    for (name, secret) in password.into_iter().chain(options) {
        let secret = secret.expose_secret();
        if secret.is_empty() {
            continue;
        }
        if secret.len() < SHORTEST {
            return Err(Leak::TooShort { name: name.to_owned() });
        }
        for (place, text) in &places {
            if is_in(secret.as_bytes(), text) {
                return Err(Leak::Found { name: name.to_owned(), place: place.clone() });
            }
        }
    }
    Ok(())
}

/// Whether a text has a secret in it: as it is masked, and as nothing masks it, in other letters (as host names have them) or
/// backwards.
fn is_in(secret: &[u8], text: &[u8]) -> bool {
    let backwards: Vec<u8> = secret.iter().rev().copied().collect();
    Mask::of([secret, &backwards]).is_in(text)
        || Mask::of([secret.to_ascii_lowercase().as_slice()]).is_in(&text.to_ascii_lowercase())
}

fn whole(body: &Body) -> Vec<u8> {
    body.bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use http::{HeaderMap, Method, StatusCode};

    use super::*;
    use crate::kit::cassette::{Account, Answer, Expect, Recorded, Request};
    use crate::model::{Kind, Timestamp};

    fn cassette(body: Body) -> Cassette {
        Cassette {
            name: "c".into(),
            about: "a test".into(),
            source: "made up".into(),
            account: Account { user: "user".into(), ..Account::default() },
            at: Timestamp::from_millis(0),
            list: Kind::Instance,
            since: None,
            ids: Vec::new(),
            exchanges: vec![Recorded {
                request: Request {
                    method: Method::GET,
                    url: "https://a.example/".parse().expect("a URL"),
                    headers: HeaderMap::new(),
                    body: None,
                },
                outcome: Outcome::Answer(Answer {
                    status: StatusCode::OK,
                    headers: HeaderMap::new(),
                    body,
                    broken: false,
                }),
            }],
            expect: Expect::default(),
        }
    }

    #[test]
    fn a_secret_is_found_in_every_form() {
        let secret = "pass\"word/with&more";
        let mut target = cassette(Body::Text(String::new())).target();
        target.password = secret.into();
        let check = |text: &str| {
            for body in [Body::Text(text.to_owned()), Body::Bytes(Bytes::copy_from_slice(text.as_bytes()))] {
                let leak = check(&cassette(body), &target).expect_err(text);
                assert!(matches!(&leak, Leak::Found { name, .. } if name == "password"), "{leak}");
                assert!(!leak.to_string().contains(secret));
            }
        };
        check(&format!("before {secret} after"));
        check(&serde_json::json!({ "a": secret }).to_string());
        check("p=pass%22word%2Fwith%26more");
        check("p=pass%22word%2fwith%26more");
        check("<p>pass&quot;word/with&amp;more</p>");
        check(r#"{"a":"pass\u0022word\/with\u0026more"}"#);
        check("PASS\"Word/With&More");
        check(&secret.chars().rev().collect::<String>());
        for before in ["", "a", "ab", "abc", "user:"] {
            check(&STANDARD.encode(format!("{before}{secret}, and more")));
        }
        check(&secret.bytes().map(|byte| format!("{byte:02X}")).collect::<String>());
        assert_eq!(super::check(&cassette(Body::Text("nothing".into())), &target), Ok(()));
        let hidden = Body::File { name: "b.bin".into(), content: Bytes::from(format!("x{secret}")) };
        assert!(super::check(&cassette(hidden), &target).is_err());

        target.password = "short".into();
        let leak = super::check(&cassette(Body::Text(String::new())), &target);
        assert!(matches!(leak, Err(Leak::TooShort { .. })), "{leak:?}");
    }
}
