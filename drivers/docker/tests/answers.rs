//! What is made of answers: every state, names, addresses, and what is missing or odd.

use docker::answer::{containers, engine};
use docker::problem::message;
use serde_json::{Value, json};
use tracker_driver_sdk::{Address, Error, Instance, InstanceState, RealmState};

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn of_list(container: Value) -> Result<Vec<Instance>, Error> {
    containers(json!([container]).to_string().as_bytes())
}

fn instance(container: Value) -> Instance {
    of_list(container).expect("a list of one").remove(0)
}

/// A container with nothing but what it has to have, and what is given.
fn with(members: Value) -> Instance {
    let mut container = json!({ "Id": "c0ffee", "State": "exited" });
    let Value::Object(members) = members else { panic!("{members}") };
    container.as_object_mut().expect("an object").extend(members);
    instance(container)
}

fn texts(addresses: &[Address]) -> Vec<&str> {
    addresses.iter().map(|address| address.value.as_str()).collect()
}

#[test]
fn a_container_is_read_whole() {
    let list = containers(&fixture("containers")).unwrap();
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>();
    let web = &list[0];
    assert_eq!(web.id.len(), 64);
    assert_eq!(
        *web,
        Instance {
            name: Some("shop-web-1".into()),
            realm: Some("engine".into()),
            image: Some("registry.example.com/shop/web:2.4".into()),
            launched_at: Some(1_794_996_000_000),
            public_addresses: vec![
                Address::ipv4("198.51.100.20"),
                Address::ipv4("203.0.113.5"),
                Address::ipv6("2001:db8:5::20")
            ],
            private_addresses: vec![Address::ipv4("172.18.0.2"), Address::ipv6("fd00:5:1::2")],
            labels: pairs(&[
                ("com.docker.compose.project", "shop"),
                ("com.docker.compose.service", "web"),
                ("com.example.team", "blue"),
                ("maintenance", ""),
            ]),
            ..Instance::new(web.id.clone(), InstanceState::Running, "running")
        }
    );
    let found: Vec<_> = list.iter().map(|found| (found.name.as_deref(), found.state)).collect();
    assert_eq!(
        found[1..],
        [
            (Some("shop-db-1"), InstanceState::Stopped),
            (Some("report"), InstanceState::Stopped),
            (Some("flaky"), InstanceState::Pending),
            (Some("tomorrow"), InstanceState::Stopped),
            (Some("temp_6"), InstanceState::ShuttingDown),
            (None, InstanceState::Error),
            (Some("exporter"), InstanceState::Running),
            (Some("v6only"), InstanceState::Running),
        ]
    );
    let podman = containers(&fixture("containers-podman")).unwrap();
    assert_eq!(podman[0].name.as_deref(), Some("batch"));
    assert_eq!(texts(&podman[0].private_addresses), ["10.88.0.5"]);
    assert_eq!(podman[0].labels, pairs(&[("io.podman.compose.project", "batch")]));
}

#[test]
fn every_state_is_mapped_and_none_is_guessed() {
    for (word, expected) in [
        // Docker's.
        ("created", InstanceState::Stopped),
        ("running", InstanceState::Running),
        ("paused", InstanceState::Stopped),
        ("restarting", InstanceState::Pending),
        ("removing", InstanceState::ShuttingDown),
        ("exited", InstanceState::Stopped),
        ("dead", InstanceState::Error),
        // Podman's own.
        ("initialized", InstanceState::Stopped),
        ("stopped", InstanceState::Stopped),
        ("stopping", InstanceState::Stopping),
        ("unknown", InstanceState::Unknown),
        ("bad state", InstanceState::Unknown),
        // Nobody's.
        ("checkpointed", InstanceState::Unknown),
        ("running fast", InstanceState::Unknown),
        (" running", InstanceState::Unknown),
        ("", InstanceState::Unknown),
    ] {
        let capital = word[..word.len().min(1)].to_uppercase() + word.get(1..).unwrap_or_default();
        for written in [word.to_owned(), capital, word.to_uppercase()] {
            let found = instance(json!({ "Id": "c0ffee", "State": written }));
            assert_eq!((found.state, found.provider_state), (expected, written));
        }
    }
}

#[test]
fn an_old_engine_says_in_its_status_alone_what_a_container_does() {
    for (status, word, expected) in [
        ("Up 2 hours", "Up", InstanceState::Running),
        ("Up Less than a second", "Up", InstanceState::Running),
        ("Up 2 hours (Paused)", "Paused", InstanceState::Stopped),
        ("Exited (137) 3 hours ago", "Exited", InstanceState::Stopped),
        ("Exit 0", "Exit", InstanceState::Stopped),
        ("Created", "Created", InstanceState::Stopped),
        ("Restarting (1) 5 seconds ago", "Restarting", InstanceState::Pending),
        ("Removal In Progress", "Removal In Progress", InstanceState::ShuttingDown),
        ("Dead", "Dead", InstanceState::Error),
        ("Host Down", "Host", InstanceState::Unknown),
        ("Upgrading", "Upgrading", InstanceState::Unknown),
    ] {
        let found = instance(json!({ "Id": "c0ffee", "Status": status }));
        assert_eq!((found.state, found.provider_state.as_str()), (expected, word), "{status}");
        // The state's own word counts where there is one.
        assert_eq!(with(json!({ "Status": status })).provider_state, "exited");
    }
}

#[test]
fn the_name_is_the_containers_own_and_not_that_of_a_link() {
    let check = |names: Value, expected: Option<&str>| {
        assert_eq!(with(json!({ "Names": names })).name.as_deref(), expected, "{names}");
    };
    check(json!(["/web"]), Some("web"));
    check(json!(["/shop/db", "/db-1", "/other/db"]), Some("db-1"));
    check(json!(["web"]), Some("web"));
    check(json!(["/node-3/web"]), Some("node-3/web"));
    check(json!(["", "/", "/web"]), Some("web"));
    for none in [json!([]), json!(null), json!([""]), json!(["/"])] {
        check(none, None);
    }
}

#[test]
fn an_address_is_public_or_private_by_its_range() {
    let check = |ip: &str, is_public: bool| {
        let found = with(json!({ "NetworkSettings": { "Networks": { "a": { "IPAddress": ip } } } }));
        let (list, other) = match is_public {
            true => (found.public_addresses, found.private_addresses),
            false => (found.private_addresses, found.public_addresses),
        };
        assert_eq!((texts(&list), texts(&other)), (vec![ip], vec![]), "{ip}");
    };
    for private in
        ["10.0.0.2", "172.16.0.2", "172.31.255.2", "192.168.1.2", "100.64.0.2", "169.254.0.2", "fd00::2", "fe80::2"]
    {
        check(private, false);
    }
    for public in ["198.51.100.2", "203.0.113.2", "172.32.0.2", "100.128.0.2", "2001:db8::2"] {
        check(public, true);
    }
    // Two networks, one of them twice, and what is no address.
    let networks = json!({
        "b": { "IPAddress": "10.0.1.2", "GlobalIPv6Address": "fd00:1::2" },
        "a": { "IPAddress": "10.0.0.2", "GlobalIPv6Address": "" },
        "c": { "IPAddress": "10.0.0.2", "GlobalIPv6Address": "::" },
        "d": { "IPAddress": "none", "GlobalIPv6Address": null },
        "e": null,
        "f": {}
    });
    let found = with(json!({ "NetworkSettings": { "Networks": networks } }));
    assert_eq!(texts(&found.private_addresses), ["10.0.0.2", "10.0.1.2", "fd00:1::2"]);
    assert_eq!(found.public_addresses, []);
    let odd = json!({
        "a": { "IPAddress": "10.0.0.2/24", "GlobalIPv6Address": "::ffff:10.0.0.2" },
        "b": { "IPAddress": "::ffff:c633:6402", "GlobalIPv6Address": "fe80::2%eth0" }
    });
    let found = with(json!({ "NetworkSettings": { "Networks": odd } }));
    assert_eq!(
        (texts(&found.public_addresses), texts(&found.private_addresses)),
        (vec!["198.51.100.2"], vec!["10.0.0.2", "fe80::2"])
    );
}

#[test]
fn a_port_published_at_a_public_address_makes_it_one_of_the_container() {
    let check = |ips: &[Value], expected: &[&str]| {
        let ports: Vec<Value> =
            ips.iter().map(|ip| json!({ "IP": ip, "PrivatePort": 80, "PublicPort": 8080 })).collect();
        let found = with(json!({ "Ports": ports }));
        assert_eq!((texts(&found.public_addresses), found.private_addresses), (expected.to_vec(), vec![]), "{ips:?}");
    };
    check(&[json!("203.0.113.5"), json!("203.0.113.5"), json!("2001:db8::5")], &["203.0.113.5", "2001:db8::5"]);
    check(&[json!("203.0.113.6"), json!("203.0.113.5")], &["203.0.113.5", "203.0.113.6"]);
    // All addresses of the machine, its own alone, and those of its networks.
    check(
        &[json!("0.0.0.0"), json!("::"), json!("127.0.0.1"), json!("::1"), json!("10.0.0.1"), json!(""), json!(null)],
        &[],
    );
    assert_eq!(with(json!({ "Ports": [{ "PrivatePort": 80, "Type": "tcp" }] })), with(json!({ "Ports": null })));
}

#[test]
fn what_may_be_missing_is_missing_and_what_has_to_be_there_is_asked_for() {
    let bare = Instance { realm: Some("engine".into()), ..Instance::new("c0ffee", InstanceState::Stopped, "exited") };
    assert_eq!(with(json!({})), bare);
    let nulls = json!({
        "Names": null, "Image": null, "ImageID": null, "Created": null, "Labels": null, "NetworkSettings": null, "Ports": null
    });
    assert_eq!(with(nulls), bare);
    assert_eq!(with(json!({ "NetworkSettings": { "Networks": null }, "Image": "", "Labels": {} })), bare);
    // Times that are none, and one that no clock shows.
    for created in [0, -1, -62_135_596_800_i64, i64::MAX] {
        assert_eq!(with(json!({ "Created": created })).launched_at, None, "{created}");
    }
    let image = |image: &str| with(json!({ "Image": image, "ImageID": "sha256:beef" })).image;
    assert_eq!(image("web:2").as_deref(), Some("web:2"));
    assert_eq!(image("").as_deref(), Some("sha256:beef"));
    assert_eq!(with(json!({ "Labels": { "a": null } })).labels, [("a".to_owned(), String::new())]);

    for (wrong, word) in [
        (json!({ "State": "running" }), "`Id`"),
        (json!({ "Id": "c0ffee" }), "`State`"),
        (json!({ "Id": 7, "State": "running" }), "integer `7`"),
        (json!({ "Id": "c0ffee", "State": null }), "c0ffee has no `State`"),
        (json!({ "Id": "c0ffee", "State": null, "Status": " " }), "c0ffee has no `State`"),
        (json!({ "Id": "c0ffee", "State": { "Status": "running" } }), "map"),
        (json!({ "Id": "c0ffee", "State": "running", "Created": "2026-11-20T10:00:00Z" }), "string"),
        (json!({ "Id": "c0ffee", "State": "running", "Labels": ["a"] }), "sequence"),
        (json!(null), "null"),
        (json!("c0ffee"), "string"),
    ] {
        let Err(Error::UnexpectedAnswer(message)) = of_list(wrong.clone()) else { panic!("{wrong}") };
        assert!(message.contains(word), "{wrong}: {message}");
    }
}

#[test]
fn what_is_no_list_is_no_empty_list() {
    for body in ["", "null", "{}", "17", r#"{"message": "no"}"#, r#"{"containers": []}"#, "[null]", "[[]]", "<p>", "OK"]
    {
        assert!(matches!(containers(body.as_bytes()), Err(Error::UnexpectedAnswer(_))), "{body}");
        assert!(matches!(engine(body.as_bytes()), Err(Error::UnexpectedAnswer(_))), "{body}");
    }
    assert_eq!(containers(b"[]\n"), Ok(vec![]));
    assert!(engine(b"[]").is_err() && containers(&fixture("info")).is_err());
}

#[test]
fn a_list_cut_off_anywhere_is_never_a_shorter_list() {
    let whole = fixture("containers");
    let mut short: Value = serde_json::from_slice(&whole).expect("JSON");
    short.as_array_mut().expect("a list").truncate(2);
    let short = short.to_string();
    for end in 0..short.len() {
        assert!(containers(&short.as_bytes()[..end]).is_err(), "cut off at {end}");
    }
    assert!(containers(format!("{short}]").as_bytes()).is_err(), "more than a list");
}

#[test]
fn a_thousand_containers_keep_their_own_values() {
    let list: Vec<Value> = serde_json::from_slice(&fixture("containers")).expect("JSON");
    let thousand = (0..1000).map(|number| {
        let mut container = list[number % list.len()].clone();
        container["Id"] = json!(format!("{number:064x}"));
        container["Names"] = json!([format!("/c-{number}")]);
        container
    });
    let found = containers(Value::from_iter(thousand).to_string().as_bytes()).unwrap();
    let few = containers(&fixture("containers")).unwrap();
    assert_eq!(found.len(), 1000);
    for (number, found) in found.into_iter().enumerate() {
        let name = Some(format!("c-{number}"));
        assert_eq!(found, Instance { id: format!("{number:064x}"), name, ..few[number % few.len()].clone() });
    }
}

#[test]
fn the_engine_is_a_realm() {
    let realm = engine(&fixture("info")).unwrap();
    assert_eq!((realm.id.as_str(), realm.name.as_str()), ("engine", "build-1.example.com"));
    assert_eq!((realm.state, realm.limit), (RealmState::Available, None));
    assert_eq!(engine(br#"{"Name": ""}"#).unwrap().name, "engine");
    for wrong in [&br#"{"Name": null}"#[..], br#"{"ID": "7b1c"}"#, br#"{"Name": "#] {
        assert!(engine(wrong).is_err());
    }
}

#[test]
fn errors_are_quoted_in_their_own_words() {
    assert_eq!(message(br#"{"message": "page not found"}"#).as_deref(), Some("page not found"));
    let podman = br#"{"cause": "database is locked", "message": "listing: database is locked", "response": 500}"#;
    assert_eq!(message(podman).as_deref(), Some("listing: database is locked"));
    for none in [&b"<html>"[..], b"", b"[]", br#"{"message": 1}"#, br#"{"message": ""}"#, br#"{"cause": "x"}"#, b"\xff"]
    {
        assert_eq!(message(none), None);
    }
}
