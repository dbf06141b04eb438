//! The drivers of this host: the loaded ones, by name, and the others, with the reason.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::component::Component;

use super::call::Driver;
use super::engine::Engine;
use super::load;
use super::load::LoadError;
use super::load::cache::Cache;
use super::shadow::Shadow;
use crate::supply::{AdmissionError, Admitted, Approval, Lock, Role, Settings, wasm_files};

/// The drivers that are loaded, and those that are not. It never changes: a reload makes another, and polls
/// under way go on with the drivers that they have.
#[derive(Debug, Default)]
pub struct Catalog {
    drivers: BTreeMap<String, Arc<Driver>>,
    /// By the name of the driver that they stand beside.
    shadows: BTreeMap<String, Arc<Shadow>>,
    rejected: Vec<Rejected>,
}

/// A file that is there, or should be, but was not loaded.
#[derive(Debug)]
pub struct Rejected {
    pub file: PathBuf,
    /// What is wrong and what to do about it.
    pub reason: LoadError,
}

/// The directory of drivers can't be read: unlike one broken driver, nothing can be said of any.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the directory of drivers {directory}: {source}")]
pub struct CatalogError {
    directory: PathBuf,
    source: io::Error,
}

impl Catalog {
    /// Loads every approved driver of the directory; the others are reported with their reason. Compiled
    /// code comes from the cache where it is there.
    pub async fn load(engine: &Engine, settings: &Settings, lock: &Lock) -> Result<Catalog, CatalogError> {
        Catalog::default().reload(engine, settings, lock).await
    }

    /// What is to be loaded by the lock as it is now. What is loaded already stays as it is; where a new
    /// version can't be loaded, the old one stays, and is the driver until there is a better one.
    pub async fn reload(&self, engine: &Engine, settings: &Settings, lock: &Lock) -> Result<Catalog, CatalogError> {
        let files = wasm_files(&settings.directory)
            .map_err(|source| CatalogError { directory: settings.directory.clone(), source })?;
        let cache = Cache::open(&settings.cache, engine.wasmtime())
            .inspect_err(|error| {
                tracing::warn!(directory = %settings.cache.display(), "drivers are compiled at each start: {error}");
            })
            .ok();
        let mut catalog = Catalog::default();
        let loading = Loading { engine, cache: cache.as_ref(), before: self };
        let driver_bytes = engine.limits().driver_bytes;
        let mut admitted: Vec<Admitted<'_>> = Vec::new();
        for path in files {
            let found = admitted.iter().map(|admitted| admitted.approval);
            match settings.admit((lock, found), &path, driver_bytes) {
                Ok(file) => admitted.push(file),
                Err(reason) => catalog.rejected.push(Rejected { file: path, reason: reason.into() }),
            }
        }
        let is_there =
            |approval: &Approval| admitted.iter().any(|admitted| admitted.approval.sha256 == approval.sha256);
        for approval in lock.drivers().iter().filter(|approval| !is_there(approval)) {
            let file = settings.directory.join(&approval.file);
            // One that is there, and was refused, is told of already.
            if !catalog.rejected.iter().any(|rejected| rejected.file == file) {
                let reason = AdmissionError::Missing { name: approval.name.clone() };
                catalog.rejected.push(Rejected { file, reason: reason.into() });
            }
        }
        // As many at once as the engine's compiler has turns: one by one, ten drivers would make a first start wait.
        let components = admitted.into_iter().map(async |mut admitted| {
            let found = match self.loaded(admitted.approval) {
                Some(driver) => Found::Loaded(driver),
                None => Found::Compiled(load::component(engine, loading.cache, &admitted.file).await),
            };
            // It may be tens of megabytes, and there may be many.
            admitted.file.bytes = Arc::default();
            (admitted, found)
        });
        for (file, found) in futures_util::future::join_all(components).await {
            let path = file.path.clone();
            if let Err(reason) = catalog.take(&loading, file, found).await {
                catalog.rejected.push(Rejected { file: path, reason });
            }
        }
        for (name, driver) in &self.drivers {
            if !catalog.drivers.contains_key(name) && lock.by_name(name).is_some() {
                catalog.drivers.insert(name.clone(), Arc::clone(driver));
            }
        }
        catalog.rejected.sort_by(|a, b| a.file.cmp(&b.file));
        Ok(catalog)
    }

    async fn take(&mut self, loading: &Loading<'_>, admitted: Admitted<'_>, found: Found) -> Result<(), LoadError> {
        let Loading { engine, before, .. } = *loading;
        let Admitted { file, approval, signed_by, .. } = admitted;
        let driver = match found {
            Found::Loaded(driver) => driver,
            Found::Compiled(component) => {
                let mut driver = load::assemble(engine, &component?, file.sha256, Some(approval)).await?;
                driver.info.signed_by = signed_by;
                Arc::new(driver)
            }
        };
        let found = driver.info().name.clone();
        if found != approval.name {
            return Err(LoadError::Renamed { approved: approval.name.clone(), found });
        }
        match approval.role {
            Role::Current => {
                self.drivers.insert(found, driver);
            }
            Role::Shadow => {
                let known = before.shadows.get(&found).filter(|shadow| Arc::ptr_eq(shadow.driver(), &driver));
                let shadow = known.map_or_else(|| Arc::new(Shadow::new(driver)), Arc::clone);
                self.shadows.insert(found, shadow);
            }
        }
        Ok(())
    }

    /// What is loaded already by this very approval.
    fn loaded(&self, approval: &Approval) -> Option<Arc<Driver>> {
        let shadows = self.shadows.values().map(|shadow| shadow.driver());
        let same = |driver: &&Arc<Driver>| {
            driver.info().digest == approval.sha256 && driver.info().endpoints == approval.endpoints
        };
        self.drivers.values().chain(shadows).find(same).cloned()
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

    /// The candidate beside the driver of that name.
    pub fn shadow(&self, name: &str) -> Option<&Arc<Shadow>> {
        self.shadows.get(name)
    }

    /// Sorted by the name of the driver.
    pub fn shadows(&self) -> impl Iterator<Item = &Arc<Shadow>> {
        self.shadows.values()
    }

    pub fn rejected(&self) -> &[Rejected] {
        &self.rejected
    }

    /// Whether no driver is loaded though one is approved.
    pub fn lacks_all(&self) -> bool {
        let is_approved = |rejected: &Rejected| !rejected.reason.is_unapproved();
        self.drivers.is_empty() && self.rejected.iter().any(is_approved)
    }
}

/// What a catalog is made with.
#[derive(Clone, Copy)]
struct Loading<'a> {
    engine: &'a Engine,
    cache: Option<&'a Cache>,
    /// What is loaded by now.
    before: &'a Catalog,
}

/// What there is of an admitted file.
enum Found {
    /// The driver that is loaded from it.
    Loaded(Arc<Driver>),
    Compiled(Result<Component, LoadError>),
}
