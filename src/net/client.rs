//! The pooled clients, one for each address policy in use: keep-alive, HTTP/2, the system's TLS roots, no
//! redirects, and no connection to an address that the policy closes.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;
use url::{Host, Url};

use super::policy::{AddressPolicy, AddressRefused};
use super::resolver::{ResolveError, Resolver};
use super::trust::Trust;

/// How often a connection of HTTP/2 with requests under way is asked whether it still lives, and how long
/// it may take to answer: otherwise each request to a peer that vanished would wait for its own timeout.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(20);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub struct ClientSettings {
    pub connect_timeout: Duration,
    /// How many idle connections to one host are kept, and for how long. As many as are used at once, or
    /// they are made anew all the time.
    pub idle_per_host: usize,
    pub idle_timeout: Duration,
    /// How many names may be looked up at once.
    pub lookups: usize,
    /// How many clients are kept ready; beyond that, the one that was asked for least recently is closed
    /// once nobody uses it.
    pub clients: usize,
    /// A proxy that all requests go through. It is then the proxy that resolves names and connects: only
    /// addresses written in a URL are checked here, those behind a name are the proxy's to check. The
    /// environment (`HTTPS_PROXY` and the like) is not read, lest it undo the policy unnoticed.
    pub proxy: Option<Url>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        ClientSettings {
            connect_timeout: Duration::from_secs(10),
            idle_per_host: 128,
            idle_timeout: Duration::from_secs(90),
            lookups: 64,
            clients: 64,
            proxy: None,
        }
    }
}

/// All clients of a host. Connections are pooled within one policy and never cross to another, so that a
/// connection which one account was allowed serves no account that was not.
#[derive(Clone, Debug)]
pub struct Clients {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: ClientSettings,
    trust: Trust,
    lookups: Arc<Semaphore>,
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    clients: HashMap<AddressPolicy, Entry>,
    /// How often a client was asked for: a clock for `Entry::used`.
    asked: u64,
}

#[derive(Debug)]
struct Entry {
    client: Client,
    used: u64,
}

/// A client that reaches only what its policy allows.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    resolver: Resolver,
    shared: Arc<Limits>,
}

/// What a client knows of its settings when it sends.
#[derive(Debug)]
struct Limits {
    connect_timeout: Duration,
    has_roots: bool,
    proxied: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("can't make an HTTP client: {0}")]
pub struct NetError(pub String);

/// Why there is no response, each in its own kind. `Display` is for the log; `public` is for clients.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error(transparent)]
    Refused(AddressRefused),
    #[error("its name does not resolve")]
    Unresolved,
    #[error("no connection: {0}")]
    Connect(String),
    #[error("no secure connection: {0}")]
    Tls(String),
    #[error(
        "this machine has no root certificates, so no https server can be verified: install them (the package \
         is often called ca-certificates), or name a file of them in SSL_CERT_FILE"
    )]
    NoRoots,
    #[error("no answer in time")]
    Timeout,
    #[error("the exchange broke off: {0}")]
    Broken(String),
    #[error("the request can't be sent: {0}")]
    Unsendable(String),
}

impl Clients {
    /// Reads the machine's root certificates; clients are made as they are asked for.
    pub fn new(settings: ClientSettings) -> Result<Clients, NetError> {
        let trust = Trust::of_this_machine()?;
        Clients::trusting(settings, trust)
    }

    fn trusting(settings: ClientSettings, trust: Trust) -> Result<Clients, NetError> {
        // Semaphores have a limit of their own, far beyond any sensible setting.
        let lookups = Arc::new(Semaphore::new(settings.lookups.clamp(1, Semaphore::MAX_PERMITS)));
        let shared = Shared { settings, trust, lookups, made: Mutex::default() };
        Ok(Clients { shared: Arc::new(shared) })
    }

    /// The proxy that all requests go through.
    pub fn proxy(&self) -> Option<&Url> {
        self.shared.settings.proxy.as_ref()
    }

    /// The client under this policy: made at the first call, then shared.
    pub fn under(&self, policy: &AddressPolicy) -> Result<Client, NetError> {
        let mut made = self.shared.made.lock().expect("invariant: no holder of this lock can panic");
        made.asked += 1;
        let asked = made.asked;
        if let Some(entry) = made.clients.get_mut(policy) {
            entry.used = asked;
            return Ok(entry.client.clone());
        }
        let client = self.shared.make(policy)?;
        if made.clients.len() >= self.shared.settings.clients.max(1) {
            let oldest = made.clients.iter().min_by_key(|(_, entry)| entry.used).map(|(policy, _)| policy.clone());
            if let Some(oldest) = oldest {
                made.clients.remove(&oldest);
            }
        }
        made.clients.insert(policy.clone(), Entry { client: client.clone(), used: asked });
        Ok(client)
    }
}

impl Shared {
    #[expect(clippy::disallowed_methods, reason = "this is the room that makes HTTP clients")]
    fn make(&self, policy: &AddressPolicy) -> Result<Client, NetError> {
        let resolver = Resolver { policy: Arc::new(policy.clone()), lookups: Arc::clone(&self.lookups) };
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(self.trust.config())
            .connect_timeout(self.settings.connect_timeout)
            .pool_max_idle_per_host(self.settings.idle_per_host)
            .pool_idle_timeout(self.settings.idle_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(HTTP2_PING_EVERY)
            .http2_keep_alive_timeout(HTTP2_PING_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .gzip(true);
        let failed = |error: reqwest::Error| NetError(innermost(&error.without_url()));
        let builder = match &self.settings.proxy {
            // The one name that is looked up then is the operator's own proxy.
            Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy.clone()).map_err(failed)?),
            None => builder.no_proxy().dns_resolver(resolver.clone()),
        };
        let limits = Limits {
            connect_timeout: self.settings.connect_timeout,
            has_roots: self.trust.has_roots(),
            proxied: self.settings.proxy.is_some(),
        };
        Ok(Client { http: builder.build().map_err(failed)?, resolver, shared: Arc::new(limits) })
    }
}

impl Client {
    /// Sends one request and gives what came back, redirects included. The body is still to be read, and
    /// its errors are `SendError::from` too.
    pub async fn send(&self, request: reqwest::Request) -> Result<reqwest::Response, SendError> {
        self.check_literal(request.url())?;
        if request.url().scheme() == "https" && !self.shared.has_roots {
            return Err(SendError::NoRoots);
        }
        self.http.execute(request).await.map_err(SendError::from)
    }

    /// Whether the policy lets a URL be reached as things stand: an address in it is judged, a name is looked
    /// up once. A name that does not resolve, or not in time, is let through: it may tomorrow, and `send`
    /// judges anew.
    pub async fn check_url(&self, url: &Url) -> Result<(), SendError> {
        self.check_literal(url)?;
        let Some(Host::Domain(name)) = url.host() else {
            return Ok(());
        };
        if self.shared.proxied {
            return Ok(());
        }
        let lookup = self.resolver.clone().lookup(name.to_owned());
        match tokio::time::timeout(self.shared.connect_timeout, lookup).await {
            Ok(Err(ResolveError::Refused(refused))) => Err(SendError::Refused(refused)),
            Ok(Ok(_) | Err(ResolveError::Unresolved)) | Err(_) => Ok(()),
        }
    }

    /// The HTTP client asks no resolver about an address that is written in the URL.
    fn check_literal(&self, url: &Url) -> Result<(), SendError> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        self.resolver.policy.check(address).map_err(SendError::Refused)
    }
}

impl SendError {
    /// What a client may be told: nothing of what a name resolved to, or of what is behind the host.
    pub fn public(&self) -> &'static str {
        match self {
            SendError::Refused(_) => "its address is not a public one, and the operator has not opened it",
            SendError::Unresolved => "its name does not resolve",
            SendError::Connect(_) => "no connection could be made",
            SendError::Tls(_) | SendError::NoRoots => "no secure connection could be made",
            SendError::Timeout => "no answer came in time",
            SendError::Broken(_) => "the exchange broke off",
            SendError::Unsendable(_) => "the request can't be sent",
        }
    }
}

impl From<reqwest::Error> for SendError {
    fn from(error: reqwest::Error) -> SendError {
        // A URL may hold a secret in its query, and whoever logs this knows the URL.
        let error = error.without_url();
        for cause in causes(&error) {
            match cause.downcast_ref::<ResolveError>() {
                Some(ResolveError::Refused(refused)) => return SendError::Refused(*refused),
                Some(ResolveError::Unresolved) => return SendError::Unresolved,
                None => {}
            }
            if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
                return SendError::Tls(tls.to_string());
            }
        }
        if error.is_timeout() {
            SendError::Timeout
        } else if error.is_connect() {
            SendError::Connect(innermost(&error))
        } else if error.is_builder() {
            SendError::Unsendable(innermost(&error))
        } else {
            SendError::Broken(innermost(&error))
        }
    }
}

/// An error and what it came from, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // An I/O error that wraps another names that one's source as its own, and leaves it out itself.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// What went wrong in the end, without the layers that it came through.
fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSettings")
            .field("connect_timeout", &self.connect_timeout)
            .field("idle_per_host", &self.idle_per_host)
            .field("idle_timeout", &self.idle_timeout)
            .field("lookups", &self.lookups)
            .field("clients", &self.clients)
            // Its URL may hold a password.
            .field("proxy", &self.proxy.as_ref().and_then(Url::host_str))
            .finish()
    }
}

#[cfg(test)]
mod tests;
