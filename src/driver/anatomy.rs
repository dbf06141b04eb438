//! What a component is made of, seen from outside: what it exports, what it asks of the host, and whether this
//! host would load it. Also for those that it would not.

use std::path::Path;

use wasmtime::component::{Linker, ResourceType};

use super::description::DriverInfo;
use super::engine::Engine;
use super::load::{self, DriverFile, LoadError, PACKAGE};
use super::outline::{Item, ItemKind, Outline};
use super::sandbox::Sandbox;

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

/// Something that a component asks of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// `wasi:http/outgoing-handler`
    pub name: String,
    pub version: Option<String>,
    pub lent: Lent,
}

/// What a driver is given when it asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lent {
    /// The thing itself.
    Whole,
    /// The interface, with nothing behind it: no files, no sockets, no environment.
    Empty,
    /// Nothing: a component that asks for it is not loaded.
    Refused,
}

/// What stands in the linker for the sake of guests' standard libraries, and leads nowhere.
const EMPTY: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:filesystem/",
    "wasi:sockets/",
];

/// Takes a file apart. No code of it is run but `describe`, in a sandbox that reaches nothing, and that only if it
/// speaks the contract. An error is of what is no component at all.
pub async fn dissect(engine: &Engine, path: &Path) -> Result<Anatomy, LoadError> {
    let file = DriverFile::read(path, engine.limits().driver_bytes)?;
    let (sha256, size) = (file.sha256.clone(), file.bytes.len() as u64);
    let (outline, component) = load::compiled(engine, None, &file).await?;
    let imports = imports(engine, &outline);
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

/// What a component imports, in its own order.
pub(super) fn imports(engine: &Engine, outline: &Outline) -> Vec<Import> {
    let import = |item: &Item| {
        let lent = match item.kind {
            ItemKind::Instance if is_linked(engine.linker(), &item.name) => {
                match EMPTY.iter().any(|empty| item.name.starts_with(empty)) {
                    true => Lent::Empty,
                    false => Lent::Whole,
                }
            }
            // A type by its name takes nothing of the host.
            ItemKind::Type => Lent::Whole,
            _ => Lent::Refused,
        };
        let (name, version) = split(&item.name);
        Import { name, version, lent }
    };
    outline.imports.iter().map(import).collect()
}

fn split(name: &str) -> (String, Option<String>) {
    match name.split_once('@') {
        Some((name, version)) => (name.to_owned(), Some(version.to_owned())),
        None => (name.to_owned(), None),
    }
}

/// Whether the linker has an interface of that name, in a version that fits. It does not tell, but it takes no
/// second thing of one name: what can't be put into a copy of it is there.
pub(super) fn is_linked(linker: &Linker<Sandbox>, name: &str) -> bool {
    let mut copy = linker.clone();
    copy.allow_shadowing(false);
    let mut is_taken = |name: &str| copy.root().resource(name, ResourceType::host::<()>(), |_, _| Ok(())).is_err();
    // Of WASI 0.2 every patch release fits every other; those that there are, and some that may come.
    const PATCHES: u32 = 64;
    match name.split_once("@0.2.") {
        Some((interface, _)) => (0..PATCHES).any(|patch| is_taken(&format!("{interface}@0.2.{patch}"))),
        None => is_taken(name),
    }
}
