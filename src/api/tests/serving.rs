//! How connections end, on a real socket.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;

struct Served {
    address: SocketAddr,
    token: CancellationToken,
    ends: JoinHandle<std::io::Result<()>>,
    _house: House,
}

async fn serve_with(change: impl FnOnce(&mut Settings)) -> Served {
    let house = House::with(change);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let token = CancellationToken::new();
    let listeners = Listeners { public: listener, operator: None };
    let ends = tokio::spawn(serve(listeners, house.context.clone(), token.clone()));
    Served { address, token, ends, _house: house }
}

impl Served {
    /// Sends bytes and gives all that comes back until the connection ends.
    async fn exchange(&self, bytes: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("connected");
        stream.write_all(bytes.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("read");
        answer
    }

    async fn end(self) {
        self.token.cancel();
        self.ends.await.expect("no panic").expect("served to the end");
    }
}

/// Streams of HTTP/2 with a window that never opens: nothing of an answer but its head can be sent.
fn unread_streams(number: u8) -> Vec<u8> {
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).expect("a short frame");
        [&[0, 0, length, kind, flags, 0, 0, 0, stream][..], payload].concat()
    };
    // SETTINGS_INITIAL_WINDOW_SIZE is 0.
    let mut bytes = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, &[0, 4, 0, 0, 0, 0])].concat();
    // A GET of /api (RFC 7541): indexed method and scheme, literal path and authority.
    let head = [&[0x82, 0x86, 0x04, 4][..], b"/api", &[0x01, 1, b'x']].concat();
    for stream in 0..number {
        bytes.extend(frame(1, 5, 2 * stream + 1, &head));
    }
    bytes
}

#[tokio::test]
async fn requests_of_a_connection_that_ended_are_no_longer_under_way() {
    let served = serve_with(|settings| {
        settings.requests_at_once_per_peer = 20;
        // Nothing else than the end of the connection ends them.
        settings.write_timeout = Duration::from_secs(24 * 3600);
        settings.request_timeout = Duration::from_secs(24 * 3600);
    })
    .await;
    let entry = "GET /api HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let until = async |status: &str| {
        let asked = async { while !served.exchange(entry).await.starts_with(&format!("HTTP/1.1 {status} ")) {} };
        tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap_or_else(|_| panic!("never {status}"));
    };
    let mut stream = TcpStream::connect(served.address).await.expect("connected");
    stream.write_all(&unread_streams(20)).await.expect("sent");
    until("429").await;
    drop(stream);
    until("200").await;
    served.end().await;
}

const ALIVE: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn a_connection_without_a_request_ends() {
    let served = serve_with(|settings| settings.header_timeout = Duration::from_millis(20)).await;
    let check = async |sent: &str, want: &str| {
        let answer = served.exchange(sent).await;
        assert!(if want.is_empty() { answer.is_empty() } else { answer.starts_with(want) }, "{sent:?}: {answer:?}");
    };
    check("", "").await;
    // What HTTP/2 begins with, and what may become it.
    check("PRI", "").await;
    check("GET / HTTP/1.1\r\nHost: x\r\n", "HTTP/1.1 408 Request Timeout\r\n").await;
    check(ALIVE, "HTTP/1.1 200 OK\r\n").await;
    check(&ALIVE.repeat(2), "HTTP/1.1 200 OK\r\n").await;
    served.end().await;
}

#[tokio::test]
async fn a_request_with_two_hosts_is_refused() {
    let served = serve_with(|_| {}).await;
    for path in ["/healthz", "/api", "/nowhere"] {
        for hosts in ["Host: a\r\nHost: b\r\n", "Host: a\r\nhost: a\r\n", "Host: a b\r\n", ""] {
            let answer = served.exchange(&format!("GET {path} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{path} {hosts:?}: {answer}");
            assert!(answer.contains("/problems/malformed-request"), "{answer}");
        }
    }
    let answer = served.exchange("GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    served.end().await;
}

#[tokio::test]
async fn a_silent_connection_makes_room_for_the_next() {
    let served = serve_with(|settings| settings.connections = 1).await;
    let mut silent = TcpStream::connect(served.address).await.expect("connected");
    let close = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(served.exchange(close).await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(silent.read(&mut [0; 1]).await.expect("read"), 0, "it is closed");
    served.end().await;
}

#[tokio::test]
async fn operators_routes_may_be_left_to_their_own_listener() {
    let house = House::with(|settings| settings.operator_routes = false);
    let described: Value = serde_json::from_str(&house.get("/openapi.json").await.body).expect("JSON");
    for path in OPERATOR_ROUTES {
        house.get(path).await.problem(404, "not-found");
        assert!(described["paths"].get(path).is_none(), "{path} is described");
    }
    assert!(described["paths"].get("/api").is_some());
}

#[tokio::test]
async fn a_host_without_any_of_its_drivers_is_not_ready() {
    use crate::driver::{Catalog, Rejected};
    use crate::supply::AdmissionError;
    let house = House::new();
    let has = |reason: AdmissionError| {
        let mut catalog = Catalog::default();
        catalog.reject(Rejected { file: "a.wasm".into(), reason: reason.into() });
        house.context.roster.replace_catalog(Arc::new(catalog));
    };
    house.get("/readyz").await.ok();
    has(AdmissionError::NotApproved { file: "a.wasm".into() });
    house.get("/readyz").await.ok();
    has(AdmissionError::Missing { name: "a".into() });
    house.get("/readyz").await.problem(503, "no-driver");
}

#[tokio::test]
async fn connections_that_are_kept_alive_end_with_the_host() {
    let served = serve_with(|_| {}).await;
    let mut kept = TcpStream::connect(served.address).await.expect("connected");
    for _ in 0..2 {
        kept.write_all(ALIVE.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\"}") {
            answer.push(kept.read_u8().await.expect("answered"));
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
    let silent = TcpStream::connect(served.address).await.expect("connected");
    tokio::time::timeout(Duration::from_secs(5), served.end()).await.expect("long before its grace is over");
    drop((kept, silent));
}

#[tokio::test]
async fn a_waiting_request_ends_with_the_host() {
    let house = House::new();
    let stopping = CancellationToken::new();
    let prover: Arc<dyn Prover> = house.provider.clone();
    let running = Running::new(&house.context, stopping.clone());
    let house = House { router: public_routes(&app_with(house.context.clone(), prover, &running)), ..house };
    let signals = house.fresh_signals();
    let stops = async {
        signals.polls.notified().await;
        stopping.cancel();
    };
    let (answer, ()) = tokio::join!(house.get("/api/instances"), stops);
    answer.problem(503, "stopping");
    house.get("/readyz").await.problem(503, "stopping");
}
