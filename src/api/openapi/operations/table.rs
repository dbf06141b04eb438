//! The table that operations are put into, and what the settings of the host allow in them.

use utoipa::openapi::Paths;
use utoipa::openapi::path::HttpMethod;

use crate::api::openapi::asked::Asked;

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

pub(super) struct Table {
    pub(super) paths: Paths,
    pub(super) bounds: Bounds,
}

impl Table {
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
