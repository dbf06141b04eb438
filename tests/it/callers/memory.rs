//! Memory that many streams took is given back once they are closed and the host works on: what another thread has freed
//! a thread takes back as it allocates.

use tokio::net::TcpStream;

use super::{address, number, setup, streaming};
use crate::support::Host;
use crate::support::host::open_many_files;
use crate::support::wait::{SOON, eventually};

/// Over HTTP/1, each on a connection; fewer, where the system does not let a host open so many files.
const STREAMS: usize = 1_500;
/// As many as are open when it is measured before: whatever a host makes once is there by then.
const FIRST: usize = 50;

async fn open(host: &Host, count: usize) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for number in 0..count {
        let from = [127, 0, 2, u8::try_from(number % 250).expect("small") + 1];
        streams.push(streaming(from, address(host)).await);
    }
    streams
}

async fn are_closed(host: &Host) {
    eventually(SOON, "the streams are closed", async || match number(host, "streams").await {
        0 => Ok(()),
        open => Err(format!("{open} are open")),
    })
    .await;
}

/// What clients ask for in a moment.
async fn work(host: &Host) {
    let client = host.client().as_user("mockuser", "mockpassword");
    for _ in 0..50 {
        let requests = (0..8).map(async |_| client.get("/api/account").await.ok());
        futures_util::future::join_all(requests).await;
    }
}

#[tokio::test]
async fn memory_of_streams_is_given_back() {
    // A host takes three eighths of its files for connections.
    let count = STREAMS.min(open_many_files() / 8 * 3 - FIRST);
    let host = setup("").start().await;
    drop(open(&host, FIRST).await);
    are_closed(&host).await;
    let before = host.resident();
    let streams = open(&host, count).await;
    let during = host.resident();
    drop(streams);
    are_closed(&host).await;
    // A quarter of it may stay for the next that come.
    let most = before + during.saturating_sub(before) / 4 + 8;
    eventually(4 * SOON, "their memory is given back", async || {
        work(&host).await;
        match host.resident() {
            little if little <= most => Ok(()),
            much => Err(format!("{much} MiB; {before} MiB before, {during} MiB meanwhile")),
        }
    })
    .await;
    assert!(during > before, "{before} MiB, and {during} MiB with {count} streams");
}
