//! The builder of the table of operations, with the limits that the host's settings put on them.

use std::collections::BTreeMap;

use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Paths, RefOr};

use crate::api::openapi::asked::Asked;
use crate::api::openapi::shapes::named;

/// What the settings of this host allow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) page_items: usize,
    pub(crate) filter_items: usize,
    pub(crate) token_bytes: usize,
    /// In seconds.
    pub(crate) wait: u64,
    /// In seconds.
    pub(crate) lease: u64,
    pub(crate) pending: usize,
}

/// What operations speak of that no type of the API is written as, by name.
pub(crate) type NamedSchemas = BTreeMap<String, RefOr<Schema>>;

pub(super) struct Table {
    pub(super) paths: Paths,
    pub(super) schemas: NamedSchemas,
    pub(super) bounds: Bounds,
}

impl Table {
    /// Gives a schema the name by which generated clients call it, and gives what refers to it.
    pub(super) fn define(&mut self, name: &str, schema: impl Into<RefOr<Schema>>) -> RefOr<Schema> {
        self.schemas.insert(name.to_owned(), schema.into());
        named(name)
    }

    pub(super) fn add(&mut self, method: HttpMethod, path: &str, asked: Asked) {
        self.paths.add_path_operation(path, vec![method], asked.done());
    }

    pub(super) fn get(&mut self, path: &str, asked: Asked) {
        self.add(HttpMethod::Get, path, asked);
    }

    pub(super) fn post(&mut self, path: &str, asked: Asked) {
        self.add(HttpMethod::Post, path, asked);
    }
}
