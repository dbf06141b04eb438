//! The pooled clients, one for each route in use: keep-alive, HTTP/2, no redirects, and no connection to an address
//! that the route's policy denies.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;
use tokio::runtime::Handle;
use url::{Host, Url};

use super::error::NetError;
use super::failure::{Scheme, SendError, Way, innermost};
use super::home::{Home, at_home};
use super::policy::{AddressPolicy, AddressRefused};
use super::resolver::{Lookups, Resolver};
use super::route::{Proxy, ProxyChoice, Route};
use super::trust::Trust;

/// How often a connection of HTTP/2 with requests under way is asked whether it still lives, and how long
/// it may take to answer: otherwise each request to a peer that vanished would wait for its own timeout.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(20);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(10);

/// How large the head of an answer may be in HTTP/2: what HTTP/1 takes at most, too. Whoever reads answers of
/// strangers holds them to less.
const HEAD_BYTES: u32 = 400 << 10;

#[derive(Clone)]
pub struct ClientSettings {
    pub connect_timeout: Duration,
    /// How many idle connections to one host are kept, and for how long. As many as are used at once, or
    /// they are made anew all the time.
    pub idle_per_host: usize,
    pub idle_timeout: Duration,
    /// How many names may be looked up at once; half of them names that did not resolve within a second the last time.
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
            idle_per_host: 1_024,
            idle_timeout: Duration::from_secs(90),
            lookups: 64,
            clients: 64,
            proxy: None,
        }
    }
}

/// Clients whose connections live on threads of their own. Connections are pooled within one route and never cross to another,
/// so that a connection which one account was allowed serves no account that was not.
#[derive(Clone, Debug)]
pub struct Clients {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: ClientSettings,
    trust: Trust,
    lookups: Arc<Lookups>,
    home: Arc<Home>,
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    clients: HashMap<Route, Entry>,
    /// How often a client was asked for: a clock for `Entry::used`.
    asked: u64,
}

#[derive(Debug)]
struct Entry {
    client: Client,
    used: u64,
}

/// A client that reaches only what its route allows.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    resolver: Resolver,
    shared: Arc<Limits>,
    home: Arc<Home>,
}

/// What a client knows of its settings when it sends.
#[derive(Debug)]
struct Limits {
    has_roots: bool,
    way: Way,
    secrets: Vec<SecretString>,
}

impl Clients {
    /// Reads the machine's root certificates; clients are made as they are asked for.
    pub fn new(settings: ClientSettings) -> Result<Clients, NetError> {
        let trust = Trust::of_this_machine()?;
        Clients::trusting(settings, trust)
    }

    fn trusting(settings: ClientSettings, trust: Trust) -> Result<Clients, NetError> {
        let lookups = Arc::new(Lookups::new(settings.lookups));
        let home =
            Home::open().map_err(|error| NetError(format!("this machine has no room for its threads: {error}")))?;
        let shared = Shared { settings, trust, lookups, home: Arc::new(home), made: Mutex::default() };
        Ok(Clients { shared: Arc::new(shared) })
    }

    /// The proxy that all requests go through.
    pub fn proxy(&self) -> Option<&Url> {
        self.shared.settings.proxy.as_ref()
    }

    /// The client under this policy that goes as all of the host's requests go.
    pub fn under(&self, policy: &AddressPolicy) -> Result<Client, NetError> {
        self.on(&Route { addresses: policy.clone(), ..Route::default() })
    }

    /// The client of this route: made at the first call, then shared.
    pub fn on(&self, route: &Route) -> Result<Client, NetError> {
        let mut made = self.shared.made.lock().expect("invariant: no holder of this lock can panic");
        made.asked += 1;
        let asked = made.asked;
        if let Some(entry) = made.clients.get_mut(route) {
            entry.used = asked;
            return Ok(entry.client.clone());
        }
        let client = self.shared.make(route)?;
        if made.clients.len() >= self.shared.settings.clients.max(1) {
            let oldest = made.clients.iter().min_by_key(|(_, entry)| entry.used).map(|(route, _)| route.clone());
            if let Some(oldest) = oldest {
                made.clients.remove(&oldest);
            }
        }
        made.clients.insert(route.clone(), Entry { client: client.clone(), used: asked });
        Ok(client)
    }
}

impl Shared {
    #[expect(clippy::disallowed_methods, reason = "this is the room that makes HTTP clients")]
    fn make(&self, route: &Route) -> Result<Client, NetError> {
        let resolver = Resolver { policy: Arc::new(route.addresses.clone()), lookups: Arc::clone(&self.lookups) };
        let trust = self.trust.on(&route.via)?;
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(trust.config())
            .connect_timeout(self.settings.connect_timeout)
            .pool_max_idle_per_host(self.settings.idle_per_host)
            .pool_idle_timeout(self.settings.idle_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(HTTP2_PING_EVERY)
            .http2_keep_alive_timeout(HTTP2_PING_TIMEOUT)
            .http2_max_header_list_size(HEAD_BYTES)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .gzip(true);
        let failed = |error: reqwest::Error| NetError(innermost(&error.without_url()));
        let proxy = if route.via.socket.is_none() { self.proxy(&route.via.proxy) } else { None };
        let secrets = proxy.as_ref().map(Proxy::secrets).unwrap_or_default();
        let (builder, way) = match (&route.via.socket, proxy) {
            (Some(path), _) => (builder.no_proxy().unix_socket(path.as_path()), Way::Socket(path.clone())),
            // The one name that is looked up then is the operator's own proxy.
            (None, Some(proxy)) => (builder.proxy(proxy.for_client().map_err(failed)?), Way::Proxy(proxy.origin())),
            (None, None) => (builder.no_proxy().dns_resolver(resolver.clone()), Way::Direct),
        };
        let limits = Limits { has_roots: trust.has_roots(), way, secrets };
        Ok(Client {
            http: builder.build().map_err(failed)?,
            resolver,
            shared: Arc::new(limits),
            home: Arc::clone(&self.home),
        })
    }

    fn proxy(&self, choice: &ProxyChoice) -> Option<Proxy> {
        match choice {
            ProxyChoice::Host => self.settings.proxy.clone().map(|url| Proxy::new(url, None)),
            ProxyChoice::Direct => None,
            ProxyChoice::Through(proxy) => Some(proxy.clone()),
        }
    }
}

impl Client {
    /// The credentials that it sends to its proxy. An answer may contain them.
    pub fn secrets(&self) -> &[SecretString] {
        &self.shared.secrets
    }

    /// Sends one request and gives what came back, redirects included. The body is still to be read, and
    /// its errors are `SendError::from` too.
    pub async fn send(&self, request: reqwest::Request) -> Result<reqwest::Response, SendError> {
        self.check_literal(request.url()).map_err(SendError::Refused)?;
        let scheme = Scheme::of(request.url());
        if scheme == Scheme::Https && !self.shared.has_roots {
            return Err(SendError::NoRoots);
        }
        let way = &self.shared.way;
        let sent = self.http.execute(request);
        let response = match self.home.is_here() {
            true => sent.await,
            false => at_home(self.home.handle(), sent).await.map_err(|error| SendError::Broken(error.to_string()))?,
        };
        let response = response.map_err(|error| SendError::of(error, way, scheme))?;
        match way {
            // Without a tunnel the proxy answers in the server's place.
            Way::Proxy(proxy)
                if scheme == Scheme::Http
                    && response.status() == reqwest::StatusCode::PROXY_AUTHENTICATION_REQUIRED =>
            {
                Err(SendError::ProxyCredentials { proxy: proxy.clone() })
            }
            Way::Direct | Way::Proxy(_) | Way::Socket(_) => Ok(response),
        }
    }

    /// Where its connections live. Whoever sends much does so from there.
    pub fn home(&self) -> &Handle {
        self.home.handle()
    }

    /// Whether the policy lets the address be reached that is written in a URL: the HTTP client asks no resolver about it.
    /// A name passes, and is not looked up: which names the host's resolver knows is nobody's business but the operator's.
    /// `send` judges what it resolves to.
    pub fn check_literal(&self, url: &Url) -> Result<(), AddressRefused> {
        if self.shared.way.socket().is_some() {
            return Ok(());
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        self.resolver.policy.check(address)
    }
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
