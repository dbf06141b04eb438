//! Answers while the store can't be written: readiness names the work that keeps failing, and reading continues.

use serde_json::json;

use super::*;
use crate::metrics::Operation;
use crate::model::InstanceState::Running;

const HOOK: &str = "https://192.88.98.1/cb";

#[tokio::test]
async fn a_full_disk_is_answered_with_507_and_reading_goes_on() {
    let house = House::new();
    house.poll(Kind::Instance, vec![instance("i-1", "us", Running)]).await;
    let put = async |number: usize| {
        house.put(&format!("/api/instances/i-{number}"), &format!("track_hook={HOOK}/{number}")).await
    };
    put(1).await.ok();
    // No lower than what is there: some fit in yet.
    house.store.execute("PRAGMA max_page_count = 1").await.expect("limited");
    let mut number = 2;
    let refused = loop {
        let answer = put(number).await;
        if answer.status >= 300 {
            break answer;
        }
        number += 1;
        assert!(number < 5000, "there is no end of room");
    };
    assert_eq!(refused.header("retry-after"), Some("5"));
    refused.problem(507, "store-full");
    assert_eq!(house.get("/api/instances/i-1").await.ok()["id"], json!("i-1"));
    let hooks = house.get("/api/account").await.ok()["hooks"].as_u64().expect("a number");
    assert!(hooks >= number as u64 - 1, "{hooks} of {number}");
    assert_eq!(house.get("/metrics").await.status, 200);

    house.store.execute("PRAGMA max_page_count = 1000000").await.expect("there is room again");
    assert!(put(number).await.status < 300);
}

#[tokio::test]
async fn readiness_names_what_keeps_failing_until_it_succeeds() {
    let house = House::new();
    let metrics = Arc::clone(&house.context.metrics);
    house.get("/readyz").await.ok();
    let since = house.now();
    for failures in 1..=3 {
        house.get("/readyz").await.ok();
        metrics.work.failed(Operation::SettleDeliveries, house.now(), "disk-failed");
        if failures < 3 {
            house.clock.advance(Duration::from_secs(3));
        }
    }
    let unready = house.get("/readyz").await;
    assert_eq!(unready.header("retry-after"), Some("5"));
    let problem = unready.problem(503, "store-unavailable");
    let failing = json!([{
        "operation": "settle-deliveries",
        "since": since,
        "failures": 3,
        "error": "disk-failed",
        "last_success": null,
    }]);
    assert_eq!(problem["failing"], failing);
    let text = house.get("/metrics").await.body;
    assert!(text.contains(r#"tracker_store_failures_in_a_row{operation="settle-deliveries"} 3"#), "{text}");
    metrics.work.succeeded(Operation::SettleDeliveries, house.now());
    house.get("/readyz").await.ok();
}

#[tokio::test]
async fn an_account_shows_polls_that_could_not_be_recorded() {
    let house = House::new();
    house.poll(Kind::Instance, vec![instance("i-1", "us", Running)]).await;
    let account = house.account().await;
    house.clock.advance(Duration::from_secs(7));
    let health = house.context.metrics.work.health();
    health.unrecorded(account, Kind::Instance, house.now(), "disk-full");
    let shown = house.get("/api/account").await.ok();
    let poll = &shown["polls"]["instances"];
    assert_eq!((&poll["last_error"]["code"], &poll["failures"]), (&json!("store"), &json!(1)));
    assert_eq!(poll["last_error"]["at"], json!(house.now()));
    let message = poll["last_error"]["message"].as_str().expect("a message");
    assert!(message.contains("its disk is full"), "{message}");

    house.poll(Kind::Instance, vec![instance("i-1", "us", Running)]).await;
    house.context.metrics.work.health().recorded(account, Kind::Instance);
    assert_eq!(house.get("/api/account").await.ok()["polls"]["instances"]["last_error"], json!(null));
}

#[tokio::test]
async fn an_account_shows_a_poll_that_cannot_be_begun() {
    let house = House::new();
    house.poll(Kind::Instance, vec![instance("i-1", "us", Running)]).await;
    house.put("/api/instances/i-1", &format!("track_hook={HOOK}")).await.ok();
    let metrics = Arc::clone(&house.context.metrics);
    metrics.work.failed(Operation::ClaimPolls, house.now(), "disk-full");
    let failed = house.now();
    house.clock.advance(Duration::from_secs(600));
    let shown = house.get("/api/account").await.ok();
    let poll = &shown["polls"]["instances"];
    assert_eq!(poll["waiting"], json!({ "why": "store", "until": null }));
    assert_eq!((&poll["last_error"]["code"], &poll["last_error"]["at"]), (&json!("store"), &json!(failed)));
    let message = poll["last_error"]["message"].as_str().expect("a message");
    assert!(message.contains("its disk is full"), "{message}");

    metrics.work.succeeded(Operation::ClaimPolls, house.now());
    assert_eq!(house.get("/api/account").await.ok()["polls"]["instances"]["last_error"], json!(null));
}

#[tokio::test]
async fn who_waits_for_a_poll_hears_at_once_that_it_could_not_be_recorded() {
    for (error, status, slug) in [("disk-full", 507, "store-full"), ("disk-failed", 503, "store-unavailable")] {
        // For a poll of which nothing is heard, it would wait beyond every patience.
        let house = House::with(|settings| settings.poll_wait = Duration::from_secs(3600));
        let account = house.account().await;
        for (method, path) in [("POST", "/api/refresh?kind=instance"), ("GET", "/api/instances")] {
            let authorization = basic("user", "right");
            let headers = [("authorization", authorization.as_str())];
            let signals = house.fresh_signals();
            let asked = house.send(method, path, &headers, "");
            let fails = async {
                signals.polls.notified().await;
                house.clock.advance(Duration::from_secs(1));
                house.context.metrics.work.health().unrecorded(account, Kind::Instance, house.now(), error);
                house.polled.send_modify(|polls| *polls += 1);
            };
            let (answer, ()) = tokio::join!(asked, fails);
            assert_eq!(answer.header("retry-after"), Some("5"), "{method} {path}");
            assert_eq!(answer.problem(status, slug)["code"], error, "{method} {path}");
        }
        // A list that there was is an answer.
        house.poll(Kind::Instance, vec![instance("i-1", "us", Running)]).await;
        house.clock.advance(Duration::from_secs(3600));
        let signals = house.fresh_signals();
        let asked = house.get("/api/instances");
        let fails = async {
            signals.polls.notified().await;
            house.context.metrics.work.health().unrecorded(account, Kind::Instance, house.now(), error);
            house.polled.send_modify(|polls| *polls += 1);
        };
        let (answer, ()) = tokio::join!(asked, fails);
        assert_eq!(ids(&answer.ok(), "instances"), ["i-1"]);
    }
}
