//! Evidence of a driver file's origin, stored beside the file: its signatures in a registry. They are kept when the
//! file is pulled, so that they can be verified offline at every load. Nothing here is trusted before it is verified.

use std::io;
use std::path::{Path, PathBuf};

use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most bytes of a file of evidence that are read.
const MOST_BYTES: u64 = 4 << 20;

/// What a registry had of a driver: from the signed payload to the manifest's digest, from the manifest to the
/// digest of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The artifact's manifest, byte for byte: it names the file by its SHA-256.
    #[serde(with = "base64_bytes")]
    pub manifest: Vec<u8>,
    pub signatures: Vec<SignedPayload>,
}

/// One signature as cosign keeps it: a "simple signing" payload that names the manifest by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedPayload {
    #[serde(with = "base64_bytes")]
    pub payload: Vec<u8>,
    #[serde(with = "base64_bytes")]
    pub signature: Vec<u8>,
}

impl Evidence {
    /// Where the evidence of a driver file is: `NAME.wasm.cosign.json` beside `NAME.wasm`.
    pub fn path_of(file: &Path) -> PathBuf {
        let mut path = file.as_os_str().to_owned();
        path.push(".cosign.json");
        path.into()
    }

    /// The evidence of a driver file; none where there is no such file.
    pub fn read(file: &Path) -> io::Result<Option<Evidence>> {
        use std::io::Read as _;

        let opened = match std::fs::File::open(Evidence::path_of(file)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut text = String::new();
        opened.take(MOST_BYTES).read_to_string(&mut text)?;
        serde_json::from_str(&text).map(Some).map_err(io::Error::from)
    }

    /// Keeps it beside the driver file.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        std::fs::write(Evidence::path_of(file), serde_json::to_vec_pretty(self)?)
    }
}

mod base64_bytes {
    use super::{BASE64, Deserialize, Deserializer, Serializer};
    use base64::Engine as _;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64.decode(text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_was_written() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("mock.wasm");
        assert_eq!(Evidence::read(&file).expect("nothing there"), None);
        let signatures = vec![SignedPayload { payload: b"{}".to_vec(), signature: vec![0, 255] }];
        let evidence = Evidence { manifest: b"{ }".to_vec(), signatures };
        evidence.write(&file).expect("written");
        assert_eq!(Evidence::read(&file).expect("read"), Some(evidence));
        assert!(folder.path().join("mock.wasm.cosign.json").exists());
        std::fs::write(Evidence::path_of(&file), "{").expect("written");
        assert!(Evidence::read(&file).is_err());
    }
}
