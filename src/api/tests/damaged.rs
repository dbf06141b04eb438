//! What the operator sees and does of rows that can't be read.

use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::api::control::{Control, routes};
use crate::rotation::Rotation;

impl House {
    /// Through the operator's own door.
    async fn operator(&self, method: &str, path: &str) -> Answer {
        let (store, vault) = (Arc::clone(&self.context.store), Arc::clone(&self.context.vault));
        let (clock, kept) = (Arc::clone(&self.context.clock), self.context.settings.answers_kept);
        let control = Control {
            rotation: Arc::new(Rotation::new(store, vault, clock, None, kept)),
            reloads: mpsc::channel(1).0,
            roster: Arc::clone(&self.context.roster),
            store: Arc::clone(&self.context.store),
            clock: Arc::clone(&self.context.clock),
            poll_wake: Arc::clone(&self.context.poll_wake),
        };
        let request = Request::builder().method(method).uri(path).body(Body::empty()).expect("a request");
        let Ok(response) = TowerToHyperService::new(routes(control)).call(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("UTF-8");
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

#[tokio::test]
async fn an_account_that_nobody_can_prove_to_be_theirs_is_removed_by_the_operator() {
    let house = House::new();
    house.post("/api/hooks", &json!({ "url": "https://192.88.98.1/cb" })).await;
    let account = house.account().await;
    assert_eq!(house.operator("GET", "/damaged").await.ok()["rows"], json!([]));
    let path = format!("/damaged/accounts/{account}");
    assert_eq!(house.operator("DELETE", &path).await.status, 404, "it can be read");
    house.store.execute("UPDATE accounts SET user = CAST(x'ff' AS TEXT)").await.expect("damaged");
    house.context.store.account(account).await.expect("asked");

    let row = &house.operator("GET", "/damaged").await.ok()["rows"][0];
    assert_eq!(
        (&row["account"], &row["table"], &row["column"]),
        (&json!(account.0), &json!("accounts"), &json!("user"))
    );
    // Whoever proves its credentials begins anew, and sees nothing of it.
    house.clock.advance(Duration::from_secs(86_400));
    assert_eq!(house.get("/api/hooks").await.ok()["hooks"], json!([]));
    assert_eq!(house.get("/api/account").await.ok()["damaged"], json!([]));
    assert_eq!(house.operator("DELETE", &path).await.status, 200);
    assert_eq!(house.operator("GET", "/damaged").await.ok()["rows"], json!([]));
    assert_eq!(house.operator("DELETE", &path).await.status, 404);
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
