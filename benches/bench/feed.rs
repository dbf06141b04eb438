//! Rows of those who read: thousands of streams open at once, and how many pages a second there are while polls go on.
//! Both readers are copies of this program, so that their CPU time and memory are not the host's.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use tracker::clock::{Clock as _, Stopwatch, SystemClock};
use tracker::model::Timestamp;

use crate::process::{Host, installation, log, mock};
use crate::table::Table;

/// What tells a copy of this program to follow the feed, and to read pages.
pub(crate) const FOLLOW: &str = "--follow";
pub(crate) const READ: &str = "--read";

const STREAMS: usize = 5_000;
/// How many are opened at once.
const AT_ONCE: usize = 100;
const FOLLOWED_FOR: Duration = Duration::from_secs(15);
const READ_FOR: Duration = Duration::from_secs(5);
const CONNECTIONS: usize = 16;

/// mockuser:mockpassword
const CREDENTIALS: &str = "bW9ja3VzZXI6bW9ja3Bhc3N3b3Jk";

/// A host whose account has so many instances, of which about ten change in a second.
fn host(count: usize, every: &str) -> (tempfile::TempDir, Host, String) {
    let (folder, address) = installation(&mock(), &format!("[polling]\ninstances_every = \"{every}\"\n"));
    let churn = 36_000.0 / count as f64;
    let account = format!(
        "[[accounts]]\ndriver = \"mock\"\nprovider = \"default\"\nuser = \"mockuser\"\npassword_file = \"password\"\n\
         options = {{ count = \"{count}\", churn = \"{churn}\" }}\n"
    );
    let config = folder.path().join("config.toml");
    let text = std::fs::read_to_string(&config).expect("written before");
    std::fs::write(&config, text + &account).expect("written");
    std::fs::write(folder.path().join("password"), "mockpassword").expect("written");
    let (host, _) = Host::start(folder.path(), &address);
    (folder, host, address)
}

/// A copy of this program, and the figures that it prints at its end.
struct Reader(Child);

impl Reader {
    fn start(arguments: &[&str]) -> Reader {
        let program = std::env::current_exe().expect("this program");
        Reader(Command::new(program).args(arguments).stdout(Stdio::piped()).spawn().expect("started again"))
    }

    fn line(&mut self) -> Vec<f64> {
        let mut line = String::new();
        let stdout = self.0.stdout.as_mut().expect("piped");
        BufReader::with_capacity(1, stdout).read_line(&mut line).expect("its figures");
        line.split_whitespace().map(|figure| figure.parse().expect("a figure")).collect()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Thousands of streams of one account, in which about ten changes happen in a second.
pub(crate) fn streams(table: &mut Table) {
    let (folder, host, address) = host(1_000, "1s");
    until_listed(&host, folder.path());
    let before = host.resident();
    let mut readers = Reader::start(&[FOLLOW, &address, &STREAMS.to_string()]);
    assert_eq!(readers.line(), [STREAMS as f64], "{}", log(folder.path()));
    let figures = readers.line();
    let each = (host.resident() - before) * 1e6 / 1024.0 / STREAMS as f64;
    let [received, median, slowest] = figures[..] else { panic!("{figures:?}") };
    assert!(received > 0.0, "nothing changed: {}", log(folder.path()));
    table.amount("events received by 5,000 open streams, in a second", received / FOLLOWED_FOR.as_secs_f64(), "", None);
    table.times("  from the journal to a stream, median", vec![Duration::from_secs_f64(median / 1e3)], None);
    let bound = Some(Duration::from_millis(500));
    table.times("  and in 99 of 100", vec![Duration::from_secs_f64(slowest / 1e3)], bound);
    table.amount("  memory of the host for each", each, "KiB", Some(40.0));
}

fn until_listed(host: &Host, folder: &Path) {
    let stopwatch = Stopwatch::start();
    while !host.get("/api/instances?limit=1").is_some_and(|answer| answer.contains("\"state\"")) {
        assert!(stopwatch.elapsed() < Duration::from_secs(60), "no list: {}", log(folder));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Pages of lists and of the feed, near the beginning and far from it, while polls go on.
pub(crate) fn pages(table: &mut Table) {
    let (folder, host, address) = host(100_000, "10s");
    until_listed(&host, folder.path());
    let after = |id: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!("instance:{id}"))
    };
    let deep = {
        let answer = host.get("/api/instances?limit=1").expect("an answer");
        let id = answer.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an id");
        let (prefix, digits) = id.split_at(id.find(|c: char| c.is_ascii_digit()).unwrap_or(id.len()));
        format!("{prefix}{:0width$}", 90_000, width = digits.len())
    };
    // Until the journal has more than a page.
    let stopwatch = Stopwatch::start();
    while host.get("/api/changes?since=0&limit=100").is_none_or(|answer| answer.matches("\"chg_").count() < 100) {
        assert!(stopwatch.elapsed() < Duration::from_secs(120), "few changes: {}", log(folder.path()));
        std::thread::sleep(Duration::from_millis(500));
    }
    let rows: [(&'static str, &'static str, String, Option<f64>); 3] = [
        (
            "GET /api/instances?limit=100, in a second",
            "  slowest of 100",
            "/api/instances?limit=100".into(),
            Some(3_000.0),
        ),
        (
            "  the same page far down the list",
            "  slowest of 100",
            format!("/api/instances?limit=100&after={}", after(&deep)),
            Some(3_000.0),
        ),
        (
            "GET /api/changes?since= of 100, in a second",
            "  slowest of 100",
            "/api/changes?since=0&limit=100".into(),
            Some(5_000.0),
        ),
    ];
    for (what, slow, path, least) in rows {
        let mut reader = Reader::start(&[READ, &address, &path]);
        let figures = reader.line();
        let [rate, slowest] = figures[..] else { panic!("{figures:?}: {}", log(folder.path())) };
        table.at_least(what, vec![rate], "", least);
        table.times(slow, vec![Duration::from_secs_f64(slowest / 1e3)], Some(Duration::from_millis(20)));
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// What a copy of this program does: opens the streams, says so, and prints how many events came, and how soon.
#[expect(clippy::print_stdout, reason = "the parent reads it there")]
pub(crate) fn follow(address: &str, streams: &str) {
    let address: SocketAddr = address.parse().expect("an address");
    let streams: usize = streams.parse().expect("a number");
    runtime().block_on(async {
        let heard: Arc<Mutex<Option<Vec<i64>>>> = Arc::default();
        let mut open = JoinSet::new();
        let mut opened = 0;
        while opened < streams {
            let opening: Vec<_> = (0..AT_ONCE.min(streams - opened)).map(|_| stream(address)).collect();
            for stream in futures_util::future::join_all(opening).await {
                open.spawn(listen(stream, Arc::clone(&heard)));
                opened += 1;
            }
        }
        println!("{opened}");
        std::io::stdout().flush().expect("told");
        *heard.lock().expect("no holder panics") = Some(Vec::new());
        tokio::time::sleep(FOLLOWED_FOR).await;
        let mut times = heard.lock().expect("no holder panics").take().expect("put there");
        assert_eq!(open.len(), streams, "some streams ended");
        times.sort_unstable();
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
        println!("{} {} {}", times.len(), at(50), at(99));
    });
}

async fn stream(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = format!(
        "GET /api/changes HTTP/1.1\r\nhost: bench\r\nauthorization: Basic {CREDENTIALS}\r\naccept: text/event-stream\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("asked");
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("answered");
    assert_eq!(&status, b"HTTP/1.1 200");
    stream
}

/// Takes the time of each change that comes.
async fn listen(stream: TcpStream, heard: Arc<Mutex<Option<Vec<i64>>>>) {
    const MARK: &[u8] = b"\"timestamp\":\"";
    let mut reader = tokio::io::BufReader::with_capacity(4096, stream);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
        if let Some(at) = memchr::memmem::find(&line, MARK) {
            let rest = &line[at + MARK.len()..];
            let text = rest.split(|byte| *byte == b'"').next().and_then(|text| std::str::from_utf8(text).ok());
            let happened: Timestamp = text.and_then(|text| text.parse().ok()).expect("a time");
            let late = SystemClock.now().as_millis() - happened.as_millis();
            if let Some(heard) = heard.lock().expect("no holder panics").as_mut() {
                heard.push(late);
            }
        }
        line.clear();
    }
}

/// What another copy does: asks for one page again and again, and prints how often in a second, and the slowest of 100.
#[expect(clippy::print_stdout, reason = "the parent reads it there")]
pub(crate) fn read(address: &str, path: &str) {
    let address: SocketAddr = address.parse().expect("an address");
    runtime().block_on(async {
        let mut readers = JoinSet::new();
        for _ in 0..CONNECTIONS {
            readers.spawn(ask(address, path.to_owned()));
        }
        let mut times: Vec<Duration> = readers.join_all().await.into_iter().flatten().collect();
        times.sort_unstable();
        let slowest = times[times.len() * 99 / 100].as_secs_f64() * 1e3;
        println!("{} {slowest}", times.len() as f64 / READ_FOR.as_secs_f64());
    });
}

async fn ask(address: SocketAddr, path: String) -> Vec<Duration> {
    let stream = TcpStream::connect(address).await.expect("connected");
    let mut stream = tokio::io::BufReader::with_capacity(64 * 1024, stream);
    let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Basic {CREDENTIALS}\r\n\r\n");
    let (whole, mut times) = (Stopwatch::start(), Vec::new());
    let (mut line, mut body) = (String::new(), Vec::new());
    while whole.elapsed() < READ_FOR {
        let stopwatch = Stopwatch::start();
        stream.get_mut().write_all(request.as_bytes()).await.expect("asked");
        let mut length = 0;
        loop {
            line.clear();
            stream.read_line(&mut line).await.expect("answered");
            if times.is_empty() && length == 0 && line.starts_with("HTTP/1.1") {
                assert!(line.starts_with("HTTP/1.1 200"), "{line}");
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().expect("a length");
            }
            if line == "\r\n" {
                break;
            }
        }
        body.resize(length, 0);
        stream.read_exact(&mut body).await.expect("a body");
        times.push(stopwatch.elapsed());
    }
    times
}
