//! Where drivers come from: a real registry, web servers in the clear and over TLS, files. What comes is the file that
//! was meant or a named error; nothing is loaded that was not approved, wherever it came from.

mod running;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::manifest::OciImageManifest;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::support::registry::{PASSWORD, USER};
use crate::support::shelf::Item;
use crate::support::{Ended, Registry, Setup, Shelf, built_driver, built_drivers};

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same driver in another file: a component may have sections of anyone's.
fn with_section(bytes: &[u8], content: &str) -> Vec<u8> {
    let length = u8::try_from(content.len() + 2).expect("short");
    let name_length = 1;
    [bytes, &[0, length, name_length, b'x'], content.as_bytes()].concat()
}

/// The same driver in words of the same length.
fn changed(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let mut found = false;
    for at in 0..bytes.len().saturating_sub(from.len()) {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            found = true;
        }
    }
    assert!(found, "{from:?} is not in the driver");
    bytes
}

fn put(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn read(path: impl AsRef<Path>) -> Vec<u8> {
    let path = path.as_ref();
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn lock(setup: &Setup) -> String {
    std::fs::read_to_string(setup.path("drivers.lock")).unwrap_or_default()
}

/// The names of what is in the directory of drivers.
fn drivers(setup: &Setup) -> Vec<String> {
    let entries = std::fs::read_dir(setup.path("drivers")).expect("read");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

fn failed(ended: Ended, code: i32, want: &[&str]) -> String {
    assert_eq!(ended.code, Some(code), "{ended:#?}");
    for want in want {
        assert!(ended.stderr.contains(want), "{want:?} in {ended:#?}");
    }
    ended.stderr
}

/// Runs a command of the tracker in an environment that has something in it.
fn run_with(setup: &Setup, environment: &[(&str, &str)], arguments: &[&str]) -> Ended {
    // Writes the configuration.
    setup.run(&["driver", "verify"]);
    let output = Command::new(env!("CARGO_BIN_EXE_tracker"))
        .args(arguments)
        .args(["--config", text(&setup.path("tracker.toml"))])
        .current_dir(setup.path(""))
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .expect("the tracker runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Pushes a driver, and gives the reference that pins it.
fn push(setup: &Setup, file: &Path, source: &str) -> String {
    let pushed = setup.run(&["driver", "push", text(file), source]).succeeded().stdout;
    let pinned = pushed.lines().find(|line| line.starts_with("oci://")).unwrap_or_else(|| panic!("{pushed}"));
    assert!(pinned.starts_with(&format!("{source}@sha256:")), "{pinned}");
    pinned.to_owned()
}

fn mock() -> PathBuf {
    built_drivers().join("mock.wasm")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_is_what_is_pulled_and_is_the_standard_artifact() {
    let registry = Registry::start().await;
    let (setup, bytes) = (Setup::new(&[]), built_driver("mock"));
    let source = registry.source("drivers/mock:1.0.0");
    let pinned = push(&setup, &mock(), &source);
    for (what, file) in [(source.as_str(), "by-tag.wasm"), (pinned.as_str(), "by-digest.wasm")] {
        let file = setup.path(file);
        let pulled = setup.run(&["driver", "pull", what, "--output", text(&file)]).succeeded().stdout;
        assert!(pulled.contains(&sha256(&bytes)) && pulled.contains(&pinned), "{pulled}");
        assert_eq!(read(&file), bytes);
    }
    failed(
        setup.run(&["driver", "pull", &source, "--output", text(&setup.path("by-tag.wasm"))]),
        2,
        &["exists: name another"],
    );
    setup.run(&["driver", "pull", &source]).succeeded();
    assert_eq!(read(setup.path("mock.wasm")), bytes, "named after the repository");
    assert_eq!((lock(&setup), drivers(&setup)), (String::new(), vec![]), "pulling approves nothing");

    let manifest = registry.manifest("drivers/mock", "1.0.0").await;
    assert!(pinned.ends_with(&sha256(manifest.as_bytes())), "{pinned}");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    assert_eq!(manifest["schemaVersion"], 2);
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    let layers = manifest["layers"].as_array().expect("layers");
    assert_eq!(layers.len(), 1);
    assert_eq!(layers[0]["mediaType"], "application/wasm");
    assert_eq!(layers[0]["digest"], format!("sha256:{}", sha256(&bytes)));
    assert_eq!(layers[0]["size"], bytes.len());
    assert_eq!(manifest["annotations"]["org.opencontainers.image.title"], "Mock");
    assert!(manifest["annotations"]["org.opencontainers.image.version"].is_string(), "{manifest}");
    assert!(manifest["annotations"]["org.opencontainers.image.description"].is_string(), "{manifest}");
    let config = manifest["config"]["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:"));
    let config: Value = serde_json::from_slice(&read(registry.blob(config.expect("a digest")))).expect("JSON");
    assert_eq!((&config["architecture"], &config["os"]), (&json!("wasm"), &json!("wasip2")));
    assert_eq!(config["layerDigests"], json!([format!("sha256:{}", sha256(&bytes))]));
    let exports = config["component"]["exports"].to_string();
    assert!(exports.contains("tracker:driver/inventory@"), "{exports}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_serves_something_else_is_caught() {
    let registry = Registry::start().await;
    let (setup, bytes) = (Setup::new(&[]), built_driver("mock"));
    let source = registry.source("mock:1");
    push(&setup, &mock(), &source);
    let blob = registry.blob(&sha256(&bytes));
    let pull = |want: &[&str]| {
        let ended = setup.run(&["driver", "pull", &source, "--output", "pulled.wasm"]);
        failed(ended, 1, want);
        assert!(!setup.path("pulled.wasm").exists(), "nothing is left of it");
    };
    let other = with_section(&bytes, "evil");
    std::fs::write(&blob, &other[4..]).expect("written");
    pull(&[&sha256(&bytes), &sha256(&other[4..]), "returned another file"]);
    std::fs::write(&blob, &bytes[..bytes.len() / 2]).expect("written");
    pull(&[&format!("sent {} of {} bytes of the file", bytes.len() / 2, bytes.len())]);
    std::fs::remove_file(&blob).expect("removed");
    pull(&["does not have it"]);
    failed(setup.run(&["driver", "pull", &registry.source("mock:2")]), 1, &["does not have it: status 404"]);
    failed(setup.run(&["driver", "approve", &registry.source("none:1"), "--yes"]), 1, &["does not have it"]);
    assert_eq!((lock(&setup), drivers(&setup)), (String::new(), vec![]));

    let section = &with_section(&[], &"x".repeat(100));
    let large = [bytes, section.repeat((1 << 20) / section.len())].concat();
    let source = registry.source("large:1");
    std::fs::write(setup.path("large.wasm"), large).expect("written");
    push(&setup, &setup.path("large.wasm"), &source);
    setup.run(&["driver", "pull", &source, "--output", "large-again.wasm"]).succeeded();
    let setup = setup.limits("driver_bytes = \"1 MiB\"");
    let ended = setup.run(&["driver", "pull", &source, "--output", "pulled.wasm"]);
    failed(ended, 1, &["more than 1048576 bytes", "drivers.limits.driver_bytes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_misbehaves_is_named() {
    let shelf = Shelf::start().await;
    let setup = Setup::new(&[]).drivers("fetch_timeout = \"5s\"");
    let bytes = built_driver("mock");
    let digest = sha256(&bytes);
    let descriptor =
        |kind: &str, size: usize| json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": size });
    let manifest = |config: &str, layers: Vec<Value>| {
        json!({ "schemaVersion": 2, "config": descriptor(config, 2), "layers": layers }).to_string().into_bytes()
    };
    let (config, wasm) = ("application/vnd.wasm.config.v0+json", "application/wasm");
    let source = format!("oci://{}/mock:1", shelf.host());
    let blob = format!("/v2/mock/blobs/sha256:{digest}");
    let check = |source: &str, want: &[&str]| {
        failed(setup.run(&["driver", "pull", source, "--output", "pulled.wasm"]), 1, want);
        assert!(!setup.path("pulled.wasm").exists());
    };
    let has = |item: Item| shelf.put("/v2/mock/manifests/1", item);
    shelf.put("/v2/", Item::Whole(b"{}".to_vec()));
    has(Item::Whole(b"{}".to_vec()));
    check(&source, &["not an OCI manifest"]);
    has(Item::Whole(manifest("application/vnd.oci.image.config.v1+json", vec![descriptor(wasm, 1)])));
    check(&source, &["is it a container image?"]);
    has(Item::Whole(manifest(config, vec![descriptor(wasm, 1), descriptor(wasm, 1)])));
    check(&source, &["2 layers"]);
    has(Item::Endless);
    check(&source, &["more than 1048576 bytes"]);
    has(Item::Head("503 Service Unavailable".into(), String::new()));
    check(&source, &["status 503"]);
    has(Item::Silence);
    check(&source, &["within 5s", "drivers.fetch_timeout"]);
    let good = manifest(config, vec![descriptor(wasm, bytes.len())]);
    has(Item::Whole(good.clone()));
    check(&format!("{source}@sha256:{}", "a".repeat(64)), &["does not have it"]);
    let other_digest = "a".repeat(64);
    shelf.put(&format!("/v2/mock/manifests/sha256:{other_digest}"), Item::Whole(good.clone()));
    check(&format!("{source}@sha256:{other_digest}"), &["another manifest", &other_digest, &sha256(&good)]);
    shelf.put(&blob, Item::Half(bytes.clone()));
    check(&source, &["the exchange broke off"]);
    shelf.put(&blob, Item::Head("200 OK".into(), String::new()));
    check(&source, &["sent 0 of"]);
    shelf.redirects(&blob, "http://example.com/blob");
    shelf.put(&blob, Item::Head("302 Found".into(), "Location: ftp://example.com/blob\r\n".into()));
    check(&source, &["redirects to"]);
    shelf.redirects(&blob, &blob);
    check(&source, &["redirects more than 5 times"]);
    shelf.redirects(&blob, "/elsewhere");
    shelf.put("/elsewhere", Item::Whole(bytes.clone()));
    setup.run(&["driver", "pull", &source, "--output", "pulled.wasm"]).succeeded();
    assert_eq!(read(setup.path("pulled.wasm")), bytes);
    std::fs::remove_file(setup.path("pulled.wasm")).expect("removed");

    // A registry that has tokens given out, to users it knows.
    let challenge = format!("Bearer realm=\"{}/token\",service=\"shelf\"", shelf.origin());
    let only = |header: &str, challenge: &str, bytes: &[u8]| Item::For {
        header: header.into(),
        challenge: challenge.into(),
        bytes: bytes.to_vec(),
    };
    let token = json!({ "token": "opaque" }).to_string();
    shelf.put("/v2/", only("authorization: nobody", &challenge, b""));
    let login = format!("authorization: Basic {}", BASE64.encode(format!("{USER}:{PASSWORD}")));
    shelf.put("/token", Item::Endless);
    check(&source, &["more than 65536 bytes", "no answer to a login"]);
    shelf.put("/token", Item::Whole(b"{}".to_vec()));
    check(&source, &["there is no token in the answer"]);
    shelf.put("/token", Item::Head("500 Oops".into(), String::new()));
    check(&source, &["status 500"]);
    shelf.put("/token", only(&login, "Basic realm=\"x\"", token.as_bytes()));
    has(only("authorization: Bearer opaque", &challenge, &good));
    shelf.put(&blob, only("authorization: Bearer opaque", &challenge, &bytes));
    check(&source, &["requires a login", "--username"]);
    let password = setup.secret_file("password", PASSWORD);
    let login = ["--username", USER, "--password-file", text(&password)];
    setup.run(&[&["driver", "pull", &source, "--output", "pulled.wasm"], &login[..]].concat()).succeeded();
    assert_eq!(read(setup.path("pulled.wasm")), bytes);
    // Nobody's password goes anywhere in the clear, whoever asks for it.
    shelf.put("/v2/", only("authorization: nobody", "Bearer realm=\"http://token.example/\"", b""));
    let in_the_clear = setup.run(&[&["driver", "pull", &source, "--output", "never.wasm"], &login[..]].concat());
    failed(in_the_clear, 1, &["wants logins to be sent to http://token.example without TLS"]);
    shelf.put("/v2/", only("authorization: nobody", &challenge, b""));
    // What the registry was told is not shown, whether it sends it back as it came or decoded.
    let basic = BASE64.encode(format!("{USER}:{PASSWORD}"));
    let echo = manifest(&format!("{PASSWORD} {basic}"), vec![descriptor(wasm, bytes.len())]);
    has(only("authorization: Bearer opaque", &challenge, &echo));
    let shown = setup.run(&[&["driver", "pull", &source, "--output", "never.wasm"], &login[..]].concat());
    let shown = failed(shown, 1, &["its config is", "[secret]"]);
    assert!(!shown.contains(PASSWORD) && !shown.contains(&basic), "{shown}");
    has(only("authorization: Bearer opaque", &challenge, &good));
    // Where the blob lies elsewhere, the token is not sent along.
    let elsewhere = Shelf::start().await;
    elsewhere.put("/blob", Item::Whole(bytes.clone()));
    shelf.redirects(&blob, &format!("{}/blob", elsewhere.origin()));
    setup.run(&[&["driver", "pull", &source, "--output", "again.wasm"], &login[..]].concat()).succeeded();
    let asked = elsewhere.asked().concat().to_lowercase();
    assert!(asked.contains("get /blob") && !asked.contains("authorization"), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_users_lets_in_whom_it_knows() {
    let registry = Registry::with_users().await;
    let setup = Setup::new(&[]);
    let source = registry.source("mock:1");
    let password = setup.secret_file("password", PASSWORD);
    let wrong = setup.secret_file("wrong", "close sesame");
    let push = |login: &[&str]| setup.run(&[&["driver", "push", text(&mock()), &source], login].concat());
    failed(push(&[]), 1, &["requires a login", "--username"]);
    let error =
        failed(push(&["--username", USER, "--password-file", text(&wrong)]), 1, &["refuses the login as \"ali\""]);
    assert!(!error.contains("sesame"), "{error}");
    let login = ["--username", USER, "--password-file", text(&password)];
    push(&login).succeeded();
    failed(push(&["--username", USER]), 2, &["--password-file"]);
    failed(setup.run(&["driver", "pull", &source]), 1, &["requires a login"]);
    setup.run(&[&["driver", "pull", &source][..], &login].concat()).succeeded();
    failed(setup.run(&[&["driver", "pull"][..], &login].concat()), 2, &["a login is for a registry"]);
    let environment = [("SESAME", PASSWORD)];
    let by_name = ["driver", "approve", &source, "--yes", "--username", USER, "--password-env", "SESAME"];
    run_with(&setup, &environment, &by_name).succeeded();
    assert!(!lock(&setup).contains("sesame") && !lock(&setup).contains(USER), "{}", lock(&setup));

    // As Docker keeps it.
    let [file] = drivers(&setup).try_into().expect("one file");
    std::fs::remove_file(setup.path("drivers").join(&file)).expect("removed");
    failed(setup.run(&["driver", "pull", "mock"]), 1, &["requires a login"]);
    let auth = BASE64.encode(format!("{USER}:{PASSWORD}"));
    let config = json!({ "auths": { registry.host(): { "auth": auth } } });
    std::fs::create_dir(setup.path(".docker")).expect("made");
    std::fs::write(setup.path(".docker/config.json"), config.to_string()).expect("written");
    let home = setup.path("");
    run_with(&setup, &[("HOME", text(&home))], &["driver", "pull", "mock"]).succeeded();
    assert_eq!(read(setup.path("drivers").join(&file)), built_driver("mock"));
    std::fs::write(setup.path(".docker/config.json"), "{").expect("written");
    let docker = setup.path(".docker");
    let ended = run_with(&setup, &[("DOCKER_CONFIG", text(&docker))], &["driver", "pull", &source, "-o", "x.wasm"]);
    failed(ended, 1, &["config.json"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_server_is_a_source_too() {
    let bytes = built_driver("mock");
    let shelf = Shelf::with_tls().await;
    let setup = Setup::new(&[]);
    shelf.put("/mock.wasm", Item::Whole(bytes.clone()));
    shelf.redirects("/latest.wasm", "/mock.wasm");
    shelf.redirects("/clear.wasm", "http://127.0.0.1:1/mock.wasm");
    shelf.put("/half.wasm", Item::Half(bytes.clone()));
    shelf.put("/endless.wasm", Item::Endless);
    let root = setup.path("root.pem");
    std::fs::write(&root, shelf.root.as_deref().expect("a certificate")).expect("written");
    let url = |path: &str| format!("{}/{path}", shelf.origin());
    let believing = [("SSL_CERT_FILE", text(&root))];
    let pull = |path: &str, environment: &[(&str, &str)], want: &[&str]| {
        let source = url(path);
        failed(run_with(&setup, environment, &["driver", "pull", &source, "-o", "pulled.wasm"]), 1, want);
        assert!(!setup.path("pulled.wasm").exists());
    };
    pull("mock.wasm", &[], &["localhost"]);
    pull("none.wasm", &believing, &["does not have it: status 404"]);
    pull("clear.wasm", &believing, &["redirects to http://127.0.0.1:1 without TLS"]);
    pull("half.wasm", &believing, &["the exchange broke off"]);
    let approved = run_with(&setup, &believing, &["driver", "approve", &url("latest.wasm"), "--yes"]).succeeded();
    assert!(approved.stdout.contains(&url("latest.wasm")), "{approved:?}");
    assert!(lock(&setup).contains(&format!("source = {:?}", url("latest.wasm"))), "{}", lock(&setup));
    let [file] = drivers(&setup).try_into().expect("one file");

    // What is there by now is another file: nobody approved that.
    let other = with_section(&bytes, "another");
    shelf.put("/mock.wasm", Item::Whole(other.clone()));
    std::fs::remove_file(setup.path("drivers").join(&file)).expect("removed");
    let ended = run_with(&setup, &believing, &["driver", "pull"]);
    failed(ended, 1, &["another file", &sha256(&bytes), &sha256(&other)]);
    assert_eq!(drivers(&setup), Vec::<String>::new());
    let list = run_with(&setup, &believing, &["driver", "list"]).succeeded().stdout;
    assert!(list.contains("cannot be fetched") && list.contains(&sha256(&other)), "{list}");

    let clear = Shelf::start().await;
    clear.put("/mock.wasm", Item::Whole(bytes.clone()));
    setup.run(&["driver", "pull", &format!("{}/mock.wasm", clear.origin()), "-o", "clear.wasm"]).succeeded();
    assert_eq!(read(setup.path("clear.wasm")), bytes);
    let setup = setup.limits("driver_bytes = \"1 MiB\"");
    pull_too_much(&setup, &url("endless.wasm"), &believing);
    for (source, want) in [
        ("http://example.com/x.wasm", "http:// is only for this machine"),
        ("https://me:secret@example.com/x.wasm", "the source contains credentials"),
        ("ftp://example.com/x.wasm", "ftp:// is not a supported source"),
        ("oci://mock", "names no registry"),
    ] {
        for command in ["pull", "approve"] {
            let error = failed(setup.run(&["driver", command, source]), 2, &[want]);
            assert!(!error.contains("secret@"), "{error}");
        }
    }
}

fn pull_too_much(setup: &Setup, source: &str, environment: &[(&str, &str)]) {
    let ended = run_with(setup, environment, &["driver", "pull", source, "-o", "pulled.wasm"]);
    failed(ended, 1, &["more than 1048576 bytes", "drivers.limits.driver_bytes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_before_it_is_approved() {
    let registry = Registry::start().await;
    let setup = Setup::new(&[]);
    std::fs::remove_dir(setup.path("drivers")).expect("removed");
    let source = registry.source("mock:1");
    push(&setup, &mock(), &source);
    for what in [&source, text(&mock())] {
        let ended = setup.run(&["driver", "approve", what]);
        assert!(ended.stdout.contains(&sha256(&built_driver("mock"))), "it is shown: {ended:?}");
        failed(ended, 2, &["no terminal to ask on"]);
        assert!(!setup.path("drivers").exists() && !setup.path("drivers.lock").exists());
    }
    setup.run(&["driver", "approve", &source, "--yes"]).succeeded();
    let before = (lock(&setup), drivers(&setup));
    let again = setup.run(&["driver", "approve", &source, "--yes"]).succeeded().stdout;
    assert!(again.contains("approved already"), "{again}");
    let ended = setup.run(&["driver", "approve", &source, "--yes", "--endpoint", "https://example.com"]);
    failed(ended, 2, &["does not ask for it"]);
    failed(setup.run(&["driver", "approve", &source, "--yes", "--shadow"]), 2, &["its own shadow"]);
    assert_eq!((lock(&setup), drivers(&setup)), before);
}

#[test]
fn an_update_stands_beside_the_old_file_and_is_shown_with_its_difference() {
    let (setup, folder) = (Setup::new(&["mock"]), tempfile::tempdir().expect("a folder"));
    let old = built_driver("mock");
    let new = changed(
        &changed(&old, "http://mock.invalid", "http://mine.invalid"),
        "Which of the possible",
        "Which of the probable",
    );
    let file = put(&folder, "new.wasm", &new);
    put(&folder, "new.wasm.sig", b"a signature");

    failed(setup.run(&["driver", "approve", text(&put(&folder, "x.wasm", b"x")), "--yes"]), 1, &["not WebAssembly"]);
    let shown = setup.run(&["driver", "approve", text(&file), "--shadow", "--yes"]).succeeded().stdout;
    for want in [
        "     + new default http://mine.invalid",
        "    - gone default http://mock.invalid",
        "     + new seed: Which of the probable",
        "    - gone seed: Which of the possible",
        "as a shadow",
    ] {
        assert!(shown.contains(want), "{want:?} in {shown}");
    }
    assert!(!shown.contains("new count"), "{shown}");
    let lines = |setup: &Setup| lock(setup).matches("[[driver]]").count();
    assert_eq!(lines(&setup), 2);
    assert!(
        lock(&setup).contains("role = \"shadow\"")
            && lock(&setup).contains(text(&file.canonicalize().expect("it is there")))
    );
    assert_eq!(read(setup.path("drivers/mock.wasm")), old, "what a running host may load is as it was");
    let name = drivers(&setup).into_iter().find(|name| name.starts_with("mock-") && name.ends_with(".wasm"));
    let name = name.expect("the new file");
    assert_eq!(read(setup.path("drivers").join(&name)), new);
    assert_eq!(read(setup.path("drivers").join(format!("{name}.sig"))), b"a signature", "it goes with its file");

    // The shadow becomes the current one, and the old file is there for comparison, or is not.
    std::fs::rename(setup.path("drivers/mock.wasm"), setup.path("away.wasm")).expect("moved");
    let shown = setup.run(&["driver", "approve", text(&file), "--yes"]).succeeded().stdout;
    assert!(shown.contains("providers and options cannot be compared"), "{shown}");
    assert_eq!(lines(&setup), 1);
    assert!(!lock(&setup).contains("shadow"), "{}", lock(&setup));
    setup.run(&["driver", "verify"]).succeeded();
    // A file of this machine is a source as well.
    std::fs::remove_file(setup.path("drivers").join(&name)).expect("removed");
    setup.run(&["driver", "pull"]).succeeded();
    assert_eq!(read(setup.path("drivers").join(&name)), new);
}

#[test]
fn a_driver_is_granted_less_than_it_asks_for() {
    let setup = Setup::new(&[]);
    setup.driver_file("ec2.wasm", &built_driver("ec2"));
    let endpoint = "https://ec2.eu-west-1.amazonaws.com";
    let shown = setup.run(&["driver", "approve", "ec2", "--yes", "--endpoint", endpoint]).succeeded().stdout;
    assert!(shown.contains("and is granted the above alone"), "{shown}");
    assert!(lock(&setup).contains(&format!("endpoints = [{endpoint:?}]")), "{}", lock(&setup));
    let list = setup.run(&["driver", "list", "--options"]).succeeded().stdout;
    assert!(list.contains(&format!("may reach {endpoint}")) && !list.contains("may reach https://ec2.*"), "{list}");
}

#[test]
fn verify_finds_what_changed_and_loads_nothing() {
    let setup = Setup::new(&["mock"]);
    std::fs::remove_dir_all(setup.path("data")).expect("removed");
    let good = setup.run(&["driver", "verify"]).succeeded().stdout;
    assert!(good.contains("mock") && good.contains("good"), "{good}");
    setup.driver_file("stray.wasm", b"anything");
    let stray = setup.run(&["driver", "verify"]).succeeded().stdout;
    assert!(stray.contains("stray.wasm") && stray.contains("not approved, so not loaded"), "{stray}");
    let check = |want: &str| {
        let ended = setup.run(&["driver", "verify"]);
        assert!(ended.stdout.contains(want), "{want:?} in {ended:#?}");
        failed(ended, 1, &["1 of 1 approved drivers would not be loaded"]);
    };
    setup.driver_file("mock.wasm.cosign.json", b"{");
    check("its signatures are unknown");
    std::fs::remove_file(setup.path("drivers/mock.wasm.cosign.json")).expect("removed");
    setup.driver_file("mock.wasm", &with_section(&built_driver("mock"), "changed"));
    check("its content changed since it was approved");
    std::fs::remove_file(setup.path("drivers/mock.wasm")).expect("removed");
    check("its file is missing");
    assert!(!setup.path("data").exists(), "nothing was compiled");
}

#[test]
fn what_is_revoked_is_not_loaded() {
    let setup = Setup::new(&["mock"]);
    failed(setup.run(&["driver", "revoke", "mock"]), 2, &["no terminal to ask on", "--yes"]);
    failed(setup.run(&["driver", "revoke", "ec2", "--yes"]), 2, &["no driver \"ec2\"", "it has: mock"]);
    failed(setup.run(&["driver", "revoke", "mock", "--shadow", "--yes"]), 2, &["no shadow of driver \"mock\""]);
    assert!(lock(&setup).contains("mock"));
    let revoked = setup.run(&["driver", "revoke", "mock", "--yes"]).succeeded().stdout;
    assert!(revoked.contains("tracker driver reload"), "{revoked}");
    assert!(!lock(&setup).contains("[[driver]]"), "{}", lock(&setup));
    let list = setup.run(&["driver", "list"]).succeeded().stdout;
    assert!(list.contains("not loaded: it is not approved"), "{list}");
    assert_eq!(drivers(&setup), ["mock.wasm"], "the file is left where it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_of_a_registry_are_kept_beside_the_file() {
    let registry = Registry::start().await;
    let setup = Setup::new(&[]);
    let source = registry.source("drivers/mock:1");
    let pinned = push(&setup, &mock(), &source);
    let (_, digest) = pinned.split_once("@sha256:").expect("pinned");
    let payload = json!({ "critical": {
        "identity": { "docker-reference": "drivers/mock" },
        "image": { "docker-manifest-digest": format!("sha256:{digest}") },
        "type": "cosign container image signature",
    }, "optional": null });
    let payload = payload.to_string().into_bytes();
    // More than are kept, one of them in no form of cosign's and one too large.
    let signed = |payload: Vec<u8>, signature: String| {
        let annotation = ("dev.cosignproject.cosign/signature".to_owned(), signature);
        let kind = "application/vnd.dev.cosign.simplesigning.v1+json".to_owned();
        ImageLayer::new(payload, kind, Some(BTreeMap::from([annotation])))
    };
    let mut layers = vec![
        signed(payload.clone(), BASE64.encode(b"first")),
        signed(b"broken".to_vec(), "not base64!".into()),
        signed(vec![b'x'; 70_000], BASE64.encode(b"too large")),
    ];
    layers.extend((0..20).map(|number| signed(format!("payload {number}").into_bytes(), BASE64.encode([number]))));
    let config = Config::oci_v1(b"{}".to_vec(), None);
    let manifest = OciImageManifest::build(&layers, &config, None);
    let settings =
        ClientConfig { protocol: ClientProtocol::HttpsExcept(vec![registry.host()]), ..ClientConfig::default() };
    // It takes the process's own cryptography; other tests may have set it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let tag: Reference = format!("{}/drivers/mock:sha256-{digest}.sig", registry.host()).parse().expect("a reference");
    let client = Client::try_from(settings).expect("a client");
    client.push(&tag, &layers, config, &RegistryAuth::Anonymous, Some(manifest)).await.expect("pushed");

    let shown = setup.run(&["driver", "approve", &source, "--yes"]).succeeded();
    assert!(shown.stdout.contains("14 in the registry, kept beside the file"), "{shown:?}");
    let names = drivers(&setup);
    let [file, evidence] = names.as_slice() else { panic!("{names:?}") };
    assert_eq!(evidence, &format!("{file}.cosign.json"));
    let evidence: Value = serde_json::from_slice(&read(setup.path("drivers").join(evidence))).expect("JSON");
    let decoded = |value: &Value| BASE64.decode(value.as_str().expect("text")).expect("base64");
    assert_eq!(sha256(&decoded(&evidence["manifest"])), digest);
    let signatures = evidence["signatures"].as_array().expect("a list");
    assert_eq!(signatures.len(), 14, "of 16 that are looked at, two are none");
    assert_eq!(decoded(&signatures[0]["payload"]), payload);
    assert_eq!(decoded(&signatures[0]["signature"]), b"first");
    setup.run(&["driver", "verify"]).succeeded();
    // They come again with the file.
    for name in &names {
        std::fs::remove_file(setup.path("drivers").join(name)).expect("removed");
    }
    setup.run(&["driver", "pull", "mock"]).succeeded();
    assert_eq!(drivers(&setup), names);
}
