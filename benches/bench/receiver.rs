//! The other end of the callbacks: as cheap as a correct HTTP/1.1 server can be, in a process of its own, so
//! that its CPU time is not counted as the host's. It answers every POST with 204, and a GET with how many
//! there were.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracker::clock::Stopwatch;

/// What tells a copy of this program to be the receiver.
pub(crate) const FLAG: &str = "--receive";

pub(crate) struct Receiver {
    child: Child,
    /// Where it answers: as many places as it was asked for.
    pub(crate) ports: Vec<u16>,
    /// Where it takes requests and never answers.
    pub(crate) hanging: u16,
}

impl Receiver {
    pub(crate) fn start(places: usize) -> Receiver {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.arg(FLAG).arg(places.to_string()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("started again");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("its ports");
        let mut ports: Vec<u16> = line.split_whitespace().map(|port| port.parse().expect("a port")).collect();
        let hanging = ports.pop().expect("the one that hangs comes last");
        Receiver { child, ports, hanging }
    }

    /// How many callbacks it has received.
    pub(crate) fn received(&self) -> u64 {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports[0])).expect("connected");
        stream.write_all(b"GET / HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n").expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let number = answer.lines().last().and_then(|line| line.parse().ok());
        number.unwrap_or_else(|| panic!("no number: {answer}"))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process that was started with `FLAG` does, until it is killed.
#[expect(clippy::print_stdout, reason = "the parent reads the ports there")]
pub(crate) fn receive(places: &str) {
    let places: usize = places.parse().expect("a number of places");
    let (hanging, port) = listen();
    let (listeners, mut ports): (Vec<TcpListener>, Vec<u16>) = (0..places).map(|_| listen()).unzip();
    ports.push(port);
    println!("{}", ports.iter().map(u16::to_string).collect::<Vec<_>>().join(" "));
    std::io::stdout().flush().expect("told");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        tokio::join!(serve(listeners, |_| ()), hang(hanging));
    });
}

/// How many connections may wait to be accepted, as servers have it: std has 128, and what comes beyond them is dropped, to be
/// tried again after a second.
const WAITING_CONNECTIONS: i32 = 4096;

pub(crate) fn listen() -> (TcpListener, u16) {
    listen_at(Ipv4Addr::LOCALHOST)
}

pub(crate) fn listen_at(address: Ipv4Addr) -> (TcpListener, u16) {
    let listener = TcpListener::bind((address, 0)).expect("a port");
    rustix::net::listen(&listener, WAITING_CONNECTIONS).expect("it listens already");
    listener.set_nonblocking(true).expect("tokio's kind of listener");
    let port = listener.local_addr().expect("bound").port();
    (listener, port)
}

/// Where callbacks are sent that `arrivals` does not tell of.
pub(crate) const UNHEARD: &str = "/unheard";

/// A receiver within this process: its port, a stopwatch, and by it when each callback arrived.
pub(crate) fn arrivals() -> (u16, Stopwatch, mpsc::UnboundedReceiver<Duration>) {
    let (listener, port) = listen();
    let (arrived, arrivals) = mpsc::unbounded_channel();
    let clock = Stopwatch::start();
    // A thread and a runtime of its own, so that it does not wait for the host's.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(serve(vec![listener], move |path| {
            if !path.starts_with(UNHEARD) {
                let _ = arrived.send(clock.elapsed());
            }
        }));
    });
    (port, clock, arrivals)
}

/// Takes requests and leaves them unread.
async fn hang(listener: TcpListener) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    let mut held = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        held.push(stream);
    }
}

/// Answers until it is dropped; `heard` is called with the path of every callback, as soon as all of it is here.
pub(crate) async fn serve(listeners: Vec<TcpListener>, heard: impl Fn(&str) + Clone + Send + Sync + 'static) {
    let number = Arc::new(AtomicU64::new(0));
    let mut serving = JoinSet::new();
    for listener in listeners {
        let (number, heard) = (Arc::clone(&number), heard.clone());
        serving.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer_all(stream, Arc::clone(&number), heard.clone()));
            }
        });
    }
    serving.join_all().await;
}

/// Serves one connection until it is closed.
async fn answer_all(stream: tokio::net::TcpStream, number: Arc<AtomicU64>, heard: impl Fn(&str)) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| answer(request, &number, &heard));
    // A host that ends, or drops a connection, is none of its business.
    let _ = http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    number: &AtomicU64,
    heard: impl Fn(&str),
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    if request.method() == Method::GET {
        *response.body_mut() = Full::from(number.load(Ordering::Relaxed).to_string());
        return Ok(response);
    }
    let (head, mut body) = request.into_parts();
    while let Some(Ok(_)) = body.frame().await {}
    number.fetch_add(1, Ordering::Relaxed);
    heard(head.uri.path());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
