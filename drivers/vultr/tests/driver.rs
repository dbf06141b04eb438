//! The whole driver against a pretend host: what it sends, and what it makes of each answer's status.

use tracker_driver_sdk::secret::Encoding;
use tracker_driver_sdk::testing::{Answer, Host};
use tracker_driver_sdk::{Account, Driver, Error, Query};
use vultr::Vultr;

fn account() -> Account {
    Account::new("main", "https://api.vultr.com", "me")
}

fn host() -> Host {
    Host::new().secret("password", "k3y-of-mine")
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn after(cursor: Option<String>) -> Query {
    Query { cursor, ..Query::default() }
}

#[test]
fn instances_are_listed_page_by_page_with_the_key() {
    let host = host().answer(Answer::new(200).body(fixture("instances-page-1")));
    let host = host.answer(Answer::new(200).body(fixture("instances-page-2")));
    let (listed, seen) = host.run(|| {
        let first = Vultr::list_instances(&account(), &after(None))?;
        let last = Vultr::list_instances(&account(), &after(first.next))?;
        Ok::<_, Error>(first.items.len() + last.items.len())
    });
    assert_eq!(listed, Ok(11));
    let urls: Vec<_> = seen.sent.iter().map(|sent| sent.url.as_str()).collect();
    let base = "https://api.vultr.com/v2/instances?per_page=500";
    assert_eq!(urls, [base.to_owned(), format!("{base}&cursor=bmV4dF9fMjAyNjAzMTQwOTI2MTU%3D")]);
    for sent in &seen.sent {
        let bearer = format!("Bearer {}", Host::placeholder("password", Encoding::Raw));
        assert_eq!(sent.header("authorization"), Some(bearer.as_str()));
    }
    assert!(!format!("{seen:?}").contains("k3y-of-mine"));
}

#[test]
fn a_cursor_is_encoded_whatever_is_in_it() {
    let host = host().answer(Answer::new(200).body(fixture("instances-none")));
    let (_, seen) = host.run(|| Vultr::list_instances(&account(), &after(Some(" a&b=+/%\"".into()))));
    assert!(seen.sent[0].url.ends_with("&cursor=%20a%26b%3D%2B%2F%25%22"), "{}", seen.sent[0].url);
}

#[test]
fn regions_are_asked_for_by_their_own_path() {
    let host = host().answer(Answer::new(200).body(fixture("regions")));
    let (page, seen) = host.run(|| Vultr::list_realms(&account(), &after(None)));
    assert_eq!(page.unwrap().items.len(), 3);
    assert_eq!(seen.sent[0].url, "https://api.vultr.com/v2/regions?per_page=500");
}

/// All pages of a list of these ids, and the paths that were asked for.
fn by_id(ids: &[&str], answers: Vec<Answer>) -> (Result<Vec<String>, Error>, Vec<String>) {
    let host = answers.into_iter().fold(host(), Host::answer);
    let (listed, seen) = host.run(|| {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let (mut listed, mut cursor) = (Vec::new(), None);
        loop {
            let page = Vultr::list_instances(&account(), &Query { cursor, ids: ids.clone(), ..Query::default() })?;
            listed.extend(page.items.into_iter().map(|item| item.id));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(listed);
            }
        }
    });
    let paths = seen.sent.iter().map(|sent| sent.url.trim_start_matches("https://api.vultr.com").to_owned());
    (listed, paths.collect())
}

#[test]
fn single_instances_are_asked_for_one_by_one_and_may_be_absent() {
    let list: serde_json::Value = serde_json::from_slice(&fixture("instances-page-1")).expect("JSON");
    let there = || Answer::new(200).body(serde_json::json!({ "instance": list["instances"][0] }).to_string());
    let id = list["instances"][0]["id"].as_str().expect("a text");
    let other = "5d0c1a99-7b2e-4c11-9f00-000000000099";
    let absent = || Answer::new(404).body(r#"{"error": "Invalid instance-id.", "status": 404}"#);
    let (listed, paths) = by_id(&[other, id], vec![absent(), there()]);
    assert_eq!(listed.unwrap(), [id]);
    assert_eq!(paths, [format!("/v2/instances/{other}"), format!("/v2/instances/{id}")]);
    // What is no id here goes into no path.
    let (listed, paths) = by_id(&["..", "a/b", "", "a?b", "é", id], vec![there()]);
    assert_eq!((listed.unwrap(), paths), (vec![id.to_owned()], vec![format!("/v2/instances/{id}")]));
    // Of many, everything is listed.
    let many: Vec<String> = (0..21).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let (_, paths) = by_id(&many, vec![Answer::new(503)]);
    assert!(matches!(&paths[..], [path] if path.starts_with("/v2/instances?")), "{paths:?}");
    // A 404 that is not the API's own says nothing of an instance; nor does an answer without one.
    for answer in [
        Answer::new(404),
        Answer::new(404).body("<html>not found</html>"),
        Answer::new(404).body(r#"{"error": "not found"}"#),
        Answer::new(404).body(r#"{"error": "", "status": 404}"#),
        Answer::new(200).body("{}"),
        Answer::new(200).body(r#"{"instance": null}"#),
        Answer::new(200).body(r#"{"error": "Invalid instance-id.", "status": 404}"#),
    ] {
        let (listed, _) = by_id(&[id], vec![answer]);
        assert!(matches!(listed, Err(Error::UnexpectedAnswer(_))), "{listed:?}");
    }
    let (wrong, _) = host().run(|| {
        let query = Query { cursor: Some("2".into()), ids: vec![id.to_owned()], ..Query::default() };
        Vultr::list_instances(&account(), &query)
    });
    assert!(matches!(wrong, Err(Error::UnexpectedAnswer(_))), "{wrong:?}");
}

fn failure(answer: Answer) -> Error {
    host().answer(answer).run(|| Vultr::list_instances(&account(), &after(None))).0.expect_err("no list")
}

#[test]
fn errors_are_told_in_the_words_of_the_api() {
    let check = |answer: Answer, kind: &str, words: &str| {
        let error = format!("{:?}", failure(answer));
        assert!(error.starts_with(&format!("Error::{kind}(")) && error.contains(words), "{kind} {words}: {error}");
        assert!(error.contains("GET https://api.vultr.com/v2/instances"), "{error}");
    };
    let of = |status: u16, name: &str| Answer::new(status).body(fixture(name));
    // With the status of a success, too.
    for (status, name, kind, words) in [
        (401, "error-unauthorized", "Unauthorized", "Invalid API token."),
        (401, "error-address", "Forbidden", "Unauthorized IP address: 198.51.100.7"),
        (403, "error-forbidden", "Forbidden", "Forbidden"),
        (429, "error-rate-limit", "Throttled", "Rate limit exceeded"),
        (503, "error-rate-limit-503", "Throttled", "Rate limit reached"),
        (500, "error-server", "Unavailable", "Server error"),
    ] {
        check(of(status, name), kind, words);
        check(of(200, name), kind, words);
    }
    let beside = br#"{"instances": [], "meta": {"total": 0, "links": {"next": ""}}, "error": "oh", "status": 500}"#;
    check(Answer::new(200).body(&beside[..]), "Unavailable", "answered 200: oh");
    let odd = br#"{"error": "Invalid cursor", "status": 400}"#;
    check(Answer::new(200).body(&odd[..]), "UnexpectedAnswer", "answered 200: Invalid cursor");
    check(Answer::new(400).body(&odd[..]), "UnexpectedAnswer", "answered 400: Invalid cursor");
    check(Answer::new(200).body(r#"{"error": "oh"}"#), "UnexpectedAnswer", "answered 200: oh");
    check(Answer::new(401).body("<html>log in</html>"), "Unauthorized", "answered 401: <html>log in</html>");
    let old = "Your IP (198.51.100.7) is not authorized to use this API key";
    check(Answer::new(403).body(old), "Forbidden", old);
    check(Answer::new(503).body("<html>"), "Unavailable", "answered 503: <html>");
    check(Answer::new(200).body("<html>Please log in</html>"), "UnexpectedAnswer", "Please log in");
    check(Answer::new(200), "UnexpectedAnswer", "empty");
    check(Answer::new(302).header("Location", "https://evil.example/"), "UnexpectedAnswer", "not followed");
    check(Answer::new(200).body(&fixture("instances-page-1")[..700]), "Unavailable", "broke off");
    let (no_key, _) = Host::new().run(|| Vultr::list_instances(&account(), &after(None)));
    assert!(matches!(no_key, Err(Error::InvalidAccount(_))), "{no_key:?}");
}

#[test]
fn a_throttled_request_says_how_long_where_the_api_does() {
    for (status, name) in [(429, "error-rate-limit"), (503, "error-rate-limit-503"), (200, "error-rate-limit")] {
        for (wait, expected) in [(None, None), (Some("7"), Some(7)), (Some("soon"), None)] {
            let answer = Answer::new(status).body(fixture(name));
            let answer = wait.into_iter().fold(answer, |answer, wait| answer.header("Retry-After", wait));
            let Error::Throttled(throttle) = failure(answer) else { panic!("{status} {wait:?}") };
            assert_eq!(throttle.retry_after, expected, "{status} {wait:?}");
        }
    }
}
