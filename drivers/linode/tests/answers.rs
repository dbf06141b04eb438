//! What is made of answers: every state, addresses, pages, and what is missing or odd.

use linode::answer::{linode, linodes, page_number, regions};
use linode::problem::{says_not_found, wait, words};
use serde_json::{Value, json};
use tracker_driver_sdk::http::Headers;
use tracker_driver_sdk::{Address, Coverage, Error, Instance, InstanceState, Page, RealmState};

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn of_list(entry: Value) -> Result<Page<Instance>, Error> {
    linodes(json!({ "data": [entry], "page": 1, "pages": 1, "results": 1 }).to_string().as_bytes(), 1)
}

fn instance(entry: Value) -> Instance {
    of_list(entry).expect("a list of one").items.remove(0)
}

#[test]
fn a_linode_is_read_whole() {
    let page = linodes(&fixture("linodes-page-1"), 1).unwrap();
    let [web, _, build, old, cold, ..] = &page.items[..] else { panic!("{page:?}") };
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>();
    assert_eq!(
        *web,
        Instance {
            name: Some("web-1".into()),
            realm: Some("eu-central".into()),
            image: Some("linode/debian13".into()),
            hardware_profile: Some("g6-nanode-1".into()),
            launched_at: Some(1_773_480_370_000),
            public_addresses: vec![Address::ipv4("203.0.113.10"), Address::ipv6("2001:db8:a::f03c:a")],
            private_addresses: vec![Address::ipv4("192.168.137.20")],
            labels: pairs(&[("web", ""), ("env:live", "")]),
            ..Instance::new("70010", InstanceState::Running, "running")
        }
    );
    assert_eq!((build.image.as_deref(), build.public_addresses.len()), (None, 0), "nothing but its name yet");
    assert_eq!(old.image.as_deref(), Some("private/9021"));
    assert_eq!(cold.public_addresses[1], Address::ipv6("2001:db8:b::f03c:14"), "an older answer has /64");
    let alone = json!({ "id": 7, "status": "running", "label": "web" }).to_string();
    let expected = Instance { name: Some("web".into()), ..Instance::new("7", InstanceState::Running, "running") };
    assert_eq!(linode(alone.as_bytes()), Ok(expected));
}

#[test]
fn every_state_is_mapped_and_none_is_guessed() {
    for (word, expected) in [
        ("provisioning", InstanceState::Pending),
        ("booting", InstanceState::Pending),
        ("running", InstanceState::Running),
        ("rebooting", InstanceState::Running),
        ("shutting_down", InstanceState::Stopping),
        ("offline", InstanceState::Stopped),
        ("stopped", InstanceState::Stopped),
        ("deleting", InstanceState::ShuttingDown),
        ("migrating", InstanceState::Unknown),
        ("rebuilding", InstanceState::Unknown),
        ("cloning", InstanceState::Unknown),
        ("restoring", InstanceState::Unknown),
        ("resizing", InstanceState::Unknown),
        ("billing_suspension", InstanceState::Unknown),
        ("busy", InstanceState::Unknown),
        ("Running", InstanceState::Unknown),
        ("", InstanceState::Unknown),
    ] {
        let found = instance(json!({ "id": 1, "status": word }));
        assert_eq!((found.state, found.provider_state.as_str()), (expected, word));
    }
}

#[test]
fn addresses_are_told_apart_by_their_range() {
    let found = instance(json!({
        "id": 1, "status": "running", "ipv6": "2001:db8::7/128",
        "ipv4": ["203.0.113.7", "192.168.128.1", "10.0.4.2", "172.16.0.9", "198.51.100.8", "", "0.0.0.0"]
    }));
    let private = ["192.168.128.1", "10.0.4.2", "172.16.0.9"].map(Address::ipv4);
    assert_eq!(found.private_addresses, private);
    let public = [Address::ipv4("203.0.113.7"), Address::ipv4("198.51.100.8"), Address::ipv6("2001:db8::7")];
    assert_eq!(found.public_addresses, public);
}

#[test]
fn what_may_be_missing_is_missing_and_what_has_to_be_there_is_asked_for() {
    let bare = instance(json!({
        "id": 1, "status": "offline", "label": null, "image": null, "ipv4": null, "ipv6": null, "tags": null,
        "created": "soon", "type": null, "region": null
    }));
    assert_eq!(bare, Instance::new("1", InstanceState::Stopped, "offline"));
    assert_eq!(instance(json!({ "id": 1, "status": "offline" })), bare);
    let zoned = instance(json!({ "id": 1, "status": "offline", "created": "2026-03-14T11:26:50+02:00" }));
    assert_eq!(zoned.launched_at, Some(1_773_480_410_000), "a zone that is given counts");

    for (wrong, word) in [
        (json!({ "status": "offline" }), "`id`"),
        (json!({ "id": "1", "status": "offline" }), "string \"1\""),
        (json!({ "id": 1 }), "`status`"),
        (json!({ "id": 1, "status": null }), "null"),
        (json!({ "id": 1, "status": "offline", "tags": [1] }), "integer `1`"),
        (json!("1"), "Linode"),
    ] {
        let Err(Error::UnexpectedAnswer(message)) = of_list(wrong.clone()) else { panic!("{wrong}") };
        assert!(message.contains(word), "{wrong}: {message}");
    }
}

#[test]
fn pages_lead_from_one_to_the_next_and_carry_the_total() {
    let first = linodes(&fixture("linodes-page-1"), 1).unwrap();
    assert_eq!((first.items.len(), first.next.as_deref(), first.total), (8, Some("2"), Some(14)));
    assert_eq!(page_number(first.next.as_deref()), Ok(2));
    let last = linodes(&fixture("linodes-page-2"), 2).unwrap();
    assert_eq!((last.items.len(), last.next, last.total, last.coverage), (6, None, Some(14), Coverage::Complete));
    let none = linodes(&fixture("linodes-none"), 1).unwrap();
    assert_eq!((none.items.len(), none.coverage, none.total), (0, Coverage::Complete, Some(0)));
    let read = |body: Value, number: u64| linodes(body.to_string().as_bytes(), number);
    // An empty page in the middle is no end; an account without anything may have no page.
    let empty = read(json!({ "data": [], "page": 3, "pages": 4, "results": 9 }), 3).unwrap();
    assert_eq!(empty.next.as_deref(), Some("4"));
    assert_eq!(read(json!({ "data": [], "page": 1, "pages": 0, "results": 0 }), 1).unwrap().next, None);
    // The same page once more.
    let Err(Error::UnexpectedAnswer(why)) = read(json!({ "data": [], "page": 1, "pages": 4, "results": 9 }), 2) else {
        panic!("page 1 is not page 2")
    };
    assert_eq!(why, "page 2 was asked for, and page 1 came");
    // Without its end, it is not known that it ends; without the total, that several pages are all.
    for (number, pages, results, is_whole) in [
        (1, json!(1), json!(null), true),
        (1, json!(2), json!(null), false),
        (2, json!(2), json!(null), false),
        (2, json!(2), json!(0), true),
        (1, json!(null), json!(0), false),
    ] {
        let page = read(json!({ "data": [], "page": number, "pages": pages, "results": results }), number).unwrap();
        assert_eq!(page.coverage == Coverage::Complete, is_whole, "{number} {pages} {results}");
    }
    assert!(matches!(read(json!({ "data": [] }), 1).unwrap().coverage, Coverage::Partial(_)));
    assert!(matches!(page_number(Some("2/5")), Err(Error::UnexpectedAnswer(_))));
}

#[test]
fn what_is_no_list_is_no_empty_list() {
    for body in ["", "null", "{}", "[]", "17", r#"{"data": null}"#, r#"{"data": {}}"#, r#"{"data": [null]}"#, "<p>"] {
        assert!(matches!(linodes(body.as_bytes(), 1), Err(Error::UnexpectedAnswer(_))), "{body}");
        assert!(matches!(regions(body.as_bytes(), 1), Err(Error::UnexpectedAnswer(_))), "{body}");
        assert!(linode(body.as_bytes()).is_err(), "{body}");
    }
    for errors in [r#"[{"reason": "x"}]"#, r#""x""#, "{}", "[]"] {
        let body = format!(r#"{{"data": [], "page": 1, "pages": 1, "results": 0, "errors": {errors}}}"#);
        assert!(linodes(body.as_bytes(), 1).is_err() && regions(body.as_bytes(), 1).is_err(), "{body}");
        let body = format!(r#"{{"id": 1, "status": "running", "errors": {errors}}}"#);
        assert!(linode(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn a_list_cut_off_anywhere_is_never_a_shorter_list() {
    let whole = fixture("linodes-page-1");
    let mut short: Value = serde_json::from_slice(&whole).expect("JSON");
    short["data"].as_array_mut().expect("a list").truncate(2);
    let short = short.to_string();
    for end in 0..short.len() {
        assert!(linodes(&short.as_bytes()[..end], 1).is_err(), "cut off at {end}");
    }
    let marked = [b"\xef\xbb\xbf".as_slice(), &whole].concat();
    assert_eq!(linodes(&marked, 1), linodes(&whole, 1), "a byte order mark is passed over");
}

#[test]
fn regions_are_realms_and_available_while_the_api_says_so() {
    let page = regions(&fixture("regions"), 1).unwrap();
    let found: Vec<_> = page.items.iter().map(|realm| (realm.id.as_str(), realm.name.as_str(), realm.state)).collect();
    assert_eq!(found[0], ("eu-central", "Frankfurt, DE", RealmState::Available));
    assert_eq!(found[2], ("de-fra-2", "Frankfurt 2, DE", RealmState::Unavailable));
    assert_eq!(page.total, Some(4));
    let body = json!({ "data": [{ "id": "x" }, { "id": "y", "status": "new", "label": "" }], "page": 1, "pages": 1 });
    let odd = regions(body.to_string().as_bytes(), 1).unwrap();
    let found: Vec<_> = odd.items.iter().map(|realm| (realm.name.as_str(), realm.state)).collect();
    assert_eq!(found, [("x", RealmState::Unavailable), ("y", RealmState::Unavailable)]);
}

#[test]
fn a_page_of_a_thousand_is_read() {
    let page: Value = serde_json::from_slice(&fixture("linodes-page-1")).expect("JSON");
    let entries = page["data"].as_array().expect("a list");
    let copy = |number: usize| {
        let mut entry = entries[number % entries.len()].clone();
        entry["id"] = json!(9_000_000_000_u64 + number as u64);
        entry
    };
    let many: Vec<Value> = (0..1_000).map(copy).collect();
    let body = json!({ "data": many, "page": 1, "pages": 1, "results": 1_000 }).to_string();
    let listed = linodes(body.as_bytes(), 1).unwrap();
    assert_eq!((listed.items.len(), listed.total), (1_000, Some(1_000)));
    assert!(listed.items.iter().enumerate().all(|(at, item)| item.id == (9_000_000_000_u64 + at as u64).to_string()));
}

#[test]
fn a_wait_ends_with_the_window() {
    let check = |reset: Option<&str>, expected: Option<u32>| {
        let headers = reset.map(|value| ("X-RateLimit-Reset".to_owned(), value.to_owned()));
        assert_eq!(wait(&Headers::new(headers.into_iter().collect()), 1_795_168_800_500), expected, "{reset:?}");
    };
    check(Some("1795168837"), Some(37));
    check(Some("1795168800"), Some(0));
    check(Some("1826704800"), Some(120));
    for none in [None, Some(""), Some("soon"), Some("-5"), Some("1795168799"), Some("-9223372036854775808")] {
        check(none, None);
    }
    check(Some("9223372036854775807"), Some(120));
}

#[test]
fn errors_are_quoted_in_their_own_words() {
    assert_eq!(words(&fixture("error-unauthorized")).as_deref(), Some("Invalid Token"));
    let two = br#"{"errors": [{"reason": "is odd", "field": "page"}, {"reason": ""}, {"reason": "No"}]}"#;
    assert_eq!(words(two).as_deref(), Some("page: is odd; No"));
    for none in [
        &b"<html>"[..],
        b"",
        b"[]",
        br#"{"errors": "x"}"#,
        br#"{"errors": []}"#,
        br#"{"errors": [{"field": "x"}]}"#,
        br#"{"message": "x"}"#,
        b"\xff",
    ] {
        assert_eq!(words(none), None);
    }
    assert!(says_not_found(br#"{"errors": [{"reason": "Not found"}]}"#));
    assert!(!says_not_found(br#"{"errors": [{"reason": "Invalid Token"}]}"#) && !says_not_found(b"Not found"));
}
