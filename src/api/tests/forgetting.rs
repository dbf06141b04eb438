//! `DELETE /api/account`: a client deletes its account, and nothing of it remains.

use faulty_disk::{Error, Fault, File, Operation};
use serde_json::json;

use super::crashing::faulty;
use super::*;
use crate::model::InstanceState::Running;
use crate::model::RealmState::Available;
use crate::store::sqlite::tests::rows::left;
use crate::store::{SessionContent, StoreError, StoredSession};

impl House {
    /// The account has something in every table that an account can have something in.
    async fn fill_every_table(&self) {
        self.fill().await;
        self.poll(Kind::Realm, vec![realm("us", Available)]).await;
        let (_, token) = self.token("track").await;
        self.bear(&token, "PUT", "/api/instances/i-9?track_hook=https://192.88.98.1/cb").await;
        assert_eq!(self.post_keyed("/api/hooks/1/test", Some("t"), &Value::Null).await.status, 202);
        let content = SessionContent { until: self.now().after(Duration::from_secs(60)), sealed: Sealed(vec![1]) };
        let session = StoredSession { account: key("user"), driver: "digest".into(), content: Some(content) };
        self.context.store.save_sessions(vec![session]).await.expect("saved");
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("tracker.db")
    }
}

#[tokio::test]
async fn nothing_is_left_of_an_account_that_is_forgotten() {
    let house = House::new();
    house.fill_every_table().await;
    let has: Vec<String> = left(&house.path()).into_iter().map(|(table, _)| table).collect();
    for table in ["accounts", "polls", "resources", "bodies", "versions", "changes", "hooks", "deliveries", "queues"] {
        assert!(has.iter().any(|name| name == table), "{table} is empty: {has:?}");
    }
    for table in ["tokens", "requests", "sessions", "shares", "claimants", "destinations"] {
        assert!(has.iter().any(|name| name == table), "{table} is empty: {has:?}");
    }
    let (_, token) = house.token("track").await;
    house.bear(&token, "DELETE", "/api/account").await.problem(403, "account-needed");
    let mut stream = house.stream("since=0", None).await;
    assert!(stream.any().await.is_some());
    let under_way = house.ticket(Kind::Instance).await;
    let asked = house.provider.asked.load(Ordering::SeqCst);

    let forgotten = house.delete("/api/account").await;
    assert_eq!((forgotten.status, forgotten.body.as_str()), (204, ""));
    assert_eq!(left(&house.path()), []);
    let reason = loop {
        let (name, _, data) = stream.any().await.expect("it says why it ends");
        if name == "end" {
            break data["reason"].clone();
        }
    };
    assert_eq!(reason, "account-forgotten");
    assert!(stream.any().await.is_none());
    let record = house.record(&under_way, vec![], vec![house.change(&instance("i-1", "us", Running))]);
    assert!(matches!(house.context.store.record_poll(record).await, Err(StoreError::LeaseLost)));
    house.bear(&token, "GET", "/api/account").await.problem(401, "token-refused");
    assert_eq!(left(&house.path()), []);

    // Whoever comes back proves anew who they are, and begins with nothing.
    assert_eq!(house.get("/api/account").await.ok()["hooks"], 0);
    assert_eq!(house.provider.asked.load(Ordering::SeqCst), asked + 1);
    assert_eq!(house.get("/api/hooks").await.ok()["hooks"], json!([]));
    let damaged = house.context.store.all_damaged_rows().await.expect("looked up");
    assert_eq!(damaged, []);
}

#[tokio::test]
async fn who_waits_for_a_list_is_told_that_the_account_is_forgotten() {
    let house = House::with(|settings| settings.poll_wait = Duration::from_secs(3600));
    house.get("/api/account").await.ok();
    let store = &house.context.store;
    let account = store.find_account(&key("user")).await.expect("read").expect("it is known").id;
    let forget = async {
        while store.poll_status(account).await.expect("read").iter().all(|status| status.next_due.is_none()) {
            tokio::task::yield_now().await;
        }
        house.delete("/api/account").await
    };
    let (list, forgotten) = tokio::join!(house.get("/api/instances"), forget);
    assert_eq!(forgotten.status, 204);
    list.problem(401, "credentials-refused");
    assert_eq!(left(&house.path()), []);
}

#[tokio::test]
async fn an_account_of_the_configuration_stays() {
    let house = House::new();
    let enrolment = Enrolment { key: key("user"), origin: Origin::Config, password: Sealed(vec![]), now: NOW };
    house.context.store.enrol(enrolment).await.expect("enrolled");
    house.poll(Kind::Instance, vec![instance("i-1", "us", Running)]).await;
    house.delete("/api/account").await.problem(409, "account-configured");
    assert_eq!(ids(&house.get("/api/instances").await.ok(), "instances"), ["i-1"]);
}

/// Wherever the power goes, the account is there whole, or the retention deletes what is left of it.
#[tokio::test]
async fn an_account_that_is_forgotten_in_part_goes_whole_after_a_restart() {
    let (mut stayed, mut in_part) = (0, 0);
    for first in 0.. {
        let (house, disk) = faulty();
        house.fill_every_table().await;
        let whole = left(&house.path());
        let (file, operation, error) = (File::Log, Operation::Sync, Error::Broken);
        disk.fail(Fault { file, operation, error, first, number: u64::MAX });
        let status = house.delete("/api/account").await.status;
        let has_failed = disk.failed() > 0;
        let cut = tempfile::tempdir().expect("a folder");
        disk.after_power_cut(&cut.path().join("tracker.db")).expect("written");
        disk.mend();
        drop(house);

        let next = House::at(cut, Default::default(), |_| {});
        if status == 204 {
            in_part += u32::from(!left(&next.path()).is_empty());
        }
        next.context.store.clear_dropped().await.expect("cleared");
        assert_eq!(next.context.store.all_damaged_rows().await.expect("looked up"), [], "{first}");
        if status == 204 {
            assert_eq!(left(&next.path()), [], "{first}");
        } else {
            stayed += 1;
            // What a driver remembers may be lost.
            let lasting = |left: Vec<(String, i64)>| -> Vec<_> {
                left.into_iter().filter(|(table, _)| table != "sessions").collect()
            };
            assert_eq!(lasting(left(&next.path())), lasting(whole), "{first}");
        }
        if !has_failed {
            break;
        }
    }
    assert!(stayed > 0 && in_part > 0, "{stayed} stayed whole, {in_part} went in part");
}

/// Until all of it is gone, nobody adds to it.
#[tokio::test]
async fn an_account_that_is_being_forgotten_takes_nothing_in() {
    let house = House::new();
    house.fill().await;
    let account = house.account().await;
    house.context.store.forget_account(account).await.expect("begun");
    let hook = json!({ "url": "https://192.88.98.1/cb" });
    let token = json!({ "name": "ci", "scope": "read" });
    for (path, body) in [("/api/hooks", &hook), ("/api/tokens", &token)] {
        house.post(path, body).await.problem(503, "account-deleted");
    }
    let refresh = house.post("/api/refresh", &Value::Null).await;
    assert!(matches!(refresh.status, 401 | 503), "{} {}", refresh.status, refresh.body);
    house.context.store.clear_dropped().await.expect("cleared");
    assert_eq!(left(&house.path()), []);
    assert_eq!(house.post("/api/hooks", &hook).await.status, 201);
    assert_ne!(house.account().await, account);
}
