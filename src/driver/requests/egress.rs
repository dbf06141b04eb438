//! The only way out of a sandbox. Each request is counted and checked against the endpoints that the account's driver
//! may reach. Placeholders are replaced with the account's secrets. The host's own pooled client sends the request and
//! checks the address that the name resolves to. Answers are bounded in size and time, and masked.

mod answer;
mod outcome;
mod outlet;
mod request;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt as _;
use secrecy::ExposeSecret as _;
use tokio::sync::Semaphore;
use url::Url;
use wasmtime_wasi_http::{Error, WasiBody};

use super::secrets::{Secrets, TooLong};
use super::skew::Skew;
use super::wire::{Answered, Asked, Exchange, Unanswered, Watch, Wire};
use super::withheld::Withheld;
use crate::clock::{Clock, Stopwatch};
use crate::driver::error::CallError;
use crate::driver::info::DriverInfo;
use crate::driver::limits::Limits;
use crate::driver::limits::budget::Budget;
use crate::driver::limits::memory::{Full, Held, PollMemory};
use crate::driver::session::SessionKey;
use crate::driver::target::Target;
use crate::mask::SECRET;
use crate::net::{AddressPolicy, Client, Clients, NetError, Route, SendError};
use crate::supply::grants::{Origin, Reach, Refusal};
use answer::{gathered, head_bytes, received, taped};
use outcome::Outcome;
use request::RequestSecrets;

pub(in crate::driver) use outlet::{BODY_CHUNK, Outlet};

/// What one poll may reach and what came of it, shared by the sandbox and the requests under way.
pub(in crate::driver) struct Egress {
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
    memory: Arc<PollMemory>,
    secrets: RequestSecrets,
    outcome: Arc<Outcome>,
    requests: AtomicU32,
    /// Bounds what the host holds of requests under way: each is held whole.
    at_once: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
}

impl Egress {
    pub(in crate::driver) fn new(
        driver: &DriverInfo,
        target: &Target,
        reach: Reach,
        (clients, limits, clock): (&Clients, &Limits, &Arc<dyn Clock>),
        memory: Arc<PollMemory>,
    ) -> Result<Egress, NetError> {
        let secrets = Secrets::new(&target.key.user, target.password.clone(), &target.secrets);
        let own = std::iter::once((&target.addresses, &target.via))
            .chain(target.roles.values().map(|role| (&role.addresses, &role.via)))
            .map(|(addresses, via)| clients.on(&Route { addresses: addresses.clone(), via: via.clone() }))
            .collect::<Result<Vec<_>, _>>()?;
        let public = clients.on(&Route { addresses: AddressPolicy::default(), via: target.via.elsewhere() })?;
        let mut mask = secrets.mask();
        for secret in own.iter().chain([&public]).flat_map(Client::secrets) {
            mask.add(secret.expose_secret().as_bytes(), SECRET);
        }
        let withheld = Withheld::of(Arc::new(mask));
        let outcome = Arc::new(Outcome::new(driver.name.clone(), limits.clone(), withheld));
        Ok(Egress {
            session: SessionKey { account: target.key.clone(), driver: driver.digest.clone() },
            provider: target.key.provider.clone(),
            reach,
            own,
            public,
            wire: target.wire.clone(),
            budget: target.budget.clone(),
            memory,
            secrets: RequestSecrets::new(secrets, Arc::clone(&outcome)),
            outcome,
            requests: AtomicU32::new(0),
            at_once: Arc::new(Semaphore::new(limits.requests_at_once as usize)),
            clock: Arc::clone(clock),
        })
    }

    /// Whose session memory the poll has.
    pub(in crate::driver) fn session(&self) -> &SessionKey {
        &self.session
    }

    pub(in crate::driver) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(in crate::driver) fn with_secrets<T>(&self, use_them: impl FnOnce(&mut Secrets) -> T) -> T {
        self.secrets.with(use_them)
    }

    /// What came of its requests.
    pub(in crate::driver) fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    pub(in crate::driver) fn watch(&self) -> Option<&dyn Watch> {
        self.wire.watch.as_deref()
    }

    /// Whether an answer is waited for, or whoever answers is.
    pub(in crate::driver) fn is_waiting(&self) -> bool {
        self.at_once.available_permits() < self.outcome.limits.requests_at_once as usize
    }

    /// Takes a request that the driver wants to make: where it goes, and through which client.
    fn admit(&self, method: &http::Method, uri: &http::Uri) -> Result<(Url, &Client), Error> {
        if self.outcome.passed().is_some() {
            return Err(Error::HttpRequestDenied);
        }
        if self.requests.fetch_add(1, Ordering::Relaxed) >= self.outcome.limits.requests {
            self.requests.store(self.outcome.limits.requests, Ordering::Relaxed);
            self.outcome.pass("requests a poll", "requests", self.outcome.limits.requests.to_string());
            return Err(Error::HttpRequestDenied);
        }
        // It asks for a tunnel, in which nothing would be looked at.
        if *method == http::Method::CONNECT {
            return Err(Error::HttpRequestMethodInvalid);
        }
        let place = Url::parse(&uri.to_string()).ok().and_then(|url| Some((Origin::of(&url)?, url)));
        let Some((origin, url)) = place else {
            self.outcome.refuse(format!(
                "driver {:?} asked for what is no URL of http or https with a host and no user in it",
                self.outcome.driver
            ));
            return Err(Error::HttpRequestUriInvalid);
        };
        if let Err(refusal) = self.reach.check(&url) {
            let why = self.outcome.masked(self.explain(&origin, refusal));
            if let Some(watch) = self.watch() {
                watch.refused(&why);
            }
            self.outcome.refuse(why);
            return Err(Error::HttpRequestDenied);
        }
        let client = self.reach.own(&url).and_then(|place| self.own.get(place)).unwrap_or(&self.public);
        Ok((url, client))
    }

    /// Names the driver, the endpoint, and what would let the request out.
    fn explain(&self, origin: &Origin, refusal: Refusal) -> String {
        let (driver, provider) = (&self.outcome.driver, &self.provider);
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
                "an account of provider {provider:?} must not reach it; if it should, set endpoint = \"{origin}\" for \
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
        let mut deadline = Box::pin(tokio::time::sleep(self.outcome.limits.request_timeout));
        let late = || {
            match self.memory.waiting() {
                Some(waiting) => self.outcome.end_with(waiting),
                None => self.outcome.pass_request_timeout(),
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
        let asked = (!plain).then(|| self.secrets.asked(&url, &parts, &body));
        let mask = self.secrets.mask(&parts, &body)?;
        let stopwatch = Stopwatch::start();
        if let (Some(asked), Some(tape)) = (&asked, &self.wire.tape) {
            if let Some(watch) = self.watch() {
                watch.would_send(&self.secrets.revealed(url.clone(), &parts, body.clone())?);
            }
            let outcome = tokio::select! {
                outcome = tape.answer(asked) => outcome.and_then(|answered| taped(&self.outcome, answered, &mask)),
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
        let answer = answer.and_then(|(answer, room)| received(&self.outcome, answer, mask, (deadline, room)));
        let Some(asked) = asked else {
            return answer;
        };
        let answered = match answer {
            Ok(answer) => gathered(answer, &self.memory).await.map_err(full),
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
            if waiting.elapsed() + wait > self.outcome.limits.request_timeout {
                let per_minute = budget.allowance().per_minute.get();
                self.outcome.end_with(CallError::Budget { per_minute, retry_after: wait });
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
            if whole.len() + data.len() > self.outcome.limits.request_bytes {
                self.outcome.pass_request_bytes(TooLong);
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
        let Asked { method, url, headers, body } = self.secrets.revealed(url, parts, body)?;
        let mut outgoing = reqwest::Request::new(method, url);
        *outgoing.headers_mut() = headers;
        if !body.is_empty() {
            *outgoing.body_mut() = Some(body.into());
        }
        let answer = client.send(outgoing).await.map_err(|error| self.sending_failed(&place, error))?;
        self.outcome.answered(Skew::of(answer.headers(), self.clock.now()));
        Ok(answer)
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
        if let Some(refused) = self.outcome.passed().map(|passed| passed.to_string()).or_else(|| self.outcome.refused())
        {
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
        let (shown, why) = (self.outcome.masked(place.clone()), self.outcome.masked(error.to_string()));
        tracing::debug!(
            driver = self.outcome.driver,
            provider = self.provider,
            url = shown,
            error = why,
            "no answer from the provider"
        );
        match error {
            SendError::Refused(refused) => {
                self.outcome.refuse(format!(
                    "driver {:?} asked for {place}, but {refused}. To open it: add \
                     allow_addresses = [\"{}\"] to provider {:?} in the configuration",
                    self.outcome.driver, refused.address, self.provider
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
                self.outcome.set_cut_off(format!("{place}: {error}"));
                Error::ConnectionRefused
            }
            SendError::Tls(_) => {
                self.outcome.set_cut_off(format!("{place}: {error}"));
                Error::TlsProtocolError
            }
            SendError::HeadTooLarge => self.outcome.pass_head(),
            SendError::NoRoots | SendError::Exhausted(_) => {
                self.outcome.refuse(format!("driver {:?} asked for {place}, but {error}", self.outcome.driver));
                match error {
                    SendError::NoRoots => Error::TlsCertificateError,
                    _ => Error::ConnectionLimitReached,
                }
            }
            SendError::Unsendable(_) => Error::HttpProtocolError,
        }
    }
}

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

/// A request is not let out, or an answer not in, for which the poll has no memory. The poll ends for it.
fn full(_: Full) -> Error {
    Error::HttpRequestDenied
}

/// What waits of an answer's body until the driver reads it: buffers of the connection and of the decoder.
const ANSWER_BUFFERS: usize = 256 << 10;
/// How many times its bytes an answer's head takes: short headers take more for their places than for themselves.
const HEADS: usize = 4;

#[cfg(test)]
mod tests;
