//! Serving the API on a socket: connections are bounded in number, in how long they may lie idle, and in
//! how long they may go on once the host stops.

mod peer;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

pub(super) use peer::network;
pub use peer::{ClientHeader, Peer};

use peer::Proxies;

use super::unread::Telling;
use super::{Context, Running, Settings, router};

/// After the system refused a connection for want of files or memory, it is asked again this much later.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// hyper reads no less at once.
pub(super) const LEAST_HEAD_BYTES: usize = 8192;

/// Serves the API until `token` is cancelled; then requests under way may take `settings.grace` to end.
pub async fn serve(listener: TcpListener, context: Context, token: CancellationToken) -> io::Result<()> {
    let settings = context.settings.clone();
    let (idle_for, stalled_for) = (settings.header_timeout, settings.write_timeout);
    let running = Running::new(&context, token.clone());
    let router = router(context, running.clone());
    let builder = connections(&settings);
    let proxies = Arc::new(Proxies::new(settings.trusted_proxies.clone(), settings.client_ip_headers.clone()));
    let slots = Arc::new(Semaphore::new(settings.connections.clamp(1, Semaphore::MAX_PERMITS)));
    let mut tasks = JoinSet::new();
    let (hub, until) = (Arc::clone(&running.hub), token.clone());
    tasks.spawn(async move { hub.run(until).await });
    loop {
        let accept = async {
            let slot = Arc::clone(&slots).acquire_owned().await.expect("invariant: the semaphore is never closed");
            (slot, listener.accept().await)
        };
        tokio::select! {
            () = token.cancelled() => break,
            Some(_) = tasks.join_next() => {}
            (slot, accepted) = accept => match accepted {
                Ok((stream, address)) => {
                    let peer = Peer(address.ip().to_canonical());
                    let (builder, router, proxies) = (builder.clone(), router.clone(), Arc::clone(&proxies));
                    let ending = Ending { token: token.clone(), idle_for, stalled_for };
                    tasks.spawn(async move {
                        connection(stream, &builder, router, (peer, &proxies), ending).await;
                        drop(slot);
                    });
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!("can't accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let ended = async {
        while tasks.join_next().await.is_some() {}
        running.underway.ended().await;
    };
    if tokio::time::timeout(settings.grace, ended).await.is_err() {
        tracing::warn!(
            connections = tasks.len(),
            "some requests did not end in {:?} and are broken off",
            settings.grace
        );
        tasks.shutdown().await;
    }
    Ok(())
}

fn connections(settings: &Settings) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let head_bytes = settings.head_bytes.max(LEAST_HEAD_BYTES);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(settings.header_timeout).max_buf_size(head_bytes);
    // A peer that vanished is found out by a ping, as HTTP/2 has no timeout for headers.
    builder
        .http2()
        .timer(TokioTimer::new())
        // Each header counts 32 bytes more here; and what is over it is answered with a bare status.
        .max_header_list_size(u32::try_from(head_bytes.saturating_mul(2)).unwrap_or(u32::MAX))
        .keep_alive_interval(settings.header_timeout)
        .keep_alive_timeout(settings.header_timeout);
    builder
}

/// When a connection is to end.
struct Ending {
    token: CancellationToken,
    idle_for: Duration,
    stalled_for: Duration,
}

impl Ending {
    /// Returns once the host stops, or no request has begun for a while: hyper has timeouts for a request's
    /// headers, and none for a client that sends nothing at all, or an HTTP/2 connection that lies idle.
    async fn due(&self, active: &Notify) -> Due {
        let idle = async { while tokio::time::timeout(self.idle_for, active.notified()).await.is_ok() {} };
        tokio::select! {
            () = self.token.cancelled() => Due::Stopping,
            () = idle => Due::Idle,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Stopping,
    Idle,
}

async fn connection(
    stream: TcpStream,
    builder: &Builder<TokioExecutor>,
    router: Router,
    (peer, proxies): (Peer, &Proxies),
    ending: Ending,
) {
    // An answer is written whole: to wait for more to send would only delay it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(http.peer = %peer.0, "can't set TCP_NODELAY: {error}");
    }
    // A reader that takes nothing holds its connection no longer than that.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(ending.stalled_for));
    let router = TowerToHyperService::new(router);
    let active = Notify::new();
    let service = service_fn(|mut request: Request<Incoming>| {
        active.notify_one();
        let client = Peer(proxies.client(peer.0, request.headers()));
        request.extensions_mut().insert(client);
        let answer = router.call(request);
        async move { answer.await as Result<Response, Infallible> }
    });
    let (stream, unanswered) = Telling::new(Box::pin(stream));
    let served = async {
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            ended = connection.as_mut() => (ended, None),
            due = ending.due(&active) => {
                // What is under way on it goes on; nothing new is begun.
                connection.as_mut().graceful_shutdown();
                (connection.await, Some(due))
            }
        }
    };
    let is_late = match served.await {
        (Ok(()), due) => due == Some(Due::Idle),
        (Err(error), _) => {
            tracing::debug!(http.peer = %peer.0, "a connection broke off: {error}");
            has_waited(error.as_ref())
        }
    };
    if is_late
        && let Ok(unanswered) = unanswered.await
        && let Err(error) = unanswered.tell().await
    {
        tracing::debug!(http.peer = %peer.0, "can't tell it that its request came too late: {error}");
    }
}

/// Whether hyper gave up waiting for the rest of a request's head.
fn has_waited(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout)
}

/// Whether an error of `accept` is about the connection that was to be accepted, and not about the socket.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
