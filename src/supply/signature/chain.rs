//! The chain from a signature in a registry to a driver's file: the signed payload names a manifest by its digest, and
//! the manifest names the file by its digest. Each step has to match before the signature counts.
//!
//! The payload is that of cosign's key signatures:
//! <https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md>.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::claim::Claim;
use crate::supply::evidence::Evidence;

const PAYLOAD_TYPE: &str = "cosign container image signature";
/// The media types that a component has had as a layer.
const LAYERS: &[&str] = &["application/wasm", "application/vnd.wasm.content.layer.v1+wasm"];

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("its manifest is not an OCI manifest")]
    Manifest,
    #[error("its manifest does not name exactly one WebAssembly layer")]
    Layers,
    #[error("its manifest names another file ({0})")]
    OtherFile(String),
    #[error("it has no signature of that manifest")]
    NoneOfThis,
}

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    manifest: String,
}

/// The signatures that are over a payload for the artifact whose one layer is the file of that SHA-256.
pub(super) fn claims<'a>(evidence: &'a Evidence, sha256: &str) -> Result<Vec<Claim<'a>>, Broken> {
    let manifest: Manifest = serde_json::from_slice(&evidence.manifest).map_err(|_| Broken::Manifest)?;
    let mut layers = manifest.layers.iter().filter(|layer| LAYERS.contains(&layer.media_type.as_str()));
    let (Some(layer), None) = (layers.next(), layers.next()) else { return Err(Broken::Layers) };
    if layer.digest != format!("sha256:{sha256}") {
        return Err(Broken::OtherFile(layer.digest.chars().take(80).collect()));
    }
    let digest = Sha256::digest(&evidence.manifest);
    let digest = digest.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"));
    let of_this = |payload: &[u8]| {
        serde_json::from_slice::<Payload>(payload)
            .is_ok_and(|Payload { critical }| critical.kind == PAYLOAD_TYPE && critical.image.manifest == digest)
    };
    let claims: Vec<Claim<'a>> = evidence
        .signatures
        .iter()
        .filter(|signed| of_this(&signed.payload))
        .enumerate()
        .map(|(number, signed)| Claim {
            message: &signed.payload,
            signature: signed.signature.clone(),
            place: format!("signature {} in the registry", number + 1),
        })
        .collect();
    if claims.is_empty() { Err(Broken::NoneOfThis) } else { Ok(claims) }
}
