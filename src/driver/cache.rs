//! Compiled drivers on disk, by the digest of what they were compiled from and the engine's settings, so
//! that a start compiles nothing twice. The directory is as much to be trusted as the host's own binary:
//! it is made for the host's user alone.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::Engine;
use wasmtime::component::Component;

use super::load::DriverFile;

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

    /// Compiles those of these files that are not kept yet, as many at once as there are cores: one by one, ten
    /// drivers would make a first start wait for seconds. What goes wrong shows when the driver is loaded.
    pub(super) fn compile_ahead<'a>(&self, engine: &Engine, files: impl Iterator<Item = &'a DriverFile>) {
        let mut missing: Vec<&DriverFile> = files.filter(|file| !self.path_of(&file.sha256).exists()).collect();
        // Two files may be the same.
        missing.sort_by(|a, b| a.sha256.cmp(&b.sha256));
        missing.dedup_by(|a, b| a.sha256 == b.sha256);
        if missing.is_empty() {
            return;
        }
        let at_once = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(missing.len());
        let next = AtomicUsize::new(0);
        let compile = || {
            while let Some(file) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Ok(compiled) = engine.precompile_component(&file.bytes) {
                    let _ = keep(&self.path_of(&file.sha256), &compiled);
                }
            }
        };
        tokio::task::block_in_place(|| {
            std::thread::scope(|scope| {
                for _ in 0..at_once {
                    scope.spawn(compile);
                }
            });
        });
    }

    fn path_of(&self, sha256: &str) -> PathBuf {
        self.directory.join(format!("{sha256}-{:016x}.cwasm", self.engine_mark))
    }

    /// Gives the compiled component from the cache, or compiles it and keeps it there.
    pub(super) fn component(&self, engine: &Engine, sha256: &str, bytes: &[u8]) -> wasmtime::Result<Component> {
        let path = self.path_of(sha256);
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
