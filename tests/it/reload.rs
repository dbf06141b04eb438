//! Drivers while the host runs: a new version takes over between polls, one that can't be loaded leaves the old one
//! in its place, another mapping is no change of state, and a shadow is compared and never acted on.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::hostile::compiled::long_function;
use crate::support::wait::{SOON, eventually};
use crate::support::{Client, Host, Setup, built_faulty};

/// The driver in another version, which maps otherwise: the number stands in its data.
fn version(number: u8) -> Vec<u8> {
    const MARK: &[u8] = b"faulty-version=1.";
    let mut driver = built_faulty("faulty");
    let at = driver.windows(MARK.len()).position(|window| window == MARK).expect("the mark is in its data");
    driver[at + MARK.len() - 2] = b'0' + number;
    driver
}

/// A host with version 1, and one account whose only instance is "up".
async fn host_with_version_1() -> (Host, Client) {
    let setup = Setup::new(&["mock"]);
    setup.driver_file("faulty-1.wasm", &version(1));
    setup.run(&["driver", "approve", "drivers/faulty-1.wasm", "--yes"]).succeeded();
    let setup = setup
        .provider("faulty", "lab", "http://127.0.0.1:9", "do = \"map\"")
        .account("faulty", "lab", "user", "correct-horse")
        .account("mock", "default", "mockuser", "mockpassword");
    let host = setup.start().await;
    let client = host.client().at("faulty", "lab").as_user("user", "correct-horse");
    (host, client)
}

async fn state_is(client: &Client, want: &str) {
    eventually(SOON, want, async || match client.get("/api/instances/i-1").await.ok()["state"].as_str() {
        Some(state) if state == want => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

/// The types of the account's changes so far.
async fn changes(client: &Client) -> Vec<String> {
    let changes = client.get("/api/changes?since=0").await.ok();
    let types = changes.as_array().expect("an array").iter().map(|change| change["type"].as_str());
    types.map(|name| name.expect("a type").to_owned()).collect()
}

/// Which version of the driver clients see.
async fn loaded(client: &Client) -> String {
    let driver = client.get("/api/drivers/faulty").await.ok();
    driver["version"].as_str().expect("a version").to_owned()
}

#[tokio::test]
async fn a_driver_is_compiled_again_for_as_long_as_its_reason_may_pass() {
    let tries = async |time: &str, content: Vec<u8>| {
        let setup = Setup::new(&["mock"]).drivers(&format!("[drivers.compile]\ntime = {time:?}\n"));
        setup.driver_file("other.wasm", &content);
        setup.vouch_for([("other.wasm", content)]);
        let host = setup.start().await;
        // It serves what it has.
        host.client().at("mock", "default").as_user("mockuser", "mockpassword").get("/api/instances").await.ok();
        let tries = async || {
            let metrics = host.client().get("/metrics").await.text;
            let lines = metrics.lines().filter(|line| line.starts_with("tracker_store_operations_total"));
            let tries: Vec<String> = lines.filter(|line| line.contains("load-drivers")).map(str::to_owned).collect();
            tries.join("\n")
        };
        eventually(SOON, "drivers were loaded", async || match tries().await {
            tries if tries.is_empty() => Err(tries),
            tries if tries.contains("compile-limit") && tries.ends_with(" 1") => Err(tries),
            tries => Ok(tries),
        })
        .await
    };
    let late = tries("1s", long_function(600_000)).await;
    assert!(late.contains("outcome=\"compile-limit\""), "{late}");
    let wrong = tries("1m", b"\0asm\x0d\0\x01\0 and no component".to_vec()).await;
    assert!(wrong.contains("outcome=\"succeeded\"") && !wrong.contains("compile-limit"), "{wrong}");
}

#[tokio::test]
async fn another_version_takes_over_and_its_mapping_is_no_change_of_state() {
    let (host, client) = host_with_version_1().await;
    state_is(&client, "RUNNING").await;
    host.setup().driver_file("faulty-2.wasm", &version(2));
    host.setup().run(&["driver", "approve", "drivers/faulty-2.wasm", "--yes"]).succeeded();
    assert_eq!(loaded(&client).await, "0.1.0", "approved is not yet loaded");

    let reloaded = host.setup().run(&["driver", "reload"]);
    assert!(reloaded.stdout.contains("replaced"), "{reloaded:#?}");
    assert!(reloaded.stdout.contains("unchanged"), "the driver beside it: {reloaded:#?}");
    // The file of version 1 is still there, and no longer approved: that is said.
    assert!(reloaded.stdout.contains("faulty-1.wasm"), "{reloaded:#?}");
    assert_eq!(loaded(&client).await, "0.2.0");
    state_is(&client, "STOPPED").await;
    assert_eq!(changes(&client).await, ["instance.updated"], "the provider said `up` all along");

    // What the host is killed with is what it starts with.
    let mut host = host;
    host.kill();
    host.start().await;
    assert_eq!(loaded(&client).await, "0.2.0");
    assert_eq!(changes(&client).await, ["instance.updated"]);
}

#[tokio::test]
async fn a_version_that_cannot_be_loaded_leaves_the_old_one_in_its_place() {
    let (host, client) = host_with_version_1().await;
    state_is(&client, "RUNNING").await;
    let mut broken = version(2);
    broken.truncate(broken.len() / 2);
    host.setup().driver_file("faulty-2.wasm", &broken);
    approve_by_hand(&host, "faulty-2.wasm", &broken, "current");
    let reloaded = host.setup().run(&["driver", "reload"]);
    assert_eq!(reloaded.code, Some(1), "{reloaded:#?}");
    assert!(reloaded.stdout.contains("faulty-2.wasm: it is not a valid component"), "{reloaded:#?}");
    assert_eq!(loaded(&client).await, "0.1.0", "the old one goes on");
    let polled = account(&client).await;
    eventually(SOON, "it is polled still", async || match account(&client).await {
        now if now != polled => Ok(()),
        now => Err(now),
    })
    .await;

    // A lock that can't be read changes nothing either.
    std::fs::write(host.setup().path("drivers.lock"), "nonsense").expect("written");
    let reloaded = host.setup().run(&["driver", "reload"]);
    assert_eq!(reloaded.code, Some(1), "{reloaded:#?}");
    assert!(reloaded.stderr.contains("is not a lock file"), "{reloaded:#?}");
    assert_eq!(loaded(&client).await, "0.1.0");
}

#[tokio::test]
async fn what_is_approved_no_more_is_dropped_at_a_hangup() {
    let (host, client) = host_with_version_1().await;
    state_is(&client, "RUNNING").await;
    std::fs::write(host.setup().path("drivers.lock"), "version = 1\n").expect("written");
    host.hang_up();
    eventually(SOON, "no driver is loaded", async || match client.get("/api/drivers").await.ok() {
        drivers if drivers["drivers"] == Value::Array(vec![]) => Ok(()),
        drivers => Err(drivers.to_string()),
    })
    .await;
    host.log().find("it is said why", |line| line.contains("no longer approved").then_some(())).await;
    // What was seen last can still be read, and that it is not polled is told.
    let failed = |account: &Value| account.to_string().contains("not-configured");
    client.until("/api/account", "its polls fail", failed).await;
    assert_eq!(client.get("/api/instances/i-1").await.ok()["state"], "RUNNING");
}

#[tokio::test]
async fn a_shadow_is_compared_and_never_acted_on() {
    let (host, client) = host_with_version_1().await;
    state_is(&client, "RUNNING").await;
    let candidate = version(2);
    host.setup().driver_file("faulty-2.wasm", &candidate);
    let current = std::fs::read_to_string(host.setup().path("drivers.lock")).expect("read");
    std::fs::write(host.setup().path("drivers.lock"), current + &entry("faulty-2.wasm", &candidate, "shadow"))
        .expect("written");
    host.setup().run(&["driver", "reload"]).succeeded();

    let report = eventually(SOON, "some lists are compared", async || {
        let shown = host.setup().run(&["driver", "shadow", "--output", "json"]).succeeded();
        let document: Value = serde_json::from_str(&shown.stdout).map_err(|error| error.to_string())?;
        let shadow = document["shadows"][0].clone();
        if shadow["lists"].as_u64() > Some(2) { Ok(shadow) } else { Err(shown.stdout) }
    })
    .await;
    assert_eq!((&report["version"], &report["failures"]), (&"0.2.0".into(), &0.into()));
    assert!(report["differences"]["state"].as_u64() > Some(0), "{report}");
    assert_eq!(report["differences"]["fields"], 0, "{report}");
    let example = report["examples"][0]["what"].as_str().expect("an example");
    assert_eq!(example, "i-1 is RUNNING to the current version and STOPPED to the shadow");
    let shown = host.setup().run(&["driver", "shadow"]).succeeded().stdout;
    assert!(shown.contains("i-1 is RUNNING to the current version"), "{shown}");

    state_is(&client, "RUNNING").await;
    assert_eq!(changes(&client).await, Vec::<String>::new());
    assert_eq!(loaded(&client).await, "0.1.0");
}

#[tokio::test]
async fn without_a_host_there_is_nobody_to_ask() {
    let setup = Setup::new(&[]);
    let asked = setup.run(&["driver", "reload"]);
    assert_eq!(asked.code, Some(1), "{asked:#?}");
    assert!(asked.stderr.contains("is the host running"), "{asked:#?}");
}

/// When the account was last polled.
async fn account(client: &Client) -> String {
    client.get("/api/account").await.ok().to_string()
}

/// Puts a driver into the lock in the place of the one that is there, as vetted by someone who did not look.
fn approve_by_hand(host: &Host, file: &str, content: &[u8], role: &str) {
    let lock = format!("version = 1\n{}", entry(file, content, role));
    std::fs::write(host.setup().path("drivers.lock"), lock).expect("written");
}

fn entry(file: &str, content: &[u8], role: &str) -> String {
    let digest: String = Sha256::digest(content).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    format!(
        "\n[[driver]]\nname = \"faulty\"\nversion = \"0.2.0\"\nrole = {role:?}\nfile = {file:?}\nsha256 = {digest:?}\n\
         endpoints = []\napproved_at = \"2026-11-22T10:00:00Z\"\napproved_by = \"nobody\"\n"
    )
}

#[tokio::test]
async fn what_a_driver_remembers_outlasts_a_restart_and_no_change_of_version() {
    let setup = Setup::new(&["mock"]);
    setup.driver_file("faulty-1.wasm", &version(1));
    setup.run(&["driver", "approve", "drivers/faulty-1.wasm", "--yes"]).succeeded();
    let mut host = setup
        .polls("[polling]\ninstances_every = \"1h\"\nrealms_every = \"1h\"\n\n[api]\nrefresh_every = \"0s\"\n")
        .provider("faulty", "lab", "http://127.0.0.1:9", "do = \"remember\", value = \"remembered\"")
        .account("faulty", "lab", "user", "correct-horse")
        .start()
        .await;
    let client = host.client().at("faulty", "lab").as_user("user", "correct-horse");
    // Its name is what the driver remembers of the poll before.
    let remembered = async || {
        client.post_text("/api/refresh?kind=instance", "").await.ok();
        client.get("/api/instances/i-1").await.ok()["name"].as_str().is_some_and(|name| name == "remembered")
    };
    remembered().await;
    assert!(remembered().await);
    assert!(host.stop().await.success());
    host.start().await;
    assert!(remembered().await, "a restart keeps it");

    host.setup().driver_file("faulty-2.wasm", &version(2));
    host.setup().run(&["driver", "approve", "drivers/faulty-2.wasm", "--yes"]).succeeded();
    host.setup().run(&["driver", "reload"]);
    assert_eq!(loaded(&client).await, "0.2.0");
    assert!(!remembered().await, "another version begins anew");
}
