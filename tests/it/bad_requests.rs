//! What is no good request, byte by byte: each is answered with a problem that says so, and none with a fault of the host's.

use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::client::http2;
use crate::support::{Host, Setup};

async fn host() -> Host {
    let settings = "[api]\nbody_timeout = \"1s\"\nheader_timeout = \"1s\"\n";
    Setup::new(&["mock"]).polls(settings).default_provider("mock", "default").start().await
}

/// Sends these bytes and reads until the host closes the connection.
async fn answer(host: &Host, request: &[u8]) -> String {
    let mut stream = connect(host).await;
    // The host may have had enough before all of it was sent.
    let _ = stream.write_all(request).await;
    rest(stream).await
}

async fn connect(host: &Host) -> TcpStream {
    TcpStream::connect(host.client().base().replace("http://", "")).await.expect("connected")
}

/// What comes until the host closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
    assert!(reading.is_ok(), "the host leaves the connection open");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Status and type of the problem that these bytes are answered with.
async fn problem(host: &Host, request: &[u8]) -> (u16, String) {
    let answer = answer(host, request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    assert!(head.to_lowercase().contains("content-type: application/problem+json"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
    (status, body["type"].as_str().expect("a type").replace("/problems/", ""))
}

/// A client that sends all of its request before it reads, as many do.
#[tokio::test]
async fn who_is_still_sending_gets_the_answer() {
    let host = host().await;
    let body = "x".repeat(20 << 20);
    let head = format!("{}\r\nContent-Type: application/json\r\nContent-Length: {}", authorization(), body.len());
    let stranger = format!("Content-Type: application/json\r\nContent-Length: {}", body.len());
    let chunked = format!("{}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked", authorization());
    let in_one_chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for (line, headers, body, want) in [
        ("POST /api/hooks", &head, &body, "413"),
        ("POST /api/hooks", &chunked, &in_one_chunk, "413"),
        ("POST /api/hooks", &stranger, &body, "401"),
        ("POST /api/instances", &head, &body, "405"),
        ("POST /nothing", &head, &body, "404"),
        ("GET /api", &stranger, &body, "200"),
        ("POST /api", &format!("X-Long: {}", "x".repeat(1 << 20)), &body, "431"),
    ] {
        let mut stream = connect(&host).await;
        let request = format!("{line} HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap_or_else(|error| panic!("{line} {want}: {error}"));
        let answer = rest(stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {want} ")), "{line}: {}", &answer[..answer.len().min(500)]);
    }
}

fn authorization() -> String {
    format!("Authorization: Basic {}", base64::engine::general_purpose::STANDARD.encode("mockuser:mockpassword"))
}

/// A request of the account's owner.
fn request(line: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}\r\n{headers}\r\n{body}", authorization())
        .into_bytes()
}

fn json(line: &str, body: &str) -> Vec<u8> {
    request(line, &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()), body)
}

#[tokio::test]
async fn what_can_not_be_read_is_said_to_be_so() {
    let host = host().await;
    let long = "x".repeat(1 << 20);
    let check = async |request: Vec<u8>, want: (u16, &str)| {
        let got = problem(&host, &request).await;
        assert_eq!((got.0, got.1.as_str()), want, "{}", String::from_utf8_lossy(&request[..request.len().min(200)]));
    };
    check(request("GET /api", &format!("X-Long: {long}\r\n"), ""), (431, "head-too-large")).await;
    check(request("GET /api", &"X-Many: x\r\n".repeat(1000), ""), (431, "head-too-large")).await;
    check(request(&format!("GET /api?{}", &long[..70_000]), "", ""), (414, "uri-too-long")).await;
    check(b"this is not HTTP\r\n\r\n".to_vec(), (400, "malformed-request")).await;
    check(request("GET /api", "no colon here\r\n", ""), (400, "malformed-request")).await;
    let twice = "Content-Length: 2\r\nContent-Length: 3\r\nContent-Type: application/json\r\n";
    check(request("POST /api/hooks", twice, "{}"), (400, "malformed-request")).await;
    check(request("GET /api", "Host: x\r\n", ""), (400, "malformed-request")).await;
    check(b"GET /api HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(), (400, "malformed-request")).await;
    // One that is too large is not asked for.
    let expected = |length: usize| {
        let headers = format!("Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n");
        request("POST /api/hooks", &headers, "")
    };
    check(expected(1 << 30), (413, "body-too-large")).await;
    assert!(answer(&host, &expected(100)).await.starts_with("HTTP/1.1 100 Continue\r\n"));
    // Bodies that never end, by either way of saying how long they are.
    let endless = "Content-Type: application/json\r\nContent-Length: 100\r\n";
    check(request("POST /api/hooks", endless, "{"), (408, "request-timeout")).await;
    let chunks = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    check(request("POST /api/hooks", chunks, "1\r\n{\r\n"), (408, "request-timeout")).await;
    check(json("POST /api/hooks", &long), (413, "body-too-large")).await;
    check(json("POST /api/hooks", &"[".repeat(50_000)), (400, "malformed-request")).await;
    check(json("POST /api/hooks", "url=x"), (400, "malformed-request")).await;
    let form = "Content-Type: text/plain\r\nContent-Length: 2\r\n";
    check(request("POST /api/hooks", form, "{}"), (415, "unsupported-media-type")).await;
    for limit in ["0", "-1", "1000000000", "18446744073709551616", "1e3"] {
        let line = format!("GET /api/instances?limit={limit}");
        check(request(&line, "", ""), (400, "invalid-parameter")).await;
    }
    for query in ["at=2999-01-01T00:00:00Z", "at=yesterday", "after=AAAA", "state=running", "id=%00"] {
        check(request(&format!("GET /api/instances?{query}"), "", ""), (400, "invalid-parameter")).await;
    }
    check(request("GET /api/instances?color=red", "", ""), (400, "unknown-parameter")).await;
    check(request("GET /api/instances?id=%ff", "", ""), (400, "malformed-request")).await;
    check(request("GET /api/changes?since=elsewhere", "", ""), (400, "invalid-parameter")).await;
    check(request("GET /api/changes?since=000000000000000000000001", "", ""), (400, "foreign-cursor")).await;
    // The host goes on as if nothing had been.
    assert!(answer(&host, &request("GET /healthz", "", "")).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_head_has_as_many_bytes_as_are_set() {
    let setup = Setup::new(&["mock"]).polls("[api]\nhead_bytes = \"10 kB\"\n").default_provider("mock", "default");
    let host = setup.start().await;
    let asking = |bytes: usize| request("GET /healthz", &format!("X-Long: {}\r\n", "x".repeat(bytes)), "");
    assert!(answer(&host, &asking(9_000)).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(problem(&host, &asking(11_000)).await, (431, "head-too-large".to_owned()));
    // Over HTTP/2, in which twice as much is answered with the status alone.
    let client = http2();
    for (bytes, status) in [(9_000, 200), (11_000, 431), (9_000, 200), (30_000, 431), (9_000, 200)] {
        let request = client.get(host.client().base() + "/healthz").header("x-long", "x".repeat(bytes));
        let answer = request.send().await.expect("an answer");
        assert_eq!((answer.status().as_u16(), answer.version()), (status, reqwest::Version::HTTP_2), "{bytes}");
        if bytes == 11_000 {
            assert!(answer.text().await.expect("a body").contains("/problems/head-too-large\""));
        }
    }
}

#[tokio::test]
async fn a_head_that_never_ends_is_not_waited_for() {
    let host = host().await;
    let late = (408, "request-timeout".to_owned());
    assert_eq!(problem(&host, b"G").await, late);
    assert_eq!(problem(&host, b"GET /api HTTP/1.1\r\nHost: x\r\nX-Slow: ").await, late);
    // Nothing was asked: nothing is answered.
    assert_eq!(answer(&host, b"").await, "");
    // Nor behind an answer, unless the next request was begun.
    let first = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let one = answer(&host, first.as_bytes()).await;
    assert!(one.starts_with("HTTP/1.1 200 ") && one.matches("HTTP/1.1 ").count() == 1, "{one}");
    let mut stream = connect(&host).await;
    stream.write_all(first.as_bytes()).await.expect("written");
    stream.read_exact(&mut vec![0; one.len()]).await.expect("the same answer");
    stream.write_all(b"GET /healthz HT").await.expect("written");
    let second = rest(stream).await;
    assert!(second.starts_with("HTTP/1.1 408 ") && second.contains("/problems/request-timeout\""), "{second}");
}
