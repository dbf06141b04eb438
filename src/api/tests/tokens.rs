//! Tokens: what they allow, and who can see them.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use tokio::sync::oneshot;

use super::*;
use crate::model::InstanceState::Pending;

impl House {
    pub(super) async fn token(&self, scope: &str) -> (String, String) {
        let made = self.post("/api/tokens", &json!({ "name": "ci", "scope": scope })).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let token = made.json();
        assert_eq!(made.header("location"), token["href"].as_str());
        let text = |member: &str| token[member].as_str().expect("text").to_owned();
        (text("id"), text("token"))
    }

    pub(super) async fn bear(&self, token: &str, method: &str, path: &str) -> Answer {
        self.bear_with(token, method, path, &[]).await
    }

    async fn bear_with(&self, token: &str, method: &str, path: &str, more: &[(&str, &str)]) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend_from_slice(more);
        self.send(method, path, &headers, "").await
    }
}

#[tokio::test]
async fn a_token_is_as_good_as_the_account_and_an_owner_of_its_own() {
    let house = House::new();
    house.poll(Kind::Realm, vec![]).await;
    house.poll(Kind::Instance, vec![]).await;
    let asked = house.provider.asked.load(Ordering::Relaxed);
    let (_, token) = house.token("track").await;
    house.bear(&token, "GET", "/api/instances").await.ok();
    let hook = "/api/instances/a?track_hook=https://one.example/";
    assert_eq!(house.bear(&token, "PUT", hook).await.status, 202, "the hook waits for it");
    assert_eq!(house.get("/api/hooks").await.ok()["hooks"], json!([]), "it is the token's, not the account's");
    assert_eq!(house.bear(&token, "GET", "/api/hooks").await.ok()["hooks"].as_array().map(Vec::len), Some(1));

    house.poll(Kind::Instance, vec![instance("a", "us", Pending)]).await;
    assert_eq!(house.get("/api/changes").await.ok(), json!([]), "its pending changes are its alone");
    assert_eq!(house.bear(&token, "GET", "/api/changes").await.ok().as_array().map(Vec::len), Some(1));
    assert!(house.provider.asked.load(Ordering::Relaxed) <= asked + 1, "the provider is not asked about a token");

    house.bear_with(&token, "GET", "/api/instances", &[("x-deltacloud-driver", "mock")]).await.ok();
    let other = house.bear_with(&token, "GET", "/api/instances", &[("x-deltacloud-driver", "ec2")]).await;
    other.problem(400, "malformed-request");
}

#[tokio::test]
async fn a_token_that_only_reads_changes_nothing() {
    let house = House::new();
    house.poll(Kind::Realm, vec![]).await;
    house.poll(Kind::Instance, vec![]).await;
    let (_, token) = house.token("read").await;
    for path in ["/api/instances", "/api/realms", "/api/account", "/api/changes?since=0", "/api/hooks"] {
        house.bear(&token, "GET", path).await.ok();
    }
    house.bear(&token, "GET", "/api/changes").await.problem(403, "insufficient-scope");
    house.bear(&token, "PUT", "/api/instances/a?track_hook=none").await.problem(403, "insufficient-scope");
    house.bear(&token, "POST", "/api/refresh").await.problem(403, "insufficient-scope");
    house.bear(&token, "POST", "/api/hooks").await.problem(403, "insufficient-scope");
}

#[tokio::test]
async fn tokens_are_given_listed_rotated_and_revoked_by_the_account_alone() {
    let house = House::with(|settings| settings.tokens_per_account = 2);
    let (id, token) = house.token("track").await;
    let (_, other) = house.token("read").await;
    let more = house.post("/api/tokens", &json!({ "name": "ci", "scope": "read" })).await;
    assert_eq!(more.problem(403, "too-many-tokens")["limit"], 2);
    let list = house.get("/api/tokens?limit=1").await;
    assert!(list.header("link").expect("another page").contains("after="));
    let list = house.get("/api/tokens").await.ok();
    assert_eq!(list["tokens"].as_array().map(Vec::len), Some(2));
    assert!(!list.to_string().contains(&token[4..]), "its secret is shown once");
    for (method, path) in [("GET", "/api/tokens".to_owned()), ("DELETE", format!("/api/tokens/{id}"))] {
        house.bear(&token, method, &path).await.problem(403, "account-needed");
    }

    let rotated = house.post(&format!("/api/tokens/{id}/rotate"), &json!({})).await.ok();
    let rotated = rotated["token"].as_str().expect("a secret");
    house.bear(&token, "GET", "/api/account").await.problem(401, "token-refused");
    house.bear(rotated, "GET", "/api/account").await.ok();
    let in_an_hour = house.now().after(Duration::from_secs(3600)).to_string();
    house.post(&format!("/api/tokens/{id}/rotate"), &json!({ "expires": in_an_hour })).await.ok();

    assert_eq!(house.delete(&format!("/api/tokens/{id}")).await.status, 204);
    house.get(&format!("/api/tokens/{id}")).await.problem(404, "token-not-found");
    house.delete("/api/tokens/x").await.problem(404, "token-not-found");
    house.bear(rotated, "GET", "/api/account").await.problem(401, "token-refused");
    house.bear(&other, "GET", "/api/account").await.ok();
}

#[tokio::test]
async fn a_token_ends_when_it_expires() {
    let house = House::new();
    let expires = house.now().after(Duration::from_secs(60)).to_string();
    let made = house.post("/api/tokens", &json!({ "name": "ci", "scope": "read", "expires": expires })).await.json();
    let token = made["token"].as_str().expect("a secret");
    house.bear(token, "GET", "/api/account").await.ok();
    house.clock.advance(Duration::from_secs(60));
    let refused = house.bear(token, "GET", "/api/account").await;
    let challenges: Vec<_> = refused.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(challenges, [r#"Basic realm="tracker""#, r#"Bearer realm="tracker", error="invalid_token""#]);
    refused.problem(401, "token-refused");
    house.bear("", "GET", "/api/account").await.problem(401, "credentials-missing");
}

#[tokio::test]
async fn each_caller_has_so_many_requests() {
    let house = House::with(|settings| settings.requests_per_minute = 3.try_into().expect("more than none"));
    let (_, token) = house.token("read").await;
    let first = house.get("/api/account").await;
    assert_eq!(first.header("ratelimit-policy"), Some("\"requests\";q=3;w=60"));
    assert!(first.header("ratelimit").expect("told").starts_with("\"requests\";r=1;t="), "{:?}", first.headers);
    house.get("/api/account").await.ok();
    let refused = house.get("/api/account").await;
    assert!(refused.header("ratelimit").expect("told").starts_with("\"requests\";r=0;"));
    assert!(refused.header("retry-after").is_some());
    refused.problem(429, "too-many-requests");
    house.bear(&token, "GET", "/api/account").await.ok();
    assert_eq!(house.send("GET", "/healthz", &[], "").await.header("ratelimit"), None, "nobody asked");
}

#[tokio::test]
async fn a_damaged_token_is_shown_to_its_account_and_can_be_revoked() {
    let house = House::new();
    let (damaged, secret) = house.token("track").await;
    let (whole, _) = house.token("read").await;
    house.store.execute("PRAGMA ignore_check_constraints = ON").await.expect("lax");
    house.store.execute("UPDATE tokens SET scope = '?' WHERE id = 1").await.expect("damaged");
    house.bear(&secret, "GET", "/api/account").await.problem(401, "token-refused");
    let list = house.get("/api/tokens").await.ok();
    let (first, second) = (&list["tokens"][0], &list["tokens"][1]);
    assert_eq!((&first["id"], &first["status"], &second["id"]), (&json!(damaged), &json!("damaged"), &json!(whole)));
    assert!(first["reason"].as_str().expect("a reason").starts_with("scope: "), "{first}");
    let page = house.get("/api/tokens?limit=1").await;
    assert!(page.header("link").expect("another page").contains("after="));
    let path = format!("/api/tokens/{damaged}");
    assert_eq!(house.get(&path).await.ok(), *first);
    house.post(&format!("{path}/rotate"), &json!({})).await.problem(409, "token-damaged");
    assert_eq!(house.get("/api/account").await.ok()["damaged"][0]["table"], "tokens");
    assert_eq!(house.delete(&path).await.status, 204);
    assert_eq!(house.get("/api/tokens").await.ok()["tokens"].as_array().map(Vec::len), Some(1));
    assert_eq!(house.get("/api/account").await.ok()["damaged"], json!([]));
    let text = house.get("/metrics").await.body;
    assert!(text.contains(r#"tracker_damaged_rows{table="tokens"} 0"#), "{text}");
    assert!(text.contains(r#"tracker_damaged_rows_found_total{table="tokens"} 1"#), "{text}");
}

/// A request may be sent slowly, and its token be taken back meanwhile.
#[tokio::test]
async fn a_token_that_is_taken_back_sets_no_hook_any_more() {
    for way in ["revoked", "rotated", "expired"] {
        let house = House::new();
        let in_an_hour = house.now().after(Duration::from_secs(3600));
        let (id, token) = match way {
            "expired" => (String::new(), house.expiring_token(in_an_hour).await),
            _ => house.token("track").await,
        };
        let ((begin, begun), (end, ended)) = (oneshot::channel(), oneshot::channel());
        let body = stream::once(async move {
            begin.send(()).expect("waited for");
            Ok::<_, Infallible>(Bytes::from_static(b"{"))
        });
        let body = body.chain(stream::once(async move {
            ended.await.expect("it goes on");
            Ok(Bytes::from_static(b"\"url\": \"https://192.88.98.1/cb\"}"))
        }));
        let request = Request::builder()
            .method("POST")
            .uri("/api/hooks")
            .header("host", "tracker.example")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from_stream(body))
            .expect("a request");
        let asked = tokio::spawn(TowerToHyperService::new(house.router.clone()).call(request));
        begun.await.expect("its body is read");
        match way {
            "revoked" => assert_eq!(house.delete(&format!("/api/tokens/{id}")).await.status, 204),
            "rotated" => drop(house.post(&format!("/api/tokens/{id}/rotate"), &Value::Null).await.ok()),
            _ => house.clock.set(in_an_hour),
        }
        end.send(()).expect("it waits");
        let Ok(response) = asked.await.expect("answered");
        assert_eq!(response.status(), 401, "{way}");
        assert_eq!(house.get("/api/account").await.ok()["hooks"], 0, "{way}");
    }
}
