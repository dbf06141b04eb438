//! A driver's file, read completely: its bytes, and the digest that identifies it.

use std::fs;
use std::io::{self, Read as _};
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
        let metadata = fs::metadata(path)?;
        // To open a pipe would wait for whoever writes to it, and a device may have no end.
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file").into());
        }
        let too_large = |found| AdmissionError::TooLarge { found, limit };
        if metadata.len() > limit {
            return Err(too_large(metadata.len()));
        }
        let mut bytes = Vec::new();
        // It may grow meanwhile.
        fs::File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(too_large(bytes.len() as u64));
        }
        Ok(DriverFile { sha256: sha256(&bytes), bytes: Arc::new(bytes) })
    }

    /// Whether it begins as a component does: cheaper to say, and said better, than by compiling it.
    pub(crate) fn check_header(&self) -> Result<(), AdmissionError> {
        const MAGIC: &[u8] = b"\0asm";
        match (self.bytes.get(..4), self.bytes.get(4..8)) {
            (Some(MAGIC), Some([0x0d, 0, 1, 0])) => Ok(()),
            (Some(MAGIC), Some([1, 0, 0, 0])) => Err(AdmissionError::CoreModule),
            (Some(MAGIC), None) => Err(AdmissionError::Malformed("it ends within its header".into())),
            (Some(MAGIC), Some(_)) => Err(AdmissionError::Malformed("its header has an unknown format".into())),
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
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn only_a_regular_file_within_the_limit_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("four"), b"\0asm").expect("written");
        mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("made");
        std::os::unix::fs::symlink("/dev/zero", path("endless")).expect("linked");
        let read = |name: &str, limit: u64| DriverFile::read(&path(name), limit);
        assert_eq!(*read("four", 4).expect("read").bytes, b"\0asm");
        assert!(matches!(read("four", 3), Err(AdmissionError::TooLarge { found: 4, limit: 3 })));
        for name in ["pipe", "endless", "."] {
            let error = read(name, 1 << 20).err().expect("it is no file").to_string();
            assert!(error.contains("it is not a regular file"), "{name}: {error}");
        }
    }
}
