//! Clouds that accept and never answer, beside accounts of one that does well: what waits for them, and what does not.

use crate::support::client::http;
use crate::support::wait::{SOON, eventually};
use crate::support::{Misbehaviour, Provider, Setup};

/// Every second or oftener; proofs are not remembered for long where they failed.
const POLLS: &str = "[polling]\ninstances_every = \"1s\"\nrealms_every = \"1h\"\njitter = 0.0\nrequests_per_minute = 60000\n\
                     slow_after = \"500ms\"\nconcurrency = 4\nunproven = 4\nslow = 2\nsuspected = 2\n\n\
                     [polling.breaker]\nopen_for = \"1h\"\nopen_at_most = \"1h\"\n\n\
                     [api.credentials]\nfailed_for = \"1ms\"\nat_once = 4\nunproven = 4\nslow_after = \"500ms\"\n";
const HANGING: usize = 40;

async fn silent() -> Provider {
    let silent = Provider::start().await;
    silent.misbehaves(Misbehaviour::Silence);
    silent
}

#[tokio::test]
async fn accounts_at_an_endpoint_that_hangs_wait_and_say_why() {
    let (silent, healthy) = (silent().await, Provider::start().await);
    healthy.has(&[("i-1", "running")]);
    let mut setup = Setup::new(&["ec2"]).polls(POLLS).limits("request_timeout = \"2s\"");
    setup = setup.provider("ec2", "silent", &silent.endpoint(), "region = \"us-east-1\"");
    for number in 0..HANGING {
        setup = setup.account("ec2", "silent", &format!("AKIA{number}"), "a-secret-key");
    }
    setup = setup.provider("ec2", "healthy", &healthy.endpoint(), "region = \"us-east-1\"");
    let mut host = setup.account("ec2", "healthy", "AKIAHEALTHY", "a-secret-key").start().await;
    let client = host.client().at("ec2", "healthy").as_user("AKIAHEALTHY", "a-secret-key");
    client.until("/api/instances/i-1", "it is seen", |instance| instance["state"] == "RUNNING").await;

    // Two timeouts, and the circuit of all the others is open. A login there is told so, and when to come again.
    let stranger = host.client().at("ec2", "silent").as_user("AKIASTRANGER", "its own password");
    let refused = eventually(SOON, "the circuit is open", async || {
        let answer = stranger.get("/api/account").await;
        match answer.text.contains("circuit-open") {
            true => Ok(answer),
            false => Err(answer.text),
        }
    })
    .await;
    assert!(refused.headers.contains_key("retry-after"), "it says when to come again");
    assert_eq!(refused.problem(502)["code"], "circuit-open");
    let metrics = text_at(&host.client().base(), "/metrics").await;
    assert!(metrics.contains("tracker_endpoints{state=\"open\"} 1"), "{metrics}");

    // The other goes on as if nothing were, and so do first logins there.
    for word in ["stopped", "running", "stopped"] {
        healthy.has(&[("i-1", word)]);
        client.until("/api/instances/i-1", word, |instance| instance["provider_state"] == word).await;
    }
    let first = host.client().at("ec2", "healthy").as_user("AKIAFIRST", "a-secret-key");
    let account = first.get("/api/account").await.ok();
    assert_eq!((&account["endpoint"]["state"], &account["endpoint"]["open_until"]), (&"answers".into(), &().into()));

    // A host that starts anew knows that the one answers.
    host.kill();
    host.start().await;
    healthy.has(&[("i-1", "running")]);
    client.until("/api/instances/i-1", "it is polled", |instance| instance["provider_state"] == "running").await;
    assert!(host.stop().await.success());
}

#[tokio::test]
async fn an_account_that_waits_for_its_endpoint_says_so() {
    let provider = Provider::start().await;
    provider.has(&[("i-1", "running")]);
    let mut setup = Setup::new(&["ec2"]).polls(POLLS).limits("request_timeout = \"1s\"");
    setup = setup.provider("ec2", "lab", &provider.endpoint(), "region = \"us-east-1\"");
    for number in 0..4 {
        setup = setup.account("ec2", "lab", &format!("AKIA{number}"), "a-secret-key");
    }
    let host = setup.start().await;
    let client = host.client().at("ec2", "lab").as_user("AKIA0", "a-secret-key");
    client.until("/api/instances/i-1", "it is seen", |instance| instance["state"] == "RUNNING").await;
    provider.misbehaves(Misbehaviour::Silence);
    let waits = |account: &serde_json::Value| account["polls"]["instances"]["waiting"]["why"] == "circuit-open";
    let account = client.until("/api/account", "it waits", waits).await;
    assert_eq!(account["endpoint"]["state"], "suspected");
    assert_eq!(account["endpoint"]["open_until"], account["polls"]["instances"]["waiting"]["until"]);
}

async fn text_at(base: &str, path: &str) -> String {
    let answer = http().get(format!("{base}{path}")).send().await.expect("an answer");
    answer.text().await.expect("text")
}
