//! `Idempotency-Key`: one that comes again is answered as the first was, and done once.

use serde_json::json;

use super::*;
use crate::store::{Begun, RepeatableRequest, RequestId};

const URL: &str = "https://192.88.98.1/cb";

fn hook() -> Value {
    json!({ "url": URL })
}

async fn hooks(house: &House) -> usize {
    house.get("/api/hooks").await.ok()["hooks"].as_array().expect("a list").len()
}

#[tokio::test]
async fn the_first_answer_is_the_answer_to_all() {
    let house = House::new();
    let first = house.post_keyed("/api/hooks", Some("k"), &hook()).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None));
    let again = house.post_keyed("/api/hooks", Some("k"), &hook()).await;
    assert_eq!((again.status, again.body.as_str()), (201, first.body.as_str()), "with its secret");
    for header in ["location", "content-type"] {
        assert_eq!(again.header(header), first.header(header), "{header}");
    }
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(hooks(&house).await, 1);
    house.post_keyed("/api/hooks", Some("K"), &hook()).await;
    assert_eq!(hooks(&house).await, 2, "another key is another request");

    // An error is an answer, too.
    let refused = house.post_keyed("/api/hooks", Some("e"), &json!({})).await;
    refused.problem(400, "invalid-member");
    let again = house.post_keyed("/api/hooks", Some("e"), &json!({})).await;
    again.problem(400, "invalid-member");
    assert_eq!((again.header("idempotency-replayed"), &again.body), (Some("true"), &refused.body));
}

#[tokio::test]
async fn a_key_belongs_to_one_request() {
    let house = House::new();
    let made = house.post_keyed("/api/hooks", Some("k"), &hook()).await.json();
    let other = json!({ "url": URL, "mode": "latest" });
    house.post_keyed("/api/hooks", Some("k"), &other).await.problem(422, "idempotency-key-reused");
    let test = format!("/api/hooks/{}/test", made["id"].as_str().expect("an id"));
    house.post_keyed(&test, Some("k"), &Value::Null).await.problem(422, "idempotency-key-reused");
    assert_eq!(hooks(&house).await, 1);
    for action in ["test", "pause", "resume", "rotate", "redrive"] {
        let path = format!("/api/hooks/{}/{action}", made["id"].as_str().expect("an id"));
        let first = house.post_keyed(&path, Some(action), &Value::Null).await;
        let again = house.post_keyed(&path, Some(action), &Value::Null).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body), "{action}");
        assert_eq!(again.header("idempotency-replayed"), Some("true"), "{action}");
    }
    house.post_keyed("/api/hooks", Some("a b"), &hook()).await.problem(400, "invalid-idempotency-key");
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let house = House::new();
    house.post_keyed("/api/hooks", Some("k"), &hook()).await;
    house.clock.advance(Duration::from_secs(24 * 3600));
    house.post_keyed("/api/hooks", Some("k"), &hook()).await;
    assert_eq!(hooks(&house).await, 1);
    house.clock.advance(Duration::from_secs(1));
    house.post_keyed("/api/hooks", Some("k"), &hook()).await;
    assert_eq!(hooks(&house).await, 2);
}

#[tokio::test]
async fn while_the_first_is_under_way_the_second_waits_its_turn() {
    let house = House::new();
    let account = house.account().await;
    let body = hook().to_string();
    let request = RepeatableRequest {
        id: RequestId { account, owner: crate::model::Owner::Account, key: "k".into() },
        fingerprint: house.context.vault.keyed_hash(&[b"POST", b"/api/hooks", body.as_bytes()]),
        now: NOW,
        forget: NOW.before(Duration::from_secs(60)),
        abandoned: NOW.before(Duration::from_secs(60)),
    };
    assert_eq!(house.context.store.begin_request(request).await.expect("begun"), Begun::New);
    let answer = house.post_keyed("/api/hooks", Some("k"), &hook()).await;
    answer.problem(409, "request-under-way");
    assert_eq!(answer.header("retry-after"), Some("1"));
    // Whoever answered it is gone by then.
    house.clock.advance(Duration::from_secs(61));
    assert_eq!(house.post_keyed("/api/hooks", Some("k"), &hook()).await.status, 201);
}

#[tokio::test]
async fn a_client_that_breaks_off_finds_its_answer_later() {
    let house = House::new();
    house.get("/api/account").await.ok();
    {
        let body = hook();
        let mut broken_off = std::pin::pin!(house.post_keyed("/api/hooks", Some("k"), &body));
        // As long as it takes until the hook is there, and no longer.
        let made = async {
            while hooks(&house).await == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = made => {}
            _ = broken_off.as_mut() => {}
        }
    }
    let answer = loop {
        let answer = house.post_keyed("/api/hooks", Some("k"), &hook()).await;
        if answer.status != 409 {
            break answer;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((answer.status, answer.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(hooks(&house).await, 1);
}

#[tokio::test]
async fn what_failed_can_be_tried_again() {
    let house = House::with(|settings| settings.request_timeout = Duration::from_secs(60));
    house.fails(Some(CallError::Unavailable("down".into())));
    house.post_keyed("/api/hooks", Some("k"), &hook()).await.problem(502, "provider-failed");
    house.fails(None);
    house.clock.advance(Duration::from_secs(60));
    assert_eq!(house.post_keyed("/api/hooks", Some("k"), &hook()).await.status, 201);
    // Nobody without a proof learns whether a key is known.
    let wrong = [("authorization", basic("user", "wrong")), ("idempotency-key", "k".to_owned())];
    let wrong = wrong.each_ref().map(|(name, value)| (*name, value.as_str()));
    house.send("POST", "/api/hooks", &wrong, "").await.problem(401, "credentials-refused");
}

/// Answers can't be kept.
const UNKEEPABLE: &str = "CREATE TEMP TRIGGER unkeepable BEFORE UPDATE OF answer ON requests
    BEGIN SELECT RAISE(ABORT, 'as asked'); END";
/// What did nothing can't be forgotten.
const UNFORGETTABLE: &str = "CREATE TEMP TRIGGER unforgettable BEFORE DELETE ON requests
    BEGIN SELECT RAISE(ABORT, 'as asked'); END";

#[tokio::test]
async fn an_answer_that_the_store_does_not_take_is_given_again_all_the_same() {
    let house = House::new();
    house.get("/api/account").await.ok();
    house.store.execute(UNKEEPABLE).await.expect("broken");
    let first = house.post_keyed("/api/hooks", Some("k"), &hook()).await;
    assert_eq!(first.status, 201, "it is done");
    for _ in 0..2 {
        let again = house.post_keyed("/api/hooks", Some("k"), &hook()).await;
        assert_eq!((again.status, &again.body), (201, &first.body));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
    let other = json!({ "url": URL, "mode": "latest" });
    house.post_keyed("/api/hooks", Some("k"), &other).await.problem(422, "idempotency-key-reused");
    house.store.execute("DROP TRIGGER unkeepable").await.expect("mended");
    for _ in 0..2 {
        let again = house.post_keyed("/api/hooks", Some("k"), &hook()).await;
        assert_eq!((again.status, &again.body), (201, &first.body));
    }
    assert_eq!(hooks(&house).await, 1, "it was done once");
}

#[tokio::test]
async fn a_request_that_failed_can_be_tried_again_as_soon_as_the_store_works() {
    let house = House::new();
    house.get("/api/account").await.ok();
    house
        .store
        .execute("CREATE TEMP TRIGGER hookless BEFORE INSERT ON hooks BEGIN SELECT RAISE(ABORT, 'as asked'); END")
        .await
        .expect("broken");
    house.store.execute(UNFORGETTABLE).await.expect("broken");
    for _ in 0..3 {
        let failed = house.post_keyed("/api/hooks", Some("k"), &hook()).await;
        assert!(failed.header("retry-after").is_some());
        failed.problem(503, "store-unavailable");
    }
    house.store.execute("DROP TRIGGER hookless; DROP TRIGGER unforgettable").await.expect("mended");
    let made = house.post_keyed("/api/hooks", Some("k"), &hook()).await;
    assert_eq!((made.status, made.header("idempotency-replayed")), (201, None), "{}", made.body);
    assert_eq!(hooks(&house).await, 1);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_any_more_is_lost_and_nothing_is_done_twice() {
    for damage in [
        "UPDATE requests SET answer = x'0102'",
        "UPDATE requests SET answer = x''",
        "UPDATE requests SET fingerprint = x'01'",
    ] {
        let house = House::new();
        house.post_keyed("/api/hooks", Some("k"), &hook()).await;
        house.store.execute(damage).await.expect("damaged");
        for _ in 0..2 {
            house.post_keyed("/api/hooks", Some("k"), &hook()).await.problem(409, "answer-lost");
        }
        assert_eq!(hooks(&house).await, 1, "{damage}");
        house.clock.advance(Duration::from_secs(24 * 3600 + 1));
        assert_eq!(house.post_keyed("/api/hooks", Some("k"), &hook()).await.status, 201, "{damage}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_open_is_shown_as_damaged() {
    let house = House::new();
    house.post_keyed("/api/hooks", Some("k"), &hook()).await;
    house.store.execute("UPDATE requests SET answer = x'0102'").await.expect("damaged");
    assert_eq!(house.get("/api/account").await.ok()["damaged"], json!([]), "nobody asked for it yet");
    house.post_keyed("/api/hooks", Some("k"), &hook()).await.problem(409, "answer-lost");
    let damaged = &house.get("/api/account").await.ok()["damaged"][0];
    assert_eq!((&damaged["table"], &damaged["column"]), (&json!("requests"), &json!("answer")));
}
