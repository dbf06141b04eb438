//! A driver that tells what changed is asked for everything now and then only, and nothing of it shows in what is told.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use crate::support::{Client, Setup};

fn fleet(full_every: &str) -> Setup {
    let polls = format!(
        "[polling]\ninstances_every = \"300ms\"\nrealms_every = \"1h\"\njitter = 0.0\nquiet = \"300ms\"\nfull_every = {full_every:?}\n\
         delta_overlap = \"1s\"\n"
    );
    Setup::new(&["mock"])
        .polls(&polls)
        .provider("mock", "fleet", "http://mock.invalid", "count = \"300\", churn = \"3600\", seed = \"7\"")
        .account("mock", "fleet", "mockuser", "mockpassword")
}

/// The states of all instances, as they were known at that time.
async fn states(client: &Client, at: &str) -> BTreeMap<String, String> {
    let body = client.get(&format!("/api/instances?limit=500&at={at}")).await.ok();
    let instances = body["instances"].as_array().expect("a list");
    let text = |instance: &Value, member: &str| instance[member].as_str().expect("text").to_owned();
    instances.iter().map(|instance| (text(instance, "id"), text(instance, "state"))).collect()
}

#[tokio::test]
async fn the_changes_that_a_driver_lists_are_those_that_everything_would_show() {
    let host = fleet("1h").start().await;
    let client = host.client().at("mock", "fleet").as_user("mockuser", "mockpassword");
    client
        .until("/api/instances", "they are seen", |list| list["instances"].as_array().is_some_and(|l| !l.is_empty()))
        .await;
    let account = client.get("/api/account").await.ok();
    let begun = account["polls"]["instances"]["last_complete"].as_str().expect("listed").to_owned();
    let mut known = states(&client, &begun).await;

    // Each of 300 changes once a second, about. What the feed makes of the first list is what later ones show.
    let (mut followed, mut told) = (0, HashSet::new());
    let (mut since, mut until) = ("0".to_owned(), begun.clone());
    while followed < 2_000 {
        let changes = client.get(&format!("/api/changes?since={since}&limit=500&wait=1")).await.ok();
        let changes = changes.as_array().expect("a list");
        for change in changes {
            let text = |member: &str| change[member].as_str().map(str::to_owned);
            since = text("cursor").expect("a cursor");
            let (observed_at, what) = (text("observed_at").expect("a time"), text("type").expect("a type"));
            if observed_at <= begun || change["resource"]["kind"] != "instance" {
                continue;
            }
            let id = change["resource"]["id"].as_str().expect("an id").to_owned();
            match what.as_str() {
                "instance.removed" => drop(known.remove(&id)),
                _ => drop(known.insert(id, text("new_state").expect("a state"))),
            }
            (until, followed) = (observed_at, followed + 1);
            told.insert(what);
        }
        // Of a whole poll, since less came than was asked for.
        if changes.len() < 500 {
            assert!(known == states(&client, &until).await, "after {followed} changes");
        }
    }
    for wanted in ["instance.created", "instance.state", "instance.removed"] {
        assert!(told.contains(wanted), "{told:?}");
    }
    let polls = |account: &Value| account["polls"]["instances"].clone();
    let account = polls(&client.get("/api/account").await.ok());
    assert!(account["last_full"].as_str() < account["last_complete"].as_str(), "{account}");
    assert!(account["last_full"].is_string());
}

#[tokio::test]
async fn everything_is_listed_as_often_as_it_is_set_to_be() {
    let host = fleet("0s").start().await;
    let client = host.client().at("mock", "fleet").as_user("mockuser", "mockpassword");
    let polls = |account: &Value| account["polls"]["instances"].clone();
    let first = client.until("/api/account", "it is listed", |account| polls(account)["last_full"].is_string()).await;
    let is_later = |account: &Value| polls(account)["last_full"].as_str() > polls(&first)["last_full"].as_str();
    let later = client.until("/api/account", "it is listed whole again", is_later).await;
    assert_eq!(polls(&later)["last_full"], polls(&later)["last_complete"]);
}

/// What changed since a list of one cloud is nothing to another.
#[tokio::test]
async fn everything_is_listed_at_another_endpoint_or_with_other_options() {
    let mut host = fleet("1h").start().await;
    let client = host.client().at("mock", "fleet").as_user("mockuser", "mockpassword");
    let instances = |account: &Value| account["polls"]["instances"].clone();
    let is_listed = |account: &Value| instances(account)["last_full"].is_string();
    let mut before = instances(&client.until("/api/account", "it is listed", is_listed).await);
    for (this, that, is_another) in [
        ("allow_addresses", "allow_addresses", false),
        ("http://another.invalid", "http://mock.invalid", true),
        ("seed = \"8\"", "seed = \"7\"", true),
    ] {
        host.stop().await;
        host.provides(this, that);
        host.start().await;
        let is_polled =
            |account: &Value| instances(account)["last_complete"].as_str() > before["last_complete"].as_str();
        let after = instances(&client.until("/api/account", "it is listed again", is_polled).await);
        assert_eq!(after["last_full"] != before["last_full"], is_another, "{this}: {before} and {after}");
        before = after;
    }
}
