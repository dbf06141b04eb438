//! Writing requests on a disk that fails or loses power at each point. A request that gets an error was not carried
//! out, one that succeeds is stored, and a repeated request with the same key is carried out once.

use faulty_disk::{Disk, Error, Fault, File, Operation};
use serde_json::json;

use super::*;
use crate::model::InstanceState::{Running, Stopped};
use crate::store::sqlite::Disk as Under;
use crate::store::{DeliveryState, Outcome};

const URL: &str = "https://192.88.98.1/cb";

/// What is asked of a host that has hooks, one of them on an instance, a token that has hooks, too, and dead letters.
pub(super) const REQUESTS: [(&str, &str, &str); 15] = [
    ("POST", "/api/hooks", r#"{"url": "https://192.88.98.1/new"}"#),
    ("POST", "/api/hooks/1/test", ""),
    ("POST", "/api/hooks/1/pause", ""),
    ("POST", "/api/hooks/1/resume", ""),
    ("POST", "/api/hooks/1/rotate", ""),
    ("POST", "/api/hooks/1/replay", r#"{"from": "0"}"#),
    ("POST", "/api/hooks/1/redrive", ""),
    ("POST", "/api/tokens", r#"{"name": "new", "scope": "read"}"#),
    ("POST", "/api/tokens/1/rotate", ""),
    ("PUT", "/api/hooks/1", r#"{"url": "https://192.88.98.1/other"}"#),
    ("PUT", "/api/instances/i-1?track_hook=https://192.88.98.1/one", ""),
    ("PUT", "/api/instances/i-2?track_hook=https://192.88.98.1/other", ""),
    ("PUT", "/api/instances/i-2?track_hook=none", ""),
    ("DELETE", "/api/hooks/1", ""),
    ("DELETE", "/api/tokens/1", ""),
];

/// A host over a disk that fails as it is told to.
pub(super) fn faulty() -> (House, Disk) {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Disk::under(&folder.path().join("tracker.db"));
    let settings = sqlite::Settings {
        // So that work in steps has several.
        step_rows: 2,
        disk: Under::Other {
            vfs: faulty_disk::NAME,
            write_again: Disk::write_log_again,
            write_pages_again: Disk::write_pages_again,
        },
        ..sqlite::Settings::default()
    };
    (House::at(folder, settings, |_| {}), disk)
}

impl House {
    pub(super) async fn fill(&self) {
        let made = self.post("/api/hooks", &json!({ "url": URL, "ids": ["i-*"] })).await;
        assert_eq!((made.status, made.json()["id"].as_str()), (201, Some("1")), "{}", made.body);
        let made = self.post("/api/tokens", &json!({ "name": "ci", "scope": "track" })).await;
        assert_eq!((made.status, made.json()["id"].as_str()), (201, Some("1")), "{}", made.body);
        let token = made.json()["token"].as_str().expect("a secret").to_owned();
        for id in ["i-1", "i-2", "i-3"] {
            let tracked = format!("/api/instances/{id}?track_hook=https://192.88.98.1/token");
            assert_eq!(self.bear(&token, "PUT", &tracked).await.status, 202);
        }
        let tracked = self.put("/api/instances/i-2", "track_hook=https://192.88.98.1/two").await;
        assert_eq!(tracked.status, 202, "{}", tracked.body);
        for state in [Running, Stopped, Running] {
            let all = ["i-1", "i-2"].map(|id| instance(id, "us", state));
            self.poll(Kind::Instance, all.into()).await;
            self.clock.advance(Duration::from_millis(1));
        }
        while let claimed = self.claim().await
            && !claimed.is_empty()
        {
            for due in &claimed {
                self.settle(due, Outcome::Dead, vec![]).await;
            }
        }
        // As for a host that has run for a while: nothing but the request writes.
        self.get("/api/account").await.ok();
    }

    pub(super) async fn make(&self, (method, path, body): (&str, &str, &str)) -> Answer {
        let authorization = basic("user", "right");
        let mut headers = vec![("authorization", authorization.as_str())];
        if !body.is_empty() {
            headers.push(JSON);
        }
        if method == "POST" {
            headers.push(("idempotency-key", "k"));
        }
        self.send(method, path, &headers, body).await
    }

    /// All that requests of this kind write, as far as it tells whether one was carried out, and how often.
    async fn written(&self) -> Value {
        let hooks = self.get("/api/hooks").await.ok();
        let mut tags = Vec::new();
        for hook in hooks["hooks"].as_array().expect("a list") {
            let id = hook["id"].as_str().expect("an id");
            let tag = self.get(&format!("/api/hooks/{id}")).await.header("etag").expect("a tag").to_owned();
            let (_mark, number) = tag.split_once('-').expect("the store's mark and a number");
            tags.push(number.to_owned());
        }
        let place = crate::store::HookPlace {
            account: self.account().await,
            owner: crate::model::Owner::Account,
            hook: crate::model::HookId(1),
        };
        let mut letters = Vec::new();
        for state in [DeliveryState::Waiting, DeliveryState::Dead] {
            let query = crate::store::DeliveryQuery { state: Some(state), before: None, limit: 100 };
            letters.push(self.context.store.hook_deliveries(&place, query).await.expect("read").len());
        }
        let tokens = self.get("/api/tokens").await.ok();
        json!({ "hooks": hooks, "tags": tags, "letters": letters, "tokens": tokens })
    }

    /// How many there are of each, whatever they were called.
    async fn counted(&self) -> Value {
        let written = self.written().await;
        let number = |value: &Value| value.as_array().map(Vec::len);
        json!([
            number(&written["hooks"]["hooks"]),
            written["tags"],
            written["letters"],
            number(&written["tokens"]["tokens"])
        ])
    }
}

/// Gives how many operations failed.
async fn check(request: (&str, &str, &str), file: File, operation: Operation) -> u64 {
    let healthy = House::new();
    healthy.fill().await;
    assert!(healthy.make(request).await.status < 300, "{request:?}");
    let want = healthy.counted().await;
    let mut failed_ever = 0;
    for first in 0.. {
        let (house, disk) = faulty();
        house.fill().await;
        let before = house.written().await;
        disk.fail(Fault { file, operation, error: Error::Broken, first, number: u64::MAX });
        let answer = house.make(request).await;
        let context = format!("{request:?}: {operation:?} {first}: {}", answer.body);
        let failed = disk.failed();
        failed_ever += failed;
        let cut = tempfile::tempdir().expect("a folder");
        disk.after_power_cut(&cut.path().join("tracker.db")).expect("written");
        disk.mend();
        // Work in steps is done in part, and goes on below.
        if answer.status >= 300 && !request.1.ends_with("/redrive") {
            assert_eq!(answer.status, 503, "{context}");
            assert_eq!(house.written().await, before, "an error after it was done: {context}");
        }
        drop(house);
        let next = House::at(cut, sqlite::Settings::default(), |_| {});
        if request.0 == "POST" {
            let again = next.make(request).await;
            assert!(again.status < 300, "{context}: {}", again.body);
            if answer.status < 300 {
                assert_eq!((&again.body, again.header("idempotency-replayed")), (&answer.body, Some("true")));
            }
        } else if answer.status >= 300 {
            assert!(next.make(request).await.status < 300, "{context}");
        }
        assert_eq!(next.counted().await, want, "{context}");
        if failed == 0 {
            break;
        }
    }
    failed_ever
}

/// Once it is written nothing is left that can fail: neither what it is answered with, nor what is tidied up after it.
#[tokio::test]
async fn a_request_that_was_carried_out_is_never_answered_with_an_error_though_every_read_after_it_fails() {
    let mut failed = 0;
    for request in REQUESTS {
        // Many read nothing but what is in memory, as long as nothing was written since.
        failed += check(request, File::Log, Operation::Read).await;
    }
    assert!(failed > 0);
}

#[tokio::test]
async fn a_request_is_carried_out_once_though_the_power_goes_at_any_flush() {
    for request in REQUESTS {
        assert!(check(request, File::Log, Operation::Sync).await > 0, "{request:?}: nothing failed");
    }
}

#[tokio::test]
async fn a_request_is_carried_out_once_though_the_power_goes_at_any_write() {
    for request in REQUESTS {
        assert!(check(request, File::Log, Operation::Write).await > 0, "{request:?}: nothing failed");
    }
}
