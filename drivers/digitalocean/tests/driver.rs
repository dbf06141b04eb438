//! The whole driver against a pretend host: what it sends, and what it makes of each answer's status.

use digitalocean::DigitalOcean;
use tracker_driver_sdk::secret::Encoding;
use tracker_driver_sdk::testing::{Answer, Host};
use tracker_driver_sdk::{Account, Driver, Error, Query};

/// 2026-11-20T10:00:00Z.
const NOW: i64 = 1_795_168_800_000;

fn account() -> Account {
    Account::new("main", "https://api.digitalocean.com", "me")
}

fn host() -> Host {
    Host::new().secret("password", "t0ken-of-mine").at(NOW)
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn after(cursor: Option<String>) -> Query {
    Query { cursor, ..Query::default() }
}

#[test]
fn droplets_are_listed_page_by_page_with_the_token() {
    let host = host().answer(Answer::new(200).body(fixture("droplets-page-1")));
    let host = host.answer(Answer::new(200).body(fixture("droplets-page-2")));
    let (ids, seen) = host.run(|| {
        let first = DigitalOcean::list_instances(&account(), &after(None))?;
        let last = DigitalOcean::list_instances(&account(), &after(first.next))?;
        Ok::<_, Error>(first.items.into_iter().chain(last.items).map(|item| item.id).collect::<Vec<_>>())
    });
    assert_eq!(ids.unwrap(), ["50001", "50002", "50003", "50004", "50005"]);
    let base = "https://api.digitalocean.com/v2/droplets";
    for (sent, page) in seen.sent.iter().zip(1..) {
        assert_eq!(sent.url, format!("{base}?per_page=200&page={page}"));
        let bearer = format!("Bearer {}", Host::placeholder("password", Encoding::Raw));
        assert_eq!(sent.header("authorization"), Some(bearer.as_str()));
    }
    assert_eq!(seen.sent.len(), 2);
    assert!(!format!("{seen:?}").contains("t0ken-of-mine"));
}

#[test]
fn regions_are_asked_for_by_their_own_path() {
    let host = host().answer(Answer::new(200).body(fixture("regions")));
    let (page, seen) = host.run(|| DigitalOcean::list_realms(&account(), &after(None)));
    assert_eq!(page.unwrap().items.len(), 3);
    assert_eq!(seen.sent[0].url, "https://api.digitalocean.com/v2/regions?per_page=200&page=1");
}

fn failure(answer: Answer) -> Error {
    host().answer(answer).run(|| DigitalOcean::list_instances(&account(), &after(None))).0.expect_err("no list")
}

#[test]
fn errors_are_told_in_the_words_of_the_api() {
    let check = |answer: Answer, kind: &str, words: &str| {
        let error = format!("{:?}", failure(answer));
        assert!(error.starts_with(&format!("Error::{kind}(")) && error.contains(words), "{kind} {words}: {error}");
        assert!(error.contains("GET https://api.digitalocean.com/v2/droplets"), "{error}");
    };
    let of = |status: u16, name: &str| Answer::new(status).body(fixture(name));
    // With the status of a success, too.
    for (status, name, kind, words) in [
        (401, "error-unauthorized", "Unauthorized", "unauthorized: the token"),
        (403, "error-forbidden", "Forbidden", "forbidden: the token"),
        (429, "error-too-many-requests", "Throttled", "too_many_requests: the limit"),
    ] {
        check(of(status, name), kind, words);
        check(of(200, name), kind, words);
    }
    // Without words of its own, and beside a list.
    let bare = br#"{"id": "too_many_requests"}"#;
    check(Answer::new(200).body(&bare[..]), "Throttled", "answered 200: too_many_requests");
    let beside = br#"{"droplets": [], "meta": {"total": 0}, "id": "server_error", "message": "oh"}"#;
    check(Answer::new(200).body(&beside[..]), "Unavailable", "answered 200: server_error: oh");
    let odd = br#"{"id": "conflict", "message": "wait"}"#;
    check(Answer::new(200).body(&odd[..]), "UnexpectedAnswer", "answered 200: conflict: wait");
    check(Answer::new(500).body("<html>"), "Unavailable", "answered 500: <html>");
    check(Answer::new(200).body("<html>Please log in</html>"), "UnexpectedAnswer", "Please log in");
    check(Answer::new(200), "UnexpectedAnswer", "empty");
    check(Answer::new(302).header("Location", "https://evil.example/"), "UnexpectedAnswer", "not followed");
    check(Answer::new(200).body(&fixture("droplets-page-1")[..700]), "Unavailable", "broke off");
    let (no_token, _) = Host::new().run(|| DigitalOcean::list_instances(&account(), &after(None)));
    assert!(matches!(no_token, Err(Error::InvalidAccount(_))), "{no_token:?}");
}

#[test]
fn a_throttled_request_says_how_long() {
    let check = |headers: &[(&str, &str)], expected: Option<u32>| {
        for status in [429, 200] {
            let answer = Answer::new(status).body(fixture("error-too-many-requests"));
            let answer = headers.iter().fold(answer, |answer, (name, value)| answer.header(name, value));
            let Error::Throttled(throttle) = failure(answer) else { panic!("{headers:?}") };
            assert_eq!(throttle.retry_after, expected, "{headers:?}");
        }
    };
    check(&[], None);
    check(&[("RateLimit-Reset", "1795168930")], Some(130));
    check(&[("RateLimit-Reset", "1795168930"), ("Retry-After", "7")], Some(7));
    check(&[("RateLimit-Reset", "1795168799")], None);
}
