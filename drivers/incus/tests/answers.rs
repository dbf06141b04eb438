//! What is made of answers: every state, addresses, labels, members, and what is missing or odd.

use incus::answer::{Server, instance, instances, members, parts_of, projects, server};
use incus::state;
use serde_json::{Value, json};
use tracker_driver_sdk::{Address, Coverage, Error, Instance, InstanceState, Page, Realm, RealmState};

fn sync(metadata: &Value) -> Vec<u8> {
    json!({ "type": "sync", "status_code": 200, "error_code": 0, "error": "", "metadata": metadata }).to_string().into()
}

/// An entry with what each has, and what is given.
fn entry(more: Value) -> Value {
    let mut entry = json!({ "name": "web", "project": "default", "status": "Stopped", "state": {} });
    entry.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    entry
}

fn of_list(more: Value) -> Result<Page<Instance>, Error> {
    instances(&sync(&json!([entry(more)])), None)
}

fn one(more: Value) -> Instance {
    of_list(more).expect("a list of one").items.remove(0)
}

fn bare(id: &str, status: &str) -> Instance {
    let project = id.split_once('/').map_or("default", |(project, _)| project);
    let name = id.rsplit('/').next().map(str::to_owned);
    Instance { name, owner: Some(project.to_owned()), ..Instance::new(id, state::of(status), status) }
}

#[test]
fn every_state_is_mapped_and_none_is_guessed() {
    for (word, expected) in [
        ("Started", InstanceState::Running),
        ("Stopped", InstanceState::Stopped),
        ("Running", InstanceState::Running),
        ("Starting", InstanceState::Pending),
        ("Stopping", InstanceState::Stopping),
        ("Aborting", InstanceState::Stopping),
        ("Freezing", InstanceState::Stopping),
        ("Frozen", InstanceState::Stopped),
        ("Thawed", InstanceState::Running),
        ("Error", InstanceState::Error),
        ("Ready", InstanceState::Running),
        // These are of operations.
        ("Operation created", InstanceState::Unknown),
        ("Pending", InstanceState::Unknown),
        ("Cancelling", InstanceState::Unknown),
        ("Success", InstanceState::Unknown),
        ("Failure", InstanceState::Unknown),
        ("Cancelled", InstanceState::Unknown),
        ("running", InstanceState::Unknown),
        ("Hibernated", InstanceState::Unknown),
    ] {
        let found = one(json!({ "status": word }));
        assert_eq!((found.state, found.provider_state.as_str()), (expected, word));
    }
}

#[test]
fn an_instance_is_read_whole() {
    let found = one(json!({
        "name": "db-1", "project": "shop", "status": "Running", "location": "server02",
        "created_at": "2026-03-14T05:26:50.5-04:00", "profiles": ["default", "small"],
        "config": { "user.team": "blue", "user.user-data": "#cloud-config", "volatile.base_image": "5a1e", "limits.cpu": "2" },
        "expanded_config": { "user.team": "red", "user.tier": "db", "user.empty": "", "user.vendor-data": "x", "a": null,
                             "image.description": "Debian" },
        "state": { "network": {
            "lo": { "addresses": [{ "address": "127.0.0.1", "scope": "local" }] },
            "eth1": { "addresses": [{ "address": "203.0.113.7", "scope": "global" }, { "address": "fe80::7", "scope": "link" }] },
            "eth0": { "addresses": [{ "address": "10.0.0.7", "scope": "global" }, { "address": "fd42::7", "scope": "global" },
                                    { "address": "10.0.0.8", "scope": "odd" }, { "address": "10.0.0.9" }, {}] },
            "eth2": null, "eth3": { "addresses": null }
        } }
    }));
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>();
    assert_eq!(
        found,
        Instance {
            realm: Some("server02".into()),
            image: Some("5a1e".into()),
            hardware_profile: Some("default,small".into()),
            launched_at: Some(1_773_480_410_500),
            public_addresses: vec![Address::ipv4("203.0.113.7")],
            private_addresses: vec![Address::ipv4("10.0.0.7"), Address::ipv6("fd42::7")],
            labels: pairs(&[("user.empty", ""), ("user.team", "blue"), ("user.tier", "db")]),
            ..bare("shop/db-1", "Running")
        }
    );
    let config = json!({ "image.description": "Debian trixie" });
    assert_eq!(one(json!({ "expanded_config": config })).image.as_deref(), Some("Debian trixie"));
}

#[test]
fn what_may_be_missing_is_missing_and_what_has_to_be_there_is_asked_for() {
    assert_eq!(one(json!({})), bare("web", "Stopped"));
    let nulls = json!({ "location": "", "created_at": "0001-01-01T00:00:00Z", "profiles": null, "config": null,
                        "expanded_config": null, "state": { "network": null } });
    assert_eq!(one(nulls), bare("web", "Stopped"));
    for (wrong, word) in [
        (json!({ "name": "" }), "`name`"),
        (json!({ "name": null }), "null"),
        (json!({ "status": "" }), "web has no `status`"),
        (json!({ "status": 103 }), "integer `103`"),
        (json!({ "project": "" }), "web has no `project`"),
        (json!({ "config": { "user.a": 1 } }), "integer `1`"),
        (json!({ "state": { "network": [] } }), "sequence"),
    ] {
        let Err(Error::UnexpectedAnswer(message)) = of_list(wrong.clone()) else { panic!("{wrong}") };
        assert!(message.contains(word), "{wrong}: {message}");
    }
}

#[test]
fn an_instance_without_its_state_makes_the_list_partial() {
    let lost = |name: &str| {
        entry(json!({ "name": name, "status": "Error", "state": null, "created_at": "0001-01-01T00:00:00Z" }))
    };
    let page = instances(&sync(&json!([lost("b"), entry(json!({})), lost("a")])), None).unwrap();
    assert_eq!(page.items.len(), 3);
    assert_eq!(page.items[0], bare("b", "Error"));
    assert!(matches!(&page.coverage, Coverage::Partial(why) if why.ends_with("reach: a b")), "{:?}", page.coverage);
    let many: Vec<Value> = (0..7).map(|number| lost(&format!("n{number}"))).collect();
    let page = instances(&sync(&json!(many)), None).unwrap();
    assert!(
        matches!(&page.coverage, Coverage::Partial(why) if why.ends_with("n0 n1 n2 n3 n4 ...")),
        "{:?}",
        page.coverage
    );
    // An instance that failed, and whose state is known.
    assert_eq!(of_list(json!({ "status": "Error" })).unwrap().coverage, Coverage::Complete);
    assert_eq!(instance(&sync(&entry(json!({}))), "default").unwrap().items, [bare("web", "Stopped")]);
}

#[test]
fn what_an_owner_may_write_at_length_is_cut_to_what_a_host_takes() {
    let mut config: serde_json::Map<String, Value> =
        (0..2000).map(|number| (format!("user.{number:04}"), json!("x"))).collect();
    config.insert("image.description".to_owned(), json!("a".repeat(20_000)));
    config.insert("user.".to_owned() + &"k".repeat(20_000), json!("x"));
    config.insert("user.0000".to_owned(), json!("v".repeat(20_000)));
    let found = one(json!({ "config": config, "profiles": vec!["p".repeat(60); 400] }));
    assert_eq!((found.image, found.hardware_profile, found.labels.len()), (None, None, 500));
    assert_eq!((found.labels[0].0.as_str(), found.labels[499].0.as_str()), ("user.0001", "user.0500"));
}

#[test]
fn an_address_of_ipv4_in_the_form_of_ipv6_is_the_same_one() {
    let address = |address: &str| json!({ "address": address, "scope": "global" });
    let addresses = json!([address("::ffff:10.0.0.1"), address("10.0.0.1"), address("::ffff:198.51.100.7")]);
    let found = one(json!({ "state": { "network": { "eth0": { "addresses": addresses } } } }));
    assert_eq!(found.public_addresses, [Address::ipv4("198.51.100.7")]);
    assert_eq!(found.private_addresses, [Address::ipv4("10.0.0.1")]);
}

#[test]
fn an_id_is_a_name_or_a_project_and_a_name() {
    assert_eq!(parts_of("web-1"), Some(("default", "web-1")));
    assert_eq!(parts_of("shop/web-1"), Some(("shop", "web-1")));
    for none in ["", "/", "shop/", "/web", "default/web", "a/b/c", "..", "shop/..", "web?x", "wéb", "a b"] {
        assert_eq!(parts_of(none), None, "{none}");
    }
}

#[test]
fn an_older_server_leaves_the_project_out() {
    let of = |project: Value, asked: Option<&str>| {
        let page = instances(&sync(&json!([entry(json!({ "project": project }))])), asked)?;
        Ok::<_, Error>(page.items[0].id.clone())
    };
    assert_eq!(of(json!(null), None).unwrap(), "web");
    assert_eq!(of(json!(null), Some("shop")).unwrap(), "shop/web");
    assert_eq!(of(json!("shop"), None).unwrap(), "shop/web");
    assert_eq!(of(json!("default"), Some("default")).unwrap(), "web");
    // What is of another project was not asked for.
    assert!(matches!(of(json!("default"), Some("shop")), Err(Error::UnexpectedAnswer(_))));
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
        r#"{"type": "sync"}"#,
        r#"{"type": "sync", "metadata": null}"#,
        r#"{"type": "sync", "metadata": {}}"#,
        r#"{"type": "sync", "metadata": [null]}"#,
        r#"{"type": "async", "metadata": []}"#,
        r#"{"type": "error", "metadata": []}"#,
        r#"{"metadata": []}"#,
        r#"{"type": "sync", "metadata": [], "error": "no"}"#,
        r#"{"type": "sync", "metadata": [], "error_code": 403}"#,
    ] {
        assert!(matches!(instances(body.as_bytes(), None), Err(Error::UnexpectedAnswer(_))), "{body}");
        assert!(matches!(members(body.as_bytes()), Err(Error::UnexpectedAnswer(_))), "{body}");
        assert!(matches!(projects(body.as_bytes()), Err(Error::UnexpectedAnswer(_))), "{body}");
    }
    assert_eq!(instances(&sync(&json!([])), None), Ok(Page::complete(vec![])));
    let whole = sync(&json!([entry(json!({ "config": { "user.a": "b" } })), entry(json!({ "name": "db" }))]));
    for end in 0..whole.len() {
        assert!(instances(&whole[..end], None).is_err(), "cut off at {end}");
    }
}

#[test]
fn members_are_realms_and_available_while_they_are_online() {
    for (word, expected) in [
        ("Online", RealmState::Available),
        ("Offline", RealmState::Unavailable),
        ("Evacuated", RealmState::Unavailable),
        ("Blocked", RealmState::Unavailable),
        ("ONLINE", RealmState::Unavailable),
        ("", RealmState::Unavailable),
    ] {
        let found = members(&sync(&json!([{ "server_name": "s1", "status": word }]))).unwrap();
        assert_eq!(found, [Realm::new("s1", "s1", expected)], "{word}");
    }
    for wrong in
        [json!({ "status": "Online" }), json!({ "server_name": "", "status": "Online" }), json!({ "server_name": "a" })]
    {
        assert!(matches!(members(&sync(&json!([wrong]))), Err(Error::UnexpectedAnswer(_))), "{wrong}");
    }
}

#[test]
fn a_server_says_whether_it_is_in_a_cluster_and_trusts_the_client() {
    let of = |environment: Value| server(&sync(&json!({ "auth": "trusted", "environment": environment })));
    assert_eq!(of(json!({ "server_clustered": true, "server_name": "s1" })), Ok(Server::Clustered));
    let alone = |name: &str| Ok(Server::Alone(Realm::new("none", name, RealmState::Available)));
    assert_eq!(of(json!({ "server_clustered": false, "server_name": "box" })), alone("box"));
    assert_eq!(of(json!({ "server_clustered": false })), alone("none"));
    for wrong in [json!(null), json!({}), json!({ "server_clustered": "no" })] {
        assert!(matches!(of(wrong.clone()), Err(Error::UnexpectedAnswer(_))), "{wrong}");
    }
    let untrusted = server(&sync(&json!({ "auth": "untrusted", "api_version": "1.0" })));
    assert!(matches!(untrusted, Err(Error::Unauthorized(why)) if why.contains("does not trust")));
}

#[test]
fn a_page_of_a_thousand_is_read() {
    let many: Vec<Value> = (0..1000).map(|number| entry(json!({ "name": format!("web-{number}") }))).collect();
    let page = instances(&sync(&json!(many)), None).unwrap();
    assert_eq!(page.items.len(), 1000);
    for (number, item) in page.items.iter().enumerate() {
        assert_eq!(*item, bare(&format!("web-{number}"), "Stopped"));
    }
}
