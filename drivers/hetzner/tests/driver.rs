//! The whole driver against a pretend host: what it sends, and what it makes of each answer's status.

use hetzner::Hetzner;
use tracker_driver_sdk::secret::Encoding;
use tracker_driver_sdk::testing::{Answer, Host};
use tracker_driver_sdk::{Account, Driver, Error, Query};

/// 2026-11-20T10:00:00Z.
const NOW: i64 = 1_795_168_800_000;

fn account() -> Account {
    Account::new("main", "https://api.hetzner.cloud", "me")
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
fn servers_are_listed_page_by_page_with_the_token() {
    let host = host().answer(Answer::new(200).body(fixture("servers-page-1")));
    let host = host.answer(Answer::new(200).body(fixture("servers-page-2")));
    let (ids, seen) = host.run(|| {
        let first = Hetzner::list_instances(&account(), &after(None))?;
        let last = Hetzner::list_instances(&account(), &after(first.next))?;
        Ok::<_, Error>(first.items.into_iter().chain(last.items).map(|item| item.id).collect::<Vec<_>>())
    });
    assert_eq!(ids.unwrap(), ["4101", "4102", "4103", "4104", "4105", "4106", "4107", "4108", "4109"]);
    let base = "https://api.hetzner.cloud/v1/servers";
    for (sent, page) in seen.sent.iter().zip(1..) {
        assert_eq!(sent.url, format!("{base}?page={page}&per_page=50&sort=id%3Aasc"));
        let bearer = format!("Bearer {}", Host::placeholder("password", Encoding::Raw));
        assert_eq!(sent.header("authorization"), Some(bearer.as_str()));
    }
    assert_eq!(seen.sent.len(), 2);
    assert!(!format!("{seen:?}").contains("t0ken-of-mine"));
}

#[test]
fn locations_are_asked_for_by_their_own_path() {
    let host = host().answer(Answer::new(200).body(fixture("locations")));
    let (page, seen) = host.run(|| Hetzner::list_realms(&account(), &after(None)));
    assert_eq!(page.unwrap().items.len(), 3);
    assert_eq!(seen.sent[0].url, "https://api.hetzner.cloud/v1/locations?page=1&per_page=50&sort=id%3Aasc");
}

/// All pages of a list of these ids, and the paths that were asked for.
fn by_id(ids: &[&str], answers: Vec<Answer>) -> (Result<Vec<String>, Error>, Vec<String>) {
    let host = answers.into_iter().fold(host(), Host::answer);
    let (listed, seen) = host.run(|| {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let (mut listed, mut cursor) = (Vec::new(), None);
        loop {
            let page = Hetzner::list_instances(&account(), &Query { cursor, ids: ids.clone(), ..Query::default() })?;
            listed.extend(page.items.into_iter().map(|item| item.id));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(listed);
            }
        }
    });
    let paths = seen.sent.iter().map(|sent| sent.url.trim_start_matches("https://api.hetzner.cloud").to_owned());
    (listed, paths.collect())
}

#[test]
fn single_servers_are_asked_for_one_by_one_and_may_be_absent() {
    let list: serde_json::Value = serde_json::from_slice(&fixture("servers-page-1")).expect("JSON");
    let there = || Answer::new(200).body(serde_json::json!({ "server": list["servers"][0] }).to_string());
    let id = list["servers"][0]["id"].to_string();
    let absent = || Answer::new(404).body(r#"{"error": {"code": "not_found", "message": "no"}}"#);
    let (listed, paths) = by_id(&["7", &id], vec![absent(), there()]);
    assert_eq!(listed.unwrap(), [id.as_str()]);
    assert_eq!(paths, ["/v1/servers/7".to_owned(), format!("/v1/servers/{id}")]);
    // What is no id here goes into no path.
    let (listed, paths) = by_id(&["..", "i-1", "1/actions", "١", &id], vec![there()]);
    assert_eq!((listed.unwrap(), paths), (vec![id.clone()], vec![format!("/v1/servers/{id}")]));
    // Of many, everything is listed.
    let many: Vec<String> = (0..21).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let (_, paths) = by_id(&many, vec![Answer::new(503)]);
    assert!(matches!(&paths[..], [path] if path.starts_with("/v1/servers?")), "{paths:?}");
    // A 404 that is not the API's own says nothing of a server; nor does an answer without one.
    for answer in [
        Answer::new(404),
        Answer::new(404).body("<html>not found</html>"),
        Answer::new(200).body("{}"),
        Answer::new(200).body(r#"{"server": null}"#),
        Answer::new(200).body(r#"{"error": {"code": "not_found", "message": "no"}}"#),
    ] {
        let (listed, _) = by_id(&[&id], vec![answer]);
        assert!(matches!(listed, Err(Error::UnexpectedAnswer(_))), "{listed:?}");
    }
    let (wrong, _) = host().run(|| {
        let query = Query { cursor: Some("2".into()), ids: vec![id.clone()], ..Query::default() };
        Hetzner::list_instances(&account(), &query)
    });
    assert!(matches!(wrong, Err(Error::UnexpectedAnswer(_))), "{wrong:?}");
}

fn failure(answer: Answer) -> Error {
    host().answer(answer).run(|| Hetzner::list_instances(&account(), &after(None))).0.expect_err("no list")
}

#[test]
fn errors_are_told_in_the_words_of_the_api() {
    let check = |answer: Answer, kind: &str, words: &str| {
        let error = format!("{:?}", failure(answer));
        assert!(error.starts_with(&format!("Error::{kind}(")) && error.contains(words), "{kind} {words}: {error}");
        assert!(error.contains("GET https://api.hetzner.cloud/v1/servers"), "{error}");
    };
    let of = |status: u16, name: &str| Answer::new(status).body(fixture(name));
    // With the status of a success, too.
    for (status, name, kind, words) in [
        (401, "error-unauthorized", "Unauthorized", "unauthorized: the token"),
        (403, "error-forbidden", "Forbidden", "forbidden: the token"),
        (429, "error-rate-limit", "Throttled", "rate_limit_exceeded: too many"),
        (503, "error-maintenance", "Unavailable", "maintenance: the API"),
    ] {
        check(of(status, name), kind, words);
        check(of(200, name), kind, words);
    }
    // An error without a message, and an error beside a list.
    let bare = br#"{"error": {"code": "rate_limit_exceeded"}}"#;
    check(Answer::new(200).body(&bare[..]), "Throttled", "answered 200: rate_limit_exceeded");
    let beside = br#"{"servers": [], "error": {"code": "maintenance", "message": "soon"}}"#;
    check(Answer::new(200).body(&beside[..]), "Unavailable", "answered 200: maintenance: soon");
    let odd = br#"{"error": {"code": "conflict", "message": "wait"}}"#;
    check(Answer::new(200).body(&odd[..]), "UnexpectedAnswer", "answered 200: conflict: wait");
    check(Answer::new(500).body("<html>"), "Unavailable", "answered 500: <html>");
    check(Answer::new(200).body("<html>Please log in</html>"), "UnexpectedAnswer", "Please log in");
    check(Answer::new(200), "UnexpectedAnswer", "empty");
    check(Answer::new(302).header("Location", "https://evil.example/"), "UnexpectedAnswer", "not followed");
    check(Answer::new(200).body(&fixture("servers-page-1")[..700]), "Unavailable", "broke off");
    let (no_token, _) = Host::new().run(|| Hetzner::list_instances(&account(), &after(None)));
    assert!(matches!(no_token, Err(Error::InvalidAccount(_))), "{no_token:?}");
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
    check(&[("RateLimit-Limit", "3600"), ("RateLimit-Reset", "1795168930")], Some(60));
    check(&[("RateLimit-Reset", "1795168930"), ("Retry-After", "7")], Some(7));
    check(&[("RateLimit-Reset", "1795168799")], None);
}
