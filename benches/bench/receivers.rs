//! Rows of receivers that hang or are slow: what is left for the others, and how much a slow but healthy receiver
//! gets.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
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
use tracker::clock::Stopwatch;

use crate::deliver::rate;
use crate::outlet::{INSTANCES, Outlet, Sending, folder, urls};
use crate::receiver::{arrivals, listen_at};
use crate::table::Table;

/// What tells a copy of this program to be a receiver that answers late.
pub(crate) const FLAG: &str = "--receive-late";

/// As good as never.
const NEVER: Duration = Duration::from_secs(86_400);

/// A receiver in a process of its own that answers each callback after a while. Every address of loopback is a
/// destination.
pub(crate) struct LateReceiver {
    child: Child,
    port: u16,
}

impl LateReceiver {
    pub(crate) fn start(delay: Duration) -> LateReceiver {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.arg(FLAG).arg(delay.as_millis().to_string()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("started again");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("its port");
        LateReceiver { port: line.trim().parse().expect("a port"), child }
    }

    /// The URLs of so many destinations.
    pub(crate) fn urls(&self, destinations: usize) -> Vec<String> {
        let url = |number: usize| format!("http://127.1.{}.{}:{}/", number / 250, number % 250 + 1, self.port);
        (0..destinations).map(url).collect()
    }

    /// How many callbacks it has received.
    fn received(&self) -> u64 {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("connected");
        stream.write_all(b"GET / HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n").expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let number = answer.lines().last().and_then(|line| line.parse().ok());
        number.unwrap_or_else(|| panic!("no number: {answer}"))
    }
}

impl Drop for LateReceiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process that was started with `FLAG` does, until it is killed.
#[expect(clippy::print_stdout, reason = "the parent reads the port there")]
pub(crate) fn receive_late(delay: &str) {
    let delay = Duration::from_millis(delay.parse().expect("milliseconds"));
    let (listener, port) = listen_at(Ipv4Addr::UNSPECIFIED);
    println!("{port}");
    std::io::stdout().flush().expect("told");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let number = Arc::new(AtomicU64::new(0));
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        while let Ok((stream, _)) = listener.accept().await {
            let number = Arc::clone(&number);
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                let service = service_fn(|request| answer(request, &number, delay));
                // A host that ends, or drops a connection, is none of its business.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
}

async fn answer(
    request: Request<Incoming>,
    number: &AtomicU64,
    delay: Duration,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    if request.method() == Method::GET {
        *response.body_mut() = Full::from(number.load(Ordering::Relaxed).to_string());
        return Ok(response);
    }
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    tokio::time::sleep(delay).await;
    number.fetch_add(1, Ordering::Relaxed);
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// A store with hooks at receivers that hang and at one that is healthy, and the loop that sends.
struct Bed {
    outlet: Outlet,
    sending: Sending,
    _folder: tempfile::TempDir,
}

impl Bed {
    /// A thousand healthy hooks, at `port`, and those that hang, each at its own destination, with callbacks waiting.
    async fn make(port: u16, hanging: &[String]) -> Bed {
        const HOOKS: usize = 1_000;
        let folder = folder();
        let mut outlet = Outlet::open(folder.path());
        let accounts = hanging.chunks(INSTANCES).len();
        outlet.set_hooks(hanging).await;
        for hanging in hanging.chunks(INSTANCES) {
            outlet.poll(0..hanging.len(), 5).await;
        }
        outlet.put_all_off(accounts).await;
        outlet.set_hooks_after(accounts, &urls(&[port], HOOKS)).await;
        let sending = outlet.send();
        Bed { outlet, sending, _folder: folder }
    }
}

/// With 0, 500 and 2,000 destinations that accept and never answer, in rounds that take turns: what is left of the rate
/// of the others, and how long their callbacks take.
pub(crate) async fn hanging(table: &mut Table) {
    const ROUNDS: usize = 8;
    const CHANGES: usize = 4_000;
    const FRESH: usize = 300;
    /// Of the fresh changes of one poll.
    const AT_ONCE: usize = 10;
    let late = LateReceiver::start(NEVER);
    let (port, clock, mut arrived) = arrivals();
    let mut beds = Vec::new();
    for hanging in [0, 500, 2_000] {
        beds.push(Bed::make(port, &late.urls(hanging)).await);
    }
    let mut parts = [Vec::new(), Vec::new()];
    let mut rates = Vec::new();
    // The first round counts as well: it is when nothing is known of any destination.
    for _ in 0..ROUNDS {
        let whole = rate(&mut beds[0].outlet, CHANGES, 0).await;
        rates.push(whole);
        for (bed, parts) in beds[1..].iter_mut().zip(&mut parts) {
            parts.push(rate(&mut bed.outlet, CHANGES, 0).await / whole);
        }
    }
    let mut delays = Vec::new();
    for bed in &mut beds {
        while arrived.try_recv().is_ok() {}
        let mut committed = Vec::new();
        for number in 0..FRESH {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let first = number % (INSTANCES / AT_ONCE) * AT_ONCE;
            bed.outlet.poll(first..first + AT_ONCE, 1).await;
            committed.extend([clock.elapsed(); AT_ONCE]);
        }
        let mut times = Vec::new();
        for committed in committed {
            let arrived = arrived.recv().await.expect("the receiver goes on");
            times.push(arrived.saturating_sub(committed));
        }
        delays.push(times);
    }
    let [some, many] = parts;
    table.at_least("callbacks to a healthy receiver", rates, "/s", None);
    table.at_least("  of that beside 500 destinations that hang", some, "x", Some(0.9));
    table.at_least("  of that beside 2,000 destinations that hang", many, "x", Some(0.9));
    let names = [
        "a fresh change to its callback, p99",
        "  beside 500 destinations that hang, p99",
        "  beside 2,000 destinations that hang, p99",
    ];
    for (name, times) in names.into_iter().zip(delays) {
        table.slowest(name, times, Duration::from_secs(1));
    }
    for bed in beds {
        bed.sending.abandon();
    }
}

/// What receivers get that take a while for each callback, ten seconds after the first one.
pub(crate) async fn slow(table: &mut Table) {
    let cases = [
        ("one hook at a receiver of 50 ms", 50, 1, 2_000, 150, 2_000.0),
        ("one hook at a receiver of 500 ms", 500, 1, 2_000, 60, 250.0),
        ("100 hooks at 100 destinations of 500 ms", 500, 100, INSTANCES, 40, 3_000.0),
    ];
    for (name, delay, destinations, instances, times, bound) in cases {
        let rate = ramped(Duration::from_millis(delay), destinations, instances, times).await;
        table.at_least(name, vec![rate], "/s", Some(bound));
    }
}

/// Callbacks a second after a ramp, to so many destinations with a hook at each: `times` changes of so many instances
/// wait for each hook.
async fn ramped(delay: Duration, destinations: usize, instances: usize, times: usize) -> f64 {
    const RAMP: Duration = Duration::from_secs(10);
    const WINDOW: Duration = Duration::from_secs(3);
    let late = LateReceiver::start(delay);
    let folder = folder();
    let mut outlet = Outlet::open(folder.path());
    outlet.set_wide_hooks(&late.urls(destinations)).await;
    for _ in 0..destinations {
        outlet.poll(0..instances, times).await;
    }
    let sending = outlet.send();
    tokio::time::sleep(RAMP).await;
    let (before, stopwatch) = (late.received(), Stopwatch::start());
    tokio::time::sleep(WINDOW).await;
    let rate = (late.received() - before) as f64 / stopwatch.elapsed().as_secs_f64();
    assert!(outlet.waiting().await > 0, "there was something to send all the time");
    sending.stop().await;
    rate
}
