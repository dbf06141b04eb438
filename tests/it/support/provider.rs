//! A provider that misbehaves on request: it speaks EC2's language over raw sockets, and breaks it in every
//! way that a test asks for, down to half an answer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tracker::clock::{Clock as _, SystemClock};

pub(crate) struct Provider {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct State {
    instances: Vec<(String, String)>,
    zone_state: Option<String>,
    misbehaviour: Option<Misbehaviour>,
    requests: usize,
    lists: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Misbehaviour {
    /// An error of its own making.
    Status(u16),
    /// Throttled, for so many seconds.
    Throttle(u32),
    /// A success that is not what was asked for.
    Garbage,
    /// A good answer that ends half-way, though its length was announced.
    HalfAnswer,
    /// The half of a good answer, as if it were the whole.
    CutShort,
    /// A redirect to another address.
    Redirect(String),
    /// 100 MB.
    Huge,
    /// A good answer under so many headers, of so many bytes each.
    Headers(usize, usize),
    /// 100 MB that are small on the wire.
    Bomb,
    /// The signature is refused, by a provider whose clock is so far ahead.
    RefusesAhead(Duration),
    /// The request is read, and the connection closed.
    Nothing,
    /// The request is read, and the connection left open.
    Silence,
}

const HUGE: usize = 100_000_000;

impl Provider {
    pub(crate) async fn start() -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let state: Arc<Mutex<State>> = Arc::default();
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, Arc::clone(&state)));
        Provider { address, state, _serving: serving }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has: ids with EC2's words for their states.
    pub(crate) fn has(&self, instances: &[(&str, &str)]) {
        let owned = instances.iter().map(|(id, state)| ((*id).to_owned(), (*state).to_owned())).collect();
        self.state().instances = owned;
    }

    /// What it says of its one zone, us-east-1a; `available` unless told otherwise.
    pub(crate) fn has_zone(&self, state: &str) {
        self.state().zone_state = Some(state.to_owned());
    }

    pub(crate) fn misbehaves(&self, how: Misbehaviour) {
        self.state().misbehaviour = Some(how);
    }

    pub(crate) fn recovers(&self) {
        self.state().misbehaviour = None;
    }

    /// How many requests reached it.
    pub(crate) fn requests(&self) -> usize {
        self.state().requests
    }

    /// How many of them asked for all instances.
    pub(crate) fn lists(&self) -> usize {
        self.state().lists
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        connections.spawn(answer(stream, Arc::clone(&state)));
        while connections.try_join_next().is_some() {}
    }
}

/// One request, one answer, and the connection is closed.
async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let Some(request) = read_request(&mut stream).await else { return };
    let (good, misbehaviour) = {
        let mut state = state.lock().expect("no holder panics");
        state.requests += 1;
        state.lists += usize::from(request.contains("Action=DescribeInstances") && !request.contains("Filter.1.Name"));
        (document(&request, &state), state.misbehaviour.clone())
    };
    let whole = |status: &str, headers: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
            body.len()
        )
    };
    let half = &good[..good.len() / 2];
    let bytes = match misbehaviour {
        None => whole("200 OK", "", &good),
        Some(Misbehaviour::Status(status)) => {
            whole(&format!("{status} Trouble"), "", "<html>Please come back later</html>")
        }
        Some(Misbehaviour::Throttle(seconds)) => {
            whole("503 Slow Down", &format!("Retry-After: {seconds}\r\n"), &error("RequestLimitExceeded"))
        }
        Some(Misbehaviour::RefusesAhead(ahead)) => {
            let now = std::time::UNIX_EPOCH + Duration::from_millis(SystemClock.now().as_millis().unsigned_abs());
            let date = httpdate::fmt_http_date(now + ahead);
            whole("401 Unauthorized", &format!("Date: {date}\r\n"), &error("AuthFailure"))
        }
        Some(Misbehaviour::Garbage) => whole("200 OK", "", "\u{1}\u{2}{\"not\": <xml at all]]>"),
        Some(Misbehaviour::CutShort) => whole("200 OK", "", half),
        Some(Misbehaviour::HalfAnswer) => {
            whole("200 OK", "", &good).strip_suffix(&good[half.len()..]).expect("its end").to_owned()
        }
        Some(Misbehaviour::Redirect(to)) => whole("302 Found", &format!("Location: {to}\r\n"), ""),
        Some(Misbehaviour::Headers(count, length)) => {
            let value = "x".repeat(length);
            let headers: String = (0..count).map(|at| format!("x-flood-{at}: {value}\r\n")).collect();
            whole("200 OK", &headers, &good)
        }
        Some(Misbehaviour::Huge) => return pour(&mut stream).await,
        Some(Misbehaviour::Bomb) => return bomb(&mut stream).await,
        Some(Misbehaviour::Nothing) => return,
        Some(Misbehaviour::Silence) => return std::future::pending().await,
    };
    // Whether the other end still listens is its business.
    let _ = stream.write_all(bytes.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Head and body, as text.
pub(crate) async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(length) => request.extend_from_slice(&buffer[..length]),
        }
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let announced = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, length)| length.trim().parse().expect("a length"));
        if body.len() >= announced {
            return Some(text.into_owned());
        }
    }
}

/// As EC2 answers, API version 2016-11-15.
fn document(request: &str, state: &State) -> String {
    const NAMESPACE: &str = "xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"";
    if request.contains("Action=DescribeAvailabilityZones") {
        let zone_state = state.zone_state.as_deref().unwrap_or("available");
        return format!(
            "<DescribeAvailabilityZonesResponse {NAMESPACE}><requestId>r</requestId><availabilityZoneInfo><item>\
             <zoneName>us-east-1a</zoneName><zoneState>{zone_state}</zoneState><regionName>us-east-1</regionName>\
             <zoneId>use1-az1</zoneId></item></availabilityZoneInfo></DescribeAvailabilityZonesResponse>"
        );
    }
    let is_wanted = |id: &str| {
        let ends = ["&", ""].map(|end| format!("={id}{end}"));
        !request.contains("Filter.1.Name=instance-id") || request.contains(&ends[0]) || request.ends_with(&ends[1])
    };
    let items: String = state
        .instances
        .iter()
        .filter(|(id, _)| is_wanted(id))
        .map(|(id, state)| {
            format!(
                "<item><reservationId>r-{id}</reservationId><ownerId>123456789012</ownerId><instancesSet><item>\
                 <instanceId>{id}</instanceId><imageId>ami-1</imageId><instanceState><code>0</code>\
                 <name>{state}</name></instanceState><instanceType>m1.small</instanceType>\
                 <launchTime>2026-11-22T10:00:00.000Z</launchTime><placement>\
                 <availabilityZone>us-east-1a</availabilityZone></placement></item></instancesSet></item>"
            )
        })
        .collect();
    format!(
        "<DescribeInstancesResponse {NAMESPACE}><requestId>r</requestId><reservationSet>{items}</reservationSet>\
         </DescribeInstancesResponse>"
    )
}

fn error(code: &str) -> String {
    format!(
        "<Response><Errors><Error><Code>{code}</Code><Message>m</Message></Error></Errors><RequestID>r</RequestID></Response>"
    )
}

async fn pour(stream: &mut TcpStream) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {HUGE}\r\n\r\n");
    let mut written = stream.write_all(head.as_bytes()).await;
    let chunk = vec![b' '; 65_536];
    let mut left = HUGE;
    while written.is_ok() && left > 0 {
        let length = left.min(chunk.len());
        written = stream.write_all(&chunk[..length]).await;
        left -= length;
    }
}

async fn bomb(stream: &mut TcpStream) {
    let body = deflated_spaces(HUGE);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    if stream.write_all(head.as_bytes()).await.is_ok() {
        let _ = stream.write_all(&body).await;
    }
}

/// At least so many spaces in the gzip format (RFC 1952), as one deflate block of fixed codes (RFC 1951): one
/// space, then copies of 258 from one byte back. The checksum behind it is wrong; whoever comes to it has
/// decompressed everything.
fn deflated_spaces(length: usize) -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let (mut bits, mut count) = (0_u32, 0);
    // Codes are packed from their most significant bit, and bytes filled from their least significant.
    let mut push = |code: u32, width: u32| {
        for at in (0..width).rev() {
            bits |= ((code >> at) & 1) << count;
            count += 1;
            if count == 8 {
                bytes.push(bits as u8);
                (bits, count) = (0, 0);
            }
        }
    };
    push(0b1_10, 3); // The last block, of fixed codes (01, written from its least significant bit).
    push(0b0011_0000 + u32::from(b' '), 8);
    for _ in 0..length / 258 + 1 {
        push(0b1100_0101, 8); // 285: a length of 258.
        push(0, 5); // A distance of 1.
    }
    push(0, 7); // The end of the block.
    push(0, 7); // Fills the last byte.
    bytes.extend([0; 8]);
    bytes
}

#[test]
fn the_bomb_is_what_it_says() {
    let small = deflated_spaces(1_000_000);
    assert!(small.len() < 10_000, "{}", small.len());
}
