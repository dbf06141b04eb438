//! What is made of answers: every state, addresses, images, pages, and what is missing or odd.

use kubevirt::answer::{machines, namespace, namespaces, running};
use kubevirt::state;
use serde_json::{Value, json};
use tracker_driver_sdk::{Address, Error, Instance, InstanceState, RealmState};

/// The answer to an exchange of a cassette.
fn answer(cassette: &str, exchange: usize) -> Value {
    let path = format!("{}/cassettes/{cassette}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let cassette: Value = serde_json::from_slice(&text).expect("JSON");
    cassette["exchanges"][exchange]["answer"]["body_json"].clone()
}

fn list(items: Value) -> Vec<u8> {
    json!({ "kind": "VirtualMachineList", "metadata": {}, "items": items }).to_string().into()
}

fn machine(entry: Value) -> Instance {
    machines(&list(json!([entry]))).expect("a list of one").items.remove(0)
}

fn bare() -> Value {
    json!({ "metadata": { "uid": "u-1" } })
}

#[test]
fn every_state_is_mapped_and_none_is_guessed() {
    for (word, expected) in [
        ("Stopped", InstanceState::Stopped),
        ("Provisioning", InstanceState::Pending),
        ("Starting", InstanceState::Pending),
        ("Running", InstanceState::Running),
        ("Paused", InstanceState::Stopped),
        ("Stopping", InstanceState::Stopping),
        ("Terminating", InstanceState::ShuttingDown),
        ("CrashLoopBackOff", InstanceState::Error),
        ("Migrating", InstanceState::Running),
        ("Unknown", InstanceState::Unknown),
        ("ErrorUnschedulable", InstanceState::Error),
        ("ErrImagePull", InstanceState::Error),
        ("ImagePullBackOff", InstanceState::Error),
        ("ErrorPvcNotFound", InstanceState::Error),
        ("ErrorDataVolumeNotFound", InstanceState::Error),
        ("DataVolumeError", InstanceState::Error),
        ("WaitingForVolumeBinding", InstanceState::Pending),
        ("WaitingForReceiver", InstanceState::Pending),
        ("Pending", InstanceState::Pending),
        ("Scheduling", InstanceState::Pending),
        ("Scheduled", InstanceState::Pending),
        ("WaitingForSync", InstanceState::Pending),
        ("Succeeded", InstanceState::Finish),
        ("Failed", InstanceState::Error),
        ("running", InstanceState::Unknown),
        ("Hibernated", InstanceState::Unknown),
        ("", InstanceState::Unknown),
    ] {
        assert_eq!(state::of(word), expected, "{word}");
        let found = machine(json!({ "metadata": { "uid": "u-1" }, "status": { "printableStatus": word } }));
        assert_eq!((found.state, found.provider_state.as_str()), (expected, word));
    }
    // No controller has seen it yet.
    for status in [json!(null), json!({}), json!({ "printableStatus": null })] {
        let found = machine(json!({ "metadata": { "uid": "u-1" }, "status": status }));
        assert_eq!((found.state, found.provider_state.as_str()), (InstanceState::Unknown, ""));
    }
}

#[test]
fn a_machine_is_read_whole() {
    let page = machines(answer("machines-two-pages", 0).to_string().as_bytes()).unwrap();
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>();
    assert_eq!(
        page.items[0],
        Instance {
            name: Some("web-1".into()),
            realm: Some("shop".into()),
            image: Some("debian-13".into()),
            hardware_profile: Some("u1.small".into()),
            launched_at: Some(1_773_480_361_000),
            labels: pairs(&[("app.kubernetes.io/name", "web"), ("team", "blue")]),
            ..Instance::new("7b1f0c01-4d2e-4c6a-9b01-2f6d8e0a1001", InstanceState::Running, "Running")
        }
    );
    assert!(page.next.is_some());
}

#[test]
fn what_may_be_missing_is_missing_and_what_has_to_be_there_is_asked_for() {
    let none = Instance::new("u-1", InstanceState::Unknown, "");
    assert_eq!(machine(bare()), none);
    assert_eq!(
        machine(json!({
            "metadata": { "uid": "u-1", "name": "", "namespace": null, "creationTimestamp": "soon", "labels": null,
                          "ownerReferences": null },
            "spec": { "instancetype": null, "template": null, "dataVolumeTemplates": null }, "status": null
        })),
        none
    );
    for (wrong, word) in [
        (json!({}), "`metadata`"),
        (json!({ "metadata": {} }), "`metadata.uid`"),
        (json!({ "metadata": { "uid": "", "name": "web" } }), "the entry `web` has no `metadata.uid`"),
        (json!({ "metadata": { "uid": 7 } }), "integer `7`"),
        (json!({ "metadata": { "uid": "u", "labels": { "a": 1 } } }), "integer `1`"),
        (json!({ "metadata": { "uid": "u" }, "status": { "printableStatus": 1 } }), "integer `1`"),
        (json!(null), "null"),
    ] {
        let Err(Error::UnexpectedAnswer(message)) = machines(&list(json!([wrong]))) else { panic!("{wrong}") };
        assert!(message.contains(word), "{wrong}: {message}");
    }
}

#[test]
fn an_image_is_that_of_the_first_volume_that_has_one() {
    let check = |volumes: Value, made: Value, expected: Option<&str>| {
        let spec = json!({ "template": { "spec": { "volumes": volumes } }, "dataVolumeTemplates": made });
        let found = machine(json!({ "metadata": { "uid": "u" }, "spec": spec }));
        assert_eq!(found.image.as_deref(), expected, "{spec}");
    };
    let disk = json!({ "dataVolume": { "name": "root" } });
    let made = |spec: Value| {
        json!([{ "metadata": { "name": "other" }, "spec": { "source": { "blank": {} } } },
                                    { "metadata": { "name": "root" }, "spec": spec }])
    };
    check(json!([{ "containerDisk": { "image": "r/a:1" } }, disk]), made(json!({})), Some("r/a:1"));
    check(
        json!([{ "cloudInitNoCloud": {} }, disk]),
        made(json!({ "sourceRef": { "name": "debian" } })),
        Some("debian"),
    );
    let registry = json!({ "source": { "registry": { "url": "docker://r/b" } } });
    check(json!([disk]), made(registry), Some("docker://r/b"));
    check(json!([disk]), made(json!({ "source": { "pvc": { "namespace": "n", "name": "gold" } } })), Some("gold"));
    check(json!([disk]), made(json!({ "source": { "snapshot": { "name": "snap" } } })), Some("snap"));
    for none in [json!({}), json!({ "source": null }), json!({ "source": { "http": { "url": "https://a:b@c/d" } } })] {
        check(json!([disk]), made(none), None);
    }
    check(json!([disk]), json!(null), None);
    check(json!([{ "dataVolume": {} }, { "containerDisk": { "image": "" } }]), json!([]), None);
    check(json!(null), json!(null), None);
}

#[test]
fn what_runs_is_told_apart_by_its_owner() {
    let page = running(answer("machines-running", 1).to_string().as_bytes()).unwrap();
    assert_eq!((page.alone.len(), page.of_machines.len()), (0, 3));
    let (uid, found) = &page.of_machines[0];
    assert_eq!(uid, "7b1f0c01-4d2e-4c6a-9b01-2f6d8e0a1001");
    assert_eq!(found.public, [Address::ipv4("203.0.113.10"), Address::ipv6("2001:db8:1::10")]);
    assert_eq!(found.private, [Address::ipv4("10.42.0.17"), Address::ipv6("fd00:42::17")]);
    // Another owner makes no machine.
    let owned = json!({ "metadata": { "uid": "u", "ownerReferences": [{ "kind": "VirtualMachineInstanceReplicaSet", "uid": "r" }] },
                        "status": { "phase": "Running" } });
    let page = running(&list(json!([owned]))).unwrap();
    assert_eq!((page.alone.len(), page.of_machines.len()), (1, 0));
    assert_eq!(page.alone[0], Instance::new("u", InstanceState::Running, "Running"));
}

#[test]
fn an_address_is_one_that_leads_to_the_guest() {
    let interfaces = json!([
        { "ipAddress": "10.0.0.4/24", "ipAddresses": null },
        { "ipAddress": "10.0.0.5", "ipAddresses": ["10.0.0.5", "2001:db8::5", "fe80::1%eth0", "169.254.0.9"] },
        { "ipAddresses": ["127.0.0.1", "::1", "0.0.0.0", "", "nonsense", "100.64.0.1", "fd00::7", "198.51.100.7"] },
        {}
    ]);
    let entry = json!({ "metadata": { "uid": "u" }, "status": { "phase": "Running", "interfaces": interfaces } });
    let found = running(&list(json!([entry]))).unwrap().alone.remove(0);
    assert_eq!(found.public_addresses, [Address::ipv6("2001:db8::5"), Address::ipv4("198.51.100.7")]);
    let private = ["10.0.0.4", "10.0.0.5", "100.64.0.1"].map(Address::ipv4);
    assert_eq!(found.private_addresses, [private.to_vec(), vec![Address::ipv6("fd00::7")]].concat());
}

#[test]
fn an_address_of_ipv4_in_the_form_of_ipv6_is_the_same_one() {
    let interfaces =
        json!([{ "ipAddresses": ["::ffff:10.0.0.1", "10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.0.1"] }]);
    let entry = json!({ "metadata": { "uid": "u" }, "status": { "phase": "Running", "interfaces": interfaces } });
    let found = running(&list(json!([entry]))).unwrap().alone.remove(0);
    assert_eq!((found.public_addresses, found.private_addresses), (vec![], vec![Address::ipv4("10.0.0.1")]));
}

#[test]
fn what_has_ended_has_no_address() {
    for (phase, count) in
        [("Running", 1), ("WaitingForSync", 1), ("Unknown", 1), ("Succeeded", 0), ("Failed", 0), ("New", 0), ("", 0)]
    {
        let status = json!({ "phase": phase, "interfaces": [{ "ipAddress": "10.0.0.4" }] });
        let of_machine = json!([{ "kind": "VirtualMachine", "uid": "m" }]);
        let entries = json!([{ "metadata": { "uid": "u" }, "status": status },
                             { "metadata": { "uid": "v", "ownerReferences": of_machine }, "status": status }]);
        let page = running(&list(entries)).unwrap();
        assert_eq!(page.alone[0].private_addresses.len(), count, "{phase}");
        assert_eq!(page.of_machines[0].1.private.len(), count, "{phase}");
    }
}

#[test]
fn what_an_owner_may_write_at_length_is_cut_to_what_a_host_takes() {
    let labels: serde_json::Map<String, Value> =
        (0..2000).map(|number| (format!("label-{number:04}"), json!("x"))).collect();
    let image = |length: usize| {
        let volumes = json!([{ "containerDisk": { "image": "a".repeat(length) } }]);
        let entry = json!({ "metadata": { "uid": "u", "labels": labels }, "spec": { "template": { "spec": { "volumes": volumes } } } });
        machine(entry)
    };
    let found = image(20_000);
    assert_eq!((found.image, found.labels.len()), (None, 500));
    assert_eq!((found.labels[0].0.as_str(), found.labels[499].0.as_str()), ("label-0000", "label-0499"));
    assert_eq!(image(300).image.map(|image| image.len()), Some(300));
}

#[test]
fn a_condition_says_that_what_runs_is_paused() {
    for (phase, status, word) in
        [("Running", "True", "Paused"), ("Running", "False", "Running"), ("Failed", "True", "Failed")]
    {
        let conditions = json!([{ "type": "Ready", "status": "False" }, { "type": "Paused", "status": status }]);
        let entry = json!({ "metadata": { "uid": "u" }, "status": { "phase": phase, "conditions": conditions } });
        assert_eq!(running(&list(json!([entry]))).unwrap().alone[0].provider_state, word);
    }
}

#[test]
fn pages_end_where_there_is_no_token() {
    let of = |metadata: Value| {
        let page =
            machines(json!({ "kind": "VirtualMachineList", "metadata": metadata, "items": [] }).to_string().as_bytes());
        page.map(|page| (page.next, page.is_cut_short)).unwrap()
    };
    assert_eq!(of(json!({ "continue": "a/b c" })), (Some("a/b c".into()), false));
    assert_eq!(of(json!({ "continue": "t", "remainingItemCount": 7 })), (Some("t".into()), false));
    for last in [json!({}), json!({ "continue": "" }), json!({ "continue": null, "remainingItemCount": 0 })] {
        assert_eq!(of(last), (None, false));
    }
    assert_eq!(of(json!({ "remainingItemCount": 7 })), (None, true));
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
        r#"{"kind": "List", "metadata": {}}"#,
        r#"{"kind": "List", "metadata": {}, "items": null}"#,
        r#"{"kind": "List", "metadata": {}, "items": {}}"#,
        r#"{"kind": "List", "metadata": {}, "items": [null]}"#,
        r#"{"kind": "List", "metadata": null, "items": []}"#,
        r#"{"kind": "List", "items": []}"#,
        r#"{"metadata": {}, "items": []}"#,
        r#"{"kind": "Status", "metadata": {}, "items": []}"#,
        r#"{"kind": "List", "metadata": {}, "items": [], "status": "Failure"}"#,
        r#"{"kind": "List", "metadata": {}, "items": [], "reason": "Forbidden"}"#,
        r#"{"kind": "List", "metadata": {}, "items": [], "error": {}}"#,
        r#"{"kind": "List", "metadata": {"continue": 7}, "items": []}"#,
    ] {
        assert!(matches!(machines(body.as_bytes()), Err(Error::UnexpectedAnswer(_))), "{body}");
        assert!(matches!(running(body.as_bytes()), Err(Error::UnexpectedAnswer(_))), "{body}");
        assert!(matches!(namespaces(body.as_bytes()), Err(Error::UnexpectedAnswer(_))), "{body}");
    }
    let whole = answer("machines-running", 0).to_string();
    for end in 0..whole.len() {
        assert!(machines(&whole.as_bytes()[..end]).is_err(), "cut off at {end}");
    }
}

#[test]
fn namespaces_are_realms_and_available_while_they_are_active() {
    let page = namespaces(answer("namespaces", 0).to_string().as_bytes()).unwrap();
    let found: Vec<_> = page.items.iter().map(|realm| (realm.id.as_str(), realm.state)).collect();
    let up = RealmState::Available;
    assert_eq!(found, [("default", up), ("shop", up), ("build", up), ("old", RealmState::Unavailable)]);
    for phase in [json!(null), json!("active"), json!("")] {
        let entry = json!({ "kind": "Namespace", "metadata": { "name": "a" }, "status": { "phase": phase } });
        assert_eq!(namespace(entry.to_string().as_bytes()).unwrap().state, RealmState::Unavailable);
    }
    for wrong in [
        json!({ "kind": "Namespace", "metadata": {}, "status": {} }),
        json!({ "kind": "Namespace", "metadata": { "name": "a" } }),
        json!({ "kind": "Status", "metadata": { "name": "a" }, "status": {} }),
        json!({ "metadata": { "name": "a" }, "status": {} }),
    ] {
        assert!(matches!(namespace(wrong.to_string().as_bytes()), Err(Error::UnexpectedAnswer(_))), "{wrong}");
    }
}

#[test]
fn a_page_of_a_thousand_is_read() {
    let one = answer("machines", 0)["items"][0].clone();
    let many: Vec<Value> = (0..1000)
        .map(|number| {
            let mut entry = one.clone();
            entry["metadata"]["uid"] = json!(format!("u-{number}"));
            entry["metadata"]["name"] = json!(format!("vm-{number}"));
            entry
        })
        .collect();
    let page = machines(&list(json!(many))).unwrap();
    assert_eq!(page.items.len(), 1000);
    for (number, item) in page.items.iter().enumerate() {
        assert_eq!((item.id.as_str(), item.name.as_deref()), (&*format!("u-{number}"), Some(&*format!("vm-{number}"))));
    }
}
