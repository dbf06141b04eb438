//! The tools for authors, with the real binary: a driver is inspected, run on a live account and recorded there,
//! and what was recorded plays without the provider.

mod roles;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;
use tracker::clock::{Clock, ManualClock};
use tracker::driver::{Engine, Limits, load};
use tracker::kit::cassette::Cassettes;
use tracker::net::{ClientSettings, Clients};

use crate::support::{Ended, Moto, Setup, at_terminal, built_driver, built_drivers, tracker};

const PASSWORD: &str = "owner-secret-key/+=";
const TOKEN: &str = "session token & more";

/// A folder with a driver that nobody vetted, and an account's secrets in files.
fn workshop(driver: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in [("password", PASSWORD), ("token", TOKEN)] {
        std::fs::write(folder.path().join(name), content).expect("written");
    }
    std::fs::write(folder.path().join("driver.wasm"), built_driver(driver)).expect("written");
    folder
}

/// Runs a tool on the driver and the account of a workshop.
fn tool(folder: &TempDir, moto: &Moto, name: &str, more: &[&str]) -> Ended {
    let account = ["--provider", "lab", "--user", "AKIAOWNER", "--password-file", "password"];
    let secret = ["--secret-file", "session-token=token", "--option", "region=us-east-1"];
    let endpoint = ["--endpoint", &moto.endpoint, "--allow-addresses", "127.0.0.1"];
    let command = ["driver", name, "./driver.wasm"];
    tracker(folder.path(), &[&command[..], &account, &secret, &endpoint, more].concat())
}

fn assert_no_secret(text: &str) {
    for secret in [PASSWORD, TOKEN, "session+token", "session%20token", "c2Vzc2lvbiB0b2tlb", "b3duZXItc2VjcmV0LWtle"] {
        assert!(!text.contains(secret), "{secret} is in it:\n{text}");
    }
}

/// Plays every cassette of a directory, and holds it to what it expects.
async fn play(driver: &Path, directory: &Path) -> usize {
    let cassettes = Cassettes::read_dir(directory).unwrap_or_else(|error| panic!("{error}"));
    for cassette in &cassettes {
        let clients = Clients::new(ClientSettings::default()).expect("clients");
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(cassette.at));
        let engine = Engine::new(Limits::default(), clients, clock).expect("an engine");
        let driver = load::unapproved(&engine, driver).await.expect("loaded");
        let (target, tape) = cassette.replay();
        let listed = match cassette.ids.as_slice() {
            [] => driver.list_since(&target, cassette.list, cassette.since).await,
            ids => driver.list_ids(&target, ids).await,
        };
        let listed = listed.map_err(|failure| failure.error);
        let name = &cassette.name;
        assert_eq!(cassette.expect.differences(listed.as_ref()), Vec::<String>::new(), "{name}");
        assert_eq!(tape.surprises(), [], "{name}");
        assert_eq!(tape.unused(), Vec::<usize>::new(), "{name}");
    }
    cassettes.len()
}

#[tokio::test]
async fn what_is_recorded_has_no_secret_and_plays_the_same() {
    let mut moto = Moto::start().await;
    let running = moto.cloud.run_named("web").await;
    let stopped = moto.cloud.run_named("db").await;
    moto.cloud.stop(&stopped).await;
    let folder = workshop("ec2");
    let ended = tool(&folder, &moto, "record", &["--cassettes", "kept", "--yes"]).succeeded();
    assert_eq!(ended.stdout.matches("played once: it gave the same result").count(), 2, "{ended:#?}");
    assert_no_secret(&format!("{}{}", ended.stdout, ended.stderr));

    let text = std::fs::read_to_string(folder.path().join("kept/instances.json")).expect("written");
    assert_no_secret(&text);
    assert!(!text.to_lowercase().contains("\"authorization\"") && !text.contains("x-amz-date"), "{text}");
    let kept: Value = serde_json::from_str(&text).expect("JSON");
    let headers = &kept["exchanges"][0]["request"]["headers"];
    assert_eq!(headers["x-amz-security-token"], "{{session-token as raw}}", "{kept:#}");
    assert_eq!(kept["expect"]["states"]["stopped"], "STOPPED", "{kept:#}");
    let mut ids = [running, stopped];
    ids.sort();
    assert_eq!(kept["expect"]["ids"], serde_json::json!(ids));

    // What is there is not written over unasked.
    let again = tool(&folder, &moto, "record", &["--cassettes", "kept", "--yes"]);
    assert_eq!(again.code, Some(2), "{again:#?}");
    assert!(again.stderr.contains("--replace"), "{again:#?}");
    drop(moto);
    assert_eq!(play(&folder.path().join("driver.wasm"), &folder.path().join("kept")).await, 2);
}

#[tokio::test]
async fn somebody_confirms_what_was_recorded() {
    let mut moto = Moto::start().await;
    moto.cloud.run_named("web").await;
    let folder = workshop("ec2");
    let record = |name: &str, typed: Option<&str>| {
        let account = ["--provider", "lab", "--user", "AKIAOWNER", "--password-file", "password"];
        let endpoint = ["--endpoint", &moto.endpoint, "--allow-addresses", "127.0.0.1", "--option", "region=us-east-1"];
        let kept = ["--cassettes", "kept", "--list", "instances", "--name", name];
        let command = [&["driver", "record", "./driver.wasm"][..], &account, &endpoint, &kept].concat();
        match typed {
            Some(typed) => at_terminal(folder.path(), &command, typed),
            None => tracker(folder.path(), &command),
        }
    };
    // The first question is whether to run what is not approved.
    let denied = record("denied", Some("y\nn\n"));
    assert_eq!(denied.code, Some(1), "{denied:#?}");
    for part in ["\"name\":\"web\"", "Does the provider show exactly this", "correct `expect` in"] {
        assert!(denied.stdout.contains(part), "{part:?} is not in {denied:#?}");
    }
    assert!(folder.path().join("kept/denied.json").exists(), "what is to be corrected is kept");
    record("confirmed", Some("y\ny\n")).succeeded();
    // Nobody answers where there is no terminal.
    tracker(folder.path(), &["driver", "approve", "./driver.wasm", "--yes"]).succeeded();
    let unasked = record("unasked", None);
    assert_eq!(unasked.code, Some(2), "{unasked:#?}");
    assert!(unasked.stderr.contains("there is no terminal to ask on: hold `expect`"), "{unasked:#?}");
}

#[tokio::test]
async fn a_secret_that_slips_through_is_not_written() {
    let mut moto = Moto::start().await;
    // An instance that is called as the secret is, written as nothing masks it.
    let odd = PASSWORD.to_uppercase();
    moto.cloud.run_named(&odd).await;
    let folder = workshop("ec2");
    let ended = tool(&folder, &moto, "record", &["--cassettes", "kept", "--list", "instances", "--yes"]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.contains("it has the account's \"password\" in it"), "{ended:#?}");
    assert!(!ended.stderr.contains(&odd), "{ended:#?}");
    assert!(!folder.path().join("kept").exists(), "nothing is written");
}

#[tokio::test]
async fn a_run_shows_every_exchange_and_no_secret() {
    let mut moto = Moto::start().await;
    let id = moto.cloud.run_named("web").await;
    let folder = workshop("ec2");

    // Nobody vetted it, and there is nobody to ask.
    let unasked = tool(&folder, &moto, "run", &["--trace"]);
    assert_eq!((unasked.code, unasked.stdout.as_str()), (Some(2), ""), "{unasked:#?}");
    assert!(unasked.stderr.contains("is NOT approved") && unasked.stderr.contains("--yes"), "{unasked:#?}");
    assert!(unasked.stderr.contains(&moto.endpoint) && !unasked.stderr.contains("> POST"), "{unasked:#?}");

    let ended = tool(&folder, &moto, "run", &["--trace", "--output", "json", "--yes"]).succeeded();
    let listed: Value = serde_json::from_str(&ended.stdout).expect("nothing but JSON on standard output");
    assert_eq!((&listed[0]["id"], &listed[0]["name"]), (&Value::from(id.as_str()), &Value::from("web")));
    for wanted in [
        &format!("> POST {}/", moto.endpoint),
        ">   authorization: [hidden]",
        ">   x-amz-security-token: {{session-token as raw}}",
        ">   Action=DescribeInstances&",
        "< 200 OK after ",
        "<   <DescribeInstancesResponse",
        "--trace=full shows them",
        "1 listed, complete; 1 page, 1 request",
    ] {
        assert!(ended.stderr.contains(wanted), "{wanted} is not in:\n{}", ended.stderr);
    }
    assert_no_secret(&ended.stderr);
    let full = tool(&folder, &moto, "run", &["--trace=full", "--yes"]).succeeded();
    assert!(full.stdout.contains(&id) && full.stderr.contains("</DescribeInstancesResponse>"), "{full:#?}");
    assert_no_secret(&full.stderr);
    let quiet = tool(&folder, &moto, "run", &["--list", "realms", "--yes"]).succeeded();
    assert!(quiet.stdout.contains("us-east-1a") && !quiet.stderr.contains("> POST"), "{quiet:#?}");
}

#[test]
fn a_vetted_driver_runs_unasked_on_a_configured_account() {
    let setup = Setup::new(&["mock"]).account("mock", "default", "mockuser", "mockpassword");
    let ended = setup.run(&["driver", "run", "mock", "--trace"]).succeeded();
    assert!(ended.stdout.contains("inst1") && !ended.stderr.contains("approved"), "{ended:#?}");
    let ended = setup.run(&["driver", "run", "mock", "--account", "ec2/x/y"]);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("an account of driver \"ec2\""), "{ended:#?}");
    let ended = setup.run(&["driver", "run", "mock", "--option", "cuont=3"]);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("it has no option \"cuont\""), "{ended:#?}");

    // What changed, of a driver that can tell.
    let since = ["driver", "run", "mock", "--option", "count=200", "--option", "churn=60", "--since"];
    let ended = setup.run(&[&since[..], &["2026-01-01T00:00:00Z", "--output", "json"]].concat()).succeeded();
    let listed: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let gone = listed["gone"].as_array().expect("a list");
    assert!(!gone.is_empty() && !listed["changed"].as_array().expect("a list").is_empty(), "{listed}");
    assert!(ended.stderr.contains(&format!("what changed, {} gone", gone.len())), "{ended:#?}");
    for (more, wanted) in
        [(["yesterday"].as_slice(), "RFC 3339"), (&["2026-01-01T00:00:00Z", "--list", "realms"], "not for realms")]
    {
        let ended = setup.run(&[&since[..], more].concat());
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        assert!(ended.stderr.contains(wanted), "{ended:#?}");
    }
    let other = Setup::new(&["ec2"]).account("ec2", "us-east-1", "user", "password");
    let ended = other.run(&["driver", "run", "ec2", "--since", "2026-01-01T00:00:00Z"]);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("the feature `delta`"), "{ended:#?}");

    // Single instances, of a driver that can be asked for them.
    let kept = setup.path("single");
    let kept = kept.to_str().expect("UTF-8");
    let single = ["driver", "record", "mock", "--cassettes", kept, "--yes", "--list"];
    setup.run(&[&single[..], &["instances", "--ids", "inst1,inst7", "--name", "some"]].concat());
    let cassette: Value =
        serde_json::from_str(&std::fs::read_to_string(setup.path("single/some.json")).expect("written")).expect("JSON");
    assert_eq!(cassette["ids"], serde_json::json!(["inst1", "inst7"]));
    assert_eq!(cassette["expect"]["ids"], serde_json::json!(["inst1"]), "{cassette}");
    let ended = setup.run(&[&single[..], &["realms", "--ids", "us"]].concat());
    assert!(ended.code == Some(2) && ended.stderr.contains("is for instances, not for realms"), "{ended:#?}");
    let ended = setup.run(&[&single[..], &["instances", "--ids", "inst1", "--since", "2026-01-01T00:00:00Z"]].concat());
    assert!(ended.code == Some(2) && ended.stderr.contains("cannot be used with"), "{ended:#?}");

    // The driver compares the password itself, so one that is made up would not do.
    let record = ["driver", "record", "mock", "--cassettes"];
    let kept = setup.path("kept");
    let ended = setup.run(&[&record[..], &[kept.to_str().expect("UTF-8")]].concat());
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stdout.contains("account.fakes"), "{ended:#?}");
}

#[tokio::test]
async fn the_drivers_own_cassettes_play() {
    let drivers = Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers");
    for (name, at_least) in [("ec2", 7), ("mock", 3)] {
        let played = play(&built_drivers().join(format!("{name}.wasm")), &drivers.join(name).join("cassettes")).await;
        assert!(played >= at_least, "{played} cassettes of {name}");
    }
}

/// The driver that misbehaves, which `make faulty` builds.
fn faulty() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/faulty/wasm32-wasip2/release/faulty.wasm");
    assert!(path.exists(), "{} is not there: run `make faulty`", path.display());
    path
}

#[test]
fn drivers_are_inspected() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |file: &Path, wanted: &[&str]| {
        let shown = tracker(folder.path(), &["driver", "inspect", file.to_str().expect("UTF-8")]).succeeded().stdout;
        for wanted in wanted {
            assert!(shown.contains(wanted), "{wanted} is not in:\n{shown}");
        }
    };
    let older = "World      tracker:driver/driver 0.1.0 (this host serves 0.1 and 0.2)\n";
    let world = "World      tracker:driver/driver 0.2.0 (this host serves 0.1 and 0.2)\n";
    let ec2 = built_drivers().join("ec2.wasm");
    check(
        &ec2,
        &[
            "Driver     ec2 ",
            "(Amazon EC2)\n",
            world,
            "Loads      yes, once it is approved\n",
            "us-east-1  https://ec2.us-east-1.amazonaws.com\n",
            "Reaches    the endpoint of the account that it works for\n",
            "session-token (secret): ",
            "Roles      none\n",
            "Secret     password\n",
            "Features   by-id\n",
            "Exports    tracker:driver/inventory@0.2.0\n",
            "wasi:http/outgoing-handler 0.2",
            "tracker:driver/credentials 0.2.0\n",
            "(lent, with nothing behind it)\n",
        ],
    );
    check(&built_drivers().join("mock.wasm"), &["Driver     mock ", world, "count: "]);
    check(&faulty(), &["Driver     faulty ", older]);

    let ended = tracker(folder.path(), &["driver", "inspect", ec2.to_str().expect("UTF-8"), "--output", "json"]);
    let shown: Value = serde_json::from_str(&ended.succeeded().stdout).expect("nothing but JSON");
    assert_eq!((&shown["loads"], &shown["error"]), (&Value::Bool(true), &Value::Null), "{shown:#}");
    assert_eq!(shown["size"], std::fs::metadata(&ec2).expect("there").len());
    assert_eq!(shown["driver"]["name"], "ec2");
    assert_eq!(shown["contract"], "0.2.0");
    let imports = shown["imports"].as_array().expect("a list");
    assert!(imports.iter().all(|import| import["lent"] != "refused"), "{imports:#?}");
}

#[test]
fn what_the_host_would_refuse_is_inspected_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let inspect = |content: &[u8], more: &[&str]| {
        std::fs::write(folder.path().join("it.wasm"), content).expect("written");
        tracker(folder.path(), &[&["driver", "inspect", "./it.wasm"], more].concat())
    };
    let wat = |text: &str| wat::parse_str(text).expect("WebAssembly text");
    let named = |content: &[u8], wanted: &str| {
        let ended = inspect(content, &[]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:#?}");
        assert!(ended.stderr.contains(wanted) && ended.stderr.contains("it.wasm"), "{ended:#?}");
    };
    named(b"#!/bin/sh", "it is not WebAssembly");
    named(b"", "it is not WebAssembly");
    named(&wat("(module)"), "it is a core module, not a component");
    let ec2 = built_driver("ec2");
    named(&ec2[..ec2.len() / 2], "it is not a valid component, perhaps truncated");

    let shown = |text: &str, wanted: &[&str]| {
        let stdout = inspect(&wat(text), &[]).succeeded().stdout;
        for wanted in wanted {
            assert!(stdout.contains(wanted), "{wanted} is not in:\n{stdout}");
        }
    };
    shown("(component)", &["Loads      NO: it is a component of a different world", "Imports    none\n"]);
    let other = "(component (import \"wasi:nowhere/far@0.2.0\" (instance)) (import \"wasi:io/poll@0.2.3\" (instance))
        (import \"wasi:sockets/tcp@0.2.0\" (instance)) (import \"a-function\" (func))
        (instance $i) (export \"wasi:cli/run@0.2.0\" (instance $i)))";
    shown(
        other,
        &[
            "World      another than tracker:driver/driver\n",
            "Loads      NO: it is a component of a different world",
            "Exports    wasi:cli/run@0.2.0\n",
            "wasi:nowhere/far 0.2.0 (REFUSED: no driver gets it)\n",
            "wasi:io/poll 0.2.3\n",
            "wasi:sockets/tcp 0.2.0 (lent, with nothing behind it)\n",
            "a-function (REFUSED",
        ],
    );
    let too_new = "(component (instance $i) (export \"tracker:driver/inventory@0.9.0\" (instance $i)))";
    shown(too_new, &["World      tracker:driver/driver 0.9.0 (this host serves 0.1 and 0.2)\n", "update the host"]);
    let shown: Value =
        serde_json::from_str(&inspect(&wat(other), &["--output", "json"]).succeeded().stdout).expect("JSON");
    assert_eq!((&shown["loads"], &shown["driver"]), (&Value::Bool(false), &Value::Null), "{shown:#}");
    assert_eq!(shown["imports"][0]["lent"], "refused", "{shown:#}");
}
