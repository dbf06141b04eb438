//! The whole driver against a pretend host: what it sends, with which token, and for which project.

use gce::Gce;
use gce::token::{granted, unsigned};
use serde_json::{Value, json};
use tracker_driver_sdk::secret::Encoding;
use tracker_driver_sdk::testing::{Answer, Host, Seen};
use tracker_driver_sdk::{Account, Driver, Error, Instance, Page, Query, SecretKind};

/// 2026-11-20T10:00:00Z.
const NOW: i64 = 1_795_168_800_000;
const USER: &str = "tracker@shop-4711.iam.gserviceaccount.com";
const FIELDS: &str = "fields=nextPageToken%2Cunreachables%2Cwarning%28code%2Cmessage%29%2Citems";

fn account(secret: SecretKind) -> Account {
    let endpoints = vec![("token".into(), "https://oauth2.googleapis.com/token".into())];
    Account { endpoints, secret, ..Account::new("main", "https://compute.googleapis.com", USER) }
}

fn token_account() -> Account {
    account(SecretKind::AccessToken)
}

fn host() -> Host {
    Host::new().user(USER).secret("password", "t0ken-of-mine").at(NOW)
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn after(cursor: Option<String>) -> Query {
    Query { cursor, ..Query::default() }
}

fn list(host: Host, account: &Account) -> (Result<Page<Instance>, Error>, Seen) {
    host.run(|| Gce::list_instances(account, &Query::default()))
}

#[test]
fn instances_are_listed_page_by_page_with_the_access_token() {
    let host = host().answer(Answer::new(200).body(fixture("instances-page-1")));
    let host = host.answer(Answer::new(200).body(fixture("instances-page-2")));
    let (count, seen) = host.run(|| {
        let first = Gce::list_instances(&token_account(), &after(None))?;
        let last = Gce::list_instances(&token_account(), &after(first.next))?;
        assert_eq!(last.next, None);
        Ok::<_, Error>(first.items.len() + last.items.len())
    });
    assert_eq!(count, Ok(12));
    let base = "https://compute.googleapis.com/compute/v1/projects/shop-4711/aggregated/instances";
    let start = format!("{base}?maxResults=500&returnPartialSuccess=true&{FIELDS}%2F%2A%2Fwarning%28");
    let [first, last] = &seen.sent[..] else { panic!("{seen:?}") };
    assert!(
        first.url.starts_with(&start) && first.url.ends_with("ipv6AccessConfigs%28externalIpv6%29%29%29"),
        "{first:?}"
    );
    assert_eq!(last.url, format!("{}&pageToken=CiBzaG9wL3BhZ2UtMg%2Bx%2FA%3D%3D", first.url));
    for sent in &seen.sent {
        let bearer = format!("Bearer {}", Host::placeholder("password", Encoding::Raw));
        assert_eq!((sent.method.as_str(), sent.header("authorization")), ("GET", Some(bearer.as_str())));
    }
    assert!(seen.session.is_empty(), "it is no token of the driver's");
}

#[test]
fn zones_are_listed_by_their_own_path() {
    let host = host().answer(Answer::new(200).body(fixture("zones")));
    let (page, seen) = host.run(|| Gce::list_realms(&token_account(), &after(Some("a b&c".into()))));
    assert_eq!(page.unwrap().items.len(), 5);
    let base = "https://compute.googleapis.com/compute/v1/projects/shop-4711/zones";
    let url =
        format!("{base}?maxResults=500&returnPartialSuccess=true&{FIELDS}%28name%2Cstatus%29&pageToken=a%20b%26c");
    assert_eq!(seen.sent[0].url, url);
}

#[test]
fn the_project_is_an_option_or_in_the_user() {
    let check = |option: Option<&str>, user: &str, expected: Option<&str>| {
        let options = option.map(|project| ("project".to_owned(), project.to_owned())).into_iter().collect();
        let account = Account { options, user: user.into(), ..token_account() };
        let (listed, seen) = list(host().answer(Answer::new(200).body(fixture("instances-none"))), &account);
        let path = "https://compute.googleapis.com/compute/v1/projects/";
        let asked = seen.sent.first().map(|sent| sent.url.trim_start_matches(path).split_once('/').expect("a path").0);
        assert_eq!(asked, expected, "{option:?} {user}");
        assert!(expected.is_some() || matches!(listed, Err(Error::InvalidAccount(_))), "{listed:?}");
    };
    check(None, USER, Some("shop-4711"));
    check(Some("other-1"), USER, Some("other-1"));
    check(Some("471147114711"), "me", Some("471147114711"));
    check(Some("example.com:shop"), "me", Some("example.com%3Ashop"));
    check(None, "shop-4711", Some("shop-4711"));
    check(None, "sa@shop.example.com.iam.gserviceaccount.com", None);
    check(None, "4711-compute@developer.gserviceaccount.com", None);
    check(None, "me@example.com", None);
    check(None, "", None);
    for wrong in ["", " ", "..", ".", "a/b", "a b", "-a", "a?b", "a%2fb", "é"] {
        check(Some(wrong), USER, None);
    }
    check(Some(&"a".repeat(256)), USER, None);
}

/// The instances with these ids, and what was sent.
fn by_id(ids: &[&str], body: &Value) -> (Vec<String>, Vec<String>) {
    let query = Query { ids: ids.iter().map(|id| (*id).to_owned()).collect(), ..Query::default() };
    let host = host().answer(Answer::new(200).body(body.to_string()));
    let (page, seen) = host.run(|| Gce::list_instances(&token_account(), &query));
    let ids = page.expect("a list").items.into_iter().map(|item| item.id).collect();
    (ids, seen.sent.into_iter().map(|sent| sent.url).collect())
}

#[test]
fn single_instances_are_asked_for_by_a_filter() {
    let two = json!({ "items": { "zones/a": { "instances": [
        { "id": "7", "status": "RUNNING" }, { "id": "8", "status": "RUNNING" }
    ] } } });
    let (listed, urls) = by_id(&["7", "8", "9"], &two);
    assert_eq!(listed, ["7", "8"]);
    assert!(
        urls[0].ends_with("&filter=%28id%20%3D%207%29%20OR%20%28id%20%3D%208%29%20OR%20%28id%20%3D%209%29"),
        "{urls:?}"
    );
    // What is no id here is asked for nowhere, and what was not asked for is not listed.
    let (listed, urls) = by_id(&["8", "i-1", "08", "", "8) OR (id > 0", "+8"], &two);
    assert_eq!(listed, ["8"]);
    assert!(urls[0].ends_with("&filter=%28id%20%3D%208%29"), "{urls:?}");
    assert_eq!(by_id(&["i-1", "18446744073709551616"], &two), (vec![], vec![]));
    // The filter takes no unsigned numbers of 64 bits: everything is listed then.
    let large = json!({ "items": { "zones/a": { "instances": [
        { "id": "9223372036854775808", "status": "RUNNING" }, { "id": "8", "status": "RUNNING" }
    ] } } });
    let (listed, urls) = by_id(&["9223372036854775808", "7"], &large);
    assert_eq!(listed, ["9223372036854775808"]);
    assert!(!urls[0].contains("filter="), "{urls:?}");
}

#[test]
fn a_kept_token_is_sent_and_replaced_once_it_is_refused() {
    let account = account(SecretKind::PrivateKey);
    let kept = || host().remembering("token", "kept-token-of-an-hour");
    let (page, seen) = list(kept().answer(Answer::new(200).body(fixture("instances-page-1"))), &account);
    assert_eq!(page.map(|page| page.items.len()), Ok(4));
    assert_eq!(seen.sent[0].header("authorization"), Some("Bearer kept-token-of-an-hour"));
    assert_eq!(seen.sent.len(), 1);
    // Refused, it is replaced by one that the key gets.
    let fresh = || {
        Answer::new(200).body(r#"{"access_token":"fresh-token-of-an-hour","expires_in":3599,"token_type":"Bearer"}"#)
    };
    let refused = kept().answer(Answer::new(401).body("<html>")).answer(fresh());
    let (page, seen) = list(refused.answer(Answer::new(200).body(fixture("instances-page-1"))), &account);
    assert_eq!(page.map(|page| page.items.len()), Ok(4));
    assert_eq!(seen.sent.len(), 3);
    assert_eq!(seen.sent[2].header("authorization"), Some("Bearer fresh-token-of-an-hour"));
    // Any other refusal is no matter of the token.
    let (page, seen) = list(kept().answer(Answer::new(403)), &account);
    assert!(matches!(page, Err(Error::Forbidden(_))) && seen.sent.len() == 1, "{page:?}");
    // What can't be sent is no token.
    let odd = host().remembering("token", "a\nb").answer(fresh());
    let (page, seen) = list(odd.answer(Answer::new(200).body(fixture("instances-page-1"))), &account);
    assert_eq!(page.map(|page| page.items.len()), Ok(4));
    assert_eq!(seen.sent[1].header("authorization"), Some("Bearer fresh-token-of-an-hour"));
}

#[test]
fn a_token_that_an_answer_shows_is_hidden() {
    let account = account(SecretKind::PrivateKey);
    for status in [200, 400, 500] {
        let host = host().remembering("token", "kept-token-of-an-hour");
        let (page, _) =
            list(host.answer(Answer::new(status).body("<p>Authorization: Bearer kept-token-of-an-hour</p>")), &account);
        let error = format!("{page:?}");
        assert!(!error.contains("kept-token-of-an-hour") && error.contains("Bearer [token]"), "{error}");
    }
}

#[test]
fn an_account_that_can_get_no_token_is_invalid_before_any_request() {
    let key = account(SecretKind::PrivateKey);
    for (account, words) in [
        (Account { endpoints: Vec::new(), ..key.clone() }, "role `token`"),
        (Account { user: String::new(), options: vec![("project".into(), "p".into())], ..key.clone() }, "e-mail"),
        (Account { secret: SecretKind::Password, ..key.clone() }, "password_kind"),
    ] {
        let (page, seen) = list(host(), &account);
        let Err(Error::InvalidAccount(why)) = page else { panic!("{page:?}") };
        assert!(why.contains(words) && seen.sent.is_empty(), "{why}");
    }
    let (page, seen) = list(Host::new(), &token_account());
    assert!(matches!(page, Err(Error::InvalidAccount(_))) && seen.sent.is_empty(), "{page:?}");
}

#[test]
fn the_assertion_says_who_asks_for_what_where_and_until_when() {
    let header = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9";
    // {"iss":"me","scope":"https://www.googleapis.com/auth/compute.readonly","aud":"https://h/t","iat":1795168800,
    // "exp":1795172400}
    let claims = "eyJpc3MiOiJtZSIsInNjb3BlIjoiaHR0cHM6Ly93d3cuZ29vZ2xlYXBpcy5jb20vYXV0aC9jb21wdXRlLnJlYWRvbmx5IiwiYXVkIjoi\
                  aHR0cHM6Ly9oL3QiLCJpYXQiOjE3OTUxNjg4MDAsImV4cCI6MTc5NTE3MjQwMH0";
    assert_eq!(unsigned("me", "https://h/t", NOW + 999).unwrap(), format!("{header}.{claims}"));
}

#[test]
fn a_token_is_kept_for_less_than_it_lasts() {
    let check = |answer: &str, expected: Option<(&str, u32)>| {
        let read = granted(answer.as_bytes());
        let expected = expected.map(|(token, lifetime)| (token.to_owned(), lifetime));
        assert_eq!(read.as_ref().ok(), expected.as_ref(), "{answer}");
        assert!(!format!("{:?}", read.err()).contains("s3cret"), "{answer}");
    };
    check(r#"{"access_token": "s3cret", "expires_in": 3599, "token_type": "Bearer"}"#, Some(("s3cret", 3299)));
    check(r#"{"access_token": "s3cret", "expires_in": 60}"#, Some(("s3cret", 30)));
    check(r#"{"access_token": "s3cret"}"#, Some(("s3cret", 300)));
    for none in [
        r#"{"access_token": "s3c ret"}"#,
        r#"{"access_token": "s3cret\r\nx: y"}"#,
        r#"{"access_token": ""}"#,
        r#"{"access_token": null}"#,
        r#"{"access_token": "s3cret""#,
        r#"{"id_token": "s3cret"}"#,
        r#""s3cret""#,
        "<html>s3cret",
        "",
    ] {
        check(none, None);
    }
}
