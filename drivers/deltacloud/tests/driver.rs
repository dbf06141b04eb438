//! The whole driver against a pretend host: what it sends, and what it makes of errors.

use deltacloud::Deltacloud;
use tracker_driver_sdk::secret::Encoding;
use tracker_driver_sdk::testing::{Answer, Host, Seen};
use tracker_driver_sdk::{Account, Driver, Error, Features, Query, SecretKind};

const ONE: &str = "<instances><instance id='a'><state>RUNNING</state></instance></instances>";

fn account(options: &[(&str, &str)]) -> Account {
    let options = options.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Account { options, ..Account::new("main", "https://cloud.example", "demo") }
}

fn host(answers: Vec<Answer>) -> Host {
    answers.into_iter().fold(Host::new().user("demo").secret("password", "s3cret-of-mine"), Host::answer)
}

/// Everything that is listed, page by page.
fn list(account: &Account, ids: &[&str], answers: Vec<Answer>) -> (Result<Vec<String>, Error>, Seen) {
    host(answers).run(|| {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let (mut listed, mut cursor) = (Vec::new(), None);
        loop {
            let page = Deltacloud::list_instances(account, &Query { cursor, ids: ids.clone(), ..Query::default() })?;
            listed.extend(page.items.into_iter().map(|item| item.id));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(listed);
            }
        }
    })
}

fn good(body: &str) -> Answer {
    Answer::new(200).header("content-type", "application/xml").body(body)
}

fn urls(seen: &Seen) -> Vec<&str> {
    seen.sent.iter().map(|sent| sent.url.strip_prefix("https://cloud.example/api/").expect("the API")).collect()
}

#[test]
fn pages_follow_links_at_the_accounts_own_endpoint() {
    let link = |to: &str| good(ONE).header("Link", &format!("<{to}>; rel=\"next\""));
    let first = link("http://10.0.0.1:3001/api/instances?limit=1000&after=a%2Bb%3D%3D&format=xml");
    let second = link("/elsewhere?after=%22%20%26&limit=1000");
    let (ids, seen) = list(&account(&[]), &[], vec![first, second, good(ONE)]);
    assert_eq!(ids.unwrap(), ["a", "a", "a"]);
    let expected = [
        "instances?limit=1000",
        "instances?limit=1000&after=a%2Bb%3D%3D&format=xml",
        "instances?after=%22%20%26&limit=1000",
    ];
    assert_eq!(urls(&seen), expected);
    for sent in &seen.sent {
        let basic = format!("Basic {}", Host::placeholder("password", Encoding::Basic));
        assert_eq!((sent.header("authorization"), sent.header("accept")), (Some(&*basic), Some("application/xml")));
    }
    assert!(!format!("{seen:?}").contains("s3cret-of-mine"));
    // One that leads to itself would never end.
    let again = || link("/api/instances?after=1");
    assert!(matches!(list(&account(&[]), &[], vec![again(), again()]).0, Err(Error::UnexpectedAnswer(_))));
    assert!(matches!(list(&account(&[]), &[], vec![link("/api/instances")]).0, Err(Error::UnexpectedAnswer(_))));
}

#[test]
fn options_name_driver_provider_and_the_length_of_pages() {
    let named = account(&[("driver", "ec2"), ("provider", "eu-west-1"), ("page-size", "all")]);
    let (_, seen) = list(&named, &[], vec![good(ONE)]);
    let sent = &seen.sent[0];
    assert_eq!(urls(&seen), ["instances"]);
    let headers = ["x-deltacloud-driver", "x-deltacloud-provider"].map(|name| sent.header(name));
    assert_eq!(headers, [Some("ec2"), Some("eu-west-1")]);
    let (_, seen) = list(&account(&[("page-size", "7")]), &[], vec![good(ONE)]);
    assert_eq!((urls(&seen), seen.sent[0].header("x-deltacloud-driver")), (vec!["instances?limit=7"], None));
    for (name, value) in [
        ("driver", ""),
        ("driver", "a b"),
        ("provider", "a\r\nb"),
        ("provider", "é"),
        ("page-size", "0"),
        ("page-size", ""),
    ] {
        let (result, seen) = list(&account(&[(name, value)]), &[], vec![good(ONE)]);
        let Err(Error::InvalidAccount(message)) = result else { panic!("{name} {value}") };
        assert!(message.contains(name) && seen.sent.is_empty(), "{message}");
    }
}

#[test]
fn a_token_is_sent_as_one() {
    let account = Account { secret: SecretKind::AccessToken, ..account(&[]) };
    let answer = good("<realms><realm id='us'><name>US</name><state>AVAILABLE</state></realm></realms>");
    let (page, seen) = host(vec![answer]).run(|| Deltacloud::list_realms(&account, &Query::default()));
    assert_eq!(page.unwrap().items.len(), 1);
    assert_eq!(urls(&seen), ["realms?limit=1000"]);
    let bearer = format!("Bearer {}", Host::placeholder("password", Encoding::Raw));
    assert_eq!(seen.sent[0].header("authorization"), Some(bearer.as_str()));
}

#[test]
fn single_instances_are_asked_for_one_by_one_and_may_be_absent() {
    let one = |id: &str| good(&format!("<instance id='{id}'><state>RUNNING</state></instance>"));
    let absent = || Answer::new(404).body("<error status='404'><code>404</code><message>no</message></error>");
    let (ids, seen) = list(&account(&[]), &["x", "..", "", "a/b c", "."], vec![absent(), one("a/b c")]);
    assert_eq!(ids.unwrap(), ["a/b c"]);
    assert_eq!(urls(&seen), ["instances/x", "instances/a%2Fb%20c"]);
    // Another one than was asked for is not it.
    assert!(list(&account(&[]), &["x"], vec![one("y")]).0.unwrap().is_empty());
    // Of many, everything is listed.
    let many: Vec<String> = (0..21).map(|number| format!("i-{number}")).chain(["a".to_owned()]).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let all = ONE.replace("</instances>", "<instance id='b'><state>RUNNING</state></instance></instances>");
    let (ids, seen) = list(&account(&[]), &many, vec![good(&all)]);
    assert_eq!((ids.unwrap(), urls(&seen)), (vec!["a".to_owned()], vec!["instances?limit=1000"]));
    // A proxy's 404 says nothing of an instance.
    for body in ["", "<html>Not found</html>", "{}", "<error/>", "<error status='502'/>"] {
        let result = list(&account(&[]), &["x"], vec![Answer::new(404).body(body)]).0;
        assert!(matches!(result, Err(Error::UnexpectedAnswer(_))), "{body}");
    }
}

/// What an answer becomes, as one line.
fn meaning(answer: Answer) -> String {
    let error = list(&account(&[]), &[], vec![answer]).0.expect_err("the answer is an error");
    assert!(error.message().starts_with("GET https://cloud.example/api/instances"), "{error:?}");
    format!("{error:?}").replace("Error::", "")
}

#[test]
fn errors_are_sorted_by_their_code() {
    let check = |code: u16, expected: &str| {
        let bodies = [
            format!("<error url='/api' status='{code}'><message>Because &amp; so</message></error>"),
            format!(
                "<?xml version='1.0'?><error><kind>x</kind><code>{code}</code><message><![CDATA[Because & so]]></message></error>"
            ),
        ];
        for (body, status) in bodies.iter().flat_map(|body| [(body, code), (body, 200), (body, 400)]) {
            let line = meaning(Answer::new(status).body(body.clone()));
            assert!(line.starts_with(expected) && line.contains("Because & so"), "{status} {code}: {line}");
        }
    };
    check(401, "Unauthorized");
    check(403, "Forbidden");
    check(429, "Throttled");
    for code in [500, 501, 502, 503, 504] {
        check(code, "Unavailable");
    }
    for code in [400, 404, 405, 406, 409] {
        check(code, "UnexpectedAnswer");
    }
    // Of an error without a code the status says what it is.
    let line = meaning(Answer::new(403).body("<error><message>no</message></error>"));
    assert!(line.starts_with("Forbidden"), "{line}");
}

#[test]
fn another_trackers_problems_are_understood() {
    let of = |status: u16, kind: &str, message: &str| {
        let body = format!(
            "<error status=\"{status}\"><kind>{kind}</kind><code>{status}</code><message>{message}</message></error>"
        );
        Answer::new(status).body(body)
    };
    for kind in ["account-unusable", "provider-not-named", "unknown-driver", "unknown-provider"] {
        assert!(meaning(of(400, kind, "no")).starts_with("InvalidAccount"), "{kind}");
    }
    let line = meaning(of(400, "invalid-parameter", "limit is a number from 1 to 500"));
    assert!(line.starts_with("InvalidAccount") && line.contains("set the option `page-size`"), "{line}");
    assert!(meaning(of(400, "invalid-parameter", "after is no place")).starts_with("UnexpectedAnswer"));
    let throttled = of(503, "provider-throttled", "wait").header("Retry-After", "45");
    let line = meaning(throttled);
    assert!(line.starts_with("Throttled") && line.contains("retry-after: Some(45)"), "{line}");
    assert!(meaning(of(502, "provider-failed", "down")).starts_with("Unavailable"));
}

#[test]
fn answers_that_are_not_of_the_server_are_sorted_by_their_status() {
    let html = |status| Answer::new(status).header("Content-Type", "text/html").body("<html>Log in</html>");
    for (status, expected) in
        [(401, "Unauthorized"), (403, "Forbidden"), (404, "UnexpectedAnswer"), (502, "Unavailable")]
    {
        assert!(meaning(html(status)).starts_with(expected), "{status}");
    }
    assert!(meaning(html(200)).starts_with("UnexpectedAnswer"));
    assert!(meaning(Answer::new(204)).starts_with("UnexpectedAnswer"));
    assert!(meaning(Answer::new(302).header("location", "https://x.example/")).starts_with("UnexpectedAnswer"));
    assert!(meaning(good(&ONE[..30])).starts_with("Unavailable"));
    assert!(meaning(good(ONE.split_at(40).0).broken("reset")).starts_with("Unavailable"));
}

#[test]
fn the_description_names_options_and_kinds_of_secrets() {
    let description = Deltacloud::describe();
    assert_eq!((description.name.as_str(), description.title.as_str()), ("deltacloud", "Deltacloud"));
    let options: Vec<_> = description.options.iter().map(|option| option.name.as_str()).collect();
    assert_eq!(options, ["driver", "provider", "page-size"]);
    assert_eq!(description.secrets, [SecretKind::Password, SecretKind::AccessToken]);
    assert!(description.features.contains(Features::BY_ID) && description.providers.is_empty());
}
