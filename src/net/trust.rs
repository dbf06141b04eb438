//! The servers that a route trusts: those with a certificate from the machine's own roots, or from a route's private
//! ones; rustls checks them with ring. A machine without roots (a bare container image) still runs, and reaches plain
//! http.

use std::sync::Arc;

use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};

use super::error::NetError;
use super::pem::Identity;
use super::route::Via;

/// The TLS side of a client: cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    store: Arc<RootCertStore>,
    config: ClientConfig,
    /// How many root certificates there are.
    pub(super) roots: usize,
}

impl Trust {
    /// Reads the machine's root certificates: from `SSL_CERT_FILE` or `SSL_CERT_DIR` where one is set, else
    /// from where the system keeps them.
    pub(super) fn of_this_machine() -> Result<Trust, NetError> {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a root certificate could not be read");
        }
        let mut store = RootCertStore::empty();
        let (_, ignored) = store.add_parsable_certificates(found.certs);
        if ignored > 0 {
            tracing::debug!(ignored, "root certificates that rustls cannot use are ignored");
        }
        if store.is_empty() {
            tracing::warn!("{}", super::SendError::NoRoots);
        }
        Trust::in_roots(store)
    }

    pub(super) fn in_roots(store: RootCertStore) -> Result<Trust, NetError> {
        Trust::made(Arc::new(store), None)
    }

    /// What is believed on a way, and what is shown there. A way of its own has a memory of TLS sessions of its
    /// own: one that is taken up again is not verified anew, and is its first certificate's.
    pub(super) fn on(&self, via: &Via) -> Result<Trust, NetError> {
        let store = match &via.roots {
            Some(roots) => Arc::new(roots.beside(&self.store)),
            None if via.identity.is_none() => return Ok(self.clone()),
            None => Arc::clone(&self.store),
        };
        Trust::made(store, via.identity.as_ref())
    }

    fn made(store: Arc<RootCertStore>, identity: Option<&Identity>) -> Result<Trust, NetError> {
        let roots = store.len();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| NetError(error.to_string()))?
            .with_root_certificates(Arc::clone(&store));
        let mut config = match identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.key()))),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Trust { store, config, roots })
    }

    pub(super) fn config(&self) -> ClientConfig {
        self.config.clone()
    }

    /// Whether any server can be believed at all.
    pub(super) fn has_roots(&self) -> bool {
        self.roots > 0
    }
}
