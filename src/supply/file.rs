//! A driver's file, read whole: its bytes, and the digest by which it is known.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::admission::AdmissionError;

/// A file's bytes and their digest.
#[derive(Clone)]
pub(crate) struct DriverFile {
    pub(crate) bytes: Arc<Vec<u8>>,
    pub(crate) sha256: String,
}

impl DriverFile {
    pub(crate) fn read(path: &Path, limit: u64) -> Result<DriverFile, AdmissionError> {
        let found = fs::metadata(path)?.len();
        if found > limit {
            return Err(AdmissionError::TooLarge { found, limit });
        }
        let bytes = fs::read(path)?;
        Ok(DriverFile { sha256: sha256(&bytes), bytes: Arc::new(bytes) })
    }

    /// Whether it begins as a component does: cheaper to say, and said better, than by compiling it.
    pub(crate) fn check_header(&self) -> Result<(), AdmissionError> {
        const MAGIC: &[u8] = b"\0asm";
        match (self.bytes.get(..4), self.bytes.get(4..8)) {
            (Some(MAGIC), Some([0x0d, 0, 1, 0])) => Ok(()),
            (Some(MAGIC), Some([1, 0, 0, 0])) => Err(AdmissionError::CoreModule),
            (Some(MAGIC), None) => Err(AdmissionError::Malformed("it ends within its header".into())),
            (Some(MAGIC), Some(_)) => Err(AdmissionError::Malformed("its header is of an unknown form".into())),
            _ => Err(AdmissionError::NotWasm),
        }
    }
}

/// The driver files of a directory, sorted by name; none where there is no such directory.
pub fn wasm_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// In hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
