//! The whole driver against a pretend host: what it sends, and what it makes of each answer's status.

use docker::Docker;
use tracker_driver_sdk::secret::Encoding;
use tracker_driver_sdk::testing::{Answer, Host, Seen};
use tracker_driver_sdk::{Account, Coverage, Driver, Error, Instance, Page, Query};

const SOCKET: &str = "http://localhost";
const LIST: &str = "/containers/json?all=true";

fn account() -> Account {
    Account::new("build", SOCKET, "me")
}

fn pinned(version: &str) -> Account {
    Account { options: vec![("api-version".into(), version.into())], ..account() }
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn host() -> Host {
    Host::new().secret("password", "any-w0rd")
}

fn list() -> Answer {
    Answer::new(200).body(fixture("containers"))
}

fn listed(host: Host, account: &Account) -> (Result<Page<Instance>, Error>, Seen) {
    host.run(|| Docker::list_instances(account, &Query::default()))
}

/// The paths that were asked for.
fn paths(seen: &Seen) -> Vec<&str> {
    seen.sent.iter().map(|sent| sent.url.strip_prefix(SOCKET).expect("the account's endpoint")).collect()
}

#[test]
fn containers_are_listed_by_one_request_with_user_and_password() {
    let (page, seen) = listed(host().answer(list()), &account());
    let page = page.unwrap();
    assert_eq!((page.items.len(), page.next, page.coverage, page.omitted), (9, None, Coverage::Complete, 0));
    assert_eq!(paths(&seen), [LIST]);
    let basic = format!("Basic {}", Host::placeholder("password", Encoding::Basic));
    assert_eq!((seen.sent[0].method.as_str(), seen.sent[0].header("authorization")), ("GET", Some(basic.as_str())));
    assert_eq!(seen.sent[0].header("accept"), Some("application/json"));
    assert!(!format!("{seen:?}").contains("any-w0rd"));
    assert!(seen.sent[0].body.is_empty() && seen.session.is_empty() && seen.log.is_empty());
}

#[test]
fn the_engine_is_asked_for_its_name() {
    let host = host().answer(Answer::new(200).body(fixture("info")));
    let (page, seen) = host.run(|| Docker::list_realms(&account(), &Query::default()));
    assert_eq!(page.unwrap().items[0].name, "build-1.example.com");
    assert_eq!(paths(&seen), ["/info"]);
}

#[test]
fn a_version_that_the_account_sets_stands_before_each_path() {
    let (page, seen) = listed(host().answer(list()), &pinned("1.44"));
    assert_eq!(page.unwrap().items.len(), 9);
    assert_eq!(paths(&seen), ["/v1.44/containers/json?all=true"]);
    let host_of_info = host().answer(Answer::new(200).body(fixture("info")));
    let (_, seen) = host_of_info.run(|| Docker::list_realms(&pinned("1.44"), &Query::default()));
    assert_eq!(paths(&seen), ["/v1.44/info"]);
    let refused = Answer::new(400).header("Api-Version", "1.41").body(fixture("error-version"));
    let (page, seen) = listed(host().answer(refused), &pinned("1.44"));
    let Err(Error::UnexpectedAnswer(message)) = page else { panic!("{page:?}") };
    assert!(message.contains("Maximum supported API version is 1.41") && seen.sent.len() == 1, "{message}");
    for wrong in
        ["", "v1.44", "1", "1.", "1.44/", "1.44 ", "latest", "1..44", "1.2.3", "-1.44", "12345.1", "\u{661}.44"]
    {
        let (page, seen) = listed(host(), &pinned(wrong));
        assert!(matches!(page, Err(Error::InvalidAccount(_))) && seen.sent.is_empty(), "{wrong}: {page:?}");
        let (realms, _) = host().run(|| Docker::list_realms(&pinned(wrong), &Query::default()));
        assert!(matches!(realms, Err(Error::InvalidAccount(_))), "{wrong}: {realms:?}");
    }
}

#[test]
fn single_containers_are_asked_for_by_a_filter_and_compared_in_full() {
    let all: Vec<serde_json::Value> = serde_json::from_slice(&fixture("containers")).expect("JSON");
    let id = all[0]["Id"].as_str().expect("an id").to_owned();
    let by_id = |ids: &[&str], host: Host| {
        let query = Query { ids: ids.iter().map(|id| (*id).to_owned()).collect(), ..Query::default() };
        let (page, seen) = host.run(|| Docker::list_instances(&account(), &query));
        let ids = page.map(|page| page.items.into_iter().map(|item| item.id).collect::<Vec<_>>());
        (ids, seen.sent.first().map(|sent| sent.url.clone()), seen.sent.len())
    };
    let (found, asked, _) = by_id(&[&id, "c0ffee"], host().answer(list()));
    assert_eq!(found.unwrap(), [id.as_str()]);
    let filters = format!("%7B%22id%22%3A%5B%22{id}%22%2C%22c0ffee%22%5D%7D");
    assert_eq!(asked.unwrap(), format!("{SOCKET}{LIST}&filters={filters}"));
    // The beginning of an id is none.
    assert_eq!(by_id(&[&id[..12]], host().answer(list())).0.unwrap(), [""; 0]);
    // What is no id is not asked for: the engine would take it for a pattern.
    for none in ["", "[", ".*", "a\"b", "é", "a/b", "a-b"] {
        assert_eq!(by_id(&[none], host()), (Ok(vec![]), None, 0), "{none}");
        let (found, asked, _) = by_id(&[none, &id], host().answer(list()));
        assert_eq!(found.unwrap(), [id.as_str()]);
        assert!(asked.unwrap().ends_with(&format!("%5B%22{id}%22%5D%7D")));
    }
    let (found, ..) = by_id(&[&id], host().answer(Answer::new(500).body(r#"{"message": "no"}"#)));
    assert!(matches!(found, Err(Error::Unavailable(_))), "{found:?}");
    // A hundred fit into one line of a request.
    let many: Vec<String> = (0..100).map(|number| format!("{number:064x}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let (_, asked, count) = by_id(&many, host().answer(Answer::new(200).body("[]")));
    assert!(asked.unwrap().len() < 8_000 && count == 1);
}

#[test]
fn errors_are_told_in_the_words_of_the_engine() {
    let check = |answer: Answer, kind: &str, words: &str| {
        let (page, seen) = listed(host().answer(answer), &account());
        let error = format!("{:?}", page.expect_err("no list"));
        assert!(error.starts_with(&format!("Error::{kind}(")) && error.contains(words), "{kind} {words}: {error}");
        assert!(error.contains("GET http://localhost/containers/json") && seen.sent.len() == 1, "{error}");
    };
    let of = |status: u16, body: &str| Answer::new(status).body(body);
    let denied = r#"{"message":"authorization denied by plugin policy: no"}"#;
    check(of(403, denied), "Forbidden", "answered 403: authorization denied by plugin policy: no");
    check(of(401, "<html>Log in</html>"), "Unauthorized", "answered 401: <html>");
    check(of(500, r#"{"message":"database not open"}"#), "Unavailable", "answered 500: database not open");
    let podman = r#"{"cause":"locked","message":"listing: locked","response":500}"#;
    check(of(500, podman), "Unavailable", "answered 500: listing: locked");
    check(of(503, ""), "Unavailable", "answered 503");
    check(of(503, "").header("Retry-After", "7"), "Throttled", "7");
    check(of(429, "").header("Retry-After", "7"), "Throttled", "7");
    check(of(404, r#"{"message":"page not found"}"#), "UnexpectedAnswer", "page not found");
    // An engine with TLS that is asked without.
    check(of(400, "Client sent an HTTP request to an HTTPS server.\n"), "UnexpectedAnswer", "to an HTTPS server");
    check(of(200, r#"{"message":"database not open"}"#), "UnexpectedAnswer", "database not open");
    check(of(200, "<html>Please log in</html>"), "UnexpectedAnswer", "Please log in");
    check(of(200, ""), "UnexpectedAnswer", "empty");
    check(of(204, ""), "UnexpectedAnswer", "empty");
    check(of(302, "").header("Location", "https://evil.example/"), "UnexpectedAnswer", "not followed");
    let whole = fixture("containers");
    check(Answer::new(200).body(&whole[..700]), "Unavailable", "broke off");
    check(Answer::new(200).body(&whole[..700]).broken("ConnectionTerminated"), "Unavailable", "broke off");
    let (nobody, _) = listed(host(), &account());
    assert!(matches!(nobody, Err(Error::Unavailable(_))), "{nobody:?}");
    let (no_password, _) = listed(Host::new(), &account());
    assert!(matches!(no_password, Err(Error::InvalidAccount(_))), "{no_password:?}");
}
