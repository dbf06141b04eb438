//! What is made of answers: every state, addresses, pages, and what is missing or odd.

use cloudstack::CloudStack;
use serde_json::{Value, json};
use tracker_driver_sdk::testing::{Answer, Host};
use tracker_driver_sdk::{
    Account, Address, Coverage, Driver, Error, Instance, InstanceState, Page, Query, Realm, RealmState,
};

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// A page of VMs or of zones, of a list in pages of that size.
fn page<T>(
    read: fn(&Account, &Query) -> Result<Page<T>, Error>,
    (cursor, size): (Option<&str>, &str),
    body: impl Into<Vec<u8>>,
) -> Result<Page<T>, Error> {
    let options = vec![("page-size".to_owned(), size.to_owned())];
    let account = Account { options, ..Account::new("main", "https://cloud.example", "key") };
    let query = Query { cursor: cursor.map(str::to_owned), ..Query::default() };
    Host::new().secret("password", "s3cret").answer(Answer::new(200).body(body)).run(|| read(&account, &query)).0
}

fn vms(body: impl Into<Vec<u8>>) -> Result<Page<Instance>, Error> {
    page(CloudStack::list_instances, (None, "500"), body)
}

fn zones(body: impl Into<Vec<u8>>) -> Result<Page<Realm>, Error> {
    page(CloudStack::list_realms, (None, "500"), body)
}

fn of_list(vm: Value) -> Result<Page<Instance>, Error> {
    vms(json!({ "listvirtualmachinesresponse": { "count": 1, "virtualmachine": [vm] } }).to_string())
}

fn instance(vm: Value) -> Instance {
    of_list(vm).expect("a list of one").items.remove(0)
}

#[test]
fn a_vm_is_read_whole() {
    let page = vms(fixture("vms")).unwrap();
    assert_eq!((page.items.len(), page.total, page.next), (11, Some(11), None));
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>();
    assert_eq!(
        page.items[0],
        Instance {
            name: Some("web-1".into()),
            owner: Some("shop".into()),
            realm: Some("1c2a4f0e-7e1b-4b57-9a5e-60c1f3a0d001".into()),
            image: Some("c5a1e0d2-6b7c-4d8e-9f00-112233445501".into()),
            hardware_profile: Some("medium".into()),
            launched_at: Some(1_773_480_411_000),
            public_addresses: vec![Address::ipv6("2001:db8:1::11"), Address::ipv4("203.0.113.10")],
            private_addresses: ["10.1.1.11", "10.1.1.200", "10.1.1.201", "10.2.0.11"].map(Address::ipv4).into(),
            labels: pairs(&[("team", "blue"), ("tier", "web")]),
            ..Instance::new("8d6f4c1a-3b2e-4f70-9c11-000000000001", InstanceState::Running, "Running")
        }
    );
    assert_eq!(page.items[2].public_addresses, ["198.51.100.23", "198.51.100.24"].map(Address::ipv4));
}

#[test]
fn every_state_is_mapped_and_none_is_guessed() {
    for (word, expected) in [
        ("Starting", InstanceState::Pending),
        ("Running", InstanceState::Running),
        ("Stopping", InstanceState::Stopping),
        ("Stopped", InstanceState::Stopped),
        ("Shutdown", InstanceState::Stopped),
        ("Destroyed", InstanceState::ShuttingDown),
        ("Expunging", InstanceState::ShuttingDown),
        ("Expunged", InstanceState::Finish),
        ("Error", InstanceState::Error),
        ("Migrating", InstanceState::Unknown),
        ("Restoring", InstanceState::Unknown),
        ("Unknown", InstanceState::Unknown),
        ("running", InstanceState::Unknown),
        ("Hibernating", InstanceState::Unknown),
        ("", InstanceState::Unknown),
    ] {
        let found = instance(json!({ "id": "a", "state": word }));
        assert_eq!((found.state, found.provider_state.as_str()), (expected, word));
    }
}

#[test]
fn what_may_be_missing_is_missing_and_what_has_to_be_there_is_asked_for() {
    let bare = instance(json!({
        "id": "a", "state": "Stopped", "name": null, "displayname": "", "account": null, "zoneid": null, "templateid": null,
        "serviceofferingname": "", "nic": null, "tags": null, "created": "soon", "publicip": null
    }));
    assert_eq!(bare, Instance::new("a", InstanceState::Stopped, "Stopped"));
    assert_eq!(instance(json!({ "id": "a", "state": "Stopped" })), bare);

    for (wrong, word) in [
        (json!({ "state": "Stopped" }), "`id`"),
        (json!({ "id": null, "state": "Stopped" }), "null"),
        (json!({ "id": true, "state": "Stopped" }), "boolean"),
        (json!({ "id": "a" }), "`state`"),
        (json!({ "id": "a", "state": 1 }), "integer `1`"),
        (json!({ "id": "a", "state": "Stopped", "nic": "10.0.0.1" }), "10.0.0.1"),
        (json!(null), "null"),
        (json!("a"), "struct Vm"),
    ] {
        let Err(Error::UnexpectedAnswer(message)) = of_list(wrong.clone()) else { panic!("{wrong}") };
        assert!(message.contains(word), "{wrong}: {message}");
    }
}

#[test]
fn older_and_rarer_members_are_read() {
    let of = |more: Value| {
        let mut vm = json!({ "id": 2600, "state": "Running", "name": "vm-2600" });
        vm.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        instance(vm)
    };
    let old = of(json!({ "zoneid": 3, "templateid": -1, "isoid": 77, "serviceofferingid": 105, "project": "build" }));
    let text = |text: Option<String>| text.unwrap_or_default();
    assert_eq!((old.id.as_str(), text(old.name), text(old.realm)), ("2600", "vm-2600".to_owned(), "3".to_owned()));
    assert_eq!(
        (text(old.image), text(old.hardware_profile), text(old.owner)),
        ("77".into(), "105".into(), "build".into())
    );
    assert_eq!(of(json!({ "templateid": "-1" })).image, None);
    assert_eq!(of(json!({ "displayname": "shop" })).name.as_deref(), Some("shop"));
    // Of static NAT, whatever it is; none that is on the interface, too, and each once.
    let nic = json!([{ "ipaddress": "10.0.0.2", "ip6address": "fd00::2", "publicip": "192.168.7.2" }, { "ipaddress": "10.0.0.2" }]);
    let nat = of(json!({ "nic": nic, "ipaddress": "10.0.0.2", "publicip": "10.0.0.2" }));
    assert_eq!(nat.private_addresses, [Address::ipv4("10.0.0.2"), Address::ipv6("fd00::2")]);
    assert_eq!(nat.public_addresses, [Address::ipv4("192.168.7.2")]);
    let odd = json!([{ "ipaddress": "", "ip6address": null }, { "ipaddress": "0.0.0.0" }, { "ipaddress": "none" }, {}]);
    let odd = of(json!({ "nic": odd }));
    assert!(odd.private_addresses.is_empty() && odd.public_addresses.is_empty());
    let tags = json!([{ "key": "b", "value": null }, { "key": "a", "value": " x\n" }, { "value": "y" }]);
    let labels = of(json!({ "tags": tags })).labels;
    assert_eq!(labels, [("a".to_owned(), " x\n".to_owned()), ("b".to_owned(), String::new())]);
}

#[test]
fn pages_lead_from_one_to_the_next_until_all_are_seen() {
    let of = |cursor, count: Value, length: usize| {
        let vms: Vec<_> = (0..length).map(|id| json!({ "id": id, "state": "Running" })).collect();
        let body = json!({ "listvirtualmachinesresponse": { "count": count, "virtualmachine": vms } }).to_string();
        let page = page(CloudStack::list_instances, (cursor, "2"), body).expect("a page");
        (page.next.unwrap_or_default(), page.total, page.coverage)
    };
    let complete = Coverage::Complete;
    assert_eq!(of(None, json!(5), 2), ("2.2".into(), Some(5), complete.clone()));
    assert_eq!(of(Some("2.2"), json!(5), 2), ("3.4".into(), Some(5), complete.clone()));
    assert_eq!(of(Some("3.4"), json!(5), 1), (String::new(), Some(5), complete.clone()));
    // A page that is not full is not the last one; an empty one is.
    assert_eq!(of(Some("2.2"), json!(5), 1).0, "3.3");
    assert_eq!(of(Some("3.3"), json!(4), 0), (String::new(), Some(4), complete.clone()));
    // Without a count a full page is followed.
    assert_eq!(of(None, json!(null), 2), ("2.2".into(), None, complete.clone()));
    assert_eq!(of(Some("2.2"), json!(null), 1), (String::new(), None, complete.clone()));
    // A count of the page alone is no total, and ends nothing.
    assert_eq!(of(None, json!(2), 2), ("2.2".into(), None, complete.clone()));
    assert_eq!(of(Some("2.2"), json!(2), 2), ("3.4".into(), None, complete.clone()));
    assert_eq!(of(Some("3.4"), json!(1), 1), (String::new(), None, complete.clone()));
    // A total of as many as a page has is told by the page behind it, which is empty.
    assert_eq!(of(Some("2.2"), json!(2), 0), (String::new(), Some(2), complete.clone()));
    assert_eq!(of(None, json!(1), 1), (String::new(), Some(1), complete));

    for cursor in ["", "2", "0.0", "2.x", "2.2-", "a"] {
        let result = page(CloudStack::list_instances, (Some(cursor), "2"), "{}");
        assert!(matches!(result, Err(Error::UnexpectedAnswer(_))), "{cursor}");
    }
}

#[test]
fn a_list_of_none_is_an_object_of_nothing() {
    for body in ["{}", r#"{"count": 0}"#, r#"{"virtualmachine": []}"#, r#"{"count": null}"#] {
        let page = vms(format!("{{\"listvirtualmachinesresponse\": {body}}}")).expect(body);
        assert_eq!((page.items.len(), page.next, page.coverage), (0, None, Coverage::Complete), "{body}");
    }
    // Behind the last page.
    let none = r#"{"listvirtualmachinesresponse": {"count": 4}}"#;
    assert_eq!(page(CloudStack::list_instances, (Some("3.3"), "2"), none).unwrap().next, None);
    assert!(page(CloudStack::list_instances, (Some("2.2"), "2"), none).is_err());
    assert!(vms(none).is_err());
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
        r#"{"listvirtualmachinesresponse": null, "listzonesresponse": null}"#,
        r#"{"listvirtualmachinesresponse": [], "listzonesresponse": 1}"#,
        r#"{"errorresponse": {}}"#,
        r#"{"listvirtualmachinesresponse": {"vm": []}, "listzonesresponse": {"virtualmachine": []}}"#,
        r#"{"listvirtualmachinesresponse": {"virtualmachine": {}}, "listzonesresponse": {"zone": {}}}"#,
        r#"{"listvirtualmachinesresponse": {"count": 2}, "listzonesresponse": {"count": 2}}"#,
        r#"{"listvirtualmachinesresponse": {"virtualmachine": [], "errortext": "x"}, "listzonesresponse": {"zone": [], "errorcode": 1}}"#,
        r#"{"listvirtualmachinesresponse": {}, "listzonesresponse": {}, "errorresponse": {"errortext": "x"}}"#,
    ] {
        assert!(matches!(vms(body), Err(Error::UnexpectedAnswer(_))), "{body}: {:?}", vms(body));
        assert!(matches!(zones(body), Err(Error::UnexpectedAnswer(_))), "{body}: {:?}", zones(body));
    }
    assert!(vms(r#"{"listzonesresponse": {}}"#).is_err() && zones(r#"{"listvirtualmachinesresponse": {}}"#).is_err());
}

#[test]
fn a_list_cut_off_anywhere_is_never_a_shorter_list() {
    let mut short: Value = serde_json::from_slice(&fixture("vms")).expect("JSON");
    short["listvirtualmachinesresponse"]["virtualmachine"].as_array_mut().expect("a list").truncate(1);
    let short = short.to_string();
    for end in 0..short.len() {
        assert!(vms(&short.as_bytes()[..end]).is_err(), "cut off at {end}");
    }
}

#[test]
fn zones_are_available_where_they_say_so() {
    let page = zones(fixture("zones")).unwrap();
    let found: Vec<_> = page.items.iter().map(|realm| (realm.name.as_str(), realm.state)).collect();
    assert_eq!(found, [("north", RealmState::Available), ("south", RealmState::Unavailable)]);
    let body = r#"{"listzonesresponse": {"zone": [{"id": 1}, {"id": "b", "name": "", "allocationstate": "enabled"}]}}"#;
    let odd = zones(body).unwrap().items;
    let expected = ["1", "b"].map(|id| Realm::new(id, id, RealmState::Unavailable));
    assert_eq!(odd, expected);
}

#[test]
fn a_page_of_a_thousand_is_listed() {
    let one: Value = serde_json::from_slice(&fixture("vms")).expect("JSON");
    let one = &one["listvirtualmachinesresponse"]["virtualmachine"][0];
    let many: Vec<_> = (0..1000)
        .map(|number| {
            let mut vm = one.clone();
            vm["id"] = json!(format!("8d6f4c1a-3b2e-4f70-9c11-{number:012}"));
            vm
        })
        .collect();
    let body = json!({ "listvirtualmachinesresponse": { "count": 1000, "virtualmachine": many } }).to_string();
    let page = page(CloudStack::list_instances, (None, "10000"), body).unwrap();
    assert_eq!((page.items.len(), page.next), (1000, None));
    assert!(page.items.iter().all(|vm| vm.private_addresses.len() == 4 && vm.labels.len() == 2));
}
