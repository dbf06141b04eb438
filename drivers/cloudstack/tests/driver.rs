//! The whole driver against a pretend host: what it sends, and what it makes of errors.

use cloudstack::CloudStack;
use tracker_driver_sdk::testing::{Answer, Host, Seen};
use tracker_driver_sdk::{Account, Driver, Error, Features, Query};

/// 2026-11-20T10:00:00Z.
const NOW: i64 = 1_795_168_800_000;
const ONE: &str =
    r#"{"listvirtualmachinesresponse": {"count": 1, "virtualmachine": [{"id": "a", "state": "Running"}]}}"#;
const NONE: &str = r#"{"listvirtualmachinesresponse": {}}"#;

fn account(options: &[(&str, &str)]) -> Account {
    let options = options.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Account { options, ..Account::new("main", "https://cloud.example", "Key-1_x~y") }
}

fn host(answers: Vec<Answer>) -> Host {
    answers.into_iter().fold(Host::new().secret("password", "s3cret-of-mine").at(NOW), Host::answer)
}

/// Everything that is listed, page by page.
fn list(account: &Account, ids: &[&str], answers: Vec<Answer>) -> (Result<Vec<String>, Error>, Seen) {
    host(answers).run(|| {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let (mut listed, mut cursor) = (Vec::new(), None);
        loop {
            let page = CloudStack::list_instances(account, &Query { cursor, ids: ids.clone(), ..Query::default() })?;
            listed.extend(page.items.into_iter().map(|item| item.id));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(listed);
            }
        }
    })
}

fn good(body: &str) -> Answer {
    Answer::new(200).header("content-type", "application/json; charset=UTF-8").body(body)
}

fn queries(seen: &Seen) -> Vec<&str> {
    seen.sent.iter().map(|sent| sent.url.strip_prefix("https://cloud.example/client/api?").expect("the API")).collect()
}

#[test]
fn a_query_is_sorted_and_signed() {
    let (ids, seen) = list(&account(&[]), &[], vec![good(ONE)]);
    assert_eq!(ids.unwrap(), ["a"]);
    // The signature was computed with another program, over the query in lower case, with %7e for the tilde.
    assert_eq!(
        Host::computed(queries(&seen)[0]),
        "apikey=Key-1_x~y&command=listVirtualMachines&details=iso%2Cnics%2Cservoff%2Ctmpl\
         &expires=2026-11-20T10%3A10%3A00%2B0000&listall=true&page=1&pagesize=500&response=json&signatureversion=3\
         &signature=Z9NQO7ahjghBaI4oXyy7bWfzmtU%3D"
    );
    assert!(!format!("{seen:?}").contains("s3cret-of-mine"));
}

#[test]
fn options_choose_projects_and_the_length_of_pages() {
    let sent = |options: &[(&str, &str)]| {
        let (_, seen) = list(&account(options), &[], vec![good(NONE)]);
        queries(&seen)[0].to_owned()
    };
    assert!(sent(&[("project", "all")]).contains("&projectid=-1&"));
    assert!(sent(&[("project", "p 1&")]).contains("&projectid=p%201%26&"));
    assert!(sent(&[("page-size", "100")]).contains("&page=1&pagesize=100&"));
    for (name, value) in
        [("project", ""), ("page-size", "0"), ("page-size", "10001"), ("page-size", "all"), ("page-size", "")]
    {
        let (result, seen) = list(&account(&[(name, value)]), &[], vec![good(NONE)]);
        let Err(Error::InvalidAccount(message)) = result else { panic!("{name} {value}") };
        assert!(message.contains(name) && seen.sent.is_empty(), "{message}");
    }
}

#[test]
fn zones_are_asked_for_by_their_own_call() {
    let answer = good(r#"{"listzonesresponse": {"count": 1, "zone": [{"id": "z", "allocationstate": "Enabled"}]}}"#);
    let (page, seen) =
        host(vec![answer]).run(|| CloudStack::list_realms(&account(&[("project", "all")]), &Query::default()));
    assert_eq!(page.unwrap().items.len(), 1);
    let start = "apikey=Key-1_x~y&available=true&command=listZones&expires=2026-11-20T10%3A10%3A00%2B0000&page=1&pagesize=500\
                 &response=json&signatureversion=3&signature=";
    assert!(queries(&seen)[0].starts_with(start), "{:?}", queries(&seen));
}

#[test]
fn single_vms_are_asked_for_together_without_those_that_are_unknown() {
    let unknown = |id: &str| {
        let text = format!(
            "Invalid parameter ids value={id} due to incorrect long value format, or entity does not exist or so"
        );
        let body = format!(r#"{{"listvirtualmachinesresponse": {{"errorcode": 431, "errortext": "{text}"}}}}"#);
        Answer::new(431).body(body)
    };
    let all = ["a", "b", "a", "", "c,d", "e f"];
    let (ids, seen) = list(&account(&[]), &all, vec![unknown("b"), unknown("e f"), good(ONE)]);
    assert_eq!(ids.unwrap(), ["a"]);
    let asked: Vec<_> =
        queries(&seen).into_iter().map(|query| query.split('&').find(|p| p.starts_with("ids")).unwrap()).collect();
    assert_eq!(asked, ["ids=a%2Cb%2Ce%20f", "ids=a%2Ce%20f", "ids=a"]);
    // None that can be asked for, and one that nobody asked for.
    let (ids, seen) = list(&account(&[]), &["", ","], vec![]);
    assert!(ids.unwrap().is_empty() && seen.sent.is_empty());
    assert!(list(&account(&[]), &["b"], vec![good(ONE)]).0.unwrap().is_empty());
    assert!(list(&account(&[]), &["b"], vec![good(NONE)]).0.unwrap().is_empty());
    // Of another id, or in the words of somebody else, it is an error.
    assert!(list(&account(&[]), &["b"], vec![unknown("c")]).0.is_err());
    assert!(list(&account(&[]), &["b"], vec![Answer::new(404).body("b does not exist")]).0.is_err());
    // Of more than a page has, everything is listed.
    let (ids, seen) = list(&account(&[("page-size", "1")]), &["a", "b"], vec![good(ONE), good(NONE)]);
    assert_eq!(ids.unwrap(), ["a"]);
    assert!(!queries(&seen)[0].contains("ids="));
}

/// What an answer becomes.
fn meaning(answer: Answer) -> Error {
    let error = list(&account(&[]), &[], vec![answer]).0.expect_err("the answer is an error");
    assert!(error.message().starts_with("listVirtualMachines: "), "{error:?}");
    error
}

fn fault(status: u16, member: &str, code: u16, text: &str) -> Answer {
    let body = format!(
        r#"{{"{member}": {{"uuidList": [], "errorcode": {code}, "cserrorcode": 9999, "errortext": "{text}"}}}}"#
    );
    Answer::new(status).header("content-type", "application/json").body(body)
}

#[test]
fn errors_are_sorted_by_their_code() {
    let check = |code: u16, text: &str, expected: fn(&Error) -> bool| {
        for member in ["listvirtualmachinesresponse", "errorresponse"] {
            for status in [code, 200] {
                let error = meaning(fault(status, member, code, text));
                assert!(expected(&error), "{status} {code}: {error:?}");
                assert!(error.message().contains(&format!("{code}: {text}")), "{error:?}");
            }
        }
    };
    let unauthorized = |error: &Error| matches!(error, Error::Unauthorized(_));
    let clock = |error: &Error| matches!(error, Error::Unauthorized(message) if message.contains("the clocks"));
    let forbidden = |error: &Error| matches!(error, Error::Forbidden(_));
    let unavailable = |error: &Error| matches!(error, Error::Unavailable(_));
    check(401, "unable to verify user credentials and/or request signature", clock);
    check(411, "2FA is needed", unauthorized);
    check(401, "The given command 'listVirtualMachines' either does not exist, is not available for user.", forbidden);
    check(432, "The given command:listVirtualMachines does not exist", forbidden);
    check(531, "Account shop can't access project", forbidden);
    for code in [503, 530, 534] {
        check(code, "Internal error executing command", unavailable);
    }
    check(
        431,
        "Page size can't exceed max allowed page size value: 100",
        |error| matches!(error, Error::InvalidAccount(message) if message.contains("set the option `page-size`")),
    );
    for text in
        ["Invalid parameter projectid value=p due to incorrect long value format", "Unable to find project by id 7"]
    {
        check(431, text, |error| matches!(error, Error::InvalidAccount(message) if message.contains("`project`")));
    }
    for code in [400, 405, 430, 431] {
        check(code, "Invalid parameter", |error| matches!(error, Error::UnexpectedAnswer(_)));
    }
    for code in [532, 533, 535, 536, 537] {
        let error = meaning(fault(code, "errorresponse", code, "no more of it"));
        assert!(unavailable(&error), "{error:?}");
        let error = meaning(fault(200, "errorresponse", code, "no more of it"));
        assert!(matches!(error, Error::UnexpectedAnswer(_)), "{error:?}");
    }
}

#[test]
fn a_throttled_request_says_when_to_ask_again() {
    let check = |text: &str, header: Option<&str>, expected: Option<u32>| {
        let answer = fault(429, "listvirtualmachinesresponse", 429, text);
        let answer = header.map_or(fault(429, "errorresponse", 429, text), |value| answer.header("Retry-After", value));
        let Error::Throttled(throttle) = meaning(answer) else { panic!("{text}") };
        assert_eq!(throttle.retry_after, expected, "{text}");
    };
    check("the api limit, please retry after 640 ms.", None, Some(1));
    check("the api limit, please retry after [1001] ms.", None, Some(2));
    check("please retry after [1001] ms.", Some("7"), Some(7));
    for none in
        ["too many", "retry after soon ms", "retry after -5 ms", "retry after 99999999999999999999 ms", "retry after 5"]
    {
        check(none, None, None);
    }
    check("retry after 18446744073709551615 ms", None, None);
    assert!(matches!(meaning(Answer::new(429)), Error::Throttled(_)));
    let busy = meaning(fault(503, "errorresponse", 503, "maintenance"));
    assert!(matches!(busy, Error::Unavailable(_)));
}

#[test]
fn answers_that_are_not_cloudstacks_are_sorted_by_their_status() {
    let html = |status| Answer::new(status).header("Content-Type", "text/html").body("<html>Log in</html>");
    assert!(matches!(meaning(html(401)), Error::Unauthorized(_)));
    assert!(matches!(meaning(html(403)), Error::Forbidden(_)));
    assert!(matches!(meaning(html(404)), Error::UnexpectedAnswer(_)));
    assert!(matches!(meaning(html(502)), Error::Unavailable(_)));
    assert!(matches!(meaning(html(200)), Error::UnexpectedAnswer(_)));
    assert!(matches!(
        meaning(Answer::new(200).header("content-type", "text/html").body(ONE)),
        Error::UnexpectedAnswer(_)
    ));
    assert!(matches!(meaning(good(&ONE[..40])), Error::Unavailable(_)));
    assert!(matches!(meaning(Answer::new(302).header("location", "https://x.example/")), Error::UnexpectedAnswer(_)));
}

#[test]
fn the_description_names_options_and_no_provider() {
    let description = CloudStack::describe();
    assert_eq!((description.name.as_str(), description.title.as_str()), ("cloudstack", "Apache CloudStack"));
    assert!(description.providers.is_empty() && description.endpoints.is_empty());
    let options: Vec<_> = description.options.iter().map(|option| option.name.as_str()).collect();
    assert_eq!(options, ["project", "page-size"]);
    assert!(description.features.contains(Features::BY_ID));
}
