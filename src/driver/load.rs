//! From a file to a driver: is it a component, of this contract, in a version that this host speaks, and
//! does it describe itself as the contract asks? Nothing is compiled here before its digest was vetted,
//! but for an operator who inspects it in order to vet it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use super::CallError;
use super::anatomy::{self, Import};
use super::bindings::inventory;
use super::cache::Cache;
use super::call::Driver;
use super::description::{DriverInfo, checked};
use super::engine::Engine;
use super::grants::Grants;
use super::guest::{Contract, GuestPre};
use super::lock::Approval;
use super::memory::SandboxMemory;
use super::meter::Meter;
use super::outline::{Item, ItemKind, Outline};
use super::sandbox::Running;
use super::signature::Unsigned;
use super::source::FetchError;

/// The contract that this host serves.
pub(super) const PACKAGE: &str = "tracker:driver";
/// The contracts that this host serves, for people.
pub const SERVED: &str = "0.1 and 0.2";

/// What an operator is shown of a file before approving it.
#[derive(Clone, Debug)]
pub struct Inspected {
    pub info: DriverInfo,
    /// The file's size in bytes.
    pub size: u64,
    /// What it asks of the host.
    pub imports: Vec<Import>,
}

/// Why a file is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("it can't be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("it has {found} bytes; limit {limit}, setting: drivers.limits.driver_bytes")]
    TooLarge { found: u64, limit: u64 },
    #[error("it is not WebAssembly: its first bytes are not those of a component")]
    NotWasm,
    #[error(
        "it is a core module, not a component: build it for wasm32-wasip2, or make a component of it with \
         `wasm-tools component new`"
    )]
    CoreModule,
    #[error("it is not a sound component, perhaps cut short: {0}")]
    Malformed(String),
    #[error("it is a component of another world: {0}")]
    OtherWorld(String),
    #[error("it is made for {PACKAGE} {found}, and this host serves {SERVED}: {}", remedy(.found))]
    Version { found: String },
    #[error("it asks for something that no driver is lent: {0}")]
    Imports(String),
    /// It is sound, and a sandbox has no room for its parts. What a sandbox may have is no setting.
    #[error("it does not fit into a sandbox: {0}")]
    Unfit(String),
    /// A limit on compiling it, with the setting that moves it.
    #[error("compiling it passed the limit on {limit} ({value}); setting: drivers.compile.{setting}")]
    CompileLimit { limit: &'static str, setting: &'static str, value: String },
    #[error("it was not compiled, through a fault of the compiler's: {0}")]
    Compiler(String),
    #[error("it was not compiled, as there is no room for what is made of it: {0}")]
    NoRoom(String),
    #[error("it is not approved. To vet it: tracker driver approve {file}")]
    NotApproved { file: String },
    #[error(
        "its content changed since it was approved (SHA-256 then {approved}, now {found}). To vet it anew: \
         tracker driver approve {file}"
    )]
    Changed { file: String, approved: String, found: String },
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
    #[error("driver {name:?} is approved in drivers.lock, and its file is not there")]
    Missing { name: String },
    /// What an operator asks for who set `drivers.require_tested`.
    #[error("{} (setting: drivers.require_tested). To test it: tracker driver test {file} --cassettes DIR --admit", untested(*.passed, *.suite))]
    NotTested { file: String, passed: Option<u32>, suite: u32 },
    #[error(
        "it passed the conformance suite without a list of instances (setting: drivers.require_tested). To test it: \
         tracker driver test {file} --cassettes DIR --admit"
    )]
    NoInstancesTested { file: String },
    #[error("it was approved as driver {approved:?}, and describes itself as {found:?}")]
    Renamed { approved: String, found: String },
    #[error("driver {name:?} is loaded already, from {file}")]
    Twice { name: String, file: String },
    #[error("its file is not there, and can't be fetched: {0}")]
    Unfetched(#[from] FetchError),
    #[error("it does not describe itself: {0}")]
    Describe(CallError),
    #[error("what it describes breaks the contract: {0}")]
    Description(String),
}

impl LoadError {
    /// Of a file that holds what was compiled, and can't be written.
    pub(super) fn unkept(path: &Path, error: &io::Error) -> LoadError {
        let why = format!("{}: {error}", path.display());
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                LoadError::NoRoom(why)
            }
            _ => LoadError::Compiler(why),
        }
    }

    /// Whether another try may succeed although nobody changes the file, what is approved or the configuration.
    pub fn is_passing(&self) -> bool {
        match self {
            LoadError::Unreadable(error) => {
                !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
            }
            LoadError::NoRoom(_) | LoadError::Compiler(_) => true,
            // A machine that is short of memory or time now may have both later. How much CPU time it takes stays the same.
            LoadError::CompileLimit { setting, .. } => *setting != "cpu",
            LoadError::Describe(CallError::Limit { setting, .. }) => {
                matches!(*setting, "total_memory" | "request_timeout")
            }
            LoadError::Describe(error) => *error == CallError::HostFault,
            LoadError::Unfetched(error) => error.is_passing(),
            _ => false,
        }
    }

    /// A stable word for why it is not loaded at present, as readiness and metrics have it.
    pub fn word(&self) -> &'static str {
        match self {
            LoadError::NoRoom(_) => "disk-full",
            LoadError::CompileLimit { .. } => "compile-limit",
            LoadError::Unfetched(_) => "not-fetched",
            LoadError::Unreadable(_) => "unreadable",
            _ => "not-loaded",
        }
    }
}

fn untested(passed: Option<u32>, suite: u32) -> String {
    match passed {
        None => "it is not recorded that it passed the conformance suite, and only what did is loaded".into(),
        Some(passed) => {
            format!("it passed form {passed} of the conformance suite, and this host asks for form {suite}")
        }
    }
}

fn remedy(found: &str) -> &'static str {
    let number = |text: &str| -> Vec<u32> { text.split('.').map(|part| part.parse().unwrap_or(0)).collect() };
    match Contract::ALL.iter().all(|served| number(found) > number(served.as_str())) {
        true => "update the host",
        false => "build the driver against a contract of this host",
    }
}

/// A file's bytes and their digest.
#[derive(Clone)]
pub(super) struct DriverFile {
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) sha256: String,
}

impl DriverFile {
    pub(super) fn read(path: &Path, limit: u64) -> Result<DriverFile, LoadError> {
        let found = fs::metadata(path)?.len();
        if found > limit {
            return Err(LoadError::TooLarge { found, limit });
        }
        let bytes = fs::read(path)?;
        let sha256 = Sha256::digest(&bytes).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        Ok(DriverFile { bytes: Arc::new(bytes), sha256 })
    }

    /// Whether it begins as a component does: cheaper to say, and said better, than by compiling it.
    pub(super) fn check_header(&self) -> Result<(), LoadError> {
        const MAGIC: &[u8] = b"\0asm";
        match (self.bytes.get(..4), self.bytes.get(4..8)) {
            (Some(MAGIC), Some([0x0d, 0, 1, 0])) => Ok(()),
            (Some(MAGIC), Some([1, 0, 0, 0])) => Err(LoadError::CoreModule),
            (Some(MAGIC), None) => Err(LoadError::Malformed("it ends within its header".into())),
            (Some(MAGIC), Some(_)) => Err(LoadError::Malformed("its header is of an unknown form".into())),
            _ => Err(LoadError::NotWasm),
        }
    }
}

/// Looks at a file that has not been vetted: it is compiled and describes itself in a sandbox that
/// reaches nothing. What was compiled is kept for the host whose cache it is, if that is this user's.
pub async fn inspect(engine: &Engine, path: &Path, cache: Option<&Path>) -> Result<Inspected, LoadError> {
    let file = DriverFile::read(path, engine.limits().driver_bytes)?;
    let size = file.bytes.len() as u64;
    let cache = cache.and_then(|directory| Cache::of_host(directory, engine.wasmtime()));
    let component = component(engine, cache.as_ref(), &file).await?;
    let driver = assemble(engine, &component, file.sha256, None).await?;
    Ok(Inspected { info: driver.info, size, imports: anatomy::imports(engine, &outline_of(engine, &component)) })
}

/// Makes a driver of a file that nobody vetted, granted all that it declares. For the tools that an author or an
/// operator runs knowingly on one file (`tracker driver run`, `record` and `test`): a host loads what is approved.
pub async fn unapproved(engine: &Engine, path: &Path) -> Result<Driver, LoadError> {
    let file = DriverFile::read(path, engine.limits().driver_bytes)?;
    let component = component(engine, None, &file).await?;
    let mut driver = assemble(engine, &component, file.sha256, None).await?;
    driver.info.endpoints.clone_from(&driver.info.asks_for);
    driver.grants = driver.grants.all_declared();
    Ok(driver)
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
    let (outline, compiled) = engine.compiler().compile(engine, file, draft.path()).await?;
    let kept = compiled.and_then(|()| draft.keep(engine.wasmtime()));
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
    let contract = outline_of(engine, component).check_world(|name| anatomy::is_linked(engine.linker(), name))?;
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
    let (its_engine, pre, its_meter) = (engine.clone(), pre.clone(), Arc::clone(&meter));
    let its_memory = Arc::clone(&memory);
    let described = async move {
        let _until_it_is_gone = (slot, spent);
        Running::start(&its_engine, &pre, None, (&its_meter, &its_memory)).await?.describe().await
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
    fn what_may_pass_is_told_from_what_is_wrong_with_the_file() {
        let check = |error: LoadError, want: bool| assert_eq!(error.is_passing(), want, "{error}");
        let text = || "why".to_owned();
        let written = |kind: io::ErrorKind| LoadError::unkept(Path::new("compiled"), &kind.into());
        let limit = |setting| LoadError::CompileLimit { limit: "a limit", setting, value: text() };
        let described = |setting| LoadError::Describe(CallError::Limit { limit: "a limit", setting, value: text() });
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge] {
            check(written(kind), true);
            assert_eq!(written(kind).word(), "disk-full");
        }
        check(written(io::ErrorKind::Other), true);
        check(LoadError::Compiler(text()), true);
        check(LoadError::Unreadable(io::Error::from_raw_os_error(24)), true);
        check(limit("time"), true);
        check(limit("memory"), true);
        check(described("total_memory"), true);
        check(LoadError::Describe(CallError::HostFault), true);

        check(limit("cpu"), false);
        check(described("cpu_per_page"), false);
        check(LoadError::Describe(CallError::Crashed(text())), false);
        check(LoadError::Unreadable(io::ErrorKind::NotFound.into()), false);
        check(LoadError::NotWasm, false);
        check(LoadError::Malformed(text()), false);
        check(LoadError::Unfit(text()), false);
        check(LoadError::OtherWorld(text()), false);
        check(LoadError::NotApproved { file: text() }, false);
        check(LoadError::Missing { name: text() }, false);
    }
}
