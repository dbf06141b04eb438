//! A driver as an artifact of a registry: version 0 of
//! <https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>.

use oci_client::client::Config;
use serde::Serialize;

use crate::mask::Mask;
use crate::model::Timestamp;

/// The media types of its manifest, its config and its one layer.
pub(super) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
pub(super) const LAYER_TYPE: &str = "application/wasm";

/// A component as a registry is given it.
#[derive(Debug)]
pub struct Artifact {
    pub bytes: Vec<u8>,
    /// The names that it imports and exports, in its own order.
    pub imports: Vec<String>,
    pub exports: Vec<String>,
    pub labels: Vec<Label>,
}

/// What is noted of a driver where people browse a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Label {
    Title(String),
    Version(String),
    Description(String),
}

/// Why something in a registry is no driver.
#[derive(Debug, thiserror::Error)]
pub enum NotAnArtifact {
    #[error("its manifest is not an OCI manifest")]
    Manifest,
    #[error(
        "its config is {0:?}, not {CONFIG_TYPE:?} as in a WebAssembly artifact; is it a \
         container image?"
    )]
    Config(String),
    #[error("it has {0} layers; a driver has one, its file")]
    Layers(usize),
    #[error("its layer is {0:?}, not {LAYER_TYPE:?} as in a driver")]
    Layer(String),
    #[error("it names its layer by {0:?}, not by a SHA-256")]
    Digest(String),
    #[error("it is not a readable component: {0}")]
    Component(String),
}

impl NotAnArtifact {
    /// The same, without the secrets that a registry sends back.
    pub(super) fn masked(self, mask: &Mask) -> NotAnArtifact {
        match self {
            NotAnArtifact::Config(found) => NotAnArtifact::Config(mask.text(found)),
            NotAnArtifact::Layer(found) => NotAnArtifact::Layer(mask.text(found)),
            NotAnArtifact::Digest(found) => NotAnArtifact::Digest(mask.text(found)),
            other @ (NotAnArtifact::Manifest | NotAnArtifact::Layers(_) | NotAnArtifact::Component(_)) => other,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactConfig<'a> {
    created: Timestamp,
    author: Option<String>,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [String; 1],
    component: Edge<'a>,
}

/// What a component exports and imports.
#[derive(Debug, Serialize)]
struct Edge<'a> {
    exports: &'a [String],
    imports: &'a [String],
    target: Option<String>,
}

impl Artifact {
    /// What a registry is told of a component, by its edge.
    pub(super) fn config(&self, sha256: &str, created: Timestamp) -> Result<Config, serde_json::Error> {
        let config = ArtifactConfig {
            created,
            author: None,
            architecture: "wasm",
            os: "wasip2",
            layer_digests: [format!("sha256:{sha256}")],
            component: Edge { exports: &self.exports, imports: &self.imports, target: None },
        };
        let data = serde_json::to_vec(&config)?;
        Ok(Config { data: data.into(), media_type: CONFIG_TYPE.to_owned(), annotations: None })
    }
}

impl Label {
    /// The key that OCI's image specification has for it.
    pub(super) fn annotation(&self) -> (String, String) {
        let (key, value) = match self {
            Label::Title(value) => ("title", value),
            Label::Version(value) => ("version", value),
            Label::Description(value) => ("description", value),
        };
        (format!("org.opencontainers.image.{key}"), value.clone())
    }
}
