//! The operator's requests, over a real store.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Control;
use super::control::routes;
use crate::clock::{Clock, ManualClock};
use crate::driver::Catalog;
use crate::model::{AccountKey, Origin, Sealed, Timestamp};
use crate::roster::Roster;
use crate::rotation::Rotation;
use crate::store::sqlite::{self, SqliteStore};
use crate::store::{Enrolment, Store};
use crate::vault::{Keyring, Vault};

const NOW: Timestamp = Timestamp::from_millis(1_795_341_600_000);

struct Door {
    control: Control,
    store: Arc<SqliteStore>,
    _folder: tempfile::TempDir,
}

struct Answer {
    status: u16,
    body: String,
}

impl Door {
    fn new() -> Door {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = sqlite::Settings::default();
        let store = Arc::new(SqliteStore::open(&folder.path().join("tracker.db"), settings).expect("a store"));
        let keyring = Keyring::parse("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=", "a test").expect("a key");
        let (vault, clock) = (Arc::new(Vault::new(keyring)), Arc::new(ManualClock::new(NOW)) as Arc<dyn Clock>);
        let shared = Arc::clone(&store) as Arc<dyn Store>;
        let control = Control {
            roster: Arc::new(Roster::new(Arc::new(Catalog::default()), vec![], vec![], None)),
            reloads: mpsc::channel(1).0,
            rotation: Arc::new(Rotation::new(
                Arc::clone(&shared),
                vault,
                Arc::clone(&clock),
                None,
                Duration::from_secs(86_400),
            )),
            store: shared,
            clock,
        };
        Door { control, store, _folder: folder }
    }

    async fn ask(&self, method: &str, path: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).expect("a request");
        let Ok(response) = TowerToHyperService::new(routes(self.control.clone())).call(request).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        Answer { status, body: String::from_utf8(body.to_vec()).expect("UTF-8") }
    }

    async fn damaged_rows(&self) -> Value {
        let answer = self.ask("GET", "/damaged").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str::<Value>(&answer.body).expect("JSON")["rows"].take()
    }
}

#[tokio::test]
async fn an_account_that_nobody_can_prove_to_be_theirs_is_removed() {
    let door = Door::new();
    let key = AccountKey { driver: "mock".into(), provider: "default".into(), user: "user".into() };
    let enrolment = Enrolment { key, origin: Origin::Client, password: Sealed(vec![]), now: NOW };
    let account = door.control.store.enrol(enrolment).await.expect("enrolled");
    assert_eq!(door.damaged_rows().await, json!([]));
    let path = format!("/damaged/accounts/{account}");
    assert_eq!(door.ask("DELETE", &path).await.status, 404, "it can be read");
    door.store.execute("UPDATE accounts SET user = CAST(x'ff' AS TEXT)").await.expect("damaged");
    door.control.store.account(account).await.expect("asked");

    let rows = door.damaged_rows().await;
    let row = &rows[0];
    assert_eq!(
        (&row["account"], &row["table"], &row["column"]),
        (&json!(account.0), &json!("accounts"), &json!("user"))
    );
    assert_eq!(door.ask("DELETE", &path).await.status, 200);
    assert_eq!(door.damaged_rows().await, json!([]));
    assert_eq!(door.ask("DELETE", &path).await.status, 404);
}
