//! Tracking one resource: what a hook hears of and what it does not, from before the first sight of an
//! instance to its end.

use serde_json::{Value, json};

use crate::support::lab::{PASSWORD, TOKEN, USER, step};
use crate::support::{Lab, Provider, Receiver, Setup};

#[tokio::test]
async fn a_hook_waits_for_an_instance_that_is_not_there_yet() {
    let mut receiver = Receiver::start().await;
    let lab = Lab::start(&[("i-old", "running")]).await;

    let secret = lab.track("i-new", &receiver).await;
    let problem = lab.client.get("/api/instances/i-new").await.problem(404);
    assert_eq!(problem["track"]["hook"], receiver.url("i-new"), "{problem}");

    lab.becomes(&[("i-old", "running"), ("i-new", "pending")]).await;
    let created = receiver.next().await.change(&secret);
    assert_eq!(created["type"], "instance.created");
    assert_eq!((&created["old_state"], &created["new_state"]), (&Value::Null, &json!("PENDING")));
    assert_eq!(created["track_token"], TOKEN);

    lab.becomes(&[("i-old", "running"), ("i-new", "running")]).await;
    let change = receiver.next().await.change(&secret);
    assert_eq!(change["type"], "instance.state");
    assert_eq!(step(&change), json!(["PENDING", "RUNNING"]));
}

#[tokio::test]
async fn an_instance_that_is_gone_is_told_as_removed() {
    let mut receiver = Receiver::start().await;
    let lab = Lab::start(&[("i-1", "running"), ("i-2", "running")]).await;
    let secret = lab.track("i-1", &receiver).await;
    lab.provider.has(&[("i-2", "running")]);
    let removed = receiver.next().await.change(&secret);
    assert_eq!(removed["type"], "instance.removed");
    assert_eq!(removed["resource"]["id"], "i-1");
    lab.client.get("/api/instances/i-1").await.problem(404);
}

#[tokio::test]
async fn an_account_that_a_client_brings_is_polled_while_it_has_a_hook() {
    let mut receiver = Receiver::start().await;
    let provider = Provider::start().await;
    provider.has(&[("i-other", "running"), ("i-waited", "running")]);
    let setup = Setup::new(&["ec2"]).provider("ec2", "lab", &provider.endpoint(), "region = \"us-east-1\"");
    let host = setup.start().await;
    let client = host.client().at("ec2", "lab").as_user(USER, PASSWORD);

    // The first list is a baseline: all of it is new to the tracker, and only what was waited for is told.
    let secret = client.track("/api/instances/i-waited", &receiver.url("i-waited"), TOKEN).await;
    let created = receiver.next().await.change(&secret);
    assert_eq!((&created["type"], &created["resource"]["id"]), (&json!("instance.created"), &json!("i-waited")));
    let secret = client.track("/api/instances/i-other", &receiver.url("i-other"), TOKEN).await;
    provider.has(&[("i-other", "stopped"), ("i-waited", "running")]);
    assert_eq!(step(&receiver.next().await.change(&secret)), json!(["RUNNING", "STOPPED"]));
}

#[tokio::test]
async fn a_hook_that_was_taken_away_hears_nothing_more() {
    let mut receiver = Receiver::start().await;
    let lab = Lab::start(&[("i-1", "running"), ("i-2", "running")]).await;
    lab.track("i-1", &receiver).await;
    let secret = lab.track("i-2", &receiver).await;
    lab.client.put("/api/instances/i-1", &[("track_hook", "none")]).await.ok();
    lab.becomes(&[("i-1", "stopped"), ("i-2", "running")]).await;
    lab.becomes(&[("i-1", "stopped"), ("i-2", "stopped")]).await;
    let callback = receiver.next().await;
    assert_eq!(callback.path, "/i-2", "only the hook that is left hears something");
    assert_eq!(step(&callback.change(&secret)), json!(["RUNNING", "STOPPED"]));
    let owed = lab.client.pending().await;
    assert!(owed.iter().all(|change| change["resource"]["id"] != "i-1"), "nor is anything owed to it: {owed:#?}");
}

#[tokio::test]
async fn a_new_hook_replaces_the_old_one_and_what_that_one_was_owed() {
    let mut receiver = Receiver::start().await;
    let lab = Lab::start(&[("i-1", "running")]).await;
    let old = lab.track("i-1", &receiver).await;
    receiver.down().await;
    lab.becomes(&[("i-1", "stopped")]).await;
    let new = lab.client.track("/api/instances/i-1", &receiver.url("new"), "another token").await;
    assert_ne!(old, new, "each hook has a secret of its own");
    receiver.up().await;
    lab.becomes(&[("i-1", "running")]).await;
    let callback = receiver.next().await;
    assert_eq!(callback.path, "/new");
    let change = callback.change(&new);
    assert_eq!(step(&change), json!(["STOPPED", "RUNNING"]));
    assert_eq!(change["track_token"], "another token");
}

#[tokio::test]
async fn realms_are_tracked_as_instances_are() {
    let mut receiver = Receiver::start().await;
    let lab = Lab::start(&[]).await;
    let path = "/api/realms/us-east-1a";
    lab.client.until(path, "the realm is seen", |realm| realm["state"] == "AVAILABLE").await;
    let secret = lab.client.track(path, &receiver.url("realm"), TOKEN).await;
    lab.provider.has_zone("impaired");
    let change = receiver.next().await.change(&secret);
    assert_eq!((&change["type"], &change["resource"]["kind"]), (&json!("realm.state"), &json!("realm")));
    assert_eq!(change["resource"]["id"], "us-east-1a");
    assert_eq!(step(&change), json!(["AVAILABLE", "UNAVAILABLE"]));
    lab.provider.has_zone("available");
    assert_eq!(step(&receiver.next().await.change(&secret)), json!(["UNAVAILABLE", "AVAILABLE"]));
}
