//! Makes a cassette from the exchanges of one call.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::header;
use secrecy::{ExposeSecret as _, SecretString};

use super::redact::Redactor;
use super::{Account, Body, Cassette, Expect, Outcome, Recorded};
use crate::driver::secrets::PASSWORD;
use crate::driver::wire::{Exchange, Watch};
use crate::driver::{CallError, Listing, SecretKind, Target};
use crate::model::{Kind, ResourceId, Timestamp};

/// The most that is recorded of one call, in bytes of bodies: a cassette is for people to read, too.
const MOST_BYTES: usize = 64 << 20;

/// A body of more bytes has a file of its own.
const LARGE: usize = 64 << 10;

/// What a private key is replaced by: one made for this and used nowhere else, so that a driver can sign in replay.
pub(crate) const FAKE_KEY: &str = include_str!("fake-key.pem");

/// Looks on while a driver lists.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    exchanges: Vec<Exchange>,
    bytes: usize,
}

/// What of a recording the exchanges do not say.
#[derive(Clone, Debug)]
pub struct Occasion<'a> {
    /// The cassette's name, which is its file's.
    pub name: &'a str,
    pub about: String,
    pub source: String,
    pub target: &'a Target,
    pub list: Kind,
    /// Since when it was asked what changed.
    pub since: Option<Timestamp>,
    /// The single instances that it was asked for, if not for everything.
    pub ids: &'a [ResourceId],
    /// What the sandbox's clock said all the while.
    pub at: Timestamp,
    pub listed: Result<&'a Listing, &'a CallError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answers have more than {MOST_BYTES} bytes in total: record a smaller account")]
pub struct TooMuch;

impl Watch for Recorder {
    fn saw(&self, exchange: Exchange) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.bytes += exchange.asked.body.len() + exchange.outcome.as_ref().map_or(0, |answer| answer.body.len());
        if heard.bytes <= MOST_BYTES {
            heard.exchanges.push(exchange);
        }
    }
}

impl Recorder {
    /// The cassette of what was heard, without what nobody should be shown.
    pub fn cassette(&self, occasion: Occasion<'_>) -> Result<Cassette, TooMuch> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.bytes > MOST_BYTES {
            return Err(TooMuch);
        }
        // All are learned first: a token may stand in an answer before the one that names it as such.
        let mut redactor = Redactor::default();
        heard.exchanges.iter().for_each(|exchange| redactor.learn(exchange));
        let exchanges = heard.exchanges.iter().enumerate();
        let exchanges = exchanges.map(|(at, exchange)| recorded(&redactor, exchange, occasion.name, at)).collect();
        let Occasion { name, about, source, target, list, since, ids, at, listed } = occasion;
        Ok(Cassette {
            name: name.to_owned(),
            about,
            source,
            account: account(target),
            at,
            list,
            since,
            ids: ids.to_vec(),
            exchanges,
            expect: Expect::of(listed),
        })
    }
}

fn recorded(redactor: &Redactor, exchange: &Exchange, name: &str, at: usize) -> Recorded {
    let outcome = match &exchange.outcome {
        Err(why) => Outcome::Unanswered(why.clone()),
        Ok(answered) => {
            let mut answer = redactor.answer(answered);
            let content = answer.body.bytes();
            if content.len() > LARGE {
                let kind = answered.headers.get(header::CONTENT_TYPE).map(|kind| kind.as_bytes());
                let name = format!("bodies/{name}-{}.{}", at + 1, ending(kind, &content));
                answer.body = Body::File { name, content };
            }
            Outcome::Answer(answer)
        }
    };
    Recorded { request: redactor.request(&exchange.asked), outcome }
}

/// What a file of such content is called at the end.
fn ending(kind: Option<&[u8]>, content: &Bytes) -> &'static str {
    let says = |part: &[u8]| kind.is_some_and(|kind| memchr::memmem::find(kind, part).is_some());
    match content.first() {
        _ if says(b"json") => "json",
        _ if says(b"xml") => "xml",
        Some(b'{' | b'[') => "json",
        Some(b'<') => "xml",
        _ if std::str::from_utf8(content).is_ok() => "txt",
        _ => "bin",
    }
}

fn account(target: &Target) -> Account {
    let secrets = [(PASSWORD, &target.password)].into_iter();
    let secrets = secrets.chain(target.secrets.iter().map(|(name, secret)| (name.as_str(), secret)));
    let is_key = |name: &str, secret: &SecretString| {
        let is_said_to_be = name == PASSWORD && target.secret == SecretKind::PrivateKey;
        is_said_to_be || secret.expose_secret().contains("PRIVATE KEY-----")
    };
    let keys = secrets.filter(|(name, secret)| is_key(name, secret));
    Account {
        provider: target.key.provider.clone(),
        endpoint: target.endpoint.clone(),
        endpoints: target.roles.iter().map(|(role, target)| (role.clone(), target.endpoint.clone())).collect(),
        user: target.key.user.clone(),
        secret: target.secret,
        secret_expires: target.secret_expires,
        options: target.options.clone(),
        secrets: target.secrets.keys().cloned().collect(),
        fakes: keys.map(|(name, _)| (name.to_owned(), FAKE_KEY.to_owned())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue, Method, StatusCode};

    use super::*;
    use crate::driver::wire::{Answered, Asked};
    use crate::driver::{Coverage, RoleTarget, Usage, Wire};
    use crate::model::AccountKey;
    use crate::net::AddressPolicy;
    use crate::supply::EndpointSource;

    fn exchange(body: Bytes) -> Exchange {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"))]);
        let url = "https://a.example/".parse().expect("a URL");
        Exchange {
            asked: Asked { method: Method::GET, url, headers: HeaderMap::new(), body: Bytes::new() },
            outcome: Ok(Answered { status: StatusCode::OK, headers, body, broken: false }),
            took: Duration::ZERO,
        }
    }

    fn target() -> Target {
        let key = "-----BEGIN PRIVATE KEY-----\nreal\n-----END PRIVATE KEY-----";
        Target {
            key: AccountKey { driver: "d".into(), provider: "p".into(), user: "u".into() },
            endpoint: "https://a.example".into(),
            roles: BTreeMap::new(),
            endpoint_source: EndpointSource::Operator,
            secret: SecretKind::Password,
            secret_expires: None,
            options: BTreeMap::new(),
            password: "a-real-password".into(),
            secrets: BTreeMap::from([("key".to_owned(), SecretString::from(key))]),
            addresses: AddressPolicy::default(),
            via: crate::net::Via::default(),
            wire: Wire::default(),
            budget: None,
        }
    }

    fn cassette(bodies: Vec<Bytes>) -> Result<Cassette, TooMuch> {
        cassette_of(&target(), bodies)
    }

    fn cassette_of(target: &Target, bodies: Vec<Bytes>) -> Result<Cassette, TooMuch> {
        let recorder = Recorder::default();
        bodies.into_iter().for_each(|body| recorder.saw(exchange(body)));
        let listing = Listing {
            resources: Vec::new(),
            coverage: Coverage::Complete,
            usage: Usage::default(),
            memory: Default::default(),
        };
        let (about, source, at) = ("a".into(), "b".into(), Timestamp::from_millis(0));
        let (name, list) = ("big", Kind::Instance);
        recorder.cassette(Occasion {
            name,
            about,
            source,
            target,
            list,
            since: None,
            ids: &[],
            at,
            listed: Ok(&listing),
        })
    }

    #[test]
    fn long_answers_are_in_files_of_their_own() {
        let long = Bytes::from(format!("<a>{}</a>", "x".repeat(LARGE)));
        let cassette = cassette(vec![Bytes::from_static(b"<a/>"), long.clone()]).expect("small enough");
        assert_eq!(cassette.answer(0).expect("answered").body, Body::Text("<a/>".into()));
        let want = Body::File { name: "bodies/big-2.xml".into(), content: long };
        assert_eq!(cassette.answer(1).expect("answered").body, want);
        assert_eq!(cassette.expect.count, Some(0));
    }

    #[test]
    fn a_private_key_is_replaced_by_one_that_signs() {
        let cassette = cassette(Vec::new()).expect("small enough");
        assert_eq!(cassette.account.secrets, ["key"]);
        let target = cassette.target();
        assert_eq!(target.secrets["key"].expose_secret(), FAKE_KEY);
        assert_eq!(target.password.expose_secret(), "cassette-password");
        let text = cassette.text();
        assert!(!text.contains("real"), "{text}");
    }

    #[test]
    fn endpoints_by_role_and_the_kind_of_secret_are_recorded() {
        let of = |endpoint: &str| RoleTarget {
            endpoint: endpoint.into(),
            addresses: AddressPolicy::default(),
            via: crate::net::Via::default(),
        };
        let token = Target {
            roles: BTreeMap::from([("identity".to_owned(), of("https://id.example:5000/v3"))]),
            secret: SecretKind::AccessToken,
            secret_expires: Some(Timestamp::from_millis(1_795_341_600_000)),
            ..target()
        };
        let played = cassette_of(&token, Vec::new()).expect("small enough").target();
        assert_eq!(played.roles["identity"].endpoint, "https://id.example:5000/v3");
        assert_eq!((played.secret, played.secret_expires), (token.secret, token.secret_expires));
        assert_eq!(played.password.expose_secret(), "cassette-password");

        // Also one that does not look like a key: nothing is signed with a word in its place.
        let key = Target { secret: SecretKind::PrivateKey, password: "a key in another form".into(), ..target() };
        let cassette = cassette_of(&key, Vec::new()).expect("small enough");
        assert_eq!(cassette.target().password.expose_secret(), FAKE_KEY);
        assert_eq!(cassette.account.secret, SecretKind::PrivateKey);
    }

    #[test]
    fn what_is_recorded_is_bounded() {
        let quarter = Bytes::from(vec![b'x'; MOST_BYTES / 4]);
        assert!(cassette(vec![quarter.clone(); 5]).is_err());
    }
}
