//! Conditional writes: on the version of a hook, and on the number of hooks of the account.

use serde_json::json;

use super::*;
use crate::store::sqlite::backup::{Existing, Watch, back_up};

const URL: &str = "https://192.88.98.1/cb";

impl House {
    async fn conditional(&self, method: &str, path: &str, condition: (&str, &str), body: &Value) -> Answer {
        let authorization = basic("user", "right");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, &[("authorization", &authorization), JSON, condition], &body).await
    }

    async fn tag(&self, path: &str) -> String {
        self.get(path).await.header("etag").expect("a tag").to_owned()
    }
}

#[tokio::test]
async fn a_hook_is_written_only_as_the_version_that_was_read() {
    let house = House::new();
    let made = house.post("/api/hooks", &json!({ "url": URL })).await;
    let path = format!("/api/hooks/{}", made.json()["id"].as_str().expect("an id"));
    let read = house.tag(&path).await;
    assert_eq!(made.header("etag"), Some(read.as_str()));
    assert!(read.starts_with('"'), "it is a strong one: {read}");

    // Of two who have read it, the second does not undo what the first did.
    let first = json!({ "url": URL, "description": "first" });
    let second = json!({ "url": URL, "description": "second" });
    let put = house.conditional("PUT", &path, ("if-match", &read), &first).await;
    let tag = put.header("etag").expect("a tag").to_owned();
    assert_eq!((put.status, tag == read), (200, false));
    let problem =
        house.conditional("PUT", &path, ("if-match", &read), &second).await.problem(412, "precondition-failed");
    assert_eq!(problem["etag"], tag);
    assert_eq!(house.get(&path).await.ok()["description"], "first");

    for stale in [read.as_str(), "W/\"2\"", "\"x\"", "\"\""] {
        for action in ["test", "pause", "resume", "rotate", "redrive"] {
            let path = format!("{path}/{action}");
            let refused = house.conditional("POST", &path, ("if-match", stale), &Value::Null).await;
            refused.problem(412, "precondition-failed");
        }
        let replay = format!("{path}/replay");
        let refused = house.conditional("POST", &replay, ("if-match", stale), &json!({ "from": "0" })).await;
        refused.problem(412, "precondition-failed");
        let refused = house.conditional("DELETE", &path, ("if-match", stale), &Value::Null).await;
        refused.problem(412, "precondition-failed");
    }
    house.conditional("PUT", &path, ("if-none-match", "*"), &second).await.problem(412, "precondition-failed");
    assert_eq!(house.tag(&path).await, tag, "nothing was done");

    // What changes it gives it another tag, and what does not leaves it.
    let mut seen = vec![tag];
    for (action, changes) in [("test", false), ("pause", true), ("pause", false), ("resume", true), ("rotate", true)] {
        let last = seen.last().expect("one").clone();
        let done = house.conditional("POST", &format!("{path}/{action}"), ("if-match", &last), &Value::Null).await;
        assert!(done.status < 300, "{action}: {}", done.body);
        let now = house.tag(&path).await;
        assert!(done.header("etag").is_none_or(|tag| tag == now), "{action}");
        assert_eq!(now != last, changes, "{action}");
        assert_eq!(seen.contains(&now), !changes, "{action}");
        if changes {
            seen.push(now);
        }
    }
    assert_eq!(house.conditional("PUT", &path, ("if-match", "*"), &second).await.status, 200);
    let tags = format!("\"x\", {}", house.tag(&path).await);
    assert_eq!(house.conditional("DELETE", &path, ("if-match", &tags), &Value::Null).await.status, 204);
    house.conditional("PUT", &path, ("if-match", "*"), &second).await.problem(404, "hook-not-found");
}

#[tokio::test]
async fn a_hook_that_the_client_has_is_not_sent_again() {
    let house = House::new();
    let made = house.post("/api/hooks", &json!({ "url": URL })).await;
    let path = format!("/api/hooks/{}", made.json()["id"].as_str().expect("an id"));
    let tag = house.tag(&path).await;
    let read = async |tag: &str| house.conditional("GET", &path, ("if-none-match", tag), &Value::Null).await;
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let answer = read(&known).await;
        assert_eq!(
            (answer.status, answer.body.as_str(), answer.header("etag")),
            (304, "", Some(tag.as_str())),
            "{known}"
        );
        assert_eq!(answer.header("cache-control"), Some("private, no-cache"), "{known}");
    }
    assert_eq!(read("\"x\"").await.ok()["status"], "active");
    house.post(&format!("{path}/pause"), &Value::Null).await.ok();
    assert_eq!(read(&tag).await.ok()["status"], "paused");
}

/// Of two stores that were one, each counts on from there.
#[tokio::test]
async fn tags_and_ids_that_were_given_out_after_a_backup_are_not_given_again_by_a_host_that_runs_on_it() {
    let house = House::new();
    let folder = tempfile::tempdir().expect("a folder");
    let made = house.post("/api/hooks", &json!({ "url": URL })).await;
    let path = format!("/api/hooks/{}", made.json()["id"].as_str().expect("an id"));
    let backup = folder.path().join("tracker.db");
    let store = house.folder.path().join("tracker.db");
    let watch = Watch { progress: &mut |_| {}, stop: Arc::default() };
    back_up(&store, &backup, Existing::Kept, &sqlite::Settings::default(), watch).expect("backed up");
    let restored = House::at(folder, sqlite::Settings::default(), |_| {});

    let mut given = Vec::new();
    for (house, description) in [(&house, "lost"), (&restored, "found")] {
        let body = json!({ "url": URL, "description": description });
        let tag = house.put_json(&path, &body).await.header("etag").expect("a tag").to_owned();
        let hook = house.post("/api/hooks", &json!({ "url": URL })).await.json()["id"].clone();
        let token = house.post("/api/tokens", &json!({ "name": "ci", "scope": "read" })).await.json()["id"].clone();
        given.push([json!(tag), hook, token]);
    }
    let [lost, found] = given.as_slice() else { unreachable!("two were asked") };
    for (lost, found) in lost.iter().zip(found) {
        assert!(lost.is_string() && found.is_string() && lost != found, "{given:?}");
    }
    let lost = lost[0].as_str().expect("a tag");
    let read = restored.conditional("GET", &path, ("if-none-match", lost), &Value::Null).await;
    assert_eq!(read.ok()["description"], "found");
    let body = json!({ "url": URL });
    restored.conditional("PUT", &path, ("if-match", lost), &body).await.problem(412, "precondition-failed");
}

/// The comparison is one with the write: of many at once that have read the same, one gets through.
#[tokio::test]
async fn of_writers_that_have_read_the_same_one_gets_through() {
    let house = House::new();
    let made = house.post("/api/hooks", &json!({ "url": URL })).await;
    let path = format!("/api/hooks/{}", made.json()["id"].as_str().expect("an id"));
    let tag = house.tag(&path).await;
    let bodies: Vec<Value> = (0..20).map(|number| json!({ "url": URL, "description": number.to_string() })).collect();
    let puts = bodies.iter().map(|body| house.conditional("PUT", &path, ("if-match", &tag), body));
    let answers = futures_util::future::join_all(puts).await;
    let (through, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(through.len(), 1);
    for answer in refused {
        answer.problem(412, "precondition-failed");
    }
    assert_eq!(house.get(&path).await.ok()["description"], through[0].json()["description"]);
}

/// A condition that is passed over is a write that the client did not want.
#[tokio::test]
async fn a_hook_on_a_resource_is_set_only_where_the_resource_is_as_the_client_has_it() {
    let house = House::new();
    house.poll(Kind::Instance, vec![instance("i-1", "us", InstanceState::Running)]).await;
    let (seen, unseen) = ("/api/instances/i-1", "/api/instances/i-2");
    let put = async |path: &str, condition: (&str, &str)| {
        let path = format!("{path}?track_hook={URL}");
        house.conditional("PUT", &path, condition, &Value::Null).await
    };
    let tag = house.tag(seen).await;
    for (path, condition) in [
        (seen, ("if-match", tag.as_str())),
        (seen, ("if-match", "\"1\"")),
        (seen, ("if-none-match", "*")),
        (seen, ("if-none-match", tag.as_str())),
        (unseen, ("if-match", "*")),
        (unseen, ("if-match", tag.as_str())),
    ] {
        put(path, condition).await.problem(412, "precondition-failed");
    }
    put(seen, ("if-match", "x")).await.problem(400, "malformed-request");
    assert_eq!(house.get("/api/hooks").await.ok()["hooks"], json!([]), "nothing was done");
    put(seen, ("if-match", "*")).await.ok();
    // It has another hook now, which its representation shows.
    put(seen, ("if-none-match", tag.as_str())).await.ok();
    let tag = house.tag(seen).await;
    put(seen, ("if-none-match", tag.as_str())).await.problem(412, "precondition-failed");
    assert_eq!(put(unseen, ("if-none-match", "*")).await.status, 202);
}

#[tokio::test]
async fn parallel_requests_never_pass_a_limit() {
    const LIMIT: usize = 3;
    let house = House::with(|settings| {
        settings.hooks_per_account = LIMIT as u64;
        settings.tokens_per_account = LIMIT as u64;
    });
    house.get("/api/account").await.ok();
    let hook = json!({ "url": URL });
    let posts = futures_util::future::join_all((0..15).map(|_| house.post("/api/hooks", &hook)));
    let forms: Vec<String> = (0..15).map(|number| format!("/api/instances/i-{number}?track_hook={URL}")).collect();
    let puts = futures_util::future::join_all(forms.iter().map(|path| house.put(path, "")));
    let (posts, puts) = tokio::join!(posts, puts);
    let (made, refused): (Vec<_>, Vec<_>) = posts.into_iter().chain(puts).partition(|answer| answer.status < 300);
    assert_eq!(made.len(), LIMIT);
    for answer in refused {
        assert_eq!(answer.problem(403, "too-many-hooks")["limit"], LIMIT);
    }
    assert_eq!(house.get("/api/account").await.ok()["hooks"], LIMIT);

    let token = json!({ "name": "ci", "scope": "read" });
    let posts = futures_util::future::join_all((0..15).map(|_| house.post("/api/tokens", &token))).await;
    let (made, refused): (Vec<_>, Vec<_>) = posts.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), LIMIT);
    for answer in refused {
        assert_eq!(answer.problem(403, "too-many-tokens")["limit"], LIMIT);
    }
}
