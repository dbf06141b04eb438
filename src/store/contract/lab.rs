//! The environment of a store under test. Each store's own tests provide one.

use std::sync::Arc;

use crate::store::Store;

/// Where a store is tried out.
pub(in crate::store) trait Lab {
    fn store(&self) -> Arc<dyn Store>;

    /// Ends the host without a word to the store, and starts another on what is left.
    fn crash(&mut self);
}
