//! The world of Deltacloud's mock driver, as a client of 2012 expects it, over HTTP.

use serde_json::{Value, json};

use crate::support::{Client, Host, Setup};

async fn world() -> (Host, Client) {
    let host = Setup::new(&["mock"]).start().await;
    let client = host.client().at("mock", "default").as_user("mockuser", "mockpassword");
    (host, client)
}

fn ids(list: &Value) -> Vec<&str> {
    let items = list.as_object().and_then(|list| list.values().find_map(Value::as_array));
    let items = items.unwrap_or_else(|| panic!("a list: {list}"));
    items.iter().map(|item| item["id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn instances_and_realms_are_as_they_were() {
    let (_host, client) = world().await;

    let instances = client.get("/api/instances").await.ok();
    assert_eq!(ids(&instances), ["inst0", "inst1", "inst3"]);
    let inst1 = client.get("/api/instances/inst1").await.ok();
    assert_eq!(inst1["owner"], "mockuser");
    assert_eq!(inst1["name"], "MockUserInstance");
    assert_eq!(inst1["state"], "RUNNING");
    assert_eq!(inst1["realm"], "us");
    assert!(inst1["public_addresses"].to_string().contains("img1.inst1.public.com"), "{inst1}");
    assert!(inst1["private_addresses"].to_string().contains("img1.inst1.private.com"), "{inst1}");
    assert_eq!(inst1["track"], Value::Null, "no hook is set");

    let realms = client.get("/api/realms").await.ok();
    assert_eq!(ids(&realms), ["eu", "us"]);
    let eu = client.get("/api/realms/eu").await.ok();
    assert_eq!((&eu["name"], &eu["state"]), (&json!("Europe"), &json!("AVAILABLE")));
    assert_eq!(client.get("/api/realms/us").await.ok()["name"], "United States");
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let (_host, client) = world().await;
    let check = async |query: &str, want: &[&str]| {
        let list = client.get(&format!("/api/instances?{query}")).await.ok();
        assert_eq!(ids(&list), want, "{query}");
    };
    check("id=inst1", &["inst1"]).await;
    check("state=RUNNING", &["inst0", "inst1", "inst3"]).await;
    check("state=STOPPED", &[]).await;
    check("realm_id=eu", &["inst3"]).await;
    check("realm_id=us&id=inst3", &[]).await;
    check("realm_id=us&limit=1", &["inst0"]).await;
    client.get("/api/instances?state=ASLEEP").await.problem(400);
    client.get("/api/instances?colour=red").await.problem(400);
    client.get("/api/instances?limit=none").await.problem(400);

    // Page by page, as the links lead.
    let (mut seen, mut next) = (Vec::new(), Some("/api/instances?limit=2".to_owned()));
    while let Some(path) = next {
        let answer = client.get(&path).await;
        next = answer.next_page();
        seen.extend(ids(&answer.ok()).into_iter().map(str::to_owned));
    }
    assert_eq!(seen, ["inst0", "inst1", "inst3"]);
}

#[tokio::test]
async fn the_entry_point_leads_to_everything() {
    let (_host, client) = world().await;
    let entry = client.get("/api").await.ok();
    let text = entry.to_string();
    for word in ["mock", "default", "/api/instances", "/api/realms", "state_tracking", "track_hook", "track_token"] {
        assert!(text.contains(word), "{word} is not in {entry}");
    }
    let drivers = client.get("/api/drivers").await.ok();
    assert_eq!(ids(&drivers), ["mock"]);
    let driver = client.get("/api/drivers/mock").await.ok();
    assert!(driver["digest"].as_str().is_some_and(|digest| digest.len() == 64), "{driver}");
    client.get("/healthz").await.ok();
}

#[tokio::test]
async fn what_the_host_counts_is_told_to_who_watches_it() {
    let (host, client) = world().await;
    client.get("/api/instances").await.ok();
    client.get("/api/instances/nothing").await.problem(404);
    client.get("/nowhere/at/all").await.problem(404);
    let answer = host.client().get("/metrics").await;
    assert_eq!(answer.status, 200, "no credentials are asked for");
    assert_eq!(answer.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let has = |line: &str| assert!(answer.text.lines().any(|had| had == line), "{line} is not in\n{}", answer.text);
    has("tracker_polls_total{driver=\"mock\",kind=\"instances\",outcome=\"complete\"} 1");
    has("tracker_poll_lateness_seconds_count{driver=\"mock\",kind=\"instances\"} 1");
    has("tracker_http_requests_total{method=\"GET\",route=\"/api/instances/{id}\",status=\"404\"} 1");
    has("tracker_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 1");
    has("tracker_accounts 1");
    assert!(!answer.text.contains("mockuser"), "nothing of accounts is in it");
}

#[tokio::test]
async fn only_who_proves_the_account_is_let_in() {
    let (host, client) = world().await;
    let at_mock = host.client().at("mock", "default");
    let check = async |client: &Client, path: &str| {
        let answer = client.get(path).await;
        assert!(answer.headers.contains_key("www-authenticate"), "{path}: {}", answer.text);
        answer.problem(401);
    };
    for path in ["/api/instances", "/api/instances/inst0", "/api/realms", "/api/account", "/api/changes"] {
        check(&at_mock, path).await;
        check(&at_mock.as_user("mockuser", "wrong"), path).await;
        check(&at_mock.as_user("anotheruser", "mockpassword"), path).await;
    }
    let hook = [("track_hook", "http://127.0.0.1:9/")];
    at_mock.as_user("mockuser", "wrong").put("/api/instances/inst0", &hook).await.problem(401);
    // Whoever was proven stays let in, however many others guess.
    client.get("/api/instances").await.ok();

    let right = |driver, provider| host.client().at(driver, provider).as_user("mockuser", "mockpassword");
    let problem = right("gogrid", "default").get("/api/instances").await.problem(400);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("gogrid")), "{problem}");
    let problem = right("mock", "mars").get("/api/instances").await.problem(400);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("mars")), "{problem}");
}

#[tokio::test]
async fn what_is_not_there_is_said_not_to_be() {
    let (_host, client) = world().await;
    for path in ["/api/instances/inst9", "/api/realms/moon", "/api/drivers/gogrid", "/api/images", "/nowhere"] {
        let problem = client.get(path).await.problem(404);
        let kind = problem["type"].as_str().expect("a type").to_owned();
        assert!(kind.ends_with("not-found"), "{path}: {problem}");
    }
    client.put("/api/drivers", &[]).await.problem(405);
}

#[tokio::test]
async fn a_hook_is_shown_and_its_secrets_are_not() {
    let (_host, client) = world().await;
    for path in ["/api/instances/inst0", "/api/realms/eu"] {
        let set = client.put(path, &[("track_hook", "http://127.0.0.1:9/cb"), ("track_token", "t0ken")]).await.ok();
        assert!(set["track"]["secret"].as_str().is_some_and(|secret| secret.starts_with("whsec_")), "{set}");
        let track = client.get(path).await.ok()["track"].clone();
        assert_eq!(track["hook"], "http://127.0.0.1:9/cb");
        assert_eq!(track["token"], true);
        assert!(!track.to_string().contains("t0ken") && track["secret"].is_null(), "{track}");

        // In the query, as well; it replaces the one before.
        let set = client.put(&format!("{path}?track_hook=http://127.0.0.1:9/other"), &[]).await.ok();
        assert_eq!(set["track"]["hook"], "http://127.0.0.1:9/other");
        assert_eq!(client.get(path).await.ok()["track"]["token"], false);

        client.put(path, &[("track_hook", "none")]).await.ok();
        assert_eq!(client.get(path).await.ok()["track"], Value::Null);
    }
}

#[tokio::test]
async fn a_hook_that_cant_be_one_is_refused_with_the_reason() {
    let (_host, client) = world().await;
    let check = async |hook: &str, want: &str| {
        let problem = client.put("/api/instances/inst0", &[("track_hook", hook)]).await.problem(400);
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.contains(want), "{hook}: {problem} should say {want:?}");
    };
    check("/callback", "relative").await;
    check("callback", "relative").await;
    check("ftp://example.com/cb", "http or https").await;
    check("file:///etc/passwd", "http or https").await;
    check("http://", "not a URL").await;
    check("http://user:pw@example.com/", "user or password").await;
    check("http://example.com/#x", "fragment").await;
    assert_eq!(client.get("/api/instances/inst0").await.ok()["track"], Value::Null);
}

#[tokio::test]
async fn a_hook_on_a_private_address_is_refused_while_those_are_closed() {
    let host = Setup::new(&["mock"]).delivery("").start().await;
    let client = host.client().at("mock", "default").as_user("mockuser", "mockpassword");
    for address in ["127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]"] {
        let hook = format!("http://{address}:8080/cb");
        let problem = client.put("/api/instances/inst0", &[("track_hook", &hook)]).await.problem(400);
        assert_eq!(problem["type"], "/problems/hook-address-closed", "{hook}: {problem}");
        let says_how = problem["detail"].as_str().is_some_and(|detail| detail.contains("delivery.allow_addresses"));
        assert!(says_how, "{hook}: {problem}");
    }
    assert_eq!(client.get("/api/instances/inst0").await.ok()["track"], Value::Null);
    // Whether a name leads to such an address is not for a client to learn.
    for name in ["localhost", "nowhere.invalid"] {
        let hook = format!("http://{name}:8080/cb");
        client.put("/api/instances/inst0", &[("track_hook", &hook)]).await.ok();
    }
}
