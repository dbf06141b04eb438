//! Pending changes that are read with a lease, and acknowledged.

use serde_json::json;

use super::*;
use crate::model::InstanceState::{Pending, Running, Stopped};

const HOOK: &str = "https://192.88.98.1/cb";

/// With one hook on everything, for which `number` changes are pending.
async fn with_pending(number: usize) -> House {
    let house = House::new();
    house.poll(Kind::Instance, vec![instance("i-1", "us", Pending)]).await;
    house.post("/api/hooks", &json!({ "url": HOOK })).await;
    for at in 0..number {
        house.poll(Kind::Instance, vec![instance("i-1", "us", if at % 2 == 0 { Running } else { Stopped })]).await;
    }
    house
}

fn states(page: &Value) -> Vec<String> {
    let changes = page["changes"].as_array().expect("a list");
    changes.iter().map(|change| change["new_state"].as_str().expect("a state").to_owned()).collect()
}

async fn acknowledge(house: &House, lease: &Value, cursor: &Value) -> Answer {
    house.post("/api/changes/acknowledge", &json!({ "lease": lease, "cursor": cursor })).await
}

#[tokio::test]
async fn what_is_read_with_a_lease_is_pending_until_it_is_acknowledged() {
    let house = with_pending(3).await;
    let page = house.get("/api/changes?lease=60").await.ok();
    assert_eq!(states(&page), ["RUNNING", "STOPPED", "RUNNING"]);
    let lease = &page["lease"];
    assert_eq!(lease["expires_at"], json!(house.now().after(Duration::from_secs(60))));
    let nobody_else = house.get("/api/changes?lease=60").await.ok();
    assert_eq!(nobody_else, json!({ "changes": [] }), "it is lent");
    assert_eq!(house.get("/api/changes").await.ok(), json!([]));

    // A part of it; the same again; and what the lease's end gives back.
    let done = acknowledge(&house, &lease["id"], &page["changes"][0]["cursor"]).await.ok();
    assert_eq!(done, json!({ "acknowledged": 1 }));
    let again = acknowledge(&house, &lease["id"], &page["changes"][0]["cursor"]).await.ok();
    assert_eq!(again, json!({ "acknowledged": 0 }));
    house.clock.advance(Duration::from_secs(60));
    let page = house.get("/api/changes?lease=60&limit=1").await;
    assert!(page.header("link").is_some_and(|link| link.contains("lease=60") && link.contains("limit=1")));
    let page = page.ok();
    assert_eq!(states(&page), ["STOPPED"]);
    let late = acknowledge(&house, &lease["id"], &page["changes"][0]["cursor"]).await.ok();
    assert_eq!(late, json!({ "acknowledged": 0 }), "another lease has it now");
    let done = acknowledge(&house, &page["lease"]["id"], &page["changes"][0]["cursor"]).await.ok();
    assert_eq!(done, json!({ "acknowledged": 1 }));
    assert_eq!(house.get("/api/changes").await.ok().as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_lease_is_its_owners_alone() {
    let house = with_pending(2).await;
    let made = house.post("/api/tokens", &json!({ "name": "ci", "scope": "track" })).await.json();
    let token = made["token"].as_str().expect("a token").to_owned();
    let read = house.post("/api/tokens", &json!({ "name": "look", "scope": "read" })).await.json();
    let read = read["token"].as_str().expect("a token").to_owned();
    let page = house.get("/api/changes?lease=60").await.ok();
    let body = json!({ "lease": page["lease"]["id"], "cursor": page["changes"][1]["cursor"] }).to_string();
    let as_token = async |token: &str| {
        let authorization = format!("Bearer {token}");
        house.send("POST", "/api/changes/acknowledge", &[("authorization", &authorization), JSON], &body).await
    };
    assert_eq!(as_token(&token).await.ok(), json!({ "acknowledged": 0 }));
    as_token(&read).await.problem(403, "insufficient-scope");
    let done = house.post("/api/changes/acknowledge", &serde_json::from_str(&body).expect("JSON")).await.ok();
    assert_eq!(done, json!({ "acknowledged": 2 }));
}

#[tokio::test]
async fn what_is_wrong_with_a_lease_is_said() {
    let house = with_pending(1).await;
    for wrong in ["0", "3601", "-1", "60s", "", "1.5"] {
        house.get(&format!("/api/changes?lease={wrong}")).await.problem(400, "invalid-parameter");
    }
    house.get("/api/changes?lease=60&limit=0").await.problem(400, "invalid-parameter");
    house.get("/api/changes?lease=60&kind=instance").await.problem(400, "unknown-parameter");
    let page = house.get("/api/changes?lease=60").await.ok();
    let (lease, cursor) = (&page["lease"]["id"], &page["changes"][0]["cursor"]);
    acknowledge(&house, &json!("x"), cursor).await.problem(400, "invalid-member");
    acknowledge(&house, lease, &json!("x")).await.problem(400, "invalid-member");
    acknowledge(&house, lease, &json!("00b259fe0000000000000001")).await.problem(400, "foreign-cursor");
    house.post("/api/changes/acknowledge", &json!({ "lease": lease })).await.problem(400, "invalid-member");
    assert_eq!(acknowledge(&house, lease, cursor).await.ok(), json!({ "acknowledged": 1 }));
}

#[tokio::test]
async fn a_page_that_did_not_arrive_is_pending_again() {
    let house = with_pending(2).await;
    let request = Request::builder().uri("/api/changes").header("host", "tracker.example");
    let request = request.header("authorization", basic("user", "right")).body(Body::empty()).expect("a request");
    let Ok(mut response) = TowerToHyperService::new(house.router.clone()).call(request).await;
    let receipt = response.extensions_mut().remove::<Receipt>().expect("a receipt");
    assert_eq!(house.get("/api/changes?lease=60").await.ok(), json!({ "changes": [] }));
    receipt.lost().await;
    assert_eq!(house.get("/api/changes").await.ok().as_array().map(Vec::len), Some(2));
    assert_eq!(house.get("/api/changes").await.ok(), json!([]));
    // Over HTTP/2 it can't be told.
    let request = Request::builder().uri("/api/changes").version(axum::http::Version::HTTP_2);
    let request = request.header("host", "tracker.example").header("authorization", basic("user", "right"));
    let request = request.body(Body::empty()).expect("a request");
    let Ok(refused) = TowerToHyperService::new(house.router.clone()).call(request).await;
    assert_eq!(refused.status(), 400);
}
