//! The whole driver with a pretend host around it: what it sends, and what it makes of each status.

use {{name_snake}}::Cloud;

use tracker_driver_sdk::testing::{Answer, Host, Seen};
use tracker_driver_sdk::{Account, Driver, Error, Instance, Page, Query};

const EMPTY: &str = r#"{"servers": [], "next": null}"#;

fn account(options: &[(&str, &str)]) -> Account {
    let option = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    let options = options.iter().map(option).collect();
    Account { options, ..Account::new("main", "https://api.{{name}}.example", "demo") }
}

/// Asks for the page at this cursor; the provider gives this answer.
fn ask(options: &[(&str, &str)], cursor: Option<&str>, answer: Answer) -> (Result<Page<Instance>, Error>, Seen) {
    let query = Query { cursor: cursor.map(str::to_owned), ..Query::default() };
    let host = Host::new().secret("password", "s3cret-token").answer(answer);
    host.run(|| Cloud::list_instances(&account(options), &query))
}

#[test]
fn pages_are_asked_for_one_after_the_other() {
    let first = r#"{"servers": [{"id": "a/b", "status": "running"}], "next": "a/b"}"#;
    let (page, seen) = ask(&[], None, Answer::new(200).body(first));
    let url = "https://api.{{name}}.example/v1/servers?limit=100";
    assert_eq!(seen.sent[0].url, url);
    let next = page.expect("a page").next;
    assert_eq!(next.as_deref(), Some("a/b"));

    let (page, seen) = ask(&[], next.as_deref(), Answer::new(200).body(EMPTY));
    assert_eq!(seen.sent[0].url, format!("{url}&after=a%2Fb"));
    assert_eq!(page.expect("a page").next, None);
}

#[test]
fn the_option_is_sent() {
    let (_, seen) = ask(&[("project", "blue")], None, Answer::new(200).body(EMPTY));
    assert!(seen.sent[0].url.ends_with("?limit=100&project=blue"));
}

#[test]
fn the_token_is_sent_and_never_seen() {
    let (_, seen) = ask(&[], None, Answer::new(200).body(EMPTY));
    let header = seen.sent[0].header("authorization").expect("it proves who asks");
    assert!(header.starts_with("Bearer "), "{header}");
    assert!(!format!("{seen:?}").contains("s3cret-token"));
}

/// Which of the contract's errors it is.
fn kind(error: Error) -> &'static str {
    match error {
        Error::Unauthorized(_) => "unauthorized",
        Error::Forbidden(_) => "forbidden",
        Error::Throttled(_) => "throttled",
        Error::Unavailable(_) => "unavailable",
        Error::InvalidAccount(_) => "invalid-account",
        Error::UnexpectedAnswer(_) => "unexpected-answer",
    }
}

#[test]
fn each_status_is_the_error_that_it_means() {
    let check = |answer: Answer, want: &str| {
        let error = ask(&[], None, answer).0.expect_err(want);
        assert_eq!(kind(error), want);
    };
    check(Answer::new(401).body(r#"{"error": "invalid token"}"#), "unauthorized");
    check(Answer::new(403), "forbidden");
    check(Answer::new(429), "throttled");
    check(Answer::new(500), "unavailable");
    check(Answer::new(503), "unavailable");
    check(Answer::new(404), "unexpected-answer");
    check(Answer::new(302).header("Location", "/login"), "unexpected-answer");
    check(Answer::new(200).body("<html>Log in</html>"), "unexpected-answer");
    check(Answer::new(200).body(&EMPTY[..10]), "unavailable");
    check(Answer::new(200).body(&EMPTY[..10]).broken("reset"), "unavailable");
}

#[test]
fn the_wait_that_a_provider_asks_for_is_passed_on() {
    let (listed, _) = ask(&[], None, Answer::new(429).header("Retry-After", "7"));
    let Err(Error::Throttled(throttle)) = listed else { panic!("{listed:?}") };
    assert_eq!(throttle.retry_after, Some(7));
}

#[test]
fn an_account_without_a_token_is_the_operators_to_put_right() {
    let listed = Host::new().run(|| Cloud::list_instances(&account(&[]), &Query::default()));
    assert!(matches!(listed.0, Err(Error::InvalidAccount(_))), "{listed:?}");
    assert!(listed.1.sent.is_empty(), "it asks nobody");
}
