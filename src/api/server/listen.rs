//! Serving the API on a socket: connections are bounded in number, by network and in all, in what they may cost, in how
//! long they may lie idle, and in how long they may go on once the host stops.

mod answer;
mod files;
mod frames;
mod meter;
mod metered;
pub(crate) mod operator;
mod receipts;
mod table;

use std::convert::Infallible;
use std::error::Error;
use std::io;
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
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use answer::{Answer, UnderWay};
use meter::Allowance;
use metered::{Load, Metered, StreamTasks};
use receipts::CountedStream;
use table::{Bound, Connections, Most, Seat};

use super::in_flight::{InFlight, Place};
use super::peer::{Peer, Proxies, network};
use super::unread::{NotedBody, Rest, Telling, whole};
use crate::api::errors::RETRY_SOON;
use crate::api::problem::{Problem, ProblemType};
use crate::api::resources::pending::Receipt;
use crate::api::settings::Settings;
use crate::api::{App, Context, Running, public_routes};
use crate::clock::Stopwatch;
use crate::metrics::Metrics;

/// After the system refused a connection for want of files or memory, it is asked again this much later.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How many connections are given up at once then.
const GIVEN_UP_AT_ONCE: usize = 16;

/// How often the log says so.
const REFUSALS_LOGGED_EVERY: Duration = Duration::from_secs(10);

/// For how long a client that costs too much is listened to, so that it hears why its connection ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// For how long the rest of a request is read that was answered before its end.
const REST: Duration = Duration::from_secs(5);

/// hyper reads no less at once.
pub(crate) const LEAST_HEAD_BYTES: usize = 8192;

/// The windows of HTTP/2: how much a client may send before it is read. Bodies are smaller than a stream's.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 512 * 1024;

/// How much of an answer h2 keeps for a stream, at most, until its reader takes it.
const SEND_BUFFER: usize = 64 * 1024;

/// Where requests come in.
pub struct Listeners {
    pub public: TcpListener,
    /// The operator's own, which is served by a thread of its own.
    pub operator: Option<std::net::TcpListener>,
}

/// Serves the API until `token` is cancelled; then requests under way may take `settings.grace` to end.
///
/// # Errors
/// The operators' thread can't be started.
pub async fn serve(listeners: Listeners, context: Context, token: CancellationToken) -> io::Result<()> {
    let running = Running::new(&context, token.clone());
    let app = crate::api::app(context, &running);
    let settings = &app.context.settings;
    let operator = match listeners.operator {
        Some(listener) => Some(operator::start(listener, Arc::clone(&app), token.clone())?),
        None => None,
    };
    let server = Arc::new(Server::new(&app, public_routes(&app), Arc::clone(&app.in_flight), token.clone()));
    let mut tasks = JoinSet::new();
    let (hub, until) = (Arc::clone(&running.hub), token.clone());
    tasks.spawn(async move { hub.run(until).await });
    let limit = files::limit();
    let all = files::connections_within(limit, settings.connections);
    if all < settings.connections {
        tracing::warn!(
            "at most {all} connections are open at once, and not {}, since the system lets the host open {} files",
            settings.connections,
            limit.unwrap_or(u64::MAX)
        );
    }
    accept(listeners.public, &server, Server::most(settings, all), &mut tasks).await;
    let ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(settings.grace, ended).await.is_err() {
        tracing::warn!(
            connections = tasks.len(),
            "some requests did not end in {:?} and are broken off",
            settings.grace
        );
        tasks.shutdown().await;
    }
    if let Some(operator) = operator {
        operator.ended().await;
    }
    Ok(())
}

/// What every connection of a listener has in common.
struct Server {
    router: Router,
    settings: Settings,
    proxies: Proxies,
    metrics: Arc<Metrics>,
    in_flight: Arc<InFlight>,
    token: CancellationToken,
}

impl Server {
    fn new(app: &App, router: Router, in_flight: Arc<InFlight>, token: CancellationToken) -> Server {
        let settings = app.context.settings.clone();
        let proxies = Proxies::new(settings.trusted_proxies.clone(), settings.client_ip_headers.clone());
        Server { router, settings, proxies, metrics: Arc::clone(&app.context.metrics), in_flight, token }
    }

    fn most(settings: &Settings, all: usize) -> Most {
        Most {
            all,
            network: settings.connections_per_peer,
            unfinished: settings.unfinished_connections,
            unfinished_of_network: settings.unfinished_per_peer,
        }
    }
}

/// Takes in connections, each as a task, until the host stops.
async fn accept(listener: TcpListener, server: &Arc<Server>, most: Most, tasks: &mut JoinSet<()>) {
    let table = Arc::new(Connections::new(most, Allowance::of_network(&server.settings)));
    let mut logged: Option<Stopwatch> = None;
    loop {
        tokio::select! {
            () = server.token.cancelled() => return,
            Some(_) = tasks.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    let peer = address.ip().to_canonical();
                    let bound = if server.proxies.trusts(peer) { Bound::ByTotal } else { Bound::ByShare };
                    match table.admit(network(peer), bound) {
                        Some(seat) => {
                            let server = Arc::clone(server);
                            tasks.spawn(async move { connection(stream, (peer, bound), seat, &server).await });
                        }
                        None => {
                            server.metrics.connection_refused();
                            refuse(&stream);
                        }
                    }
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Whoever has one to spare makes room for those who come next.
                    for _ in 0..GIVEN_UP_AT_ONCE {
                        table.make_room();
                    }
                    if logged.as_ref().is_none_or(|last| last.elapsed() >= REFUSALS_LOGGED_EVERY) {
                        logged = Some(Stopwatch::start());
                        tracing::warn!("can't accept a connection: {error}");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

/// Says that there is no place, as far as the system takes that at once.
fn refuse(stream: &TcpStream) {
    let detail =
        "as many connections are open from this address as the host allows, and a request is under way on each";
    let problem = Problem::new(ProblemType::TooManyConnections, detail).retry_after(RETRY_SOON);
    // Who is refused without a word has been refused as well.
    let _ = stream.try_write(&whole(&problem));
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

async fn connection(stream: TcpStream, (peer, bound): (IpAddr, Bound), seat: Seat, server: &Server) {
    let settings = &server.settings;
    server.metrics.connection_opened();
    // An answer is written whole: to wait for more to send would only delay it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(http.peer = %peer, "can't set TCP_NODELAY: {error}");
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
    server.metrics.connection_closed(why);
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
        tracing::debug!(http.peer = %peer, "can't tell it why its connection ends: {error}");
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
