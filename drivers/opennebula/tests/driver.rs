//! The whole driver against a pretend host: what it sends, in which order, and what it makes of refusals.

#[path = "../fixtures/site.rs"]
mod site;

use opennebula::OpenNebula;
use site::{account, bare, body, fault, host, ids, ok, pool, refused, unknown_method, with_option};
use tracker_driver_sdk::secret::Encoding;
use tracker_driver_sdk::testing::{Answer, Host, Seen};
use tracker_driver_sdk::{Account, Coverage, Driver, Error, Instance, Page, Query};

const EXTENDED: &str = "one.vmpool.infoextended";

/// A call as it is sent.
fn call(method: &str, arguments: &[&str]) -> String {
    let password = Host::placeholder("password", Encoding::Xml);
    let arguments: String = arguments.iter().map(|value| format!("<param><value>{value}</value></param>")).collect();
    format!(
        "<?xml version=\"1.0\"?><methodCall><methodName>{method}</methodName><params><param><value><string>tracker:{password}\
         </string></value></param>{arguments}</params></methodCall>"
    )
}

fn pool_call(method: &str, numbers: [i64; 4]) -> String {
    let arguments = numbers.map(|number| format!("<int>{number}</int>"));
    call(method, &arguments.each_ref().map(String::as_str))
}

/// All pages of a list, asked for one after the other.
fn all(account: &Account, ids: &[&str], host: Host) -> (Result<Vec<Page<Instance>>, Error>, Seen) {
    host.run(|| {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let (mut pages, mut cursor) = (Vec::new(), None);
        loop {
            let page = OpenNebula::list_instances(account, &Query { cursor, ids: ids.clone(), ..Query::default() })?;
            cursor = page.next.clone();
            pages.push(page);
            if cursor.is_none() {
                return Ok(pages);
            }
        }
    })
}

fn sent(seen: &Seen) -> Vec<String> {
    seen.sent.iter().map(|sent| sent.text()).collect()
}

#[test]
fn vms_are_listed_page_by_page_each_beginning_where_the_last_one_ended() {
    let host = (1..=4).fold(host(), |host, page| host.answer(Answer::new(200).body(body(&format!("vms-page-{page}")))));
    let (pages, seen) = all(&with_option("page-size", "3"), &[], host);
    let pages = pages.unwrap();
    let found: Vec<_> = pages.iter().map(ids).collect();
    assert_eq!(found, [vec!["2301", "2302", "2303"], vec!["2304", "2305"], vec!["2306", "2307"], vec![]]);
    assert!(pages.iter().all(|page| page.coverage == Coverage::Complete));
    let expected = [0, 2, 4, 6].map(|offset| pool_call(EXTENDED, [-2, offset, -3, -1]));
    assert_eq!(sent(&seen), expected);
    assert_eq!(seen.sent[0].url, "https://one.example:2633/RPC2");
    assert_eq!(
        (seen.sent[0].method.as_str(), seen.sent[0].header("content-type")),
        ("POST", Some("text/xml; charset=utf-8"))
    );
    assert!(!format!("{seen:?}").contains("s3cret-of-mine"));
}

#[test]
fn a_list_that_moves_while_it_is_read_is_partial_and_read_to_the_end() {
    for second in [&[4, 5, 6][..], &[2, 3, 4], &[4], &[]] {
        let host = host().answer(pool(&bare(&[1, 2, 3]))).answer(pool(&bare(second))).answer(pool(&bare(&[6])));
        let (pages, _) = all(&with_option("page-size", "3"), &[], host);
        let pages = pages.unwrap();
        assert_eq!(pages[0].coverage, Coverage::Complete);
        assert!(matches!(pages[1].coverage, Coverage::Partial(_)), "{second:?}");
        assert_eq!(pages[1].items.len(), second.len(), "nothing is left out");
        assert_eq!(pages[1].next.is_some(), second.len() == 3);
    }
}

#[test]
fn a_server_without_pages_is_asked_for_everything() {
    let host = host().answer(pool("")).answer(pool(&bare(&[7, 8])));
    let (pages, seen) = all(&account(), &[], host);
    assert_eq!(ids(&pages.unwrap()[0]), ["7", "8"]);
    assert_eq!(sent(&seen), [pool_call(EXTENDED, [-2, 0, -1000, -1]), pool_call(EXTENDED, [-2, -1, -1, -1])]);
    // One that takes no notice of the size gives everything, and nothing follows that.
    let (pages, seen) = all(&with_option("page-size", "2"), &[], site::host().answer(pool(&bare(&[1, 2, 3, 4]))));
    assert_eq!((pages.unwrap()[0].items.len(), seen.sent.len()), (4, 1));
}

#[test]
fn an_older_version_is_learned_of_once() {
    let host = host().answer(unknown_method(EXTENDED)).answer(pool(&bare(&[1, 2]))).answer(pool(&bare(&[2])));
    let (pages, seen) = all(&with_option("page-size", "2"), &[], host);
    assert_eq!(pages.unwrap().len(), 2);
    let plain = "one.vmpool.info";
    let expected =
        [pool_call(EXTENDED, [-2, 0, -2, -1]), pool_call(plain, [-2, 0, -2, -1]), pool_call(plain, [-2, 1, -2, -1])];
    assert_eq!(sent(&seen), expected);
    let host = site::host().remembering(EXTENDED, &b"missing"[..]).answer(pool(&bare(&[1])));
    let (_, seen) = all(&account(), &[], host);
    assert_eq!(sent(&seen), [pool_call(plain, [-2, 0, -1000, -1])]);
    // What is no list teaches nothing.
    let host = site::host().answer(unknown_method(EXTENDED)).answer(unknown_method(plain));
    let (pages, seen) = all(&account(), &[], host);
    assert!(matches!(pages, Err(Error::UnexpectedAnswer(_))) && seen.session.is_empty(), "{pages:?}");
}

#[test]
fn single_vms_are_one_call() {
    let set = "one.vmpool.infoset";
    let (pages, seen) =
        all(&account(), &["41", "99", "40", "41"], host().answer(Answer::new(200).body(body("vms-by-id"))));
    assert_eq!(ids(&pages.unwrap()[0]), ["40", "41"]);
    assert_eq!(sent(&seen), [call(set, &["<string>40,41,99</string>", "<boolean>1</boolean>"])]);
    // What is no id of OpenNebula's is asked of nobody, and what was not asked for is not listed.
    let odd = ["007", "-1", "1 or 1=1", "", "9999999999", "+5", "1,2"];
    let (pages, seen) = all(&account(), &odd, host());
    assert_eq!((pages.unwrap()[0].items.len(), seen.sent.len()), (0, 0));
    let (pages, _) = all(&account(), &["5"], host().answer(pool(&bare(&[5, 6]))));
    assert_eq!(ids(&pages.unwrap()[0]), ["5"]);
}

#[test]
fn single_vms_of_an_older_version_are_asked_for_one_by_one() {
    let set = "one.vmpool.infoset";
    let absent = || refused(0x400, "[one.vm.info] Error getting virtual machine [99].");
    let host = host().answer(unknown_method(set)).answer(ok(&bare(&[41]))).answer(absent()).answer(ok(&bare(&[40])));
    let (pages, seen) = all(&account(), &["41", "99", "x", "40"], host);
    let pages = pages.unwrap();
    assert_eq!(pages.iter().flat_map(ids).collect::<Vec<_>>(), ["41", "40"]);
    let info = |id: u32| call("one.vm.info", &[&format!("<int>{id}</int>")]);
    assert_eq!(sent(&seen)[1..], [info(41), info(99), info(40)]);
    assert!(seen.session.contains_key(set));
    // Of many, everything is listed.
    let many: Vec<String> = (0..30).map(|id| id.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let host = site::host().remembering(set, &b"missing"[..]).answer(pool(&bare(&[1, 2]))).answer(pool(&bare(&[2])));
    let (pages, _) = all(&with_option("page-size", "2"), &many, host);
    assert_eq!(pages.unwrap().iter().flat_map(ids).collect::<Vec<_>>(), ["1", "2"]);
    // A refusal of one is one of all.
    let host = site::host().remembering(set, &b"missing"[..]).answer(refused(0x200, "no"));
    assert!(matches!(all(&account(), &["41"], host).0, Err(Error::Forbidden(_))));
}

#[test]
fn a_cursor_of_something_else_is_refused() {
    for cursor in ["", "2", "extended", "extended/x/1", "other/1/1", "extended/-1/2", "extended/99999999999/2"] {
        let query = Query { cursor: Some(cursor.to_owned()), ..Query::default() };
        let (page, seen) = host().run(|| OpenNebula::list_instances(&account(), &query));
        assert!(matches!(page, Err(Error::UnexpectedAnswer(_))), "{cursor}: {page:?}");
        assert!(seen.sent.is_empty());
    }
}

#[test]
fn options_say_whose_vms_and_how_many_at_once() {
    for (value, flag) in [("all", -2), ("group", -1), ("mine", -3), ("primary-group", -4), (" mine ", -3)] {
        let (_, seen) = all(&with_option("filter", value), &[], host().answer(pool(&bare(&[1]))));
        assert_eq!(sent(&seen), [pool_call(EXTENDED, [flag, 0, -1000, -1])], "{value}");
    }
    for (name, value) in [
        ("filter", ""),
        ("filter", "ALL"),
        ("filter", "-2"),
        ("page-size", "1"),
        ("page-size", "10001"),
        ("page-size", "many"),
        ("page-size", "-5"),
        ("page-size", ""),
    ] {
        let account = with_option(name, value);
        let (page, seen) = all(&account, &[], host());
        assert!(matches!(page, Err(Error::InvalidAccount(_))) && seen.sent.is_empty(), "{name}={value}: {page:?}");
        let (page, _) = host().run(|| OpenNebula::list_realms(&account, &Query::default()));
        assert!(matches!(page, Err(Error::InvalidAccount(_))), "{name}={value}");
    }
    let (page, _) = all(&Account::new("one", "https://one.example", ""), &[], host());
    assert!(matches!(page, Err(Error::InvalidAccount(_))), "{page:?}");
    let (page, _) = all(&account(), &[], Host::new());
    assert!(matches!(page, Err(Error::InvalidAccount(_))), "{page:?}");
}

#[test]
fn user_and_endpoint_are_sent_as_they_are_meant() {
    let account = Account::new("one", "https://one.example/RPC2", "a&b <c>");
    let (_, seen) = all(&account, &[], host().answer(pool(&bare(&[1]))));
    assert_eq!(seen.sent[0].url, "https://one.example/RPC2");
    assert!(sent(&seen)[0].contains("<string>a&amp;b &lt;c&gt;:"), "{:?}", sent(&seen));
}

fn failure(answer: Answer) -> Error {
    all(&account(), &[], host().answer(answer)).0.expect_err("no list")
}

fn kind(error: &Error) -> &'static str {
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
fn codes_tell_errors_apart() {
    for (code, expected) in [
        (0x0100, "unauthorized"),
        (0x0200, "forbidden"),
        (0x0400, "unexpected-answer"),
        (0x0800, "unexpected-answer"),
        (0x1000, "unexpected-answer"),
        (0x2000, "unavailable"),
        (0x4000, "unexpected-answer"),
        (0x8000, "unexpected-answer"),
        (0x10000, "unavailable"),
        (7, "unexpected-answer"),
    ] {
        let error = failure(refused(code, "[one.vmpool.infoextended] Some &lt;word&gt;."));
        assert_eq!(kind(&error), expected, "{code:#x}");
        assert!(
            error.message().contains("one.vmpool.infoextended: [one.vmpool.infoextended] Some <word>."),
            "{error:?}"
        );
    }
    let error = failure(fault(-503, "Expected a string"));
    assert!(
        matches!(&error, Error::UnexpectedAnswer(why) if why.contains("fault -503: Expected a string")),
        "{error:?}"
    );
    for code in [-500, -504, -505] {
        assert_eq!(kind(&failure(fault(code, "Internal error"))), "unavailable", "{code}");
    }
    // A status that is none of OpenNebula's does not hide its own word.
    for status in [400, 401, 500, 503] {
        let refusal = String::from_utf8(body("wrong-password")).expect("UTF-8");
        assert_eq!(kind(&failure(Answer::new(status).body(refusal))), "unauthorized", "{status}");
    }
}

#[test]
fn what_a_proxy_says_counts_by_its_status() {
    for (status, expected) in [
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "unexpected-answer"),
        (302, "unexpected-answer"),
        (204, "unexpected-answer"),
        (429, "throttled"),
        (502, "unavailable"),
    ] {
        let error =
            failure(Answer::new(status).body("<html><h1>proxy</h1></html>").header("Location", "https://x.example/"));
        assert_eq!(kind(&error), expected, "{status}");
        assert!(error.message().contains("POST https://one.example:2633/RPC2 answered"), "{error:?}");
        // A list with another status is none.
        let error = failure(Answer::new(status).body(body("vms")));
        assert_eq!(kind(&error), expected, "{status}");
    }
    let Error::Throttled(throttle) = failure(Answer::new(503).header("Retry-After", "9")) else { panic!("a wait") };
    assert_eq!(throttle.retry_after, Some(9));
}

#[test]
fn an_empty_list_of_hosts_is_believed_of_an_administrator_only() {
    let user = |ids: &str| ok(&format!("<USER>{ids}</USER>"));
    let realms = |second: Answer| {
        let host = host().answer(ok("<HOST_POOL></HOST_POOL>")).answer(second);
        host.run(|| OpenNebula::list_realms(&account(), &Query::default()))
    };
    for administrator in [
        "<ID>0</ID><GID>0</GID>",
        "<ID>8</ID><GID>0</GID>",
        "<ID>8</ID><GID>1</GID><GROUPS><ID>1</ID><ID>0</ID></GROUPS>",
    ] {
        let (page, seen) = realms(user(administrator));
        assert_eq!(page.map(|page| (page.items.len(), page.coverage)), Ok((0, Coverage::Complete)));
        assert_eq!(sent(&seen), [call("one.hostpool.info", &[]), call("one.user.info", &["<int>-1</int>"])]);
    }
    for other in ["<ID>8</ID><GID>1</GID><GROUPS><ID>1</ID></GROUPS><VMS><ID>0</ID></VMS>", "<ID>10</ID>", ""] {
        let (page, _) = realms(user(other));
        assert!(matches!(page, Err(Error::Forbidden(_))), "{other}: {page:?}");
    }
    assert!(matches!(realms(refused(0x200, "no")).0, Err(Error::Forbidden(_))));
    assert!(matches!(realms(refused(0x2000, "no")).0, Err(Error::Unavailable(_))));
}
