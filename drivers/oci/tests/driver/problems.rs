//! Errors: each by Oracle's own word, and by the status where there is none.

use crate::setup::{bare, fixture, instance, listed};
use serde_json::json;
use tracker_driver_sdk::Error;
use tracker_driver_sdk::testing::Answer;

fn failure(answer: Answer) -> Error {
    let (page, paths) = listed(&bare(), vec![answer]);
    assert_eq!(paths.len(), 1, "it asks no second time");
    page.expect_err("no list")
}

fn check(answer: Answer, kind: &str, words: &str) {
    let error = format!("{:?}", failure(answer));
    assert!(error.starts_with(&format!("Error::{kind}(")) && error.contains(words), "{kind} {words}: {error}");
    assert!(error.contains("GET https://iaas.us-ashburn-1.oraclecloud.com/20160918/instances"), "{error}");
}

#[test]
fn errors_are_told_in_the_words_of_the_api() {
    for (status, name, kind, words) in [
        (401, "error-not-authenticated", "Unauthorized", "NotAuthenticated: The required"),
        (404, "error-not-authorized-or-not-found", "Forbidden", "NotAuthorizedOrNotFound: Authorization"),
        (429, "error-too-many-requests", "Throttled", "TooManyRequests: Too many"),
        (503, "error-service-unavailable", "Unavailable", "ServiceUnavailable: The service"),
    ] {
        // With another status, too.
        for status in [status, 200, 400] {
            check(Answer::new(status).body(fixture(name)), kind, words);
        }
    }
    let of = |status: u16, code: &str| Answer::new(status).body(json!({ "code": code, "message": null }).to_string());
    check(of(403, "NotAuthorized"), "Forbidden", "answered 403: NotAuthorized");
    check(of(402, "SignUpRequired"), "Forbidden", "SignUpRequired");
    check(of(500, "InternalServerError"), "Unavailable", "InternalServerError");
    check(of(500, "OutOfCapacity"), "Unavailable", "OutOfCapacity");
    check(of(400, "InvalidParameter"), "UnexpectedAnswer", "InvalidParameter");
    check(of(404, "NotFound"), "UnexpectedAnswer", "NotFound");
    check(of(200, "InvalidParameter"), "UnexpectedAnswer", "answered 200: InvalidParameter");
    check(of(401, "SomethingNew"), "Unauthorized", "SomethingNew");
    check(of(200, ""), "UnexpectedAnswer", "");
}

#[test]
fn what_is_not_oracles_counts_by_its_status() {
    check(Answer::new(401).body("<html>"), "Unauthorized", "answered 401: <html>");
    check(Answer::new(403), "Forbidden", "answered 403");
    check(Answer::new(404).body("<html>"), "UnexpectedAnswer", "answered 404: <html>");
    check(Answer::new(429), "Throttled", "answered 429");
    check(Answer::new(502).body("<html>"), "Unavailable", "answered 502: <html>");
    check(Answer::new(302).header("Location", "https://evil.example/"), "UnexpectedAnswer", "not followed");
    check(Answer::new(200).body("<html>Please log in</html>"), "UnexpectedAnswer", "Please log in");
    check(Answer::new(204), "UnexpectedAnswer", "empty");
}

#[test]
fn what_is_no_list_is_no_empty_list() {
    for body in ["null", "{}", "17", "\"x\"", r#"{"items": []}"#, "[null]", "[[]]", "[{}]", r#"["ocid1.instance.a"]"#] {
        check(Answer::new(200).body(body), "UnexpectedAnswer", "");
    }
    check(Answer::new(200).body(""), "UnexpectedAnswer", "empty");
    let error = r#"[{"code": "NotAuthenticated", "message": "no"}]"#;
    check(Answer::new(200).body(error), "UnexpectedAnswer", "");
}

#[test]
fn a_list_cut_off_anywhere_is_never_a_shorter_list() {
    let whole = json!([instance("1"), instance("2")]).to_string();
    for end in 0..whole.len() {
        let error = failure(Answer::new(200).body(&whole.as_bytes()[..end]));
        assert!(matches!(error, Error::Unavailable(_) | Error::UnexpectedAnswer(_)), "cut off at {end}: {error:?}");
    }
    let broken = Answer::new(200).body(&whole.as_bytes()[..40]).broken("ConnectionTerminated");
    check(broken, "Unavailable", "broke off");
}

#[test]
fn a_throttled_request_says_how_long_where_oracle_does() {
    let wait = |status: u16, value: Option<&str>| {
        let answer = Answer::new(status).body(fixture("error-too-many-requests"));
        let answer = value.into_iter().fold(answer, |answer, value| answer.header("Retry-After", value));
        let Error::Throttled(throttle) = failure(answer) else { panic!("{value:?}") };
        throttle.retry_after
    };
    for status in [429, 200, 400, 503] {
        assert_eq!(wait(status, None), None);
        assert_eq!(wait(status, Some("12")), Some(12));
        assert_eq!(wait(status, Some("Fri, 20 Nov 2026 10:00:30 GMT")), Some(30));
        assert_eq!(wait(status, Some("soon")), None);
    }
    let busy = Answer::new(503).body(fixture("error-service-unavailable")).header("Retry-After", "9");
    let Error::Throttled(throttle) = failure(busy) else { panic!("a time to wait is one") };
    assert_eq!(throttle.retry_after, Some(9));
}
