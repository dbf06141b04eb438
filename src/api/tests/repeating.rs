//! `Idempotency-Key`: a repeated request gets the answer of the first, and is carried out once.

use serde_json::json;

use super::*;

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
    for header in ["location", "content-type", "etag"] {
        assert_eq!(again.header(header), first.header(header), "{header}");
    }
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(hooks(&house).await, 1);
    house.post_keyed("/api/hooks", Some("K"), &hook()).await;
    assert_eq!(hooks(&house).await, 2, "another key is another request");
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
async fn a_request_comes_again_after_the_hosts_key_was_rotated() {
    let house = House::new();
    let first = house.post_keyed("/api/hooks", Some("k"), &hook()).await;
    let rotated = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=";
    house.context.vault.take_keys(&Keyring::parse(rotated, "a test").expect("a key"));
    let again = house.post_keyed("/api/hooks", Some("k"), &hook()).await;
    assert_eq!((again.status, again.body.as_str()), (201, first.body.as_str()));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let other = json!({ "url": URL, "mode": "latest" });
    house.post_keyed("/api/hooks", Some("k"), &other).await.problem(422, "idempotency-key-reused");
    house.post_keyed("/api/hooks", Some("l"), &other).await;
    house.post_keyed("/api/hooks", Some("l"), &other).await;
    assert_eq!(hooks(&house).await, 2);
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
    let answer = house.post_keyed("/api/hooks", Some("k"), &hook()).await;
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

/// Wherever the transaction fails, nothing is there; and once the store works the same request is carried out.
#[tokio::test]
async fn what_the_store_does_not_take_whole_was_not_done() {
    for broken in [
        "CREATE TEMP TRIGGER broken BEFORE INSERT ON hooks BEGIN SELECT RAISE(ABORT, 'as asked'); END",
        "CREATE TEMP TRIGGER broken BEFORE INSERT ON requests BEGIN SELECT RAISE(ABORT, 'as asked'); END",
        "CREATE TEMP TRIGGER broken BEFORE INSERT ON polls BEGIN SELECT RAISE(ABORT, 'as asked'); END",
    ] {
        let house = House::new();
        house.get("/api/account").await.ok();
        house.store.execute(broken).await.expect("broken");
        for _ in 0..3 {
            let failed = house.post_keyed("/api/hooks", Some("k"), &hook()).await;
            assert!(failed.header("retry-after").is_some());
            failed.problem(503, "store-unavailable");
            assert_eq!(hooks(&house).await, 0, "{broken}");
        }
        house.store.execute("DROP TRIGGER broken").await.expect("mended");
        let made = house.post_keyed("/api/hooks", Some("k"), &hook()).await;
        assert_eq!((made.status, made.header("idempotency-replayed")), (201, None), "{}", made.body);
        let again = house.post_keyed("/api/hooks", Some("k"), &hook()).await;
        assert_eq!((again.body, hooks(&house).await), (made.body, 1), "{broken}");
    }
}

/// What was refused did nothing, and may be right by now.
#[tokio::test]
async fn a_refusal_is_not_kept() {
    let house = House::with(|settings| settings.hooks_per_account = 1);
    let first = house.post("/api/hooks", &hook()).await.json();
    house.post_keyed("/api/hooks", Some("k"), &hook()).await.problem(403, "too-many-hooks");
    let path = format!("/api/hooks/{}", first["id"].as_str().expect("an id"));
    assert_eq!(house.delete(&path).await.status, 204);
    let made = house.post_keyed("/api/hooks", Some("k"), &hook()).await;
    assert_eq!((made.status, made.header("idempotency-replayed")), (201, None), "{}", made.body);
}

#[tokio::test]
async fn requests_with_one_key_at_once_are_carried_out_once() {
    let house = House::new();
    house.get("/api/account").await.ok();
    let body = hook();
    let answers = futures_util::future::join_all((0..20).map(|_| house.post_keyed("/api/hooks", Some("k"), &body)));
    let answers = answers.await;
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.body == answers[0].body));
    let first = answers.iter().filter(|answer| answer.header("idempotency-replayed").is_none());
    assert_eq!((first.count(), hooks(&house).await), (1, 1));
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
