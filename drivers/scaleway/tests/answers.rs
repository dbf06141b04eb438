//! What is made of answers: every state, addresses, pages, and what is missing or odd.

use scaleway::answer::{ZonePage, servers};
use scaleway::problem::{is_not_found, message, wait};
use serde_json::{Value, json};
use tracker_driver_sdk::http::Headers;
use tracker_driver_sdk::{Address, Error, Instance, InstanceState};

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn headers(headers: &[(&str, &str)]) -> Headers {
    Headers::new(headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
}

fn read(body: &[u8]) -> Result<ZonePage, Error> {
    servers(body, &headers(&[("X-Total-Count", "1")]), 1)
}

fn of_list(entry: Value) -> Result<ZonePage, Error> {
    read(json!({ "servers": [entry] }).to_string().as_bytes())
}

fn instance(entry: Value) -> Instance {
    of_list(entry).expect("a list of one").items.remove(0)
}

#[test]
fn a_server_is_read_whole() {
    let page = read(&fixture("servers-page-1")).unwrap();
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>();
    assert_eq!(
        page.items[0],
        Instance {
            name: Some("web-1".into()),
            owner: Some("0b7e1c50-6a3d-4f0e-9c11-000000000001".into()),
            realm: Some("fr-par-1".into()),
            image: Some("5c1e0a77-0000-4000-8000-000000000013".into()),
            hardware_profile: Some("DEV1-S".into()),
            launched_at: Some(1_773_480_370_111),
            public_addresses: vec![Address::ipv4("203.0.113.10"), Address::ipv6("2001:db8:5::a")],
            labels: pairs(&[("web", ""), ("env:live", "")]),
            ..Instance::new("7c2d9e10-41ab-4d3e-8f00-000000000010", InstanceState::Running, "running")
        }
    );
    let page = read(&fixture("servers-page-2")).unwrap();
    let [inner, standby] = &page.items[..] else { panic!("{page:?}") };
    assert_eq!((inner.public_addresses.len(), inner.private_addresses.len()), (0, 0), "its card has no address here");
    assert_eq!((standby.image.as_deref(), &standby.private_addresses[..]), (None, &[Address::ipv4("10.64.4.13")][..]));
    let page = read(&fixture("servers-other-zone")).unwrap();
    let older = [Address::ipv4("203.0.113.14"), Address::ipv6("2001:db8:6::14")];
    assert_eq!(page.items[0].public_addresses, older, "an older answer has no list of them");
}

#[test]
fn every_state_is_mapped_and_none_is_guessed() {
    for (word, expected) in [
        ("starting", InstanceState::Pending),
        ("running", InstanceState::Running),
        ("stopping", InstanceState::Stopping),
        ("stopped", InstanceState::Stopped),
        ("stopped in place", InstanceState::Stopped),
        ("locked", InstanceState::Unknown),
        ("unknown_state", InstanceState::Unknown),
        ("Running", InstanceState::Unknown),
        ("", InstanceState::Unknown),
    ] {
        let found = instance(json!({ "id": "a", "state": word }));
        assert_eq!((found.state, found.provider_state.as_str()), (expected, word));
    }
}

#[test]
fn what_may_be_missing_is_missing_and_what_has_to_be_there_is_asked_for() {
    let bare = instance(json!({
        "id": "a", "state": "stopped", "name": null, "zone": null, "project": null, "commercial_type": null, "image": null,
        "creation_date": "soon", "tags": null, "public_ips": null, "public_ip": null, "ipv6": null, "private_ip": null
    }));
    assert_eq!(bare, Instance::new("a", InstanceState::Stopped, "stopped"));
    assert_eq!(instance(json!({ "id": "a", "state": "stopped" })), bare);
    let older = instance(json!({ "id": "a", "state": "stopped", "organization": "org-1" }));
    assert_eq!(older, Instance { owner: Some("org-1".into()), ..bare.clone() }, "there were no projects");
    let newer = json!({ "id": "a", "state": "stopped", "organization": "org-1", "project": "p-1" });
    assert_eq!(instance(newer).owner.as_deref(), Some("p-1"));
    let ips = json!([{}, { "address": "" }, { "address": null }]);
    let odd = json!({ "id": "a", "state": "stopped", "public_ips": ips, "image": {} });
    assert_eq!(instance(odd), bare);

    for (wrong, word) in [
        (json!({ "state": "stopped" }), "`id`"),
        (json!({ "id": 1, "state": "stopped" }), "integer `1`"),
        (json!({ "id": "a" }), "`state`"),
        (json!({ "id": "a", "state": null }), "null"),
        (json!({ "id": "a", "state": "stopped", "tags": { "a": 1 } }), "map"),
        (json!("1"), "Server"),
    ] {
        let Err(Error::UnexpectedAnswer(message)) = of_list(wrong.clone()) else { panic!("{wrong}") };
        assert!(message.contains(word), "{wrong}: {message}");
    }
}

#[test]
fn pages_lead_from_one_to_the_next_and_carry_the_total_of_a_zone() {
    let check = |number: u64, of: &[(&str, &str)], expected: (Option<u64>, Option<u64>)| {
        let page = servers(br#"{"servers": []}"#, &headers(of), number).unwrap();
        assert_eq!((page.next, page.total), expected, "{number} {of:?}");
    };
    let links = r#"</servers?page=3&per_page=100>; rel="next", </servers?page=9&per_page=100>; rel="last""#;
    check(2, &[("Link", links), ("X-Total-Count", "812")], (Some(3), Some(812)));
    // Whatever stands first, and in however many headers.
    let turned = r#"</servers?page=9&per_page=100>; rel="last",</servers?per_page=100&page=3>;rel=next"#;
    check(2, &[("link", turned), ("x-total-count", " 812 ")], (Some(3), Some(812)));
    let last = r#"</servers?page=9>; rel="last""#;
    check(2, &[("link", last), ("link", r#"</servers?page=3#x>; rel="next""#)], (Some(3), None));
    check(9, &[("link", last), ("x-total-count", "812")], (None, Some(812)));
    check(1, &[("link", r#"</servers?page=0&per_page=100>; rel="last""#), ("x-total-count", "0")], (None, Some(0)));
    // The link was lost on the way.
    check(1, &[("x-total-count", "100")], (None, Some(100)));
    check(1, &[("x-total-count", "101")], (Some(2), Some(101)));
    check(u64::MAX, &[("x-total-count", "101")], (None, Some(101)));
    check(1, &[("x-total-count", "many")], (None, None));
    // One that leads back, to the page itself or nowhere would never end.
    for link in
        ["</servers?page=2>", "</servers?page=1>", "</servers>", "<>", "</servers?page=x>", "</servers?mypage=3>"]
    {
        let link = format!(r#"{link}; rel="next""#);
        let odd = servers(br#"{"servers": []}"#, &headers(&[("link", &link)]), 2);
        assert!(matches!(odd, Err(Error::UnexpectedAnswer(_))), "{link}: {odd:?}");
    }
}

#[test]
fn what_is_no_list_is_no_empty_list() {
    for body in
        ["", "null", "{}", "[]", "17", r#"{"servers": null}"#, r#"{"servers": {}}"#, r#"{"servers": [null]}"#, "<p>"]
    {
        assert!(matches!(read(body.as_bytes()), Err(Error::UnexpectedAnswer(_))), "{body}");
    }
    for message in [r#""x""#, "{}", "17"] {
        assert!(read(format!(r#"{{"servers": [], "message": {message}}}"#).as_bytes()).is_err(), "{message}");
    }
}

#[test]
fn a_list_cut_off_anywhere_is_never_a_shorter_list() {
    let whole = fixture("servers-page-1");
    let short: Value = serde_json::from_slice(&whole).expect("JSON");
    let short = short.to_string();
    for end in 0..short.len() {
        assert!(read(&short.as_bytes()[..end]).is_err(), "cut off at {end}");
    }
    let marked = [b"\xef\xbb\xbf".as_slice(), &whole].concat();
    assert_eq!(read(&marked), read(&whole), "a byte order mark is passed over");
}

#[test]
fn a_page_of_a_thousand_is_read() {
    let page: Value = serde_json::from_slice(&fixture("servers-page-1")).expect("JSON");
    let entries = page["servers"].as_array().expect("a list");
    let copy = |number: usize| {
        let mut entry = entries[number % entries.len()].clone();
        entry["id"] = json!(format!("id-{number}"));
        entry
    };
    let many: Vec<Value> = (0..1_000).map(copy).collect();
    let listed = read(json!({ "servers": many }).to_string().as_bytes()).unwrap();
    assert_eq!(listed.items.len(), 1_000);
    assert!(listed.items.iter().enumerate().all(|(at, item)| item.id == format!("id-{at}")));
}

#[test]
fn a_wait_is_in_seconds() {
    let check = |reset: &str, expected: Option<u32>| {
        assert_eq!(wait(&headers(&[("X-RateLimit-Reset", reset)])), expected, "{reset}");
    };
    check("12", Some(12));
    check(" 3600 ", Some(3_600));
    for none in ["", "soon", "-5", "3601", "1795168837", "99999999999999999999"] {
        check(none, None);
    }
    assert_eq!(wait(&headers(&[])), None);
}

#[test]
fn errors_are_quoted_in_their_own_words() {
    let text = |body: &[u8]| message(body).map(|(_, text)| text);
    let denied = text(&fixture("error-unauthorized"));
    assert_eq!(denied.as_deref(), Some("denied_authentication: authentication is denied (not_found)"));
    assert_eq!(text(br#"{"message": "No"}"#).as_deref(), Some("No"));
    assert_eq!(text(br#"{"type": "api_error"}"#).as_deref(), Some("api_error"));
    for none in [&b"<html>"[..], b"", b"[]", br#"{"message": {}}"#, br#"{"reason": "x"}"#, b"\xff"] {
        assert_eq!(text(none), None);
    }
    for absent in [r#"{"type": "not_found", "message": "x"}"#, r#"{"message": "no route"}"#, "<html>", ""] {
        assert!(is_not_found(absent.as_bytes()), "{absent}");
    }
    assert!(!is_not_found(br#"{"type": "other", "message": "x"}"#));
}
