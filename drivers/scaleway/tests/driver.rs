//! What the driver sends, and what it makes of each answer's status.

use scaleway::Scaleway;
use tracker_driver_sdk::secret::Encoding;
use tracker_driver_sdk::testing::{Answer, Host};
use tracker_driver_sdk::{Account, Driver, Error, Query};

fn account() -> Account {
    let options = vec![("zones".into(), "fr-par-1".into())];
    Account { options, ..Account::new("main", "https://api.scaleway.com", "me") }
}

fn host() -> Host {
    Host::new().secret("password", "s3cret-key-of-mine")
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn servers_are_listed_page_by_page_with_the_key() {
    let answer = |name: &str| Answer::new(200).header("x-total-count", "4").body(fixture(name));
    let link = "</servers?page=2&per_page=100&order=creation_date_asc>; rel=\"next\"";
    let host = host().answer(answer("servers-page-1").header("link", link)).answer(answer("servers-page-2"));
    let (names, seen) = host.run(|| {
        let first = Scaleway::list_instances(&account(), &Query::default())?;
        let last = Scaleway::list_instances(&account(), &Query { cursor: first.next, ..Query::default() })?;
        assert_eq!((last.total, last.next), (Some(4), None));
        Ok::<_, Error>(first.items.into_iter().chain(last.items).filter_map(|item| item.name).collect::<Vec<_>>())
    });
    assert_eq!(names.unwrap(), ["web-1", "web-2", "inner", "standby"]);
    let base = "https://api.scaleway.com/instance/v1/zones/fr-par-1/servers";
    for (sent, page) in seen.sent.iter().zip(1..) {
        assert_eq!(sent.url, format!("{base}?per_page=100&page={page}&order=creation_date_asc"));
        assert_eq!(sent.header("x-auth-token"), Some(Host::placeholder("password", Encoding::Raw).as_str()));
        assert_eq!(sent.header("authorization"), None);
    }
    assert_eq!(seen.sent.len(), 2);
    assert!(!format!("{seen:?}").contains("s3cret-key-of-mine"));
}

fn failure(answer: Answer) -> Error {
    host().answer(answer).run(|| Scaleway::list_instances(&account(), &Query::default())).0.expect_err("no list")
}

#[test]
fn errors_are_told_in_the_words_of_the_api() {
    let check = |answer: Answer, kind: &str, words: &str| {
        let error = format!("{:?}", failure(answer));
        assert!(error.starts_with(&format!("Error::{kind}(")) && error.contains(words), "{kind} {words}: {error}");
        assert!(error.contains("GET https://api.scaleway.com/instance/v1/zones/fr-par-1/servers"), "{error}");
    };
    let of = |status: u16, name: &str| Answer::new(status).body(fixture(name));
    // With the status of a success, too.
    for (status, name, kind, words) in [
        (401, "error-unauthorized", "Unauthorized", "denied_authentication: authentication is denied (not_found)"),
        (403, "error-forbidden", "Forbidden", "permissions_denied: insufficient permissions"),
        (429, "error-rate-limit", "Throttled", "too_many_requests: too many"),
        (503, "error-unavailable", "Unavailable", "unavailable: service"),
        (500, "error-internal", "Unavailable", "api_error: Internal error"),
    ] {
        check(of(status, name), kind, words);
        check(of(200, name), kind, words);
    }
    // The type tells what the status mixes up.
    check(of(403, "error-unauthorized"), "Unauthorized", "answered 403: denied_authentication");
    check(of(401, "error-forbidden"), "Forbidden", "answered 401: permissions_denied");
    let beside = br#"{"servers": [], "type": "api_error", "message": "oh"}"#;
    check(Answer::new(200).body(&beside[..]), "Unavailable", "answered 200: api_error: oh");
    let odd = br#"{"type": "invalid_request_error", "message": "validation error", "fields": {"page": ["no"]}}"#;
    check(Answer::new(200).body(&odd[..]), "UnexpectedAnswer", "answered 200: invalid_request_error: validation error");
    check(Answer::new(400).body(&odd[..]), "UnexpectedAnswer", "answered 400: invalid_request_error: validation error");
    check(Answer::new(401).body("<html>log in</html>"), "Unauthorized", "answered 401: <html>log in</html>");
    check(Answer::new(500).body("<html>"), "Unavailable", "answered 500: <html>");
    check(Answer::new(200).body("<html>Please log in</html>"), "UnexpectedAnswer", "Please log in");
    check(Answer::new(200), "UnexpectedAnswer", "empty");
    check(Answer::new(302).header("Location", "https://evil.example/"), "UnexpectedAnswer", "not followed");
    check(Answer::new(200).body(&fixture("servers-page-1")[..700]), "Unavailable", "broke off");
    let (no_key, _) = Host::new().run(|| Scaleway::list_instances(&account(), &Query::default()));
    assert!(matches!(no_key, Err(Error::InvalidAccount(_))), "{no_key:?}");
}

#[test]
fn a_throttled_request_says_how_long() {
    let check = |headers: &[(&str, &str)], expected: Option<u32>| {
        for status in [429, 200] {
            let answer = Answer::new(status).body(fixture("error-rate-limit"));
            let answer = headers.iter().fold(answer, |answer, (name, value)| answer.header(name, value));
            let Error::Throttled(throttle) = failure(answer) else { panic!("{headers:?}") };
            assert_eq!(throttle.retry_after, expected, "{headers:?}");
        }
    };
    check(&[], None);
    check(&[("X-RateLimit-Reset", "12")], Some(12));
    check(&[("X-RateLimit-Reset", "12"), ("Retry-After", "7")], Some(7));
    check(&[("X-RateLimit-Reset", "1795168837")], None);
}
