//! What is made of answers: addresses, labels, pages, and what is missing or odd.

use serde_json::{Value, json};
use tracker_driver_sdk::{Address, Coverage, Error, Instance, InstanceState, Page, RealmState};
use vultr::answer::{instance, instances, regions};
use vultr::problem::read;

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// An instance that runs, with what is given in place of, or beside, its own members.
fn entry(more: Value) -> Value {
    let mut entry = json!({ "id": "a-1", "status": "active", "power_status": "running", "server_status": "ok" });
    let members = entry.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    entry
}

fn of_list(entry: Value) -> Result<Page<Instance>, Error> {
    let answer = json!({ "instances": [entry], "meta": { "total": 1, "links": { "next": "", "prev": "" } } });
    instances(answer.to_string().as_bytes())
}

fn one(more: Value) -> Instance {
    of_list(entry(more)).expect("a list of one").items.remove(0)
}

#[test]
fn an_instance_is_read_whole() {
    let page = instances(&fixture("instances-page-1")).unwrap();
    let [web, _, new, _, guest, _] = &page.items[..] else { panic!("{page:?}") };
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>();
    assert_eq!(
        *web,
        Instance {
            name: Some("web-1".into()),
            realm: Some("fra".into()),
            image: Some("2625".into()),
            hardware_profile: Some("vc2-1c-1gb".into()),
            launched_at: Some(1_773_480_370_000),
            public_addresses: vec![Address::ipv4("203.0.113.10"), Address::ipv6("2001:db8:a::5400:1")],
            private_addresses: vec![Address::ipv4("10.1.96.3")],
            labels: pairs(&[("web", ""), ("env:live", "")]),
            ..Instance::new("5d0c1a10-7b2e-4c11-9f00-000000000010", InstanceState::Running, "active/running/ok")
        }
    );
    assert_eq!((new.public_addresses.len(), new.state), (0, InstanceState::Pending), "it has no address yet");
    assert_eq!(guest.name.as_deref(), Some("guest-14"), "its label is empty");
    assert_eq!(guest.image.as_deref(), Some("openlitespeed-nodejs"));
    let image = |more: Value| one(more).image;
    let (os, snapshot) = (json!({ "os_id": 164, "image_id": "", "snapshot_id": "" }), "f0d1-snapshot");
    assert_eq!(image(os).as_deref(), Some("164"));
    assert_eq!(image(json!({ "os_id": 164, "image_id": "", "snapshot_id": snapshot })).as_deref(), Some(snapshot));
    assert_eq!(
        image(json!({ "os_id": 186, "image_id": "wordpress", "snapshot_id": null })).as_deref(),
        Some("wordpress")
    );
    let alone = json!({ "instance": entry(json!({ "label": "web" })) }).to_string();
    assert_eq!(instance(alone.as_bytes()), Ok(one(json!({ "label": "web" }))));
}

#[test]
fn every_address_is_listed_once_on_its_side() {
    let page = instances(&fixture("instances-page-2")).unwrap();
    let [.., inner, two] = &page.items[..] else { panic!("{page:?}") };
    assert_eq!((inner.public_addresses.len(), &inner.private_addresses[..]), (0, &[Address::ipv4("10.1.96.9")][..]));
    let expected = ["2001:db8:14::5400:1", "2001:db8:15::5400:2"].map(Address::ipv6);
    assert_eq!(two.public_addresses[1..], expected);
    let odd = one(json!({ "main_ip": "", "v6_main_ip": "::", "internal_ip": "0.0.0.0", "v6_networks": [{}] }));
    assert_eq!((odd.public_addresses, odd.private_addresses), (vec![], vec![]));
}

#[test]
fn an_older_answer_has_one_tag() {
    let names = |more: Value| one(more).labels.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(json!({ "tag": "web" })), ["web"]);
    assert_eq!(names(json!({ "tag": "", "tags": ["b", "a"] })), ["b", "a"]);
    assert_eq!(names(json!({ "tag": "c", "tags": ["b"] })), ["b", "c"]);
}

#[test]
fn what_may_be_missing_is_missing_and_what_has_to_be_there_is_asked_for() {
    let bare = one(json!({
        "label": null, "hostname": null, "region": "", "plan": null, "image_id": null, "os_id": 0, "date_created": "",
        "main_ip": null, "v6_main_ip": null, "v6_networks": null, "internal_ip": null, "tags": null, "tag": null
    }));
    assert_eq!(bare, Instance::new("a-1", InstanceState::Running, "active/running/ok"));
    assert_eq!(one(json!({})), bare);

    for member in ["id", "status", "power_status", "server_status"] {
        let mut without = entry(json!({}));
        without.as_object_mut().expect("an object").remove(member);
        let wrong = [without, entry(json!({ member: null })), entry(json!({ member: 7 }))];
        for (wrong, word) in wrong.into_iter().zip([member, "null", "integer `7`"]) {
            let Err(Error::UnexpectedAnswer(message)) = of_list(wrong.clone()) else { panic!("{wrong}") };
            assert!(message.contains(word), "{wrong}: {message}");
        }
    }
    assert!(of_list(json!("1")).is_err() && of_list(entry(json!({ "tags": "a" }))).is_err());
}

#[test]
fn pages_lead_from_one_to_the_next_and_carry_the_total() {
    let first = instances(&fixture("instances-page-1")).unwrap();
    let cursor = Some("bmV4dF9fMjAyNjAzMTQwOTI2MTU=");
    assert_eq!((first.items.len(), first.next.as_deref(), first.total), (6, cursor, Some(11)));
    let last = instances(&fixture("instances-page-2")).unwrap();
    assert_eq!((last.items.len(), last.next, last.total, last.coverage), (5, None, Some(11), Coverage::Complete));
    let none = instances(&fixture("instances-none")).unwrap();
    assert_eq!((none.items.len(), none.coverage, none.total), (0, Coverage::Complete, Some(0)));
    // Without its end, it is not known that it ends; without the total, that it is everything.
    for meta in [
        json!(null),
        json!({}),
        json!({ "total": 0 }),
        json!({ "total": 0, "links": null }),
        json!({ "total": 0, "links": { "next": null } }),
        json!({ "links": { "next": "" } }),
        json!({ "total": null, "links": { "next": "x" } }),
    ] {
        let page = instances(json!({ "instances": [], "meta": meta }).to_string().as_bytes()).unwrap();
        assert!(matches!(page.coverage, Coverage::Partial(_)), "{meta}");
    }
    assert!(matches!(instances(br#"{"instances": []}"#).unwrap().coverage, Coverage::Partial(_)));
}

#[test]
fn what_is_no_list_is_no_empty_list() {
    for body in [
        "",
        "null",
        "{}",
        "[]",
        "17",
        r#"{"instances": null}"#,
        r#"{"instances": {}}"#,
        r#"{"instances": [null]}"#,
        "<p>",
    ] {
        assert!(matches!(instances(body.as_bytes()), Err(Error::UnexpectedAnswer(_))), "{body}");
        assert!(matches!(regions(body.as_bytes()), Err(Error::UnexpectedAnswer(_))), "{body}");
        assert!(instance(body.as_bytes()).is_err(), "{body}");
    }
    assert!(instances(br#"{"regions": []}"#).is_err() && regions(br#"{"instances": []}"#).is_err());
    for error in [r#""x""#, "{}", "17"] {
        let meta = r#""meta": {"total": 0, "links": {"next": ""}}"#;
        assert!(instances(format!(r#"{{"instances": [], {meta}, "error": {error}}}"#).as_bytes()).is_err(), "{error}");
        assert!(regions(format!(r#"{{"regions": [], {meta}, "error": {error}}}"#).as_bytes()).is_err(), "{error}");
    }
}

#[test]
fn a_list_cut_off_anywhere_is_never_a_shorter_list() {
    let whole = fixture("instances-page-1");
    let mut short: Value = serde_json::from_slice(&whole).expect("JSON");
    short["instances"].as_array_mut().expect("a list").truncate(2);
    let short = short.to_string();
    for end in 0..short.len() {
        assert!(instances(&short.as_bytes()[..end]).is_err(), "cut off at {end}");
    }
    let marked = [b"\xef\xbb\xbf".as_slice(), &whole].concat();
    assert_eq!(instances(&marked), instances(&whole), "a byte order mark is passed over");
}

#[test]
fn a_page_of_a_thousand_is_read() {
    let page: Value = serde_json::from_slice(&fixture("instances-page-1")).expect("JSON");
    let entries = page["instances"].as_array().expect("a list");
    let copy = |number: usize| {
        let mut entry = entries[number % entries.len()].clone();
        entry["id"] = json!(format!("id-{number}"));
        entry
    };
    let many: Vec<Value> = (0..1_000).map(copy).collect();
    let body = json!({ "instances": many, "meta": { "total": 1_000, "links": { "next": "" } } }).to_string();
    let listed = instances(body.as_bytes()).unwrap();
    assert_eq!((listed.items.len(), listed.total), (1_000, Some(1_000)));
    assert!(listed.items.iter().enumerate().all(|(at, item)| item.id == format!("id-{at}")));
}

#[test]
fn regions_are_realms() {
    let page = regions(&fixture("regions")).unwrap();
    let found: Vec<_> = page.items.iter().map(|realm| (realm.id.as_str(), realm.name.as_str())).collect();
    assert_eq!(found, [("fra", "Frankfurt"), ("ewr", "New Jersey"), ("del", "Delhi NCR")]);
    assert_eq!(page.total, Some(3));
    assert!(page.items.iter().all(|realm| realm.state == RealmState::Available));
    let bare = regions(br#"{"regions": [{"id": "x", "city": ""}]}"#).unwrap();
    assert_eq!(bare.items[0].name, "x");
}

#[test]
fn errors_are_read_in_their_own_words() {
    let fault = read(&fixture("error-unauthorized")).expect("an error");
    assert_eq!((fault.error.as_str(), fault.status), ("Invalid API token.", Some(401)));
    for none in [&b"<html>"[..], b"", b"[]", br#"{"error": {}}"#, br#"{"error": ""}"#, br#"{"message": "x"}"#, b"\xff"]
    {
        assert!(read(none).is_none());
    }
}
