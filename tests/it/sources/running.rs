//! A host and the drivers that it fetches: at its start, at a reload, and when it is told to end meanwhile.

use super::{drivers, failed, lock, mock, push, put, read, sha256, with_section};
use crate::support::shelf::Item;
use crate::support::wait::{SOON, eventually};
use crate::support::{Host, Registry, Setup, Shelf, built_driver};

#[tokio::test(flavor = "multi_thread")]
async fn a_host_fetches_what_is_approved_and_not_there() {
    let registry = Registry::start().await;
    let setup = Setup::new(&[]).account("mock", "default", "mockuser", "mockpassword");
    let folder = tempfile::tempdir().expect("a folder");
    let (first, bytes) = (registry.source("mock:1"), built_driver("mock"));
    let pinned = push(&setup, &mock(), &first);
    let approved = setup.run(&["driver", "approve", &first, "--yes"]).succeeded().stdout;
    assert!(approved.contains(&pinned) && approved.contains(&sha256(&bytes)), "{approved}");
    assert!(lock(&setup).contains(&format!("source = {pinned:?}")), "{}", lock(&setup));
    let [file] = drivers(&setup).try_into().expect("one file");
    assert!(file.starts_with("mock-") && file.ends_with(&format!("-{}.wasm", &sha256(&bytes)[..12])), "{file}");

    // The tag moves on, and the file goes.
    let other = put(&folder, "other.wasm", &with_section(&bytes, "another file"));
    let moved = push(&setup, &other, &first);
    assert_ne!(moved, pinned);
    std::fs::remove_file(setup.path("drivers").join(&file)).expect("removed");
    failed(setup.run(&["driver", "verify"]), 1, &["1 of 1 approved drivers"]);
    let host = setup.start().await;
    assert_eq!(read(host.setup().path("drivers").join(&file)), bytes, "what was approved, and not what the tag is now");
    let client = host.client().at("mock", "default").as_user("mockuser", "mockpassword");
    client.until("/api/instances", "the driver polls", |list| list.to_string().contains("inst1")).await;
    host.setup().run(&["driver", "verify"]).succeeded();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_cannot_be_fetched_keeps_no_other_from_loading() {
    let mut registry = Registry::start().await;
    let setup = Setup::new(&[]);
    push(&setup, &mock(), &registry.source("mock:1"));
    setup.run(&["driver", "approve", &registry.source("mock:1"), "--yes"]).succeeded();
    setup.driver_file("ec2.wasm", &built_driver("ec2"));
    setup.run(&["driver", "approve", "ec2", "--yes"]).succeeded();
    let mock = drivers(&setup).into_iter().find(|file| file.starts_with("mock-")).expect("approved");
    std::fs::remove_file(setup.path("drivers").join(&mock)).expect("removed");
    registry.goes_down();
    let list = setup.run(&["driver", "list"]).succeeded().stdout;
    let line = |name: &str| list.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{list}"));
    assert!(line("ec2").contains("loaded"), "{list}");
    assert!(line(&mock).contains("not loaded: its file is missing and cannot be fetched: "), "{list}");
    assert!(line(&mock).contains("no connection"), "{list}");
    let error = failed(setup.run(&["driver", "pull"]), 1, &[&registry.host(), "no connection"]);
    assert!(error.contains("mock"), "{error}");

    let setup = setup.drivers("fetch = false");
    let list = setup.run(&["driver", "list"]).succeeded().stdout;
    assert!(!list.contains("cannot be fetched"), "nothing is fetched that should not be: {list}");
}

/// A host with the mock driver, from a registry.
async fn host_with_mock(registry: &Registry) -> Host {
    let setup = Setup::new(&[]);
    let source = registry.source("mock:1");
    push(&setup, &mock(), &source);
    setup.run(&["driver", "approve", &source, "--yes"]).succeeded();
    setup.account("mock", "default", "mockuser", "mockpassword").start().await
}

/// Approves another file of the same driver from the registry, takes it away, and gives its name and its bytes.
fn approved_and_gone(host: &Host, registry: &Registry, what: &str) -> (String, Vec<u8>) {
    let (setup, folder) = (host.setup(), tempfile::tempdir().expect("a folder"));
    let bytes = with_section(&built_driver("mock"), what);
    let source = registry.source(&format!("mock:{what}"));
    push(setup, &put(&folder, "other.wasm", &bytes), &source);
    setup.run(&["driver", "approve", &source, "--yes"]).succeeded();
    let ending = format!("-{}.wasm", &sha256(&bytes)[..12]);
    let file = drivers(setup).into_iter().find(|file| file.ends_with(&ending)).expect("approved");
    std::fs::remove_file(setup.path("drivers").join(&file)).expect("removed");
    (file, bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_fetches_too_and_where_it_cannot_the_old_one_stays() {
    let mut registry = Registry::start().await;
    let host = host_with_mock(&registry).await;
    let (file, bytes) = approved_and_gone(&host, &registry, "second");
    let reloaded = host.setup().run(&["driver", "reload"]);
    assert!(reloaded.stdout.contains("replaced"), "{reloaded:#?}");
    assert_eq!(read(host.setup().path("drivers").join(&file)), bytes);

    let (file, _) = approved_and_gone(&host, &registry, "third");
    registry.goes_down();
    let reloaded = host.setup().run(&["driver", "reload"]);
    assert_eq!(reloaded.code, Some(1), "{reloaded:#?}");
    assert!(reloaded.stdout.contains(&format!("{file}: its file is missing and cannot be fetched")), "{reloaded:#?}");
    let client = host.client().at("mock", "default").as_user("mockuser", "mockpassword");
    client.until("/api/instances", "the driver polls still", |list| list.to_string().contains("inst1")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_fetches_ends_when_it_is_told() {
    let (registry, shelf) = (Registry::start().await, Shelf::start().await);
    let mut host = host_with_mock(&registry).await;
    let (_, bytes) = approved_and_gone(&host, &registry, "second");
    let from = format!("{}/mock.wasm", shelf.origin());
    shelf.put("/mock.wasm", Item::Silence);
    let locked = lock(host.setup());
    let source = locked.lines().find(|line| line.starts_with("source = ")).expect("a source");
    let moved = locked.replace(source, &format!("source = {from:?}"));
    assert!(moved.contains(&sha256(&bytes)));
    std::fs::write(host.setup().path("drivers.lock"), moved).expect("written");
    host.hang_up();
    eventually(SOON, "the host fetches", async || match shelf.asked().concat() {
        asked if asked.contains("GET /mock.wasm") => Ok(()),
        asked => Err(asked),
    })
    .await;
    assert!(host.stop().await.success());
}
