//! What is made of answers: every state, addresses, pages, clusters, and what is missing or odd.

use nutanix::answer::{clusters, is_uuid, machine, machines, page_number};
use nutanix::state;
use serde_json::{Value, json};
use tracker_driver_sdk::{Address, Coverage, Error, Instance, InstanceState, Page, RealmState};

/// The answer to an exchange of a cassette.
fn answer(cassette: &str, exchange: usize) -> Value {
    let path = format!("{}/cassettes/{cassette}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let cassette: Value = serde_json::from_slice(&text).expect("JSON");
    cassette["exchanges"][exchange]["answer"]["body_json"].clone()
}

fn list(entries: Value) -> Vec<u8> {
    let total = entries.as_array().map_or(0, Vec::len);
    json!({ "data": entries, "metadata": { "totalAvailableResults": total } }).to_string().into()
}

fn of_list(entry: Value) -> Result<Page<Instance>, Error> {
    machines(&list(json!([entry])), 0)
}

fn one(entry: Value) -> Instance {
    of_list(entry).expect("a list of one").items.remove(0)
}

#[test]
fn every_state_is_mapped_and_none_is_guessed() {
    for (word, expected) in [
        ("ON", InstanceState::Running),
        ("OFF", InstanceState::Stopped),
        ("PAUSED", InstanceState::Stopped),
        ("SUSPENDED", InstanceState::Stopped),
        ("UNDETERMINED", InstanceState::Unknown),
        ("$UNKNOWN", InstanceState::Unknown),
        ("$REDACTED", InstanceState::Unknown),
        ("on", InstanceState::Unknown),
        ("MIGRATING", InstanceState::Unknown),
        ("", InstanceState::Unknown),
    ] {
        assert_eq!(state::of(word), expected, "{word}");
        let found = one(json!({ "extId": "a", "powerState": word }));
        assert_eq!((found.state, found.provider_state.as_str()), (expected, word));
    }
}

#[test]
fn a_machine_is_read_whole() {
    let page = machines(answer("vms", 0).to_string().as_bytes(), 0).unwrap();
    let labels = [1, 2].map(|number| (format!("4e0c910b-77aa-4d1e-8b0c-5a2f6d3e900{number}"), String::new()));
    assert_eq!(
        page.items[0],
        Instance {
            name: Some("web-1".into()),
            owner: Some("4e0c9106-77aa-4d1e-8b0c-5a2f6d3e9001".into()),
            realm: Some("000641a2-1c3d-4e5f-0000-0000000a0011".into()),
            image: Some("4e0c910a-77aa-4d1e-8b0c-5a2f6d3e9002".into()),
            launched_at: Some(1_773_480_361_495),
            public_addresses: vec![Address::ipv4("203.0.113.10"), Address::ipv6("2001:db8:1::11")],
            private_addresses: ["10.50.0.11", "10.50.0.12", "10.51.0.11"].map(Address::ipv4).into(),
            labels: labels.into(),
            ..Instance::new("4e0c9101-77aa-4d1e-8b0c-5a2f6d3e9001", InstanceState::Running, "ON")
        }
    );
    assert_eq!((page.items.len(), page.total, page.coverage), (8, Some(8), Coverage::Complete));
}

#[test]
fn what_may_be_missing_is_missing_and_what_has_to_be_there_is_asked_for() {
    let bare = Instance::new("a", InstanceState::Unknown, "");
    assert_eq!(one(json!({ "extId": "a" })), bare);
    assert_eq!(
        one(json!({
            "extId": "a", "name": "", "powerState": null, "createTime": "soon", "cluster": null, "ownershipInfo": {},
            "categories": [{}, { "extId": "" }], "nics": [{ "networkInfo": null }, {}],
            "disks": [{}, { "backingInfo": { "dataSource": { "reference": { "imageExtId": "" } } } }]
        })),
        bare
    );
    for (wrong, word) in [
        (json!({}), "`extId`"),
        (json!({ "extId": "" }), "`extId`"),
        (json!({ "extId": 7 }), "integer `7`"),
        (json!({ "extId": "a", "powerState": 1 }), "integer `1`"),
        (json!({ "extId": "a", "nics": {} }), "map"),
        (json!(null), "null"),
    ] {
        let Err(Error::UnexpectedAnswer(message)) = of_list(wrong.clone()) else { panic!("{wrong}") };
        assert!(message.contains(word), "{wrong}: {message}");
    }
}

#[test]
fn addresses_are_those_given_out_and_those_seen_each_once() {
    let value = |ip: &str| json!({ "value": ip, "prefixLength": 32 });
    let seen = json!({ "ipv4Info": { "learnedIpAddresses": [value("10.0.0.2"), value("198.51.100.2")] } });
    let given = json!({
        "ipv4Config": { "ipAddress": value("10.0.0.1"), "secondaryIpAddressList": [value("10.0.0.2"), value("0.0.0.0"), {}] },
        "ipv6Info": { "learnedIpv6Addresses": [value("fe80::1"), value("2001:db8::1"), value("fd00::1"), value("::ffff:10.0.0.1")] }
    });
    let nics = json!([{ "networkInfo": seen, "nicNetworkInfo": given }, { "nicNetworkInfo": seen }]);
    let found = one(json!({ "extId": "a", "nics": nics }));
    assert_eq!(found.public_addresses, [Address::ipv4("198.51.100.2"), Address::ipv6("2001:db8::1")]);
    let private = [Address::ipv4("10.0.0.2"), Address::ipv4("10.0.0.1"), Address::ipv6("fd00::1")];
    assert_eq!(found.private_addresses, private);
}

#[test]
fn pages_lead_from_one_to_the_next_and_carry_the_total() {
    let of = |metadata: Value, number: u64| {
        machines(json!({ "data": [], "metadata": metadata }).to_string().as_bytes(), number)
    };
    let next = |metadata: Value, number: u64| of(metadata, number).map(|page| page.next);
    let link = |href: &str| json!({ "totalAvailableResults": 900, "links": [{ "rel": "self", "href": "" }, { "rel": "next", "href": href }] });
    assert_eq!(next(link("https://other.example/x?$page=3&$limit=100"), 2), Ok(Some("3".into())));
    assert_eq!(next(link("http://10.0.0.1/x?%24limit=100&%24page=4"), 2), Ok(Some("4".into())));
    // One that leads back would never end, and one that leads nowhere is none.
    for wrong in ["/x?$page=2", "/x?$page=1", "/x?$page=", "/x?$page=-1", "/x?page=3", "/x", ""] {
        assert!(matches!(next(link(wrong), 2), Err(Error::UnexpectedAnswer(_))), "{wrong}");
    }
    // Without a link the total says whether there is more.
    for (total, number, expected) in
        [(0, 0, None), (100, 0, None), (101, 0, Some("1")), (200, 1, None), (201, 1, Some("2"))]
    {
        assert_eq!(next(json!({ "totalAvailableResults": total }), number), Ok(expected.map(str::to_owned)), "{total}");
    }
    assert!(next(json!({ "totalAvailableResults": 7 }), u64::MAX).is_ok());
    assert!(matches!(of(json!({}), 0).unwrap().coverage, Coverage::Partial(_)));
    let flag =
        |name: &str, value: bool| json!({ "totalAvailableResults": 0, "flags": [{ "name": name, "value": value }] });
    assert!(matches!(of(flag("isTruncated", true), 0).unwrap().coverage, Coverage::Partial(_)));
    assert_eq!(of(flag("isTruncated", false), 0).unwrap().coverage, Coverage::Complete);
    assert!(matches!(of(flag("hasError", true), 0), Err(Error::UnexpectedAnswer(_))));
    assert!(of(flag("hasError", false), 0).is_ok());
    // No member of a flag or a link is required.
    let bare = json!({ "totalAvailableResults": 101, "flags": [{}, { "name": null }, { "name": "isTruncated" }, { "name": "hasError", "value": null }],
                       "links": [{}, { "rel": null, "href": null }, { "rel": "self" }] });
    let page = of(bare, 0).unwrap();
    assert_eq!((page.next.as_deref(), page.coverage), (Some("1"), Coverage::Complete));
    let nowhere = json!({ "totalAvailableResults": 101, "links": [{ "rel": "next", "href": null }] });
    assert!(matches!(of(nowhere, 0), Err(Error::UnexpectedAnswer(_))));
    assert_eq!((page_number(None), page_number(Some("7"))), (Ok(0), Ok(7)));
    assert!(matches!(page_number(Some("7/x")), Err(Error::UnexpectedAnswer(_))));
}

#[test]
fn what_is_no_list_is_no_empty_list() {
    for body in [
        "",
        "null",
        "{}",
        "[]",
        "17",
        "<p>",
        r#"{"data": []}"#,
        r#"{"data": [], "metadata": null}"#,
        r#"{"data": null, "metadata": {"totalAvailableResults": 0}}"#,
        r#"{"data": {}, "metadata": {"totalAvailableResults": 0}}"#,
        r#"{"data": [null], "metadata": {"totalAvailableResults": 1}}"#,
        r#"{"metadata": {"totalAvailableResults": 1}}"#,
        r#"{"metadata": {}}"#,
        r#"{"data": [], "metadata": {"totalAvailableResults": 0}, "error": {}}"#,
        r#"{"data": [], "metadata": {"totalAvailableResults": "0"}}"#,
    ] {
        assert!(matches!(machines(body.as_bytes(), 0), Err(Error::UnexpectedAnswer(_))), "{body}");
        assert!(matches!(clusters(body.as_bytes(), 0), Err(Error::UnexpectedAnswer(_))), "{body}");
    }
    // Where there is nothing, there is no `data`.
    let none = br#"{"metadata": {"totalAvailableResults": 0}}"#;
    assert_eq!(machines(none, 0), Ok(Page::complete(vec![]).of_total(Some(0))));
    let whole = answer("vms-changing", 0).to_string();
    for end in 0..whole.len() {
        assert!(machines(&whole.as_bytes()[..end], 0).is_err(), "cut off at {end}");
    }
}

#[test]
fn clusters_are_realms_and_available_where_it_says_so() {
    let of = |config: Value| {
        clusters(&list(json!([{ "extId": "c", "name": "north", "config": config }])), 0).unwrap().items.remove(0)
    };
    assert_eq!(of(json!({ "isAvailable": true })).state, RealmState::Available);
    for not in [json!({ "isAvailable": false }), json!({ "isAvailable": null }), json!({}), json!(null)] {
        assert_eq!(of(not).state, RealmState::Unavailable);
    }
    let unnamed = clusters(&list(json!([{ "extId": "c" }])), 0).unwrap().items.remove(0);
    assert_eq!((unnamed.id.as_str(), unnamed.name.as_str()), ("c", "c"));
    assert!(matches!(clusters(&list(json!([{ "name": "north" }])), 0), Err(Error::UnexpectedAnswer(_))));
}

#[test]
fn a_single_machine_is_read_and_an_id_is_a_uuid() {
    assert_eq!(machine(br#"{"data": {"extId": "a", "powerState": "ON"}}"#).unwrap().id, "a");
    for wrong in [
        "{}",
        r#"{"data": null}"#,
        r#"{"data": []}"#,
        r#"{"data": {"extId": "a"}, "metadata": {"flags": [{"name": "hasError", "value": true}]}}"#,
    ] {
        assert!(matches!(machine(wrong.as_bytes()), Err(Error::UnexpectedAnswer(_))), "{wrong}");
    }
    assert!(is_uuid("4e0c9101-77aa-4d1e-8b0c-5a2f6d3e9001"));
    for wrong in [
        "",
        "..",
        "4e0c9101-77aa-4d1e-8b0c-5a2f6d3e900",
        "4e0c9101/77aa-4d1e-8b0c-5a2f6d3e9001",
        "é".repeat(18).as_str(),
    ] {
        assert!(!is_uuid(wrong), "{wrong}");
    }
}

#[test]
fn a_thousand_machines_are_read() {
    let one = answer("vms", 0)["data"][0].clone();
    let many: Vec<Value> = (0..1000)
        .map(|number| {
            let mut entry = one.clone();
            (entry["extId"], entry["name"]) = (json!(format!("id-{number}")), json!(format!("vm-{number}")));
            entry
        })
        .collect();
    let page = machines(&list(json!(many)), 9).unwrap();
    assert_eq!(page.items.len(), 1000);
    for (number, item) in page.items.iter().enumerate() {
        assert_eq!(
            (item.id.as_str(), item.name.as_deref()),
            (&*format!("id-{number}"), Some(&*format!("vm-{number}")))
        );
    }
}
