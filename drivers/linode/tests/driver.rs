//! The whole driver against a pretend host: what it sends, and what it makes of each answer's status.

use linode::Linode;
use serde_json::json;
use tracker_driver_sdk::secret::Encoding;
use tracker_driver_sdk::testing::{Answer, Host, Seen};
use tracker_driver_sdk::{Account, Coverage, Driver, Error, Query};

/// 2026-11-20T10:00:00Z.
const NOW: i64 = 1_795_168_800_000;

fn account() -> Account {
    Account::new("main", "https://api.linode.com", "me")
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
fn linodes_are_listed_page_by_page_with_the_token() {
    let host = host().answer(Answer::new(200).body(fixture("linodes-page-1")));
    let host = host.answer(Answer::new(200).body(fixture("linodes-page-2")));
    let (ids, seen) = host.run(|| {
        let first = Linode::list_instances(&account(), &after(None))?;
        let last = Linode::list_instances(&account(), &after(first.next))?;
        Ok::<_, Error>(first.items.into_iter().chain(last.items).map(|item| item.id).collect::<Vec<_>>())
    });
    let expected: Vec<String> = (70_010..=70_023).map(|id| id.to_string()).collect();
    assert_eq!(ids.unwrap(), expected);
    for (sent, page) in seen.sent.iter().zip(1..) {
        assert_eq!(sent.url, format!("https://api.linode.com/v4/linode/instances?page={page}&page_size=500"));
        let bearer = format!("Bearer {}", Host::placeholder("password", Encoding::Raw));
        assert_eq!(sent.header("authorization"), Some(bearer.as_str()));
        assert_eq!(sent.header("x-filter"), Some(r#"{"+order_by": "id", "+order": "asc"}"#));
    }
    assert_eq!(seen.sent.len(), 2);
    assert!(!format!("{seen:?}").contains("t0ken-of-mine"));
}

#[test]
fn regions_are_asked_for_by_their_own_path_without_a_filter() {
    let host = host().answer(Answer::new(200).body(fixture("regions")));
    let (page, seen) = host.run(|| Linode::list_realms(&account(), &after(None)));
    assert_eq!(page.unwrap().items.len(), 4);
    assert_eq!(seen.sent[0].url, "https://api.linode.com/v4/regions?page=1&page_size=500");
    assert_eq!(seen.sent[0].header("x-filter"), None);
}

/// All pages of a list of these ids.
fn by_id(ids: &[&str], answers: Vec<Answer>) -> (Result<Vec<String>, Error>, Seen) {
    let host = answers.into_iter().fold(host(), Host::answer);
    host.run(|| {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let (mut listed, mut cursor) = (Vec::new(), None);
        loop {
            let page = Linode::list_instances(&account(), &Query { cursor, ids: ids.clone(), ..Query::default() })?;
            assert_eq!(page.coverage, Coverage::Complete);
            listed.extend(page.items.into_iter().map(|item| item.id));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(listed);
            }
        }
    })
}

fn paths(seen: &Seen) -> Vec<&str> {
    seen.sent.iter().map(|sent| sent.url.trim_start_matches("https://api.linode.com/v4/linode/instances")).collect()
}

#[test]
fn a_few_linodes_are_asked_for_one_by_one_and_may_be_absent() {
    let there = || Answer::new(200).body(json!({ "id": 70_010, "status": "running" }).to_string());
    let absent = || Answer::new(404).body(r#"{"errors": [{"reason": "Not found"}]}"#);
    let (listed, seen) = by_id(&["7", "70010"], vec![absent(), there()]);
    assert_eq!(listed.unwrap(), ["70010"]);
    assert_eq!(paths(&seen), ["/7", "/70010"]);
    // What is no id here goes into no path.
    for odd in ["..", "i-1", "1/ips", "١", "007", "+7", "", "99999999999999999999"] {
        let (listed, seen) = by_id(&[odd, "70010"], vec![there()]);
        assert_eq!((listed.unwrap(), paths(&seen)), (vec!["70010".to_owned()], vec!["/70010"]), "{odd}");
    }
    // A 404 that is not the API's own says nothing of a Linode; nor does an answer without one.
    for answer in [
        Answer::new(404),
        Answer::new(404).body("<html>not found</html>"),
        Answer::new(404).body(r#"{"errors": [{"reason": "Invalid path"}]}"#),
        Answer::new(200).body("{}"),
        Answer::new(200).body(r#"{"errors": [{"reason": "Not found"}]}"#),
    ] {
        let (listed, _) = by_id(&["70010"], vec![answer]);
        assert!(matches!(listed, Err(Error::UnexpectedAnswer(_))), "{listed:?}");
    }
    let (wrong, _) = host().run(|| {
        let query = Query { cursor: Some("2".into()), ids: vec!["70010".into()], ..Query::default() };
        Linode::list_instances(&account(), &query)
    });
    assert!(matches!(wrong, Err(Error::UnexpectedAnswer(_))), "{wrong:?}");
}

#[test]
fn several_linodes_are_asked_for_by_one_filter() {
    let of = |ids: &[u64], page: u64, pages: u64, results: u64| {
        let data: Vec<_> = ids.iter().map(|id| json!({ "id": id, "status": "running" })).collect();
        Answer::new(200).body(json!({ "data": data, "page": page, "pages": pages, "results": results }).to_string())
    };
    let ids = ["11", "12", "x\"}]", "13", "14", "15"];
    let (listed, seen) = by_id(&ids, vec![of(&[11, 13], 1, 1, 2)]);
    assert_eq!(listed.unwrap(), ["11", "13"]);
    assert_eq!(paths(&seen), ["?page=1&page_size=500"]);
    let filter =
        r#"{"+or": [{"id": 11}, {"id": 12}, {"id": 13}, {"id": 14}, {"id": 15}], "+order_by": "id", "+order": "asc"}"#;
    assert_eq!(seen.sent[0].header("x-filter"), Some(filter));
    // The filter was lost on the way: what was not asked for is left out, and the rest is looked for.
    let (listed, seen) = by_id(&ids, vec![of(&[1, 11], 1, 2, 4), of(&[14, 16], 2, 2, 4)]);
    assert_eq!(listed.unwrap(), ["11", "14"]);
    assert_eq!(paths(&seen), ["?page=1&page_size=500", "?page=2&page_size=500"]);
    assert_eq!(seen.sent[1].header("x-filter"), Some(filter));
    // None of them can be an id.
    let (listed, seen) = by_id(&["a", "b", "c", "d", "e"], vec![]);
    assert_eq!((listed.unwrap().len(), seen.sent.len()), (0, 0));
}

#[test]
fn an_empty_list_counts_if_the_user_sees_everything() {
    let none = || Answer::new(200).body(fixture("linodes-none"));
    let list = |second: Answer| {
        let (page, seen) =
            host().answer(none()).answer(second).run(|| Linode::list_instances(&account(), &after(None)));
        assert_eq!(paths(&seen)[1..], ["https://api.linode.com/v4/profile/grants"]);
        assert_eq!(seen.sent[1].header("authorization"), seen.sent[0].header("authorization"));
        page
    };
    let page = list(Answer::new(204)).unwrap();
    assert_eq!((page.coverage, page.items.len(), page.total), (Coverage::Complete, 0, Some(0)));
    let forbidden = list(Answer::new(200).body(r#"{"global": {"add_linodes": false}, "linode": [], "domain": []}"#));
    let Err(Error::Forbidden(why)) = forbidden else { panic!("{forbidden:?}") };
    assert!(
        why.contains("a user with limited access, to whom no Linode is granted: grant them, or use a token"),
        "{why}"
    );
    let granted = r#"{"linode": [{"id": 7, "label": "web", "permissions": "read_only"}]}"#;
    // Where it is not known, nothing is removed by the list.
    let absent = r#"{"errors": [{"reason": "Not found"}]}"#;
    for answer in [
        Answer::new(200).body(granted),
        Answer::new(403).body(fixture("error-forbidden")),
        Answer::new(401).body(fixture("error-scope")),
        Answer::new(404).body(absent),
        Answer::new(404).body("<html>"),
    ] {
        let page = list(answer).unwrap();
        assert!(matches!(&page.coverage, Coverage::Partial(why) if why.contains("/v4/profile/grants")), "{page:?}");
    }
    assert!(matches!(list(Answer::new(401).body(fixture("error-unauthorized"))), Err(Error::Unauthorized(_))));
    assert!(matches!(list(Answer::new(429).header("Retry-After", "7")), Err(Error::Throttled(_))));
    assert!(matches!(list(Answer::new(503)), Err(Error::Unavailable(_))));
    for odd in ["", "{}", "[]", "<html>", r#"{"linode": null}"#, r#"{"linode": [], "errors": []}"#, absent] {
        assert!(matches!(list(Answer::new(200).body(odd)), Err(Error::UnexpectedAnswer(_))), "{odd}");
    }
    // One that is empty by its ids, or at its end, says nothing of rights.
    let (listed, seen) = by_id(&["11", "12", "13", "14", "15"], vec![none()]);
    assert_eq!((listed.unwrap().len(), seen.sent.len()), (0, 1));
    let end = Answer::new(200).body(r#"{"data": [], "page": 2, "pages": 2, "results": 500}"#);
    let (page, seen) = host().answer(end).run(|| Linode::list_instances(&account(), &after(Some("2".into()))));
    assert_eq!((page.unwrap().items.len(), seen.sent.len()), (0, 1));
}

fn failure(answer: Answer) -> Error {
    host().answer(answer).run(|| Linode::list_instances(&account(), &after(None))).0.expect_err("no list")
}

#[test]
fn errors_are_told_in_the_words_of_the_api() {
    let check = |answer: Answer, kind: &str, words: &str| {
        let error = format!("{:?}", failure(answer));
        assert!(error.starts_with(&format!("Error::{kind}(")) && error.contains(words), "{kind} {words}: {error}");
        assert!(error.contains("GET https://api.linode.com/v4/linode/instances"), "{error}");
    };
    let of = |status: u16, name: &str| Answer::new(status).body(fixture(name));
    // With the status of a success, too.
    for (status, name, kind, words) in [
        (401, "error-unauthorized", "Unauthorized", "Invalid Token"),
        (401, "error-scope", "Forbidden", "not authorized to use this endpoint"),
        (403, "error-forbidden", "Forbidden", "Unauthorized"),
        (429, "error-rate-limit", "Throttled", "Too many requests"),
        (503, "error-maintenance", "Unavailable", "maintenance"),
    ] {
        check(of(status, name), kind, words);
        check(of(200, name), kind, words);
    }
    let beside = br#"{"data": [], "page": 1, "pages": 1, "errors": [{"reason": "Internal Server Error"}]}"#;
    check(Answer::new(200).body(&beside[..]), "Unavailable", "answered 200: Internal Server Error");
    let odd = br#"{"errors": [{"reason": "Must be 25-500", "field": "page_size"}]}"#;
    check(Answer::new(200).body(&odd[..]), "UnexpectedAnswer", "answered 200: page_size: Must be 25-500");
    check(Answer::new(400).body(&odd[..]), "UnexpectedAnswer", "answered 400: page_size: Must be 25-500");
    check(Answer::new(401).body("<html>log in</html>"), "Unauthorized", "answered 401: <html>log in</html>");
    check(Answer::new(500).body("<html>"), "Unavailable", "answered 500: <html>");
    check(Answer::new(200).body("<html>Please log in</html>"), "UnexpectedAnswer", "Please log in");
    check(Answer::new(200), "UnexpectedAnswer", "empty");
    check(Answer::new(302).header("Location", "https://evil.example/"), "UnexpectedAnswer", "not followed");
    check(Answer::new(200).body(&fixture("linodes-page-1")[..700]), "Unavailable", "broke off");
    let (no_token, _) = Host::new().run(|| Linode::list_instances(&account(), &after(None)));
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
    check(&[("X-RateLimit-Reset", "1795168837")], Some(37));
    check(&[("X-RateLimit-Reset", "1795168837"), ("Retry-After", "7")], Some(7));
    check(&[("X-RateLimit-Reset", "1795168799")], None);
}
