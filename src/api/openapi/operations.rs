//! The table of operations: each with its parameters, its body and its answers. One file for each group.

mod account;
mod changes;
mod hooks;
mod host;
mod inventory;
pub(super) mod table;

use utoipa::openapi::Paths;

use table::{Bounds, NamedSchemas, Table};

pub(super) fn described(bounds: Bounds) -> (Paths, NamedSchemas) {
    let mut table = Table { paths: Paths::new(), schemas: NamedSchemas::new(), bounds };
    host::describe(&mut table);
    inventory::describe(&mut table);
    hooks::describe(&mut table);
    changes::describe(&mut table);
    account::describe(&mut table);
    (table.paths, table.schemas)
}
