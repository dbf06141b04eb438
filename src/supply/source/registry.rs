//! Drivers in OCI registries, as the standard Wasm artifact: one config of a component, one layer that is the file.
//! Pulls use the host's own bounded downloads: `oci-client` would accept a manifest of any length, from any redirect.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use oci_client::Reference;
use oci_client::manifest::{OciDescriptor, OciImageManifest};
use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::artifact::{CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, NotAnArtifact};
use super::download::{Answer, Wanted};
use super::error::FetchError;
use super::fetched::{DRIVER_BYTES, Fetched};
use super::fetcher::Fetcher;
use super::login::Login;
use super::token::{Credentials, Door, Operation};
use super::{InvalidSource, Source, is_local_registry};
use crate::mask::Mask;
use crate::supply::evidence::{Evidence, SignedPayload};
use crate::supply::file::sha256;

/// A manifest names a few layers. This is far more, and with all its signatures still fits into a file of evidence.
const MANIFEST_BYTES: u64 = 1 << 20;
/// Signatures of one artifact that are kept, and how large each may be.
const MOST_SIGNATURES: usize = 16;
const PAYLOAD_BYTES: u64 = 64 << 10;
/// What a registry says of an error, at most.
const MOST_OF_MESSAGE: usize = 200;

/// Of cosign: <https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md>.
const SIGNATURE_LAYER: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";

pub(super) fn not_a_component(error: &impl ToString) -> NotAnArtifact {
    NotAnArtifact::Component(tamed(&error.to_string()))
}

pub(super) async fn pull(fetcher: &Fetcher, reference: &Reference) -> Result<Fetched, FetchError> {
    let session = Session::open(fetcher, reference, Operation::Pull).await?;
    pull_as(&session).await.map_err(|error| error.masked(&session.mask()))
}

async fn pull_as(session: &Session<'_>) -> Result<Fetched, FetchError> {
    let (fetcher, reference) = (session.fetcher, session.reference);
    let pinned = reference.digest().and_then(|digest| digest.strip_prefix("sha256:"));
    let tag = || reference.tag().unwrap_or("latest").to_owned();
    let manifest = session.manifest(&pinned.map_or_else(tag, |digest| format!("sha256:{digest}"))).await?;
    let manifest = match session.found(manifest)? {
        Some(manifest) => manifest,
        None => return Err(FetchError::NotFound { from: session.shown(), status: StatusCode::NOT_FOUND.as_u16() }),
    };
    let digest = sha256(&manifest);
    if let Some(expected) = pinned
        && expected != digest
    {
        let from = session.shown();
        return Err(FetchError::Mismatch { from, what: "manifest", expected: expected.to_owned(), found: digest });
    }
    let layer = layer_of(&manifest).map_err(|source| FetchError::NotAnArtifact { from: session.shown(), source })?;
    let bytes = session.blob(&layer, fetcher.driver_bytes, DRIVER_BYTES).await?;
    let signatures = session.signatures(&digest).await?;
    let evidence = (!signatures.is_empty()).then_some(Evidence { manifest, signatures });
    Ok(Fetched { sha256: layer.sha256, bytes, evidence, resolved: pinned_to(reference, &digest) })
}

pub(super) fn pinned_to(reference: &Reference, digest: &str) -> Source {
    let (registry, repository) = (reference.registry().to_owned(), reference.repository().to_owned());
    let digest = format!("sha256:{digest}");
    Source::Oci(match reference.tag() {
        Some(tag) => Reference::with_tag_and_digest(registry, repository, tag.to_owned(), digest),
        None => Reference::with_digest(registry, repository, digest),
    })
}

/// A registry as one user sees one repository.
pub(super) struct Session<'a> {
    fetcher: &'a Fetcher,
    reference: &'a Reference,
    /// Scheme, host and port.
    registry: Url,
    login: Option<Login>,
    credentials: Credentials,
    authorization: Option<SecretString>,
}

impl Session<'_> {
    pub(super) async fn open<'a>(
        fetcher: &'a Fetcher,
        reference: &'a Reference,
        operation: Operation,
    ) -> Result<Session<'a>, FetchError> {
        let registry = reference.resolve_registry();
        let scheme = if is_local_registry(registry) { "http" } else { "https" };
        let registry = Url::parse(&format!("{scheme}://{registry}"))
            .map_err(|_| InvalidSource::Reference(Source::Oci(reference.clone()).to_string()))?;
        let login = login_to(fetcher, reference)?;
        let (downloads, repository) = (&fetcher.downloads, reference.repository());
        let door = Door { downloads, registry: &registry, repository, login: login.as_ref() };
        let credentials = door.credentials(operation).await?;
        let authorization = credentials.header();
        Ok(Session { fetcher, reference, registry, login, credentials, authorization })
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(super) fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// Of what the registry was told.
    pub(super) fn mask(&self) -> Mask {
        let login = self.login.iter().flat_map(|login| [login.password.clone(), login.basic()]);
        let told: Vec<SecretString> = login.chain(self.authorization.clone()).collect();
        let bare = |told: &SecretString| {
            let text = told.expose_secret();
            let bare = text.strip_prefix("Basic ").or_else(|| text.strip_prefix("Bearer ")).unwrap_or(text);
            bare.trim_end_matches('=').as_bytes().to_vec()
        };
        let told: Vec<Vec<u8>> = told.iter().map(bare).collect();
        Mask::of(told.iter().map(Vec::as_slice))
    }

    pub(super) fn shown(&self) -> String {
        Source::Oci(self.reference.clone()).to_string()
    }

    async fn get(
        &self,
        path: &str,
        accept: &'static str,
        most_bytes: u64,
        limit: &'static str,
    ) -> Result<Answer, FetchError> {
        let url = self.registry.join(&format!("/v2/{}/{path}", self.reference.repository()));
        let url = url.map_err(|_| InvalidSource::Reference(self.shown()))?;
        let authorization = self.authorization.as_ref();
        self.fetcher.downloads.get(Wanted { url, accept, authorization, most_bytes, limit }).await
    }

    pub(super) async fn manifest(&self, reference: &str) -> Result<Answer, FetchError> {
        let limit = "no manifest of a driver is that long";
        self.get(&format!("manifests/{reference}"), MANIFEST_TYPE, MANIFEST_BYTES, limit).await
    }

    /// What came; none where there is no such thing.
    pub(super) fn found(&self, answer: Answer) -> Result<Option<Vec<u8>>, FetchError> {
        let (registry, status) = (self.reference.registry().to_owned(), answer.status.as_u16());
        match answer.status {
            StatusCode::OK => Ok(Some(answer.bytes)),
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(FetchError::not_let_in(registry, self.login())),
            _ => Err(FetchError::Status { from: registry, status }),
        }
    }

    /// A blob that is what its descriptor says.
    async fn blob(&self, layer: &Layer, most_bytes: u64, limit: &'static str) -> Result<Vec<u8>, FetchError> {
        if layer.size > most_bytes {
            return Err(FetchError::TooLarge { from: self.shown(), most_bytes, limit });
        }
        let answer = self.get(&format!("blobs/sha256:{}", layer.sha256), "*/*", most_bytes, limit).await?;
        let bytes = self
            .found(answer)?
            .ok_or_else(|| FetchError::NotFound { from: self.shown(), status: StatusCode::NOT_FOUND.as_u16() })?;
        let found = bytes.len() as u64;
        if found < layer.size {
            return Err(FetchError::CutShort { from: self.shown(), expected: layer.size, found });
        }
        let found = sha256(&bytes);
        if found != layer.sha256 {
            let expected = layer.sha256.clone();
            return Err(FetchError::Mismatch { from: self.shown(), what: "file", expected, found });
        }
        Ok(bytes)
    }

    /// What cosign keeps of a manifest under a tag that follows from its digest. One that is broken proves nothing and
    /// is left out; who asks for signatures then misses it.
    async fn signatures(&self, manifest: &str) -> Result<Vec<SignedPayload>, FetchError> {
        let answer = self.manifest(&format!("sha256-{manifest}.sig")).await?;
        let Some(manifest) = self.found(answer)? else { return Ok(Vec::new()) };
        let of = self.shown();
        let Ok(manifest) = serde_json::from_slice::<OciImageManifest>(&manifest) else {
            tracing::warn!(source = of, "its signatures are ignored: their manifest is not an OCI manifest");
            return Ok(Vec::new());
        };
        let signed = manifest.layers.iter().filter(|layer| layer.media_type == SIGNATURE_LAYER);
        if signed.clone().count() > MOST_SIGNATURES {
            tracing::warn!(source = of, "it has more than {MOST_SIGNATURES} signatures: the others are ignored");
        }
        let mut signatures = Vec::new();
        for layer in signed.take(MOST_SIGNATURES) {
            let written = layer.annotations.as_ref().and_then(|annotations| annotations.get(SIGNATURE_ANNOTATION));
            let signature = written.and_then(|written| BASE64.decode(written).ok());
            let (Some(signature), Ok(payload)) = (signature, Layer::of(layer)) else {
                tracing::warn!(source = of, "a signature is ignored: it is not in the format of cosign");
                continue;
            };
            let limit = "no payload of a signature is that long";
            match self.blob(&payload, PAYLOAD_BYTES, limit).await {
                Ok(payload) => signatures.push(SignedPayload { payload, signature }),
                Err(error @ (FetchError::Send { .. } | FetchError::Status { .. })) => return Err(error),
                Err(error) => tracing::warn!(source = of, "a signature is ignored: {error}"),
            }
        }
        Ok(signatures)
    }
}

/// What a manifest says of a blob.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layer {
    /// In hexadecimal.
    pub(super) sha256: String,
    size: u64,
}

impl Layer {
    fn of(descriptor: &OciDescriptor) -> Result<Layer, NotAnArtifact> {
        let wrong = || NotAnArtifact::Digest(tamed(&descriptor.digest));
        let sha256 = descriptor.digest.strip_prefix("sha256:").ok_or_else(wrong)?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if sha256.len() != 64 || !sha256.bytes().all(is_hex) {
            return Err(wrong());
        }
        Ok(Layer { sha256: sha256.to_owned(), size: u64::try_from(descriptor.size).map_err(|_| wrong())? })
    }
}

/// The one layer of a WebAssembly artifact.
pub(super) fn layer_of(manifest: &[u8]) -> Result<Layer, NotAnArtifact> {
    let manifest: OciImageManifest = serde_json::from_slice(manifest).map_err(|_| NotAnArtifact::Manifest)?;
    if manifest.config.media_type != CONFIG_TYPE {
        return Err(NotAnArtifact::Config(tamed(&manifest.config.media_type)));
    }
    let [layer] = manifest.layers.as_slice() else { return Err(NotAnArtifact::Layers(manifest.layers.len())) };
    if layer.media_type != LAYER_TYPE {
        return Err(NotAnArtifact::Layer(tamed(&layer.media_type)));
    }
    Layer::of(layer)
}

fn login_to(fetcher: &Fetcher, reference: &Reference) -> Result<Option<Login>, FetchError> {
    match (&fetcher.login, &fetcher.settings.docker_config) {
        (Some(login), _) => Ok(Some(login.clone())),
        (None, Some(path)) => Ok(Login::in_docker_config(path, reference.resolve_registry())?),
        (None, None) => Ok(None),
    }
}

/// Someone else's words, as one short line.
pub(super) fn tamed(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(MOST_OF_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_standard_artifact_is_one() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let layer =
            |kind: &str, digest: &str| format!("{{\"mediaType\":\"{kind}\",\"digest\":\"{digest}\",\"size\":3}}");
        let manifest = |config: &str, layers: &[String]| {
            let config = layer(config, &digest);
            format!("{{\"schemaVersion\":2,\"config\":{config},\"layers\":[{}]}}", layers.join(","))
        };
        let check = |manifest: &str, want: Result<u64, &str>| match (layer_of(manifest.as_bytes()), want) {
            (Ok(layer), Ok(size)) => assert_eq!(layer, Layer { sha256: "a".repeat(64), size }),
            (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}"),
            (got, want) => panic!("{manifest}: {got:?}, wanted {want:?}"),
        };
        let (config, wasm) = ("application/vnd.wasm.config.v0+json", layer("application/wasm", &digest));
        let good = manifest(config, std::slice::from_ref(&wasm));
        check(&good, Ok(3));
        check(&manifest(config, &[]), Err("0 layers"));
        check(&manifest(config, &[wasm.clone(), wasm.clone()]), Err("2 layers"));
        let image = "application/vnd.oci.image.config.v1+json";
        check(&manifest(image, std::slice::from_ref(&wasm)), Err("a container image?"));
        check(&manifest(config, &[layer("application/vnd.oci.image.layer.v1.tar", &digest)]), Err("tar"));
        check(&manifest(config, &[layer("application/wasm", "sha256:../../x")]), Err("not by a SHA-256"));
        check(&manifest(config, &[layer("application/wasm", "md5:00")]), Err("not by a SHA-256"));
        check("{}", Err("not an OCI manifest"));
        check("", Err("not an OCI manifest"));
        for cut in 0..good.len() {
            check(&good[..cut], Err("not an OCI manifest"));
        }
    }

    #[test]
    fn what_is_pinned_keeps_its_tag() {
        let check = |text: &str, want: &str| {
            let reference = Reference::try_from(text).expect(text);
            assert_eq!(pinned_to(&reference, &"b".repeat(64)).to_string(), want.replace('B', &"b".repeat(64)));
        };
        check("ghcr.io/me/ec2:1", "oci://ghcr.io/me/ec2:1@sha256:B");
        check("ghcr.io/me/ec2", "oci://ghcr.io/me/ec2:latest@sha256:B");
        let digest = "a".repeat(64);
        check(&format!("ghcr.io/me/ec2@sha256:{digest}"), "oci://ghcr.io/me/ec2@sha256:B");
    }
}
