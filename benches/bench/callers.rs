//! Rows of callers and receivers who take more than a share: what others wait for meanwhile, and what the host holds
//! afterwards.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tracker::clock::Stopwatch;

use crate::process::{Host, installation, mock};
use crate::steps::host_with;
use crate::table::Table;

/// Heads that never end.
const HEADS: usize = 10_000;

/// Connections that open streams over HTTP/2 and reset them, each closed by the host in the end and opened anew.
const RESETTING: usize = 10;

/// Receivers that answer a callback with early hints, without end.
const FLOODING: usize = 8;

const ASKED: usize = 300;

/// What somebody who is not one of them waits for. The floods run on the same cores.
const BOUND: Duration = Duration::from_millis(250);

/// How much more the host may hold in the end, in MB.
const KEPT: f64 = 100.0;

pub(crate) fn floods(table: &mut Table) {
    let (folder, address) = installation(&mock(), "");
    let (host, _) = Host::start(folder.path(), &address);
    table.slowest("GET /healthz, slowest of 100", ask(&host), BOUND);
    let before = host.resident();

    let heads: Vec<TcpStream> = (0..HEADS).filter_map(|_| unfinished(&address)).collect();
    assert_eq!(heads.len(), HEADS, "connections that were taken in");
    table.slowest("  beside 10,000 heads that never end", ask(&host), BOUND);
    drop(heads);

    let (is_over, streams) = (AtomicBool::new(false), AtomicUsize::new(0));
    let times = std::thread::scope(|scope| {
        for _ in 0..RESETTING {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    streams.fetch_add(reset(&address, &is_over), Ordering::Relaxed);
                }
            });
        }
        let times = ask(&host);
        is_over.store(true, Ordering::Relaxed);
        times
    });
    assert!(streams.into_inner() > 0, "some streams were opened");
    table.slowest("  beside 10 connections that reset their streams", times, BOUND);

    // Memory is given back by and by, as something else is done.
    let stopwatch = Stopwatch::start();
    while host.resident() > before + KEPT && stopwatch.elapsed() < Duration::from_secs(30) {
        ask(&host);
    }
    table.amount("  what it then holds more than before", (host.resident() - before).max(0.0), "MB", Some(KEPT));
    drop(host);
    flooding_receivers(table);
}

fn flooding_receivers(table: &mut Table) {
    let more = "[polling]\ninstances_every = \"1s\"\n[polling.mass_changes]\nshare = 1.0\n";
    let (_folder, host) = host_with(more, &[("mock", FLOODING, 3600.0)]);
    let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    for number in 0..FLOODING {
        // Each address is a destination.
        let hook = format!("{{\"url\": \"http://127.0.0.{}:{port}/\"}}", number + 1);
        let answer = host.send("POST", "/api/hooks", ("mock", &hook)).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    let mut flooding = Vec::new();
    for stream in listener.incoming().take(FLOODING) {
        let mut stream = stream.expect("a connection");
        flooding.push(std::thread::spawn(move || {
            let hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(1024);
            while stream.write_all(&hints).is_ok() {}
        }));
    }
    table.slowest("  beside 8 receivers that answer with early hints without end", ask(&host), BOUND);
    assert!(flooding.iter().any(|thread| !thread.is_finished()), "the receivers sent all the while");
    drop(host);
    flooding.into_iter().for_each(|thread| thread.join().expect("a receiver ends with its connection"));
}

fn ask(host: &Host) -> Vec<Duration> {
    let each = || {
        let stopwatch = Stopwatch::start();
        let answer = host.get("/healthz").unwrap_or_default();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
        stopwatch.elapsed()
    };
    (0..ASKED).map(|_| each()).collect()
}

fn unfinished(address: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).ok()?;
    // Those that came before may have to go for it.
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: bench\r\nX-Slow: ");
    Some(stream)
}

/// Opens streams and resets them until the host has had enough; gives how many it opened.
fn reset(address: &str, is_over: &AtomicBool) -> usize {
    let Ok(mut stream) = TcpStream::connect(address) else { return 0 };
    let waits = Some(Duration::from_millis(100));
    let is_set = stream.set_read_timeout(waits).and_then(|()| stream.set_write_timeout(waits));
    let greeting =
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(4, 0, 0, &[]), &frame(4, 1, 0, &[])].concat();
    if is_set.is_err() || stream.write_all(&greeting).is_err() {
        return 0;
    }
    let (mut opened, mut answers) = (0, [0; 16 * 1024]);
    // A GET of /problems: indexed method and scheme, literal path and authority (RFC 7541).
    let block = [&[0x82, 0x86, 0x04, 9][..], b"/problems", &[0x01, 1, b'x']].concat();
    for batch in 0.. {
        let numbers = (0..90_u32).map(|n| (batch * 90 + n) * 2 + 1);
        let asks: Vec<u8> = numbers.clone().flat_map(|number| frame(1, 5, number, &block)).collect();
        let resets: Vec<u8> = numbers.flat_map(|number| frame(3, 0, number, &8_u32.to_be_bytes())).collect();
        // The host has begun with them once it says anything.
        let is_sent = stream.write_all(&asks).and_then(|()| stream.read(&mut answers));
        if is_over.load(Ordering::Relaxed) || !matches!(is_sent, Ok(1..)) || stream.write_all(&resets).is_err() {
            break;
        }
        opened += 90;
    }
    opened
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
    [&[a, b, c, kind, flags][..], &stream.to_be_bytes(), payload].concat()
}
