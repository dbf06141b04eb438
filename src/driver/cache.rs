//! Compiled drivers on disk, by the digest of what they were compiled from and the engine's settings, so
//! that a start compiles nothing twice. The directory is as much to be trusted as the host's own binary:
//! it is made for the host's user alone.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

#[derive(Debug)]
pub(super) struct Cache {
    directory: PathBuf,
    /// Of the engine's version and settings: what another engine compiled is not looked at.
    engine_mark: u64,
}

impl Cache {
    /// Uses a directory, which is made if it is not there. One that others may write to is refused: what
    /// is in it is run as it is.
    pub(super) fn open(directory: &Path, engine: &Engine) -> io::Result<Cache> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let metadata = fs::metadata(directory)?;
        if metadata.mode() & 0o022 != 0 || metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "others may write to it: it must be the host's own, run chmod 700 on it",
            ));
        }
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Cache { directory: directory.to_owned(), engine_mark: hasher.finish() })
    }

    /// Gives the compiled component from the cache, or compiles it and keeps it there.
    pub(super) fn component(&self, engine: &Engine, sha256: &str, bytes: &[u8]) -> wasmtime::Result<Component> {
        let path = self.directory.join(format!("{sha256}-{:016x}.cwasm", self.engine_mark));
        if path.exists() {
            match load(engine, &path) {
                Ok(component) => return Ok(component),
                // Cut short by a full disk, say: it is made anew.
                Err(error) => tracing::warn!(file = %path.display(), "compiling again: {error:#}"),
            }
        }
        let compiled = engine.precompile_component(bytes)?;
        match keep(&path, &compiled).map_err(wasmtime::Error::from).and_then(|()| load(engine, &path)) {
            Ok(component) => Ok(component),
            Err(error) => {
                tracing::warn!(file = %path.display(), "the compiled driver can't be kept: {error:#}");
                Component::new(engine, bytes)
            }
        }
    }
}

#[expect(unsafe_code, reason = "compiled code is run as it is found; the directory is the host's own")]
fn load(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file was written by `keep`, into a directory that only the host's user can write to,
    // and is replaced as a whole, never changed in place while it is mapped.
    unsafe { Component::deserialize_file(engine, path) }
}

/// Writes the file whole or not at all.
fn keep(path: &Path, compiled: &[u8]) -> io::Result<()> {
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(compiled)?;
    file.sync_all()?;
    fs::rename(beside, path)
}
