//! Callers that take more than a share: floods over HTTP/2 frame by frame, heads that never end, connections and streams
//! by the dozen. Whatever one does, the others are answered, and what it took is given back.

mod http2;
mod memory;
mod requests;

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::host::free_port;
use crate::support::wait::{SOON, at_most, eventually};
use crate::support::{Host, Setup};
use http2::Flood;

/// Five times what an answer takes on a machine that is busy with the other tests.
const PROMPT: Duration = Duration::from_secs(5);

fn setup(api: &str) -> Setup {
    Setup::new(&["mock"]).polls(&format!("[api]\n{api}\n")).default_provider("mock", "default")
}

fn address(host: &Host) -> SocketAddr {
    host.client().base().replace("http://", "").parse().expect("an address")
}

/// A connection from this address of loopback, all of which is this machine.
async fn connect_from(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((from, 0))).expect("an address of loopback");
    socket.connect(to).await.expect("connected")
}

/// What is answered to these bytes until the connection ends, or nothing where that takes too long.
async fn answered(mut stream: TcpStream, request: &[u8]) -> String {
    let mut answer = Vec::new();
    let exchange = async {
        // It may be refused before it is sent.
        let _ = stream.write_all(request).await;
        let _ = stream.read_to_end(&mut answer).await;
    };
    at_most(SOON, exchange).await;
    String::from_utf8_lossy(&answer).into_owned()
}

const ALIVE: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// A new caller is answered, over both versions of HTTP.
async fn is_prompt(host: &Host, during: &str) {
    let over_http1 = answered(TcpStream::connect(address(host)).await.expect("connected"), ALIVE);
    let text = at_most(PROMPT, over_http1).await.unwrap_or_else(|| panic!("not answered during {during}"));
    assert!(text.starts_with("HTTP/1.1 200 "), "during {during}: {text:?}");
    let over_http2 = crate::support::client::http2().get(host.client().base() + "/api").send();
    let answer = at_most(PROMPT, over_http2).await.unwrap_or_else(|| panic!("not answered during {during}"));
    assert!(answer.expect("an answer").status().is_success(), "during {during}");
}

/// One of the host's numbers.
async fn number(host: &Host, name: &str) -> u64 {
    let metrics = host.client().get("/metrics").await.text;
    let value = metrics.lines().find_map(|line| line.strip_prefix(&format!("tracker_{name} "))?.parse().ok());
    value.unwrap_or(0)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

/// A request for the feed that waits for half a minute, unless something happens.
fn waiting() -> Vec<u8> {
    let authorization = basic("mockuser", "mockpassword");
    format!(
        "GET /api/changes HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: {authorization}\r\n\r\n"
    )
    .into_bytes()
}

/// A connection on which a stream is open.
async fn streaming(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let mut stream = connect_from(from, to).await;
    stream.write_all(&waiting()).await.expect("sent");
    let mut begun = [0; 12];
    stream.read_exact(&mut begun).await.expect("answered");
    assert_eq!(&begun, b"HTTP/1.1 200");
    stream
}

#[tokio::test]
async fn no_flood_over_http2_keeps_others_waiting() {
    let host = setup("header_timeout = \"2s\"\nwrite_timeout = \"2s\"").start().await;
    is_prompt(&host, "nothing").await;
    let before = host.resident();
    for flood in Flood::ALL {
        let attack = async {
            let connections = (0..6).map(async |_| flood.run(connect_from([127, 0, 0, 1], address(&host)).await).await);
            futures_util::future::join_all(connections).await
        };
        let (ends, ()) = tokio::join!(attack, async {
            for _ in 0..5 {
                is_prompt(&host, &flood.name()).await;
            }
        });
        for end in ends {
            assert!(end.is_closed, "the host lets {} go on: {end:?}", flood.name());
        }
    }
    // What the floods took is given back, but for what any host has after some work.
    let connections = eventually(SOON, "the connections are gone", async || match number(&host, "connections").await {
        few if few <= 2 => Ok(few),
        many => Err(many.to_string()),
    });
    connections.await;
    eventually(SOON, "their memory is given back", async || match host.resident() {
        little if little <= before + 96 => Ok(()),
        much => Err(format!("{much} MiB, and {before} MiB before")),
    })
    .await;
}

#[tokio::test]
async fn who_costs_much_and_asks_little_is_told_to_calm_down() {
    let host = setup("").start().await;
    let floods = [Flood::Pings, Flood::Acknowledged, Flood::Settings, Flood::Priorities, Flood::Unknown];
    for (flood, from) in floods.into_iter().zip(1..) {
        let end = flood.run(connect_from([127, 0, 1, from], address(&host)).await).await;
        assert_eq!(end.reason, Some(http2::ENHANCE_YOUR_CALM), "{}: {end:?}", flood.name());
    }
    assert!(number(&host, "connections_closed_total{why=\"costly\"}").await >= 5);
    // Who only asks is not: as many requests, on one connection, in the same time.
    let client = crate::support::client::http2();
    for _ in 0..1000 {
        let answer = client.get(host.client().base() + "/healthz").send().await.expect("answered");
        assert!(answer.status().is_success());
    }
}

#[tokio::test]
async fn heads_that_never_end_make_room_for_callers() {
    let limits = "connections = 40\nunfinished_connections = 20\nheader_timeout = \"10 min\"";
    let host = setup(limits).start().await;
    let begun = ["", "G", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    let mut held = Vec::new();
    for round in 0..200 {
        let mut stream = TcpStream::connect(address(&host)).await.expect("connected");
        // The host may have closed it for one of those that followed.
        let _ = stream.write_all(begun[round % begun.len()].as_bytes()).await;
        held.push(stream);
        if round % 40 == 39 {
            is_prompt(&host, "heads that never end").await;
        }
    }
    assert!(number(&host, "connections").await <= 40);
    assert!(number(&host, "connections_closed_total{why=\"displaced\"}").await >= 150);
}

#[tokio::test]
async fn one_address_leaves_connections_for_others() {
    let host = setup("connections = 100\nconnections_per_peer = 10").start().await;
    let mut open = Vec::new();
    for _ in 0..10 {
        open.push(streaming([127, 0, 0, 2], address(&host)).await);
    }
    let refused = answered(connect_from([127, 0, 0, 2], address(&host)).await, ALIVE).await;
    let (head, body) = refused.split_once("\r\n\r\n").unwrap_or_else(|| panic!("refused: {refused:?}"));
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("\r\nretry-after: "), "{head}");
    assert!(body.contains("\"/problems/too-many-connections\""), "{body}");
    let other = answered(connect_from([127, 0, 0, 3], address(&host)).await, ALIVE).await;
    assert!(other.starts_with("HTTP/1.1 200 "), "{other:?}");
    // One that is idle makes room for the next of the same address.
    drop(open.pop());
    eventually(SOON, "there is a place again", async || {
        let answer = answered(connect_from([127, 0, 0, 2], address(&host)).await, ALIVE).await;
        if answer.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(answer) }
    })
    .await;
}

#[tokio::test]
async fn one_account_leaves_streams_for_others() {
    let limits = "feed_streams = 4\nfeed_streams_per_account = 4\nfeed_streams_per_token = 1";
    let host = setup(limits).provider("mock", "other", "http://mock.invalid", "").start().await;
    let client = host.client().as_user("mockuser", "mockpassword");
    let token = client.post("/api/tokens", &serde_json::json!({ "name": "t", "scope": "read" })).await.ok();
    let bearer = format!("Bearer {}", token["token"].as_str().expect("a token"));
    let feed = format!("{}/api/changes", host.client().base());
    let open = async |headers: &[(&str, &str)]| {
        let mut request = crate::support::client::http().get(&feed).header("accept", "text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("answered")
    };
    let of_token = open(&[("authorization", &bearer)]).await;
    assert!(of_token.status().is_success());
    let refused = open(&[("authorization", &bearer)]).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    let problem: serde_json::Value = refused.json().await.expect("a problem");
    assert_eq!((&problem["type"], &problem["of"]), (&"/problems/stream-limit".into(), &"token".into()), "{problem}");

    let own = basic("mockuser", "mockpassword");
    let mut oldest = open(&[("authorization", &own)]).await;
    let more = [open(&[("authorization", &own)]).await, open(&[("authorization", &own)]).await];
    assert!(more.iter().all(|stream| stream.status().is_success()));
    assert_eq!(open(&[("authorization", &own)]).await.status(), 429, "the account has its share");
    // Another account gets in, though all are taken: of who has the most, the oldest goes on elsewhere.
    drop(of_token);
    eventually(SOON, "the token's stream is gone", async || match number(&host, "streams").await {
        3 => Ok(()),
        others => Err(others.to_string()),
    })
    .await;
    let last = open(&[("authorization", &own)]).await;
    assert!(last.status().is_success());
    let other = [("authorization", &*own), ("x-deltacloud-driver", "mock"), ("x-deltacloud-provider", "other")];
    assert!(open(&other).await.status().is_success());
    let mut said = String::new();
    while let Some(chunk) = at_most(SOON, oldest.chunk()).await.expect("it ends").expect("read") {
        said.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(
        said.contains("event: end") && said.contains("\"reason\":\"displaced\"") && said.contains("\"cursor\":"),
        "{said}"
    );
}

#[tokio::test]
async fn wrong_passwords_hold_off_no_other_account() {
    let host = setup("").provider("mock", "other", "http://mock.invalid", "").start().await;
    for number in 0..120 {
        // Each user is one of the account's whose password is guessed; then all of them at once.
        let user = format!("user{}", number % 30);
        let status = host.client().as_user(&user, &format!("wrong{number}")).get("/api/account").await.status;
        assert!(matches!(status.as_u16(), 401 | 429), "{status}");
    }
    let client = host.client().as_user("mockuser", "mockpassword").at("mock", "other");
    client.get("/api/account").await.ok();
}

#[tokio::test]
async fn operators_are_answered_while_the_public_listener_has_no_place() {
    let operator = free_port();
    let host = setup(&format!("connections = 4\n[operator]\nlisten = \"127.0.0.1:{operator}\"")).start().await;
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(streaming([127, 0, 0, 1], address(&host)).await);
    }
    let refused = answered(TcpStream::connect(address(&host)).await.expect("connected"), ALIVE).await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused:?}");
    let client = crate::support::Client::new(&format!("http://127.0.0.1:{operator}"));
    client.get("/healthz").await.ok();
    client.get("/readyz").await.ok();
    let metrics = client.get("/metrics").await.text;
    assert!(metrics.contains("\ntracker_streams 4\n"), "{metrics}");
    // Nothing else is there.
    client.get("/api").await.problem(404);
    client.get("/openapi.json").await.problem(404);
}

#[tokio::test]
async fn a_trusted_proxy_names_the_client() {
    let host = setup("trusted_proxies = [\"127.0.0.1\"]").start().await;
    let check = async |from: [u8; 4], headers: &str, want: &str| {
        let path = format!("/api?format=json&n={}", host.log().text().len());
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        let lines = host.log().text().lines().count();
        let answer = answered(connect_from(from, address(&host)).await, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 "), "{answer:?}");
        eventually(SOON, want, async || {
            let text = host.log().text();
            let line = text.lines().skip(lines).find(|line| line.contains("http.path=/api"));
            let line = line.unwrap_or_default();
            if line.contains(&format!("http.peer={want} ")) { Ok(()) } else { Err(line.to_owned()) }
        })
        .await;
    };
    check([127, 0, 0, 1], "X-Forwarded-For: 203.0.113.9, 192.0.2.7\r\n", "192.0.2.7").await;
    check([127, 0, 0, 1], "Forwarded: for=\"[2001:db8::7]:4711\";proto=https\r\n", "2001:db8::7").await;
    check([127, 0, 0, 1], "", "127.0.0.1").await;
    check([127, 0, 0, 2], "X-Forwarded-For: 192.0.2.7\r\n", "127.0.0.2").await;
}

#[tokio::test]
async fn wrong_passwords_behind_a_trusted_proxy_count_for_their_client() {
    let limits = "trusted_proxies = [\"127.0.0.1\"]\n[api.credentials]\nrefusals_per_peer = 5";
    let host = setup(limits).start().await;
    let ask = async |client: &str, user: &str, password: &str| {
        let request = crate::support::client::http()
            .get(format!("{}/api/account", host.client().base()))
            .header("x-forwarded-for", client)
            .basic_auth(user, Some(password));
        request.send().await.expect("answered").status().as_u16()
    };
    for number in 0..5 {
        assert_eq!(ask("192.0.2.1", &format!("user{number}"), "wrong").await, 401);
    }
    assert_eq!(ask("192.0.2.1", "mockuser", "mockpassword").await, 429);
    assert_eq!(ask("192.0.2.2", "mockuser", "mockpassword").await, 200);
}

#[tokio::test]
async fn nobody_can_fill_the_log() {
    let host = setup("[log]\nlines = 20\nlines_every = \"2s\"").start().await;
    for number in 0..300 {
        host.client().as_user("mockuser", "wrong").get(&format!("/api/nowhere/{number}")).await.problem(404);
    }
    let left_out = |line: &str| {
        let count = line.split("left_out=").nth(1)?.split(' ').next()?;
        count.parse::<usize>().ok().filter(|_| line.contains("lines.target=\"tracker::api::middleware::access_log\""))
    };
    let count = host.log().find("the log says what it left out", left_out).await;
    assert!(count > 0);
    // More time may have gone by than one such.
    let text = host.log().text();
    let written = text.lines().filter(|line| line.contains("answered a request")).count();
    let said: usize = text.lines().filter_map(left_out).sum();
    assert!(written < 300 && written + said <= 310, "{written} written, {said} left out");
}
