//! What is made of answers: every state, addresses, pages, and what is missing or odd.

use hetzner::answer::{locations, page_number, servers};
use hetzner::problem::{message, wait};
use serde_json::{Value, json};
use tracker_driver_sdk::http::Headers;
use tracker_driver_sdk::{Address, Coverage, Error, Instance, InstanceState, Page, RealmState};

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn of_list(server: Value) -> Result<Page<Instance>, Error> {
    let answer = json!({ "servers": [server], "meta": { "pagination": { "next_page": null, "total_entries": 1 } } });
    servers(answer.to_string().as_bytes(), 1)
}

fn instance(server: Value) -> Instance {
    of_list(server).expect("a list of one").items.remove(0)
}

#[test]
fn a_server_is_read_whole() {
    let page = servers(&fixture("servers-page-1"), 1).unwrap();
    let [web, starting, build, old, cold] = &page.items[..] else { panic!("{page:?}") };
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>();
    assert_eq!(
        *web,
        Instance {
            name: Some("web-1".into()),
            realm: Some("fsn1".into()),
            image: Some("debian-13".into()),
            hardware_profile: Some("cx22".into()),
            launched_at: Some(1_773_480_410_000),
            public_addresses: vec![Address::ipv4("203.0.113.10"), Address::ipv6("2001:db8:1::1")],
            private_addresses: ["10.7.0.2", "10.7.0.100", "10.7.0.200"].map(Address::ipv4).into(),
            labels: pairs(&[("example.com/team", "blue"), ("tier", "web")]),
            ..Instance::new("4101", InstanceState::Running, "running")
        }
    );
    // The datacenter is null, or absent, or all that there is.
    let realms = [starting, build, old].map(|server| server.realm.as_deref());
    assert_eq!(realms, [Some("fsn1"), Some("nbg1"), Some("hel1")]);
    assert_eq!((build.image.as_deref(), cold.image.as_deref()), (Some("90210"), None), "a snapshot has no name");
    assert_eq!(cold.public_addresses, [Address::ipv4("203.0.113.14")]);
}

#[test]
fn every_state_is_mapped_and_none_is_guessed() {
    for (word, expected) in [
        ("running", InstanceState::Running),
        ("initializing", InstanceState::Pending),
        ("starting", InstanceState::Pending),
        ("stopping", InstanceState::Stopping),
        ("off", InstanceState::Stopped),
        ("deleting", InstanceState::ShuttingDown),
        ("migrating", InstanceState::Unknown),
        ("rebuilding", InstanceState::Unknown),
        ("unknown", InstanceState::Unknown),
        ("hibernating", InstanceState::Unknown),
        ("", InstanceState::Unknown),
    ] {
        let found = instance(json!({ "id": 1, "status": word }));
        assert_eq!((found.state, found.provider_state.as_str()), (expected, word));
    }
}

#[test]
fn what_may_be_missing_is_missing_and_what_has_to_be_there_is_asked_for() {
    let bare = instance(json!({
        "id": 1, "status": "off", "name": null, "image": null, "public_net": null, "private_net": null, "labels": null,
        "created": "soon", "server_type": null, "location": null, "datacenter": null
    }));
    assert_eq!(bare, Instance::new("1", InstanceState::Stopped, "off"));
    assert_eq!(instance(json!({ "id": 1, "status": "off" })), bare);
    let net = json!({ "ipv4": null, "ipv6": { "ip": "2001:db8::7/128" } });
    let odd = instance(json!({ "id": 1, "status": "off", "public_net": net, "private_net": [{ "ip": "10.0.0.2" }] }));
    assert_eq!(odd.public_addresses, [Address::ipv6("2001:db8::7")]);
    assert_eq!(odd.private_addresses, [Address::ipv4("10.0.0.2")]);

    for (wrong, word) in [
        (json!({ "status": "off" }), "`id`"),
        (json!({ "id": "1", "status": "off" }), "string \"1\""),
        (json!({ "id": 1 }), "`status`"),
        (json!({ "id": 1, "status": null }), "null"),
        (json!({ "id": 1, "status": "off", "labels": { "a": 1 } }), "integer `1`"),
        (json!("1"), "Server"),
    ] {
        let Err(Error::UnexpectedAnswer(message)) = of_list(wrong.clone()) else { panic!("{wrong}") };
        assert!(message.contains(word), "{wrong}: {message}");
    }
}

#[test]
fn pages_lead_from_one_to_the_next_and_carry_the_total() {
    let first = servers(&fixture("servers-page-1"), 1).unwrap();
    assert_eq!((first.items.len(), first.next.as_deref(), first.total), (5, Some("2"), Some(9)));
    assert_eq!(page_number(first.next.as_deref()), Ok(2));
    let last = servers(&fixture("servers-page-2"), 2).unwrap();
    assert_eq!((last.items.len(), last.next, last.total), (4, None, Some(9)));
    assert_eq!(last.coverage, Coverage::Complete);
    let none = servers(&fixture("servers-none"), 1).unwrap();
    assert_eq!((none.items.len(), none.coverage, none.total), (0, Coverage::Complete, Some(0)));
    // An empty page in the middle is no end.
    let empty = br#"{"servers": [], "meta": {"pagination": {"next_page": 4, "total_entries": 9}}}"#;
    assert_eq!(servers(empty, 3).unwrap().next.as_deref(), Some("4"));
    // One that leads back, to the page itself or beyond the last would never end.
    for (next, last) in [("2", "9"), ("3", "9"), ("0", "null"), ("5", "4")] {
        let pagination = format!(r#"{{"next_page": {next}, "last_page": {last}, "total_entries": 9}}"#);
        let body = format!(r#"{{"servers": [], "meta": {{"pagination": {pagination}}}}}"#);
        let Err(Error::UnexpectedAnswer(why)) = servers(body.as_bytes(), 3) else { panic!("{body}") };
        assert!(why.ends_with(&format!("says that page {next} follows it")), "{why}");
    }
    // Of several pages, one may lack what another had, and only the total would show it.
    for (number, next, is_whole) in [(1, "null", true), (1, "2", false), (2, "3", false), (2, "null", false)] {
        let pagination = format!(r#"{{"next_page": {next}, "total_entries": null}}"#);
        let body = format!(r#"{{"servers": [], "meta": {{"pagination": {pagination}}}}}"#);
        let page = servers(body.as_bytes(), number).unwrap();
        assert_eq!(page.coverage == Coverage::Complete, is_whole, "{number} {next}");
    }
    // One that is not the last, and that none follows.
    for total in ["null", "9"] {
        let pagination = format!(r#"{{"next_page": null, "last_page": 3, "total_entries": {total}}}"#);
        let body = format!(r#"{{"servers": [], "meta": {{"pagination": {pagination}}}}}"#);
        assert!(matches!(servers(body.as_bytes(), 2).unwrap().coverage, Coverage::Partial(_)), "{total}");
        assert!(servers(body.as_bytes(), 3).unwrap().next.is_none());
    }
    // Without its end, it is not known that it ends.
    for meta in ["", r#", "meta": null"#, r#", "meta": {}"#, r#", "meta": {"pagination": null}"#] {
        let page = servers(format!("{{\"servers\": []{meta}}}").as_bytes(), 1).unwrap();
        assert!(matches!(page.coverage, Coverage::Partial(_)), "{meta}");
    }
    assert!(matches!(page_number(Some("2/5")), Err(Error::UnexpectedAnswer(_))));
}

#[test]
fn what_is_no_list_is_no_empty_list() {
    for body in
        ["", "null", "{}", "[]", "17", r#"{"servers": null}"#, r#"{"servers": {}}"#, r#"{"servers": [null]}"#, "<p>"]
    {
        assert!(matches!(servers(body.as_bytes(), 1), Err(Error::UnexpectedAnswer(_))), "{body}");
        assert!(matches!(locations(body.as_bytes(), 1), Err(Error::UnexpectedAnswer(_))), "{body}");
    }
    assert!(servers(br#"{"locations": []}"#, 1).is_err() && locations(br#"{"servers": []}"#, 1).is_err());
    let meta = r#""meta": {"pagination": {"next_page": null, "total_entries": 0}}"#;
    for error in [r#"{"code": "x", "message": "y"}"#, r#""x""#, "{}", "17"] {
        for list in ["servers", "locations"] {
            let body = format!(r#"{{"{list}": [], {meta}, "error": {error}}}"#);
            assert!(servers(body.as_bytes(), 1).is_err() && locations(body.as_bytes(), 1).is_err(), "{body}");
        }
    }
    let no_error = format!(r#"{{"servers": [], {meta}, "error": null}}"#);
    assert_eq!(servers(no_error.as_bytes(), 1).unwrap().coverage, Coverage::Complete);
}

#[test]
fn a_list_cut_off_anywhere_is_never_a_shorter_list() {
    let whole = fixture("servers-page-1");
    let mut short: Value = serde_json::from_slice(&whole).expect("JSON");
    short["servers"].as_array_mut().expect("a list").truncate(2);
    let short = short.to_string();
    for end in 0..short.len() {
        assert!(servers(&short.as_bytes()[..end], 1).is_err(), "cut off at {end}");
    }
    let marked = [b"\xef\xbb\xbf".as_slice(), &whole].concat();
    assert_eq!(servers(&marked, 1), servers(&whole, 1), "a byte order mark is passed over");
}

#[test]
fn locations_are_realms() {
    let page = locations(&fixture("locations"), 1).unwrap();
    let found: Vec<_> = page.items.iter().map(|realm| (realm.id.as_str(), realm.name.as_str())).collect();
    assert_eq!(found[0], ("fsn1", "Falkenstein DC Park 1"));
    assert_eq!((found.len(), page.total), (3, Some(3)));
    assert!(page.items.iter().all(|realm| realm.state == RealmState::Available));
}

#[test]
fn a_wait_is_the_time_until_some_requests_are_there_again() {
    let check = |reset: Option<&str>, limit: Option<&str>, expected: Option<u32>| {
        let of = |name: &str, value: Option<&str>| value.map(|value| (name.to_owned(), value.to_owned()));
        let headers =
            Headers::new(of("RateLimit-Reset", reset).into_iter().chain(of("RateLimit-Limit", limit)).collect());
        assert_eq!(wait(&headers, 1_795_168_800_500), expected, "{reset:?} {limit:?}");
    };
    check(Some("1795172400"), Some("3600"), Some(60));
    check(Some("1795172400"), None, Some(60));
    check(Some("1795172400"), Some("many"), Some(60));
    check(Some("1795172400"), Some("7200"), Some(30));
    check(Some("1795172400"), Some("600"), Some(360));
    check(Some("1795168807"), Some("3600"), Some(7));
    for none in [None, Some(""), Some("soon"), Some("-5"), Some("1795168700"), Some("-9223372036854775808")] {
        check(none, Some("3600"), None);
    }
    check(Some("9223372036854775807"), Some("9223372036854775807"), Some(1));
}

#[test]
fn errors_are_quoted_in_their_own_words() {
    let text = |body: &[u8]| message(body).map(|(_, text)| text);
    let forbidden = text(&fixture("error-forbidden"));
    assert_eq!(forbidden.as_deref(), Some("forbidden: the token may not read servers"));
    assert_eq!(text(br#"{"error": {"message": "No"}}"#).as_deref(), Some("No"));
    assert_eq!(text(br#"{"error": {"code": "forbidden"}}"#).as_deref(), Some("forbidden"));
    for none in [&b"<html>"[..], b"", b"[]", br#"{"error": "x"}"#, br#"{"error": {}}"#, br#"{"message": "x"}"#, b"\xff"]
    {
        assert_eq!(text(none), None);
    }
}
