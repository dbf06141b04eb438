//! The only way out of a sandbox: each request is counted, held against what the account's driver may
//! reach, given the account's secrets in place of their placeholders, and sent through the host's own
//! pooled client, which checks the address that the name resolves to. Answers are bounded in size and
//! time, and masked.

mod answer;

use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use url::Url;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use answer::Answer;

use super::budget::Budget;
use super::description::DriverInfo;
use super::grants::{Origin, Reach, Refusal};
use super::kept::BODY_CHUNK;
use super::lane::at_home;
use super::limits::Limits;
use super::memory::{Full, Held, PollMemory};
use super::message::message;
use super::pulse::Pulse;
use super::secrets::{Secrets, TooLong};
use super::session::SessionKey;
use super::skew::Skew;
use super::wire::{Answered, Asked, Exchange, Unanswered, Watch, Wire};
use super::withheld::{TOO_MANY_COMPUTED, Withheld};
use super::{CallError, Target};
use crate::clock::{Clock, Stopwatch};
use crate::mask::{Mask, Masker};
use crate::net::{AddressPolicy, Client, Clients, NetError, Route, SendError};

/// What one poll may reach and what came of it, shared by the sandbox and the requests under way.
pub(super) struct Egress {
    driver: String,
    session: SessionKey,
    provider: String,
    reach: Reach,
    /// For each of the account's own endpoints, with all that the operator set for it: private addresses, private roots,
    /// a client certificate, a socket.
    own: Vec<Client>,
    /// For every other endpoint: public addresses only, and of what was set for the account its proxy alone.
    public: Client,
    wire: Wire,
    budget: Option<Arc<Budget>>,
    limits: Limits,
    memory: Arc<PollMemory>,
    secrets: Mutex<Secrets>,
    /// Of the secrets themselves.
    /// What nothing that leaves the sandbox may show.
    withheld: Mutex<Withheld>,
    requests: AtomicU32,
    /// Bounds what the host holds of requests under way: each is held whole.
    at_once: Arc<Semaphore>,
    /// Where requests are made from, whichever lane the driver runs in.
    home: Handle,
    /// The first limit that was passed: it ends the poll, whatever the driver makes of it.
    passed: Mutex<Option<CallError>>,
    /// The first request that was not let out: it explains the error that the driver makes of it.
    refused: Mutex<Option<String>>,
    /// Why the last request got no connection, where an operator can do something about it.
    cut_off: Mutex<Option<String>>,
    clock: Arc<dyn Clock>,
    /// By the last answer, where clocks differ.
    skew: Mutex<Option<Skew>>,
}

impl Egress {
    pub(super) fn new(
        driver: &DriverInfo,
        target: &Target,
        reach: Reach,
        (clients, limits, clock): (&Clients, &Limits, &Arc<dyn Clock>),
        memory: Arc<PollMemory>,
    ) -> Result<Egress, NetError> {
        let secrets = Secrets::new(&target.key.user, target.password.clone(), &target.secrets);
        let mask = Arc::new(secrets.mask());
        Ok(Egress {
            driver: driver.name.clone(),
            session: SessionKey { account: target.key.clone(), driver: driver.digest.clone() },
            provider: target.key.provider.clone(),
            reach,
            own: std::iter::once((&target.addresses, &target.via))
                .chain(target.roles.values().map(|role| (&role.addresses, &role.via)))
                .map(|(addresses, via)| clients.on(&Route { addresses: addresses.clone(), via: via.clone() }))
                .collect::<Result<_, _>>()?,
            public: clients.on(&Route { addresses: AddressPolicy::default(), via: target.via.elsewhere() })?,
            wire: target.wire.clone(),
            budget: target.budget.clone(),
            limits: limits.clone(),
            memory,
            secrets: Mutex::new(secrets),
            withheld: Mutex::new(Withheld::of(mask)),
            requests: AtomicU32::new(0),
            at_once: Arc::new(Semaphore::new(limits.requests_at_once as usize)),
            home: Handle::current(),
            passed: Mutex::new(None),
            refused: Mutex::new(None),
            cut_off: Mutex::new(None),
            clock: Arc::clone(clock),
            skew: Mutex::new(None),
        })
    }

    /// Whose session memory the poll has.
    pub(super) fn session(&self) -> &SessionKey {
        &self.session
    }

    pub(super) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn with_secrets<T>(&self, use_them: impl FnOnce(&mut Secrets) -> T) -> T {
        use_them(&mut self.secrets.lock().expect("invariant: no holder of this lock can panic"))
    }

    pub(super) fn with_withheld<T>(&self, use_it: impl FnOnce(&mut Withheld) -> T) -> T {
        use_it(&mut self.withheld.lock().expect("invariant: no holder of this lock can panic"))
    }

    /// What is masked by now in what leaves the sandbox.
    pub(super) fn withheld(&self) -> Arc<Mask> {
        self.with_withheld(|withheld| withheld.so_far())
    }

    /// A text that is shown, logged or kept, without secrets.
    pub(super) fn masked(&self, text: String) -> String {
        self.withheld().text(text)
    }

    /// What is masked in the answer to a request: secrets, and what was computed for this request or for one before. From then on
    /// that is masked in all that leaves the sandbox: a provider may give back later what it was sent.
    ///
    /// # Errors
    /// Too many different values are sent.
    fn mask(&self, parts: &http::request::Parts, body: &[u8]) -> Result<Arc<Mask>, Error> {
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        let texts = parts.headers.values().map(|value| value.as_bytes()).chain([query, body]);
        let computed = self.with_secrets(|secrets| secrets.computed_in(texts));
        match self.with_withheld(|withheld| computed.iter().all(|value| withheld.note(value))) {
            true => Ok(self.withheld()),
            false => {
                self.refuse(TOO_MANY_COMPUTED.to_owned());
                Err(Error::HttpRequestDenied)
            }
        }
    }

    /// The limit that was passed, if one was.
    pub(super) fn passed(&self) -> Option<CallError> {
        self.passed.lock().expect("invariant: no holder of this lock can panic").clone()
    }

    /// Why a request was not let out, if one was not.
    pub(super) fn refused(&self) -> Option<String> {
        self.refused.lock().expect("invariant: no holder of this lock can panic").clone()
    }

    /// Why there is no connection, if that is how things stand.
    pub(super) fn cut_off(&self) -> Option<String> {
        self.cut_off.lock().expect("invariant: no holder of this lock can panic").clone()
    }

    /// How far the host's clock is from that of whoever answered last, where that may be why it refuses.
    pub(super) fn skew(&self) -> Option<Skew> {
        *self.skew.lock().expect("invariant: no holder of this lock can panic")
    }

    fn set_cut_off(&self, why: Option<String>) {
        let why = why.map(|why| self.masked(why));
        *self.cut_off.lock().expect("invariant: no holder of this lock can panic") = why;
    }

    pub(super) fn watch(&self) -> Option<&dyn Watch> {
        self.wire.watch.as_deref()
    }

    fn pass(&self, limit: &'static str, setting: &'static str, value: String) {
        self.end_with(CallError::Limit { limit, setting, value });
    }

    /// Notes why the poll ends, unless that is known.
    fn end_with(&self, error: CallError) {
        self.passed.lock().expect("invariant: no holder of this lock can panic").get_or_insert(error);
    }

    /// Notes that a request would become too long.
    pub(super) fn pass_request_bytes(&self, too_long: TooLong) -> TooLong {
        self.pass("bytes of a request", "request_bytes", self.limits.request_bytes.to_string());
        too_long
    }

    /// Notes that the poll takes longer than it may.
    pub(super) fn pass_poll_timeout(&self) {
        self.end_with(CallError::poll_timeout(&self.limits));
    }

    /// Whether an answer is waited for, or whoever answers is.
    pub(super) fn is_waiting(&self) -> bool {
        self.at_once.available_permits() < self.limits.requests_at_once as usize
    }

    fn pass_request_timeout(&self) {
        let value = format!("{:?}", self.limits.request_timeout);
        self.pass("the time of one request", "request_timeout", value);
    }

    fn refuse(&self, why: String) {
        let why = message(self.masked(why));
        let mut refused = self.refused.lock().expect("invariant: no holder of this lock can panic");
        refused.get_or_insert(why);
    }

    /// Takes a request that the driver wants to make: where it goes, and through which client.
    fn admit(&self, method: &http::Method, uri: &http::Uri) -> Result<(Url, &Client), Error> {
        if self.passed().is_some() {
            return Err(Error::HttpRequestDenied);
        }
        if self.requests.fetch_add(1, Ordering::Relaxed) >= self.limits.requests {
            self.requests.store(self.limits.requests, Ordering::Relaxed);
            self.pass("requests a poll", "requests", self.limits.requests.to_string());
            return Err(Error::HttpRequestDenied);
        }
        // It asks for a tunnel, in which nothing would be looked at.
        if *method == http::Method::CONNECT {
            return Err(Error::HttpRequestMethodInvalid);
        }
        let place = Url::parse(&uri.to_string()).ok().and_then(|url| Some((Origin::of(&url)?, url)));
        let Some((origin, url)) = place else {
            self.refuse(format!(
                "driver {:?} asked for what is no URL of http or https with a host and no user in it",
                self.driver
            ));
            return Err(Error::HttpRequestUriInvalid);
        };
        if let Err(refusal) = self.reach.check(&url) {
            let why = self.masked(self.explain(&origin, refusal));
            if let Some(watch) = self.watch() {
                watch.refused(&why);
            }
            self.refuse(why);
            return Err(Error::HttpRequestDenied);
        }
        let client = self.reach.own(&url).and_then(|place| self.own.get(place)).unwrap_or(&self.public);
        Ok((url, client))
    }

    /// Names the driver, the endpoint, and what would let the request out.
    fn explain(&self, origin: &Origin, refusal: Refusal) -> String {
        let Egress { driver, provider, .. } = self;
        let remedy = match refusal {
            Refusal::NotDeclared => format!(
                "it does not declare that endpoint, and it is not the endpoint of provider {provider:?}; if it should \
                 be, set endpoint = \"{origin}\" for that provider in the configuration"
            ),
            Refusal::NotGranted => format!(
                "it is not granted that endpoint; to grant it, add \"{origin}\" to the endpoints of {driver:?} in \
                 drivers.lock"
            ),
            Refusal::OtherEndpoint => format!(
                "an account of provider {provider:?} has no business there; if it has, set endpoint = \"{origin}\" for \
                 that provider in the configuration"
            ),
        };
        format!("driver {driver:?} asked for {origin}: {remedy}")
    }

    async fn send(
        self: Arc<Egress>,
        url: Url,
        client: Client,
        request: http::Request<WasiBody>,
    ) -> Result<http::Response<WasiBody>, Error> {
        self.pay().await?;
        let mut deadline = Box::pin(tokio::time::sleep(self.limits.request_timeout));
        let late = || {
            match self.memory.waiting() {
                Some(waiting) => self.end_with(waiting),
                None => self.pass_request_timeout(),
            }
            Error::HttpResponseTimeout
        };
        let _turn = tokio::select! {
            turn = Arc::clone(&self.at_once).acquire_owned() => turn.map_err(|_| Error::HttpRequestDenied)?,
            () = &mut deadline => return Err(late()),
        };
        let (parts, body) = request.into_parts();
        let (body, _request_memory) = tokio::select! {
            body = self.whole(body) => body?,
            () = &mut deadline => return Err(late()),
        };
        let plain = self.wire.tape.is_none() && self.wire.watch.is_none();
        let asked = (!plain).then(|| self.asked(&url, &parts, &body));
        let mask = self.mask(&parts, &body)?;
        let stopwatch = Stopwatch::start();
        if let (Some(asked), Some(tape)) = (&asked, &self.wire.tape) {
            if let Some(watch) = self.watch() {
                watch.would_send(&self.revealed(url.clone(), &parts, body.clone())?);
            }
            let outcome = tokio::select! {
                outcome = tape.answer(asked) => outcome.and_then(|answered| self.taped(answered, &mask)),
                () = &mut deadline => return Err(late()),
            };
            let outcome = outcome.map(|answered| (answered, None)).map_err(Error::from);
            return self.watched(asked.clone(), outcome, &stopwatch);
        }
        let answer = tokio::select! {
            answer = self.exchange(url, client, &parts, body) => answer,
            () = &mut deadline => Err(late()),
        };
        let answer = match answer {
            Ok(answer) => tokio::select! {
                room = self.make_room(answer.headers()) => room.map(|room| (answer, room)),
                () = &mut deadline => Err(late()),
            },
            Err(error) => Err(error),
        };
        let answer = answer.and_then(|(answer, room)| Arc::clone(&self).received(answer, mask, (deadline, room)));
        let Some(asked) = asked else {
            return answer;
        };
        let answered = match answer {
            Ok(answer) => gathered(answer, &self.memory).await,
            Err(error) => Err(error),
        };
        self.watched(asked, answered, &stopwatch)
    }

    /// Makes room for an answer: for its head as long as the sandbox is there, and for what waits to be read of its
    /// body until that is read or let go.
    async fn make_room(&self, headers: &http::HeaderMap) -> Result<Held, Error> {
        let room = async {
            self.memory.grow(head_bytes(headers).saturating_mul(HEADS)).await?;
            self.memory.hold(ANSWER_BUFFERS).await
        };
        room.await.map_err(full)
    }

    /// Waits until the request can be paid for, out of what the account may be sent.
    async fn pay(&self) -> Result<(), Error> {
        let Some(budget) = &self.budget else { return Ok(()) };
        let waiting = Stopwatch::start();
        while let Err(wait) = budget.take() {
            if waiting.elapsed() + wait > self.limits.request_timeout {
                let per_minute = budget.allowance().per_minute.get();
                self.end_with(CallError::Budget { per_minute, retry_after: wait });
                return Err(Error::HttpRequestDenied);
            }
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// The whole body is held, so that no placeholder is missed where it is split over two writes.
    async fn whole(&self, mut body: WasiBody) -> Result<(Bytes, Held), Error> {
        let mut held = self.memory.hold(0).await.map_err(full)?;
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Error::HttpProtocolError)?;
            let Some(data) = frame.data_ref() else { continue };
            if whole.len() + data.len() > self.limits.request_bytes {
                self.pass_request_bytes(TooLong);
                return Err(Error::HttpRequestBodySize(None));
            }
            // As it was written, and with the secrets in it.
            held.grow(data.len() * 2).await.map_err(full)?;
            whole.extend_from_slice(data);
        }
        Ok((whole.into(), held))
    }

    /// Sends a request to the network with the secrets in it.
    async fn exchange(
        &self,
        url: Url,
        client: Client,
        parts: &http::request::Parts,
        body: Bytes,
    ) -> Result<reqwest::Response, Error> {
        let place = url.clone();
        let Asked { method, url, headers, body } = self.revealed(url, parts, body)?;
        let mut outgoing = reqwest::Request::new(method, url);
        *outgoing.headers_mut() = headers;
        if !body.is_empty() {
            *outgoing.body_mut() = Some(body.into());
        }
        let answer = client.send(outgoing).await.map_err(|error| self.sending_failed(&place, error))?;
        self.set_cut_off(None);
        let skew = Skew::of(answer.headers(), self.clock.now());
        *self.skew.lock().expect("invariant: no holder of this lock can panic") = skew;
        Ok(answer)
    }

    /// A request with the secrets in it, as it goes out.
    fn revealed(&self, mut url: Url, parts: &http::request::Parts, body: Bytes) -> Result<Asked, Error> {
        let too_long = |_| {
            self.pass_request_bytes(TooLong);
            Error::HttpRequestDenied
        };
        let mut room = self.limits.request_bytes;
        let query = url.query().map(|query| self.with_secrets(|secrets| secrets.reveal_query(query, &mut room)));
        if let Some(query) = query.transpose().map_err(too_long)?.flatten() {
            url.set_query(Some(&query));
        }
        let mut headers = http::HeaderMap::with_capacity(parts.headers.len());
        let body = self.with_secrets(|secrets| {
            for (name, value) in &parts.headers {
                if HOSTS_OWN_HEADERS.contains(&name.as_str()) {
                    continue;
                }
                let value = secrets.reveal(value.as_bytes(), &mut room).map_err(too_long)?;
                let Ok(value) = http::HeaderValue::from_bytes(&value) else {
                    self.refuse(format!(
                        "driver {:?} put a secret into the header {name} that can't stand in one: it has a line break \
                         or another control character in it",
                        self.driver
                    ));
                    return Err(Error::HttpRequestDenied);
                };
                headers.append(name, value);
            }
            let revealed = match secrets.reveal(&body, &mut room).map_err(too_long)? {
                std::borrow::Cow::Borrowed(_) => None,
                std::borrow::Cow::Owned(revealed) => Some(Bytes::from(revealed)),
            };
            Ok::<Bytes, Error>(revealed.unwrap_or(body))
        })?;
        Ok(Asked { method: parts.method.clone(), url, headers, body })
    }

    /// A request as observers see it: a secret that stands in it without a placeholder is masked.
    fn asked(&self, url: &Url, parts: &http::request::Parts, body: &Bytes) -> Asked {
        let mask = self.withheld();
        let shown = |secrets: &Secrets, text: &[u8]| {
            let named = secrets.named(text);
            mask.apply(&named).unwrap_or_else(|| named.into_owned())
        };
        self.with_secrets(|secrets| {
            let mut headers = http::HeaderMap::with_capacity(parts.headers.len());
            for (name, value) in &parts.headers {
                if let Ok(value) = http::HeaderValue::from_bytes(&shown(secrets, value.as_bytes())) {
                    headers.append(name, value);
                }
            }
            let body = Bytes::from(shown(secrets, body));
            let mut url = url.clone();
            if let Some(path) = mask.apply(url.path().as_bytes()) {
                url.set_path(&String::from_utf8_lossy(&path));
            }
            if let Some(query) = url.query().map(str::to_owned) {
                let shown = shown(secrets, query.as_bytes());
                if shown != query.as_bytes() {
                    url.set_query(Some(&String::from_utf8_lossy(&shown)));
                }
            }
            Asked { method: parts.method.clone(), url, headers, body }
        })
    }

    /// A tape's answer, held to the limit that the network's are held to, and masked as they are.
    fn taped(&self, mut answered: Answered, mask: &Mask) -> Result<Answered, Unanswered> {
        let limit = self.limits.answer_bytes;
        if answered.body.len() as u64 > limit {
            self.pass("bytes of an answer", "answer_bytes", limit.to_string());
            return Err(Unanswered::Refused(format!("an answer of more than {limit} bytes")));
        }
        self.check_head(&answered.headers)
            .map_err(|_| Unanswered::Refused("an answer with too many headers".into()))?;
        mask_headers(mask, &mut answered.headers).map_err(|_| Unanswered::Broken)?;
        if let Some(masked) = mask.apply(&answered.body) {
            answered.body = masked.into();
            answered.headers.remove(http::header::CONTENT_LENGTH);
        }
        Ok(answered)
    }

    /// Shows an exchange to whoever looks on, and makes the driver's answer of it.
    fn watched(
        &self,
        asked: Asked,
        answered: Result<(Answered, Option<Held>), Error>,
        stopwatch: &Stopwatch,
    ) -> Result<http::Response<WasiBody>, Error> {
        if let Some(watch) = &self.wire.watch {
            let outcome =
                answered.as_ref().map(|(answered, _)| answered.clone()).map_err(|error| self.unanswered(error));
            watch.saw(Exchange { asked, outcome, took: stopwatch.elapsed() });
        }
        let (Answered { status, headers, body, broken }, memory) = answered?;
        let end = broken.then_some(Err(Error::HttpResponseIncomplete));
        let frames = std::iter::once(Ok(Frame::data(body))).chain(end).inspect(move |_| {
            // It is counted until the body is gone.
            let _ = &memory;
        });
        let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
        let mut response = http::Response::new(body.boxed_unsync());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    fn unanswered(&self, error: &Error) -> Unanswered {
        if let Some(refused) = self.passed().map(|passed| passed.to_string()).or_else(|| self.refused()) {
            return Unanswered::Refused(refused);
        }
        match error {
            Error::DnsError { .. } => Unanswered::Unresolved,
            Error::ConnectionRefused | Error::TlsProtocolError | Error::TlsCertificateError => Unanswered::NoConnection,
            Error::ConnectionTimeout | Error::HttpResponseTimeout => Unanswered::Timeout,
            _ => Unanswered::Broken,
        }
    }

    fn sending_failed(&self, url: &Url, error: SendError) -> Error {
        // Not the path: it is of the driver's making.
        let place = url.origin().ascii_serialization();
        let (shown, why) = (self.masked(place.clone()), self.masked(error.to_string()));
        tracing::debug!(
            driver = self.driver,
            provider = self.provider,
            url = shown,
            error = why,
            "no answer from the provider"
        );
        match error {
            SendError::Refused(refused) => {
                self.refuse(format!(
                    "driver {:?} asked for {place}, but {refused}. To open it: add \
                     allow_addresses = [\"{}\"] to provider {:?} in the configuration",
                    self.driver, refused.address, self.provider
                ));
                Error::DestinationIpProhibited
            }
            SendError::Unresolved => Error::DnsError { rcode: None, info_code: None },
            SendError::Connect(_) => Error::ConnectionRefused,
            SendError::Timeout => Error::ConnectionTimeout,
            // A connection that ends before its answer does is a provider out of order, and not one that
            // says something odd.
            SendError::Broken(_) => Error::ConnectionTerminated,
            SendError::Proxy { .. }
            | SendError::ProxyCredentials { .. }
            | SendError::ProxyRefused { .. }
            | SendError::Socket { .. } => {
                self.set_cut_off(Some(format!("{place}: {error}")));
                Error::ConnectionRefused
            }
            SendError::Tls(_) => {
                self.set_cut_off(Some(format!("{place}: {error}")));
                Error::TlsProtocolError
            }
            SendError::HeadTooLarge => self.pass_head(),
            SendError::NoRoots | SendError::Exhausted(_) => {
                self.refuse(format!("driver {:?} asked for {place}, but {error}", self.driver));
                match error {
                    SendError::NoRoots => Error::TlsCertificateError,
                    _ => Error::ConnectionLimitReached,
                }
            }
            SendError::Unsendable(_) => Error::HttpProtocolError,
        }
    }

    /// Holds an answer's headers to their limit: the driver would have to take them into its memory.
    fn check_head(&self, headers: &http::HeaderMap) -> Result<(), Error> {
        if head_bytes(headers) > self.limits.answer_header_bytes { Err(self.pass_head()) } else { Ok(()) }
    }

    fn pass_head(&self) -> Error {
        let limit = self.limits.answer_header_bytes;
        self.pass("bytes of an answer's headers", "answer_header_bytes", limit.to_string());
        Error::HttpResponseHeaderSectionSize(u32::try_from(limit).ok())
    }

    /// Makes the provider's answer fit for the driver.
    fn received(
        self: Arc<Egress>,
        answer: reqwest::Response,
        mask: Arc<Mask>,
        (deadline, room): (Pin<Box<tokio::time::Sleep>>, Held),
    ) -> Result<http::Response<WasiBody>, Error> {
        // A body that is still encoded can't be looked through for secrets.
        if let Some(coding) = answer.headers().get(http::header::CONTENT_ENCODING)
            && coding.as_bytes() != b"identity"
        {
            let coding = String::from_utf8_lossy(coding.as_bytes()).into_owned();
            return Err(Error::HttpResponseContentCoding(Some(mask.text(coding))));
        }
        self.check_head(answer.headers())?;
        let (mut parts, body) = http::Response::from(answer).into_parts();
        mask_headers(&mask, &mut parts.headers)?;
        // The client holds the body to it. A driver that does so, too, would take an answer for cut off from which the mask
        // took a secret.
        parts.headers.remove(http::header::CONTENT_LENGTH);
        let masker = Masker::default();
        let body = Answer { body, deadline, egress: self, mask, masker, bytes: 0, ended: false, _room: room };
        Ok(http::Response::from_parts(parts, body.boxed_unsync()))
    }
}

/// Headers that a driver may write and that do not go out. The client sets what it needs of them itself, from
/// what it really connects to, sends and understands; the others speak of one connection (RFC 9110, 7.6.1), which
/// is the host's and serves more than this request. The sandbox refuses most of them already.
const HOSTS_OWN_HEADERS: [&str; 14] = [
    "host",
    "content-length",
    "accept-encoding",
    "connection",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl From<Unanswered> for Error {
    fn from(unanswered: Unanswered) -> Error {
        match unanswered {
            Unanswered::Refused(_) => Error::HttpRequestDenied,
            Unanswered::Unresolved => Error::DnsError { rcode: None, info_code: None },
            Unanswered::NoConnection => Error::ConnectionRefused,
            Unanswered::Broken => Error::ConnectionTerminated,
            Unanswered::Timeout => Error::ConnectionTimeout,
        }
    }
}

fn mask_headers(mask: &Mask, headers: &mut http::HeaderMap) -> Result<(), Error> {
    // A name can't have a mask in it.
    let named: Vec<_> = headers.keys().filter(|name| mask.is_in(name.as_str().as_bytes())).cloned().collect();
    for name in named {
        headers.remove(name);
    }
    for value in headers.values_mut() {
        if let Some(masked) = mask.apply(value.as_bytes()) {
            *value = http::HeaderValue::from_bytes(&masked).map_err(|_| Error::HttpProtocolError)?;
        }
    }
    Ok(())
}

/// Reads an answer to its end, or to where it breaks off.
async fn gathered(
    answer: http::Response<WasiBody>,
    memory: &Arc<PollMemory>,
) -> Result<(Answered, Option<Held>), Error> {
    let (parts, mut body) = answer.into_parts();
    let mut held = memory.hold(0).await.map_err(full)?;
    let mut whole = Vec::new();
    let broken = loop {
        match body.frame().await {
            Some(Ok(frame)) => {
                let data = frame.data_ref().map_or(&[][..], |data| data);
                held.grow(data.len()).await.map_err(full)?;
                whole.extend_from_slice(data);
            }
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    let answered = Answered { status: parts.status, headers: parts.headers, body: whole.into(), broken };
    Ok((answered, Some(held)))
}

/// A request is not let out, or an answer not in, for which the poll has no memory. The poll ends for it.
fn full(_: Full) -> Error {
    Error::HttpRequestDenied
}

fn head_bytes(headers: &http::HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// What a request takes in the host beside its head and body: its place among those that wait, and the future that
/// sends it.
const REQUEST_BYTES: usize = 8 << 10;
/// What waits of an answer's body until the driver reads it: buffers of the connection and of the decoder.
const ANSWER_BUFFERS: usize = 256 << 10;
/// How many times its bytes an answer's head takes: short headers take more for their places than for themselves.
const HEADS: usize = 4;

/// A sandbox's hold on its egress; none while a driver describes itself, which it does without HTTP.
pub(super) struct Outlet(pub(super) Option<Arc<Egress>>);

type Sending = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Outlet {
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _processed: Sending,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Sending), Error>> + Send> {
        let admitted = match &self.0 {
            None => Err(Error::HttpRequestDenied),
            Some(egress) if egress.memory.spend(REQUEST_BYTES).is_err() => Err(Error::HttpRequestDenied),
            Some(egress) => {
                let admitted = egress.admit(request.method(), request.uri()).map(|(url, client)| (url, client.clone()));
                let pulse = egress.wire.pulse.clone();
                admitted
                    .map(|(url, client)| (pulse, egress.home.clone(), Arc::clone(egress).send(url, client, request)))
            }
        };
        Box::new(async move {
            let (pulse, home, sent) = admitted?;
            let asking = pulse.as_ref().map(Pulse::ask);
            // It ends with the sandbox, or when the host does.
            let response = at_home(&home, sent).await.map_err(|_| Error::ConnectionTerminated)??;
            drop(asking);
            if let Some(pulse) = pulse {
                pulse.heard();
            }
            Ok((response, Box::new(async { Ok(()) }) as Sending))
        })
    }
}

#[cfg(test)]
mod tests;
