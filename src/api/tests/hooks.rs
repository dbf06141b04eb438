//! Hooks as a resource: their members, their actions, and refused requests.

use serde_json::json;

use super::*;
use crate::model::DisableReason;
use crate::model::InstanceState::{Pending, Running, Stopped};
use crate::store::contract::plainly::Plainly as _;
use crate::store::contract::room::GivenRoom;
use crate::store::{Attempt, DeliveryClaim, DueDelivery, Outcome, Settlement, Settling};

const URL: &str = "https://192.88.98.1/cb";
const OTHER_URL: &str = "https://192.88.98.1/other";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

impl House {
    /// A new hook, as the answer to its `POST` shows it.
    async fn hook(&self, body: Value) -> Value {
        let answer = self.post("/api/hooks", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.json()
    }

    /// Claims all that is due, as whoever delivers does.
    pub(super) async fn claim(&self) -> Vec<DueDelivery> {
        let claim = DeliveryClaim {
            now: self.now(),
            lease: Duration::from_secs(60),
            limit: 100,
            room: Arc::new(GivenRoom::ample()),
        };
        self.context.store.claim_due_deliveries(claim).await.expect("claimed")
    }

    pub(super) async fn settle(&self, due: &DueDelivery, outcome: Outcome, attempts: Vec<Attempt>) {
        let settlement = Settlement { id: due.id, lease: due.lease, outcome, now: self.now(), attempts };
        let disable_after = Duration::from_secs(5 * 24 * 3600);
        let settling = Settling { settlements: vec![settlement], disable_after, ..Settling::default() };
        self.context.store.settle(settling).await.expect("settled");
    }

    /// One change of `i-1` for each state.
    async fn i_1_becomes(&self, states: &[InstanceState]) {
        for state in states {
            self.poll(Kind::Instance, vec![instance("i-1", "us", *state)]).await;
        }
    }
}

fn path(hook: &Value, rest: &str) -> String {
    format!("/api/hooks/{}{rest}", hook["id"].as_str().expect("an id"))
}

/// Without what only the first answer has.
fn without_secret(hook: &Value) -> Value {
    let mut hook = hook.clone();
    hook.as_object_mut().expect("an object").remove("secret").expect("a secret");
    hook
}

#[tokio::test]
async fn a_hook_is_made_shown_replaced_and_removed() {
    let house = House::new();
    let answer = house.post("/api/hooks", &json!({ "url": URL, "kinds": ["instance"], "token": "t" })).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let made = answer.json();
    assert_eq!(answer.header("location"), made["href"].as_str());
    assert!(made["secret"].as_str().expect("a secret").starts_with("whsec_"));
    assert_eq!((&made["status"], &made["token"], &made["signing"]), (&json!("active"), &json!(true), &json!("hmac")));
    let shown = house.get(&path(&made, "")).await.ok();
    assert_eq!(shown, without_secret(&made));
    assert_eq!(house.get("/api/hooks").await.ok()["hooks"], json!([shown]));
    assert_eq!(house.get("/api/account").await.ok()["hooks"], 1);

    // What was shown can be sent back, changed or not.
    let mut wanted = shown.clone();
    assert_eq!(house.put_json(&path(&made, ""), &wanted).await.ok(), shown);
    wanted["url"] = json!(OTHER_URL);
    wanted["ids"] = json!(["web-*"]);
    wanted["rate_per_second"] = json!(2.5);
    wanted["retries"] = json!(["5s", "10h"]);
    assert_eq!(house.put_json(&path(&made, ""), &wanted).await.ok(), wanted);
    assert_eq!(house.get(&path(&made, "")).await.ok(), wanted);
    // What is not said again is gone.
    let bare = house.put_json(&path(&made, ""), &json!({ "url": URL })).await.ok();
    assert_eq!((&bare["token"], &bare["ids"], &bare["retries"]), (&json!(false), &json!([]), &json!(null)));
    house.put_json(&path(&made, ""), &json!({ "url": URL, "token": true })).await.problem(409, "hook-conflict");

    let gone = house.delete(&path(&made, "")).await;
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    house.get(&path(&made, "")).await.problem(404, "hook-not-found");
    assert_eq!(house.get("/api/hooks").await.ok()["hooks"], json!([]));
}

#[tokio::test]
async fn nothing_that_is_not_there_can_be_done_something_with() {
    let house = House::new();
    for number in ["7", "0", "-1", "07", "x", "99999999999999999999"] {
        let path = format!("/api/hooks/{number}");
        house.get(&path).await.problem(404, "hook-not-found");
        house.delete(&path).await.problem(404, "hook-not-found");
        house.put_json(&path, &json!({ "url": URL })).await.problem(404, "hook-not-found");
        house.get(&format!("{path}/deliveries")).await.problem(404, "hook-not-found");
        for action in ["test", "pause", "resume", "rotate", "redrive"] {
            house.post(&format!("{path}/{action}"), &Value::Null).await.problem(404, "hook-not-found");
        }
        house.post(&format!("{path}/replay"), &json!({ "from": "0" })).await.problem(404, "hook-not-found");
    }
}

#[tokio::test]
async fn a_hook_is_its_accounts_alone() {
    let house = House::new();
    let made = house.hook(json!({ "url": URL })).await;
    // The stub knows one user; another account of the store has a hook of its own.
    let other = Enrolment { key: key("other"), origin: Origin::Client, password: Sealed(vec![]), now: NOW };
    let other = house.context.store.enrol(other).await.expect("enrolled");
    let place = crate::store::HookPlace {
        account: other,
        owner: crate::model::Owner::Account,
        hook: crate::model::HookId(made["id"].as_str().expect("an id").parse().expect("a number")),
    };
    assert!(house.context.store.hook(&place).await.expect("asked").is_none());
    assert!(!house.context.store.remove_hook(&place).await.expect("asked"));
    house.get(&path(&made, "")).await.ok();
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let house = House::new();
    for number in 0..5 {
        house.hook(json!({ "url": URL, "description": format!("{number}") })).await;
    }
    let (mut path, mut seen) = ("/api/hooks?limit=2".to_owned(), Vec::new());
    loop {
        let page = house.get(&path).await;
        let next = page.header("link").map(|link| link[1..link.find('>').expect("a link")].to_owned());
        let page = page.ok();
        let hooks = page["hooks"].as_array().expect("a list");
        assert!(hooks.len() <= 2);
        seen.extend(hooks.iter().map(|hook| hook["description"].as_str().expect("text").to_owned()));
        let Some(next) = next else { break };
        path = next.strip_prefix("https://tracker.example").expect("a link into the API").to_owned();
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4"]);
    house.get("/api/hooks?after=elsewhere").await.problem(400, "invalid-parameter");
    house.get("/api/hooks?limit=0").await.problem(400, "invalid-parameter");
    house.get("/api/hooks?color=red").await.problem(400, "unknown-parameter");
}

#[tokio::test]
async fn what_cant_be_a_hook_is_refused_with_its_place() {
    let house = House::with(|settings| settings.hooks_per_account = 1);
    let check = async |body: Value, slug: &str, place: Value| {
        let problem = house.post("/api/hooks", &body).await.problem(400, slug);
        assert_eq!(problem["where"], place, "{problem}");
        problem
    };
    check(json!({}), "invalid-member", json!("/url")).await;
    check(json!({ "url": "/cb" }), "invalid-hook", json!("/url")).await;
    check(json!({ "url": "http://10.0.0.1/" }), "hook-address-closed", json!("/url")).await;
    check(json!({ "url": URL, "types": ["instance.state", "x"] }), "invalid-member", json!("/types/1")).await;
    check(json!({ "url": URL, "token": true }), "invalid-member", json!("/token")).await;
    let unknown = check(json!({ "url": URL, "color": "red" }), "unknown-member", json!(null)).await;
    assert_eq!(unknown["member"], "color");
    assert_eq!(unknown["known"][0], "url");
    let right = basic("user", "right");
    let form = [("authorization", right.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    house.send("POST", "/api/hooks", &form, "url=x").await.problem(415, "unsupported-media-type");
    let json_type = [("authorization", right.as_str()), JSON];
    house.send("POST", "/api/hooks", &json_type, "{").await.problem(400, "malformed-request");
    assert_eq!(house.get("/api/account").await.ok()["hooks"], 0);

    let made = house.hook(json!({ "url": URL })).await;
    let problem = house.post("/api/hooks", &json!({ "url": URL })).await.problem(403, "too-many-hooks");
    assert_eq!(problem["limit"], 1);
    let closed = json!({ "url": "http://127.0.0.1/" });
    house.put_json(&path(&made, ""), &closed).await.problem(400, "hook-address-closed");
    for action in ["test", "pause", "resume"] {
        house.post(&path(&made, &format!("/{action}")), &json!({ "x": 1 })).await.problem(400, "unknown-member");
    }
}

#[tokio::test]
async fn filters_of_all_hooks_of_an_account_are_bounded_together() {
    let house = House::with(|settings| settings.filter_items_per_account = 4);
    let hook = |ids: &[&str], types: &[&str]| json!({ "url": URL, "ids": ids, "types": types });
    let first = house.hook(hook(&["a", "b"], &["instance.state"])).await;
    let refused = house.post("/api/hooks", &hook(&["c", "d"], &[])).await.problem(403, "too-many-filter-items");
    assert_eq!(refused["limit"], 4);
    let second = house.hook(hook(&["c"], &[])).await;
    house.hook(hook(&[], &[])).await;
    let more = hook(&["c"], &["instance.state"]);
    house.put_json(&path(&second, ""), &more).await.problem(403, "too-many-filter-items");
    // What is not more is taken at the bound, too; and what is given up is free for others.
    house.put_json(&path(&first, ""), &hook(&["a", "b", "c"], &[])).await.ok();
    house.put_json(&path(&first, ""), &hook(&["a*"], &[])).await.ok();
    house.put_json(&path(&second, ""), &more).await.ok();
    assert_eq!(house.delete(&path(&second, "")).await.status, 204);
    house.hook(hook(&["c", "d", "e"], &[])).await;
    house.post("/api/hooks", &hook(&["f"], &[])).await.problem(403, "too-many-filter-items");
}

#[tokio::test]
async fn a_page_of_large_hooks_ends_early() {
    const HOOKS: usize = 12;
    let store = sqlite::Settings { page_bytes: 128 * 1024, ..Default::default() };
    let house = House::at(tempfile::tempdir().expect("a folder"), store, |_| {});
    let ids: Vec<String> = (0..200).map(|number| format!("{number:0>200}")).collect();
    for _ in 0..HOOKS {
        house.hook(json!({ "url": URL, "ids": ids })).await;
    }
    let (mut path, mut seen, mut pages) = ("/api/hooks?limit=1000".to_owned(), 0, 0);
    loop {
        let answer = house.get(&path).await;
        assert!(answer.body.len() < 256 * 1024, "{} bytes are one page", answer.body.len());
        let next = answer.header("link").map(|link| link[1..link.find('>').expect("a link")].to_owned());
        seen += answer.ok()["hooks"].as_array().expect("hooks").len();
        pages += 1;
        let Some(next) = next else { break };
        path = next.strip_prefix("https://tracker.example").expect("a link into the API").to_owned();
    }
    assert!(seen == HOOKS && pages > 2, "{seen} hooks are on {pages} pages");
}

/// Otherwise anyone who may set a hook could ask the host which names there are inside.
#[tokio::test]
async fn a_name_that_leads_inside_is_answered_as_one_that_there_is_not() {
    let house = House::new();
    let mut answers = Vec::new();
    for name in ["localhost", "no-such-host.invalid"] {
        let made = house.post("/api/hooks", &json!({ "url": format!("http://{name}/") })).await;
        assert_eq!(made.status, 201, "{name}: {}", made.body);
        let mut hook = made.json();
        for own in ["id", "href", "url", "secret"] {
            hook.as_object_mut().expect("an object").remove(own);
        }
        answers.push(hook);
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn a_hook_set_on_a_resource_is_among_the_hooks() {
    let house = House::new();
    house.i_1_becomes(&[Pending]).await;
    let track = house.put("/api/instances/i-1", &format!("track_hook={URL}&track_token=t")).await.ok()["track"].clone();
    let hook = house.get(&path(&track, "")).await.ok();
    let href = "https://tracker.example/api/instances/i-1";
    assert_eq!(hook["track"], json!({ "kind": "instance", "id": "i-1", "href": href }));
    assert_eq!(house.get("/api/hooks").await.ok()["hooks"], json!([hook]));

    // All of it can be changed but what it hears of.
    let mut wanted = hook.clone();
    wanted["format"] = json!("cloudevents");
    assert_eq!(house.put_json(&path(&track, ""), &wanted).await.ok(), wanted);
    wanted["ids"] = json!(["i-1"]);
    let problem = house.put_json(&path(&track, ""), &wanted).await.problem(409, "hook-conflict");
    assert_eq!(problem["where"], "/ids");
    house.put("/api/instances/i-1", "track_hook=none").await.ok();
    house.get(&path(&track, "")).await.problem(404, "hook-not-found");
}

#[tokio::test]
async fn a_paused_hook_is_sent_nothing_until_it_is_resumed() {
    let house = House::new();
    house.i_1_becomes(&[Pending]).await;
    let made = house.hook(json!({ "url": URL })).await;
    for _ in 0..2 {
        assert_eq!(house.post(&path(&made, "/pause"), &Value::Null).await.ok()["status"], "paused");
    }
    house.i_1_becomes(&[Running]).await;
    assert!(house.claim().await.is_empty());
    let signals = house.fresh_signals();
    assert_eq!(house.post(&path(&made, "/resume"), &json!({})).await.ok()["status"], "active");
    // Whoever delivers was woken.
    signals.deliveries.notified().await;
    let limits = crate::store::CatchUp { changes: 100, backlog: 100 };
    while house.context.store.catch_up(house.now(), limits).await.expect("caught up") == crate::store::CaughtUp::Some {}
    let due = house.claim().await;
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].change.what.new_state, Some(State::Instance(Running)));
}

#[tokio::test]
async fn a_disabled_hook_is_shown_so_and_goes_on_when_it_is_set_again() {
    let house = House::new();
    house.i_1_becomes(&[Pending]).await;
    let form = format!("track_hook={URL}");
    let set = house.put("/api/instances/i-1", &form).await.ok()["track"].clone();
    house.i_1_becomes(&[Running]).await;
    let due = house.claim().await;
    house.settle(&due[0], Outcome::Disable(DisableReason::Gone), vec![]).await;
    let hook = house.get(&path(&set, "")).await.ok();
    assert_eq!((&hook["status"], &hook["disabled"]["reason"]), (&json!("disabled"), &json!("gone")));
    assert_eq!(house.get("/api/instances/i-1").await.ok()["track"]["status"], "disabled");

    let again = house.put("/api/instances/i-1", &form).await.ok()["track"].clone();
    assert_eq!((&again["id"], &again["status"]), (&set["id"], &json!("active")));
    assert!(again.get("secret").is_none(), "it is the same hook: {again}");
    let hook = house.get(&path(&set, "")).await.ok();
    assert_eq!((&hook["status"], &hook["disabled"]), (&json!("active"), &json!(null)));
    // What its client paused stays so.
    house.post(&path(&set, "/pause"), &Value::Null).await.ok();
    assert_eq!(house.put("/api/instances/i-1", &form).await.ok()["track"]["status"], "paused");
}

#[tokio::test]
async fn a_key_is_rotated() {
    let house = House::new();
    let made = house.hook(json!({ "url": URL, "secret": SECRET })).await;
    assert_eq!(made["secret"], SECRET);
    assert_eq!(made["secret_rotates_until"], json!(null));
    let rotated = house.post(&path(&made, "/rotate"), &Value::Null).await.ok();
    let secret = rotated["secret"].as_str().expect("a secret");
    assert!(secret.starts_with("whsec_") && secret != SECRET);
    assert_eq!(rotated["secret_rotates_until"], NOW.after(Duration::from_secs(24 * 3600)).to_string());
    assert_eq!(house.get(&path(&made, "")).await.ok(), without_secret(&rotated));

    let own = house.post(&path(&made, "/rotate"), &json!({ "overlap": "1h", "secret": SECRET })).await.ok();
    assert_eq!((&own["secret"], &own["signing"]), (&json!(SECRET), &json!("hmac")));
    assert_eq!(own["secret_rotates_until"], NOW.after(Duration::from_secs(3600)).to_string());
    house.clock.advance(Duration::from_secs(3600));
    assert_eq!(house.get(&path(&made, "")).await.ok()["secret_rotates_until"], json!(null));
    for (body, place) in [
        (json!({ "overlap": "8 days" }), "/overlap"),
        (json!({ "overlap": 60 }), "/overlap"),
        (json!({ "secret": "whsec_x" }), "/secret"),
    ] {
        let problem = house.post(&path(&made, "/rotate"), &body).await.problem(400, "invalid-member");
        assert_eq!(problem["where"], place);
    }
}

#[tokio::test]
async fn of_a_key_pair_only_the_public_half_is_shown() {
    let house = House::new();
    let made = house.post("/api/hooks", &json!({ "url": URL, "signing": "ed25519" })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let rotate = path(&made.json(), "/rotate");
    let rotated = house.post(&rotate, &Value::Null).await;
    let made_again = house.get(&path(&made.json(), "")).await;
    for answer in [&made, &rotated, &made_again] {
        assert!(!answer.body.contains("whsk_") && !answer.body.contains("\"secret\""), "{}", answer.body);
        assert_eq!(answer.json()["signing"], "ed25519");
        assert!(answer.json()["public_key"].as_str().is_some_and(|key| key.starts_with("whpk_")));
    }
    assert_ne!(made.json()["public_key"], rotated.json()["public_key"]);
    assert_eq!(rotated.json()["public_key"], made_again.json()["public_key"]);
    house.post(&rotate, &json!({ "secret": SECRET })).await.problem(409, "hook-conflict");
    // It stays of its kind, and can be sent back as it was shown.
    house.put_json(&path(&made.json(), ""), &made_again.json()).await.ok();
    let other = json!({ "url": URL, "signing": "hmac" });
    house.put_json(&path(&made.json(), ""), &other).await.problem(400, "invalid-member");
}

#[tokio::test]
async fn a_test_reaches_its_hook_whatever_the_filter() {
    let house = House::new();
    let made = house.hook(json!({ "url": URL, "kinds": ["realm"] })).await;
    let signals = house.fresh_signals();
    let answer = house.post(&path(&made, "/test"), &Value::Null).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    signals.deliveries.notified().await;
    let due = house.claim().await;
    assert_eq!(due.len(), 1);
    assert_eq!(answer.json()["change"], due[0].change.id.to_string());
    assert_eq!(due[0].change.what.change_type, ChangeType::HookTest);
}

#[tokio::test]
async fn deliveries_are_shown_with_every_attempt() {
    let house = House::new();
    house.i_1_becomes(&[Pending]).await;
    let made = house.hook(json!({ "url": URL, "token": "hidden" })).await;
    house.i_1_becomes(&[Running, Stopped]).await;
    let due = house.claim().await;
    let attempts = vec![
        Attempt {
            at: NOW,
            duration: Some(Duration::from_millis(12)),
            status: Some(500),
            error: None,
            answer: Some("oh".into()),
        },
        Attempt {
            at: NOW.after(Duration::from_secs(1)),
            duration: Some(Duration::from_secs(20)),
            status: None,
            error: Some("no answer came in time".into()),
            answer: None,
        },
        Attempt {
            at: NOW.after(Duration::from_secs(2)),
            duration: None,
            status: None,
            error: Some("no connection could be made".into()),
            answer: None,
        },
    ];
    let retry = NOW.after(Duration::from_secs(5));
    house.settle(&due[0], Outcome::Retry { due: retry }, attempts).await;

    let all = house.get(&path(&made, "/deliveries")).await;
    assert!(all.header("link").is_none() && !all.body.contains("hidden"));
    let all = all.ok();
    let all = all["deliveries"].as_array().expect("a list");
    assert_eq!(all.len(), 2);
    assert_eq!((&all[0]["change"]["new_state"], &all[0]["state"]), (&json!("STOPPED"), &json!("waiting")));
    assert_eq!((&all[0]["next_try"], &all[0]["attempts"]), (&json!(null), &json!([])));
    assert_eq!(all[1]["next_try"], retry.to_string());
    assert_eq!(
        all[1]["attempts"],
        json!([
            { "at": NOW.to_string(), "duration_ms": 12, "status": 500, "error": null, "answer": "oh" },
            { "at": NOW.after(Duration::from_secs(1)).to_string(), "duration_ms": 20_000, "status": null,
              "error": "no answer came in time", "answer": null },
            { "at": NOW.after(Duration::from_secs(2)).to_string(), "duration_ms": null, "status": null,
              "error": "no connection could be made", "answer": null },
        ])
    );

    let first = house.get(&path(&made, "/deliveries?limit=1")).await;
    let cursor = all[0]["change"]["cursor"].as_str().expect("a cursor");
    let next = path(&made, &format!("/deliveries?limit=1&after={cursor}"));
    assert_eq!(first.header("link"), Some(format!("<https://tracker.example{next}>; rel=\"next\"").as_str()));
    assert_eq!(house.get(&next).await.ok()["deliveries"], json!([all[1]]));
    assert_eq!(house.get(&path(&made, "/deliveries?state=dead")).await.ok()["deliveries"], json!([]));
    let check = async |query: &str, slug: &str| {
        house.get(&path(&made, &format!("/deliveries?{query}"))).await.problem(400, slug);
    };
    check("state=new", "invalid-parameter").await;
    check("after=x", "invalid-parameter").await;
    check("after=000000000000000000000001", "foreign-cursor").await;
    check("color=red", "unknown-parameter").await;
}

#[tokio::test]
async fn dead_letters_are_redriven() {
    let house = House::with(|settings| settings.redriven = 1);
    house.i_1_becomes(&[Pending]).await;
    let made = house.hook(json!({ "url": URL })).await;
    house.i_1_becomes(&[Running, Stopped]).await;
    for _ in 0..2 {
        let due = house.claim().await;
        house.settle(&due[0], Outcome::Dead, vec![]).await;
    }
    let dead = house.get(&path(&made, "/deliveries?state=dead")).await.ok();
    let dead = dead["deliveries"].as_array().expect("a list");
    assert_eq!(dead.len(), 2);

    let one = house.post(&path(&made, "/redrive"), &json!({ "change": dead[0]["change"]["id"] })).await;
    assert_eq!((one.status, one.json()), (202, json!({ "redriven": 1, "more": false })));
    let again = house.post(&path(&made, "/redrive"), &json!({ "change": dead[0]["change"]["id"] })).await;
    again.problem(409, "no-dead-letter");
    let rest = house.post(&path(&made, "/redrive"), &Value::Null).await;
    assert_eq!((rest.status, rest.json()), (202, json!({ "redriven": 1, "more": true })));
    assert_eq!(house.post(&path(&made, "/redrive"), &json!({})).await.json()["redriven"], 0);
    assert_eq!(house.claim().await.len(), 1);
    house.post(&path(&made, "/redrive"), &json!({ "change": "x" })).await.problem(400, "invalid-member");
}

#[tokio::test]
async fn a_replay_begins_where_it_is_told() {
    let house = House::new();
    house.i_1_becomes(&[Pending, Running]).await;
    let made = house.hook(json!({ "url": URL })).await;
    let answer = house.post(&path(&made, "/replay"), &json!({ "from": "0" })).await;
    assert_eq!((answer.status, answer.json()), (202, json!({ "from": "0" })));
    let limits = crate::store::CatchUp { changes: 100, backlog: 100 };
    while house.context.store.catch_up(house.now(), limits).await.expect("caught up") == crate::store::CaughtUp::Some {}
    let due = house.claim().await;
    assert_eq!(due.len(), 1, "the oldest of the one instance");
    let cursor = due[0].change.cursor.to_string();
    for from in [cursor.as_str(), "2026-11-22T09:00:00Z"] {
        assert_eq!(house.post(&path(&made, "/replay"), &json!({ "from": from })).await.status, 202);
    }
    let check = async |body: Value, slug: &str| {
        house.post(&path(&made, "/replay"), &body).await.problem(400, slug);
    };
    check(json!({}), "invalid-member").await;
    check(json!({ "from": "2030-01-01T00:00:00Z" }), "invalid-member").await;
    check(json!({ "from": 0 }), "invalid-member").await;
    check(json!({ "from": "000000000000000000000001" }), "foreign-cursor").await;
}

#[tokio::test]
async fn a_page_of_deliveries_counts_those_that_cannot_be_read() {
    let house = House::new();
    house.poll(Kind::Instance, vec![]).await;
    let hook = house.post("/api/hooks", &json!({ "url": "https://192.88.98.1/cb" })).await.json();
    let path = format!("/api/hooks/{}/deliveries", hook["id"].as_str().expect("an id"));
    let seen = ["i-1", "i-2"].map(|id| instance(id, "us", Running));
    house.poll(Kind::Instance, seen.into()).await;
    let page = house.get(&path).await.ok();
    assert_eq!((page["deliveries"].as_array().map(Vec::len), &page["damaged"]), (Some(2), &json!(0)));
    let damage =
        "UPDATE deliveries SET history = -1 WHERE change IN (SELECT sequence FROM changes WHERE resource = 'i-1')";
    house.store.execute(damage).await.expect("damaged");
    let claim = DeliveryClaim {
        now: house.now(),
        lease: Duration::from_secs(60),
        limit: 10,
        room: Arc::new(GivenRoom::ample()),
    };
    assert_eq!(house.context.store.claim_due_deliveries(claim).await.expect("claimed").len(), 1);
    assert_eq!(house.get(&path).await.ok()["damaged"], json!(1));
    assert_eq!(house.get(&format!("{path}?limit=1")).await.ok()["damaged"], json!(1), "on whichever page");
}
