//! What is made of answers: every state, addresses, pages, and what is missing or odd.

use digitalocean::answer::{droplets, page_number, regions};
use digitalocean::problem::{message, wait};
use serde_json::{Value, json};
use tracker_driver_sdk::http::Headers;
use tracker_driver_sdk::{Address, Coverage, Error, Instance, InstanceState, Page, RealmState};

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn of_list(droplet: Value) -> Result<Page<Instance>, Error> {
    let answer = json!({ "droplets": [droplet], "links": {}, "meta": { "total": 1 } });
    droplets(answer.to_string().as_bytes(), 1)
}

fn instance(droplet: Value) -> Instance {
    of_list(droplet).expect("a list of one").items.remove(0)
}

#[test]
fn a_droplet_is_read_whole() {
    let page = droplets(&fixture("droplets"), 1).unwrap();
    let [web, fresh, cold] = &page.items[..] else { panic!("{page:?}") };
    assert_eq!(
        *web,
        Instance {
            name: Some("web-1".into()),
            realm: Some("nyc3".into()),
            image: Some("debian-13-x64".into()),
            hardware_profile: Some("s-1vcpu-1gb".into()),
            launched_at: Some(1_779_005_140_000),
            public_addresses: vec![Address::ipv4("203.0.113.50"), Address::ipv6("2001:db8:9::1")],
            private_addresses: vec![Address::ipv4("10.9.0.2")],
            labels: vec![("web".into(), String::new()), ("env:live".into(), String::new())],
            ..Instance::new("50001", InstanceState::Running, "active")
        }
    );
    assert_eq!(fresh.image.as_deref(), Some("424242"), "a snapshot has no slug");
    assert_eq!(cold.public_addresses, [Address::ipv4("203.0.113.52")]);
    assert_eq!((page.next, page.coverage, page.total), (None, Coverage::Complete, Some(3)));
}

#[test]
fn every_state_is_mapped_and_none_is_guessed() {
    for (word, expected) in [
        ("new", InstanceState::Pending),
        ("active", InstanceState::Running),
        ("off", InstanceState::Stopped),
        ("archive", InstanceState::Finish),
        ("migrating", InstanceState::Unknown),
        ("", InstanceState::Unknown),
    ] {
        let found = instance(json!({ "id": 1, "status": word }));
        assert_eq!((found.state, found.provider_state.as_str()), (expected, word));
    }
}

#[test]
fn what_may_be_missing_is_missing_and_what_has_to_be_there_is_asked_for() {
    let bare = instance(json!({
        "id": 1, "status": "off", "name": null, "image": null, "networks": null, "region": null, "tags": null,
        "created_at": "yesterday", "size_slug": null
    }));
    assert_eq!(bare, Instance::new("1", InstanceState::Stopped, "off"));
    assert_eq!(instance(json!({ "id": 1, "status": "off" })), bare);
    let image = |image: Value| instance(json!({ "id": 1, "status": "off", "image": image })).image;
    assert_eq!(image(json!({ "id": 7, "slug": "" })).as_deref(), Some("7"));
    let networks =
        json!({ "v4": [{ "ip_address": "10.0.0.1", "type": "reserved" }, { "type": "public" }], "v6": null });
    assert_eq!(instance(json!({ "id": 1, "status": "off", "networks": networks })), bare);

    for (wrong, word) in [
        (json!({ "status": "off" }), "`id`"),
        (json!({ "id": "1", "status": "off" }), "string \"1\""),
        (json!({ "id": true, "status": "off" }), "boolean `true`"),
        (json!({ "id": 1 }), "`status`"),
        (json!({ "id": 1, "status": null }), "null"),
        (json!({ "id": 1, "status": "off", "tags": [1] }), "integer `1`"),
        (json!({ "id": 1, "status": "off", "networks": [] }), "Networks"),
        (json!({ "id": 1, "status": "off", "networks": { "v4": ["10.0.0.1"] } }), "Network"),
    ] {
        let Err(Error::UnexpectedAnswer(message)) = of_list(wrong.clone()) else { panic!("{wrong}") };
        assert!(message.contains(word), "{wrong}: {message}");
    }
}

#[test]
fn pages_lead_from_one_to_the_next_and_carry_the_total() {
    let first = droplets(&fixture("droplets-page-1"), 1).unwrap();
    assert_eq!((first.items.len(), first.next.as_deref(), first.total), (3, Some("2"), Some(5)));
    assert_eq!(page_number(first.next.as_deref()), Ok(2));
    let last = droplets(&fixture("droplets-page-2"), 2).unwrap();
    assert_eq!((last.items.len(), last.next, last.total), (2, None, Some(5)));
    assert_eq!(last.coverage, Coverage::Complete);
    let none = droplets(&fixture("droplets-empty"), 1).unwrap();
    assert_eq!((none.items.len(), none.coverage, none.total), (0, Coverage::Complete, Some(0)));
    // An empty page in the middle is no end, and on which host its link leads does not matter.
    let linked = |next: &str, last: &str| {
        let pages = format!(r#"{{"next": "https://elsewhere.example/v2/droplets{next}", "last": "{last}"}}"#);
        droplets(format!(r#"{{"droplets": [], "links": {{"pages": {pages}}}, "meta": {{"total": 7}}}}"#).as_bytes(), 3)
    };
    for (next, last) in [("?page=4", "/v2/droplets?page=4"), ("?per_page=1&page=4#top", "elsewhere"), ("?page=4", "")] {
        assert_eq!(linked(next, last).unwrap().next.as_deref(), Some("4"), "{next} {last}");
    }
    // One that leads back, to the page itself, beyond the last, or nowhere, would never end.
    for (next, last) in
        [("?page=2", ""), ("?page=3", ""), ("?page=5", "?page=4"), ("", ""), ("?page=", ""), ("?page=x", "")]
    {
        let Err(Error::UnexpectedAnswer(why)) = linked(next, last) else { panic!("{next} {last}") };
        assert!(why.starts_with("page 3 says that https://elsewhere.example/v2/droplets"), "{why}");
    }
    for links in ["null", "{}", r#"{"pages": null}"#, r#"{"pages": {}}"#, r#"{"pages": {"next": ""}}"#] {
        let page = droplets(format!(r#"{{"droplets": [], "links": {links}, "meta": {{"total": 0}}}}"#).as_bytes(), 1);
        let page = page.unwrap();
        assert_eq!((page.next, page.coverage), (None, Coverage::Complete), "{links}");
    }
    // One that is not the last, and that names none to follow it.
    let last = |number: u64| {
        let pages = r#"{"last": "https://api.example/v2/droplets?page=3"}"#;
        let body = format!(r#"{{"droplets": [], "links": {{"pages": {pages}}}, "meta": {{"total": 7}}}}"#);
        droplets(body.as_bytes(), number).unwrap().coverage
    };
    assert!(matches!(last(2), Coverage::Partial(_)));
    assert_eq!(last(3), Coverage::Complete);
    for meta in ["", r#", "meta": null"#, r#", "meta": {}"#] {
        let page = droplets(format!("{{\"droplets\": []{meta}}}").as_bytes(), 1).unwrap();
        assert!(matches!(page.coverage, Coverage::Partial(_)), "{meta}");
    }
    assert!(matches!(page_number(Some("2/5")), Err(Error::UnexpectedAnswer(_))));
}

#[test]
fn what_is_no_list_is_no_empty_list() {
    for body in [
        "",
        "null",
        "{}",
        "[]",
        "17",
        r#"{"droplets": null, "meta": {"total": 0}}"#,
        r#"{"droplets": {}, "meta": {"total": 0}}"#,
        r#"{"droplets": [], "meta": {"total": "0"}}"#,
        r#"{"droplets": [null], "meta": {"total": 1}}"#,
        r#"{"droplets": [], "meta": {"total": 0}, "links": []}"#,
        r#"{"regions": [], "meta": {"total": 0}}"#,
        r#"{"droplets": [], "meta": {"total": 0}, "message": "no"}"#,
        "<html>Please log in</html>",
    ] {
        assert!(matches!(droplets(body.as_bytes(), 1), Err(Error::UnexpectedAnswer(_))), "{body}");
    }
    assert!(regions(br#"{"droplets": [], "meta": {"total": 0}}"#, 1).is_err());
}

#[test]
fn a_list_cut_off_anywhere_is_never_a_shorter_list() {
    let whole = fixture("droplets-page-1");
    let mut short: Value = serde_json::from_slice(&whole).expect("JSON");
    short["droplets"].as_array_mut().expect("a list").truncate(2);
    let short = short.to_string();
    for end in 0..short.len() {
        assert!(droplets(&short.as_bytes()[..end], 1).is_err(), "cut off at {end}");
    }
    let marked = [b"\xef\xbb\xbf".as_slice(), &whole].concat();
    assert_eq!(droplets(&marked, 1), droplets(&whole, 1), "a byte order mark is passed over");
}

#[test]
fn regions_are_available_where_that_is_said() {
    let page = regions(&fixture("regions"), 1).unwrap();
    let found: Vec<_> = page.items.iter().map(|realm| (realm.id.as_str(), realm.name.as_str(), realm.state)).collect();
    let (yes, no) = (RealmState::Available, RealmState::Unavailable);
    assert_eq!(found, [("nyc3", "New York 3", yes), ("fra1", "Frankfurt 1", yes), ("nyc1", "New York 1", no)]);
    for available in ["null", "false"] {
        let body = format!(r#"{{"regions": [{{"slug": "x", "available": {available}}}], "meta": {{"total": 1}}}}"#);
        let realm = regions(body.as_bytes(), 1).unwrap().items.remove(0);
        assert_eq!((realm.name.as_str(), realm.state), ("x", no));
    }
}

#[test]
fn the_wait_is_until_the_oldest_request_is_forgotten() {
    let check = |reset: Option<&str>, expected: Option<u32>| {
        let header = reset.map(|value| ("RateLimit-Reset".to_owned(), value.to_owned()));
        assert_eq!(wait(&Headers::new(header.into_iter().collect()), 1_795_168_800_000), expected, "{reset:?}");
    };
    check(Some("1795168930"), Some(130));
    check(Some("1795168800"), Some(0));
    // Recorded answers, and clocks that differ, have it in the past.
    check(Some("1795168799"), None);
    check(Some("1444931833"), None);
    check(Some("1895168800"), Some(3_600));
    check(Some("9223372036854775807"), Some(3_600));
    for none in [None, Some(""), Some("soon"), Some("-1")] {
        check(none, None);
    }
}

#[test]
fn errors_are_quoted_in_their_own_words() {
    let text = |body: &[u8]| message(body).map(|(_, text)| text);
    let unauthorized = text(&fixture("error-unauthorized"));
    assert_eq!(unauthorized.as_deref(), Some("unauthorized: the token is not known"));
    assert_eq!(text(br#"{"id": "", "message": "No"}"#).as_deref(), Some("No"));
    assert_eq!(text(br#"{"id": "x"}"#).as_deref(), Some("x"));
    for none in [&b"<html>"[..], b"", b"[]", b"{}", br#"{"id": ""}"#, b"\xff"] {
        assert_eq!(text(none), None);
    }
}
