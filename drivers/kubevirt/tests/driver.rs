//! The whole driver against a pretend host: what it sends, in which order, and what it makes of each failure.

use kubevirt::Kubevirt;
use serde_json::{Value, json};
use tracker_driver_sdk::secret::Encoding;
use tracker_driver_sdk::testing::{Answer, Host, Seen};
use tracker_driver_sdk::{Account, Coverage, Driver, Error, Instance, Page, Query, Realm};

const E: &str = "https://cluster.example:6443";

fn account(namespaces: Option<&str>) -> Account {
    let options = namespaces.map(|names| ("namespaces".to_owned(), names.to_owned())).into_iter().collect();
    Account { options, ..Account::new("lab", E, "tracker") }
}

fn vm(uid: &str, name: &str) -> Value {
    json!({ "metadata": { "uid": uid, "name": name, "namespace": "a" }, "status": { "printableStatus": "Running" } })
}

fn vmi(owner: &str, name: &str, ip: &str) -> Value {
    json!({ "metadata": { "uid": format!("i-{owner}"), "name": name, "namespace": "a",
                          "ownerReferences": [{ "kind": "VirtualMachine", "uid": owner }] },
            "status": { "phase": "Running", "interfaces": [{ "ipAddresses": [ip] }] } })
}

fn list(items: Value, token: &str) -> Answer {
    Answer::new(200).body(json!({ "kind": "AnyList", "metadata": { "continue": token }, "items": items }).to_string())
}

fn status(code: u16, reason: &str, message: &str) -> Answer {
    let details = json!({ "retryAfterSeconds": 4 });
    let body = json!({ "kind": "Status", "reason": reason, "message": message, "code": code, "details": details });
    Answer::new(code).body(body.to_string())
}

/// All pages of a list.
fn pages<T>(
    ask: fn(&Account, &Query) -> Result<Page<T>, Error>,
    account: &Account,
    answers: Vec<Answer>,
) -> (Result<Vec<Page<T>>, Error>, Seen) {
    let host = answers.into_iter().fold(Host::new().secret("password", "t0ken-of-mine"), Host::answer);
    host.run(|| {
        let (mut pages, mut cursor) = (Vec::new(), None);
        loop {
            let page = ask(account, &Query { cursor, ..Query::default() })?;
            cursor = page.next.clone();
            pages.push(page);
            if cursor.is_none() {
                return Ok(pages);
            }
        }
    })
}

fn instances(account: &Account, answers: Vec<Answer>) -> (Result<Vec<Page<Instance>>, Error>, Seen) {
    pages(Kubevirt::list_instances, account, answers)
}

fn realms(account: &Account, answers: Vec<Answer>) -> (Result<Vec<Page<Realm>>, Error>, Seen) {
    pages(Kubevirt::list_realms, account, answers)
}

fn paths(seen: &Seen) -> Vec<&str> {
    seen.sent.iter().map(|sent| sent.url.trim_start_matches(E)).collect()
}

#[test]
fn machines_get_their_addresses_from_what_runs() {
    let answers = vec![
        list(json!([vm("1", "web"), vm("2", "db")]), "a/b=="),
        list(json!([vmi("1", "web", "10.0.0.1")]), "n+1"),
        list(json!([vmi("3", "late", "10.0.0.3"), vmi("9", "gone", "10.0.0.9")]), ""),
        list(json!([vm("3", "late")]), ""),
    ];
    let (found, seen) = instances(&account(None), answers);
    let found = found.unwrap();
    let addresses: Vec<_> = found
        .iter()
        .flat_map(|page| &page.items)
        .map(|item| (item.id.as_str(), item.private_addresses.first().map(|address| address.value.as_str())))
        .collect();
    assert_eq!(addresses, [("1", Some("10.0.0.1")), ("2", None), ("3", Some("10.0.0.3"))]);
    assert!(found.iter().all(|page| page.coverage == Coverage::Complete));
    let (machines, running) = ("/apis/kubevirt.io/v1/virtualmachines", "/apis/kubevirt.io/v1/virtualmachineinstances");
    assert_eq!(
        paths(&seen),
        [
            format!("{machines}?limit=500"),
            format!("{running}?limit=500"),
            format!("{running}?limit=500&continue=n%2B1"),
            format!("{machines}?limit=500&continue=a%2Fb%3D%3D"),
        ]
    );
    let bearer = format!("Bearer {}", Host::placeholder("password", Encoding::Raw));
    assert!(seen.sent.iter().all(|sent| sent.method == "GET" && sent.header("authorization") == Some(&bearer)));
    assert!(!format!("{seen:?}").contains("t0ken-of-mine"));
}

#[test]
fn what_runs_without_a_machine_is_an_instance_unless_a_machine_has_its_name() {
    let alone = |uid: &str, name: &str| json!({ "metadata": { "uid": uid, "name": name, "namespace": "a" }, "status": { "phase": "Running" } });
    let answers = vec![list(json!([vm("1", "web")]), ""), list(json!([alone("7", "job"), alone("8", "web")]), "")];
    let (found, _) = instances(&account(None), answers);
    let page = found.unwrap().remove(0);
    assert_eq!(page.items.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), ["1", "7"]);
    assert_eq!(page.omitted, 1);
}

#[test]
fn each_namespace_is_listed_by_itself() {
    let answers = vec![
        list(json!([vm("1", "web")]), "t"),
        list(json!([vmi("2", "db", "10.0.0.2")]), ""),
        list(json!([vm("2", "db")]), ""),
        list(json!([vm("4", "ci")]), ""),
        list(json!([]), ""),
    ];
    let (found, seen) = instances(&account(Some(" shop,build ,shop")), answers);
    let ids: Vec<_> = found.unwrap().into_iter().flat_map(|page| page.items).map(|item| item.id).collect();
    assert_eq!(ids, ["1", "2", "4"]);
    let of = |namespace: &str, rest: &str| format!("/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachine{rest}");
    assert_eq!(
        paths(&seen),
        [
            of("shop", "s?limit=500"),
            of("shop", "instances?limit=500"),
            of("shop", "s?limit=500&continue=t"),
            of("build", "s?limit=500"),
            of("build", "instances?limit=500"),
        ]
    );
}

#[test]
fn what_runs_without_a_machine_waits_for_the_last_page_of_machines() {
    let alone = |uid: &str, name: &str| json!({ "metadata": { "uid": uid, "name": name, "namespace": "a" }, "status": { "phase": "Running" } });
    let answers = vec![
        list(json!([vm("1", "web")]), "t"),
        list(json!([alone("7", "job"), alone("8", "late")]), ""),
        list(json!([vm("2", "late")]), ""),
    ];
    let (found, _) = instances(&account(None), answers);
    let found = found.unwrap();
    let ids: Vec<Vec<_>> = found.iter().map(|page| page.items.iter().map(|item| item.id.as_str()).collect()).collect();
    assert_eq!(ids, [vec!["1"], vec!["2", "7"]]);
    assert_eq!(found.iter().map(|page| page.omitted).sum::<u64>(), 1);
}

#[test]
fn one_namespace_that_is_refused_does_not_hide_the_others() {
    let partial = |pages: &[Page<Instance>], namespace: &str| {
        let is_named = |page: &Page<Instance>| matches!(&page.coverage, Coverage::Partial(why) if why.contains(&format!("`{namespace}`")));
        assert!(pages.iter().any(is_named), "{pages:?}");
        pages.iter().flat_map(|page| &page.items).map(|item| item.id.clone()).collect::<Vec<_>>()
    };
    let refused = || status(403, "Forbidden", "no");
    let none = || list(json!([]), "");
    let named = account(Some("a,b,c"));
    // Wherever it stands among them, and whichever of its lists is refused.
    let (found, seen) = instances(&named, vec![refused(), list(json!([vm("1", "web")]), ""), none(), none(), none()]);
    assert_eq!(partial(&found.unwrap(), "a"), ["1"]);
    assert_eq!(seen.sent.len(), 5);
    let (found, _) =
        instances(&named, vec![none(), none(), none(), refused(), list(json!([vm("3", "db")]), ""), none()]);
    assert_eq!(partial(&found.unwrap(), "b"), ["3"]);
    let answers = vec![list(json!([vm("1", "web")]), "t"), none(), Answer::new(502), none(), none(), none(), none()];
    assert_eq!(partial(&instances(&named, answers).0.unwrap(), "a"), ["1"]);
    // A list that lacks one and has nothing is the error.
    let (found, _) = instances(&named, vec![none(), none(), none(), none(), refused()]);
    assert!(matches!(found, Err(Error::Forbidden(_))), "{found:?}");
    let (found, _) = instances(&named, vec![Answer::new(502), none(), none(), none(), none()]);
    assert!(matches!(found, Err(Error::Unavailable(_))), "{found:?}");
    // Where all are, the account is.
    let (found, _) = instances(&named, vec![refused(), Answer::new(502), refused()]);
    assert!(matches!(found, Err(Error::Forbidden(_))), "{found:?}");
    let (found, _) = instances(&account(None), vec![list(json!([]), "t"), none(), refused()]);
    assert!(matches!(found, Err(Error::Forbidden(_))), "{found:?}");
    // What is the account's or the server's is of no one namespace.
    for answer in
        [status(401, "Unauthorized", "no"), status(429, "TooManyRequests", "no"), status(410, "Expired", "no")]
    {
        let (found, seen) = instances(&named, vec![none(), none(), answer]);
        assert!(matches!(found, Err(error) if !matches!(error, Error::Forbidden(_))));
        assert_eq!(seen.sent.len(), 3);
    }
    let entry =
        |name: &str| json!({ "kind": "Namespace", "metadata": { "name": name }, "status": { "phase": "Active" } });
    let (found, _) = realms(&named, vec![refused(), Answer::new(200).body(entry("b").to_string()), refused()]);
    let found = found.unwrap();
    assert_eq!(found.iter().flat_map(|page| &page.items).map(|realm| realm.id.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(found.iter().filter(|page| page.coverage != Coverage::Complete).count(), 2);
    assert!(matches!(realms(&named, vec![refused(), refused(), refused()]).0, Err(Error::Forbidden(_))));
}

#[test]
fn a_page_that_leads_back_ends_the_list() {
    let answers = vec![list(json!([]), ""), list(json!([]), "x"), list(json!([]), "y"), list(json!([]), "x")];
    let (found, seen) = instances(&account(None), answers);
    assert!(matches!(found, Err(Error::UnexpectedAnswer(_))), "{found:?}");
    assert_eq!(seen.sent.len(), 4);
}

#[test]
fn namespaces_are_listed_or_asked_for_by_name() {
    let entry =
        |name: &str| json!({ "kind": "Namespace", "metadata": { "name": name }, "status": { "phase": "Active" } });
    let (found, seen) = realms(&account(None), vec![list(json!([entry("a")]), "t/1"), list(json!([entry("b")]), "")]);
    assert_eq!(found.unwrap().iter().map(|page| page.items.len()).sum::<usize>(), 2);
    assert_eq!(paths(&seen), ["/api/v1/namespaces?limit=500", "/api/v1/namespaces?limit=500&continue=t%2F1"]);

    let named = |name: &str| Answer::new(200).body(entry(name).to_string());
    let answers = vec![named("a"), status(404, "NotFound", "no"), named("c")];
    let (found, seen) = realms(&account(Some("a,b,c")), answers);
    let ids: Vec<_> = found.unwrap().into_iter().flat_map(|page| page.items).map(|realm| realm.id).collect();
    assert_eq!(ids, ["a", "c"]);
    assert_eq!(paths(&seen), ["/api/v1/namespaces/a", "/api/v1/namespaces/b", "/api/v1/namespaces/c"]);
    // A 404 that is not the API's own says nothing of a namespace.
    for answer in
        [Answer::new(404), Answer::new(404).body("<p>"), status(404, "Gone", "no"), status(200, "NotFound", "no")]
    {
        assert!(matches!(realms(&account(Some("a")), vec![answer]).0, Err(Error::UnexpectedAnswer(_))));
    }
}

#[test]
fn an_account_that_is_not_usable_asks_nothing() {
    let long = "a".repeat(64);
    for wrong in ["", ",", "a,", "Shop", "a b", "a/../b", "-a", "a-", "a_b", "ä", long.as_str()] {
        let account = account(Some(wrong));
        let (found, seen) = instances(&account, vec![]);
        assert!(matches!(found, Err(Error::InvalidAccount(_))), "{wrong}: {found:?}");
        assert!(matches!(realms(&account, vec![]).0, Err(Error::InvalidAccount(_))), "{wrong}");
        assert!(seen.sent.is_empty());
    }
    let (found, _) = Host::new().run(|| Kubevirt::list_instances(&account(None), &Query::default()));
    assert!(matches!(found, Err(Error::InvalidAccount(_))), "{found:?}");
    for cursor in ["", "x", "1/t", "-1/t", "1"] {
        let query = Query { cursor: Some(cursor.into()), ..Query::default() };
        let (found, seen) = Host::new().run(|| Kubevirt::list_instances(&account(None), &query));
        assert!(matches!(found, Err(Error::UnexpectedAnswer(_))) && seen.sent.is_empty(), "{cursor}: {found:?}");
        let (found, _) = Host::new().run(|| Kubevirt::list_realms(&account(Some("a")), &query));
        assert!(matches!(found, Err(Error::UnexpectedAnswer(_))), "{cursor}: {found:?}");
    }
}

#[test]
fn errors_are_told_in_the_words_of_the_api() {
    let check = |answer: Answer, kind: &str, words: &str| {
        let error = format!("{:?}", instances(&account(None), vec![answer]).0.expect_err("no list"));
        assert!(error.starts_with(&format!("Error::{kind}(")) && error.contains(words), "{kind} {words}: {error}");
        assert!(error.contains("GET https://cluster.example:6443/apis/kubevirt.io/v1/virtualmachines"), "{error}");
    };
    for (code, reason, kind) in [
        (401, "Unauthorized", "Unauthorized"),
        (403, "Forbidden", "Forbidden"),
        (429, "TooManyRequests", "Throttled"),
        (500, "InternalError", "Unavailable"),
        (500, "ServerTimeout", "Unavailable"),
        (503, "ServiceUnavailable", "Unavailable"),
        (504, "Timeout", "Unavailable"),
        (410, "Expired", "UnexpectedAnswer"),
        (404, "NotFound", "UnexpectedAnswer"),
        (400, "BadRequest", "UnexpectedAnswer"),
    ] {
        check(status(code, reason, "because"), kind, &format!("{reason}: because"));
        // With a status that says nothing of its own, too.
        let body = json!({ "kind": "Status", "reason": reason, "message": "because" }).to_string();
        check(Answer::new(200).body(body.clone()), kind, &format!("answered 200: {reason}: because"));
        check(Answer::new(400).body(body), kind, &format!("answered 400: {reason}: because"));
    }
    check(status(403, "Forbidden", "no"), "Forbidden", "set the option `namespaces`");
    check(Answer::new(404).body("404 page not found\n"), "UnexpectedAnswer", "404 page not found");
    check(Answer::new(429).body("Too many requests"), "Throttled", "Too many");
    check(Answer::new(403).body("<html>"), "Forbidden", "<html>");
    check(Answer::new(502).body("<html>"), "Unavailable", "<html>");
    check(Answer::new(200).body("<html>Please log in</html>"), "UnexpectedAnswer", "Please log in");
    check(Answer::new(302).header("Location", "https://login.example/"), "UnexpectedAnswer", "not followed");
    let (named, _) = instances(&account(Some("shop")), vec![status(403, "Forbidden", "no")]);
    assert!(matches!(named, Err(Error::Forbidden(why)) if !why.contains("option")));
}

#[test]
fn a_throttled_request_says_how_long() {
    let check = |answer: Answer, expected: Option<u32>| {
        let (found, _) = instances(&account(None), vec![answer]);
        assert!(matches!(&found, Err(Error::Throttled(throttle)) if throttle.retry_after == expected), "{found:?}");
    };
    check(status(429, "TooManyRequests", "no"), Some(4));
    check(status(429, "TooManyRequests", "no").header("Retry-After", "9"), Some(9));
    check(Answer::new(429).body("Too many requests").header("Retry-After", "1"), Some(1));
    check(Answer::new(503).header("Retry-After", "2"), Some(2));
    for details in [json!({}), json!({ "retryAfterSeconds": 0 }), json!({ "retryAfterSeconds": -5 }), json!(null)] {
        let body = json!({ "kind": "Status", "reason": "TooManyRequests", "details": details }).to_string();
        check(Answer::new(429).body(body), None);
    }
}
