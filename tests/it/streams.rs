//! Streams of the feed whose readers do not keep up, on sockets that nobody reads for a while.

use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::wait::{SOON, eventually};
use crate::support::{Client, Host, Setup};

/// More changes than fit into what the system keeps for a socket.
const MANY: u64 = 15_000;

/// A host that has seen so many changes: of 4,000 instances, each changes once a second, about.
async fn world(api: &str) -> (Host, Client) {
    let polls = "[polling]\ninstances_every = \"300ms\"\nrealms_every = \"1h\"\nrequests_per_minute = 60000\n\
                 [polling.mass_changes]\nshare = 1.0";
    let host = Setup::new(&["mock"])
        .polls(&format!("{polls}\n[api]\n{api}"))
        .provider("mock", "fleet", "http://mock.invalid", "count = \"4000\", churn = \"3600\"")
        .account("mock", "fleet", "mockuser", "mockpassword")
        .start()
        .await;
    let client = host.client().at("mock", "fleet").as_user("mockuser", "mockpassword");
    counted(&client, "changes_total", |changes| changes >= MANY).await;
    (host, client)
}

/// A stream of all changes, by a reader whose system takes little before it is read.
async fn stream(host: &Host) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("set");
    let address = host.client().base().replace("http://", "").parse().expect("an address");
    let mut stream = socket.connect(address).await.expect("connected");
    let credentials = base64::engine::general_purpose::STANDARD.encode("mockuser:mockpassword");
    let request = format!(
        "GET /api/changes?since=0 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nConnection: close\r\n\
         X-Deltacloud-Driver: mock\r\nX-Deltacloud-Provider: fleet\r\nAuthorization: Basic {credentials}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream
}

#[tokio::test]
async fn a_slow_reader_is_cut_off_with_a_cursor_from_which_nothing_is_missing() {
    let (host, client) = world("feed_stall = \"1s\"\n").await;
    let mut slow = stream(&host).await;
    let mut begun = [0; 1000];
    slow.read_exact(&mut begun).await.expect("read");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut text = begun.to_vec();
    tokio::time::timeout(SOON, slow.read_to_end(&mut text)).await.expect("it ends").expect("read");
    let text = String::from_utf8(text).expect("text");

    // What came until then, and the place that it ends with. Sizes of chunks stand between events.
    let events: Vec<(&str, &str)> = text.split("\n\n").filter_map(|event| event.split_once("\ndata: ")).collect();
    let ((last, said), changes) = events.split_last().expect("events");
    assert!(last.contains("event: end") && said.contains("\"reason\":\"slow\""), "{last}\n{said}");
    let cursor = last.split_once("id: ").expect("an id").1;
    let mut told: Vec<String> =
        changes.iter().map(|(_, change)| id(&serde_json::from_str(change).expect("JSON"))).collect();
    assert!(told.len() > 10, "{} changes", told.len());

    // Behind it lies what follows in the journal.
    told.extend(page(&client, cursor).await.0);
    let (mut journal, mut since) = page(&client, "0").await;
    while journal.len() < told.len() {
        let (more, next) = page(&client, &since).await;
        journal.extend(more);
        since = next;
    }
    journal.truncate(told.len());
    assert!(told == journal, "what was told, {} changes, is not what the journal begins with", told.len());
}

/// The ids of the changes behind a cursor, and the cursor behind these.
async fn page(client: &Client, since: &str) -> (Vec<String>, String) {
    let changes = client.get(&format!("/api/changes?since={since}&limit=500")).await.ok();
    let changes = changes.as_array().expect("a list");
    assert_eq!(changes.len(), 500, "there are more");
    (changes.iter().map(id).collect(), changes[499]["cursor"].as_str().expect("a cursor").into())
}

fn id(change: &Value) -> String {
    change["id"].as_str().expect("an id").into()
}

#[tokio::test]
async fn a_reader_that_takes_nothing_gives_its_place_up() {
    let (host, client) = world("write_timeout = \"1s\"\nfeed_streams = 1\n").await;
    let _never_read = stream(&host).await;
    counted(&client, "streams", |streams| streams == 1).await;
    let refused = client.accepting("text/event-stream").get("/api/changes?since=0").await;
    assert_eq!(refused.problem(503)["type"], "/problems/too-many-streams");
    counted(&client, "streams", |streams| streams == 0).await;
}

/// Waits until one of the host's numbers is as it should be.
async fn counted(client: &Client, name: &str, is_so: impl Fn(u64) -> bool) {
    eventually(SOON, name, async || {
        let metrics = client.get("/metrics").await.text;
        let value = metrics.lines().find_map(|line| line.strip_prefix(&format!("tracker_{name} "))?.parse().ok());
        value.filter(|value| is_so(*value)).map(drop).ok_or(format!("{value:?}"))
    })
    .await;
}
