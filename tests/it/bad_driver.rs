//! Drivers that are none, or none for this host: each is reported by name with its reason, and the host starts
//! with the others.

use crate::support::{Setup, built_driver};

/// A file's name, its content, and what is to be said of it.
fn bad_files() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let wat = |text: &str| wat::parse_str(text).expect("WebAssembly text");
    let mock = built_driver("mock");
    vec![
        ("text.wasm", b"#!/bin/sh\necho I am a driver\n".to_vec(), "it is not WebAssembly"),
        ("empty.wasm", Vec::new(), "it is not WebAssembly"),
        ("core.wasm", wat("(module (func (export \"describe\")))"), "it is a core module, not a component"),
        ("truncated.wasm", mock[..mock.len() / 2].to_vec(), "it is not a valid component, perhaps truncated"),
        ("stump.wasm", mock[..6].to_vec(), "it is not a valid component, perhaps truncated"),
        (
            "other-world.wasm",
            wat("(component (instance $i) (export \"wasi:cli/run@0.2.0\" (instance $i)))"),
            "it is a component of a different world",
        ),
        ("nothing.wasm", wat("(component)"), "it is a component of a different world"),
        (
            "too-new.wasm",
            wat("(component (instance $i) (export \"tracker:driver/inventory@0.9.0\" (instance $i)))"),
            "update the host",
        ),
    ]
}

#[tokio::test]
async fn bad_files_are_reported_by_name_and_the_host_starts_with_the_others() {
    let setup = Setup::new(&["mock"]);
    let unvetted = built_driver("ec2");
    for (name, content, _) in &bad_files() {
        setup.driver_file(name, content);
    }
    setup.driver_file("unvetted.wasm", &unvetted);
    // The reason that a vetted file would have: even a lock that names them makes no drivers of them.
    setup.vouch_for(bad_files().into_iter().map(|(name, content, _)| (name, content)));

    let list = setup.run(&["driver", "list"]).succeeded().stdout;
    let host = setup.start().await;
    host.log().find("it listens", |line| line.contains("listening on").then_some(())).await;
    let log = host.log().text();
    for report in [&list, &log] {
        let check = |name: &str, reason: &str| {
            let line = report.lines().find(|line| line.contains(name));
            let line = line.unwrap_or_else(|| panic!("nothing is said of {name}:\n{report}"));
            assert!(line.contains(reason), "{line:?} should say {reason:?}");
        };
        for (name, _, reason) in bad_files() {
            check(name, reason);
        }
        check("unvetted.wasm", "tracker driver approve");
    }

    let client = host.client().at("mock", "default").as_user("mockuser", "mockpassword");
    assert_eq!(client.get("/api/instances/inst1").await.ok()["state"], "RUNNING");
    client.at("ec2", "us-east-1").get("/api/instances").await.problem(400);
}

#[test]
fn a_file_that_changed_since_it_was_vetted_is_not_loaded() {
    let setup = Setup::new(&["mock"]);
    let mut changed = built_driver("mock");
    // A custom section more: the same driver to all appearances, and not the one that was looked at.
    changed.extend([0, 2, 1, b'x']);
    setup.driver_file("mock.wasm", &changed);
    let list = setup.run(&["driver", "list"]).succeeded().stdout;
    assert!(list.contains("its content changed since it was approved"), "{list}");

    setup.run(&["driver", "approve", "mock", "--yes"]).succeeded();
    let list = setup.run(&["driver", "list"]).succeeded().stdout;
    assert!(list.contains("loaded") && !list.contains("not loaded"), "{list}");
}

#[test]
fn what_is_no_driver_cannot_be_vetted() {
    let setup = Setup::new(&[]);
    for (name, content, reason) in bad_files() {
        setup.driver_file(name, &content);
        let ended = setup.run(&["driver", "approve", &format!("drivers/{name}"), "--yes"]);
        assert_eq!(ended.code, Some(1), "{ended:#?}");
        assert!(ended.stderr.contains(name) && ended.stderr.contains(reason), "{ended:#?}");
    }
    assert!(!setup.path("drivers.lock").exists(), "nothing was written");
    let ended = setup.run(&["driver", "approve", "gogrid", "--yes"]);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("there is no gogrid.wasm"), "{ended:#?}");
}

#[test]
fn nothing_is_vetted_without_being_asked_for() {
    let setup = Setup::new(&[]);
    setup.driver_file("ec2.wasm", &built_driver("ec2"));
    let ended = setup.run(&["driver", "approve", "ec2"]);
    assert_eq!(ended.code, Some(2), "without a terminal there is no one to ask: {ended:#?}");
    assert!(ended.stdout.contains("amazonaws.com"), "what it asks for is shown: {ended:#?}");
    assert!(!setup.path("drivers.lock").exists());
}
