//! The bounds of a store and of an account: a host that reaches one takes in nothing new and says so, deletes, and goes on by
//! itself once there is room.

use serde_json::json;

use crate::support::client::http;
use crate::support::host::QUICK_POLLS;
use crate::support::wait::{SOON, eventually};
use crate::support::{Lab, Receiver};

/// With what a store takes that has nothing in it.
const SIZE: u64 = 3 << 20;

#[tokio::test]
async fn a_store_at_its_bound_refuses_what_is_new_and_goes_on_once_there_is_room() {
    let receiver = Receiver::start().await;
    let sections = format!(
        "{QUICK_POLLS}\n[polling.mass_changes]\nshare = 1.0\n\n[store]\nsize = {SIZE}\naccount_share = 1.0\nreserve = 0.0\n"
    );
    let lab = Lab::with(&[("i-0", "running")], |setup| setup.polls(&sections)).await;
    let secret_hook = lab.client.post("/api/hooks", &json!({ "url": receiver.url("all") })).await.ok();
    let stranger = lab.client.as_user("AKIASTRANGER", "stranger's-own-password");
    stranger.post("/api/hooks", &json!({ "url": receiver.url("theirs") })).await.ok();

    // More and more instances, of both accounts, until there is no room for those of the first. The other's may be refused before.
    let has_error = |account: &serde_json::Value| account["polls"]["instances"]["last_error"]["code"] == "store";
    let mut count = 0;
    loop {
        count += 500;
        let names: Vec<String> = (0..count).map(|number| format!("i-{number}")).collect();
        lab.provider.has(&names.iter().map(|name| (name.as_str(), "running")).collect::<Vec<_>>());
        let last = format!("/api/instances/i-{}", count - 1);
        let is_refused = eventually(SOON, "each account records them, or is refused", async || {
            let mut refused = Vec::new();
            for client in [&lab.client, &stranger] {
                let is_refused = has_error(&client.get("/api/account").await.ok());
                let seen = client.get(&last).await;
                if !is_refused && !seen.status.is_success() {
                    return Err(seen.text);
                }
                refused.push(is_refused);
            }
            Ok(refused[0])
        })
        .await;
        if is_refused {
            break;
        }
    }
    let problem = eventually(SOON, "the host is not ready", async || {
        let ready = lab.client.get("/readyz").await;
        match ready.text.contains("size-limit") {
            true => Ok(ready.problem(503)),
            false => Err(ready.text),
        }
    })
    .await;
    assert_eq!(problem["type"], "/problems/store-unavailable", "{problem}");
    let told = lab.host.log().text();
    assert!(
        told.contains("the store is near its maximum size") && told.contains("the store is at its maximum size"),
        "{told}"
    );

    let refused = lab.client.post("/api/hooks", &json!({ "url": receiver.url("other") })).await.problem(507);
    assert_eq!(refused["type"], "/problems/store-full", "{refused}");
    let account = lab.client.until("/api/account", "the account says so", has_error).await;
    let message = account["polls"]["instances"]["last_error"]["message"].as_str().expect("a message");
    assert!(message.contains("has reached store.size"), "{message}");
    assert_eq!(account["storage"]["limit_bytes"], SIZE, "{account}");
    for path in ["/api/instances?limit=1", "/api/hooks", "/api/changes?since=now"] {
        lab.client.get(path).await.ok();
    }
    let metrics = http().get(format!("{}/metrics", lab.client.base())).send().await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    let value = |name: &str| {
        let line =
            metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {metrics}"));
        line.trim().parse::<u64>().expect("a number")
    };
    assert_eq!(value("tracker_store_size_limit_bytes "), SIZE);
    assert!(value("tracker_store_size_bytes ") >= SIZE, "{metrics}");

    // What is deleted makes room.
    let hook = format!("/api/hooks/{}", secret_hook["id"].as_str().expect("an id"));
    assert!(lab.client.delete(&hook).await.status.is_success());
    let gone = stranger.delete("/api/account").await;
    assert!(gone.status.is_success(), "{}", gone.text);
    eventually(SOON, "the host is ready, and has recorded what was refused", async || {
        let ready = lab.client.get("/readyz").await;
        let seen = lab.client.get(&format!("/api/instances/i-{}", count - 1)).await;
        match ready.status.is_success() && seen.status.is_success() {
            true => Ok(()),
            false => Err(ready.text + &seen.text),
        }
    })
    .await;
    lab.client.post("/api/hooks", &json!({ "url": receiver.url("other") })).await.ok();
}

#[tokio::test]
async fn an_account_at_its_bound_is_told_and_the_host_is_well() {
    let receiver = Receiver::start().await;
    // Accounts are measured with each round of retention.
    let sections = format!(
        "{QUICK_POLLS}\n[polling.mass_changes]\nshare = 1.0\n\n[store]\nsize = {}\naccount_share = 0.25\nwarn_at = 0.5\n\n\
         [journal]\nevery = \"200ms\"\n",
        4 * SIZE
    );
    let lab = Lab::with(&[("i-0", "running")], |setup| setup.polls(&sections)).await;
    let storage = lab.client.get("/api/account").await.ok()["storage"].clone();
    assert_eq!(storage, json!({ "state": "ok", "used_bytes": null, "limit_bytes": SIZE }));
    let mut count = 0;
    let states = ["near-limit", "at-limit"].map(|state| json!(state));
    let mut seen = Vec::new();
    while !seen.contains(&states[1]) {
        count += 500;
        let names: Vec<String> = (0..count).map(|number| format!("i-{number}")).collect();
        lab.provider.has(&names.iter().map(|name| (name.as_str(), "running")).collect::<Vec<_>>());
        let last = format!("/api/instances/i-{}", count - 1);
        eventually(SOON, "they are recorded, or the account is at its bound", async || {
            let state = lab.client.get("/api/account").await.ok()["storage"]["state"].clone();
            if !seen.contains(&state) {
                seen.push(state.clone());
            }
            match state == states[1] || lab.client.get(&last).await.status.is_success() {
                true => Ok(()),
                false => Err(state.to_string()),
            }
        })
        .await;
    }
    assert!(seen.contains(&states[0]), "it is warned before: {seen:?}");

    lab.provider.has(&[("i-0", "running"), ("i-new", "running")]);
    let has_error = |account: &serde_json::Value| account["polls"]["instances"]["last_error"]["code"] == "store";
    let account = lab.client.until("/api/account", "the account says so", has_error).await;
    let message = account["polls"]["instances"]["last_error"]["message"].as_str().expect("a message");
    assert!(message.contains("the account has reached its share of the store"), "{message}");
    let refused = lab.client.post("/api/hooks", &json!({ "url": receiver.url("all") })).await.problem(507);
    assert_eq!(refused["type"], "/problems/account-full", "{refused}");
    assert_eq!(refused["limit_bytes"], SIZE, "{refused}");
    lab.client.get("/readyz").await.ok();
    lab.client.get("/api/instances?limit=1").await.ok();
    assert!(lab.host.log().text().contains("the account has used up its share"), "{}", lab.host.log().text());
}
