//! Accepts connections while the table has room, and tells the others that there is none.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::connection::{Server, connection};
use super::meter::Allowance;
use super::table::{Bound, Connections, Most};
use crate::api::problem::{Problem, ProblemType, RETRY_SOON};
use crate::api::server::peer::network;
use crate::api::server::unread::whole;
use crate::clock::Stopwatch;

/// After the system refused a connection for want of files or memory, it is asked again this much later.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How many connections are given up at once then.
const GIVEN_UP_AT_ONCE: usize = 16;

/// How often the log says so.
const REFUSALS_LOGGED_EVERY: Duration = Duration::from_secs(10);

/// Takes in connections, each as a task, until the host stops.
pub(super) async fn accept(listener: TcpListener, server: &Arc<Server>, most: Most, tasks: &mut JoinSet<()>) {
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
                            server.metrics.requests.connection_refused();
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
                        tracing::warn!("cannot accept a connection: {error}");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

/// Says that there is no place, as far as the system takes that at once.
fn refuse(stream: &TcpStream) {
    let detail = "the maximum number of connections from this address is open, each with a request in progress";
    let problem = Problem::new(ProblemType::TooManyConnections, detail).retry_after(RETRY_SOON);
    // Who is refused without a word has been refused as well.
    let _ = stream.try_write(&whole(&problem));
}

/// Whether an error of `accept` is about the connection that was to be accepted, and not about the socket.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
