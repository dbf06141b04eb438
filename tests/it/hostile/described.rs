//! Drivers that attack before anything is asked of them: when they are made, and by what they say of themselves.
//! Each is rejected by name with its reason, and the host starts with the others.

use super::{hostile_driver, setup};
use crate::support::Setup;

/// A component of the right world whose functions are all the one of this core module, and which may do harm before
/// that is called.
fn component(core: &str) -> Vec<u8> {
    let text = format!(
        "(component
            (core module $m {core} (func (export \"f\")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i \"f\")))
            (instance $inventory
                (export \"describe\" (func $f))
                (export \"list-instances\" (func $f))
                (export \"list-realms\" (func $f)))
            (export \"tracker:driver/inventory@0.1.0\" (instance $inventory)))"
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The hostile driver, describing itself in another way.
fn describing(how: &str) -> Vec<u8> {
    let mut bytes = hostile_driver();
    let place = b"hostile-describes=";
    let at = bytes.windows(place.len()).position(|window| window == place).expect("the word that is changed");
    let padded = format!("{how:.<14}");
    bytes[at + place.len()..at + place.len() + padded.len()].copy_from_slice(padded.as_bytes());
    bytes
}

/// A file's name, its content, and what is to be said of it.
fn files() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let instances = "(core module $m) ".to_owned() + &"(core instance (instantiate $m))".repeat(100);
    let wat = |text: &str| wat::parse_str(text).expect("WebAssembly text");
    vec![
        ("start-spins.wasm", component("(start $s) (func $s (loop br 0))"), "drivers.limits.cpu_per_page"),
        ("start-traps.wasm", component("(start $s) (func $s unreachable)"), "the driver crashed"),
        (
            "start-grows.wasm",
            component(
                "(memory 1) (start $s) (func $s (loop (br_if 0 (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) unreachable)",
            ),
            "drivers.limits.memory",
        ),
        (
            "start-grows-a-table.wasm",
            component(
                "(table $t 1 funcref) (start $s) (func $s (loop (br_if 0 (i32.ge_s (table.grow $t (ref.null func) (i32.const 1000)) (i32.const 0)))) unreachable)",
            ),
            "drivers.limits.table_elements",
        ),
        ("large-table.wasm", component("(table 100000000 funcref)"), "table"),
        ("large-memory.wasm", component("(memory 65536)"), "memory"),
        ("five-memories.wasm", component(&"(memory 1)".repeat(5)), "memor"),
        ("many-instances.wasm", wat(&format!("(component {instances})")), ""),
        (
            "wants-more.wasm",
            wat("(component (import \"tracker:driver/everyones-secrets@0.1.0\" (instance (export \"all\" (func))))
                 (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
                 (func $f (canon lift (core func $i \"f\")))
                 (instance $inventory (export \"describe\" (func $f)) (export \"list-instances\" (func $f))
                     (export \"list-realms\" (func $f)))
                 (export \"tracker:driver/inventory@0.1.0\" (instance $inventory)))"),
            "something that no driver gets",
        ),
        ("wrong-types.wasm", component(""), ""),
        ("spin.wasm", describing("spin"), "drivers.limits.cpu_per_page"),
        ("sleep.wasm", describing("sleep"), "drivers.limits.request_timeout"),
        ("trap.wasm", describing("trap"), "the driver crashed"),
        ("grow.wasm", describing("grow"), "drivers.limits.memory"),
        ("another.wasm", describing("another"), "describes itself as \"mock\""),
        ("escapes.wasm", describing("escapes"), "invisible ones"),
        ("turned.wasm", describing("turned"), "invisible ones"),
        ("long.wasm", describing("long"), "drivers.limits.field_bytes"),
        ("providers.wasm", describing("providers"), "a list of 100000; at most 1000"),
        ("everything.wasm", describing("everything"), "`*` stands for one label"),
        ("file.wasm", describing("file"), "an endpoint is http or https"),
        ("options.wasm", describing("options"), "named twice"),
        ("password.wasm", describing("password"), "`password`"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_rejected_with_its_reason_and_the_host_starts() {
    let setup: Setup = setup();
    for (name, content, _) in files() {
        setup.driver_file(name, &content);
    }
    setup.vouch_for(files().into_iter().map(|(name, content, _)| (name, content)));
    let list = setup.run(&["driver", "list"]).succeeded().stdout;
    let host = setup.start().await;
    host.log().find("it listens", |line| line.contains("listening on").then_some(())).await;
    for report in [list, host.log().text()] {
        for (name, _, reason) in files() {
            let line = report.lines().find(|line| line.contains(name));
            let line = line.unwrap_or_else(|| panic!("nothing is said of {name}:\n{report}"));
            assert!(line.contains("not loaded") && line.contains(reason), "{line:?} should say {reason:?}");
        }
        assert!(!report.contains('\x1b') && !report.contains('\u{202e}'), "{report:?}");
    }
    let client = host.client().at("mock", "default").as_user("mockuser", "mockpassword");
    assert_eq!(client.get("/api/instances/inst1").await.ok()["state"], "RUNNING");
}

#[test]
fn none_is_approved() {
    let setup = Setup::new(&[]).limits("cpu_per_page = \"300ms\"\nrequest_timeout = \"1s\"");
    // Of a name that its description does not have, nobody has heard yet.
    for (name, content, reason) in files().into_iter().filter(|(name, ..)| *name != "another.wasm") {
        setup.driver_file(name, &content);
        let ended = setup.run(&["driver", "approve", &format!("drivers/{name}"), "--yes"]);
        assert_eq!(ended.code, Some(1), "{name}: {ended:#?}");
        assert!(ended.stderr.contains(reason), "{name} should say {reason:?}: {ended:#?}");
        assert!(!ended.stderr.contains('\x1b') && !ended.stdout.contains('\x1b'), "{name}: {ended:#?}");
    }
}
