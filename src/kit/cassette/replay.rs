//! A cassette in place of the network. Each request gets the answer of the first matching exchange that was not used
//! yet. A request that matches none gets a connection error, and is recorded with what was expected, so that the author
//! sees that the driver asks for something else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use secrecy::SecretString;
use url::Url;

use super::{Body, Cassette, Outcome, Recorded, Request};
use crate::driver::secrets::PASSWORD;
use crate::driver::wire::{Answered, Asked, Tape, Unanswered, Wire};
use crate::driver::{RoleTarget, Target};
use crate::model::AccountKey;
use crate::net::{AddressPolicy, Via};
use crate::supply::EndpointSource;

/// The most surprises that are kept: a driver that asks at random would fill memory otherwise.
const MOST_SURPRISES: usize = 100;

/// What fits any value of a parameter.
const ANY: &str = "*";

#[derive(Debug)]
pub struct Replay {
    exchanges: Vec<Recorded>,
    played: Mutex<Played>,
}

#[derive(Debug, Default)]
struct Played {
    /// Which exchanges were used, in the order of their use.
    used: Vec<usize>,
    surprises: Vec<Surprise>,
}

/// A request that no exchange fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surprise {
    /// Method and URL.
    pub asked: String,
    /// What comes nearest, and in what it differs.
    pub expected: String,
}

impl fmt::Display for Surprise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Surprise { asked, expected } = self;
        write!(f, "it asked for {asked}; {expected}")
    }
}

impl Cassette {
    /// What to call a driver with. Nothing of it reaches the network: every request is answered by a tape of
    /// its own; set `wire.tape` to see what became of it.
    pub fn target(&self) -> Target {
        let secret = |name: &str| match self.account.fakes.get(name) {
            Some(fake) => SecretString::from(fake.as_str()),
            None => SecretString::from(format!("cassette-{name}")),
        };
        let role = |(role, endpoint): (&String, &String)| {
            let (endpoint, addresses) = (endpoint.clone(), AddressPolicy::default());
            (role.clone(), RoleTarget { endpoint, addresses, via: Via::default() })
        };
        Target {
            // The name keeps the sessions of different scenarios apart.
            key: AccountKey {
                driver: self.name.clone(),
                provider: self.account.provider.clone(),
                user: self.account.user.clone(),
            },
            endpoint: self.account.endpoint.clone(),
            roles: self.account.endpoints.iter().map(role).collect(),
            endpoint_source: EndpointSource::Operator,
            secret: self.account.secret,
            secret_expires: self.account.secret_expires,
            options: self.account.options.clone(),
            password: secret(PASSWORD),
            secrets: self.account.secrets.iter().map(|name| (name.clone(), secret(name))).collect(),
            addresses: AddressPolicy::default(),
            via: Via::default(),
            wire: Wire { tape: Some(self.tape()), ..Wire::default() },
            budget: None,
        }
    }

    /// Its answers, from the beginning.
    pub fn tape(&self) -> Arc<Replay> {
        Arc::new(Replay::new(self.exchanges.clone()))
    }

    /// The target and the tape that answers it.
    pub fn replay(&self) -> (Target, Arc<Replay>) {
        let tape = self.tape();
        let wire = Wire { tape: Some(Arc::clone(&tape) as _), ..Wire::default() };
        (Target { wire, ..self.target() }, tape)
    }
}

impl Replay {
    fn new(exchanges: Vec<Recorded>) -> Replay {
        Replay { exchanges, played: Mutex::default() }
    }

    /// The requests that fitted nothing.
    pub fn surprises(&self) -> Vec<Surprise> {
        self.played.lock().expect("invariant: no holder of this lock can panic").surprises.clone()
    }

    /// The exchanges that were used, by their place in the cassette, in the order of their use.
    pub fn used(&self) -> Vec<usize> {
        self.played.lock().expect("invariant: no holder of this lock can panic").used.clone()
    }

    /// The exchanges that nothing asked for, by their place in the cassette.
    pub fn unused(&self) -> Vec<usize> {
        let used = self.used();
        (0..self.exchanges.len()).filter(|at| !used.contains(at)).collect()
    }
}

#[async_trait]
impl Tape for Replay {
    async fn answer(&self, asked: &Asked) -> Result<Answered, Unanswered> {
        let mut played = self.played.lock().expect("invariant: no holder of this lock can panic");
        let fits = |at: &usize| !played.used.contains(at) && difference(&self.exchanges[*at].request, asked).is_none();
        let Some(at) = (0..self.exchanges.len()).find(fits) else {
            let expected = nearest(&self.exchanges, &played.used, asked);
            if played.surprises.len() < MOST_SURPRISES {
                let asked = format!("{} {}", asked.method, asked.url);
                played.surprises.push(Surprise { asked, expected });
            }
            return Err(Unanswered::NoConnection);
        };
        played.used.push(at);
        match &self.exchanges[at].outcome {
            Outcome::Answer(answer) => Ok(answer.answered()),
            Outcome::Unanswered(why) => Err(why.clone()),
        }
    }
}

impl Request {
    /// Whether a request is this one, by what matters.
    pub(crate) fn fits(&self, asked: &Asked) -> bool {
        difference(self, asked).is_none()
    }
}

/// Says what was expected where nothing fits.
fn nearest(exchanges: &[Recorded], used: &[usize], asked: &Asked) -> String {
    let left = || exchanges.iter().enumerate().filter(|(at, _)| !used.contains(at));
    let same_place = |request: &Request| request.method == asked.method && request.url.path() == asked.url.path();
    let near = left().find(|(_, recorded)| same_place(&recorded.request));
    if let Some((at, recorded)) = near.or_else(|| left().next()) {
        let difference = difference(&recorded.request, asked).unwrap_or_default();
        return format!("exchanges[{at}] is the nearest of those left, and differs: {difference}");
    }
    match exchanges.is_empty() {
        true => "no request was expected at all".into(),
        false => "all exchanges were used before".into(),
    }
}

/// In what a request differs from the one that is expected; nothing where it fits.
fn difference(expected: &Request, asked: &Asked) -> Option<String> {
    if expected.method != asked.method {
        return Some(format!("its method is {}", expected.method));
    }
    let before_query = |url: &Url| (url.origin(), url.path().to_owned());
    if before_query(&expected.url) != before_query(&asked.url) {
        return Some(format!("its URL is {}", expected.url));
    }
    if let Some(difference) = parameters_differ(pairs(expected.url.query()), pairs(asked.url.query())) {
        return Some(format!("in the query, {difference}"));
    }
    for name in expected.headers.keys() {
        let values = |headers: &HeaderMap| -> Vec<Vec<u8>> {
            headers.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect()
        };
        let (wanted, given) = (values(&expected.headers), values(&asked.headers));
        if wanted != given {
            let shown = |values: &[Vec<u8>]| match values {
                [] => "missing".to_owned(),
                values => format!("{:?}", String::from_utf8_lossy(&values.join(&b", "[..]))),
            };
            return Some(format!("its header {name} is {}, and here {}", shown(&wanted), shown(&given)));
        }
    }
    let body = expected.body.as_ref()?;
    body_differs(body, asked)
}

fn body_differs(expected: &Body, asked: &Asked) -> Option<String> {
    let wanted = expected.bytes();
    if wanted == asked.body {
        return None;
    }
    let json = |bytes: &Bytes| serde_json::from_slice::<serde_json::Value>(bytes).ok();
    if let Some(wanted) = json(&wanted)
        && json(&asked.body) == Some(wanted)
    {
        return None;
    }
    let is_form = asked
        .headers
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    if is_form {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        return parameters_differ(pairs(Some(&text(&wanted))), pairs(Some(&text(&asked.body))))
            .map(|difference| format!("in the form, {difference}"));
    }
    Some(format!("its body is {:?}, and here {:?}", beginning(&wanted), beginning(&asked.body)))
}

fn beginning(bytes: &Bytes) -> String {
    const SHOWN: usize = 200;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).into_owned();
    if bytes.len() > SHOWN { format!("{text}...") } else { text }
}

/// Parameters with how often each stands there: their order says nothing.
type Parameters = BTreeMap<String, Vec<String>>;

fn pairs(query: Option<&str>) -> Parameters {
    let mut parameters = Parameters::new();
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        parameters.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    parameters.values_mut().for_each(|values| values.sort());
    parameters
}

fn parameters_differ(expected: Parameters, mut asked: Parameters) -> Option<String> {
    for (name, wanted) in expected {
        let Some(given) = asked.remove(&name) else { return Some(format!("{name:?} is missing here")) };
        let any = wanted.len() == given.len() && wanted.iter().any(|value| value == ANY);
        if wanted != given && !any {
            return Some(format!("{name:?} is {}, and here {}", wanted.join(", "), given.join(", ")));
        }
    }
    asked.into_keys().next().map(|name| format!("{name:?} is here, and was not expected"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, Method};

    use super::*;
    use crate::kit::cassette::Answer;

    fn headers(listed: &[(&'static str, &'static str)]) -> HeaderMap {
        listed.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    const NO_HEADERS: &[(&str, &str)] = &[];

    fn asked(method: Method, url: &str, listed: &[(&'static str, &'static str)], body: &'static str) -> Asked {
        Asked {
            method,
            url: Url::parse(url).expect(url),
            headers: headers(listed),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    fn recorded(url: &str, status: u16) -> Recorded {
        Recorded {
            request: Request {
                method: Method::GET,
                url: Url::parse(url).expect(url),
                headers: HeaderMap::new(),
                body: None,
            },
            outcome: Outcome::Answer(Answer {
                status: http::StatusCode::from_u16(status).expect("a status"),
                headers: HeaderMap::new(),
                body: Body::Text(String::new()),
                broken: false,
            }),
        }
    }

    #[test]
    fn requests_fit_by_what_matters() {
        const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        let check =
            |url: &str, listed: &[(&'static str, &'static str)], body: Option<Body>, asked: &Asked, want: &str| {
                let expected =
                    Request { method: Method::GET, url: Url::parse(url).expect(url), headers: headers(listed), body };
                match (difference(&expected, asked), want) {
                    (None, "") => {}
                    (Some(difference), want) if !want.is_empty() => assert!(difference.contains(want), "{difference}"),
                    (got, want) => panic!("{url}: got {got:?}, want {want:?}"),
                }
            };
        let get = |url: &str| asked(Method::GET, url, NO_HEADERS, "");
        let text = |text: &str| Some(Body::Text(text.into()));
        check("https://a.example/x", &[], None, &get("https://a.example:443/x"), "");
        check("https://a.example/x", &[], None, &get("https://a.example/y"), "its URL is https://a.example/x");
        check("https://a.example/x", &[], None, &get("https://b.example/x"), "its URL is");
        check("https://a.example/x", &[], None, &get("http://a.example/x"), "its URL is");
        check(
            "https://a.example/",
            &[],
            None,
            &asked(Method::POST, "https://a.example/", NO_HEADERS, ""),
            "method is GET",
        );
        check("https://a.example/?a=1&b=2&a=3", &[], None, &get("https://a.example/?a=3&a=1&b=2"), "");
        check("https://a.example/?a=%20", &[], None, &get("https://a.example/?a=+"), "");
        check("https://a.example/?a=1", &[], None, &get("https://a.example/?a=2"), "\"a\" is 1, and here 2");
        check("https://a.example/?a=1", &[], None, &get("https://a.example/?a=1&a=1"), "\"a\" is 1");
        check("https://a.example/?a=1", &[], None, &get("https://a.example/"), "\"a\" is missing");
        check("https://a.example/", &[], None, &get("https://a.example/?b"), "\"b\" is here");
        check("https://a.example/?sig=*&a=1", &[], None, &get("https://a.example/?a=1&sig=xyz"), "");
        check("https://a.example/?sig=*", &[], None, &get("https://a.example/"), "\"sig\" is missing");

        let with = |listed: &[(&'static str, &'static str)], body: &'static str| {
            asked(Method::GET, "https://a.example/", listed, body)
        };
        check("https://a.example/", &[], None, &with(&[("accept", "a"), ("date", "now")], "anything"), "");
        check("https://a.example/", &[("accept", "a")], None, &with(&[("accept", "a"), ("date", "now")], ""), "");
        check("https://a.example/", &[("accept", "a")], None, &with(&[("accept", "b")], ""), "header accept is \"a\"");
        check("https://a.example/", &[("accept", "a")], None, &with(&[], ""), "here missing");
        check("https://a.example/", &[], text("x"), &with(&[], "x"), "");
        check("https://a.example/", &[], text("x"), &with(&[], "y"), "its body is \"x\", and here \"y\"");
        check("https://a.example/", &[], text(r#"{"a":1,"b":2}"#), &with(&[], r#"{ "b": 2, "a": 1 }"#), "");
        check("https://a.example/", &[], Some(Body::Json(serde_json::json!({"a": 1}))), &with(&[], r#"{"a": 1}"#), "");
        check("https://a.example/", &[], text("a=1&b=2"), &with(FORM, "b=2&a=1"), "");
        check("https://a.example/", &[], text("a=1&b=2"), &with(FORM, "b=3&a=1"), "in the form, \"b\" is 2");
        check("https://a.example/", &[], text("a=1&b=2"), &with(&[], "b=2&a=1"), "its body is");
    }

    #[tokio::test]
    async fn each_exchange_answers_once_and_in_order() {
        let replay = Replay::new(vec![
            recorded("https://a.example/x", 500),
            recorded("https://a.example/x", 200),
            recorded("https://a.example/y?p=2", 200),
        ]);
        let get = async |url: &str| {
            let answered = replay.answer(&asked(Method::GET, url, NO_HEADERS, "")).await;
            answered.map(|answered| answered.status.as_u16())
        };
        assert_eq!(get("https://a.example/x").await, Ok(500));
        assert_eq!(get("https://a.example/x").await, Ok(200));
        assert_eq!(replay.unused(), [2]);
        assert_eq!(get("https://a.example/y").await, Err(Unanswered::NoConnection));
        assert_eq!(get("https://a.example/y?p=2").await, Ok(200));
        assert_eq!(get("https://a.example/y?p=2").await, Err(Unanswered::NoConnection));
        assert_eq!((replay.used(), replay.unused()), (vec![0, 1, 2], vec![]));
        let surprises: Vec<String> = replay.surprises().iter().map(Surprise::to_string).collect();
        assert_eq!(
            surprises,
            [
                "it asked for GET https://a.example/y; exchanges[2] is the nearest of those left, and differs: in the \
                 query, \"p\" is missing here",
                "it asked for GET https://a.example/y?p=2; all exchanges were used before",
            ]
        );
    }
}
