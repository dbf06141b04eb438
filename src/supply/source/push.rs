//! Pushes a driver into a registry. `oci-client` pushes with its own HTTP client. The login, and the check of the
//! result, use the host's client.

use std::collections::BTreeMap;

use oci_client::client::{ClientConfig, ClientProtocol, ImageLayer};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::OciImageManifest;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use reqwest::StatusCode;
use secrecy::ExposeSecret as _;
use url::Url;

use super::artifact::{Artifact, LAYER_TYPE, Label, MANIFEST_TYPE};
use super::error::FetchError;
use super::fetcher::Fetcher;
use super::login::Login;
use super::registry::{Session, layer_of, not_a_component, pinned_to, tamed};
use super::token::{Credentials, Operation};
use super::{Source, is_local_registry};
use crate::clock::{Clock as _, SystemClock};
use crate::net::SendError;
use crate::supply::file::sha256;

pub(super) async fn push(fetcher: &Fetcher, reference: &Reference, artifact: Artifact) -> Result<Source, FetchError> {
    let registry = reference.registry();
    let broken = |source| FetchError::NotAnArtifact { from: "the file".into(), source };
    let pushed = sha256(&artifact.bytes);
    let config = artifact.config(&pushed, SystemClock.now()).map_err(|error| broken(not_a_component(&error)))?;
    let session = Session::open(fetcher, reference, Operation::Push).await?;
    let annotations: BTreeMap<String, String> = artifact.labels.iter().map(Label::annotation).collect();
    let layers = [ImageLayer { data: artifact.bytes.into(), media_type: LAYER_TYPE.to_owned(), annotations: None }];
    let mut manifest = OciImageManifest::build(&layers, &config, Some(annotations));
    manifest.media_type = Some(MANIFEST_TYPE.to_owned());
    let auth = auth(session.credentials());
    let pushing = client(fetcher, reference)?.push(reference, &layers, config, &auth, Some(manifest)).await;
    pushing.map_err(|error| failed(error, registry, session.login()).masked(&session.mask()))?;
    // What is pinned is what the registry has by now, if it is what was pushed.
    let manifest = session.manifest(reference.tag().unwrap_or("latest")).await?;
    let manifest = session.found(manifest)?.unwrap_or_default();
    let not_an_artifact = |source| FetchError::NotAnArtifact { from: session.shown(), source };
    let layer = layer_of(&manifest).map_err(|source| not_an_artifact(source).masked(&session.mask()))?;
    match layer.sha256 == pushed {
        true => Ok(pinned_to(reference, &sha256(&manifest))),
        false => {
            Err(FetchError::Mismatch { from: session.shown(), what: "file", expected: pushed, found: layer.sha256 })
        }
    }
}

/// The client that pushes. It makes an HTTP client of its own, which knows the host's proxy and
/// this machine's roots, and where no proxy is set takes the environment's.
fn client(fetcher: &Fetcher, reference: &Reference) -> Result<Client, FetchError> {
    // It takes the process's own cryptography, of which there is no default; a second time changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let registry = reference.resolve_registry();
    let in_the_clear = is_local_registry(registry).then(|| registry.to_owned()).into_iter().collect();
    let proxy = fetcher.proxy.as_ref().map(Url::to_string);
    let config = ClientConfig {
        protocol: ClientProtocol::HttpsExcept(in_the_clear),
        connect_timeout: Some(fetcher.settings.timeout),
        read_timeout: Some(fetcher.settings.timeout),
        https_proxy: proxy.clone(),
        http_proxy: proxy,
        user_agent: concat!("tracker/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    };
    Client::try_from(config).map_err(|error| failed(error, registry, None))
}

fn auth(credentials: &Credentials) -> RegistryAuth {
    match credentials {
        Credentials::Nobody => RegistryAuth::Anonymous,
        Credentials::Password(login) => {
            RegistryAuth::Basic(login.user.clone(), login.password.expose_secret().to_owned())
        }
        Credentials::Token(token) => RegistryAuth::Bearer(token.expose_secret().to_owned()),
    }
}

/// What the client says, in this house's words.
fn failed(error: OciDistributionError, registry: &str, login: Option<&Login>) -> FetchError {
    let registry = registry.to_owned();
    match error {
        OciDistributionError::AuthenticationFailure(_) | OciDistributionError::UnauthorizedError { .. } => {
            FetchError::not_let_in(registry, login)
        }
        OciDistributionError::RequestError(error) => match error.status() {
            Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => FetchError::not_let_in(registry, login),
            Some(status) => FetchError::Status { from: registry, status: status.as_u16() },
            None => FetchError::Send { from: registry, source: SendError::from(error) },
        },
        OciDistributionError::ServerError { code: 401 | 403, .. } => FetchError::not_let_in(registry, login),
        OciDistributionError::ServerError { code, .. } => FetchError::Status { from: registry, status: code },
        OciDistributionError::RegistryError { envelope, .. } => {
            let denies = |code: &OciErrorCode| matches!(code, OciErrorCode::Unauthorized | OciErrorCode::Denied);
            match envelope.errors.iter().any(|error| denies(&error.code)) {
                true => FetchError::not_let_in(registry, login),
                false => FetchError::Registry { registry, message: tamed(&envelope.to_string()) },
            }
        }
        other => FetchError::Registry { registry, message: tamed(&other.to_string()) },
    }
}
