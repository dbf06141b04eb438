//! Which servers are believed to be who they say: the machine's own root certificates, checked by rustls
//! with ring. A machine without any (a bare container image) still runs, and reaches plain http.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use super::client::NetError;

/// The TLS side of every client: made once, cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Trust {
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
            tracing::debug!(ignored, "root certificates that rustls can't use were left out");
        }
        if store.is_empty() {
            tracing::warn!("{}", super::SendError::NoRoots);
        }
        Trust::in_roots(store)
    }

    pub(super) fn in_roots(store: RootCertStore) -> Result<Trust, NetError> {
        let roots = store.len();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| NetError(error.to_string()))?
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Trust { config, roots })
    }

    pub(super) fn config(&self) -> ClientConfig {
        self.config.clone()
    }

    /// Whether any server can be believed at all.
    pub(super) fn has_roots(&self) -> bool {
        self.roots > 0
    }
}
