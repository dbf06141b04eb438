//! Requests under way: what one account, one address, or all of them may have at once, in number and in bytes.

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{ALIVE, address, answered, basic, connect_from, is_prompt, number, setup};
use crate::support::Host;
use crate::support::wait::{SOON, at_most, eventually};

const ENTRY: &[u8] = b"GET /api HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// A request of the account at this provider whose body never comes.
async fn begun(from: [u8; 4], host: &Host, provider: &str, length: usize) -> TcpStream {
    let mut stream = connect_from(from, address(host)).await;
    let authorization = basic("mockuser", "mockpassword");
    let head = format!(
        "POST /api/hooks HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {authorization}\r\n\
         X-Deltacloud-Driver: mock\r\nX-Deltacloud-Provider: {provider}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream
}

fn problem(answer: &str, status: u16) -> Value {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("answered: {answer:?}"));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains("\r\nretry-after: "), "{answer}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[tokio::test]
async fn one_account_leaves_requests_for_others() {
    let host =
        setup("requests_at_once_per_account = 3").provider("mock", "other", "http://mock.invalid", "").start().await;
    let client = host.client().as_user("mockuser", "mockpassword");
    client.get("/api/account").await.ok();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(begun([127, 0, 0, 1], &host, "default", 100).await);
    }
    let refused = eventually(SOON, "the account has its share", async || {
        let answer = client.get("/api/account").await;
        if answer.status == 429 {
            return Ok(answer);
        }
        // One of those that are held may have come while a look was under way, and was refused itself.
        held.push(begun([127, 0, 0, 1], &host, "default", 100).await);
        Err(answer.text)
    })
    .await;
    assert!(refused.headers.contains_key("retry-after"));
    let problem = refused.problem(429);
    assert_eq!((&problem["type"], &problem["of"]), (&"/problems/request-limit".into(), &"account".into()));
    client.at("mock", "other").get("/api/account").await.ok();
    // Streams are counted apart: all that may be are not in the way of requests.
    held.clear();
    for _ in 0..3 {
        held.push(super::streaming([127, 0, 0, 1], address(&host)).await);
    }
    client.until("/api/account", "it is answered again", |_| true).await;
}

#[tokio::test]
async fn one_address_leaves_requests_for_others() {
    let host = setup("requests_at_once_per_peer = 3").start().await;
    host.client().as_user("mockuser", "mockpassword").get("/api/account").await.ok();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(begun([127, 0, 0, 2], &host, "default", 100).await);
    }
    let ask = async |from: [u8; 4], request: &[u8]| answered(connect_from(from, address(&host)).await, request).await;
    let refused = eventually(SOON, "the address has its share", async || {
        let answer = ask([127, 0, 0, 2], ENTRY).await;
        if answer.starts_with("HTTP/1.1 429 ") { Ok(answer) } else { Err(answer) }
    })
    .await;
    assert_eq!(problem(&refused, 429)["of"], "address");
    assert!(ask([127, 0, 0, 3], ENTRY).await.starts_with("HTTP/1.1 200 "));
    // Operators are answered in any case.
    assert!(ask([127, 0, 0, 2], ALIVE).await.starts_with("HTTP/1.1 200 "));
    held.clear();
    eventually(SOON, "there is room again", async || {
        let answer = ask([127, 0, 0, 2], ENTRY).await;
        if answer.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(answer) }
    })
    .await;
}

#[tokio::test]
async fn bytes_of_requests_are_bounded() {
    let limits = "request_memory = \"96 KiB\"\nrequest_memory_per_peer = \"64 KiB\"";
    let host = setup(limits).start().await;
    host.client().as_user("mockuser", "mockpassword").get("/api/account").await.ok();
    // What they answer with one more of the same size.
    let ask = async |from: [u8; 4]| {
        let stream = begun(from, &host, "default", 60_000).await;
        at_most(SOON, async { answered(stream, b"").await }).await.expect("answered")
    };
    let mut held = Vec::new();
    let refused = eventually(SOON, "the address has its share", async || {
        // The one that asks may come before the one that is to be held, which is then refused itself.
        held.push(begun([127, 0, 0, 2], &host, "default", 60_000).await);
        let answer = ask([127, 0, 0, 2]).await;
        if answer.starts_with("HTTP/1.1 429 ") { Ok(answer) } else { Err(answer) }
    })
    .await;
    assert_eq!(problem(&refused, 429)["of"], "address");
    assert_eq!(problem(&ask([127, 0, 0, 3]).await, 503)["type"], "/problems/too-many-requests-at-once");
    is_prompt(&host, "large bodies").await;

    // A head that does not end counts as well.
    let mut stream = connect_from([127, 0, 0, 3], address(&host)).await;
    let long = [&b"GET /api HTTP/1.1\r\nHost: x\r\nX-Long: "[..], &[b'x'; 100_000]].concat();
    // The host may close it before all is sent.
    let _ = stream.write_all(&long).await;
    eventually(SOON, "a head for which there is no room is closed", async || {
        match number(&host, "connections_closed_total{why=\"no_room\"}").await {
            0 => Err("none is".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    is_prompt(&host, "long heads").await;
    drop(held);
    eventually(SOON, "there is room again", async || {
        let stream = connect_from([127, 0, 0, 2], address(&host)).await;
        let whole = [&long[..60_000], b"\r\nConnection: close\r\n\r\n"].concat();
        let answer = answered(stream, &whole).await;
        if answer.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(answer) }
    })
    .await;
}
