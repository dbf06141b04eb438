//! Hooks as a resource, from outside: what they hear of, how they rest and go on, and what became of each callback.

use serde_json::{Value, json};

use crate::support::lab::{TOKEN, step, steps};
use crate::support::{Lab, Receiver, Reply};

/// A new hook of the lab's client, called at `name` of the receiver.
async fn hook(lab: &Lab, receiver: &Receiver, name: &str, more: Value) -> Value {
    let mut body = json!({ "url": receiver.url(name), "token": TOKEN });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    lab.client.post("/api/hooks", &body).await.ok()
}

fn path(hook: &Value, rest: &str) -> String {
    format!("/api/hooks/{}{rest}", hook["id"].as_str().expect("an id"))
}

fn secret(hook: &Value) -> &str {
    hook["secret"].as_str().expect("a secret")
}

async fn act(lab: &Lab, hook: &Value, action: &str) -> Value {
    lab.client.post(&path(hook, &format!("/{action}")), &json!({})).await.ok()
}

#[tokio::test]
async fn a_hook_hears_of_what_its_filter_lets_through_and_can_be_changed() {
    let mut receiver = Receiver::start().await;
    let lab = Lab::start(&[("web-1", "running"), ("db-1", "running")]).await;
    let made = hook(&lab, &receiver, "cb", json!({ "ids": ["web-*"], "to": ["STOPPED"] })).await;
    lab.becomes(&[("web-1", "running"), ("db-1", "stopped")]).await;
    lab.becomes(&[("web-1", "stopped"), ("db-1", "stopped")]).await;
    let change = receiver.next().await.change(secret(&made));
    assert_eq!((&change["resource"]["id"], &step(&change)), (&json!("web-1"), &json!(["RUNNING", "STOPPED"])));
    assert_eq!(change["track_token"], TOKEN);

    // Sent back with other words, it is the same hook with the same secret.
    let mut wanted = lab.client.get(&path(&made, "")).await.ok();
    wanted["url"] = json!(receiver.url("other"));
    wanted["ids"] = json!(["db-1"]);
    wanted["to"] = json!([]);
    lab.client.put_json(&path(&made, ""), &wanted).await.ok();
    lab.becomes(&[("web-1", "running"), ("db-1", "stopped")]).await;
    lab.becomes(&[("web-1", "running"), ("db-1", "running")]).await;
    let callback = receiver.next().await;
    let change = callback.change(secret(&made));
    assert_eq!((callback.path.as_str(), &change["resource"]["id"]), ("/other", &json!("db-1")));

    assert_eq!(lab.client.delete(&path(&made, "")).await.status, 204);
    lab.client.get(&path(&made, "")).await.problem(404);
}

#[tokio::test]
async fn a_test_reaches_the_receiver_whatever_the_filter() {
    let mut receiver = Receiver::start().await;
    let lab = Lab::start(&[("i-1", "running")]).await;
    let made = hook(&lab, &receiver, "cb", json!({ "kinds": ["realm"] })).await;
    let test = act(&lab, &made, "test").await;
    let change = receiver.next().await.change(secret(&made));
    assert_eq!((&change["id"], &change["type"]), (&test["change"], &json!("hook.test")));
    assert_eq!(change["resource"]["href"], made["href"]);
}

#[tokio::test]
async fn what_happens_while_a_hook_is_paused_comes_once_it_is_resumed() {
    let mut receiver = Receiver::start().await;
    let mut lab = Lab::start(&[("i-1", "running")]).await;
    let made = hook(&lab, &receiver, "cb", json!({})).await;
    let witness = hook(&lab, &receiver, "witness", json!({})).await;
    assert_eq!(act(&lab, &made, "pause").await["status"], "paused");
    lab.becomes(&[("i-1", "stopped")]).await;
    lab.becomes(&[("i-1", "running")]).await;
    for _ in 0..2 {
        let callback = receiver.next().await;
        callback.change(secret(&witness));
        assert_eq!(callback.path, "/witness", "the paused hook rests");
    }
    lab.client.delete(&path(&witness, "")).await;
    lab.host.stop().await;
    lab.host.start().await;
    assert_eq!(lab.client.get(&path(&made, "")).await.ok()["status"], "paused");
    assert_eq!(act(&lab, &made, "resume").await["status"], "active");
    lab.becomes(&[("i-1", "stopped")]).await;
    let mut changes = Vec::new();
    for _ in 0..3 {
        changes.push(receiver.next().await.change(secret(&made)));
    }
    let (stops, starts) = (json!(["RUNNING", "STOPPED"]), json!(["STOPPED", "RUNNING"]));
    assert_eq!(steps(&changes), [stops.clone(), starts, stops]);
}

#[tokio::test]
async fn while_a_key_is_rotated_both_are_good() {
    let mut receiver = Receiver::start().await;
    let lab = Lab::start(&[("i-1", "running")]).await;
    let made = hook(&lab, &receiver, "cb", json!({})).await;
    let rotated = act(&lab, &made, "rotate").await;
    assert_ne!(secret(&rotated), secret(&made));
    lab.becomes(&[("i-1", "stopped")]).await;
    let callback = receiver.next().await;
    assert_eq!(callback.change(secret(&made)), callback.change(secret(&rotated)));

    // The next rotation ends the first key's time, and one without an overlap the second's.
    let last = lab.client.post(&path(&made, "/rotate"), &json!({ "overlap": "0s" })).await.ok();
    assert!(last["secret_rotates_until"].is_null());
    act(&lab, &made, "test").await;
    let callback = receiver.next().await;
    callback.change(secret(&last));
    for old in [&made, &rotated] {
        let webhook = standardwebhooks::Webhook::new(secret(old)).expect("a secret");
        assert!(webhook.verify(&callback.body, &callback.headers).is_err(), "an old key is good no more");
    }
}

#[tokio::test]
async fn a_replay_sends_the_same_changes_again() {
    let mut receiver = Receiver::start().await;
    let lab = Lab::start(&[("i-1", "running")]).await;
    let made = hook(&lab, &receiver, "cb", json!({ "types": ["instance.state"] })).await;
    let mut first = Vec::new();
    for word in ["stopped", "running", "stopped"] {
        lab.becomes(&[("i-1", word)]).await;
        first.push(receiver.next().await.change(secret(&made)));
    }
    let replay = async |from: &Value| {
        let answer = lab.client.post(&path(&made, "/replay"), &json!({ "from": from })).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
    };
    replay(&json!("0")).await;
    for change in &first {
        assert_eq!(&receiver.next().await.change(secret(&made)), change);
    }
    replay(&first[0]["cursor"]).await;
    for change in &first[1..] {
        assert_eq!(&receiver.next().await.change(secret(&made)), change);
    }
    replay(&first[2]["timestamp"]).await;
    assert_eq!(receiver.next().await.change(secret(&made)), first[2]);
    lab.client.post(&path(&made, "/replay"), &json!({ "from": "000000010000000000000001" })).await.problem(400);
}

#[tokio::test]
async fn every_attempt_is_shown_and_a_dead_letter_can_be_redriven() {
    let mut receiver = Receiver::start().await;
    let lab = Lab::start(&[("i-1", "running")]).await;
    receiver.replies("cb", [Reply::Status(503), Reply::Status(500)]);
    let made = hook(&lab, &receiver, "cb", json!({ "retries": ["1ms"] })).await;
    lab.becomes(&[("i-1", "stopped")]).await;
    let id = receiver.next().await.change(secret(&made))["id"].clone();
    assert_eq!(receiver.next().await.change(secret(&made))["id"], id);
    let is_dead = |list: &Value| list["deliveries"].as_array().is_some_and(|list| list.len() == 1);
    let dead = lab.client.until(&path(&made, "/deliveries?state=dead"), "it is given up", is_dead).await;
    let dead = &dead["deliveries"][0];
    assert_eq!((&dead["change"]["id"], &dead["next_try"]), (&id, &Value::Null));
    assert!(dead["change"].get("track_token").is_none());
    let attempts = dead["attempts"].as_array().expect("a list");
    let codes: Vec<&Value> = attempts.iter().map(|attempt| &attempt["status"]).collect();
    assert_eq!(codes, [503, 500]);
    assert!(attempts.iter().all(|attempt| attempt["duration_ms"].is_u64() && attempt["at"].is_string()));

    // It holds nothing back, and comes once more when it is asked for.
    receiver.replies("cb", [Reply::Status(200)]);
    lab.becomes(&[("i-1", "running")]).await;
    assert_eq!(step(&receiver.next().await.change(secret(&made))), json!(["STOPPED", "RUNNING"]));
    assert_eq!(act(&lab, &made, "redrive").await, json!({ "redriven": 1, "more": false }));
    assert_eq!(receiver.next().await.change(secret(&made))["id"], id);
    let is_done = |list: &Value| {
        let states = list["deliveries"].as_array().map(|list| list.iter().all(|one| one["state"] == "done"));
        states == Some(true)
    };
    lab.client.until(&path(&made, "/deliveries"), "all is done", is_done).await;
}

#[tokio::test]
async fn a_hook_that_is_asked_for_twice_is_made_once() {
    let mut receiver = Receiver::start().await;
    let mut lab = Lab::start(&[("i-1", "running")]).await;
    let body = json!({ "url": receiver.url("cb") });
    let client = lab.client.with_key("5f0c");
    let first = client.post("/api/hooks", &body).await.ok();
    // Not even a crash makes it forget.
    lab.host.kill();
    lab.host.start().await;
    assert_eq!(client.post("/api/hooks", &body).await.ok(), first);
    let other = json!({ "url": receiver.url("other") });
    client.post("/api/hooks", &other).await.problem(422);
    assert_eq!(lab.client.get("/api/hooks").await.ok()["hooks"].as_array().map(Vec::len), Some(1));
    lab.becomes(&[("i-1", "stopped")]).await;
    receiver.next().await.change(secret(&first));
}

#[tokio::test]
async fn the_latest_change_takes_the_place_of_those_that_wait() {
    let mut receiver = Receiver::start().await;
    let lab = Lab::start(&[("i-1", "running")]).await;
    let latest = hook(&lab, &receiver, "latest", json!({ "mode": "latest" })).await;
    act(&lab, &latest, "pause").await;
    for word in ["stopped", "running", "stopping", "stopped"] {
        lab.becomes(&[("i-1", word)]).await;
    }
    act(&lab, &latest, "resume").await;
    assert_eq!(step(&receiver.next().await.change(secret(&latest))), json!(["STOPPING", "STOPPED"]));
    // Nothing else came before it or comes after.
    lab.becomes(&[("i-1", "running")]).await;
    assert_eq!(step(&receiver.next().await.change(secret(&latest))), json!(["STOPPED", "RUNNING"]));
}

#[tokio::test]
async fn a_receiver_is_asked_for_its_consent_where_the_operator_wants_it() {
    const DELIVERY: &str = "[delivery]\nallow_addresses = [\"127.0.0.0/8\"]\nconsent = \"ask\"\n";
    let mut receiver = Receiver::start().await;
    let lab = Lab::with(&[("i-1", "running")], |setup| setup.delivery(DELIVERY)).await;
    receiver.replies("cb", [Reply::Status(200)]);
    let refused = lab.client.post("/api/hooks", &json!({ "url": receiver.url("cb") })).await.problem(400);
    assert_eq!((&refused["type"], &refused["where"]), (&json!("/problems/consent-refused"), &json!("/url")));
    let asked = receiver.next().await;
    assert_eq!(asked.method, "OPTIONS");
    assert_eq!(asked.headers["webhook-request-origin"], "127.0.0.1");

    receiver.replies("cb", [Reply::Consent("127.0.0.1"), Reply::Status(200)]);
    let made = hook(&lab, &receiver, "cb", json!({})).await;
    assert_eq!(receiver.next().await.method, "OPTIONS");
    lab.becomes(&[("i-1", "stopped")]).await;
    receiver.next().await.change(secret(&made));
}

#[tokio::test]
async fn the_feed_gives_what_hooks_are_called_with() {
    let mut receiver = Receiver::start().await;
    let lab = Lab::start(&[("i-1", "running"), ("i-2", "running")]).await;
    let begin = lab.client.get("/api/changes?since=now&id=i-1").await.next_page().expect("always");
    let made = hook(&lab, &receiver, "cb", json!({ "ids": ["i-1"] })).await;
    lab.becomes(&[("i-1", "stopped"), ("i-2", "stopped")]).await;
    let mut called = receiver.next().await.change(secret(&made));
    called.as_object_mut().expect("an object").remove("track_token").expect("it is set");
    let page = lab.client.get(&begin).await;
    let next = page.next_page().expect("always");
    assert_eq!(page.ok(), json!([called]));
    assert_eq!(lab.client.get(&next).await.ok(), json!([]));
}
