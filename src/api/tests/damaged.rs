//! What the operator sees and does of rows that can't be read.

use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::api::control::{Control, routes};

impl House {
    /// Through the operator's own door.
    async fn operator(&self, method: &str, path: &str) -> Answer {
        let control = Control {
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
