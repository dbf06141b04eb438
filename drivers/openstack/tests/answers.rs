//! What is made of answers: every state, every member, pages, changes, zones, and what is missing or odd.

use openstack::answer::{server, servers, zones};
use openstack::settings::Settings;
use serde_json::{Value, json};
use tracker_driver_sdk::{Account, Address, Coverage, Error, Instance, InstanceState, Page, RealmState};

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn account(options: &[(&str, &str)]) -> Account {
    let options = [("project", "shop")].iter().chain(options).map(|(n, v)| (n.to_string(), v.to_string())).collect();
    Account { options, ..Account::new("lab", "https://cloud.example", "demo") }
}

fn page(body: &[u8]) -> Result<Page<Instance>, Error> {
    let account = account(&[]);
    servers(body, false, &Settings::of(&account).expect("options"))
}

fn of_list(server: Value) -> Result<Page<Instance>, Error> {
    page(json!({ "servers": [server] }).to_string().as_bytes())
}

fn instance(server: Value) -> Instance {
    of_list(server).expect("a list of one").items.remove(0)
}

fn bare(status: &str) -> Value {
    json!({ "id": "7a10", "status": status, "addresses": {} })
}

#[test]
fn a_server_is_read_whole() {
    let read = page(&fixture("servers-page-1")).unwrap();
    let [web, second, _, new, volume, ..] = &read.items[..] else { panic!("{read:?}") };
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>();
    assert_eq!(
        *web,
        Instance {
            name: Some("web-1".into()),
            owner: Some("5f0c2a7de1b84c5f9a3d6e7b8c901234".into()),
            realm: Some("zone-1".into()),
            image: Some("3c1e6f5a-9b7d-4e20-8a41-0d2f6c9b7e15".into()),
            hardware_profile: Some("m1.small".into()),
            launched_at: Some(1_793_607_300_000),
            public_addresses: vec![Address::ipv4("203.0.113.11")],
            private_addresses: vec![Address::ipv4("10.20.0.11"), Address::ipv6("2001:db8:20::11")],
            labels: pairs(&[("critical", ""), ("team", "blue"), ("tier", "web")]),
            ..Instance::new("7a100101-4c3b-4d2e-9f10-5b6c7d8e9f01", InstanceState::Running, "ACTIVE")
        }
    );
    assert_eq!(second.private_addresses, ["10.30.0.12", "10.20.0.12"].map(Address::ipv4), "of each network");
    assert_eq!((&new.realm, new.launched_at, new.private_addresses.len()), (&None, None, 0), "not yet anywhere");
    assert_eq!((volume.image.as_deref(), volume.hardware_profile.as_deref()), (None, Some("m1.large")));
    // Before microversion 2.47 only the flavor's id is known.
    let older = page(&fixture("servers-older")).unwrap();
    assert_eq!((older.items[0].hardware_profile.as_deref(), older.items[0].labels.len()), (Some("2"), 0));
}

#[test]
fn every_state_is_mapped_and_none_is_guessed() {
    use InstanceState::{Error, Finish, Pending, Running, ShuttingDown, Stopped, Unknown};
    for (word, expected) in [
        ("ACTIVE", Running),
        ("BUILD", Pending),
        ("DELETED", Finish),
        ("ERROR", Error),
        ("HARD_REBOOT", Running),
        ("MIGRATING", Unknown),
        ("PASSWORD", Running),
        ("PAUSED", Stopped),
        ("REBOOT", Running),
        ("REBUILD", Unknown),
        ("RESCUE", Running),
        ("RESIZE", Unknown),
        ("REVERT_RESIZE", Unknown),
        ("SHELVED", Stopped),
        ("SHELVED_OFFLOADED", Stopped),
        ("SHUTOFF", Stopped),
        ("SOFT_DELETED", ShuttingDown),
        ("SUSPENDED", Stopped),
        ("UNKNOWN", Unknown),
        ("VERIFY_RESIZE", Unknown),
        ("active", Unknown),
        ("STOPPING", Unknown),
        ("", Unknown),
    ] {
        let found = instance(bare(word));
        assert_eq!((found.state, found.provider_state.as_str()), (expected, word));
    }
    // Only where the word leaves it open does the power state say it.
    for (word, power, expected) in [
        ("MIGRATING", 1, Running),
        ("MIGRATING", 3, Stopped),
        ("MIGRATING", 0, Unknown),
        ("VERIFY_RESIZE", 1, Running),
        ("VERIFY_RESIZE", 4, Stopped),
        ("VERIFY_RESIZE", 7, Stopped),
        ("VERIFY_RESIZE", 6, Unknown),
        ("RESIZE", 1, Unknown),
        ("REBUILD", 4, Unknown),
        ("ACTIVE", 4, Running),
        ("SHUTOFF", 1, Stopped),
    ] {
        let mut entry = bare(word);
        entry["OS-EXT-STS:power_state"] = power.into();
        assert_eq!(instance(entry).state, expected, "{word} {power}");
    }
}

#[test]
fn what_may_be_missing_is_missing_and_what_has_to_be_there_is_asked_for() {
    let least = Instance::new("7a10", InstanceState::Stopped, "SHUTOFF");
    assert_eq!(instance(bare("SHUTOFF")), least);
    let mut nulls = bare("SHUTOFF");
    for member in [
        "name",
        "tenant_id",
        "image",
        "flavor",
        "metadata",
        "tags",
        "OS-EXT-AZ:availability_zone",
        "OS-SRV-USG:launched_at",
        "OS-EXT-STS:power_state",
    ] {
        nulls[member] = Value::Null;
    }
    assert_eq!(instance(nulls), least);
    let mut odd = bare("SHUTOFF");
    odd["tenant_id"] = "".into();
    odd["image"] = "".into();
    odd["flavor"] = json!({});
    odd["metadata"] = json!({});
    odd["OS-EXT-AZ:availability_zone"] = "".into();
    odd["OS-SRV-USG:launched_at"] = "soon".into();
    assert_eq!(instance(odd), least);
    assert_eq!(instance(json!({ "id": 17, "status": "SHUTOFF" })).id, "17", "as in version 1.1 of the API");
    let mut labels = bare("SHUTOFF");
    labels["metadata"] = json!({ "b": "2", "a": null, "same": "x" });
    labels["tags"] = json!(["same", "c"]);
    let expected = [("a", ""), ("b", "2"), ("c", ""), ("same", "x")].map(|(n, v)| (n.to_string(), v.to_string()));
    assert_eq!(instance(labels).labels, expected);

    for (wrong, word) in [
        (json!({ "status": "ACTIVE" }), "`id`"),
        (json!({ "id": 1.5, "status": "ACTIVE" }), "an id"),
        (json!({ "id": "", "status": "ACTIVE" }), "the empty text"),
        (json!({ "id": "17" }), "`status`"),
        (json!({ "id": "17", "status": null }), "null"),
        (json!({ "id": "17", "status": "ACTIVE", "image": "x" }), "image"),
        (json!({ "id": "17", "status": "ACTIVE", "image": 3 }), "image"),
        (json!({ "id": "17", "status": "ACTIVE", "addresses": [] }), "map"),
        (json!({ "id": "17", "status": "ACTIVE", "metadata": { "a": 1 } }), "integer `1`"),
        (json!("17"), "Server"),
    ] {
        let Err(Error::UnexpectedAnswer(message)) = of_list(wrong.clone()) else { panic!("{wrong}") };
        assert!(message.contains(word), "{wrong}: {message}");
    }
}

#[test]
fn times_are_utc_whether_they_say_so_or_not() {
    for text in
        ["2026-11-02T08:15:00.000000", "2026-11-02T08:15:00", "2026-11-02T08:15:00Z", "2026-11-02T10:15:00+02:00"]
    {
        let mut entry = bare("ACTIVE");
        entry["OS-SRV-USG:launched_at"] = text.into();
        assert_eq!(instance(entry).launched_at, Some(1_793_607_300_000), "{text}");
    }
}

#[test]
fn addresses_are_what_their_type_says_and_of_public_networks_public() {
    let entry = |network: &str, ips: Value| {
        let mut entry = bare("ACTIVE");
        entry["addresses"] = json!({ network: ips });
        entry
    };
    let both = |found: &Instance| (found.public_addresses.clone(), found.private_addresses.clone());
    let ips = json!([
        { "addr": "198.51.100.7", "version": 4, "OS-EXT-IPS:type": "fixed" },
        { "addr": "198.51.100.7", "version": 4, "OS-EXT-IPS:type": "fixed" },
        { "addr": "203.0.113.7", "version": 4, "OS-EXT-IPS:type": "floating" },
        { "addr": "203.0.113.8", "version": 4, "OS-EXT-IPS:type": "borrowed" },
        { "addr": "0.0.0.0", "version": 4, "OS-EXT-IPS:type": "fixed" },
        { "addr": "no address", "version": 4, "OS-EXT-IPS:type": "fixed" },
        { "version": 4, "OS-EXT-IPS:type": "fixed" }
    ]);
    let private = both(&instance(entry("outside", ips.clone())));
    assert_eq!(private, (vec![Address::ipv4("203.0.113.7")], vec![Address::ipv4("198.51.100.7")]));
    let account = account(&[("public-networks", "inside, outside")]);
    let body = json!({ "servers": [entry("outside", ips)] }).to_string();
    let public = servers(body.as_bytes(), false, &Settings::of(&account).unwrap()).unwrap();
    assert_eq!(both(&public.items[0]), (["198.51.100.7", "203.0.113.7"].map(Address::ipv4).into(), vec![]));
    // Without a type, as in version 1.1 of the API.
    for (network, expected) in [("public", (1, 0)), ("private", (0, 1)), ("other", (0, 0))] {
        let (public, private) = both(&instance(entry(network, json!([{ "addr": "198.51.100.7", "version": 4 }]))));
        assert_eq!((public.len(), private.len()), expected, "{network}");
    }
}

#[test]
fn an_address_that_is_public_anywhere_is_not_private_as_well() {
    let mut entry = bare("ACTIVE");
    let address = |kind: &str| json!([{ "addr": "203.0.113.7", "version": 4, "OS-EXT-IPS:type": kind }]);
    entry["addresses"] = json!({ "a": address("fixed"), "b": address("floating") });
    let found = instance(entry);
    assert_eq!((found.public_addresses, found.private_addresses), (vec![Address::ipv4("203.0.113.7")], vec![]));
}

#[test]
fn pages_lead_from_one_to_the_next() {
    let first = page(&fixture("servers-page-1")).unwrap();
    let last = first.items.last().map(|server| server.id.clone());
    assert_eq!((first.items.len(), first.next, first.coverage), (8, last, Coverage::Complete));
    let none = page(&fixture("servers-none")).unwrap();
    assert_eq!((none.items.len(), none.next, none.coverage), (0, None, Coverage::Complete));
    let next = |links: Value| page(json!({ "servers": [], "servers_links": links }).to_string().as_bytes());
    // Whatever host and path a link has, only its marker counts, escaped as it stands.
    for (href, marker) in [
        ("https://evil.example/x?marker=7a10", "7a10"),
        ("http://h/v2.1/p/servers/detail?all_tenants=1&limit=5&marker=a%2Bb%26c+d%3D%3D&x=1#y", "a%2Bb%26c+d%3D%3D"),
        ("?marker=7a10", "7a10"),
    ] {
        let links = json!([{ "rel": "previous", "href": "?marker=0" }, { "rel": "next", "href": href }]);
        assert_eq!(next(links).unwrap().next.as_deref(), Some(marker), "{href}");
    }
    for none in [json!([]), json!(null), json!([{ "rel": "self", "href": "?marker=1" }])] {
        assert_eq!(next(none).unwrap().next, None);
    }
    for wrong in ["", "https://cloud.example/servers", "?marker=", "?limit=1", "?remarker=1", "?x=1#&marker=2"] {
        let answer = next(json!([{ "rel": "next", "href": wrong }]));
        assert!(matches!(answer, Err(Error::UnexpectedAnswer(_))), "{wrong}: {answer:?}");
    }
    assert!(next(json!([{ "rel": "next" }])).is_err() && next(json!("x")).is_err());
}

#[test]
fn servers_of_an_unreachable_cell_make_a_page_partial() {
    let found = page(&fixture("servers-unreachable-cell")).unwrap();
    let Coverage::Partial(why) = &found.coverage else { panic!("{found:?}") };
    assert!(why.contains("the cell of 1 of the servers"), "{why}");
    let stub = &found.items[0];
    assert_eq!((stub.state, stub.provider_state.as_str(), &stub.name), (InstanceState::Unknown, "UNKNOWN", &None));
    // One by itself has some more members, and no zone.
    let body = json!({ "server": { "id": "7a10", "status": "UNKNOWN", "image": { "id": "3c1e" },
        "flavor": { "original_name": "m1.small" }, "OS-EXT-AZ:availability_zone": "UNKNOWN", "OS-EXT-STS:power_state": 0 } });
    let account = account(&[]);
    let alone = server(body.to_string().as_bytes(), &Settings::of(&account).unwrap()).unwrap();
    assert!(matches!(alone.coverage, Coverage::Partial(_)), "{alone:?}");
    assert_eq!((alone.items[0].realm.as_deref(), alone.items[0].image.as_deref()), (None, Some("3c1e")));
    // One that Nova reaches, and of which it does not know the state, is whole.
    assert_eq!(of_list(bare("UNKNOWN")).unwrap().coverage, Coverage::Complete);
}

#[test]
fn changes_have_what_is_gone() {
    let account = account(&[]);
    let settings = Settings::of(&account).unwrap();
    let changed = servers(&fixture("servers-changed"), true, &settings).unwrap();
    let names: Vec<_> = changed.items.iter().map(|server| server.name.as_deref()).collect();
    assert_eq!(names, [Some("web-1-renamed"), Some("fresh")]);
    let gone = ["7a101313-4c3b-4d2e-9f10-5b6c7d8e9f13", "7a101212-4c3b-4d2e-9f10-5b6c7d8e9f12"];
    assert_eq!(changed.coverage, Coverage::Delta(gone.map(str::to_owned).into()));
    // By themselves they are not there, either.
    for (word, count) in [("DELETED", 0), ("SOFT_DELETED", 0), ("ERROR", 1)] {
        let alone = server(json!({ "server": bare(word) }).to_string().as_bytes(), &settings).unwrap();
        assert_eq!(alone.items.len(), count, "{word}");
    }
}

#[test]
fn zones_are_realms_and_available_only_where_it_is_said() {
    let page = zones(&fixture("zones")).unwrap();
    let found: Vec<_> = page.items.iter().map(|realm| (realm.id.as_str(), realm.name.as_str(), realm.state)).collect();
    let (up, down) = (RealmState::Available, RealmState::Unavailable);
    assert_eq!(found, [("zone-1", "zone-1", up), ("zone-2", "zone-2", up), ("zone-3", "zone-3", down)]);
    for state in [json!(null), json!({}), json!({ "available": null }), json!({ "available": false })] {
        let body = json!({ "availabilityZoneInfo": [{ "zoneName": "z", "zoneState": state }] });
        assert_eq!(zones(body.to_string().as_bytes()).unwrap().items[0].state, down, "{state}");
    }
    for nameless in [&br#"[{"zoneState": {}}]"#[..], br#"[{"zoneName": ""}]"#] {
        let body = [br#"{"availabilityZoneInfo": "#, nameless, b"}"].concat();
        assert!(matches!(zones(&body), Err(Error::UnexpectedAnswer(_))), "{nameless:?}");
    }
}

#[test]
fn what_is_no_list_is_no_empty_list() {
    for body in
        ["", "null", "{}", "[]", "17", r#"{"servers": null}"#, r#"{"servers": {}}"#, r#"{"servers": [null]}"#, "<p>"]
    {
        assert!(matches!(page(body.as_bytes()), Err(Error::UnexpectedAnswer(_))), "{body}");
        let body = body.replace("servers", "availabilityZoneInfo");
        assert!(matches!(zones(body.as_bytes()), Err(Error::UnexpectedAnswer(_))), "{body}");
    }
    assert!(page(br#"{"availabilityZoneInfo": []}"#).is_err() && zones(br#"{"servers": []}"#).is_err());
    for fault in ["error", "computeFault", "overLimit", "forbidden", "unauthorized", "serviceUnavailable"] {
        let body = format!(r#"{{"servers": [], "availabilityZoneInfo": [], "{fault}": {{"code": 500}}}}"#);
        assert!(page(body.as_bytes()).is_err() && zones(body.as_bytes()).is_err(), "{fault}");
    }
}

#[test]
fn a_list_cut_off_anywhere_is_never_a_shorter_list() {
    let whole = fixture("servers-page-1");
    let mut short: Value = serde_json::from_slice(&whole).expect("JSON");
    short["servers"].as_array_mut().expect("a list").truncate(2);
    let short = short.to_string();
    for end in 0..short.len() {
        assert!(page(&short.as_bytes()[..end]).is_err(), "cut off at {end}");
    }
    let marked = [b"\xef\xbb\xbf".as_slice(), &whole].concat();
    assert_eq!(page(&marked), page(&whole), "a byte order mark is passed over");
}

#[test]
fn a_page_of_a_thousand_keeps_each_server_apart() {
    let list: Value = serde_json::from_slice(&fixture("servers-page-1")).expect("JSON");
    let many: Vec<Value> = (0..1000)
        .map(|number| {
            let mut entry = list["servers"][0].clone();
            entry["id"] = format!("7a10-{number}").into();
            entry["name"] = format!("web-{number}").into();
            entry["addresses"] = json!({ "net": [{ "addr": format!("10.1.{}.{}", number / 250, number % 250 + 1),
                "version": 4, "OS-EXT-IPS:type": "fixed" }] });
            entry
        })
        .collect();
    let read = page(json!({ "servers": many }).to_string().as_bytes()).unwrap();
    assert_eq!(read.items.len(), 1000);
    for (number, server) in read.items.iter().enumerate() {
        assert_eq!(
            (server.id.as_str(), server.name.as_deref()),
            (format!("7a10-{number}").as_str(), Some(format!("web-{number}").as_str()))
        );
        let own = format!("10.1.{}.{}", number / 250, number % 250 + 1);
        assert_eq!(server.private_addresses, [Address::ipv4(own)]);
    }
}
