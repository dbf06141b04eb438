//! The connections that read: each call borrows one, on a thread where it may block, and sees one
//! snapshot from its first statement to its last.

use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::Result;
use super::Fault;

pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    /// As many as there are idle connections.
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>) -> Readers {
        let permits = Arc::new(Semaphore::new(connections.len()));
        Readers { idle: Arc::new(Mutex::new(connections)), permits }
    }

    pub(super) async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Fault::Closed)?;
        let lent = Lent::take(Arc::clone(&self.idle), permit);
        // It is given back there even if this call is dropped meanwhile.
        tokio::task::spawn_blocking(move || {
            let snapshot = lent.connection().unchecked_transaction()?;
            work(&snapshot)
        })
        .await
        .map_err(Fault::Read)?
    }
}

/// A connection on loan; it goes back when this is dropped, also by a panic.
struct Lent {
    connection: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
    /// Dropped after the connection is back, as fields are dropped after their owner.
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    fn take(idle: Arc<Mutex<Vec<Connection>>>, permit: OwnedSemaphorePermit) -> Lent {
        let connection = idle.lock().expect("invariant: no holder of this lock can panic").pop();
        Lent { connection, idle, _permit: permit }
    }

    fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("invariant: there is an idle connection for each permit")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(connection), Ok(mut idle)) = (self.connection.take(), self.idle.lock()) {
            idle.push(connection);
        }
    }
}
