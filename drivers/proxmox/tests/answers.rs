//! What is made of lists: guests, nodes, rights, and what is missing or odd in them.

use proxmox::answer::{Guests, guests, may_see_guests, nodes};
use serde_json::{Value, json};
use tracker_driver_sdk::{Coverage, Error, Instance, InstanceState, RealmState};

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn of_list(rows: &[Value]) -> Result<Guests, Error> {
    guests(json!({ "data": rows }).to_string().as_bytes())
}

fn instance(row: Value) -> Instance {
    of_list(&[row]).expect("a list of one").page.items.remove(0)
}

fn labels(instance: &Instance) -> Vec<(&str, &str)> {
    instance.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn guests_of_either_kind_are_listed_and_the_rest_is_counted() {
    let Guests { page, are_hidden, down, online, templates } = guests(&fixture("resources")).unwrap();
    let [web, dns, build, mail] = &page.items[..] else { panic!("{page:?}") };
    assert_eq!(
        *web,
        Instance {
            name: Some("web-1".into()),
            realm: Some("pve1".into()),
            labels: [("blue", ""), ("web", ""), ("proxmox:pool", "shop")].map(|(n, v)| (n.into(), v.into())).into(),
            ..Instance::new("qemu/100", InstanceState::Running, "running")
        }
    );
    assert_eq!([dns, build, mail].map(|guest| guest.id.as_str()), ["lxc/101", "qemu/103", "lxc/104"]);
    assert_eq!((build.state, build.provider_state.as_str()), (InstanceState::Stopped, "stopped"));
    // A template, a pool, two nodes, two storages and a network.
    assert_eq!((page.omitted, page.coverage, page.total), (7, Coverage::Complete, None));
    assert!(!are_hidden && down.is_empty());
    assert_eq!((Vec::from_iter(online), Vec::from_iter(templates)), (texts(&["pve1", "pve2"]), texts(&["qemu/102"])));
}

#[test]
fn guests_of_a_node_that_does_not_report_make_the_list_partial() {
    let Guests { page, down, .. } = guests(&fixture("resources-node-down")).unwrap();
    assert_eq!(down.into_iter().collect::<Vec<_>>(), ["pve3"]);
    let Coverage::Partial(why) = page.coverage else { panic!("the node is offline") };
    assert_eq!(why, "2 guests are on nodes that do not report: pve3");
    assert_eq!(page.items.len(), 4);
    assert_eq!((page.items[1].state, page.items[1].name.as_deref()), (InstanceState::Unknown, None));

    let node = |status: &str| json!({ "type": "node", "id": "node/a", "node": "a", "status": status });
    let guest =
        |node: &str, status: &str| json!({ "type": "qemu", "id": "qemu/1", "vmid": 1, "node": node, "status": status });
    for (rows, is_whole) in [
        ([node("online"), guest("a", "running")], true),
        ([node("offline"), guest("a", "running")], false),
        ([node("unknown"), guest("a", "running")], false),
        ([guest("a", "stopped"), node("offline")], false),
        // It is in the cluster, and has told nothing of the guest for minutes.
        ([node("online"), guest("a", "unknown")], false),
        // What is down has no guests.
        ([node("offline"), guest("b", "running")], true),
    ] {
        let page = of_list(&rows).unwrap().page;
        assert_eq!(page.coverage == Coverage::Complete, is_whole, "{rows:?}");
    }
}

#[test]
fn templates_are_no_instances_however_the_flag_is_written() {
    let row = |template: Value| json!({ "type": "lxc", "id": "lxc/1", "status": "stopped", "template": template });
    for (template, is_one) in [
        (json!(1), true),
        (json!("1"), true),
        (json!(true), true),
        (json!(0), false),
        (json!("0"), false),
        (json!(""), false),
        (json!(false), false),
        (Value::Null, false),
    ] {
        let Guests { page, are_hidden, .. } = of_list(&[row(template.clone())]).unwrap();
        let expected = if is_one { (0, 1) } else { (1, 0) };
        assert_eq!((page.items.len(), page.omitted), expected, "{template}");
        assert!(!are_hidden, "a token that sees a template may see guests");
    }
    for odd in [json!(2), json!("yes"), json!([]), json!(0.5)] {
        assert!(matches!(of_list(&[row(odd.clone())]), Err(Error::UnexpectedAnswer(_))), "{odd}");
    }
}

#[test]
fn tags_and_the_pool_are_labels() {
    let of = |tags: Value| json!({ "type": "lxc", "id": "lxc/1", "status": "stopped", "tags": tags, "pool": "tags" });
    let check = |tags: Value, expected: &[&str]| {
        let found = instance(of(tags));
        let whole: Vec<_> = expected.iter().map(|tag| (*tag, "")).chain([("proxmox:pool", "tags")]).collect();
        assert_eq!(labels(&found), whole);
    };
    check(json!("web;db"), &["db", "web"]);
    check(json!("web, db,web"), &["db", "web"]);
    check(json!(";a+b;;2026.1;"), &["2026.1", "a+b"]);
    check(json!(2026), &["2026"]);
    check(json!(""), &[]);
    check(Value::Null, &[]);
}

#[test]
fn what_may_be_missing_is_missing_and_what_has_to_be_there_is_asked_for() {
    let bare = Instance::new("qemu/1", InstanceState::Stopped, "stopped");
    let nulls = json!({
        "type": "qemu", "id": "qemu/1", "status": "stopped", "name": null, "node": null, "lock": null, "tags": null,
        "pool": null, "template": null, "vmid": null, "cpu": null, "hastate": null
    });
    assert_eq!(instance(nulls), bare);
    assert_eq!(instance(json!({ "type": "qemu", "id": "qemu/1", "status": "stopped" })), bare);
    let empty = json!({ "type": "qemu", "id": "qemu/1", "status": "stopped", "name": "", "node": "", "lock": "" });
    assert_eq!(instance(empty), bare);
    let numbers = instance(json!({ "type": "qemu", "id": "qemu/1", "status": "stopped", "name": 17, "vmid": "1" }));
    assert_eq!(numbers.name.as_deref(), Some("17"));
    let new = instance(json!({ "type": "microvm", "id": "microvm/1", "vmid": 1, "status": "running" }));
    assert_eq!((new.id.as_str(), new.state), ("microvm/1", InstanceState::Running));
    let fabric = of_list(&[json!({ "type": "fabric", "id": "fabric/1" })]).unwrap();
    assert_eq!((fabric.page.omitted, fabric.are_hidden), (1, true));

    for (wrong, word) in [
        (json!({ "type": "qemu", "status": "stopped" }), "`id`"),
        (json!({ "type": "qemu", "id": "", "status": "stopped" }), "`id`"),
        (json!({ "type": "qemu", "id": 1, "status": "stopped" }), "integer `1`"),
        (json!({ "type": "qemu", "id": "qemu/1" }), "qemu/1 has no `status`"),
        (json!({ "type": "qemu", "id": "qemu/1", "status": "" }), "qemu/1 has no `status`"),
        (json!({ "id": "qemu/1", "status": "stopped" }), "`type`"),
        (json!({ "type": null, "id": "qemu/1", "status": "stopped" }), "null"),
        (json!({ "type": "qemu", "id": "qemu/1", "status": "stopped", "name": [] }), "a text"),
        (json!("qemu/1"), "Resource"),
    ] {
        let Err(Error::UnexpectedAnswer(message)) = of_list(std::slice::from_ref(&wrong)) else { panic!("{wrong}") };
        assert!(message.contains(word), "{wrong}: {message}");
    }
}

#[test]
fn what_is_no_list_is_no_empty_list() {
    for body in
        ["", "null", "{}", "[]", "17", r#"{"data": null}"#, r#"{"data": {}}"#, r#"{"data": [null]}"#, "<html>", "\"\""]
    {
        assert!(matches!(guests(body.as_bytes()), Err(Error::UnexpectedAnswer(_))), "{body}");
        assert!(matches!(nodes(body.as_bytes()), Err(Error::UnexpectedAnswer(_))), "{body}");
    }
    for beside in [r#""message": "no""#, r#""errors": {"type": "no"}"#, r#""error": 17"#] {
        let body = format!(r#"{{"data": [], {beside}}}"#);
        assert!(guests(body.as_bytes()).is_err() && nodes(body.as_bytes()).is_err(), "{body}");
    }
    let none = guests(br#"{"data": [], "message": null}"#).unwrap();
    assert!(none.page.items.is_empty() && !none.are_hidden);
    for end in 0..fixture("resources-node-down").len() - 2 {
        assert!(guests(&fixture("resources-node-down")[..end]).is_err(), "cut off at {end}");
    }
}

#[test]
fn nodes_are_realms_and_only_online_ones_are_available() {
    let page = nodes(&fixture("nodes")).unwrap();
    let found: Vec<_> = page.items.iter().map(|node| (node.id.as_str(), node.name.as_str(), node.state)).collect();
    let (up, down) = (RealmState::Available, RealmState::Unavailable);
    assert_eq!(
        found,
        [("pve1", "pve1", up), ("pve2", "pve2", up), ("pve3", "pve3", down), ("pve4", "pve4", down)],
        "offline, and without a report"
    );
    // A version that does not know the filter gives everything.
    let all = nodes(&fixture("resources")).unwrap();
    assert_eq!((all.items.len(), all.omitted), (2, 9));
    let of = |node: Value| nodes(json!({ "data": [node] }).to_string().as_bytes());
    assert_eq!(of(json!({ "type": "node", "node": "a" })).unwrap().items[0].state, down);
    for wrong in
        [json!({ "type": "node", "status": "online" }), json!({ "type": "n0de", "node": "a", "status": "online" })]
    {
        assert!(matches!(of(wrong.clone()), Err(Error::UnexpectedAnswer(_))), "{wrong}");
    }
}

#[test]
fn a_right_counts_where_it_reaches_guests() {
    let check = |paths: Value, expected: bool| {
        let body = json!({ "data": paths }).to_string();
        assert_eq!(may_see_guests(body.as_bytes()), Ok(expected), "{body}");
    };
    check(json!({}), false);
    check(json!({ "/": { "VM.Audit": 1 } }), true);
    check(json!({ "/vms": { "Sys.Audit": 1, "VM.Audit": "1" } }), true);
    check(json!({ "/vms/100": { "VM.Audit": 0 } }), true);
    check(json!({ "/pool/shop": { "VM.Audit": 1 } }), true);
    // It does not go on to what is below.
    check(json!({ "/": { "VM.Audit": 0 }, "/vms": { "VM.Audit": 0 } }), false);
    check(json!({ "/storage": { "Datastore.Audit": 1 }, "/nodes": { "VM.Audit": 1 } }), false);
    for body in
        [r#"{"data": null}"#, r#"{"data": []}"#, "{}", r#"{"data": {"/": 1}}"#, r#"{"data": {}, "message": "x"}"#]
    {
        assert!(matches!(may_see_guests(body.as_bytes()), Err(Error::UnexpectedAnswer(_))), "{body}");
    }
}

#[test]
fn a_thousand_guests_are_read() {
    let row = |number: usize| {
        let status = if number.is_multiple_of(10) { "stopped" } else { "running" };
        json!({
            "type": "qemu", "id": format!("qemu/{number}"), "vmid": number, "name": format!("vm-{number}"), "node": "pve1",
            "status": status, "template": 0, "tags": "blue;web", "uptime": number, "cpu": 0.0173, "maxmem": 2147483648_u64
        })
    };
    let rows: Vec<Value> = (1000..2000).map(row).collect();
    let page = of_list(&rows).unwrap().page;
    assert_eq!(page.items.iter().filter(|guest| guest.state == InstanceState::Running).count(), 900);
    assert_eq!((page.items.len(), page.items[999].id.as_str()), (1000, "qemu/1999"));
}
