//! The drivers of this host: those that were loaded, by name, and those that were not, with the reason.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cache::Cache;
use super::call::Driver;
use super::engine::Engine;
use super::load::{self, DriverFile, LoadError};
use super::lock::Lock;

/// Where drivers come from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Every `*.wasm` in it is a driver.
    pub directory: PathBuf,
    /// `drivers.lock`.
    pub lock: PathBuf,
    /// Where compiled drivers are kept.
    pub cache: PathBuf,
}

/// All drivers found at start.
#[derive(Debug, Default)]
pub struct Catalog {
    drivers: BTreeMap<String, Arc<Driver>>,
    rejected: Vec<Rejected>,
}

/// A file that is there but was not loaded.
#[derive(Debug)]
pub struct Rejected {
    pub file: PathBuf,
    /// What is wrong and what to do about it.
    pub reason: LoadError,
}

/// The directory of drivers can't be read: unlike one broken driver, nothing can be said of any.
#[derive(Debug, thiserror::Error)]
#[error("can't read the directory of drivers {directory}: {source}")]
pub struct CatalogError {
    directory: PathBuf,
    source: io::Error,
}

impl Catalog {
    /// Loads every approved driver of the directory; the others are reported with their reason. Compiled
    /// code comes from the cache where it is there.
    pub async fn load(engine: &Engine, settings: &Settings, lock: &Lock) -> Result<Catalog, CatalogError> {
        let files = wasm_files(&settings.directory)
            .map_err(|source| CatalogError { directory: settings.directory.clone(), source })?;
        let cache = Cache::open(&settings.cache, engine.wasmtime())
            .inspect_err(|error| {
                tracing::warn!(directory = %settings.cache.display(), "drivers are compiled at each start: {error}");
            })
            .ok();
        let mut catalog = Catalog::default();
        for file in files {
            if let Err(reason) = catalog.take(engine, cache.as_ref(), &file, lock).await {
                catalog.rejected.push(Rejected { file, reason });
            }
        }
        Ok(catalog)
    }

    async fn take(
        &mut self,
        engine: &Engine,
        cache: Option<&Cache>,
        path: &Path,
        lock: &Lock,
    ) -> Result<(), LoadError> {
        let file = DriverFile::read(path, engine.limits().driver_bytes)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(approval) = lock.by_digest(&file.sha256) else {
            // A file that is no component is better told so than that it is not approved.
            file.check_header()?;
            let shown = path.display().to_string();
            return Err(match lock.by_file(&name) {
                None => LoadError::NotApproved { file: shown },
                Some(old) => LoadError::Changed { file: shown, approved: old.sha256.clone(), found: file.sha256 },
            });
        };
        let driver = load::load(engine, cache, file, Some(approval)).await?;
        let found = driver.info().name.clone();
        if found != approval.name {
            return Err(LoadError::Renamed { approved: approval.name.clone(), found });
        }
        if self.drivers.contains_key(&found) {
            return Err(LoadError::Twice { name: found, file: approval.file.clone() });
        }
        self.drivers.insert(found, Arc::new(driver));
        Ok(())
    }

    /// Notes why a driver is not loaded, in the place of what was noted of the same file before.
    pub fn reject(&mut self, rejected: Rejected) {
        self.rejected.retain(|other| other.file != rejected.file);
        self.rejected.push(rejected);
        self.rejected.sort_by(|a, b| a.file.cmp(&b.file));
    }

    pub fn driver(&self, name: &str) -> Option<&Arc<Driver>> {
        self.drivers.get(name)
    }

    /// Sorted by name.
    pub fn drivers(&self) -> impl Iterator<Item = &Arc<Driver>> {
        self.drivers.values()
    }

    pub fn rejected(&self) -> &[Rejected] {
        &self.rejected
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
