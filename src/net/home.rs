//! Separate threads for connections. A peer that sends without end, such as one that repeats `103 Early Hints` or
//! floods an HTTP/2 connection, keeps only these threads busy, until its request times out.

use std::fmt;
use std::pin::Pin;
use std::task::Poll;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{JoinError, JoinHandle};

/// A separate runtime for connections. Its tasks end when it is dropped.
pub struct Home {
    handle: Handle,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Home {
    pub(super) fn open() -> std::io::Result<Home> {
        let runtime = Builder::new_multi_thread().thread_name("connections").enable_all().build()?;
        Ok(Home { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Whether the caller runs on this runtime.
    pub(super) fn is_here(&self) -> bool {
        Handle::try_current().is_ok_and(|here| here.id() == self.handle.id())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // It may be dropped by a task, which must not wait for threads.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Home").finish_non_exhaustive()
    }
}

/// Runs a future on the runtime of the handle, and ends it there when nobody waits for it any more.
pub async fn at_home<T: Send + 'static>(
    home: &Handle,
    future: impl Future<Output = T> + Send + 'static,
) -> Result<T, JoinError> {
    Joined(home.spawn(future)).await
}

/// A task that ends with whoever waits for it.
struct Joined<T>(JoinHandle<T>);

impl<T> Future for Joined<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for Joined<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
