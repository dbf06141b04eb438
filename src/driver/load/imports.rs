//! The imports of a component, and what the host provides for them.

use wasmtime::component::Linker;

use super::outline::{Item, ItemKind, Outline};
use crate::driver::sandbox::Sandbox;
use crate::driver::sandbox::linker::is_linked;

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

/// What a component imports, in its own order.
pub(in crate::driver) fn imports(linker: &Linker<Sandbox>, outline: &Outline) -> Vec<Import> {
    let import = |item: &Item| {
        let lent = match item.kind {
            ItemKind::Instance if is_linked(linker, &item.name) => {
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

pub(in crate::driver) fn split(name: &str) -> (String, Option<String>) {
    match name.split_once('@') {
        Some((name, version)) => (name.to_owned(), Some(version.to_owned())),
        None => (name.to_owned(), None),
    }
}
