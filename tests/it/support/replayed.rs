//! A provider on this machine that answers as a driver's cassettes do: each of their origins has a port of its own. Any
//! driver can be tried with it, since each has cassettes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tracker::clock::{Clock as _, SystemClock};
use url::Url;

use super::provider::read_request;

/// A cassette as it is in its file.
#[derive(Clone)]
pub(crate) struct Cassette {
    pub(crate) name: String,
    document: Value,
    exchanges: Vec<Exchange>,
}

#[derive(Clone)]
struct Exchange {
    method: String,
    url: Url,
    body: Option<ExpectedBody>,
    status: u16,
    headers: Vec<(String, String)>,
    answer: Vec<u8>,
}

#[derive(Clone)]
enum ExpectedBody {
    Json(Value),
    Text(String),
}

/// What is done to the answer of one of the provider's exchanges.
#[derive(Clone, Debug)]
pub(crate) enum Distortion {
    /// A page of a proxy, with this status.
    Proxy(u16),
    /// The first half of the body, as if it were the whole.
    Half,
    /// The first half of the body, and the connection is closed.
    Broken,
    /// The connection is closed before an answer.
    Closed,
    /// A redirect to the same place.
    Redirect,
    /// This body, with the status of a success.
    InSuccess(Vec<u8>),
    /// The answer of the first exchange of the same path, however many pages there are.
    SamePage,
}

#[derive(Default)]
struct State {
    /// Each origin of the cassettes, and where it is served.
    places: BTreeMap<String, String>,
    exchanges: Vec<Exchange>,
    /// Answers what fits none of them.
    otherwise: Option<Exchange>,
    distorted: Option<(usize, Distortion)>,
    /// Which exchanges were asked for since the last change of what is answered.
    asked: Vec<usize>,
    /// Requests that fit no exchange.
    unknown: Vec<String>,
    /// How far the provider's clock is ahead.
    ahead: Duration,
}

pub(crate) struct Replayed {
    /// Each origin of the cassettes, and where it is served.
    places: BTreeMap<String, String>,
    /// What is answered beside every cassette: the realms.
    realms: Option<Cassette>,
    state: Arc<Mutex<State>>,
    _serving: JoinSet<()>,
}

impl Cassette {
    /// All of a driver's cassettes.
    pub(crate) fn all(driver: &Path) -> Vec<Cassette> {
        let folder = driver.join("cassettes");
        let mut cassettes = Vec::new();
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
            if path.extension().is_some_and(|extension| extension == "json") && name != "suite" {
                cassettes.push(Cassette::read(&name, &path, &folder));
            }
        }
        cassettes.sort_by(|one, other| one.name.cmp(&other.name));
        cassettes
    }

    fn read(name: &str, path: &Path, folder: &Path) -> Cassette {
        let text = std::fs::read_to_string(path).expect("a cassette");
        let document: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let exchanges = document["exchanges"].as_array().expect("exchanges");
        let exchanges = exchanges.iter().filter(|exchange| exchange["answer"].is_object());
        let exchanges = exchanges.map(|exchange| Exchange::read(exchange, folder)).collect();
        Cassette { name: name.to_owned(), document, exchanges }
    }

    pub(crate) fn member(&self, pointer: &str) -> &Value {
        self.document.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// Whether a full list of instances is expected of it, which a host asks for as well.
    pub(crate) fn is_a_list(&self) -> bool {
        self.member("/list") == "instances"
            && self.member("/since").is_null()
            && self.member("/ids").is_null()
            && self.member("/expect/error").is_null()
    }

    /// Whether the first answer of each path has some of the instances.
    pub(crate) fn is_paged(&self) -> bool {
        let ids = self.member("/expect/ids").as_array().cloned().unwrap_or_default();
        let first = |path: &str| self.exchanges.iter().find(|exchange| exchange.url.path() == path);
        self.exchanges.iter().all(|exchange| {
            let text = String::from_utf8_lossy(&first(exchange.url.path()).unwrap_or(exchange).answer).into_owned();
            ids.iter().filter_map(Value::as_str).any(|id| text.contains(id))
        })
    }

    pub(crate) fn requests(&self) -> usize {
        self.exchanges.len()
    }

    /// The body of its last answer, which is where an error is.
    pub(crate) fn last_body(&self) -> Vec<u8> {
        self.exchanges.last().map(|exchange| exchange.answer.clone()).unwrap_or_default()
    }

    /// Whether a complete list of realms is expected of it.
    pub(crate) fn is_a_list_of_realms(&self) -> bool {
        self.member("/list") == "realms" && self.member("/expect/coverage") == "complete"
    }

    /// Whether all its requests go to endpoints of its account.
    pub(crate) fn stays_within_its_endpoints(&self) -> bool {
        let own: Vec<String> = self.endpoints().collect();
        self.exchanges.iter().all(|exchange| own.contains(&origin(&exchange.url)))
    }

    /// Whether no request has two answers, of which the second is for the second time.
    pub(crate) fn has_an_answer_for_each_request(&self) -> bool {
        let requests = self.member("/exchanges").as_array().cloned().unwrap_or_default();
        let requests: Vec<Value> = requests.into_iter().map(|exchange| exchange["request"].clone()).collect();
        requests.iter().enumerate().all(|(at, request)| !requests[..at].contains(request))
    }

    fn origins(&self) -> impl Iterator<Item = String> {
        self.endpoints().chain(self.exchanges.iter().map(|exchange| origin(&exchange.url)))
    }

    /// The origins of the account's endpoints.
    fn endpoints(&self) -> impl Iterator<Item = String> {
        let account = ["/account/endpoint"].into_iter().map(|at| self.member(at).as_str().expect("an endpoint"));
        let roles = self.member("/account/endpoints").as_object().into_iter().flatten();
        let endpoints = account.chain(roles.map(|(_, endpoint)| endpoint.as_str().expect("an endpoint")));
        endpoints.map(|endpoint| origin(&Url::parse(endpoint).expect("a URL")))
    }
}

impl Exchange {
    fn read(exchange: &Value, folder: &Path) -> Exchange {
        let (request, answer) = (&exchange["request"], &exchange["answer"]);
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let body = match (&request["body_json"], &request["body"]) {
            (Value::Null, Value::Null) => None,
            (Value::Null, body) => Some(ExpectedBody::Text(text(body))),
            (json, _) => Some(ExpectedBody::Json(json.clone())),
        };
        let headers = answer["headers"].as_object().into_iter().flatten().flat_map(|(name, values)| {
            let values = values.as_array().cloned().unwrap_or_else(|| vec![values.clone()]);
            values.into_iter().map(|value| (name.clone(), value.as_str().expect("text").to_owned()))
        });
        let bytes = match answer {
            answer if !answer["body_json"].is_null() => answer["body_json"].to_string().into_bytes(),
            answer if answer["body"].is_string() => text(&answer["body"]).into_bytes(),
            answer if answer["body_file"].is_string() => {
                std::fs::read(folder.join(text(&answer["body_file"]))).expect("a body")
            }
            answer if answer["body_base64"].is_string() => BASE64.decode(text(&answer["body_base64"])).expect("Base64"),
            _ => Vec::new(),
        };
        Exchange {
            method: text(&request["method"]),
            url: Url::parse(&text(&request["url"])).expect("a URL"),
            body,
            status: u16::try_from(answer["status"].as_u64().expect("a status")).expect("a status"),
            headers: headers.collect(),
            answer: bytes,
        }
    }

    fn fits(&self, method: &str, url: &Url, body: &str) -> bool {
        self.method == method
            && (origin(&self.url), self.url.path()) == (origin(url), url.path())
            && same_parameters(&self.url, url)
            && self.body.as_ref().is_none_or(|expected| match expected {
                ExpectedBody::Json(expected) => {
                    serde_json::from_str(body).is_ok_and(|body: Value| same_json(expected, &body))
                }
                ExpectedBody::Text(expected) => same_text(expected, body) || same_form(expected, body),
            })
    }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn same_parameters(expected: &Url, asked: &Url) -> bool {
    same_pairs(expected.query_pairs().into_owned().collect(), asked.query_pairs().into_owned().collect())
}

fn same_pairs(mut expected: Vec<(String, String)>, mut given: Vec<(String, String)>) -> bool {
    expected.sort();
    given.sort();
    let same = |(one, other): (&(String, String), &(String, String))| one.0 == other.0 && same_text(&one.1, &other.1);
    expected.len() == given.len() && expected.iter().zip(&given).all(same)
}

fn same_form(expected: &str, given: &str) -> bool {
    let pairs = |text: &str| url::form_urlencoded::parse(text.as_bytes()).into_owned().collect::<Vec<_>>();
    expected.contains('=') && same_pairs(pairs(expected), pairs(given))
}

/// Whether a text is as expected, where `*` alone and each placeholder stand for anything.
fn same_text(expected: &str, given: &str) -> bool {
    if expected == "*" {
        return true;
    }
    let mut rest = given;
    let mut parts = expected.split("{{").enumerate().map(|(at, part)| match at {
        0 => part,
        _ => part.split_once("}}").map_or(part, |(_, behind)| behind),
    });
    let Some(mut left) = parts.next().and_then(|first| rest.strip_prefix(first)) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        rest = &left[at + part.len()..];
        last = Some((left, part));
        left = rest;
    }
    last.map_or(left.is_empty(), |(before, part)| before.ends_with(part))
}

fn same_json(expected: &Value, given: &Value) -> bool {
    match (expected, given) {
        (Value::String(expected), Value::String(given)) => same_text(expected, given),
        (Value::Array(expected), Value::Array(given)) => {
            expected.len() == given.len() && expected.iter().zip(given).all(|(one, other)| same_json(one, other))
        }
        (Value::Object(expected), Value::Object(given)) => {
            expected.len() == given.len()
                && expected.iter().all(|(name, value)| given.get(name).is_some_and(|other| same_json(value, other)))
        }
        (expected, given) => expected == given,
    }
}

impl Replayed {
    /// Serves the origins of these cassettes, and answers with the first.
    pub(crate) async fn start(cassettes: &[Cassette]) -> Replayed {
        let mut places = BTreeMap::new();
        let state: Arc<Mutex<State>> = Arc::default();
        let mut serving = JoinSet::new();
        for origin in cassettes.iter().flat_map(Cassette::origins) {
            if !places.contains_key(&origin) {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                places.insert(origin.clone(), format!("http://{}", listener.local_addr().expect("bound")));
                serving.spawn(accept(listener, origin, Arc::clone(&state)));
            }
        }
        let realms = cassettes.iter().find(|cassette| cassette.is_a_list_of_realms()).cloned();
        let replayed = Replayed { places, realms, state, _serving: serving };
        replayed.answers_with(&cassettes[0]);
        replayed
    }

    /// Where an endpoint of the cassettes is served.
    pub(crate) fn place(&self, endpoint: &str) -> String {
        let url = Url::parse(endpoint).expect("a URL");
        let path = url.path().trim_end_matches('/');
        format!("{}{path}", self.places[&origin(&url)])
    }

    /// Answers as this cassette from now on. What fits none of its requests gets its last answer if that is an error.
    pub(crate) fn answers_with(&self, cassette: &Cassette) {
        let here =
            |cassette: &Cassette| cassette.exchanges.iter().map(|exchange| self.here(exchange)).collect::<Vec<_>>();
        let mut exchanges = here(cassette);
        let otherwise = exchanges.last().filter(|_| !cassette.member("/expect/error").is_null()).cloned();
        if otherwise.is_none() {
            exchanges.extend(self.realms.iter().flat_map(here));
        }
        *self.state() = State { places: self.places.clone(), exchanges, otherwise, ..State::default() };
    }

    /// Distorts the answer of one exchange of the cassette, by its place.
    pub(crate) fn distorts(&self, at: usize, how: Distortion) {
        let mut state = self.state();
        state.distorted = Some((at, how));
        state.asked.clear();
    }

    /// Sets the provider's clock so far ahead.
    pub(crate) fn is_ahead(&self, ahead: Duration) {
        self.state().ahead = ahead;
    }

    /// Whether an exchange was asked for since the last change.
    pub(crate) fn was_asked_for(&self, at: usize) -> bool {
        self.state().asked.contains(&at)
    }

    /// The requests that fitted nothing.
    pub(crate) fn unknown(&self) -> Vec<String> {
        self.state().unknown.clone()
    }

    /// An exchange whose answer names the places where the origins are served.
    fn here(&self, exchange: &Exchange) -> Exchange {
        let replaced = |text: &str| {
            self.places.iter().fold(text.to_owned(), |text, (origin, place)| text.replace(origin.as_str(), place))
        };
        let answer = match std::str::from_utf8(&exchange.answer) {
            Ok(text) => replaced(text).into_bytes(),
            Err(_) => exchange.answer.clone(),
        };
        let headers = exchange.headers.iter().map(|(name, value)| (name.clone(), replaced(value))).collect();
        Exchange { answer, headers, ..exchange.clone() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

async fn accept(listener: TcpListener, origin: String, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        connections.spawn(answer(stream, origin.clone(), Arc::clone(&state)));
        while connections.try_join_next().is_some() {}
    }
}

/// One request, one answer, and the connection is closed.
async fn answer(mut stream: TcpStream, origin: String, state: Arc<Mutex<State>>) {
    let Some(request) = read_request(&mut stream).await else { return };
    let bytes = answer_to(&request, &origin, &mut state.lock().expect("no holder panics"));
    // Whether the other end still listens is its business.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

fn answer_to(request: &str, origin: &str, state: &mut State) -> Vec<u8> {
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    let mut line = head.split(' ');
    let (method, target) = (line.next().expect("a method"), line.next().expect("a target"));
    let url = Url::parse(&format!("{origin}{target}")).expect("a URL");
    let now = std::time::UNIX_EPOCH + Duration::from_millis(SystemClock.now().as_millis().unsigned_abs());
    let date = httpdate::fmt_http_date(now + state.ahead);
    // A request may name an endpoint, as a scope say.
    let mut body = body.to_owned();
    for (origin, place) in &state.places {
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        body = body.replace(place, origin).replace(&encoded(place), &encoded(origin));
    }
    let found = state.exchanges.iter().position(|exchange| exchange.fits(method, &url, &body));
    let (exchange, distortion) = match found {
        Some(at) => {
            state.asked.push(at);
            let distortion = state.distorted.clone().filter(|(distorted, _)| *distorted == at).map(|(_, how)| how);
            (state.exchanges[at].clone(), distortion)
        }
        None => match &state.otherwise {
            Some(exchange) => (exchange.clone(), None),
            None => {
                state.unknown.push(format!("{method} {url} {body}"));
                return response(501, &[], b"no exchange of the cassette fits", &date);
            }
        },
    };
    let Exchange { status, headers, answer, .. } = &exchange;
    let half = &answer[..answer.len() / 2];
    let html = b"<!DOCTYPE html><html><head><title>Gateway</title></head><body><h1>Please sign in</h1></body></html>";
    match distortion {
        None => response(*status, headers, answer, &date),
        Some(Distortion::Proxy(status)) => {
            response(status, &[("content-type".into(), "text/html".into())], html, &date)
        }
        Some(Distortion::Half) => response(*status, headers, half, &date),
        Some(Distortion::Broken) => {
            let mut bytes = response(*status, headers, answer, &date);
            bytes.truncate(bytes.len() - (answer.len() - half.len()));
            bytes
        }
        Some(Distortion::Closed) => Vec::new(),
        Some(Distortion::Redirect) => response(302, &[("location".into(), target.to_owned())], b"", &date),
        Some(Distortion::InSuccess(body)) => response(200, headers, &body, &date),
        Some(Distortion::SamePage) => {
            let same_path = |other: &&Exchange| other.url.path() == exchange.url.path();
            let first = state.exchanges.iter().find(same_path).unwrap_or(&exchange);
            response(first.status, &first.headers, &first.answer, &date)
        }
    }
}

fn response(status: u16, headers: &[(String, String)], body: &[u8], date: &str) -> Vec<u8> {
    let mut head =
        format!("HTTP/1.1 {status} Status\r\nDate: {date}\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    for (name, value) in headers {
        let is_ours = ["date", "content-length", "connection", "transfer-encoding", "content-encoding"];
        if !is_ours.contains(&name.to_ascii_lowercase().as_str()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    [head.as_bytes(), b"\r\n", body].concat()
}
