//! Addresses: what guests say of their interfaces, which guests are asked, and what happens where one does not answer.

use proxmox::Proxmox;
use proxmox::interfaces::{of_container, of_machine};
use serde_json::{Value, json};
use tracker_driver_sdk::addresses::Addresses;
use tracker_driver_sdk::testing::{Answer, Host};
use tracker_driver_sdk::{Account, Address, Coverage, Driver, Error, Instance, Page, Query};

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn of_one(addresses: &[&str]) -> Addresses {
    let list: Vec<Value> = addresses.iter().map(|address| json!({ "ip-address": address })).collect();
    let body = json!({ "data": { "result": [{ "name": "eth0", "ip-addresses": list }] } }).to_string();
    of_machine(body.as_bytes()).expect("a list of interfaces")
}

#[test]
fn every_address_of_every_interface_is_listed_once() {
    let machine = of_machine(&fixture("interfaces-machine")).unwrap();
    assert_eq!(machine.public, [Address::ipv4("203.0.113.20"), Address::ipv6("2001:db8:7::20")]);
    assert_eq!(machine.private, [Address::ipv4("10.20.0.20"), Address::ipv6("fd00:20::20")]);
    // A container's only address stands in the list, and beside it.
    let container = of_container(&fixture("interfaces-container")).unwrap();
    assert_eq!(container.public, [Address::ipv6("2001:db8:7::53")]);
    assert_eq!(container.private, [Address::ipv4("10.20.0.53")]);
    let older = of_container(&fixture("interfaces-older-container")).unwrap();
    assert_eq!((older.public, older.private), (vec![], vec![Address::ipv4("10.20.0.53")]));
}

#[test]
fn an_address_is_public_or_private_by_its_range() {
    let private = ["10.0.0.1", "172.16.0.1", "172.31.255.1", "192.168.1.1", "100.64.0.1", "100.127.0.1", "fd12::1"];
    let public = ["198.51.100.1", "172.32.0.1", "100.128.0.1", "2001:db8::1"];
    assert_eq!((of_one(&private).private.len(), of_one(&private).public.len()), (7, 0));
    assert_eq!((of_one(&public).private.len(), of_one(&public).public.len()), (0, 4));
    let local =
        ["127.0.0.1", "::1", "169.254.1.1", "fe80::1%eth0", "0.0.0.0", "::", "224.0.0.1", "web.example", "", "10"];
    assert_eq!(of_one(&local), Addresses::default());
    assert_eq!(of_one(&["2001:DB8:0::1/64"]).public, [Address::ipv6("2001:db8::1")]);
    // The same address in both forms is one.
    let mapped = of_one(&["::ffff:10.0.0.1", "10.0.0.1", "::ffff:c633:6401", "::ffff:127.0.0.1"]);
    assert_eq!((mapped.private, mapped.public), (vec![Address::ipv4("10.0.0.1")], vec![Address::ipv4("198.51.100.1")]));
    let many: Vec<String> = (0..2_000).map(|n| format!("10.1.{}.{}", n / 256, n % 256)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(of_one(&many).private.len(), 500, "a guest is bounded");
}

#[test]
fn what_is_missing_in_an_interface_is_no_error() {
    let of = |interfaces: Value| of_container(json!({ "data": interfaces }).to_string().as_bytes());
    for none in [
        json!(null),
        json!([]),
        json!([{}]),
        json!([{ "ip-addresses": null, "inet": null }]),
        json!([{ "ip-addresses": [{}] }]),
    ] {
        assert_eq!(of(none.clone()), Ok(Addresses::default()), "{none}");
    }
    for wrong in [json!({}), json!(7), json!([null]), json!([{ "inet": 7 }])] {
        assert!(of(wrong.clone()).is_err(), "{wrong}");
    }
    assert!(of_machine(br#"{"data": {"result": {"error": {"class": "CommandNotFound"}}}}"#).is_err());
    assert!(of_machine(br#"{"data": {}}"#).is_err() && of_machine(br#"{"data": null}"#).is_err());
}

fn account(addresses: &str) -> Account {
    let options = vec![("addresses".to_owned(), addresses.to_owned())];
    Account { options, ..Account::new("lab", "https://pve.example:8006", "tracker@pve!poll") }
}

fn ok(name: &str) -> Answer {
    Answer::new(200).body(fixture(name))
}

/// The list, and the paths that were asked for behind it.
fn list(addresses: &str, answers: Vec<Answer>) -> (Result<Page<Instance>, Error>, Vec<String>) {
    let host = answers.into_iter().fold(Host::new().secret("password", "s3cret-of-mine"), Host::answer);
    let (page, seen) = host.run(|| Proxmox::list_instances(&account(addresses), &Query::default()));
    let paths = seen.sent.iter().skip(1).map(|sent| sent.url.replace("https://pve.example:8006/api2/json/nodes/", ""));
    (page, paths.collect())
}

const MACHINE: &str = "pve1/qemu/100/agent/network-get-interfaces";
const CONTAINER: &str = "pve2/lxc/101/interfaces";

#[test]
fn running_guests_are_asked_where_the_account_wants_it() {
    let (page, paths) = list("all", vec![ok("resources"), ok("interfaces-machine"), ok("interfaces-older-container")]);
    let page = page.unwrap();
    assert_eq!(paths, [MACHINE, CONTAINER]);
    assert_eq!(page.items.iter().map(|guest| guest.private_addresses.len()).collect::<Vec<_>>(), [2, 1, 0, 0]);
    assert_eq!((page.coverage, page.items[0].public_addresses.len()), (Coverage::Complete, 2));
    let (page, paths) = list("containers", vec![ok("resources"), ok("interfaces-container")]);
    assert_eq!((page.unwrap().items[1].private_addresses.len(), paths), (1, vec![CONTAINER.to_owned()]));
    assert!(list("none", vec![ok("resources")]).1.is_empty());
    // Of a node that is not online nobody is asked.
    assert_eq!(list("all", vec![ok("resources-node-down"), ok("interfaces-machine")]).1, [MACHINE]);
}

#[test]
fn two_hundred_guests_are_asked_at_most_and_the_lowest_numbers_first() {
    let row = |n: u32| json!({ "type": "lxc", "id": format!("lxc/{n}"), "node": "a/b", "status": "running" });
    let rows: Vec<Value> = (1000..1300).rev().map(row).collect();
    let answers = (0..300).map(|_| Answer::new(200).body(r#"{"data": []}"#));
    let first = Answer::new(200).body(json!({ "data": rows }).to_string());
    let (page, paths) = list("all", [first].into_iter().chain(answers).collect());
    assert_eq!((page.unwrap().items.len(), paths.len()), (300, 200));
    assert_eq!((paths[0].as_str(), paths[199].as_str()), ("a%2Fb/lxc/1000/interfaces", "a%2Fb/lxc/1199/interfaces"));
}

#[test]
fn a_guest_that_does_not_answer_has_no_addresses() {
    for (answer, is_whole) in [
        (Answer::new(500).body(fixture("error-agent")), true),
        (Answer::new(500).body(r#"{"data":null}"#), true),
        (Answer::new(500).body(r#"{"data":null,"message":"VM 100 qmp command failed - got timeout\n"}"#), true),
        (Answer::new(501).body(r#"{"data":null,"message":"Method 'GET /nodes' not implemented"}"#), true),
        (Answer::new(500).body(r#"{"data":null,"message":"ipcc_send_rec[1] failed"}"#), false),
        (Answer::new(595), false),
        (Answer::new(404).body("<html>not found</html>"), false),
        (Answer::new(200).body(r#"{"data": null}"#), false),
        (Answer::new(200).body(r#"{"data": {"result": "no"}}"#), false),
    ] {
        let (page, paths) = list("all", vec![ok("resources"), answer, ok("interfaces-container")]);
        let page = page.unwrap();
        assert_eq!((page.items.len(), paths.len()), (4, 2));
        assert!(page.items[0].private_addresses.is_empty() && !page.items[1].private_addresses.is_empty());
        assert_eq!(page.coverage == Coverage::Complete, is_whole, "{:?}", page.coverage);
    }
}

#[test]
fn a_node_that_cannot_be_reached_is_asked_once() {
    let row = |n: u32| json!({ "type": "lxc", "id": format!("lxc/{n}"), "node": "a", "status": "running" });
    let first = Answer::new(200).body(json!({ "data": [row(1), row(2)] }).to_string());
    let (page, paths) = list("all", vec![first, Answer::new(596)]);
    assert_eq!(paths, ["a/lxc/1/interfaces"]);
    let Coverage::Partial(why) = page.unwrap().coverage else { panic!("it is not whole") };
    assert!(why.contains("answered 596"), "{why}");
}

#[test]
fn a_refusal_is_one_of_the_whole_list() {
    let check = |answer: Answer, kind: &str| {
        let error = format!("{:?}", list("all", vec![ok("resources"), answer]).0.expect_err("no list"));
        assert!(error.starts_with(&format!("Error::{kind}(")), "{kind}: {error}");
    };
    check(Answer::new(401), "Unauthorized");
    check(Answer::new(403).body(fixture("error-forbidden")), "Forbidden");
    check(Answer::new(429), "Throttled");
    check(Answer::new(500).body("<html>"), "Unavailable");
    check(Answer::new(502).body(r#"{"data":null}"#), "Unavailable");
    check(Answer::new(200).body(r#"{"data": {"result": [{"name""#), "Unavailable");
    for body in ["", "{}", "<html>Log in</html>", r#"{"data": null, "message": "no"}"#] {
        check(Answer::new(200).body(body), "UnexpectedAnswer");
    }
}

#[test]
fn a_container_that_was_just_stopped_has_no_addresses_and_the_list_is_whole() {
    let null = Answer::new(200).body(r#"{"data": null}"#);
    let (page, paths) = list("containers", vec![ok("resources"), null]);
    let page = page.unwrap();
    assert_eq!((page.coverage, paths), (Coverage::Complete, vec![CONTAINER.to_owned()]));
    assert!(page.items.iter().all(|guest| guest.private_addresses.is_empty()));
}

#[test]
fn guests_that_are_off_are_asked_where_the_list_may_be_old() {
    let off = || Answer::new(500).body(r#"{"data": null, "message": "VM 103 is not running\n"}"#);
    let null = Answer::new(200).body(r#"{"data": null}"#);
    let answers = vec![ok("resources"), ok("interfaces-machine"), ok("interfaces-container"), off(), null];
    let (page, paths) = list("even-stopped", answers);
    let page = page.unwrap();
    assert_eq!(paths[2..], ["pve2/qemu/103/agent/network-get-interfaces", "pve1/lxc/104/interfaces"]);
    assert_eq!((page.coverage, page.items[1].private_addresses.len()), (Coverage::Complete, 1));
    let wrong = list("even-stoped", vec![]).0;
    assert!(matches!(wrong, Err(Error::InvalidAccount(_))), "{wrong:?}");
}

#[test]
fn agents_that_keep_silent_do_not_take_all_the_time_of_a_poll() {
    let kind = |number: u32| if number < 130 { "qemu" } else { "lxc" };
    let rows = (100..131).map(|number| {
        let id = format!("{}/{number}", kind(number));
        json!({ "type": kind(number), "id": id, "vmid": number, "node": "pve1", "status": "running" })
    });
    let answer = |reason: &str| Answer::new(500).body(json!({ "data": null, "message": reason }).to_string());
    let resources = || Answer::new(200).body(json!({ "data": rows.clone().collect::<Vec<_>>() }).to_string());
    for (reason, asked) in [
        ("QEMU guest agent is not running\n", 21),
        ("VM 100 qmp command 'guest-network-get-interfaces' failed - got timeout", 21),
        ("", 21),
        // It costs no time.
        ("No QEMU guest agent configured\n", 31),
    ] {
        let mut answers = vec![resources()];
        answers.extend((1..asked).map(|_| answer(reason)));
        answers.push(ok("interfaces-container"));
        let (page, paths) = list("all", answers);
        let page = page.unwrap();
        assert_eq!((paths.len(), page.coverage), (asked, Coverage::Complete), "{reason}");
        assert_eq!(page.items[30].private_addresses.len(), 1, "{reason}");
    }
}

#[test]
fn containers_that_an_older_version_can_not_ask_are_no_silent_agents() {
    let row = |kind: &str, number: u32| json!({ "type": kind, "id": format!("{kind}/{number}"), "node": "pve1", "status": "running" });
    let rows: Vec<Value> = (100..125).map(|number| row("lxc", number)).chain([row("qemu", 200)]).collect();
    let mut answers = vec![Answer::new(200).body(json!({ "data": rows }).to_string())];
    answers.extend((0..25).map(|_| Answer::new(501).body(r#"{"data": null}"#)));
    answers.push(ok("interfaces-machine"));
    let (page, paths) = list("all", answers);
    assert_eq!((paths.len(), page.unwrap().items[25].public_addresses.len()), (26, 2));
}
