//! The whole driver against a pretend host: what it sends, its token, and what it makes of each answer's status.

use openstack::OpenStack;
use serde_json::{Value, json};
use tracker_driver_sdk::secret::Encoding;
use tracker_driver_sdk::testing::{Answer, Host, Seen};
use tracker_driver_sdk::{Account, Coverage, Driver, Error, Instance, Page, Query};

/// 2026-11-20T10:00:00Z.
const NOW: i64 = 1_795_168_800_000;
const NOVA: &str = "https://cloud.example/compute/v2.1";

fn account(options: &[(&str, &str)]) -> Account {
    let options = options.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Account { options, ..Account::new("lab", "https://cloud.example", "demo") }
}

fn shop() -> Account {
    account(&[("project", "shop")])
}

fn host() -> Host {
    Host::new().secret("password", "s3cret-of-mine").at(NOW)
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn token() -> Answer {
    Answer::new(201).header("X-Subject-Token", "token-1").body(fixture("token"))
}

fn ok(name: &str) -> Answer {
    Answer::new(200).body(fixture(name))
}

fn list(host: Host, account: &Account, query: &Query) -> (Result<Page<Instance>, Error>, Seen) {
    host.run(|| OpenStack::list_instances(account, query))
}

/// All pages of a list, with what was sent.
fn all(host: Host, account: &Account, query: &Query) -> (Result<Vec<String>, Error>, Seen) {
    host.run(|| {
        let (mut ids, mut query) = (Vec::new(), query.clone());
        loop {
            let page = OpenStack::list_instances(account, &query)?;
            ids.extend(page.items.into_iter().map(|item| item.id));
            query.cursor = page.next;
            if query.cursor.is_none() {
                return Ok(ids);
            }
        }
    })
}

fn urls(seen: &Seen) -> Vec<&str> {
    seen.sent.iter().map(|sent| sent.url.as_str()).collect()
}

fn body(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.sent[0].body).expect("JSON")
}

#[test]
fn a_poll_is_one_login_and_one_request_a_page() {
    let host =
        host().answer(token()).answer(ok("servers-page-1")).answer(ok("servers-page-2")).answer(ok("servers-none"));
    let (ids, seen) = all(host, &shop(), &Query::default());
    assert_eq!(ids.unwrap().len(), 20);
    let after = |id: &str| format!("{NOVA}/servers/detail?marker={id}");
    assert_eq!(
        urls(&seen),
        [
            "https://cloud.example/v3/auth/tokens".to_owned(),
            format!("{NOVA}/servers/detail"),
            after("7a100808-4c3b-4d2e-9f10-5b6c7d8e9f08"),
            after("7a101414-4c3b-4d2e-9f10-5b6c7d8e9f14"),
        ]
    );
    assert_eq!((seen.sent[0].method.as_str(), seen.sent[0].header("content-type")), ("POST", Some("application/json")));
    for sent in &seen.sent[1..] {
        assert_eq!((sent.method.as_str(), sent.header("x-auth-token")), ("GET", Some("token-1")));
        assert_eq!(sent.header("openstack-api-version"), Some("compute 2.69"));
    }
    assert!(!format!("{seen:?}").contains("s3cret-of-mine"));
}

#[test]
fn a_login_has_what_the_options_say() {
    let secret = Host::placeholder("password", Encoding::Json);
    let login = |account: &Account| {
        let host = host().answer(token()).answer(ok("servers-none"));
        body(&list(host, account, &Query::default()).1)
    };
    let of = |user_domain: Value, project: Value| {
        let user = json!({ "name": "demo", "domain": user_domain, "password": secret });
        let identity = json!({ "methods": ["password"], "password": { "user": user } });
        json!({ "auth": { "identity": identity, "scope": { "project": project } } })
    };
    let default = json!({ "id": "default" });
    assert_eq!(login(&shop()), of(default.clone(), json!({ "name": "shop", "domain": default })));
    assert_eq!(login(&account(&[("project-id", "5f0c")])), of(default.clone(), json!({ "id": "5f0c" })));
    let named = account(&[("project", "shop"), ("user-domain", "people"), ("project-domain-id", "77")]);
    assert_eq!(login(&named), of(json!({ "name": "people" }), json!({ "name": "shop", "domain": { "id": "77" } })));
    let credential = json!({ "auth": { "identity": { "methods": ["application_credential"],
        "application_credential": { "id": "demo", "secret": secret } } } });
    assert_eq!(login(&account(&[("auth", "application-credential")])), credential);
}

#[test]
fn zones_changes_and_all_projects_have_their_own_addresses() {
    let (zones, seen) =
        host().answer(token()).answer(ok("zones")).run(|| OpenStack::list_realms(&shop(), &Query::default()));
    assert_eq!((zones.unwrap().items.len(), urls(&seen)[1]), (3, format!("{NOVA}/os-availability-zone").as_str()));

    let everything = account(&[("project", "admin"), ("all-projects", "true")]);
    let since = Query { changed_since: Some(NOW - 569_001), ..Query::default() };
    let (changes, seen) = list(host().answer(token()).answer(ok("servers-changed")), &everything, &since);
    let page = changes.unwrap();
    assert!(matches!(&page.coverage, Coverage::Delta(gone) if gone.len() == 2), "{page:?}");
    let expected = format!("{NOVA}/servers/detail?all_tenants=1&changes-since=2026-11-20T09%3A50%3A30Z");
    assert_eq!(urls(&seen)[1], expected);
    let later = Query { cursor: Some("a%2Bb".into()), ..since };
    let (_, seen) = list(host().answer(token()).answer(ok("servers-changed")), &everything, &later);
    assert_eq!(urls(&seen)[1], format!("{expected}&marker=a%2Bb"));
}

#[test]
fn a_token_is_kept_and_got_again_once() {
    let refused = || Answer::new(401).body(fixture("error-wrong-password"));
    let kept = |host: Host| host.remembering("token", format!("{NOVA}\nold-token"));
    let tokens = |seen: &Seen| {
        let of = |sent: &tracker_driver_sdk::testing::Sent| sent.header("x-auth-token").unwrap_or("login").to_owned();
        seen.sent.iter().map(of).collect::<Vec<_>>()
    };
    let (page, seen) = list(kept(host()).answer(ok("servers-none")), &shop(), &Query::default());
    assert_eq!((page.unwrap().items.len(), tokens(&seen)), (0, vec!["old-token".to_owned()]));

    let host_of = |answers: Vec<Answer>| answers.into_iter().fold(kept(host()), Host::answer);
    let (page, seen) = list(host_of(vec![refused(), token(), ok("servers-none")]), &shop(), &Query::default());
    assert!(page.is_ok());
    assert_eq!(tokens(&seen), ["old-token", "login", "token-1"]);
    assert_eq!(seen.session["token"], format!("{NOVA}\ntoken-1").as_bytes());

    // A fresh token that is refused is not got again, wherever the first one came from.
    let (page, seen) = list(host_of(vec![refused(), token(), refused()]), &shop(), &Query::default());
    assert!(matches!(page, Err(Error::Unauthorized(_))), "{page:?}");
    assert_eq!(tokens(&seen), ["old-token", "login", "token-1"]);
    let (page, seen) = list(host().answer(token()).answer(refused()), &shop(), &Query::default());
    assert!(matches!(page, Err(Error::Unauthorized(_))), "{page:?}");
    assert_eq!(seen.sent.len(), 2);
    // What is kept and can't be read is no token.
    let broken = host().remembering("token", b"\xff".as_slice()).answer(token()).answer(ok("servers-none"));
    assert!(list(broken, &shop(), &Query::default()).0.is_ok());
}

#[test]
fn an_older_cloud_is_asked_for_the_last_version_that_it_has() {
    let version = || Answer::new(406).body(fixture("error-version"));
    let (page, seen) =
        list(host().answer(token()).answer(version()).answer(ok("servers-older")), &shop(), &Query::default());
    assert_eq!(page.unwrap().items.len(), 2);
    let asked: Vec<_> = seen.sent[1..].iter().map(|sent| sent.header("x-openstack-nova-api-version")).collect();
    assert_eq!(asked, [Some("2.69"), Some("latest")]);
    // The next page, and the next poll, ask for it at once.
    let known = host().remembering("microversion", "latest").answer(token()).answer(ok("servers-older"));
    let (_, seen) = list(known, &shop(), &Query::default());
    assert_eq!(seen.sent[1].header("openstack-api-version"), Some("compute latest"));
    let never = host().answer(token()).answer(version()).answer(version());
    let (page, seen) = list(never, &shop(), &Query::default());
    assert!(matches!(page, Err(Error::UnexpectedAnswer(_))) && seen.sent.len() == 3, "{page:?}");
    // A proxy's 406 says nothing of versions.
    let (page, seen) = list(host().answer(token()).answer(Answer::new(406).body("<p>")), &shop(), &Query::default());
    assert!(matches!(page, Err(Error::UnexpectedAnswer(_))) && seen.sent.len() == 2, "{page:?}");
}

#[test]
fn several_pages_of_all_projects_are_held_against_the_compute_services() {
    let everything = account(&[("project", "admin"), ("all-projects", "true")]);
    let later = Query { cursor: Some("7a10".into()), ..Query::default() };
    let services = |status: &str| {
        let up = json!({ "binary": "nova-compute", "host": "node-1", "status": "enabled", "state": "up" });
        let other = json!({ "binary": "nova-compute", "host": "node-2", "status": status });
        Answer::new(200).body(json!({ "services": [up, other] }).to_string())
    };
    let coverage = |answer: Answer| {
        let (page, seen) = list(host().answer(token()).answer(ok("servers-older")).answer(answer), &everything, &later);
        assert_eq!(urls(&seen)[2], format!("{NOVA}/os-services?binary=nova-compute"));
        page.map(|page| page.coverage)
    };
    assert_eq!(coverage(services("disabled")), Ok(Coverage::Complete));
    let Ok(Coverage::Partial(why)) = coverage(services("UNKNOWN")) else { panic!("a cell is not reached") };
    assert!(why.contains("of 1 of its compute services"), "{why}");
    // Who may not list them has what there is.
    assert_eq!(coverage(Answer::new(403).body(fixture("error-forbidden"))), Ok(Coverage::Complete));
    assert!(matches!(coverage(Answer::new(503)), Err(Error::Unavailable(_))));
    assert!(matches!(coverage(Answer::new(200).body("{}")), Err(Error::UnexpectedAnswer(_))));
    // One page says it itself, pages of a project can't be held against them, and changes need not be.
    let since = Query { changed_since: Some(NOW), ..later.clone() };
    for (account, query) in [(&everything, &Query::default()), (&shop(), &later), (&everything, &since)] {
        let (page, seen) = list(host().answer(token()).answer(ok("servers-older")), account, query);
        assert!(page.is_ok() && seen.sent.len() == 2, "{page:?}");
    }
}

/// All pages of a list of these ids, and the paths that were asked for behind the login.
fn by_id(ids: &[&str], answers: Vec<Answer>) -> (Result<Vec<String>, Error>, Vec<String>) {
    let query = Query { ids: ids.iter().map(|id| (*id).to_owned()).collect(), ..Query::default() };
    let (listed, seen) = all(answers.into_iter().fold(host().answer(token()), Host::answer), &shop(), &query);
    let paths = urls(&seen).into_iter().filter(|url| !url.ends_with("/auth/tokens"));
    (listed, paths.map(|url| url.trim_start_matches(NOVA).to_owned()).collect())
}

#[test]
fn single_servers_are_asked_for_one_by_one_and_may_be_absent() {
    let id = "7a100101-4c3b-4d2e-9f10-5b6c7d8e9f01";
    let absent = || Answer::new(404).body(fixture("server-absent"));
    let (listed, paths) = by_id(&["7", id], vec![absent(), ok("server")]);
    assert_eq!(
        (listed.unwrap(), paths),
        (vec![id.to_owned()], vec!["/servers/7".to_owned(), format!("/servers/{id}")])
    );
    // What is no id here goes into no path.
    let (listed, paths) = by_id(&["..", "", "a/b", "detail", "é", "a%2f", id], vec![ok("server")]);
    assert_eq!((listed.unwrap(), paths), (vec![id.to_owned()], vec![format!("/servers/{id}")]));
    // Of many, everything is listed.
    let many: Vec<String> = (0..11).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let (_, paths) = by_id(&many, vec![Answer::new(503)]);
    assert_eq!(paths, ["/servers/detail"]);
    // A 404 that is not Nova's own says nothing of a server; nor does an answer without one.
    for answer in [
        Answer::new(404),
        Answer::new(404).body("<html>not found</html>"),
        Answer::new(404).body(r#"{"error": {"code": 404, "message": "no"}}"#),
        Answer::new(200).body("{}"),
        Answer::new(200).body(r#"{"server": null}"#),
        Answer::new(200).body(r#"{"servers": []}"#),
        Answer::new(200).body(fixture("server-absent")),
    ] {
        let (listed, _) = by_id(&[id], vec![answer]);
        assert!(matches!(listed, Err(Error::UnexpectedAnswer(_))), "{listed:?}");
    }
}

fn check(answers: Vec<Answer>, kind: &str, words: &str) {
    let (page, _) = list(answers.into_iter().fold(host(), Host::answer), &shop(), &Query::default());
    let error = format!("{:?}", page.expect_err("no list"));
    assert!(error.starts_with(&format!("Error::{kind}(")) && error.contains(words), "{kind} {words}: {error}");
}

#[test]
fn errors_are_told_in_the_words_of_openstack() {
    for (status, name, kind, words) in [
        (401, "error-wrong-password", "Unauthorized", "error: these credentials"),
        (403, "error-forbidden", "Forbidden", "forbidden: this role may not"),
        (413, "error-over-limit", "Throttled", "overLimit: too many requests"),
        (503, "error-unavailable", "Unavailable", "serviceUnavailable: Nova is being"),
    ] {
        let of = |status: u16| Answer::new(status).body(fixture(name));
        // With the status of a success, and of a bad request, too; from Nova as from Keystone.
        for status in [status, 200, 400] {
            check(vec![of(status)], kind, words);
            check(vec![token(), of(status)], kind, words);
            check(vec![token(), of(status)], kind, "GET https://cloud.example/compute/v2.1/servers/detail");
        }
    }
    // Of a login Keystone does not say what was wrong.
    check(
        vec![Answer::new(401).body(fixture("error-wrong-password"))],
        "Unauthorized",
        "a wrong user, password, domain",
    );
    for (answer, kind, words) in [
        (Answer::new(500).body("<html>"), "Unavailable", "answered 500: <html>"),
        (Answer::new(401).body("<html>"), "Unauthorized", "answered 401"),
        (Answer::new(413).body("<html>too large"), "UnexpectedAnswer", "too large"),
        (Answer::new(404).body(fixture("server-absent")), "UnexpectedAnswer", "itemNotFound"),
        (Answer::new(200).body("<html>Please log in</html>"), "UnexpectedAnswer", "Please log in"),
        (Answer::new(200), "UnexpectedAnswer", "empty"),
        (Answer::new(204), "UnexpectedAnswer", "204"),
        (ok("servers-none").header("Content-Type", "Text/HTML; charset=utf-8"), "UnexpectedAnswer", "text/html"),
        (Answer::new(206).body(fixture("servers-none")), "UnexpectedAnswer", "206"),
        (Answer::new(302).header("Location", "https://evil.example/"), "UnexpectedAnswer", "not followed"),
        (Answer::new(200).body(&fixture("servers-page-1")[..700]), "Unavailable", "broke off"),
    ] {
        check(vec![token(), answer], kind, words);
    }
    // Of an application credential that was deleted it says that there is none.
    let deleted =
        Answer::new(404).body(r#"{"error": {"code": 404, "title": "Not Found", "message": "no such credential"}}"#);
    let credential = account(&[("auth", "application-credential")]);
    let (page, _) = list(host().answer(deleted), &credential, &Query::default());
    assert!(
        matches!(&page, Err(Error::Unauthorized(why)) if why.contains("404: error: no such credential")),
        "{page:?}"
    );
    let (page, _) = list(host().answer(Answer::new(404).body("nothing here")), &credential, &Query::default());
    assert!(matches!(page, Err(Error::UnexpectedAnswer(_))), "{page:?}");
    // An answer to a login without what it is for.
    check(vec![Answer::new(201).body(fixture("token"))], "UnexpectedAnswer", "X-Subject-Token");
    for body in ["{}", "[]", r#"{"token": null}"#, r#"{"token": {}}"#, r#"{"token": {"catalog": []}}"#] {
        check(vec![Answer::new(201).header("X-Subject-Token", "t").body(body)], "UnexpectedAnswer", "auth/tokens");
    }
    let (no_password, seen) = list(Host::new(), &shop(), &Query::default());
    assert!(matches!(no_password, Err(Error::InvalidAccount(_))) && seen.sent.is_empty(), "{no_password:?}");
}

#[test]
fn a_throttled_request_says_how_long() {
    let check = |status: u16, header: Option<&str>, body: &str, expected: Option<u32>| {
        let answer = Answer::new(status).body(body);
        let answer = header.into_iter().fold(answer, |answer, value| answer.header("Retry-After", value));
        let (page, _) = list(host().answer(token()).answer(answer), &shop(), &Query::default());
        let Err(Error::Throttled(throttle)) = page else { panic!("{status} {header:?} {body}: {page:?}") };
        assert_eq!(throttle.retry_after, expected, "{status} {header:?} {body}");
    };
    for status in [413, 429, 200] {
        check(status, None, r#"{"overLimit": {"code": 413, "message": "no"}}"#, None);
        check(status, Some("7"), r#"{"overLimit": {"code": 413, "message": "no"}}"#, Some(7));
        check(status, None, r#"{"overLimit": {"code": 413, "retryAfter": "35"}}"#, Some(35));
        check(status, None, r#"{"overLimit": {"code": 413, "retryAfter": 35}}"#, Some(35));
        check(status, None, r#"{"overLimit": {"code": 413, "retryAfter": "soon"}}"#, None);
        check(status, None, r#"{"overLimit": {"code": 413, "retryAfter": -5}}"#, None);
    }
    check(413, Some("9"), "<html>slow down</html>", Some(9));
    check(429, Some("Fri, 20 Nov 2026 10:00:30 GMT"), "", Some(30));
    check(503, Some("20"), "", Some(20));
    check(429, None, "<html>", None);
}
