//! Damaged rows, as clients see them.

use serde_json::json;

use super::*;

#[tokio::test]
async fn an_account_that_nobody_can_prove_to_be_theirs_is_shown_to_nobody() {
    let house = House::new();
    house.post("/api/hooks", &json!({ "url": "https://192.88.98.1/cb" })).await;
    let account = house.account().await;
    house.store.execute("UPDATE accounts SET user = CAST(x'ff' AS TEXT)").await.expect("damaged");
    house.context.store.account(account).await.expect("asked");

    // Whoever proves its credentials begins anew, and sees nothing of it.
    house.clock.advance(Duration::from_secs(86_400));
    assert_eq!(house.get("/api/hooks").await.ok()["hooks"], json!([]));
    assert_eq!(house.get("/api/account").await.ok()["damaged"], json!([]));
    assert!(house.context.store.remove_damaged_account(account).await.expect("removed"));
    let text = house.get("/metrics").await.body;
    assert!(text.contains(r#"tracker_damaged_rows{table="accounts"} 0"#), "{text}");
    assert!(text.contains(r#"tracker_hooks{status="damaged"} 0"#), "{text}");
}

#[tokio::test]
async fn a_hook_of_which_a_secret_does_not_open_is_shown_as_damaged_and_can_be_deleted() {
    for sql in [
        "UPDATE hooks SET secret = x'01'",
        "UPDATE hooks SET token = x'01'",
        "UPDATE hooks SET old_secret = x'01', old_until = 1 << 47",
    ] {
        let house = House::new();
        let order = json!({ "url": "https://192.88.98.1/cb", "token": "t" });
        let [one, two] = [house.post("/api/hooks", &order).await.json(), house.post("/api/hooks", &order).await.json()];
        let path = |hook: &Value| format!("/api/hooks/{}", hook["id"].as_str().expect("an id"));
        house.get(&path(&one)).await.ok();
        let one_alone = format!("{sql} WHERE id = {}", one["id"].as_str().expect("an id"));
        house.store.execute(Box::leak(one_alone.into_boxed_str())).await.expect("damaged");

        let listed = house.get("/api/hooks").await.ok();
        let [first, second] = &listed["hooks"].as_array().expect("hooks")[..] else { panic!("{listed}") };
        assert_eq!((&first["status"], &second["status"]), (&json!("damaged"), &json!("active")), "{sql}");
        assert!(first["reason"].as_str().is_some_and(|why| why.ends_with("it does not open with the host's key")));
        assert_eq!(&house.get(&path(&one)).await.ok(), first);
        let rotated = house.post(&format!("{}/rotate", path(&one)), &Value::Null).await;
        assert_eq!(rotated.problem(409, "hook-conflict")["damaged"], first["reason"], "{sql}");
        assert_eq!(house.get("/api/account").await.ok()["damaged"][0]["table"], "hooks");
        house.get(&path(&two)).await.ok();
        assert_eq!(house.delete(&path(&one)).await.status, 204);
        assert_eq!(house.get("/api/account").await.ok()["damaged"], json!([]));
    }
}
