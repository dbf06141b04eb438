//! How many requests an account's provider is sent: never more than it may be, whoever asks for them, over restarts too.

use serde_json::json;
use tracker::clock::Stopwatch;

use crate::support::{Provider, Setup};

/// Polls that would take some four requests a second. 20 may come at once, and then one every three seconds.
const PER_MINUTE: u32 = 20;
const POLLS: &str = "[polling]\ninstances_every = \"300ms\"\nrealms_every = \"1s\"\njitter = 0.0\nrequests_per_minute = 20\n\n\
                     [api]\nrefresh_every = \"0s\"\npoll_wait = \"1s\"\n";

#[tokio::test]
async fn a_provider_is_sent_no_more_requests_than_it_may_be() {
    let provider = Provider::start().await;
    provider.has(&[("i-1", "running")]);
    let mut setup = Setup::new(&["ec2"]).polls(POLLS);
    setup = setup.provider("ec2", "lab", &provider.endpoint(), "region = \"us-east-1\"");
    let begun = Stopwatch::start();
    let mut host = setup.account("ec2", "lab", "AKIALAB", "a-secret-key").start().await;
    let client = host.client().at("ec2", "lab").as_user("AKIALAB", "a-secret-key");
    client.until("/api/instances/i-1", "it is seen", |instance| instance["state"] == "RUNNING").await;
    let is_never_exceeded = || {
        let sent = provider.requests();
        let allowed = f64::from(PER_MINUTE) * (1.0 + begun.elapsed().as_secs_f64() / 60.0);
        assert!(sent as f64 <= allowed, "{sent} requests, of {allowed}");
    };

    let spent = |account: &serde_json::Value| account["polls"]["instances"]["pace"] == "budget";
    let account = client.until("/api/account", "the budget is spent", spent).await;
    assert!(provider.requests() >= 19, "not before it is: {}", provider.requests());
    is_never_exceeded();
    let budget = &account["budget"];
    assert_eq!((&budget["requests_per_minute"], &budget["limit"]), (&json!(20), &json!(20)));
    assert_eq!((&budget["set_by"], &budget["left"], &budget["spent"]), (&json!("operator"), &json!(0), &json!(20)));
    assert!(budget["full_at"].is_string());

    // Whoever asks for a poll waits like all others, and is told of what is there.
    for _ in 0..5 {
        client.post_text("/api/refresh", "").await;
        is_never_exceeded();
    }

    // Polls go on as requests come in.
    let polled = client.get("/api/account").await.ok()["polls"]["instances"]["last_complete"].clone();
    let goes_on = |account: &serde_json::Value| account["polls"]["instances"]["last_complete"] != polled;
    client.until("/api/account", "a poll is made", goes_on).await;
    is_never_exceeded();

    // Another host, after the end of one that had no time to say anything, begins where that one was.
    for _ in 0..3 {
        host.kill();
        host.start().await;
        client.get("/api/account").await;
        is_never_exceeded();
    }
    let again = client.get("/api/account").await.ok();
    assert!(again["budget"]["left"].as_u64() < Some(4), "{}", again["budget"]);
}
