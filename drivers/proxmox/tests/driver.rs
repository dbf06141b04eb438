//! The whole driver against a pretend host: what it sends, and what it makes of each answer's status.

use proxmox::Proxmox;
use tracker_driver_sdk::secret::Encoding;
use tracker_driver_sdk::testing::{Answer, Host, Seen};
use tracker_driver_sdk::{Account, Driver, Error, Instance, Page, Query};

const BASE: &str = "https://pve.example:8006/api2/json";

fn account() -> Account {
    Account::new("lab", "https://pve.example:8006", "tracker@pve!poll")
}

fn host() -> Host {
    Host::new().secret("password", "s3cret-of-mine")
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn ok(name: &str) -> Answer {
    Answer::new(200).body(fixture(name))
}

fn list(account: &Account, answers: Vec<Answer>) -> (Result<Page<Instance>, Error>, Seen) {
    answers.into_iter().fold(host(), Host::answer).run(|| Proxmox::list_instances(account, &Query::default()))
}

#[test]
fn guests_take_one_request_with_the_token() {
    let (page, seen) = list(&account(), vec![ok("resources")]);
    assert_eq!(page.unwrap().items.len(), 4);
    let [sent] = &seen.sent[..] else { panic!("{seen:?}") };
    assert_eq!((sent.method.as_str(), sent.url.as_str()), ("GET", format!("{BASE}/cluster/resources").as_str()));
    let token = format!("PVEAPIToken=tracker@pve!poll={}", Host::placeholder("password", Encoding::Raw));
    assert_eq!(sent.header("authorization"), Some(token.as_str()));
    assert!(!format!("{seen:?}").contains("s3cret-of-mine"));
}

#[test]
fn nodes_take_one_request_of_their_own() {
    let (page, seen) = host().answer(ok("nodes")).run(|| Proxmox::list_realms(&account(), &Query::default()));
    assert_eq!(page.unwrap().items.len(), 4);
    let urls: Vec<_> = seen.sent.iter().map(|sent| sent.url.clone()).collect();
    assert_eq!(urls, [format!("{BASE}/cluster/resources?type=node")]);
}

#[test]
fn an_endpoint_may_be_that_of_the_api() {
    for (endpoint, url) in [
        ("https://pve.example:8006/api2/json", "https://pve.example:8006/api2/json/cluster/resources"),
        ("https://proxy.example/pve", "https://proxy.example/pve/api2/json/cluster/resources"),
    ] {
        let (_, seen) = list(&Account { endpoint: endpoint.into(), ..account() }, vec![ok("resources")]);
        assert_eq!(seen.sent[0].url, url);
    }
}

#[test]
fn an_empty_list_is_believed_only_of_a_token_that_may_see_guests() {
    let (page, seen) = list(&account(), vec![ok("resources-no-guests"), ok("permissions")]);
    assert!(page.unwrap().items.is_empty());
    assert_eq!(seen.sent[1].url, format!("{BASE}/access/permissions"));
    let (page, _) = list(&account(), vec![ok("resources-no-guests"), ok("permissions-none")]);
    let Err(Error::Forbidden(why)) = page else { panic!("{page:?}") };
    assert!(why.contains("VM.Audit"), "{why}");
    // Without the second answer the first one says nothing.
    let (page, _) = list(&account(), vec![ok("resources-no-guests"), Answer::new(500)]);
    assert!(matches!(page, Err(Error::Unavailable(_))), "{page:?}");
    let (page, _) = list(&account(), vec![ok("resources-no-guests"), Answer::new(200).body(r#"{"data": null}"#)]);
    assert!(matches!(page, Err(Error::UnexpectedAnswer(_))), "{page:?}");
}

#[test]
fn an_account_that_cannot_work_is_refused_before_any_request() {
    let with = |user: &str, options: &[(&str, &str)]| Account {
        user: user.into(),
        options: options.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        ..account()
    };
    for wrong in [
        with("", &[]),
        with("tracker@pve!poll\r\nx: y", &[]),
        with("tracker@pve!poll", &[("addresses", "some")]),
        with("tracker@pve!poll", &[("addresses", "")]),
    ] {
        let (page, seen) = list(&wrong, vec![ok("resources")]);
        assert!(matches!(page, Err(Error::InvalidAccount(_))) && seen.sent.is_empty(), "{wrong:?}: {page:?}");
        let (page, seen) = host().run(|| Proxmox::list_realms(&wrong, &Query::default()));
        assert!(matches!(page, Err(Error::InvalidAccount(_))) && seen.sent.is_empty(), "{wrong:?}: {page:?}");
    }
    let (page, _) = Host::new().run(|| Proxmox::list_instances(&account(), &Query::default()));
    assert!(matches!(page, Err(Error::InvalidAccount(_))), "no secret: {page:?}");
}

#[test]
fn a_refused_user_that_is_no_token_is_told_so() {
    let refused = |user: &str| {
        let (page, _) = list(&Account { user: user.into(), ..account() }, vec![Answer::new(401)]);
        let Err(Error::Unauthorized(why)) = page else { panic!("{page:?}") };
        why
    };
    assert!(refused("root@pam").ends_with("answered 401 (the user is no full id of an API token, `user@realm!name`)"));
    let advice = "(check the token's id and secret, and whether it or its user is expired or disabled)";
    assert!(refused("root@pam!poll").ends_with(&format!("answered 401 {advice}")));
}

#[test]
fn errors_are_told_in_the_words_of_the_api() {
    let check = |answer: Answer, kind: &str, words: &str| {
        let error = format!("{:?}", list(&account(), vec![answer]).0.expect_err("no list"));
        assert!(error.starts_with(&format!("Error::{kind}(")) && error.contains(words), "{kind} {words}: {error}");
        assert!(error.contains(&format!("GET {BASE}/cluster/resources")), "{error}");
    };
    // The reason is in the status line, and the body is empty.
    check(Answer::new(401), "Unauthorized", "answered 401");
    check(
        Answer::new(403).body(fixture("error-forbidden")),
        "Forbidden",
        "answered 403: Permission check failed (/vms",
    );
    check(Answer::new(403).body(r#"{"data":null}"#), "Forbidden", "answered 403");
    check(Answer::new(500).body(r#"{"message":"ipcc_send_rec failed\n","data":null}"#), "Unavailable", "ipcc_send_rec");
    for status in [501, 502, 595, 596, 599] {
        check(Answer::new(status), "Unavailable", &format!("answered {status}"));
    }
    check(Answer::new(503).header("Retry-After", "7"), "Throttled", "Some(7)");
    check(Answer::new(429).header("Retry-After", "9").body("<html>"), "Throttled", "Some(9)");
    let wrong = br#"{"data":null,"errors":{"type":"value 'x' does not have a value in the enumeration"}}"#;
    check(Answer::new(400).body(&wrong[..]), "UnexpectedAnswer", "answered 400: type: value 'x'");
    check(Answer::new(404).body("<html>"), "UnexpectedAnswer", "answered 404: <html>");
    check(Answer::new(302).header("Location", "https://login.example/"), "UnexpectedAnswer", "not followed");
    check(Answer::new(200).body("<html>Log in</html>"), "UnexpectedAnswer", "Log in");
    check(Answer::new(200).body(fixture("error-forbidden")), "UnexpectedAnswer", "null");
    check(Answer::new(200), "UnexpectedAnswer", "empty");
    check(Answer::new(200).body(&fixture("resources")[..700]), "Unavailable", "broke off");
    check(Answer::new(200).body(fixture("resources")).broken("ConnectionTerminated"), "Unavailable", "broke off");
}
