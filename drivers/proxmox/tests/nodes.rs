//! Guests by the lists of their nodes: what is asked, and what counts where cluster and node disagree.

use proxmox::Proxmox;
use proxmox::answer::guests_of_node;
use serde_json::{Value, json};
use tracker_driver_sdk::testing::{Answer, Host};
use tracker_driver_sdk::{Account, Coverage, Driver, Error, Instance, InstanceState, Page, Query};

const BASE: &str = "https://pve.example:8006/api2/json/";

fn account(options: &[(&str, &str)]) -> Account {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Account { options, ..Account::new("lab", "https://pve.example:8006", "tracker@pve!poll") }
}

fn data(data: Value) -> Answer {
    Answer::new(200).body(json!({ "data": data }).to_string())
}

/// The list, and the paths that were asked for behind the cluster's own.
fn list(account: &Account, answers: Vec<Answer>) -> (Result<Page<Instance>, Error>, Vec<String>) {
    let host = answers.into_iter().fold(Host::new().secret("password", "s3cret-of-mine"), Host::answer);
    let (page, seen) = host.run(|| Proxmox::list_instances(account, &Query::default()));
    (page, seen.sent.iter().skip(1).map(|sent| sent.url.replace(BASE, "")).collect())
}

fn by_nodes(answers: Vec<Answer>) -> (Result<Page<Instance>, Error>, Vec<String>) {
    list(&account(&[("source", "nodes")]), answers)
}

fn node(name: &str) -> Value {
    json!({ "type": "node", "id": format!("node/{name}"), "node": name, "status": "online" })
}

fn guest(id: &str, node: &str, status: &str) -> Value {
    json!({ "type": id.split('/').next(), "id": id, "node": node, "status": status, "pool": "shop" })
}

fn states(page: &Page<Instance>) -> Vec<(&str, &str, InstanceState)> {
    page.items.iter().map(|item| (item.id.as_str(), item.realm.as_deref().unwrap_or_default(), item.state)).collect()
}

const RUNNING: InstanceState = InstanceState::Running;
const STOPPED: InstanceState = InstanceState::Stopped;

#[test]
fn each_online_node_is_asked_for_both_kinds_and_counts_more_than_the_cluster() {
    let cluster = data(json!([
        node("a"),
        node("b"),
        { "type": "node", "node": "c", "status": "offline" },
        guest("qemu/1", "a", "running"),
        guest("lxc/2", "a", "stopped"),
        guest("qemu/3", "a", "unknown")
    ]));
    let of_a = data(json!([
        { "vmid": 1, "status": "running", "qmpstatus": "paused", "name": "web", "tags": "x" },
        { "vmid": "3", "status": "stopped", "qmpstatus": "", "name": "VM 3", "template": 1 }
    ]));
    let of_b = data(
        json!([{ "vmid": "2", "status": "running", "lock": "", "template": "" }, { "vmid": 4, "status": "stopped" }]),
    );
    let (page, paths) = by_nodes(vec![cluster, of_a, data(json!([])), data(json!([])), of_b]);
    assert_eq!(paths, ["nodes/a/qemu?full=1", "nodes/a/lxc", "nodes/b/qemu?full=1", "nodes/b/lxc"]);
    let page = page.unwrap();
    assert_eq!(states(&page), [("qemu/1", "a", STOPPED), ("lxc/2", "b", RUNNING), ("lxc/4", "b", STOPPED)]);
    assert_eq!((page.items[0].name.as_deref(), page.items[0].provider_state.as_str()), (Some("web"), "paused"));
    let labels = [("x", ""), ("proxmox:pool", "shop")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    assert_eq!(page.items[0].labels, labels);
    // Three nodes and a template.
    assert_eq!((page.coverage, page.omitted), (Coverage::Complete, 4));
}

#[test]
fn a_guest_that_no_node_lists_stays_and_makes_the_list_partial() {
    let cluster = data(json!([node("a"), guest("qemu/1", "a", "running"), guest("lxc/2", "z", "running")]));
    let (page, _) = by_nodes(vec![cluster, data(json!([])), data(json!([{ "vmid": 2, "status": "stopped" }]))]);
    let page = page.unwrap();
    assert_eq!(states(&page), [("qemu/1", "a", RUNNING), ("lxc/2", "a", STOPPED)]);
    assert_eq!(page.coverage, Coverage::Partial("1 guests are in no node's list: those of a".to_owned()));
}

#[test]
fn a_node_that_gives_no_list_makes_it_partial_and_is_not_asked_on_if_it_is_out_of_reach() {
    let cluster = || data(json!([node("a"), node("b"), guest("qemu/1", "a", "running")]));
    let none = || data(json!([]));
    let unreachable = Answer::new(595).body(r#"{"data": null, "message": "Connection refused"}"#);
    let (page, paths) = by_nodes(vec![cluster(), unreachable, none(), none()]);
    let page = page.unwrap();
    assert_eq!(paths, ["nodes/a/qemu?full=1", "nodes/b/qemu?full=1", "nodes/b/lxc"]);
    assert_eq!(states(&page), [("qemu/1", "a", RUNNING)]);
    let Coverage::Partial(why) = page.coverage else { panic!("a is out of reach") };
    assert!(why.contains("nodes/a/qemu answered 595: Connection refused"), "{why}");

    for (answer, word) in [
        (Answer::new(500).body(r#"{"data": null, "message": "got timeout"}"#), "500: got timeout"),
        (Answer::new(404).body("<html>"), "404"),
    ] {
        let (page, paths) = by_nodes(vec![cluster(), answer, none(), none(), none()]);
        let Coverage::Partial(why) = page.unwrap().coverage else { panic!("{word}") };
        assert!(why.contains(word) && paths.len() == 4, "{why}");
    }
    for (answer, kind) in [
        (Answer::new(401), "Unauthorized"),
        (Answer::new(403), "Forbidden"),
        (Answer::new(429), "Throttled"),
        (Answer::new(502).body("<html>"), "Unavailable"),
        (Answer::new(500).body("<html>"), "Unavailable"),
        (Answer::new(302), "UnexpectedAnswer"),
        (Answer::new(200).body("<html>"), "UnexpectedAnswer"),
        (Answer::new(200).body(r#"{"data": null}"#), "UnexpectedAnswer"),
        (Answer::new(200).body(r#"{"data": [], "errors": {}}"#), "UnexpectedAnswer"),
        (Answer::new(200).body(r#"{"data": [{"vmid": 1"#), "Unavailable"),
    ] {
        let error = format!("{:?}", by_nodes(vec![cluster(), answer]).0.expect_err(kind));
        assert!(error.starts_with(&format!("Error::{kind}(")), "{kind}: {error}");
    }
}

#[test]
fn guests_of_which_the_cluster_knows_nothing_are_no_want_of_rights() {
    let guest = data(json!([{ "vmid": 2, "status": "stopped" }]));
    let (page, paths) = by_nodes(vec![data(json!([node("a")])), data(json!([])), guest]);
    assert_eq!((page.unwrap().items.len(), paths.len()), (1, 2));
    let (page, paths) =
        by_nodes(vec![data(json!([node("a")])), data(json!([])), data(json!([])), data(json!({ "/": {} }))]);
    assert!(matches!(page, Err(Error::Forbidden(_))), "{page:?}");
    assert_eq!(paths[2], "access/permissions");
}

#[test]
fn a_poll_stays_below_the_requests_that_a_host_allows() {
    let names: Vec<String> = (0..90).map(|number| format!("n{number:02}")).collect();
    let cluster = data(Value::from_iter(names.iter().map(|name| node(name))));
    let guests: Vec<Value> = (100..300).map(|vmid| json!({ "vmid": vmid, "status": "running" })).collect();
    let mut answers = vec![cluster, data(json!([])), data(Value::from(guests))];
    answers.extend((0..158).map(|_| data(json!([]))));
    answers.extend((0..200).map(|_| data(json!([]))));
    let (page, paths) = list(&account(&[("source", "nodes"), ("addresses", "containers")]), answers);
    let page = page.unwrap();
    assert_eq!((page.items.len(), paths.len() + 1), (200, 250));
    assert_eq!(page.coverage, Coverage::Partial("the cluster has 90 nodes, and 80 of them were asked".to_owned()));
}

#[test]
fn rows_of_a_node_are_read_or_refused() {
    let of = |row: Value| guests_of_node(json!({ "data": [row] }).to_string().as_bytes(), "lxc", "a");
    let bare = of(json!({ "vmid": 7, "status": "running" })).unwrap();
    let expected = Instance { realm: Some("a".into()), ..Instance::new("lxc/7", RUNNING, "running") };
    assert_eq!(bare, [("lxc/7".to_owned(), Some(expected))]);
    for wrong in [
        json!(null),
        json!({ "status": "running" }),
        json!({ "vmid": "", "status": "running" }),
        json!({ "vmid": "../8", "status": "running" }),
        json!({ "vmid": 7 }),
        json!({ "vmid": 7, "status": "" }),
    ] {
        assert!(matches!(of(wrong.clone()), Err(Error::UnexpectedAnswer(_))), "{wrong}");
    }
    for wrong in ["", "node", "Nodes"] {
        let (page, paths) = list(&account(&[("source", wrong)]), vec![]);
        assert!(matches!(page, Err(Error::InvalidAccount(_))) && paths.is_empty(), "{wrong}");
    }
}
