//! A host that is told to end ends in time, whatever it is in the midst of.

use std::time::Duration;

use serde_json::json;
use tracker::clock::Stopwatch;

use crate::support::wait::{SOON, eventually};
use crate::support::{Receiver, Setup};

/// Of each of the three graces.
const GRACE: u64 = 1;
/// What a stop may take: the sum of the graces and two seconds.
const STOP: Duration = Duration::from_secs(3 * GRACE + 2);
/// This machine may be busy with other things, and the host is built without optimisation.
const MARGIN: u32 = 5;

#[tokio::test]
async fn a_host_with_long_polls_and_a_backlog_ends_within_its_graces() {
    let polls = format!(
        "[polling]\ninstances_every = \"300ms\"\njitter = 0.0\nfull_every = \"0s\"\ngrace = \"{GRACE}s\"\n\
         [polling.mass_changes]\nshare = 1.0\n[api]\ngrace = \"{GRACE}s\"\n"
    );
    let delivery = format!("[delivery]\nallow_addresses = [\"127.0.0.0/8\"]\ngrace = \"{GRACE}s\"\n");
    // Nearly all of them are in another state in each list.
    let mut host = Setup::new(&["mock"])
        .polls(&polls)
        .delivery(&delivery)
        .provider("mock", "fleet", "http://mock.invalid", "count = \"10000\", churn = \"3600\"")
        .account("mock", "fleet", "mockuser", "mockpassword")
        .start()
        .await;
    let client = host.client().at("mock", "fleet").as_user("mockuser", "mockpassword");
    let mut receiver = Receiver::start().await;
    receiver.down().await;
    let hook = client.post("/api/hooks", &json!({ "url": receiver.url("/hook") })).await.ok();
    let waiting = format!("/api/hooks/{}/deliveries?state=waiting&limit=100", hook["id"].as_str().expect("an id"));
    eventually(SOON * 4, "much waits to be delivered", async || {
        let page = client.get(&waiting).await.ok();
        let count = page["deliveries"].as_array().map_or(0, Vec::len);
        if count == 100 { Ok(()) } else { Err(page.to_string()) }
    })
    .await;

    let stopwatch = Stopwatch::start();
    let status = host.stop().await;
    let took = stopwatch.elapsed();
    assert!(status.success(), "{status}");
    assert!(took < STOP * MARGIN, "it took {took:?} to end");
}
