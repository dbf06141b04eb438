//! The receipt of a page of pending changes that is read in one step. The page counts as delivered once the client has
//! the end of it, which the connection reports (`listen/receipts`).

use std::sync::Arc;

use crate::store::{LeasePlace, Store};

/// Beside a page that counts as delivered once the client has it.
#[derive(Clone)]
pub(crate) struct Receipt {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) lease: LeasePlace,
    pub(crate) up_to: i64,
}

impl Receipt {
    /// The client has it.
    pub(crate) async fn arrived(self) {
        let account = self.lease.account;
        if let Err(error) = self.store.acknowledge_pending(self.lease, self.up_to).await {
            tracing::error!(%account, %error, "a page of changes arrived, but cannot be marked as delivered: the client gets it again");
        }
    }

    /// The client does not have it, or it can't be told.
    pub(crate) async fn lost(self) {
        let account = self.lease.account;
        if let Err(error) = self.store.return_pending(self.lease).await {
            tracing::error!(%account, %error, "a page of changes did not arrive; it is pending again when its lease expires");
        }
    }
}
