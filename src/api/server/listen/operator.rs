//! The listener for operators: liveness, readiness and metrics. It has a socket that clients need not reach, and a
//! separate thread, so that it answers however busy the others are.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::accept::accept;
use super::connection::Server;
use super::date::read_clock_once;
use super::table::Most;

/// The thread, which ends with the host.
pub(super) struct Operator(JoinHandle<()>);

/// Serves `listener` until the server's token is cancelled.
///
/// # Errors
/// The system gives no thread, or nothing to wait for sockets with.
pub(super) fn start(listener: std::net::TcpListener, server: Arc<Server>) -> io::Result<Operator> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    listener.set_nonblocking(true)?;
    let listener = {
        let _inside = runtime.enter();
        TcpListener::from_std(listener)?
    };
    let serving = move || {
        read_clock_once();
        runtime.block_on(async move {
            let grace = server.settings.grace;
            let connections = server.settings.operator.connections;
            // One who scrapes from many places, or none that ends its heads, leaves room for another.
            let most = Most {
                all: connections,
                network: connections,
                unfinished: connections,
                unfinished_of_network: connections,
            };
            let mut tasks = JoinSet::new();
            accept(listener, &server, most, &mut tasks).await;
            let ended = async { while tasks.join_next().await.is_some() {} };
            // What is left by then ends with its runtime.
            let _ = tokio::time::timeout(grace, ended).await;
        });
    };
    Ok(Operator(std::thread::Builder::new().name("operator".to_owned()).spawn(serving)?))
}

impl Operator {
    /// Waits until it has ended.
    pub(super) async fn ended(self) {
        let joined = tokio::task::spawn_blocking(move || self.0.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the operator's listener panicked");
        }
    }
}
