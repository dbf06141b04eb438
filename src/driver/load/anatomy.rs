//! The outside of a component: its exports, its imports, and whether this host would load it. Also for components that
//! the host would not load.

use std::path::Path;

use super::error::LoadError;
use super::imports::{Import, imports, split};
use crate::driver::contract::PACKAGE;
use crate::driver::engine::Engine;
use crate::driver::info::DriverInfo;
use crate::driver::load;
use crate::supply::DriverFile;

/// A component, taken apart.
#[derive(Debug)]
pub struct Anatomy {
    /// In hexadecimal.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
    /// The version of the contract that it is made for; none where it speaks another.
    pub contract: Option<String>,
    pub exports: Vec<String>,
    pub imports: Vec<Import>,
    /// What it describes, or why this host would not load it.
    pub verdict: Result<DriverInfo, LoadError>,
}

/// Takes a file apart. No code of it is run but `describe`, in a sandbox that reaches nothing, and that only if it
/// speaks the contract. An error is of what is no component at all.
pub async fn dissect(engine: &Engine, path: &Path) -> Result<Anatomy, LoadError> {
    let file = DriverFile::read(path, engine.limits().driver_bytes)?;
    let (sha256, size) = (file.sha256.clone(), file.bytes.len() as u64);
    let (outline, component) = load::compiled(engine, None, &file).await?;
    let imports = imports(engine.linker(), &outline);
    let of_contract = |name: &str| name.split('/').next() == Some(PACKAGE);
    let exported = outline.exports.iter().map(|name| split(name)).find(|(name, _)| of_contract(name));
    let imported = imports.iter().find(|import| of_contract(&import.name));
    let contract = exported.and_then(|(_, version)| version).or(imported.and_then(|import| import.version.clone()));
    let verdict = match component {
        Ok(component) => load::assemble(engine, &component, sha256.clone(), None).await.map(|driver| driver.info),
        Err(error) => Err(error),
    };
    Ok(Anatomy { sha256, size, contract, exports: outline.exports, imports, verdict })
}
