//! The whole driver against a pretend host: what it sends, in which session and with which rights, and what it makes of refusals.

#[path = "../fixtures/site.rs"]
mod site;

use ovirt::Ovirt;
use site::{NOT_PERMITTED, account, bare, body, fault, host, ids, instances, ok, paths, realms, vms, with_option};
use tracker_driver_sdk::secret::Encoding;
use tracker_driver_sdk::testing::{Answer, Host, Seen};
use tracker_driver_sdk::{Account, Coverage, Driver, Error, Instance, Page, Query, SecretKind};

const LIST: &str = "vms?follow=reported_devices,tags";
const FILTERED: &str = "vms?follow=reported_devices,tags&filter=true";
const CLUSTERS: &str = "clusters?follow=data_center";

fn headers<'a>(seen: &'a Seen, name: &str) -> Vec<Option<&'a str>> {
    seen.sent.iter().map(|sent| sent.header(name)).collect()
}

#[test]
fn a_list_is_one_request() {
    let (page, seen) = instances(&account(), host().answer(ok(body("vms"))));
    assert_eq!(page.unwrap().items.len(), 4);
    assert_eq!(paths(&seen), [LIST]);
    let basic = format!("Basic {}", Host::placeholder("password", Encoding::Basic));
    assert_eq!(headers(&seen, "authorization"), [Some(basic.as_str())]);
    assert_eq!(headers(&seen, "accept"), [Some("application/xml")]);
    assert_eq!(headers(&seen, "prefer"), [Some("persistent-auth")]);
    assert_eq!((headers(&seen, "filter"), headers(&seen, "cookie")), (vec![None], vec![None]));
    assert!(!format!("{seen:?}").contains("s3cret-of-mine"));
    let (_, seen) = realms(&account(), host().answer(ok(body("clusters"))));
    assert_eq!(paths(&seen), [CLUSTERS]);
}

#[test]
fn the_endpoint_may_end_anywhere_on_the_way_to_the_api() {
    for (endpoint, expected) in [
        ("https://engine.example", "https://engine.example/ovirt-engine/api/"),
        ("https://engine.example/ovirt-engine", "https://engine.example/ovirt-engine/api/"),
        ("https://engine.example/ovirt-engine/api", "https://engine.example/ovirt-engine/api/"),
        ("https://rhevm.example/api", "https://rhevm.example/api/"),
        ("https://proxy.example/rhv", "https://proxy.example/rhv/ovirt-engine/api/"),
    ] {
        let account = Account::new("lab", endpoint, "tracker@internal");
        let (_, seen) = instances(&account, host().answer(vms(&bare("1"))));
        assert_eq!(seen.sent[0].url, format!("{expected}{LIST}"));
    }
}

#[test]
fn an_access_token_is_sent_as_one() {
    let account = Account { secret: SecretKind::AccessToken, ..account() };
    let (_, seen) = instances(&account, host().answer(vms(&bare("1"))));
    let bearer = format!("Bearer {}", Host::placeholder("password", Encoding::Raw));
    assert_eq!(headers(&seen, "authorization"), [Some(bearer.as_str())]);
}

#[test]
fn a_session_is_kept_and_given_up_when_it_has_ended() {
    let begun =
        vms(&bare("1")).header("Set-Cookie", "locale=en").header("set-cookie", "JSESSIONID=abc.d; path=/; secure");
    let (_, seen) = instances(&account(), host().answer(begun));
    assert_eq!(seen.session.get("JSESSIONID").map(Vec::as_slice), Some(&b"abc.d"[..]));
    let (_, seen) = instances(&account(), host().remembering("JSESSIONID", &b"abc.d"[..]).answer(vms(&bare("1"))));
    assert_eq!(headers(&seen, "cookie"), [Some("JSESSIONID=abc.d")]);
    assert!(headers(&seen, "authorization")[0].is_some(), "the engine logs in where it forgot the session");
    assert_eq!(seen.session.get("JSESSIONID").map(Vec::as_slice), Some(&b"abc.d"[..]), "it goes on");
    // A refused session is tried without, once.
    let ended = || host().remembering("JSESSIONID", &b"old"[..]).answer(Answer::new(401));
    let (page, seen) = instances(&account(), ended().answer(vms(&bare("1"))));
    assert_eq!(ids(&page.unwrap()), ["1"]);
    assert_eq!(headers(&seen, "cookie"), [Some("JSESSIONID=old"), None]);
    let (page, seen) = instances(&account(), ended().answer(Answer::new(401)).answer(vms(&bare("1"))));
    assert!(matches!(page, Err(Error::Unauthorized(_))), "{page:?}");
    assert_eq!(seen.sent.len(), 2);
    let (page, seen) = instances(&account(), host().answer(Answer::new(401)));
    assert!(matches!(page, Err(Error::Unauthorized(_))) && seen.sent.len() == 1, "{page:?}");
    // What would be another header, or no cookie, is none.
    for odd in ["JSESSIONID=a b", "JSESSIONID=", "XJSESSIONID=a", "JSESSIONIDX=a", "x; JSESSIONID=a", ""] {
        let (_, seen) = instances(&account(), host().answer(vms(&bare("1")).header("set-cookie", odd)));
        assert!(seen.session.is_empty(), "{odd}");
    }
}

#[test]
fn a_user_without_a_role_of_administrators_is_asked_for_a_second_way() {
    for status in [400, 403, 500] {
        let (page, seen) = instances(&account(), host().answer(fault(status, NOT_PERMITTED)).answer(vms(&bare("1"))));
        assert_eq!(ids(&page.unwrap()), ["1"], "{status}");
        assert_eq!(paths(&seen), [LIST, FILTERED]);
        assert_eq!(headers(&seen, "filter"), [None, Some("true")]);
    }
    let (page, seen) = instances(&account(), host().answer(vms("")).answer(vms(&bare("1"))));
    assert_eq!((ids(&page.unwrap()), paths(&seen)), (vec!["1"], vec![LIST, FILTERED]));
    let (page, _) = instances(&account(), host().answer(vms("")).answer(vms("")));
    assert_eq!(page.map(|page| (page.items.len(), page.coverage)), Ok((0, Coverage::Complete)));
    let (page, _) = realms(&account(), host().answer(fault(403, NOT_PERMITTED)).answer(ok(body("clusters"))));
    assert_eq!(page.unwrap().items.len(), 9);
    // Refused both ways, the first refusal stands, unless the second says something of the account.
    for (second, is_forbidden) in [
        (fault(403, "User is not authorized to perform this action."), true),
        (fault(404, "Entity not found"), true),
        (Answer::new(502), true),
        (Answer::new(401), false),
        (Answer::new(429), false),
    ] {
        let (page, _) = instances(&account(), host().answer(fault(403, NOT_PERMITTED)).answer(second));
        let error = page.expect_err("no list");
        assert_eq!(matches!(&error, Error::Forbidden(why) if why.contains(NOT_PERMITTED)), is_forbidden, "{error:?}");
    }
    // What a proxy refuses is not asked for again.
    let (page, seen) = instances(&account(), host().answer(Answer::new(403).body("<html>no</html>")));
    assert!(matches!(page, Err(Error::Forbidden(_))) && seen.sent.len() == 1, "{page:?}");
}

#[test]
fn the_option_filter_asks_the_second_way_at_once() {
    let (_, seen) = instances(&with_option("filter", "true"), host().answer(vms("")));
    assert_eq!((paths(&seen), headers(&seen, "filter")), (vec![FILTERED], vec![Some("true")]));
    let (_, seen) = instances(&with_option("filter", " false "), host().answer(vms(&bare("1"))));
    assert_eq!(paths(&seen), [LIST]);
    for wrong in ["", "yes", "TRUE", "1"] {
        let (page, seen) = instances(&with_option("filter", wrong), host());
        assert!(matches!(page, Err(Error::InvalidAccount(_))) && seen.sent.is_empty(), "{wrong}");
        assert!(matches!(realms(&with_option("filter", wrong), host()).0, Err(Error::InvalidAccount(_))), "{wrong}");
    }
    let (page, _) = instances(&Account::new("lab", "https://engine.example", ""), host());
    assert!(matches!(page, Err(Error::InvalidAccount(_))), "{page:?}");
    let (page, _) = instances(&account(), Host::new());
    assert!(matches!(page, Err(Error::InvalidAccount(_))), "{page:?}");
}

#[test]
fn the_option_follow_says_what_the_engine_looks_up() {
    for (value, expected) in [
        ("none", "vms"),
        ("tags", "vms?follow=tags"),
        ("reported_devices", "vms?follow=reported_devices"),
        (" tags , reported_devices ", LIST),
    ] {
        let account = with_option("follow", value);
        let answer = ok("<vms><vm id=\"1\"><status>up</status><guest_info/></vm></vms>");
        let (_, seen) = instances(&account, host().answer(answer));
        assert_eq!(paths(&seen), [expected], "{value}");
    }
    // What is not wanted is asked for in no other way, either.
    let (page, seen) = instances(&with_option("follow", "none"), host().answer(ok(UNFOLLOWED)));
    assert_eq!((page.unwrap().items.len(), seen.sent.len()), (2, 1));
    let (_, seen) = instances(&with_option("follow", "none"), host().answer(vms("")).answer(vms("")));
    assert_eq!(paths(&seen), ["vms", "vms?filter=true"]);
    for wrong in ["", ",", "nics", "tags,nics", "none,tags", "TAGS"] {
        let account = with_option("follow", wrong);
        let (page, seen) = instances(&account, host());
        assert!(matches!(page, Err(Error::InvalidAccount(_))) && seen.sent.is_empty(), "{wrong}");
        assert!(matches!(realms(&account, host()).0, Err(Error::InvalidAccount(_))), "{wrong}");
    }
}

const UNFOLLOWED: &str = "<vms><vm id=\"a1\"><status>up</status></vm><vm id=\"b/2\"><status>up</status></vm></vms>";
const DEVICES: &str = "<reported_devices><reported_device><ips><ip><address>10.0.0.1</address></ip></ips></reported_device>\
                       </reported_devices>";

#[test]
fn an_engine_that_follows_no_links_is_asked_for_devices_one_by_one() {
    let (page, seen) =
        instances(&account(), host().answer(ok(UNFOLLOWED)).answer(ok(DEVICES)).answer(fault(404, "Entity not found")));
    let page = page.unwrap();
    assert_eq!((page.items[0].private_addresses.len(), page.items[1].private_addresses.len()), (1, 0));
    assert_eq!(page.coverage, Coverage::Complete);
    assert_eq!(paths(&seen), [LIST, "vms/a1/reporteddevices", "vms/b%2F2/reporteddevices"]);
    // What can't be had makes the list partial; what says something of the account is an error.
    for lacking in [Answer::new(500), Answer::new(404).body("<html/>"), fault(403, NOT_PERMITTED), fault(500, "no")] {
        let (page, _) = instances(&account(), host().answer(ok(UNFOLLOWED)).answer(lacking).answer(ok(DEVICES)));
        let page = page.unwrap();
        assert!(matches!(page.coverage, Coverage::Partial(_)) && page.items.len() == 2, "{page:?}");
    }
    for wrong in [Answer::new(401), Answer::new(429), Answer::new(403), ok("<html/>"), ok("<vms/>")] {
        let (page, _) = instances(&account(), host().answer(ok(UNFOLLOWED)).answer(wrong).answer(ok(DEVICES)));
        assert!(page.is_err(), "{page:?}");
    }
    // Of many, none is asked for.
    let many: String = (0..101).map(|id| format!("<vm id=\"{id}\"/>")).collect();
    let (page, seen) = instances(&account(), host().answer(vms(&many)));
    assert_eq!((page.unwrap().items.len(), seen.sent.len()), (101, 1));
    assert_eq!(seen.log.len(), 1);
}

/// All pages of a list of these ids.
fn by_id(list: &[&str], host: Host) -> (Result<Vec<Page<Instance>>, Error>, Seen) {
    host.run(|| {
        let list: Vec<String> = list.iter().map(|id| (*id).to_owned()).collect();
        let (mut pages, mut cursor) = (Vec::new(), None);
        loop {
            let page = Ovirt::list_instances(&account(), &Query { cursor, ids: list.clone(), ..Query::default() })?;
            cursor = page.next.clone();
            pages.push(page);
            if cursor.is_none() {
                return Ok(pages);
            }
        }
    })
}

#[test]
fn single_virtual_machines_are_asked_for_one_by_one_and_may_be_absent() {
    let there = || ok(body("vm"));
    let id = "7c10e001-91c4-4a5e-8d27-60f3b2a70001";
    let (pages, seen) = by_id(&["9", id, "..", ""], host().answer(fault(404, "Entity not found: 9")).answer(there()));
    let pages = pages.unwrap();
    assert_eq!(pages.iter().flat_map(ids).collect::<Vec<_>>(), [id]);
    let single = format!("vms/{id}?follow=reported_devices,tags");
    assert_eq!(paths(&seen), ["vms/9?follow=reported_devices,tags", &single]);
    // One that is answered with a different one is absent; a user without a role is asked for a second way.
    let (pages, _) = by_id(&["9"], host().answer(there()));
    assert!(pages.unwrap()[0].items.is_empty());
    let (pages, seen) = by_id(&[id], host().answer(fault(403, NOT_PERMITTED)).answer(there()));
    assert_eq!((pages.unwrap().len(), paths(&seen)[1]), (1, format!("{single}&filter=true").as_str()));
    for wrong in [
        Answer::new(404),
        Answer::new(404).body("<html>not found</html>"),
        fault(404, "no such API"),
        fault(200, "Entity not found"),
        ok("<vms/>"),
        Answer::new(500),
    ] {
        assert!(by_id(&[id], host().answer(wrong)).0.is_err());
    }
    let many: Vec<String> = (0..21).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let (_, seen) = by_id(&many, host().answer(vms(&bare("1"))));
    assert_eq!(paths(&seen), [LIST]);
    let query = Query { cursor: Some("7".into()), ids: vec![id.into()], ..Query::default() };
    let (page, _) = host().run(|| Ovirt::list_instances(&account(), &query));
    assert!(matches!(page, Err(Error::UnexpectedAnswer(_))), "{page:?}");
}

#[test]
fn errors_are_told_by_status_in_the_words_of_the_engine() {
    let check = |answer: Answer, kind: &str, words: &str| {
        let error = format!("{:?}", instances(&account(), host().answer(answer)).0.expect_err("no list"));
        assert!(error.starts_with(&format!("Error::{kind}(")) && error.contains(words), "{kind} {words}: {error}");
        assert!(error.contains("GET https://engine.example/ovirt-engine/api/vms"), "{error}");
    };
    check(Answer::new(401).body("<html>Unauthorized</html>"), "Unauthorized", "Unauthorized");
    check(fault(403, "CSRF"), "Forbidden", "Operation Failed: CSRF");
    check(fault(400, "bad search"), "UnexpectedAnswer", "answered 400: Operation Failed: bad search");
    check(fault(404, "Entity not found"), "UnexpectedAnswer", "Entity not found");
    check(fault(500, "PL/pgSQL"), "Unavailable", "Operation Failed: PL/pgSQL");
    check(Answer::new(503).body("<html>"), "Unavailable", "answered 503");
    check(Answer::new(503).header("Retry-After", "9"), "Throttled", "answered 503");
    check(Answer::new(429), "Throttled", "answered 429");
    check(Answer::new(302).header("Location", "https://sso.example/"), "UnexpectedAnswer", "not followed");
    check(Answer::new(204), "UnexpectedAnswer", "answered 204");
    check(fault(200, "odd"), "UnexpectedAnswer", "answered 200: Operation Failed: odd");
    check(fault(200, NOT_PERMITTED), "Forbidden", NOT_PERMITTED);
    check(Answer::new(201).body(body("vms")), "UnexpectedAnswer", "answered 201");
}
