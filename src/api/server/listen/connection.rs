//! One connection: hyper serves it, with limits on its cost and its idle time. This file tells the client why the
//! connection ends if hyper does not.

use std::convert::Infallible;
use std::error::Error;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Version;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, UnderWay};
use super::frames;
use super::metered::{Load, Metered, StreamTasks};
use super::receipts::CountedStream;
use super::table::{Bound, Seat};
use crate::api::server::in_flight::{InFlight, Place};
use crate::api::server::peer::{Peer, Proxies};
use crate::api::server::receipt::Receipt;
use crate::api::server::unread::{NotedBody, Rest, Telling};
use crate::api::settings::{LEAST_HEAD_BYTES, Settings};
use crate::metrics::Metrics;

/// For how long a client that costs too much is listened to, so that it hears why its connection ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// For how long the rest of a request is read that was answered before its end.
const REST: Duration = Duration::from_secs(5);

/// The windows of HTTP/2: how much a client may send before it is read. Bodies are smaller than a stream's.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 512 * 1024;

/// How much of an answer h2 keeps for a stream, at most, until its reader takes it.
const SEND_BUFFER: usize = 64 * 1024;

/// What every connection of a listener has in common.
pub(super) struct Server {
    router: Router,
    pub(super) settings: Settings,
    pub(super) proxies: Proxies,
    pub(super) metrics: Arc<Metrics>,
    in_flight: Arc<InFlight>,
    pub(super) token: CancellationToken,
}

impl Server {
    pub(super) fn new(
        router: Router,
        settings: Settings,
        metrics: Arc<Metrics>,
        in_flight: Arc<InFlight>,
        token: CancellationToken,
    ) -> Server {
        let proxies = Proxies::new(settings.trusted_proxies.clone(), settings.client_ip_headers.clone());
        Server { router, settings, proxies, metrics, in_flight, token }
    }
}

fn builder(settings: &Settings, tasks: StreamTasks) -> Builder<StreamTasks> {
    let mut builder = Builder::new(tasks);
    let head_bytes = settings.head_bytes.max(LEAST_HEAD_BYTES);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(settings.header_timeout).max_buf_size(head_bytes);
    // A peer that vanished is found out by a ping, as HTTP/2 has no timeout for headers.
    builder
        .http2()
        .timer(TokioTimer::new())
        // Each header counts 32 bytes more here; and what is over it is answered with a bare status.
        .max_header_list_size(u32::try_from(head_bytes.saturating_mul(2)).unwrap_or(u32::MAX))
        .max_concurrent_streams(settings.http2_streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(settings.header_timeout)
        .keep_alive_timeout(settings.header_timeout);
    builder
}

/// Why a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Stopping,
    Idle,
    /// Its place is another's now.
    GivenUp,
    /// What was sent on it is not taken.
    LeftAlone,
}

/// Returns once the host stops, or no request has begun for a while: hyper has timeouts for a request's headers, and none
/// for a client that sends nothing at all, or an HTTP/2 connection that lies idle.
async fn due(server: &Server, active: &Notify) -> Due {
    let idle_for = server.settings.header_timeout;
    let idle = async { while tokio::time::timeout(idle_for, active.notified()).await.is_ok() {} };
    tokio::select! {
        () = server.token.cancelled() => Due::Stopping,
        () = idle => Due::Idle,
    }
}

pub(super) async fn connection(stream: TcpStream, (peer, bound): (IpAddr, Bound), seat: Seat, server: &Server) {
    let settings = &server.settings;
    server.metrics.requests.connection_opened();
    // An answer is written whole: to wait for more to send would only delay it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(http.peer = %peer, "cannot set TCP_NODELAY: {error}");
    }
    let (stream, sent) = CountedStream::new(stream);
    // A reader that takes nothing holds its connection no longer than that.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(settings.write_timeout));
    let seat = Arc::new(seat);
    let unfinished = server.in_flight.unfinished(peer);
    let load = Load::new(Arc::clone(&seat), bound, settings, unfinished);
    let open = load.end_with_connection();
    let router = TowerToHyperService::new(server.router.clone());
    let active = Notify::new();
    let rest = Rest::default();
    let service = service_fn(|mut request: Request<Incoming>| {
        active.notify_one();
        load.head_ended();
        let client = Peer(server.proxies.client(peer, request.headers()));
        request.extensions_mut().insert(client);
        let under_way = UnderWay::begin(&seat);
        let http2 = (request.version() == Version::HTTP_2).then(|| Arc::clone(&load));
        let answer = router.call(request.map(|body| NotedBody::new(body, rest.clone())));
        let sent = Arc::clone(&sent);
        async move {
            let answer: Result<Response, Infallible> = answer.await;
            answer.map(|mut answer| {
                let place = answer.extensions_mut().remove::<Place>();
                let end = answer.extensions_mut().remove::<Receipt>().map(|receipt| sent.await_receipt(receipt));
                answer.map(|body| Answer::new(body, under_way, place, http2, end))
            })
        }
    });
    let (stream, unanswered) = Telling::new(Metered::new(Box::pin(stream), Arc::clone(&load)), rest.clone());
    let served = async {
        let builder = builder(settings, StreamTasks::of(&load));
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let due = tokio::select! {
            ended = connection.as_mut() => return (ended, None),
            () = seat.given_up() => return (Ok(()), Some(Due::GivenUp)),
            due = due(server, &active) => due,
        };
        // What is under way on it goes on; nothing new is begun.
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            ended = connection => (ended, Some(due)),
            () = seat.given_up() => (Ok(()), Some(Due::GivenUp)),
            () = load.left_alone() => (Ok(()), Some(Due::LeftAlone)),
        }
    };
    let receipts = async {
        sent.give_receipts().await;
        unreachable!("it goes on for as long as it is polled")
    };
    let (ended, due) = tokio::select! {
        biased;
        ended = served => ended,
        never = receipts => never,
    };
    drop(open);
    sent.end(settings.write_timeout).await;
    let is_late = match (ended, due) {
        (Ok(()), Some(Due::Idle)) => true,
        (Ok(()), Some(Due::GivenUp)) => seat.under_way() == 0,
        (Ok(()), _) => false,
        (Err(error), _) => {
            tracing::debug!(http.peer = %peer, "a connection broke off: {error}");
            has_waited(error.as_ref())
        }
    };
    let why = match due {
        _ if load.is_costly() => "costly",
        _ if load.has_no_room() => "no_room",
        Some(Due::GivenUp) => "displaced",
        Some(Due::LeftAlone) => "not_taken",
        _ => "ended",
    };
    server.metrics.requests.connection_closed(why);
    if !is_late && !load.is_costly() {
        if due.is_none()
            && rest.is_unread()
            && let Ok(unread) = unanswered.await
        {
            tokio::select! {
                _ = unread.throw_away(REST) => {}
                () = seat.given_up() => {}
                () = server.token.cancelled() => {}
            }
        }
        return;
    }
    let Ok(unanswered) = unanswered.await else { return };
    let told = match load.last_stream().filter(|_| load.is_costly()) {
        Some(last_stream) => unanswered.calm(frames::calm_down(last_stream), LAST_WORDS).await,
        None => unanswered.tell().await,
    };
    if let Err(error) = told {
        tracing::debug!(http.peer = %peer, "cannot tell the client why its connection ends: {error}");
    }
}

/// Whether hyper gave up waiting for the rest of a request's head.
fn has_waited(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout)
}
