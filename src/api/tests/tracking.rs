//! Hooks on single resources, and their pending changes.

use serde_json::json;

use super::*;
use crate::model::InstanceState::{Pending, Running, Stopped};
use crate::model::RealmState::Available;

const HOOK: &str = "https://192.88.98.1/cb";

async fn with_one() -> House {
    let house = House::new();
    house.poll(Kind::Instance, vec![instance("i-1", "us", Pending)]).await;
    house
}

#[tokio::test]
async fn a_hook_is_set_kept_replaced_and_removed() {
    let house = with_one().await;
    let set = house.put("/api/instances/i-1", &format!("track_hook={HOOK}&track_token=t")).await.ok();
    assert_eq!((&set["id"], &set["state"]), (&json!("i-1"), &json!("PENDING")));
    let secret = set["track"]["secret"].as_str().expect("a secret");
    assert!(secret.starts_with("whsec_"));
    let shown = json!({ "hook": HOOK, "id": set["track"]["id"], "status": "active", "token": true });
    assert_eq!(house.get("/api/instances/i-1").await.ok()["track"], shown);
    assert_eq!(house.get("/api/instances").await.ok()["instances"][0]["track"], shown);
    assert_eq!(house.get("/api/account").await.ok()["hooks"], 1);

    // The same again, in the query, changes nothing: the secret that the client has stays good.
    let again = house.put(&format!("/api/instances/i-1?track_hook={HOOK}&track_token=t"), "").await.ok();
    assert_eq!(again["track"], shown);
    let other = house.put("/api/instances/i-1", &format!("track_hook={HOOK}")).await.ok();
    assert_eq!(other["track"]["token"], false);
    assert_ne!(other["track"]["secret"], secret);
    let own = format!("track_hook={HOOK}&track_secret={}", secret.replace('+', "%2B"));
    assert_eq!(house.put("/api/instances/i-1", &own).await.ok()["track"]["secret"], secret);
    assert_eq!(house.get("/api/account").await.ok()["hooks"], 1);

    for _ in 0..2 {
        let removed = house.put("/api/instances/i-1", "track_hook=none").await.ok();
        assert!(removed.get("track").is_none(), "{removed}");
    }
    assert_eq!(house.get("/api/account").await.ok()["hooks"], 0);
}

#[tokio::test]
async fn a_hook_waits_for_what_was_not_seen_yet() {
    let house = with_one().await;
    let answer = house.put("/api/instances/i%20new", &format!("track_hook={HOOK}")).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let accepted = answer.json();
    assert_eq!(accepted["id"], "i new");
    assert_eq!(accepted["href"], "https://tracker.example/api/instances/i%20new");
    assert_eq!(accepted["track"]["hook"], HOOK);
    let problem = house.get("/api/instances/i%20new").await.problem(404, "instance-not-found");
    assert_eq!((&problem["track"]["hook"], &problem["track"]["token"]), (&json!(HOOK), &json!(false)));
    house.put("/api/instances/i%20new", "track_hook=none").await.ok();
    let problem = house.get("/api/instances/i%20new").await.problem(404, "instance-not-found");
    assert!(problem.get("track").is_none());
}

#[tokio::test]
async fn realms_are_tracked_as_instances_are() {
    let house = House::new();
    house.poll(Kind::Realm, vec![realm("us", Available)]).await;
    let set = house.put("/api/realms/us", &format!("track_hook={HOOK}")).await.ok();
    assert_eq!((&set["name"], &set["track"]["hook"]), (&json!("US"), &json!(HOOK)));
    assert_eq!(house.get("/api/realms/us").await.ok()["track"]["token"], false);
    house.get("/api/realms/eu").await.problem(404, "realm-not-found");
}

#[tokio::test]
async fn pending_changes_are_given_once_with_their_token() {
    let house = with_one().await;
    house.put("/api/instances/i-1", &format!("track_hook={HOOK}&track_token=t%C3%B6ken")).await.ok();
    house.poll(Kind::Instance, vec![instance("i-1", "us", Running)]).await;
    house.poll(Kind::Instance, vec![instance("i-1", "us", Stopped)]).await;

    // Looking is not taking, and neither is a question that is not understood.
    let head = house.send("HEAD", "/api/changes", &[("authorization", &basic("user", "right"))], "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    house.get("/api/changes?limit=1").await.problem(400, "unknown-parameter");

    let pending = house.get("/api/changes").await.ok();
    let pending = pending.as_array().expect("a bare array");
    let states: Vec<&Value> = pending.iter().map(|change| &change["new_state"]).collect();
    assert_eq!(states, ["RUNNING", "STOPPED"]);
    assert_eq!((&pending[0]["type"], &pending[0]["track_token"]), (&json!("instance.state"), &json!("töken")));
    assert_eq!(pending[0]["resource"]["href"], "https://tracker.example/api/instances/i-1");
    assert_eq!(house.get("/api/changes").await.ok(), json!([]));
}

#[tokio::test]
async fn many_pending_changes_come_in_parts() {
    let house = House::with(|settings| settings.pending_changes = 1);
    house.poll(Kind::Instance, vec![instance("i-1", "us", Pending)]).await;
    house.put("/api/instances/i-1", &format!("track_hook={HOOK}")).await.ok();
    for state in [Running, Stopped] {
        house.poll(Kind::Instance, vec![instance("i-1", "us", state)]).await;
    }
    let first = house.get("/api/changes").await;
    assert_eq!(first.header("link"), Some("<https://tracker.example/api/changes>; rel=\"next\""));
    let first = first.ok();
    assert!(first[0].get("track_token").is_none(), "{first}");
    let second = house.get("/api/changes").await;
    assert_eq!(second.header("link"), None, "nothing is left");
    assert_eq!(second.ok()[0]["new_state"], "STOPPED");
    assert_eq!(house.get("/api/changes").await.ok(), json!([]));
}

#[tokio::test]
async fn a_hook_that_cant_be_is_refused() {
    let house = House::with(|settings| settings.hooks_per_account = 1);
    house.poll(Kind::Instance, vec![instance("i-1", "us", Pending)]).await;
    let check =
        async |form: &str, status: u16, slug: &str| house.put("/api/instances/i-1", form).await.problem(status, slug);
    check("", 400, "invalid-parameter").await;
    check("track_hook=/cb", 400, "invalid-hook").await;
    check("track_hook=gopher://e.com/", 400, "invalid-hook").await;
    check(&format!("track_hook={HOOK}&track_secret=whsec_AAAA"), 400, "invalid-parameter").await;
    check(&format!("track_hook={HOOK}&track_token={}", "x".repeat(1025)), 400, "invalid-parameter").await;
    check(&format!("track_hook={HOOK}&color=red"), 400, "unknown-parameter").await;
    for closed in ["127.0.0.1", "10.0.0.1", "[::1]", "169.254.169.254"] {
        let problem = check(&format!("track_hook=http://{closed}/"), 400, "hook-address-closed").await;
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains("delivery.allow_addresses"), "{detail}");
    }
    // A name is no more than a name here, wherever it leads.
    for name in ["localhost", "no-such-host.invalid"] {
        house.put("/api/instances/i-1", &format!("track_hook=http://{name}/")).await.ok();
    }
    house.put("/api/instances/i-1", "track_hook=none").await.ok();
    let twice = house.put(&format!("/api/instances/i-1?track_hook={HOOK}"), "track_hook=none").await;
    twice.problem(400, "invalid-parameter");
    assert_eq!(house.get("/api/account").await.ok()["hooks"], 0);

    house.put("/api/instances/i-1", &format!("track_hook={HOOK}")).await.ok();
    let problem = house.put("/api/instances/i-2", &format!("track_hook={HOOK}")).await.problem(403, "too-many-hooks");
    assert_eq!(problem["limit"], 1);
    // Replacing one makes none more.
    house.put("/api/instances/i-1", &format!("track_hook={HOOK}2")).await.ok();
}
