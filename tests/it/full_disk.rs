//! A host whose disk is full: it refuses what it can't keep, goes on answering from what it has, says what is wrong
//! wherever somebody would look, and goes on by itself once there is room.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::http;
use crate::support::lab::{TOKEN, steps};
use crate::support::wait::{SOON, eventually};
use crate::support::{Lab, Receiver, Setup};

/// Five times the longest wait between two tries.
const GOES_ON_WITHIN: Duration = Duration::from_secs(5 * 3);

#[tokio::test]
async fn a_full_disk_loses_nothing() {
    goes_on_when_there_is_room_again(Setup::on_a_disk).await;
}

#[tokio::test]
async fn files_that_may_not_grow_lose_nothing() {
    goes_on_when_there_is_room_again(Setup::with_bounded_files).await;
}

#[tokio::test]
async fn a_host_that_starts_on_a_full_disk_serves_what_it_has() {
    let mut receiver = Receiver::start().await;
    let mut lab = Lab::with(&[("i-1", "running")], Setup::on_a_file_system).await;
    let secret = lab.track("i-1", &receiver).await;
    lab.becomes(&[("i-1", "stopped")]).await;
    receiver.next().await.change(&secret);
    lab.host.fill_disk().await;
    lab.host.kill();
    lab.host.begin().await;

    for path in ["/api/instances", "/api/hooks", "/api/changes?since=0", "/api/account", "/healthz"] {
        lab.client.get(path).await.ok();
    }
    assert_eq!(lab.client.get("/api/instances/i-1").await.ok()["state"], "STOPPED");
    // What is left of the store's own files takes some hooks more.
    let hook = json!({ "url": receiver.url("other"), "ids": ["none"], "token": "t".repeat(1000) });
    let refused = eventually(SOON, "a hook is refused", async || {
        let made = lab.client.post("/api/hooks", &hook).await;
        if made.status == 201 { Err(made.text) } else { Ok(made) }
    });
    refused.await.problem(507);
    let problem = eventually(SOON, "the host is not ready", async || {
        let ready = lab.client.get("/readyz").await;
        if ready.status.is_success() { Err(ready.text) } else { Ok(ready) }
    });
    let problem = problem.await.problem(503);
    let failing = problem["failing"].as_array().expect("it says what fails");
    assert!(failing.iter().all(|work| work["error"] == "disk-full" && work["operation"].is_string()), "{problem}");

    has_room_again(&lab, GOES_ON_WITHIN).await;
    assert_eq!(receiver.next().await.change(&secret)["new_state"], "RUNNING");
}

/// Gives the disk room again, and waits until the host is ready and has polled something new.
async fn has_room_again(lab: &Lab, within: Duration) {
    lab.host.free_disk();
    lab.provider.has(&[("i-1", "running"), ("i-2", "running")]);
    eventually(within, "the host is ready, and has polled", async || {
        let ready = lab.client.get("/readyz").await;
        let seen = lab.client.get("/api/instances/i-2").await;
        match ready.status.is_success() && seen.status.is_success() {
            true => Ok(()),
            false => Err(ready.text + &seen.text),
        }
    })
    .await;
}

/// Far more than it takes to compile a driver without optimizations in the compiler.
const COMPILED_WITHIN: Duration = Duration::from_secs(120);

#[tokio::test]
async fn drivers_that_a_full_disk_kept_from_being_compiled_are_loaded_once_there_is_room() {
    let mut lab = Lab::with(&[("i-1", "running")], Setup::on_a_file_system).await;
    lab.host.kill();
    lab.host.forget_compiled();
    lab.host.fill_disk().await;
    lab.host.begin().await;

    lab.client.get("/healthz").await.ok();
    eventually(SOON, "it is tried again", async || {
        match counted(&lab, "tracker_store_operations_total", "operation=\"load-drivers\",outcome=\"disk-full\"").await
        {
            2.. => Ok(()),
            tries => Err(tries.to_string()),
        }
    })
    .await;
    // Its log may have some room left, which polls use up.
    let problem = eventually(SOON, "the store has no room, either", async || {
        let problem = lab.client.get("/readyz").await.problem(503);
        match problem["type"] == "/problems/store-unavailable" {
            true => Ok(problem),
            false => Err(problem.to_string()),
        }
    })
    .await;
    let failing = problem["failing"].as_array().expect("it says what fails");
    let load = failing.iter().find(|work| work["operation"] == "load-drivers").expect("the drivers are among it");
    assert_eq!(load["error"], "disk-full", "{problem}");

    has_room_again(&lab, COMPILED_WITHIN).await;
}

async fn goes_on_when_there_is_room_again(on: fn(Setup) -> Setup) {
    let mut receiver = Receiver::start().await;
    let lab = Lab::with(&[("i-1", "running")], on).await;
    let secret = lab.track("i-1", &receiver).await;
    lab.becomes(&[("i-1", "stopped")]).await;
    let mut told = vec![receiver.next().await.change(&secret)];

    lab.host.fill_disk().await;
    let hook = receiver.url("other");
    let form = [("track_hook", hook.as_str()), ("track_token", TOKEN)];
    let problem = lab.client.put("/api/instances/i-1", &form).await.problem(507);
    assert_eq!(problem["type"], "/problems/store-full");
    lab.client.post("/api/hooks", &json!({ "url": hook })).await.problem(507);

    // Nothing that is polled from now on can be kept, nor counts as if it were.
    let complete = counted(&lab, "tracker_polls_total", "outcome=\"complete\"").await;
    lab.provider.has(&[("i-1", "running"), ("i-2", "running")]);
    let has_error = |account: &Value| account["polls"]["instances"]["last_error"]["code"] == "store";
    let account = lab.client.until("/api/account", "the account says so", has_error).await;
    let message = account["polls"]["instances"]["last_error"]["message"].as_str().expect("a message");
    assert!(message.contains("its disk is full"), "{message}");
    eventually(SOON, "readiness says so", async || {
        let answer = lab.client.get("/readyz").await;
        let problem: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        let says_so = problem["failing"][0]["error"] == "disk-full";
        if answer.status == 503 && says_so { Ok(()) } else { Err(answer.text) }
    })
    .await;
    assert!(counted(&lab, "tracker_store_operations_total", "outcome=\"disk-full\"").await > 0);
    assert_eq!(counted(&lab, "tracker_polls_total", "outcome=\"complete\"").await, complete);
    lab.client.put("/api/instances/i-1", &form).await.problem(507);

    // What is there is still told.
    assert_eq!(lab.client.get("/api/instances/i-1").await.ok()["state"], "STOPPED");
    for path in ["/api/instances", "/api/hooks", "/api/changes?since=0", "/api/instances/i-1/history", "/healthz"] {
        lab.client.get(path).await.ok();
    }

    has_room_again(&lab, GOES_ON_WITHIN).await;
    assert_eq!(lab.client.get("/api/account").await.ok()["polls"]["instances"]["last_error"], Value::Null);
    lab.becomes(&[("i-1", "terminated"), ("i-2", "running")]).await;
    while told.last().is_none_or(|change| change["new_state"] != "FINISH") {
        told.push(receiver.next().await.change(&secret));
    }
    // One that was delivered when that could not be written down comes again.
    told.dedup();

    // Each change is there once, and was told once.
    let journal = lab.client.get("/api/changes?since=0").await.ok();
    let changes: Vec<Value> = journal.as_array().expect("changes").clone();
    let of = |id: &str| changes.iter().filter(|change| change["resource"]["id"] == id).cloned().collect::<Vec<_>>();
    let all = [["RUNNING", "STOPPED"], ["STOPPED", "RUNNING"], ["RUNNING", "FINISH"]];
    assert_eq!(steps(&of("i-1")), all.map(|step| json!(step)));
    assert_eq!(steps(&of("i-2")), [json!([null, "RUNNING"])]);
    let ids = |changes: &[Value]| changes.iter().map(|change| change["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&told), ids(&of("i-1")));
}

/// The sum of one of the host's counters, over the lines with this label.
async fn counted(lab: &Lab, name: &str, label: &str) -> u64 {
    let answer = http().get(format!("{}/metrics", lab.client.base())).send().await.expect("an answer");
    let text = answer.text().await.expect("text");
    let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}
