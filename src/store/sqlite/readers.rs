//! The connections that read. Each call borrows one, on a thread where it may block, and sees one snapshot from its
//! first statement to its last.

use rusqlite::Connection;

use super::super::Result;
use super::fair_pool::{FairPool, Flow};
use super::fault::Fault;

pub(super) struct Readers {
    connections: FairPool<Connection>,
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>) -> Readers {
        // One is left to others, unless there is only one.
        let most = connections.len().saturating_sub(1).max(1);
        Readers { connections: FairPool::new(connections, most) }
    }

    pub(super) async fn read<T, F>(&self, flow: Flow, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let connection = self.connections.borrow(flow).await;
        // It is given back there even if this call is dropped meanwhile.
        tokio::task::spawn_blocking(move || {
            let snapshot = connection.unchecked_transaction()?;
            work(&snapshot)
        })
        .await
        .map_err(Fault::Read)?
    }
}
