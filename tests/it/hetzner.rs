//! The driver for Hetzner Cloud on the whole host, against a server that speaks its API.

use serde_json::{Value, json};

use crate::support::droplets::{Droplets, Instead, TOKEN};
use crate::support::lab::step;
use crate::support::wait::{SOON, eventually};
use crate::support::{Ended, Receiver, Setup};

fn setup(servers: &Droplets, token: &str) -> Setup {
    Setup::new(&["hetzner"]).provider("hetzner", "lab", &servers.endpoint(), "").account("hetzner", "lab", "me", token)
}

/// Runs `tracker poll` beside the server that it polls, which is served by this very runtime.
async fn poll(setup: &Setup, arguments: &[&str]) -> Ended {
    tokio::task::block_in_place(|| setup.run(&[&["poll"], arguments].concat()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_servers_come_in_twenty_pages_within_the_default_limits() {
    let servers = Droplets::servers().await;
    let words = ["running", "off", "starting", "deleting", "migrating"];
    servers.has((0..1000).map(|number| (1 + number, words[usize::try_from(number).expect("small") % 5])));
    let setup = setup(&servers, TOKEN);
    let ended = poll(&setup, &["--output", "json"]).await.succeeded();
    let instances: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let instances = instances.as_array().expect("a list");
    assert_eq!(instances.len(), 1000);
    for (number, state) in ["RUNNING", "STOPPED", "PENDING", "SHUTTING_DOWN", "UNKNOWN"].iter().enumerate() {
        let id = (number + 1).to_string();
        let instance = instances.iter().find(|instance| instance["id"] == *id).expect("listed");
        assert_eq!((&instance["state"], &instance["provider_state"]), (&json!(state), &json!(words[number])));
    }
    let first = &instances[0];
    assert_eq!((&first["realm"], &first["image"]), (&json!("fsn1"), &json!("debian-13")));
    assert_eq!(first["launched_at"], "2026-03-14T09:26:50.000Z");
    assert!(ended.stderr.contains("1000 listed, complete; 20 pages, 20 requests"), "{ended:#?}");

    let realms = poll(&setup, &["--kind", "realms"]).await.succeeded().stdout;
    assert!(realms.contains("Helsinki DC Park 1") && realms.contains("AVAILABLE"), "{realms}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_api_refuses_is_told_in_its_own_words() {
    let servers = Droplets::servers().await;
    servers.has([(1, "running")]);
    let ended = poll(&setup(&servers, "another-token"), &[]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:#?}");
    assert!(ended.stderr.contains("unauthorized: Unable to authenticate you."), "{ended:#?}");
    assert!(!ended.stderr.contains("another-token"), "{ended:#?}");

    let setup = setup(&servers, TOKEN);
    for (instead, words) in [
        (Instead::Throttled, "too_many_requests: API Rate limit exceeded."),
        (Instead::Status(503, "<html>Maintenance</html>"), "answered 503: <html>Maintenance</html>"),
        (Instead::Status(200, "<html>Please log in</html>"), "the answer is not the JSON expected"),
        (Instead::Status(200, r#"{"servers": [{"id": 1}], "meta": {}}"#), "missing field `status`"),
        (Instead::CutShort, "the answer broke off"),
    ] {
        servers.answers_with(Some(instead));
        let ended = poll(&setup, &[]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:#?}");
        assert!(ended.stderr.contains(words), "{words}: {ended:#?}");
        assert!(!ended.stderr.contains(TOKEN), "{ended:#?}");
    }
}

#[tokio::test]
async fn changes_are_called_back_and_an_unsure_list_removes_nothing() {
    let servers = Droplets::servers().await;
    let mut receiver = Receiver::start().await;
    // More than a page of them.
    let many = |status| (1..=51).map(move |id| (id, if id == 7 { status } else { "running" }));
    servers.has(many("running"));
    let host = setup(&servers, TOKEN).start().await;
    let client = host.client().at("hetzner", "lab").as_user("me", TOKEN);
    client.until("/api/instances/7", "it runs", |instance| instance["state"] == "RUNNING").await;
    let secret = client.track("/api/instances/7", &receiver.url("seven"), "token").await;
    servers.has(many("off"));
    let change = loop {
        let change = receiver.next().await.change(&secret);
        if change["type"] != "instance.created" {
            break change;
        }
    };
    assert_eq!(step(&change), json!(["RUNNING", "STOPPED"]));

    // The first is gone, and the list says that it changed while it was read: that is no removal.
    servers.answers_with(Some(Instead::Shrinking));
    servers.has(many("off").skip(1).chain([(52, "running")]));
    client.until("/api/instances/52", "it is seen", |_| true).await;
    servers.asked();
    eventually(SOON, "it was polled some times more", async || match servers.asked_so_far() {
        few @ 0..8 => Err(format!("{few} requests")),
        _ => Ok(()),
    })
    .await;
    assert_eq!(client.get("/api/instances/1").await.ok()["state"], "RUNNING");
    // Once it says that it was whole, it is.
    servers.answers_with(None);
    eventually(SOON, "the first is gone", async || match client.get("/api/instances/1").await {
        answer if answer.status == 404 => Ok(()),
        answer => Err(answer.text),
    })
    .await;
}
