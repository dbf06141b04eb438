//! Loads a driver from a file. It checks that the file is a component, that the component implements a version of the
//! contract that this host supports, and that its description is valid. Nothing is compiled before its digest is
//! approved, except when an operator inspects a file before the approval.

pub mod anatomy;
pub(super) mod cache;
pub mod compile;
mod description;
mod error;
mod imports;
pub(super) mod outline;

use std::io;
use std::path::Path;
use std::sync::Arc;

use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use super::bindings::inventory;
use super::call::Driver;
use super::contract::{Contract, PACKAGE};
use super::engine::Engine;
use super::error::CallError;
use super::info::DriverInfo;
use super::limits::memory::SandboxMemory;
use super::limits::meter::Meter;
use super::message::message;
use super::sandbox::Running;
use super::sandbox::guest::GuestPre;
use super::sandbox::linker::is_linked;
use crate::supply::grants::Grants;
use crate::supply::{AdmissionError, Approval, DriverFile};
use cache::Cache;
use description::checked;
use imports::imports;
use outline::{Item, ItemKind, Outline};

pub use error::LoadError;
pub use imports::{Import, Lent};

/// What an operator is shown of a file before approving it.
#[derive(Clone, Debug)]
pub struct Inspected {
    pub info: DriverInfo,
    /// The file's size in bytes.
    pub size: u64,
    /// What it asks of the host.
    pub imports: Vec<Import>,
}

/// Looks at a file that has not been vetted: it is compiled and describes itself in a sandbox that
/// reaches nothing. What was compiled is kept for the host whose cache it is, if that is this user's.
pub async fn inspect(engine: &Engine, path: &Path, cache: Option<&Path>) -> Result<Inspected, LoadError> {
    let file = DriverFile::read(path, engine.limits().driver_bytes)?;
    let size = file.bytes.len() as u64;
    let cache = cache.and_then(|directory| Cache::of_host(directory, engine.wasmtime()));
    let component = component(engine, cache.as_ref(), &file).await?;
    let driver = assemble(engine, &component, file.sha256, None).await?;
    Ok(Inspected { info: driver.info, size, imports: imports(engine.linker(), &outline_of(engine, &component)) })
}

/// Makes a driver of a file that nobody vetted, granted all that it declares. For the tools that an author or an
/// operator runs knowingly on one file (`tracker driver run`, `record` and `test`): a host loads what is approved.
pub async fn unapproved(engine: &Engine, path: &Path) -> Result<Driver, LoadError> {
    unapproved_file(engine, &DriverFile::read(path, engine.limits().driver_bytes)?, None).await
}

/// The same of a file that was read, compiled into a cache or found there.
pub(crate) async fn unapproved_file(
    engine: &Engine,
    file: &DriverFile,
    cache: Option<&Cache>,
) -> Result<Driver, LoadError> {
    let component = component(engine, cache, file).await?;
    let mut driver = assemble(engine, &component, file.sha256.clone(), None).await?;
    driver.info.endpoints.clone_from(&driver.info.asks_for);
    driver.grants = driver.grants.all_declared();
    Ok(driver)
}

/// A directory in which what an engine compiles is kept.
pub(crate) fn cache(engine: &Engine, directory: &Path) -> io::Result<Cache> {
    Cache::open(directory, engine.wasmtime())
}

/// Whether a component is made for a contract that this host serves. An error says why not. Its edge alone is read,
/// which is bounded whatever the file is; what is inside is for the compiler's process.
pub fn check_contract(component: &[u8]) -> Result<(), String> {
    let outline = Outline::of(component).map_err(|why| AdmissionError::Malformed(message(why)).to_string())?;
    match outline.contract() {
        None => Err(format!("it is not built for {PACKAGE}: it is a component of another kind")),
        Some(version) if Contract::of(version).is_none() => {
            Err(LoadError::Version { found: message(version.to_owned()) }.to_string())
        }
        Some(_) => Ok(()),
    }
}

/// Makes a component of a file of this host's world, if it is one.
pub(super) async fn component(
    engine: &Engine,
    cache: Option<&Cache>,
    file: &DriverFile,
) -> Result<Component, LoadError> {
    file.check_header()?;
    if let Some(component) = cache.and_then(|cache| cache.component(engine.wasmtime(), &file.sha256)) {
        return Ok(component);
    }
    compiled(engine, cache, file).await?.1
}

/// Compiles a file. Gives what it has at its edge, and the component if that is of this host's world. An error is of what
/// is no component, or can't be compiled.
pub(super) async fn compiled(
    engine: &Engine,
    cache: Option<&Cache>,
    file: &DriverFile,
) -> Result<(Outline, Result<Component, LoadError>), LoadError> {
    file.check_header()?;
    let passing;
    let cache = match cache {
        Some(cache) => cache,
        None => {
            let failed = |error: io::Error| LoadError::unkept(&std::env::temp_dir(), &error);
            passing = Cache::passing(engine.wasmtime()).map_err(failed)?;
            &passing
        }
    };
    let draft = cache.draft(file)?;
    let (outline, compiled) =
        engine.compiler().compile((engine.wasmtime(), engine.limits()), file, draft.path()).await?;
    let kept = compiled.and_then(|digest| draft.keep(engine.wasmtime(), &digest));
    Ok((outline, kept))
}

/// What a compiled component has at its edge.
pub(super) fn outline_of(engine: &Engine, component: &Component) -> Outline {
    let wasmtime = engine.wasmtime();
    let kind = component.component_type();
    let item = |name: &str, item: &ComponentItem| {
        let kind = match item {
            ComponentItem::ComponentInstance(_) => ItemKind::Instance,
            ComponentItem::Type(_) => ItemKind::Type,
            _ => ItemKind::Other,
        };
        Item { name: name.to_owned(), kind }
    };
    Outline {
        imports: kind.imports(wasmtime).map(|(name, import)| item(name, &import.ty)).collect(),
        exports: kind.exports(wasmtime).map(|(name, _)| name.to_owned()).collect(),
        // Counted before it was compiled.
        passive: 0,
        instances: 0,
    }
}

/// Makes a driver of a component.
pub(super) async fn assemble(
    engine: &Engine,
    component: &Component,
    sha256: String,
    approval: Option<&Approval>,
) -> Result<Driver, LoadError> {
    // What was compiled by another version of this program may be of another contract.
    let contract = outline_of(engine, component).check_world(|name| is_linked(engine.linker(), name))?;
    let pre = engine
        .linker()
        .instantiate_pre(component)
        .map_err(|error| LoadError::Imports(error.root_cause().to_string()))?;
    let pre = GuestPre::new(pre, contract).map_err(|error| LoadError::OtherWorld(error.root_cause().to_string()))?;
    let description = describe(engine, &pre).await.map_err(LoadError::Describe)?;
    let (mut info, declared) = checked(description, engine.limits().field_bytes).map_err(LoadError::Description)?;
    info.digest = sha256;
    let mut driver = Driver { info, pre, grants: Grants::new(declared, Vec::new()), engine: engine.clone() };
    if let Some(approval) = approval {
        driver = driver.granted(approval)?;
    }
    Ok(driver)
}

impl Driver {
    /// The same with what an approval grants, and no more.
    pub fn granted(mut self, approval: &Approval) -> Result<Driver, LoadError> {
        let granted = approval.patterns().map_err(|error| LoadError::Description(error.to_string()))?;
        self.info.endpoints.clone_from(&approval.endpoints);
        self.grants = self.grants.cut_down_to(granted);
        Ok(self)
    }
}

async fn describe(engine: &Engine, pre: &GuestPre) -> Result<inventory::Description, CallError> {
    let slot = engine.slot().await;
    let limits = engine.limits();
    let meter = Arc::new(Meter::new(limits.cpu_per_page));
    let memory = engine.memory().admit(None).await;
    let spent = SandboxMemory(Arc::clone(&memory));
    let (its_host, pre, its_meter) = (Arc::clone(engine.host()), pre.clone(), Arc::clone(&meter));
    let its_memory = Arc::clone(&memory);
    let described = async move {
        let _until_it_is_gone = (slot, spent);
        Running::start(&its_host, &pre, None, (&its_meter, &its_memory)).await?.describe().await
    };
    let described = engine.lane().run_once(described);
    // It has nothing to wait for, and the host would wait for it to start.
    let timeout = limits.request_timeout;
    let ended = tokio::select! {
        biased;
        ended = tokio::time::timeout(timeout, described) => ended,
        error = memory.displaced() => Ok(Ok(Err(error))),
    };
    match ended {
        Ok(Ok(described)) => described,
        Ok(Err(ended)) => Err(CallError::of_task(&ended)),
        Err(_) => Err(CallError::Limit {
            limit: "the time to describe itself",
            setting: "request_timeout",
            value: format!("{timeout:?}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_of_no_contract_is_told_so() {
        const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
        let check = |component: &[u8], want: &str| {
            let why = check_contract(component).expect_err("it is no driver");
            assert!(why.contains(want), "{why}");
        };
        check(EMPTY_COMPONENT, "another kind");
        check(&[EMPTY_COMPONENT, b"garbage"].concat(), "not a valid component");
        let newer = "(component (instance $i) (export \"tracker:driver/inventory@0.9.0\" (instance $i)))";
        check(&wat::parse_str(newer).expect("WebAssembly text"), "update the host");
    }
}
