//! What is made of errors: the API's and those of the endpoint for tokens, by their words and by their status.

use gce::Gce;
use gce::problem::Document;
use serde_json::{Value, json};
use tracker_driver_sdk::testing::{Answer, Host};
use tracker_driver_sdk::{Account, Driver, Error, Query, SecretKind};

fn failure(answer: Answer) -> Error {
    let secret = SecretKind::AccessToken;
    let account = Account { secret, ..Account::new("main", "https://compute.googleapis.com", "shop-4711") };
    let host = Host::new().secret("password", "t0ken-of-mine").at(1_795_168_800_000).answer(answer);
    host.run(|| Gce::list_instances(&account, &Query::default())).0.expect_err("no list")
}

fn check(answer: Answer, kind: &str, words: &str) {
    let error = format!("{:?}", failure(answer));
    assert!(error.starts_with(&format!("Error::{kind}(")) && error.contains(words), "{kind} {words}: {error}");
    assert!(error.contains("GET https://compute.googleapis.com/compute/v1/projects/shop-4711/"), "{error}");
}

/// An error of the API, as older parts of it and newer ones write them.
fn body(code: u16, status: Option<&str>, reason: Option<&str>, detail: Option<Value>) -> String {
    let mut error = json!({ "code": code, "message": "so it is" });
    if let Some(status) = status {
        error["status"] = status.into();
    }
    if let Some(reason) = reason {
        error["errors"] = json!([{ "message": "so it is", "domain": "global", "reason": reason }]);
    }
    if let Some(detail) = detail {
        error["details"] = json!([{ "@type": "type.googleapis.com/google.rpc.Help", "links": [] }, detail]);
    }
    json!({ "error": error }).to_string()
}

#[test]
fn errors_are_told_by_their_reasons() {
    let info = |reason: &str| Some(json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason }));
    for (code, status, reason, detail, kind, words) in [
        (
            401,
            Some("UNAUTHENTICATED"),
            Some("authError"),
            info("ACCESS_TOKEN_EXPIRED"),
            "Unauthorized",
            "ACCESS_TOKEN_EXPIRED",
        ),
        (401, None, Some("authError"), None, "Unauthorized", "authError: so it is"),
        (401, None, Some("required"), None, "Unauthorized", "required: so it is"),
        (403, None, Some("forbidden"), None, "Forbidden", "forbidden: so it is"),
        (403, Some("PERMISSION_DENIED"), None, info("IAM_PERMISSION_DENIED"), "Forbidden", "IAM_PERMISSION_DENIED"),
        (403, None, Some("accessNotConfigured"), None, "Forbidden", "services enable compute.googleapis.com"),
        (403, Some("PERMISSION_DENIED"), Some("forbidden"), info("SERVICE_DISABLED"), "Forbidden", "services enable"),
        (403, None, Some("insufficientPermissions"), None, "Forbidden", "compute.readonly"),
        (403, None, Some("somethingNew"), None, "Forbidden", "somethingNew: so it is"),
        (403, None, Some("rateLimitExceeded"), None, "Throttled", "rateLimitExceeded"),
        (403, None, Some("userRateLimitExceeded"), None, "Throttled", "userRateLimitExceeded"),
        (403, None, Some("quotaExceeded"), None, "Throttled", "quotaExceeded"),
        (403, None, Some("dailyLimitExceeded"), None, "Throttled", "dailyLimitExceeded"),
        (403, Some("PERMISSION_DENIED"), Some("forbidden"), info("RATE_LIMIT_EXCEEDED"), "Throttled", "RATE_LIMIT"),
        (429, Some("RESOURCE_EXHAUSTED"), None, None, "Throttled", "RESOURCE_EXHAUSTED"),
        (429, None, Some("somethingNew"), None, "Throttled", "somethingNew"),
        (500, Some("INTERNAL"), Some("internalError"), None, "Unavailable", "internalError"),
        (503, Some("UNAVAILABLE"), Some("backendError"), None, "Unavailable", "backendError"),
        (504, None, Some("somethingNew"), None, "Unavailable", "somethingNew"),
        (404, None, Some("notFound"), None, "InvalidAccount", "option `project`"),
        (404, None, Some("somethingNew"), None, "UnexpectedAnswer", "somethingNew"),
        (400, None, Some("invalid"), None, "UnexpectedAnswer", "invalid: so it is"),
    ] {
        let body = body(code, status, reason, detail);
        check(Answer::new(code).body(body.clone()), kind, words);
        // With the status of a success it is no list, and what its words say where they are known.
        let kind = if words.contains("required") || words.contains("somethingNew") { "UnexpectedAnswer" } else { kind };
        check(Answer::new(200).body(body), kind, "");
    }
}

#[test]
fn what_a_proxy_says_counts_by_its_status() {
    for (status, kind) in [(401, "Unauthorized"), (403, "Forbidden"), (404, "UnexpectedAnswer"), (502, "Unavailable")] {
        check(Answer::new(status).body("<html>Acme Proxy</html>"), kind, "Acme Proxy");
        check(Answer::new(status).body(r#"{"error": {}}"#), kind, "answered");
        check(Answer::new(status).body("[]"), kind, "answered");
    }
    check(Answer::new(200).body("<html>Please log in</html>"), "UnexpectedAnswer", "Please log in");
    check(Answer::new(200), "UnexpectedAnswer", "empty");
    check(Answer::new(204), "UnexpectedAnswer", "empty");
    check(Answer::new(302).header("Location", "https://evil.example/"), "UnexpectedAnswer", "not followed");
    check(Answer::new(200).body(r#"{"items": {"zones/a"#), "Unavailable", "broke off");
    let beside = r#"{"items": {}, "error": {"code": 503, "message": "soon", "errors": [{"reason": "backendError"}]}}"#;
    check(Answer::new(200).body(beside), "Unavailable", "backendError: soon");
}

#[test]
fn the_wait_is_that_of_the_header_or_of_the_body() {
    let delay = |delay: &str| Some(json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay }));
    let wait = |answer: Answer| match failure(answer) {
        Error::Throttled(throttle) => throttle.retry_after,
        other => panic!("{other:?}"),
    };
    for (status, reason) in [(403, "rateLimitExceeded"), (429, "rateLimitExceeded"), (429, "somethingNew")] {
        let body = |detail| body(status, None, Some(reason), detail);
        assert_eq!(wait(Answer::new(status).body(body(None))), None);
        assert_eq!(wait(Answer::new(status).body(body(delay("7.5s")))), Some(8));
        let both = Answer::new(status).body(body(delay("7s"))).header("Retry-After", "30");
        assert_eq!(wait(both), Some(30));
    }
    // A 503 with a Retry-After asks for a pause.
    let pause = Answer::new(503).header("Retry-After", "5").body(body(503, None, Some("backendError"), None));
    assert_eq!(wait(pause), Some(5));
    let seconds = |text: &str| {
        let body = body(429, None, None, delay(text));
        Document::read(body.as_bytes()).expect("a document").retry_delay()
    };
    let table = [
        ("0s", Some(0)),
        ("12s", Some(12)),
        ("0.000000001s", Some(1)),
        ("3.000s", Some(3)),
        ("4294967295.5s", Some(u32::MAX)),
    ];
    for (text, expected) in table
        .into_iter()
        .chain(["", "s", "12", "-3s", "soon", "1.s", ".5s", "1m", "5000000000s"].map(|text| (text, None)))
    {
        assert_eq!(seconds(text), expected, "{text}");
    }
}

#[test]
fn errors_are_quoted_in_their_own_words() {
    let words = |body: &[u8]| Document::read(body).map(|document| document.in_words());
    let grant = br#"{"error": "invalid_grant", "error_description": "wrong key"}"#;
    assert_eq!(words(grant).as_deref(), Some("invalid_grant: wrong key"));
    assert_eq!(words(br#"{"error": "invalid_grant"}"#).as_deref(), Some("invalid_grant"));
    assert_eq!(words(br#"{"error": {"message": "No"}}"#).as_deref(), Some("No"));
    assert_eq!(words(br#"{"error": {"status": "INTERNAL", "message": ""}}"#).as_deref(), Some("INTERNAL"));
    for none in [&b"<html>"[..], b"", b"[]", br#"{"error": ""}"#, br#"{"error": {}}"#, br#"{"message": "x"}"#, b"\xff"]
    {
        assert_eq!(words(none), None);
    }
}
