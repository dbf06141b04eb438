//! Receivers of callbacks in every mood: they take them, fail, are overloaded, hang, cut the connection before or in
//! the middle of an answer, or are down. Each callback that came whole goes into the ledger before it is replied to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::ledger::{Acknowledged, Ledger};
use crate::support::chance::Chance;
use crate::support::client::http;
use crate::support::host::free_port;
use crate::support::wait::{SOON, eventually};

pub(super) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Absent while it is down.
    serving: Option<JoinSet<()>>,
}

struct Shared {
    ledger: Arc<Ledger>,
    mood: Mutex<(Mood, Chance)>,
    /// How many connections are open.
    open: AtomicUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Well,
    Mixed,
    /// The same reply to all.
    Stuck(Reply),
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reply {
    Good,
    Failed,
    /// 429, with a time after which to come again.
    TooMany,
    Hang,
    Cut,
    /// Cut in the middle of an answer that began well: whether it counts is the sender's to say.
    HalfAnswer,
}

/// How many replies there are.
pub(super) const REPLIES: usize = 6;

const MOODS: [Mood; 10] = [
    Mood::Well,
    Mood::Well,
    Mood::Mixed,
    Mood::Mixed,
    Mood::Mixed,
    Mood::Stuck(Reply::Failed),
    Mood::Stuck(Reply::TooMany),
    Mood::Stuck(Reply::Hang),
    Mood::Stuck(Reply::Cut),
    Mood::Down,
];

const ANY: [Reply; REPLIES] = [Reply::Good, Reply::Failed, Reply::TooMany, Reply::Hang, Reply::Cut, Reply::HalfAnswer];

impl Receiver {
    pub(super) async fn start(ledger: &Arc<Ledger>, chance: Chance) -> Receiver {
        let shared = Shared { ledger: Arc::clone(ledger), mood: Mutex::new((Mood::Well, chance)), open: 0.into() };
        // No port of the system's choice: it could give that to another while this is down.
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut receiver = Receiver { address, shared: Arc::new(shared), serving: None };
        receiver.up().await;
        receiver
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// It may feel otherwise now.
    pub(super) async fn change_mood(&mut self) {
        let mood = {
            let (mood, chance) = &mut *self.shared.mood.lock().expect("no holder panics");
            if !chance.one_in(3) {
                return;
            }
            *mood = *chance.pick(&MOODS);
            *mood
        };
        match mood {
            Mood::Down => self.down().await,
            _ => self.up().await,
        }
    }

    /// From now on it takes everything.
    pub(super) async fn behave(&mut self) {
        self.shared.mood.lock().expect("no holder panics").0 = Mood::Well;
        self.up().await;
    }

    /// Waits until nothing more comes of whoever had connections here and is dead. What was sent before a death may
    /// still lie in the system's buffers, and is no disorder if it is read after what comes then.
    pub(super) async fn hears_out(&self) {
        if self.serving.is_none() {
            return;
        }
        // Connections are accepted in turn: all that were there before this one have been by its answer.
        http().get(self.url("/")).send().await.expect("a receiver that is up answers");
        eventually(SOON, "what a dead host sent is read", async || match self.shared.open.load(Ordering::SeqCst) {
            0 => Ok(()),
            open => Err(format!("{open} connections are open")),
        })
        .await;
    }

    async fn up(&mut self) {
        if self.serving.is_some() {
            return;
        }
        let address = self.address;
        let listener = eventually(SOON, "the receiver's port is free", async || {
            TcpListener::bind(address).await.map_err(|error| error.to_string())
        })
        .await;
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, Arc::clone(&self.shared)));
        self.serving = Some(serving);
    }

    /// Cuts its connections, and takes no new ones.
    async fn down(&mut self) {
        if let Some(mut serving) = self.serving.take() {
            serving.shutdown().await;
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        connections.spawn(serve(stream, Open::new(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

/// Counts itself while it is there.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Open {
        shared.open.fetch_add(1, Ordering::SeqCst);
        Open(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve(stream: TcpStream, open: Open) {
    let shared = &open.0;
    let service = service_fn(async |request| receive(request, shared).await);
    // Connections are cut on purpose here.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Ends a connection when it is returned in place of an answer, or of the rest of one.
#[derive(Debug, thiserror::Error)]
#[error("cut on purpose")]
struct Cut;

type Answer = Response<BoxBody<Bytes, Cut>>;

async fn receive(request: Request<Incoming>, shared: &Shared) -> Result<Answer, Cut> {
    let (head, body) = request.into_parts();
    if head.method == Method::GET {
        return Ok(status(StatusCode::NO_CONTENT));
    }
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let reply = {
        let (mood, chance) = &mut *shared.mood.lock().expect("no holder panics");
        mood.reply(chance)
    };
    shared.ledger.came(head.uri.path(), &head.headers, &body, reply.name(), reply.acknowledges());
    match reply {
        Reply::Good => Ok(status(StatusCode::OK)),
        Reply::Failed => Ok(status(StatusCode::INTERNAL_SERVER_ERROR)),
        Reply::TooMany => {
            let mut answer = status(StatusCode::TOO_MANY_REQUESTS);
            answer.headers_mut().insert(RETRY_AFTER, 1.into());
            Ok(answer)
        }
        Reply::Hang => std::future::pending().await,
        Reply::Cut => Err(Cut),
        Reply::HalfAnswer => {
            let half = Frame::data(Bytes::from_static(b"half"));
            let mut answer = Response::new(StreamBody::new(stream::iter([Ok(half), Err(Cut)])).boxed());
            answer.headers_mut().insert(CONTENT_LENGTH, 8.into());
            Ok(answer)
        }
    }
}

fn status(status: StatusCode) -> Answer {
    let mut answer = Response::new(Empty::new().map_err(|never: Infallible| match never {}).boxed());
    *answer.status_mut() = status;
    answer
}

impl Mood {
    fn reply(self, chance: &mut Chance) -> Reply {
        match self {
            Mood::Well => Reply::Good,
            Mood::Mixed if chance.one_in(2) => Reply::Good,
            Mood::Mixed => *chance.pick(&ANY),
            Mood::Stuck(reply) => reply,
            // A connection that is about to be cut may still bring something.
            Mood::Down => Reply::Cut,
        }
    }
}

impl Reply {
    fn name(self) -> &'static str {
        match self {
            Reply::Good => "good",
            Reply::Failed => "failed",
            Reply::TooMany => "too many",
            Reply::Hang => "hang",
            Reply::Cut => "cut",
            Reply::HalfAnswer => "half an answer",
        }
    }

    fn acknowledges(self) -> Acknowledged {
        match self {
            Reply::Good | Reply::HalfAnswer => Acknowledged::Yes,
            Reply::Failed | Reply::TooMany | Reply::Hang | Reply::Cut => Acknowledged::No,
        }
    }
}
