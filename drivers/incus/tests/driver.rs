//! The whole driver against a pretend host: what it sends, and what it makes of each failure.

use incus::Incus;
use serde_json::{Value, json};
use tracker_driver_sdk::secret::Encoding;
use tracker_driver_sdk::testing::{Answer, Host, Seen};
use tracker_driver_sdk::{Account, Coverage, Driver, Error, Instance, Page, Query, Realm, SecretKind};

const E: &str = "https://incus.example:8443";
const ALL: &str = "/1.0/instances?recursion=2&all-projects=true";

fn account(projects: Option<&str>) -> Account {
    let options = projects.map(|names| ("projects".to_owned(), names.to_owned())).into_iter().collect();
    Account { options, ..Account::new("lab", E, "tracker") }
}

fn entry(project: &str, name: &str) -> Value {
    json!({ "name": name, "project": project, "status": "Running", "state": {} })
}

fn sync(metadata: Value) -> Answer {
    Answer::new(200).body(json!({ "type": "sync", "error_code": 0, "error": "", "metadata": metadata }).to_string())
}

fn refusal(status: u16, code: u16, why: &str) -> Answer {
    Answer::new(status).body(json!({ "type": "error", "error_code": code, "error": why, "metadata": null }).to_string())
}

/// All pages of a list, and the paths that were asked for.
fn pages<T>(
    ask: fn(&Account, &Query) -> Result<Page<T>, Error>,
    account: &Account,
    ids: &[&str],
    answers: Vec<Answer>,
) -> (Result<Vec<T>, Error>, Seen, Vec<String>) {
    let host = answers.into_iter().fold(Host::new().secret("password", "t0ken-of-mine"), Host::answer);
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    let (found, seen) = host.run(|| {
        let (mut items, mut cursor) = (Vec::new(), None);
        loop {
            let page = ask(account, &Query { cursor, ids: ids.clone(), ..Query::default() })?;
            items.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(items);
            }
        }
    });
    let paths = seen.sent.iter().map(|sent| sent.url.trim_start_matches(E).to_owned()).collect();
    (found, seen, paths)
}

fn instances(account: &Account, ids: &[&str], answers: Vec<Answer>) -> (Result<Vec<String>, Error>, Vec<String>) {
    let (found, _, paths) = pages(Incus::list_instances, account, ids, answers);
    (found.map(|items: Vec<Instance>| items.into_iter().map(|item| item.id).collect()), paths)
}

fn realms(account: &Account, answers: Vec<Answer>) -> (Result<Vec<Realm>, Error>, Vec<String>) {
    let (found, _, paths) = pages(Incus::list_realms, account, &[], answers);
    (found, paths)
}

#[test]
fn one_request_lists_the_instances_of_all_projects() {
    let answers = vec![sync(json!([entry("default", "web"), entry("shop", "web")]))];
    let (found, seen, paths) = pages(Incus::list_instances, &account(None), &[], answers);
    assert_eq!(found.unwrap().iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), ["web", "shop/web"]);
    assert_eq!(paths, [ALL]);
    assert_eq!(seen.sent[0].header("x-api-key"), Some(&*Host::placeholder("password", Encoding::Raw)));
    // A server would take it for a token.
    assert_eq!(seen.sent[0].header("authorization"), None);

    let with_token = Account { secret: SecretKind::AccessToken, ..account(None) };
    let (_, seen, _) = pages(Incus::list_instances, &with_token, &[], vec![sync(json!([entry("default", "web")]))]);
    let bearer = format!("Bearer {}", Host::placeholder("password", Encoding::Raw));
    assert_eq!(seen.sent[0].header("authorization"), Some(bearer.as_str()));
    assert_eq!(seen.sent[0].header("x-api-key"), None);
    assert!(!format!("{seen:?}").contains("t0ken-of-mine"));
}

#[test]
fn an_empty_list_is_right_only_for_a_client_that_sees_a_project() {
    let none = || sync(json!([]));
    let (found, paths) = instances(&account(None), &[], vec![none(), sync(json!(["/1.0/projects/default"]))]);
    assert_eq!((found, paths), (Ok(vec![]), vec![ALL.to_owned(), "/1.0/projects".to_owned()]));
    let (found, _) = instances(&account(None), &[], vec![none(), none()]);
    assert!(matches!(found, Err(Error::Forbidden(_))), "{found:?}");
    let (found, _) = instances(&account(Some("shop")), &[], vec![none(), sync(json!(["/1.0/projects/default"]))]);
    assert!(matches!(&found, Err(Error::Forbidden(why)) if why.contains("`shop`")), "{found:?}");
    let (found, _) = instances(&account(Some("shop")), &[], vec![none(), sync(json!(["/1.0/projects/shop"]))]);
    assert_eq!(found, Ok(vec![]));
    let (found, _) = instances(&account(None), &[], vec![none(), refusal(403, 403, "no")]);
    assert!(matches!(found, Err(Error::Forbidden(_))), "{found:?}");
}

#[test]
fn each_named_project_is_listed_by_itself() {
    let answers = vec![sync(json!([entry("a b", "web")])), sync(json!([entry("shop", "web")]))];
    let (_, paths) =
        instances(&account(Some("a-b, shop,shop")), &[], vec![sync(json!([entry("a-b", "w")])), Answer::new(503)]);
    assert_eq!(paths, ["/1.0/instances?recursion=2&project=a-b", "/1.0/instances?recursion=2&project=shop"]);
    // What is of another project was not asked for.
    let (found, _) = instances(&account(Some("default,shop")), &[], answers);
    assert!(matches!(found, Err(Error::UnexpectedAnswer(_))), "{found:?}");
}

#[test]
fn one_project_that_can_not_be_listed_does_not_hide_the_others() {
    let of = |answers: Vec<Answer>| {
        let host = answers.into_iter().fold(Host::new().secret("password", "x"), Host::answer);
        let (pages, _) = host.run(|| {
            let (mut pages, mut cursor) = (Vec::new(), None);
            loop {
                let page = Incus::list_instances(&account(Some("a,b")), &Query { cursor, ..Query::default() })?;
                cursor = page.next.clone();
                pages.push(page);
                if cursor.is_none() {
                    return Ok::<_, Error>(pages);
                }
            }
        });
        pages
    };
    let left_out = |pages: Vec<Page<Instance>>, project: &str| {
        let is_named = |page: &Page<Instance>| matches!(&page.coverage, Coverage::Partial(why) if why.contains(&format!("`{project}`")));
        assert!(pages.iter().any(is_named), "{pages:?}");
        pages.into_iter().flat_map(|page| page.items).map(|item| item.id).collect::<Vec<_>>()
    };
    let list = |project: &str| sync(json!([entry(project, "web")]));
    for refused in [
        || refusal(403, 403, "not authorized"),
        || refusal(404, 404, "Project not found"),
        || refusal(500, 500, "database is locked"),
        || refusal(200, 403, "not authorized"),
        || Answer::new(503),
    ] {
        assert_eq!(left_out(of(vec![refused(), list("b")]).unwrap(), "a"), ["b/web"]);
        assert_eq!(left_out(of(vec![list("a"), refused()]).unwrap(), "b"), ["a/web"]);
        // Where all are, the account is.
        assert!(of(vec![refused(), refused()]).is_err());
        assert!(instances(&account(None), &[], vec![refused()]).0.is_err());
    }
    // One that the client does not see, which has an empty list.
    let none = || sync(json!([]));
    assert_eq!(left_out(of(vec![none(), sync(json!(["/1.0/projects/b"])), list("b")]).unwrap(), "a"), ["b/web"]);
    // Which projects there are is asked for once. A list that lacks one and has nothing is the error.
    let found = of(vec![none(), sync(json!(["/1.0/projects/a"])), none()]);
    assert!(matches!(&found, Err(Error::Forbidden(why)) if why.contains("`b`")), "{found:?}");
    let found = of(vec![refusal(404, 404, "Project not found"), none(), sync(json!(["/1.0/projects/b"]))]);
    assert!(matches!(&found, Err(Error::UnexpectedAnswer(why)) if why.contains("not found")), "{found:?}");
    assert_eq!(of(vec![none(), sync(json!(["/1.0/projects/a", "/1.0/projects/b"])), none()]).unwrap().len(), 2);
    // What is the account's or the server's is of no one project.
    for answer in [refusal(401, 401, "no"), refusal(429, 429, "no"), refusal(400, 400, "no"), Answer::new(404)] {
        let found = of(vec![list("a"), answer]);
        assert!(matches!(found, Err(ref error) if !matches!(error, Error::Forbidden(_))), "{found:?}");
    }
}

#[test]
fn single_instances_are_asked_for_one_by_one_and_may_be_absent() {
    let absent = || refusal(404, 404, "Instance not found");
    let answers = vec![sync(entry("default", "web")), absent(), sync(entry("shop", "db"))];
    let (found, paths) = instances(&account(None), &["web", "gone", "shop/db"], answers);
    assert_eq!(found.unwrap(), ["web", "shop/db"]);
    assert_eq!(
        paths,
        [
            "/1.0/instances/web?project=default&recursion=1",
            "/1.0/instances/gone?project=default&recursion=1",
            "/1.0/instances/db?project=shop&recursion=1",
        ]
    );
    // What is no id here goes into no path, and what is in another project is not of this account.
    let (found, paths) = instances(&account(Some("shop")), &["..", "web", "default/web", "shop/a?b", ""], vec![]);
    assert_eq!((found, paths), (Ok(vec![]), vec![]));
    let many: Vec<String> = (0..21).map(|number| format!("web-{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(instances(&account(None), &many, vec![Answer::new(503)]).1, [ALL]);
    // A 404 that is not the server's own says nothing of an instance; nor does an answer with another one.
    for answer in [
        Answer::new(404),
        Answer::new(404).body("<html>"),
        refusal(404, 400, "no"),
        refusal(200, 404, "Instance not found"),
        sync(json!(null)),
        sync(entry("default", "other")),
        sync(entry("shop", "web")),
    ] {
        let (found, _) = instances(&account(None), &["web"], vec![answer]);
        assert!(matches!(found, Err(Error::UnexpectedAnswer(_))), "{found:?}");
    }
}

#[test]
fn members_are_asked_for_where_there_is_a_cluster() {
    let info =
        |clustered: bool| sync(json!({ "environment": { "server_clustered": clustered, "server_name": "box" } }));
    let (found, paths) = realms(&account(None), vec![info(false)]);
    assert_eq!((found.unwrap()[0].id.as_str(), paths), ("none", vec!["/1.0".to_owned()]));
    let members = sync(json!([{ "server_name": "s1", "status": "Online" }]));
    let (found, paths) = realms(&account(None), vec![info(true), members]);
    assert_eq!(found.unwrap()[0].id, "s1");
    assert_eq!(paths, ["/1.0", "/1.0/cluster/members?recursion=1"]);
    let (found, _) = realms(&account(None), vec![sync(json!({ "auth": "untrusted" }))]);
    assert!(matches!(found, Err(Error::Unauthorized(_))), "{found:?}");
}

#[test]
fn an_account_that_is_not_usable_asks_nothing() {
    let long = "a".repeat(64);
    for wrong in ["", ",", "a,", "a b", "a/b", "a'b", "a\"b", "a*", long.as_str()] {
        let (found, paths) = instances(&account(Some(wrong)), &[], vec![]);
        assert!(matches!(found, Err(Error::InvalidAccount(_))) && paths.is_empty(), "{wrong}: {found:?}");
        assert!(matches!(realms(&account(Some(wrong)), vec![]).0, Err(Error::InvalidAccount(_))), "{wrong}");
    }
    for (projects, cursor) in [(None, "0"), (None, "x"), (Some("a"), "1"), (Some("a"), ""), (Some("a"), "-1")] {
        let query = Query { cursor: Some(cursor.into()), ..Query::default() };
        let (found, seen) = Host::new().run(|| Incus::list_instances(&account(projects), &query));
        assert!(matches!(found, Err(Error::UnexpectedAnswer(_))) && seen.sent.is_empty(), "{cursor}: {found:?}");
    }
    let (found, _) = Host::new().run(|| Incus::list_instances(&account(None), &Query::default()));
    assert!(matches!(found, Err(Error::InvalidAccount(_))), "{found:?}");
}

#[test]
fn errors_are_told_in_the_words_of_the_server() {
    let check = |answer: Answer, kind: &str, words: &str| {
        let error = format!("{:?}", instances(&account(None), &[], vec![answer]).0.expect_err("no list"));
        assert!(error.starts_with(&format!("Error::{kind}(")) && error.contains(words), "{kind} {words}: {error}");
        assert!(error.contains("GET https://incus.example:8443/1.0/instances"), "{error}");
    };
    for (code, kind) in [
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (429, "Throttled"),
        (500, "Unavailable"),
        (503, "Unavailable"),
        (400, "UnexpectedAnswer"),
        (404, "UnexpectedAnswer"),
        (412, "UnexpectedAnswer"),
    ] {
        check(refusal(code, code, "because"), kind, "because");
        // With a status that says nothing of its own, too.
        check(refusal(200, code, "because"), kind, &format!("answered 200: {code}: because"));
        check(refusal(400, code, "because"), kind, &format!("answered 400: {code}: because"));
    }
    check(refusal(403, 403, "not authorized"), "Forbidden", "not trusted");
    check(Answer::new(429).header("Retry-After", "7"), "Throttled", "Some(7)");
    check(refusal(200, 429, "because").header("Retry-After", "8"), "Throttled", "Some(8)");
    check(Answer::new(502).body("<html>"), "Unavailable", "<html>");
    check(Answer::new(403).body("<html>"), "Forbidden", "<html>");
    check(Answer::new(200).body("<html>Please log in</html>"), "UnexpectedAnswer", "Please log in");
    check(Answer::new(302).header("Location", "https://login.example/"), "UnexpectedAnswer", "not followed");
    check(Answer::new(200).body(r#"{"type": "sync", "metadata": ["#), "Unavailable", "broke off");
}
