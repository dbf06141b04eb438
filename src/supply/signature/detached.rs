//! Signatures over the file itself, in files beside it: `NAME.wasm.sig`, or several as `NAME.wasm.ANYTHING.sig`, and
//! the same with `.sigstore.json`. They may be in any form that the usual tools write: base64 (`cosign sign-blob`), raw
//! (`openssl dgst -sign`, `openssl pkeyutl -sign`), or a bundle in JSON (`cosign sign-blob --bundle`).

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use super::claim::{Claim, file_name, unless};

/// How much is read of what lies beside a driver.
const MOST_FILES: usize = 16;
const MOST_BYTES: u64 = 64 << 10;
const ENDINGS: &[&str] = &["sig", "sigstore.json"];

/// A signature in JSON, as cosign writes it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Bundle {
    /// Sigstore's bundle, from cosign 2.4 on.
    Sigstore {
        #[serde(rename = "messageSignature")]
        signed: MessageSignature,
    },
    /// The one before.
    Cosign {
        #[serde(rename = "base64Signature")]
        signature: String,
    },
}

#[derive(Deserialize)]
struct MessageSignature {
    signature: String,
}

/// Every signature beside the file, with what else was found there.
pub(super) fn claims<'a>(file: &Path, bytes: &'a [u8], found: &mut Vec<String>) -> Vec<Claim<'a>> {
    let mut claims = Vec::new();
    for path in unless(beside(file), file, found).unwrap_or_default() {
        let place = file_name(&path);
        let Some(content) = unless(read(&path), &path, found) else { continue };
        match signature(&content) {
            Some(signature) => claims.push(Claim { message: bytes, signature, place }),
            None => found.push(format!("{place}: it is not a signature")),
        }
    }
    claims
}

fn beside(file: &Path) -> io::Result<Vec<PathBuf>> {
    let name = file_name(file);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if is_of(&name, &file_name(&path)) {
            paths.push(path);
        }
    }
    // Which ones are left out must not be a matter of luck.
    paths.sort();
    paths.truncate(MOST_FILES);
    Ok(paths)
}

/// Whether a file of this name is a signature of the driver's file.
fn is_of(driver: &str, name: &str) -> bool {
    let Some(rest) = name.strip_prefix(driver).and_then(|rest| rest.strip_prefix('.')) else { return false };
    ENDINGS.iter().any(|ending| {
        let before = rest.strip_suffix(ending);
        before.is_some_and(|before| before.is_empty() || (before.ends_with('.') && before.len() > 1))
    })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    std::fs::File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut content)?;
    match content.len() as u64 > MOST_BYTES {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {MOST_BYTES} bytes"))),
        false => Ok(content),
    }
}

/// The signature in whichever form it is written.
fn signature(content: &[u8]) -> Option<Vec<u8>> {
    let decoded = |text: &str| BASE64.decode(text.split_ascii_whitespace().collect::<String>()).ok();
    if content.is_empty() {
        return None;
    }
    match std::str::from_utf8(content).map(str::trim) {
        Ok(text) if text.starts_with('{') => match serde_json::from_str(text).ok()? {
            Bundle::Sigstore { signed } => decoded(&signed.signature),
            Bundle::Cosign { signature } => decoded(&signature),
        },
        // Raw bytes may happen to be text, and then are no base64.
        Ok(text) => decoded(text).or_else(|| Some(content.to_vec())),
        Err(_) => Some(content.to_vec()),
    }
    .filter(|signature| !signature.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_found_by_its_name() {
        let check = |name: &str, want: bool| assert_eq!(is_of("mock.wasm", name), want, "{name}");
        check("mock.wasm.sig", true);
        check("mock.wasm.release.sig", true);
        check("mock.wasm.sigstore.json", true);
        check("mock.wasm.release.sigstore.json", true);
        check("mock.wasm", false);
        check("mock.sig", false);
        check("mock.wasm.cosign.json", false);
        check("mock.wasm.sig.bak", false);
        check("mock.wasm..sig", false);
        check("mock.wasmXsig", false);
        check("other.wasm.sig", false);
    }

    #[test]
    fn a_signature_is_read_in_each_form() {
        let check = |content: &[u8], want: Option<&[u8]>| {
            assert_eq!(signature(content).as_deref(), want, "{}", String::from_utf8_lossy(content));
        };
        check(b"AAEC\n", Some(&[0, 1, 2]));
        check(b"AA\nEC", Some(&[0, 1, 2]));
        check(&[0, 1, 255], Some(&[0, 1, 255]));
        check(b"not base64!", Some(b"not base64!"));
        check(b"{\"base64Signature\":\"AAEC\",\"cert\":\"\"}", Some(&[0, 1, 2]));
        let bundle = b"{\"mediaType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\",\"messageSignature\":\
                       {\"messageDigest\":{\"algorithm\":\"SHA2_256\",\"digest\":\"AA==\"},\"signature\":\"AAEC\"}}";
        check(bundle, Some(&[0, 1, 2]));
        check(b"{\"dsseEnvelope\":{}}", None);
        check(b"{\"base64Signature\":\"\"}", None);
        check(b"{", None);
        check(b"", None);
        check(b" \n", None);
    }
}
