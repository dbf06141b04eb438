//! Pending changes over the wire: a page that does not arrive is not delivered.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::host::QUICK_POLLS;
use crate::support::lab::{PASSWORD, USER};
use crate::support::wait::{SOON, eventually};
use crate::support::{Lab, Receiver};

/// As many as one page has. Their page is larger than what the system keeps of a connection at both ends.
const PAGE: usize = 10_000;

/// A lab with a page of pending changes, and the path of the hook that they are for.
async fn with_a_page(receiver: &Receiver) -> (Lab, String) {
    let ids: Vec<String> = (0..PAGE).map(|number| format!("i-{number:017x}")).collect();
    let all = |word: &'static str| ids.iter().map(|id| (id.as_str(), word)).collect::<Vec<_>>();
    let polls = format!("{QUICK_POLLS}\n[polling.mass_changes]\nshare = 1.0\n\n[store]\npage_bytes = \"16 MiB\"\n");
    let lab = Lab::with(&[("i-00000000000000000", "running")], |setup| setup.polls(&polls)).await;
    lab.provider.has(&all("running"));
    let last = format!("/api/instances/{}", ids[PAGE - 1]);
    lab.client.until(&last, "all are there", |_| true).await;
    let made = lab.client.post("/api/hooks", &json!({ "url": receiver.url("cb") })).await.ok();
    let hook = format!("/api/hooks/{}", made["id"].as_str().expect("an id"));
    lab.client.post(&format!("{hook}/pause"), &json!({})).await.ok();
    lab.provider.has(&all("stopped"));
    lab.client.until(&last, "all have stopped", |instance| instance["provider_state"] == "stopped").await;
    (lab, hook)
}

/// Asks for a page in one step, by hand.
async fn ask(lab: &Lab, connection: &str) -> TcpStream {
    let address = lab.client.base().trim_start_matches("http://").parse().expect("an address");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("set");
    let mut stream = socket.connect(address).await.expect("connected");
    let credentials = BASE64.encode(format!("{USER}:{PASSWORD}"));
    let request = format!(
        "GET /api/changes HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic {credentials}\r\nConnection: {connection}\r\n\
         X-Deltacloud-Driver: ec2\r\nX-Deltacloud-Provider: lab\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream
}

/// Reads a page to its end; gives how many changes it has.
async fn read_whole(stream: &mut TcpStream) -> usize {
    let mut text = Vec::new();
    let mut piece = vec![0; 1 << 16];
    while !text.ends_with(b"}]") {
        let bytes = stream.read(&mut piece).await.expect("read");
        assert!(bytes > 0, "the page ends early");
        text.extend_from_slice(&piece[..bytes]);
    }
    let body = text.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let page: Value = serde_json::from_slice(&text[body..]).expect("JSON");
    page.as_array().expect("a list").len()
}

/// The ids of changes that are pending, up to that many, which are then lent to nobody else for a second.
async fn pending(lab: &Lab, limit: usize) -> Vec<String> {
    let page = lab.client.get(&format!("/api/changes?lease=1&limit={limit}")).await.ok();
    let changes = page["changes"].as_array().expect("a list");
    changes.iter().map(|change| change["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_page_that_is_broken_off_is_pending_again() {
    let receiver = Receiver::start().await;
    let (lab, _) = with_a_page(&receiver).await;
    // After the first byte; in the middle, with an end that the host sees; and with nothing read at all.
    for bytes in [1, 1 << 20, 0] {
        let mut stream = ask(&lab, "keep-alive").await;
        if bytes > 0 {
            stream.read_exact(&mut vec![0; bytes]).await.expect("read");
        } else {
            stream.readable().await.expect("an answer");
            stream.shutdown().await.expect("shut");
        }
        drop(stream);
        eventually(SOON, "it is pending again", async || match pending(&lab, 1).await.len() {
            1 => Ok(()),
            _ => Err(format!("nothing is pending after {bytes} bytes")),
        })
        .await;
    }
    // What was lent above is pending again later than the rest.
    let mut seen = BTreeSet::new();
    eventually(SOON, "all of it is pending", async || {
        seen.extend(pending(&lab, PAGE).await);
        if seen.len() == PAGE { Ok(()) } else { Err(format!("{} are pending", seen.len())) }
    })
    .await;
}

#[tokio::test]
async fn a_page_that_arrived_is_delivered() {
    let receiver = Receiver::start().await;
    for connection in ["keep-alive", "close"] {
        let (lab, hook) = with_a_page(&receiver).await;
        let mut stream = ask(&lab, connection).await;
        assert_eq!(read_whole(&mut stream).await, PAGE);
        let waiting = format!("{hook}/deliveries?state=waiting&limit=1");
        let is_empty = |page: &Value| page["deliveries"].as_array().is_some_and(Vec::is_empty);
        lab.client.until(&waiting, "nothing is pending", is_empty).await;
        assert!(pending(&lab, PAGE).await.is_empty());
    }
}
