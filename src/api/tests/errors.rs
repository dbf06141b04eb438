//! Errors before there is an answer: authentication, and malformed requests.

use serde_json::json;

use super::*;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn every_error_is_a_problem() {
    let house = House::new();
    let right = basic("user", "right");
    let check = async |method: &str, path: &str, headers: &[(&str, &str)], body: &str, want: (u16, &str)| {
        let mut all = vec![("authorization", right.as_str())];
        all.extend(headers);
        house.send(method, path, &all, body).await.problem(want.0, want.1)
    };
    let none: &[(&str, &str)] = &[];
    check("GET", "/api;color=red/realms", none, "", (400, "unknown-parameter")).await;
    check("GET", "/api;driver=%ff", none, "", (400, "malformed-request")).await;
    check("GET", "/api?force_auth=perhaps", none, "", (400, "invalid-parameter")).await;
    check("GET", "/api/", none, "", (404, "not-found")).await;
    check("GET", "/api/instances/", none, "", (404, "not-found")).await;
    check("GET", "/api/drivers/none", none, "", (404, "driver-not-found")).await;
    check("GET", "/problems/none", none, "", (404, "not-found")).await;
    for path in ["/api/instances", "/api/instances/i-1", "/api/realms", "/api;driver=mock/instances"] {
        let problem = check("POST", path, none, "{}", (405, "method-not-allowed")).await;
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains("send PUT /api/") && detail.contains("track_hook"), "{path}: {detail}");
    }
    let problem = check("POST", "/api/account", none, "", (405, "method-not-allowed")).await;
    assert!(!problem["detail"].as_str().expect("text").contains("track_hook"), "{problem}");
    check("GET", "/api/instances/a%00", none, "", (400, "invalid-id")).await;
    check("GET", &format!("/api/instances/{}", "x".repeat(256)), none, "", (400, "invalid-id")).await;
    check("GET", "/api/instances/%ff", none, "", (400, "malformed-request")).await;
    check("GET", "/api/instances?id=%f", none, "", (400, "malformed-request")).await;
    check("GET", "/api/instances?limit=0", none, "", (400, "invalid-parameter")).await;
    check("GET", "/api/instances?limit=1000000000", none, "", (400, "invalid-parameter")).await;
    check("GET", "/api/instances?after=elsewhere", none, "", (400, "invalid-parameter")).await;
    check("GET", "/api/instances?color=red", none, "", (400, "unknown-parameter")).await;
    check("GET", "/api/account?format=xml", none, "", (400, "invalid-parameter")).await;
    check("GET", "/api?color=red", none, "", (400, "unknown-parameter")).await;
    check("PUT", "/api/instances/i", &[("content-type", "application/json")], "{}", (415, "unsupported-media-type"))
        .await;
    check("PUT", "/api/instances/i", none, "track_hook=none", (415, "unsupported-media-type")).await;
    check("PUT", "/api/instances/i", &[FORM], "track_hook=%", (400, "malformed-request")).await;
    let problem = check("PUT", "/api/instances/i", &[FORM], &"x".repeat(70_000), (413, "body-too-large")).await;
    assert_eq!(problem["limit"], 64 * 1024);
    check("PUT", "/api/instances/i", &[FORM, ("content-encoding", "br")], "x", (415, "unsupported-content-coding"))
        .await;
    check(
        "PUT",
        "/api/instances/i",
        &[FORM, ("content-encoding", "gzip")],
        "track_hook=none",
        (400, "malformed-request"),
    )
    .await;
    const JSON: (&str, &str) = ("content-type", "application/json");
    let hook = |more: &str| format!(r#"{{"url": "https://example.com/"{more}}}"#);
    check("POST", "/api/hooks", &[JSON], &hook(r#", "url": "https://example.com/""#), (400, "malformed-request")).await;
    let body = hook(r#", "kinds": ["realm"], "types": ["instance.state"]"#);
    let problem = check("POST", "/api/hooks", &[JSON], &body, (400, "invalid-member")).await;
    assert_eq!(problem["where"], "/kinds");
    check("POST", "/api/hooks", &[JSON], &hook(r#", "ids": ["*a"]"#), (400, "invalid-member")).await;
    for url in ["https://example.com:0/", "https://../", "https://a..b/", &format!("https://{}.com/", "x".repeat(64))] {
        check("POST", "/api/hooks", &[JSON], &json!({ "url": url }).to_string(), (400, "invalid-hook")).await;
    }
    let feed = "/api/changes?since=0";
    check("GET", &format!("{feed}&kind=instance&to=AVAILABLE"), none, "", (400, "invalid-parameter")).await;
    check("GET", &format!("{feed}&id=*a"), none, "", (400, "invalid-parameter")).await;
    check("GET", &format!("{feed}&id=a%5Cb"), none, "", (400, "invalid-parameter")).await;
    check("GET", "/api/instances?at=20261128T161000Z", none, "", (400, "invalid-parameter")).await;
    let twice = [("x-deltacloud-driver", "mock"), ("x-deltacloud-driver", "mock")];
    check("GET", "/api/realms", &twice, "", (400, "malformed-request")).await;
    check("GET", "/api/realms", &[("x-deltacloud-driver", "gce")], "", (400, "unknown-driver")).await;
    let named = [("x-deltacloud-driver", "gce"), ("x-deltacloud-provider", "here")];
    let problem = check("GET", "/api/realms", &named, "", (400, "unknown-driver")).await;
    assert_eq!(problem["known"][0], "mock");
    let problem =
        check("GET", "/api/realms", &[("x-deltacloud-provider", "mars")], "", (400, "unknown-provider")).await;
    assert_eq!(problem["known"][0], "default");

    let allowed = house.send("DELETE", "/api/realms/us", &[], "").await;
    let mut allowed: Vec<&str> = allowed.header("allow").expect("Allow").split(',').map(str::trim).collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "PUT"]);
}

#[tokio::test]
async fn nobody_learns_anything_without_a_proof() {
    let house = House::new();
    let wrong =
        [basic("user", "wrong"), basic("nobody", "right"), basic("", "right"), "Bearer x".into(), "Basic".into()];
    for path in
        ["/api/instances", "/api/instances/i-1", "/api/realms", "/api/realms/us", "/api/account", "/api/changes"]
    {
        let answer = house.send("GET", path, &[], "").await;
        answer.problem(401, "credentials-missing");
        assert_eq!(answer.header("www-authenticate"), Some(r#"Basic realm="tracker""#));
        for wrong in &wrong {
            let answer = house.send("GET", path, &[("authorization", wrong)], "").await;
            assert_eq!(answer.status, 401, "{path} {wrong}: {}", answer.body);
        }
    }
    let hook = house.send("PUT", "/api/instances/i-1?track_hook=none", &[("authorization", &wrong[0])], "").await;
    hook.problem(401, "credentials-refused");
    // Once for each of the two that were worth asking about.
    assert_eq!(house.provider.asked.load(Ordering::SeqCst), 2);
    for open in ["/api", "/api/drivers", "/healthz", "/readyz", "/problems", "/problems/timeout"] {
        house.send("GET", open, &[], "").await.ok();
    }
}

#[tokio::test]
async fn who_guesses_is_held_off_and_who_knows_is_not() {
    let house = House::new();
    house.get("/api/account").await.ok();
    let guess = async |number: usize| {
        let authorization = basic("user", &format!("guess {number}"));
        house.send("GET", "/api/account", &[("authorization", &authorization)], "").await
    };
    for number in 0..5 {
        guess(number).await.problem(401, "credentials-refused");
    }
    let answer = guess(5).await;
    answer.problem(429, "too-many-attempts");
    assert_eq!(answer.header("retry-after"), Some("300"));
    assert_eq!(house.provider.asked.load(Ordering::SeqCst), 6);
    house.get("/api/account").await.ok();
}

#[tokio::test]
async fn a_provider_that_gives_no_word_is_no_refusal_and_is_not_quoted() {
    let house = House::new();
    let check = async |failure: CallError, status: u16, slug: &str| {
        house.fails(Some(failure));
        let problem = house.get("/api/account").await.problem(status, slug);
        assert!(!problem["detail"].as_str().expect("text").contains("10.0.0.1"), "{problem}");
        house.clock.advance(Duration::from_secs(60));
    };
    let text = || "10.0.0.1 said no".to_owned();
    check(CallError::Unavailable(text()), 502, "provider-failed").await;
    check(CallError::UnexpectedAnswer(text()), 502, "provider-failed").await;
    check(CallError::Crashed(text()), 502, "provider-failed").await;
    check(CallError::Throttled { retry_after: None, message: text() }, 503, "provider-throttled").await;
    house.fails(None);
    house.get("/api/account").await.ok();
}

#[tokio::test]
async fn a_store_that_is_gone_is_said_to_be_and_no_more() {
    let house = House::new();
    house.get("/api/account").await.ok();
    house.store.close().await.expect("closed");
    for path in ["/api/instances/i-1?track_hook=none", "/readyz"] {
        let method = if path == "/readyz" { "GET" } else { "PUT" };
        let answer = house.send(method, path, &[("authorization", &basic("user", "right"))], "").await;
        let problem = answer.problem(503, "store-unavailable");
        assert!(!problem.to_string().to_lowercase().contains("sql"), "{problem}");
    }
    house.send("GET", "/healthz", &[], "").await.ok();
}

#[tokio::test]
async fn a_panic_is_a_problem_that_says_nothing_of_it() {
    let response = access_log::panicked(Box::new("secret"));
    assert_eq!(response.status(), 500);
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    assert!(!String::from_utf8_lossy(&body).contains("secret"));
}

#[tokio::test]
async fn a_request_has_its_time() {
    let house = House::with(|settings| settings.request_timeout = Duration::from_millis(1));
    house.get("/api/instances").await.problem(504, "timeout");
}
