//! What is made of answers: every state, addresses, pages, what is partial, and what is missing or odd.

use gce::answer::{instances, zones};
use serde_json::{Value, json};
use tracker_driver_sdk::{Address, Coverage, Error, Instance, InstanceState, Page, RealmState};

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn of_list(instance: Value) -> Result<Page<Instance>, Error> {
    instances(json!({ "items": { "zones/a": { "instances": [instance] } } }).to_string().as_bytes())
}

fn instance(value: Value) -> Instance {
    of_list(value).expect("a list of one").items.remove(0)
}

fn addresses(of: &[Address]) -> Vec<&str> {
    of.iter().map(|address| address.value.as_str()).collect()
}

#[test]
fn an_instance_is_read_whole() {
    let page = instances(&fixture("instances-page-1")).unwrap();
    let [web, staging, db, batch] = &page.items[..] else { panic!("{page:?}") };
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>();
    let private = ["10.132.0.10", "10.132.7.1", "10.132.7.2", "10.9.0.10"].map(Address::ipv4);
    assert_eq!(
        *web,
        Instance {
            name: Some("web-1".into()),
            realm: Some("europe-west1-b".into()),
            image: Some("debian-13-trixie".into()),
            hardware_profile: Some("e2-standard-4".into()),
            launched_at: Some(1_773_480_410_368),
            public_addresses: vec![Address::ipv4("203.0.113.10"), Address::ipv6("2001:db8:40:10::")],
            private_addresses: private.into_iter().chain([Address::ipv6("fd20:4711:2::10")]).collect(),
            labels: pairs(&[("team", "shop"), ("tier", "web")]),
            ..Instance::new("7204518963301845127", InstanceState::Running, "RUNNING")
        }
    );
    assert_eq!((staging.name.as_deref(), db.name.as_deref()), (Some("web-2"), Some("db-1")));
    assert_eq!(db.hardware_profile.as_deref(), Some("n2-custom-8-65536"));
    assert_eq!((addresses(&db.public_addresses), addresses(&db.private_addresses)), (vec![], vec!["10.128.0.5"]));
    assert_eq!(batch.labels, pairs(&[("empty", ""), ("goog-managed-by", "batch")]));
    assert_eq!((page.next.as_deref(), page.coverage), (Some("CiBzaG9wL3BhZ2UtMg+x/A=="), Coverage::Complete));
    let last = instances(&fixture("instances-page-2")).unwrap();
    assert_eq!((last.items.len(), last.next), (8, None));
}

#[test]
fn every_state_is_mapped_and_none_is_guessed() {
    for (word, expected) in [
        ("PENDING", InstanceState::Pending),
        ("PROVISIONING", InstanceState::Pending),
        ("STAGING", InstanceState::Pending),
        ("RUNNING", InstanceState::Running),
        ("PENDING_STOP", InstanceState::Stopping),
        ("STOPPING", InstanceState::Stopping),
        ("SUSPENDING", InstanceState::Stopping),
        ("STOPPED", InstanceState::Stopped),
        ("SUSPENDED", InstanceState::Stopped),
        ("TERMINATED", InstanceState::Stopped),
        ("DEPROVISIONING", InstanceState::ShuttingDown),
        ("REPAIRING", InstanceState::Unknown),
        ("UNDEFINED_STATUS", InstanceState::Unknown),
        ("running", InstanceState::Unknown),
        ("RUNNING ", InstanceState::Unknown),
        ("NOT_RUNNING", InstanceState::Unknown),
        ("", InstanceState::Unknown),
    ] {
        let read = instance(json!({ "id": "7", "status": word }));
        assert_eq!((read.state, read.provider_state.as_str()), (expected, word), "{word}");
    }
}

#[test]
fn ids_are_texts_or_numbers_of_64_bits() {
    let id = |id: Value| of_list(json!({ "id": id, "status": "RUNNING" })).map(|mut page| page.items.remove(0).id);
    assert_eq!(id(json!("18446744073709551615")).as_deref(), Ok("18446744073709551615"));
    assert_eq!(id(json!(18_446_744_073_709_551_615_u64)).as_deref(), Ok("18446744073709551615"));
    assert_eq!(id(json!("007")).as_deref(), Ok("007"));
    for wrong in [json!(""), json!(null), json!(-1), json!(1.5), json!(["7"]), json!({}), json!(true)] {
        assert!(matches!(id(wrong.clone()), Err(Error::UnexpectedAnswer(_))), "{wrong}");
    }
}

#[test]
fn an_instance_may_lack_what_it_need_not_have() {
    let bare = instance(json!({ "id": "7", "status": "RUNNING" }));
    assert_eq!(bare, Instance::new("7", InstanceState::Running, "RUNNING"));
    let nulls = json!({
        "id": "7", "status": "RUNNING", "name": null, "zone": null, "machineType": null, "creationTimestamp": null,
        "sourceMachineImage": null, "labels": null, "disks": null, "networkInterfaces": null,
    });
    assert_eq!(instance(nulls), bare);
    let empty = json!({
        "id": "7", "status": "RUNNING", "zone": "", "machineType": "", "creationTimestamp": "", "sourceMachineImage": "",
        "labels": {}, "disks": [{ "boot": true, "licenses": [""] }],
        "networkInterfaces": [{ "networkIP": "", "accessConfigs": [{ "natIP": "0.0.0.0" }], "aliasIpRanges": [{}] }, {}],
    });
    assert_eq!(instance(empty), bare);
    for odd in ["soon", "0", "2026-03-14", "2026-13-14T00:00:00Z"] {
        let read = instance(json!({ "id": "7", "status": "RUNNING", "creationTimestamp": odd }));
        assert_eq!(read.launched_at, None, "{odd}");
    }
    // What an entry has to have, and what is of another kind, is no entry.
    for wrong in [
        json!({ "id": "7" }),
        json!({ "id": "7", "status": null }),
        json!({ "id": "7", "status": 1 }),
        json!({ "status": "RUNNING" }),
        json!({ "id": "7", "status": "RUNNING", "labels": ["a"] }),
        json!({ "id": "7", "status": "RUNNING", "networkInterfaces": {} }),
        json!(null),
    ] {
        assert!(matches!(of_list(wrong.clone()), Err(Error::UnexpectedAnswer(_))), "{wrong}");
    }
}

#[test]
fn the_image_is_a_machine_image_or_the_first_license_of_the_boot_disk() {
    let image = |more: Value| {
        let mut entry = json!({ "id": "7", "status": "RUNNING" });
        let (Some(entry), Some(more)) = (entry.as_object_mut(), more.as_object()) else { panic!("objects") };
        entry.extend(more.clone());
        instance(Value::Object(entry.clone())).image
    };
    let data = json!({ "licenses": ["https://h/projects/p/global/licenses/data"] });
    let boot =
        json!({ "boot": true, "licenses": ["https://h/projects/p/global/licenses/os", "https://h/licenses/other"] });
    let machine = "https://h/projects/p/global/machineImages/golden";
    assert_eq!(image(json!({ "disks": [data, boot], "sourceMachineImage": machine })).as_deref(), Some("golden"));
    assert_eq!(image(json!({ "disks": [data, boot] })).as_deref(), Some("os"));
    assert_eq!(image(json!({ "disks": [data] })), None);
    assert_eq!(image(json!({ "disks": [data, { "boot": true }] })), None);
}

#[test]
fn an_address_is_listed_once_and_ranges_are_none() {
    let read = instance(json!({ "id": "7", "status": "RUNNING", "networkInterfaces": [
        { "networkIP": "10.0.0.2", "ipv6Address": "2001:db8::2", "accessConfigs": [{}, { "natIP": "203.0.113.2" }],
          "ipv6AccessConfigs": [{ "externalIpv6": "2001:db8::2" }],
          "aliasIpRanges": [{ "ipCidrRange": "10.4.0.0/24" }, { "ipCidrRange": "10.0.0.9/32" }, { "ipCidrRange": "10.0.0.8" }] },
        { "networkIP": "10.0.0.2", "accessConfigs": [{ "natIP": "203.0.113.2", "externalIpv6": "2001:db8::3" }] },
    ] }));
    assert_eq!(addresses(&read.public_addresses), ["203.0.113.2", "2001:db8::2", "2001:db8::3"]);
    assert_eq!(addresses(&read.private_addresses), ["10.0.0.2", "10.0.0.9", "10.0.0.8"]);
    // Wherever a range stands, it is no host name.
    let read = instance(json!({ "id": "7", "status": "RUNNING", "networkInterfaces": [
        { "networkIP": "10.0.0.2/32", "ipv6Address": "fd20::/96", "ipv6AccessConfigs": [{ "externalIpv6": "2001:db8::/96" }] },
    ] }));
    assert_eq!((addresses(&read.public_addresses), addresses(&read.private_addresses)), (vec![], vec!["10.0.0.2"]));
}

fn coverage(answer: &Value) -> Coverage {
    instances(answer.to_string().as_bytes()).expect("a list").coverage
}

#[test]
fn what_the_answer_lacks_makes_it_partial() {
    let there = json!({ "instances": [{ "id": "7", "status": "RUNNING" }] });
    let none = json!({ "warning": { "code": "NO_RESULTS_ON_PAGE", "message": "none" } });
    assert_eq!(coverage(&json!({ "items": { "zones/a": there, "zones/b": none } })), Coverage::Complete);
    assert_eq!(coverage(&json!({ "items": { "zones/a": none }, "unreachables": [] })), Coverage::Complete);
    assert_eq!(coverage(&json!({ "items": { "zones/a": there }, "warning": none["warning"] })), Coverage::Complete);
    assert_eq!(coverage(&json!({ "items": { "zones/a": { "instances": [] } } })), Coverage::Complete);
    let unreachable = json!({ "warning": { "code": "UNREACHABLE", "message": "no answer" } });
    for (answer, words) in [
        (json!({ "items": { "zones/a": there, "zones/b": unreachable } }), "zones/b: UNREACHABLE: no answer"),
        (
            json!({ "items": { "zones/a": there }, "unreachables": ["zones/b", "zones/c"] }),
            "zones/b: unreachable; zones/c: unreachable",
        ),
        (json!({ "items": { "zones/a": there }, "warning": { "code": "PARTIAL_SUCCESS" } }), "PARTIAL_SUCCESS"),
        (json!({ "items": { "zones/a": { "instances": [], "warning": { "code": "NEW" } } } }), "zones/a: NEW"),
        (json!({ "items": { "zones/a": there, "zones/b": {} } }), "zones/b: neither instances nor a warning"),
    ] {
        assert_eq!(coverage(&answer), Coverage::Partial(words.into()), "{answer}");
    }
    let many: Vec<String> = (0..1_000).map(|number| format!("zones/z-{number}")).collect();
    let Coverage::Partial(words) = coverage(&json!({ "items": {}, "unreachables": many })) else { panic!("complete") };
    assert!(words.len() < 400, "{words}");
}

#[test]
fn what_is_no_list_is_an_error() {
    for wrong in [
        json!({}),
        json!({ "items": null }),
        json!({ "items": [] }),
        json!({ "items": { "zones/a": {} } }),
        json!({ "items": { "zones/a": {}, "zones/b": { "warning": { "code": "NO_RESULTS_ON_PAGE" } } } }),
        json!({ "items": { "zones/a": { "instances": null } } }),
        json!({ "items": { "zones/a": null } }),
        json!({ "items": {}, "nextPageToken": 7 }),
        json!({ "items": {}, "error": { "code": 500 } }),
        json!([]),
    ] {
        let read = instances(wrong.to_string().as_bytes());
        assert!(matches!(read, Err(Error::UnexpectedAnswer(_))), "{wrong}: {read:?}");
    }
    for wrong in [
        json!({}),
        json!({ "items": null }),
        json!({ "items": {} }),
        json!({ "items": [{ "name": "a" }] }),
        json!({ "items": [{ "name": "", "status": "UP" }] }),
    ] {
        let read = zones(wrong.to_string().as_bytes());
        assert!(matches!(read, Err(Error::UnexpectedAnswer(_))), "{wrong}: {read:?}");
    }
    assert_eq!(instances(&fixture("instances-none")).unwrap().items, []);
}

#[test]
fn an_answer_that_is_cut_off_is_never_a_list() {
    for name in ["instances-page-1", "instances-page-2", "instances-none"] {
        let whole = fixture(name);
        for end in 0..whole.len() - 2 {
            let read = instances(&whole[..end]);
            assert!(
                matches!(read, Err(Error::Unavailable(_) | Error::UnexpectedAnswer(_))),
                "{name} to {end}: {read:?}"
            );
        }
    }
}

#[test]
fn a_zone_is_available_where_the_api_says_that_it_is_up() {
    let page = zones(&fixture("zones")).unwrap();
    let states: Vec<_> = page.items.iter().map(|zone| (zone.id.as_str(), zone.state)).collect();
    let up = RealmState::Available;
    let down = ("europe-west1-c", RealmState::Unavailable);
    assert_eq!(
        states,
        [("asia-east1-c", up), ("europe-west1-b", up), down, ("us-central1-a", up), ("us-central1-f", up)]
    );
    assert!(page.items.iter().all(|zone| zone.name == zone.id && zone.limit.is_none()));
    let odd = json!({ "items": [{ "name": "a", "status": "up" }, { "name": "b", "status": "" }] }).to_string();
    assert!(zones(odd.as_bytes()).unwrap().items.iter().all(|zone| zone.state == RealmState::Unavailable));
    let partial = json!({ "items": [], "warning": { "code": "UNREACHABLE" }, "nextPageToken": "x" }).to_string();
    let page = zones(partial.as_bytes()).unwrap();
    assert_eq!((page.coverage, page.next.as_deref()), (Coverage::Partial("UNREACHABLE".into()), Some("x")));
}

#[test]
fn a_thousand_instances_keep_their_own_values() {
    let zone = |number: usize| format!("z-{}", number % 7);
    let mut items = json!({});
    for number in 0..1_000 {
        let url = format!("https://h/compute/v1/projects/p/zones/{}", zone(number));
        let mut entry = json!({ "id": (10_000 + number).to_string(), "name": format!("n-{number}"), "status": "RUNNING",
            "zone": url, "networkInterfaces": [{ "networkIP": format!("10.0.{}.{}", number / 250, number % 250 + 1) }] });
        if number % 2 == 0 {
            entry["labels"] = json!({ "number": number.to_string() });
        }
        let scope = &mut items[format!("zones/{}", zone(number))]["instances"];
        match scope.as_array_mut() {
            Some(entries) => entries.push(entry),
            None => *scope = json!([entry]),
        }
    }
    let page = instances(json!({ "items": items }).to_string().as_bytes()).unwrap();
    assert_eq!(page.items.len(), 1_000);
    for read in &page.items {
        let number = read.id.parse::<usize>().expect("a number") - 10_000;
        let address = format!("10.0.{}.{}", number / 250, number % 250 + 1);
        let own = (Some(format!("n-{number}")), Some(zone(number)), vec![Address::ipv4(address)]);
        assert_eq!((read.name.clone(), read.realm.clone(), read.private_addresses.clone()), own);
        let labels = if number % 2 == 0 { vec![("number".to_owned(), number.to_string())] } else { Vec::new() };
        assert_eq!(read.labels, labels);
    }
}
