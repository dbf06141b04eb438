//! The whole driver against a pretend host: what it sends, and what it makes of each answer's status.

use ec2::Ec2;
use tracker_driver_sdk::testing::{Answer, Host, Seen};
use tracker_driver_sdk::{Account, Driver, Error, Instance, Page, Query};

/// 2026-11-22T10:00:00Z.
const NOW: i64 = 1_795_341_600_000;

fn account(provider: &str, endpoint: &str, options: &[(&str, &str)]) -> Account {
    let options = options.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Account { options, ..Account::new(provider, endpoint, "AKIATRACKERTESTS0001") }
}

fn ask(host: Host, account: &Account, cursor: Option<&str>) -> (Result<Page<Instance>, Error>, Seen) {
    let query = Query { cursor: cursor.map(str::to_owned), ..Query::default() };
    host.at(NOW).run(|| Ec2::list_instances(account, &query))
}

/// An answer, by its path in the driver's folder.
fn read(path: &str) -> Vec<u8> {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn host() -> Host {
    Host::new().secret("password", "a/secret+access/key/of/the/tests")
}

#[test]
fn what_is_sent_is_a_signed_form() {
    let account = account("eu-west-1", "https://ec2.eu-west-1.amazonaws.com", &[]);
    let answer = Answer::new(200).body(read("cassettes/bodies/instances-page-2.xml"));
    let (page, seen) = ask(host().answer(answer), &account, Some("a b/+="));
    assert_eq!(page.unwrap().items.len(), 2);
    let [sent] = &seen.sent[..] else { panic!("one request, not {}", seen.sent.len()) };
    assert_eq!((sent.method.as_str(), sent.url.as_str()), ("POST", "https://ec2.eu-west-1.amazonaws.com/"));
    assert_eq!(sent.text(), "Action=DescribeInstances&Version=2016-11-15&MaxResults=1000&NextToken=a%20b%2F%2B%3D");
    assert_eq!(sent.header("x-amz-date"), Some("20261122T100000Z"));
    let authorization = sent.header("authorization").unwrap();
    let scope = "AWS4-HMAC-SHA256 Credential=AKIATRACKERTESTS0001/20261122/eu-west-1/ec2/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date, Signature=";
    assert!(authorization.starts_with(scope), "{authorization}");
    assert!(!format!("{sent:?}").contains("a/secret"));
}

#[test]
fn single_instances_are_asked_for_by_a_filter() {
    let account = account("eu-west-1", "https://ec2.eu-west-1.amazonaws.com", &[]);
    let answer = Answer::new(200).body(read("cassettes/bodies/instances-page-2.xml"));
    let query = Query { ids: ["i-1", "a*b?c\\d"].map(str::to_owned).into(), ..Query::default() };
    let (page, seen) = host().answer(answer).at(NOW).run(|| Ec2::list_instances(&account, &query));
    assert!(page.is_ok());
    assert_eq!(
        seen.sent[0].text(),
        "Action=DescribeInstances&Version=2016-11-15&MaxResults=1000&Filter.1.Name=instance-id&Filter.1.Value.1=i-1\
         &Filter.1.Value.2=a%5C%2Ab%5C%3Fc%5C%5Cd"
    );
}

#[test]
fn a_session_token_is_sent_and_signed_as_a_placeholder() {
    let account = account("us-east-1", "https://ec2.us-east-1.amazonaws.com", &[]);
    let answer = || Answer::new(200).body(read("cassettes/bodies/instances-none.xml"));
    let (_, seen) = ask(host().secret("session-token", "made-up-token").answer(answer()), &account, None);
    let sent = &seen.sent[0];
    assert!(sent.header("x-amz-security-token").is_some_and(|token| token.contains("session-token")));
    assert!(sent.header("authorization").is_some_and(|auth| auth.contains(";x-amz-security-token, ")));
    assert!(!format!("{sent:?}").contains("made-up-token"));
    // The token is in the signature: another one gives another.
    let (_, other) = ask(host().secret("session-token", "another").answer(answer()), &account, None);
    assert_ne!(sent.header("authorization"), other.sent[0].header("authorization"));
}

#[test]
fn the_region_signed_for_is_the_option_or_the_provider_or_the_first() {
    let check = |provider: &str, endpoint: &str, options: &[(&str, &str)], scope: &str, url: &str| {
        let answer = Answer::new(200).body(read("cassettes/bodies/instances-none.xml"));
        let (page, seen) = ask(host().answer(answer), &account(provider, endpoint, options), None);
        assert!(page.is_ok(), "{page:?}");
        assert_eq!(seen.sent[0].url, url);
        let authorization = seen.sent[0].header("authorization").unwrap();
        assert!(authorization.contains(&format!("/{scope}/ec2/aws4_request,")), "{authorization}");
    };
    let lab = "http://127.0.0.1:5000";
    check("ap-south-2", lab, &[], "ap-south-2", "http://127.0.0.1:5000/");
    check("lab", lab, &[], "us-east-1", "http://127.0.0.1:5000/");
    check("lab", lab, &[("region", "eu-west-3")], "eu-west-3", "http://127.0.0.1:5000/");
    check("us-west-2", lab, &[("region", "region1")], "region1", "http://127.0.0.1:5000/");
    let eucalyptus = "https://cloud.example:8773/services/compute";
    check("euca", eucalyptus, &[], "us-east-1", "https://cloud.example:8773/services/compute/");

    let (page, seen) = ask(host(), &account("lab", lab, &[("region", "EU West")]), None);
    let Err(Error::InvalidAccount(message)) = page else { panic!("{page:?}") };
    assert!(message.contains("`region` is `EU West`"), "{message}");
    assert!(seen.sent.is_empty());
}

/// What an answer becomes, as one line.
fn meaning(answer: Answer) -> String {
    let account = account("us-east-1", "https://ec2.us-east-1.amazonaws.com", &[]);
    let (page, _) = ask(host().answer(answer), &account, None);
    let error = page.expect_err("the answer is an error");
    assert!(error.message().starts_with("DescribeInstances: "), "{error:?}");
    assert!(error.message().len() < 900, "{error:?}");
    format!("{error:?}")
}

#[test]
fn errors_are_sorted_by_their_code() {
    let check = |status: u16, code: &str, expected: &str| {
        let body = format!(
            "<?xml version=\"1.0\"?>\n<Response><Errors><Error><Code>{code}</Code><Message>Because &amp; so</Message>\
             </Error></Errors><RequestID>r</RequestID></Response>"
        );
        let line = meaning(Answer::new(status).header("Retry-After", "5").body(body));
        assert!(line.contains(expected), "{status} {code}: {line}");
        assert!(line.contains(&format!("{code}: Because & so")), "{line}");
    };
    for code in ["AuthFailure", "InvalidClientTokenId", "SignatureDoesNotMatch", "InvalidAccessKeyId", "ExpiredToken"] {
        check(401, code, "Unauthorized");
        check(400, code, "Unauthorized");
    }
    check(400, "UnrecognizedClientException", "Unauthorized");
    for code in ["UnauthorizedOperation", "OptInRequired", "Blocked", "PendingVerification"] {
        check(403, code, "Forbidden");
    }
    check(403, "SomethingNew", "Forbidden");
    check(401, "SomethingNew", "Unauthorized");
    for (status, code) in [(503, "RequestLimitExceeded"), (400, "Throttling"), (429, "SomethingNew")] {
        check(status, code, "retry-after: Some(5)");
    }
    check(500, "InternalError", "Unavailable");
    check(500, "SomethingNew", "Unavailable");
    check(400, "RequestExpired", "UnexpectedAnswer");
    check(400, "Client.RequestLimitExceeded", "retry-after: Some(5)");
    check(500, "Server.InternalError", "Unavailable");
    // The provider says how long: that is throttling, whatever its word for it.
    check(503, "Unavailable", "retry-after: Some(5)");
    check(400, "InvalidParameterValue", "UnexpectedAnswer");
    // A token that ended while paging: the poll failed, and is not a short list.
    check(400, "InvalidNextToken", "UnexpectedAnswer");
}

#[test]
fn an_error_with_the_status_of_a_success_keeps_its_code_and_its_class() {
    let check = |root: &str, code: &str, expected: &str| {
        let error = format!("<Code>{code}</Code><Message>Because</Message>");
        let inside = match root {
            "Error" => error,
            "ErrorResponse" => format!("<Error>{error}</Error>"),
            _ => format!("<Errors><Error>{error}</Error></Errors>"),
        };
        let body = format!("<{root}>{inside}<RequestID>r</RequestID></{root}>");
        let line = meaning(Answer::new(200).header("Retry-After", "5").body(body));
        assert!(line.contains(expected) && line.contains(&format!("{code}: Because")), "{root}: {line}");
    };
    for root in ["Response", "ErrorResponse", "Error"] {
        check(root, "RequestLimitExceeded", "retry-after: Some(5)");
        check(root, "AuthFailure", "Unauthorized");
        check(root, "UnauthorizedOperation", "Forbidden");
        check(root, "InternalError", "Unavailable");
        check(root, "RequestExpired", "UnexpectedAnswer");
        check(root, "InvalidParameterValue", "UnexpectedAnswer");
    }
    // Beside a list, whichever stands first: then the list is not what there is.
    for (before, after) in [("<reservationSet/>", ""), ("", "<reservationSet/>")] {
        let error = "<Errors><Error><Code>RequestLimitExceeded</Code><Message>Because</Message></Error></Errors>";
        let body = format!("<DescribeInstancesResponse>{before}{error}{after}</DescribeInstancesResponse>");
        let line = meaning(Answer::new(200).header("Retry-After", "5").body(body));
        assert!(line.contains("retry-after: Some(5)") && line.contains("RequestLimitExceeded: Because"), "{line}");
    }
    let none = account("us-east-1", "https://ec2.us-east-1.amazonaws.com", &[]);
    let body = "<DescribeInstancesResponse><Errors/><reservationSet/></DescribeInstancesResponse>";
    assert!(ask(host().answer(Answer::new(200).body(body)), &none, None).0.is_ok());
    // The list of zones reads its answers the same way.
    let account = account("us-east-1", "https://ec2.us-east-1.amazonaws.com", &[]);
    let body = "<Response><Errors><Error><Code>Throttling</Code></Error></Errors></Response>";
    let host = host().at(NOW).answer(Answer::new(200).body(body));
    let (page, _) = host.run(|| Ec2::list_realms(&account, &Query::default()));
    assert!(matches!(page, Err(Error::Throttled(_))), "{page:?}");
}

#[test]
fn an_expired_request_is_a_matter_of_clocks_or_of_the_session_token() {
    let answer = |status| {
        let body = "<Response><Errors><Error><Code>RequestExpired</Code><Message>too late</Message></Error>\
                    </Errors></Response>";
        Answer::new(status).body(body)
    };
    let account = account("us-east-1", "https://ec2.us-east-1.amazonaws.com", &[]);
    for status in [200, 400, 403, 503] {
        let (page, _) = ask(host().answer(answer(status)), &account, None);
        let Err(Error::UnexpectedAnswer(message)) = page else { panic!("{status}: {page:?}") };
        assert!(message.contains("RequestExpired") && message.contains("this host's clock"), "{message}");

        let with_token = host().secret("session-token", "made-up-token").answer(answer(status));
        let (page, _) = ask(with_token, &account, None);
        let Err(Error::Unauthorized(message)) = page else { panic!("{status}: {page:?}") };
        assert!(message.contains("RequestExpired") && message.contains("session token"), "{message}");
    }
}

#[test]
fn errors_as_ec2_words_them_are_understood() {
    let line = meaning(Answer::new(401).body(read("cassettes/bodies/auth-failure.xml")));
    assert!(line.contains("Unauthorized") && line.contains("the access key is not known here"), "{line}");
    let line = meaning(Answer::new(400).body(read("fixtures/error-not-found.xml")));
    assert!(line.contains("UnexpectedAnswer") && line.contains("InvalidInstanceID.NotFound"), "{line}");
}

#[test]
fn answers_that_are_none_of_ec2s_are_sorted_by_their_status() {
    let check = |answer: Answer, expected: &[&str]| {
        let line = meaning(answer);
        assert!(expected.iter().all(|word| line.contains(word)), "{line}");
    };
    check(Answer::new(503).body("<html>Down</html>"), &["Unavailable", "answered 503: <html>Down</html>"]);
    check(Answer::new(502), &["Unavailable", "answered 502"]);
    check(Answer::new(404).body("x".repeat(100_000)), &["UnexpectedAnswer", "xxx..."]);
    let redirect = || Answer::new(307).header("Location", "https://elsewhere.example/");
    check(redirect(), &["UnexpectedAnswer", "a redirect to `https://elsewhere.example/`"]);
    check(Answer::new(204), &["UnexpectedAnswer", "answered 204"]);
    check(Answer::new(200), &["UnexpectedAnswer", "empty"]);
    check(Answer::new(200).body("<html></html>"), &["UnexpectedAnswer", "<html>"]);
    let whole = read("cassettes/bodies/instances-page-1.xml");
    check(Answer::new(200).body(&whole[..9_000]), &["Unavailable", "broke off after 9000 bytes"]);
    check(Answer::new(200).body(&whole[..9_000]).broken("reset"), &["Unavailable", "broke off: reset"]);
}

#[test]
fn realms_are_asked_for_by_their_own_call() {
    let account = account("us-east-1", "https://ec2.us-east-1.amazonaws.com", &[]);
    let host = host().at(NOW).answer(Answer::new(200).body(read("cassettes/bodies/zones.xml")));
    let (page, seen) = host.run(|| Ec2::list_realms(&account, &Query::default()));
    assert_eq!(page.unwrap().items.len(), 6);
    assert_eq!(seen.sent[0].text(), "Action=DescribeAvailabilityZones&Version=2016-11-15&AllAvailabilityZones=false");
}

#[test]
fn the_description_names_regions_patterns_and_options() {
    let description = Ec2::describe();
    assert_eq!((description.name.as_str(), description.title.as_str()), ("ec2", "Amazon EC2"));
    assert!(description.providers.iter().any(|p| p.endpoint == "https://ec2.us-east-1.amazonaws.com"));
    let options: Vec<_> = description.options.iter().map(|o| (o.name.as_str(), o.secret)).collect();
    assert_eq!(options, [("region", false), ("regions", false), ("status-checks", false), ("session-token", true)]);
    // A pattern opens an account's own endpoint alone: other regions are named.
    let endpoints = &description.endpoints;
    assert!(endpoints.iter().any(|endpoint| endpoint == "https://ec2.*.amazonaws.com"));
    assert!(description.providers.iter().all(|provider| endpoints.contains(&provider.endpoint)));
}
