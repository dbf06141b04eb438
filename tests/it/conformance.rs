//! The conformance suite: the drivers of this repository pass it, each of its checks fails a driver that has the
//! very flaw that it is there for, and what passed it is admitted where the operator asks for that.

mod accounts;
mod flaws;
mod pages;

use std::path::{Path, PathBuf};

use accounts::BY_TOKEN;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tracker::driver::{Limits, compile};
use tracker::kit::cassette::Cassettes;
use tracker::kit::conformance::{self, Manifest, Report, Selection, Trial};
use tracker::supply::Lock;

use crate::support::{Setup, built_driver, built_faulty};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The driver with flaws, and cassettes in which one flaw is switched on.
struct Lax {
    folder: TempDir,
}

impl Lax {
    fn with(flaw: &str) -> Lax {
        Lax::of("cassettes", flaw)
    }

    /// Where it stands for the provider itself.
    fn alone(flaw: &str) -> Lax {
        Lax::of("alone", flaw)
    }

    fn of(cassettes: &str, flaw: &str) -> Lax {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("cassettes")).expect("made");
        std::fs::write(folder.path().join("lax.wasm"), built_faulty("lax")).expect("written");
        for entry in std::fs::read_dir(repository().join("tests/lax").join(cassettes)).expect("cassettes") {
            let path = entry.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("text");
            let text = text.replace(r#""flaw": "none""#, &format!("\"flaw\": {flaw:?}"));
            std::fs::write(folder.path().join("cassettes").join(path.file_name().expect("a name")), text)
                .expect("written");
        }
        Lax { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("lax.wasm")
    }

    fn cassettes(&self) -> PathBuf {
        self.folder.path().join("cassettes")
    }

    /// Changes a file's text.
    fn edit(self, file: &str, old: &str, new: &str) -> Lax {
        let path = self.cassettes().join(file);
        let text = std::fs::read_to_string(&path).expect(file);
        assert!(text.contains(old), "{file} has no {old}");
        std::fs::write(path, text.replacen(old, new, 1)).expect("written");
        self
    }

    /// Has it describe itself in another way: a word of six letters in its file.
    fn describing(self, how: &str) -> Lax {
        let mut bytes = std::fs::read(self.file()).expect("read");
        let word = b"describes: steady";
        let at = bytes.windows(word.len()).position(|window| window == word).expect("the word is in the file");
        bytes[at..at + word.len()].copy_from_slice(format!("describes: {how}").as_bytes());
        std::fs::write(self.file(), bytes).expect("written");
        self
    }

    async fn report(&self) -> Report {
        self.report_under(&Limits::default()).await
    }

    async fn report_under(&self, limits: &Limits) -> Report {
        self.report_of(limits, &Selection::All).await
    }

    async fn report_of(&self, limits: &Limits, selection: &Selection) -> Report {
        let (file, cassettes) = (self.file(), self.cassettes());
        // It is one file under many names: it need not be compiled for each.
        let compiled = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
        let compile = &compile::Settings::default();
        let trial = Trial { limits, compile, file: &file, cassettes: &cassettes, compiled: Some(&compiled), selection };
        conformance::run(trial).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Holds that exactly these checks fail.
    async fn fails(&self, flaw: &str, want: &[&str]) {
        let report = self.report().await;
        let failed: Vec<_> = report.checks.iter().filter(|check| !check.passed()).collect();
        let names: Vec<_> = failed.iter().map(|check| check.name).collect();
        assert_eq!(names, want, "{flaw}: {failed:#?}");
        for finding in failed.iter().flat_map(|check| &check.findings) {
            assert!(!finding.why.is_empty() && !finding.what_to_do.is_empty(), "{flaw}: {finding:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_without_a_flaw_passes() {
    let lax = Lax::with("none");
    lax.fails("none", &[]).await;
    let report = lax.report().await;
    assert!(
        report.checks.iter().all(|check| !check.tried.starts_with("nothing")),
        "each had something to try: {report:#?}"
    );
    assert!(report.usage.iter().any(|row| row.listed == 1000), "{:#?}", report.usage);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_asks_nobody_is_held_to_what_it_makes_up() {
    Lax::alone("none").fails("none", &[]).await;
    Lax::alone("loses-between-pages").fails("loses-between-pages", &["changes-are-whole"]).await;
    Lax::alone("buries-alive").fails("buries-alive", &["changes-are-whole"]).await;
    Lax::alone("finds-successors").fails("finds-successors", &["lists-by-id"]).await;
    Lax::alone("lets-in-everybody").fails("lets-in-everybody", &["errors-are-told-apart"]).await;
    Lax::alone("takes-any-value").fails("takes-any-value", &["works-elsewhere"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_not_declared_as_one_is_found() {
    let lax = Lax::with("none");
    let options = r#""options": { "flaw": "none" }"#;
    let with_secret = format!(r#"{options}, "secrets": ["key"]"#);
    let lax = lax.edit("servers-two-pages.json", options, &with_secret);
    lax.fails("an undeclared secret", &["replays-cassettes", "uses-secrets"]).await;
    let unknown = r#""options": { "flaw": "none", "region": "north" }"#;
    let lax = Lax::with("none").edit("servers-two-pages.json", options, unknown);
    lax.fails("an undeclared option", &["replays-cassettes"]).await;
}

/// The cassettes have it there, as one who recorded them with this driver would: the provider never saw the secret.
#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_that_is_never_replaced_is_found() {
    let with_key = |flaw: &str, encoding: &str| {
        let lax = Lax::with(flaw);
        for entry in std::fs::read_dir(lax.cassettes()).expect("cassettes") {
            let path = entry.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("text");
            let key = format!("/login?key={{{{password as {encoding}}}}}\"");
            std::fs::write(path, text.replace("/login\"", &key)).expect("written");
        }
        lax
    };
    with_key("keys-in-query", "query").fails("keys-in-query", &[]).await;
    with_key("raw-in-query", "raw").fails("raw-in-query", &["uses-secrets"]).await;
}

/// Where a name is the word of a state as well, another entry shows what becomes of names.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_stands_twice_in_an_entry_hides_no_fault() {
    let named_like_states = |flaw: &str| {
        let names = [("web-server", "on"), ("db", "off")];
        // In the answer and in what is expected.
        names.into_iter().flat_map(|name| [name; 2]).fold(Lax::with(flaw), |lax, (old, new)| {
            lax.edit("servers-two-pages.json", &format!(r#""name": "{old}""#), &format!(r#""name": "{new}""#))
        })
    };
    named_like_states("none").fails("none", &[]).await;
    named_like_states("cuts-names").fails("cuts-names", &["reads-each-entry"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_looks_like_an_id_is_a_cursor() {
    let like_an_id = |flaw: &str| {
        let lax = Lax::with(flaw).edit("zones-two-pages.json", r#""more": "after:z2""#, r#""more": "z2""#);
        lax.edit("zones-two-pages.json", "after=after:z2", "after=z2")
    };
    like_an_id("none").fails("none", &[]).await;
    like_an_id("raw-cursors").fails("raw-cursors", &["many-pages"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_of_the_providers_in_a_log_line_gives_no_name_away() {
    // An owner may call a server as the provider calls a state.
    let file = "servers-partial.json";
    let lax = Lax::with("logs-words").edit(
        file,
        r#""name": "web", "status": "on""#,
        r#""name": "asleep", "status": "asleep""#,
    );
    let lax = lax.edit(file, r#""on": "RUNNING""#, r#""asleep": "UNKNOWN""#);
    let expected = r#""name": "asleep", "state": "UNKNOWN", "provider_state": "asleep""#;
    let lax = lax.edit(file, r#""name": "web", "state": "RUNNING", "provider_state": "on""#, expected);
    lax.fails("logs-words", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_always_sleeps_is_found_without_a_fault() {
    let only = Selection::Only(vec!["asks-no-more".to_owned()]);
    let report = Lax::with("always-sleeps").report_of(&Limits::default(), &only).await;
    let findings = &report.checks[0].findings;
    let is_told = |why: &str| why.starts_with("it sleeps for ") && why.ends_with(" while it lists");
    assert!(findings.iter().any(|finding| is_told(&finding.why)), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_that_differs_is_found() {
    Lax::with("none").describing("random").fails("describes", &["describes-itself"]).await;
    Lax::with("none").describing("astray").fails("a provider that it may not reach", &["describes-itself"]).await;
    for how in ["unsafe", "moved!", "greedy", "hasty!"] {
        Lax::with("none").describing(how).fails(how, &["describes-itself"]).await;
    }
    Lax::with("none").describing("idling").fails("an option without an effect", &["works-elsewhere"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cassettes_of_what_changed_and_of_single_instances_need_a_driver_that_can_tell() {
    // It is asked for everything, which the cassettes do not have.
    let lax = Lax::with("none").describing("whole!");
    lax.fails("no deltas", &["replays-cassettes", "changes-are-whole", "lists-by-id"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_shown_fails_unless_it_is_declared() {
    let without = |names: &[&str]| {
        let lax = Lax::with("none");
        for name in names {
            std::fs::remove_file(lax.cassettes().join(name)).expect("removed");
        }
        lax
    };
    let declaring = |lax: Lax, text: &str| {
        std::fs::write(lax.cassettes().join("suite.json"), text).expect("written");
        lax
    };
    let zones = ["zones.json", "zones-two-pages.json", "zones-by-token.json"];
    without(&zones).fails("no zones", &["shows-each-list"]).await;
    declaring(without(&zones), r#"{"suite": 1, "lists": ["instances"]}"#).fails("declared", &[]).await;
    let throttled = ["throttled.json", "throttled-until.json"];
    for names in [throttled.as_slice(), &["unauthorized.json"], &["forbidden.json"], &["unavailable.json"]] {
        without(names).fails(names[0], &["shows-each-error"]).await;
    }
    let three = r#"{"suite": 1, "errors": ["unauthorized", "throttled", "unavailable"]}"#;
    declaring(without(&["forbidden.json"]), three).fails("declared", &[]).await;
    declaring(Lax::with("none"), three).fails("not so", &["shows-each-error"]).await;
    let unsaid = Lax::with("none").edit("throttled.json", "\"retry_after\": null", "\"ids\": []");
    unsaid.fails("a wait that is not expected", &["expects-everything"]).await;
    without(&["servers-partial.json"]).fails("no partial", &["partial-is-said"]).await;
    declaring(without(&["servers-partial.json"]), r#"{"suite": 1, "partial": false}"#).fails("declared", &[]).await;
    declaring(Lax::with("none"), r#"{"suite": 1, "partial": false}"#).fails("not so", &["partial-is-said"]).await;
    without(&["servers-changed.json"]).fails("no delta", &["changes-are-whole"]).await;
    without(&["servers-by-id.json"]).fails("no single instances", &["lists-by-id"]).await;
    let all_there = Lax::with("none").edit("servers-by-id.json", r#""5200145", "5200149""#, r#""5200145""#);
    let all_there = all_there.edit("servers-by-id.json", "ids=5200145%2C5200149", "ids=5200145");
    all_there.fails("none that is not there", &["lists-by-id"]).await;
    // What changed comes on two pages, too.
    let paged = ["servers-two-pages.json", "zones-two-pages.json", "servers-changed.json", "servers-by-id.json"];
    let whole = || without(&paged).describing("whole!");
    whole().fails("no pages", &["pages-to-the-end"]).await;
    declaring(whole(), r#"{"suite": 1, "paging": false}"#).fails("declared", &[]).await;
    declaring(Lax::with("none"), r#"{"suite": 1, "paging": false}"#).fails("not so", &["pages-to-the-end"]).await;
    // A driver that takes the first page for all of it: what leads to the next one stands in the answer.
    let next = r#""failed_zones": ["z2"]"#;
    let more = r#""failed_zones": ["z2"], "has_more": true"#;
    let misled = declaring(whole(), r#"{"suite": 1, "paging": false}"#).edit("servers-partial.json", next, more);
    let report = misled.report().await;
    let pages = report.checks.iter().find(|check| check.name == "pages-to-the-end").expect("made");
    assert!(pages.findings.iter().any(|finding| finding.why.contains("/has_more is \"true\"")), "{pages:#?}");
    assert!(report.declared.iter().any(|declared| declared.starts_with("paging: false")), "{report:#?}");
    // A word that is none of the provider's: whether it is mapped well is another check's.
    declaring(Lax::with("changes-words"), r#"{"suite": 1, "words": false}"#)
        .fails("words", &["replays-cassettes", "states-are-mapped", "reads-each-entry"])
        .await;
    let unsaid = Lax::with("none").edit("servers-two-pages.json", r#""off": "STOPPED", "#, "");
    unsaid.fails("a word without a meaning", &["states-are-mapped"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_list_takes_is_held_against_the_limits() {
    let lax = Lax::with("greedy");
    let report = lax.report().await;
    assert!(report.passed(), "{report:#?}");
    let warned: Vec<_> = report.checks.iter().filter(|check| !check.warnings.is_empty()).collect();
    assert!(warned.iter().any(|check| check.name == "within-limits"), "{warned:#?}");
    let limits = Limits { memory: 16 << 20, ..Limits::default() };
    let report = lax.report_under(&limits).await;
    let check = report.checks.iter().find(|check| check.name == "within-limits").expect("made");
    assert!(check.findings.iter().any(|finding| finding.why.contains("drivers.limits.memory")), "{check:#?}");
}

/// Tests a driver of this repository as its author would.
fn tested(setup: &Setup, driver: &str, more: &[&str]) -> crate::support::Ended {
    let file = format!("drivers/{driver}.wasm");
    let cassettes = repository().join("drivers").join(driver).join("cassettes");
    let cassettes = cassettes.display().to_string();
    setup.run(&[&["driver", "test", &file, "--cassettes", &cassettes], more].concat())
}

#[test]
fn the_drivers_of_this_repository_pass() {
    let setup = Setup::new(&[]);
    let folders = std::fs::read_dir(repository().join("drivers")).expect("read");
    let drivers: Vec<String> = folders
        .map(|folder| folder.expect("an entry").path())
        .filter(|folder| folder.join("cassettes").is_dir() && folder.join("Cargo.toml").is_file())
        .filter_map(|folder| Some(folder.file_name()?.to_str()?.to_owned()))
        .collect();
    assert!(drivers.len() >= 4, "{drivers:?}");
    for driver in &drivers {
        setup.driver_file(&format!("{driver}.wasm"), &built_driver(driver));
        let ended = tested(&setup, driver, &["--output", "json"]).succeeded();
        let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert_eq!((&report["name"], &report["suite"]), (&driver.as_str().into(), &conformance::SUITE.into()));
        let usage = report["usage"].as_array().expect("a table");
        assert!(usage.iter().any(|row| row["listed"].as_u64() >= Some(1000)), "{usage:#?}");
    }
    let text = tested(&setup, "ec2", &[]).succeeded().stdout;
    assert!(text.contains("PEAK MEMORY") && !text.contains("FAILED"), "{text}");
}

#[test]
fn a_failure_says_where_what_and_what_to_do() {
    let setup = Setup::new(&[]);
    let lax = Lax::with("misreads");
    let (file, cassettes) = (lax.file().display().to_string(), lax.cassettes().display().to_string());
    let ended = setup.run(&["driver", "test", &file, "--cassettes", &cassettes, "--admit"]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    for part in ["FAILED  states-are-mapped", "servers-two-pages: 5200145", "\"off\"", "STOPPED", "What to do:"] {
        assert!(ended.stdout.contains(part), "{part:?} is not in {ended:#?}");
    }
    assert!(ended.stderr.contains("2 of 28 checks failed; nothing was recorded"), "{ended:#?}");
    assert!(!setup.path("drivers.lock").exists(), "nothing was recorded");

    let test = |more: &[&str]| setup.run(&[&["driver", "test", &file, "--cassettes", &cassettes], more].concat());
    test(&["--only", "cold-start", "--only", "a-thousand"]).succeeded();
    let check = |more: &[&str], code: i32, want: &str| {
        let ended = test(more);
        assert_eq!(ended.code, Some(code), "{ended:#?}");
        assert!(ended.stderr.contains(want), "{want:?} is not in {ended:#?}");
    };
    check(&["--only", "cold"], 2, "there is no check \"cold\"; known checks: describes-itself");
    check(&["--only", "cold-start", "--admit"], 2, "cannot be used with");
    std::fs::write(lax.cassettes().join("suite.json"), "{\"suite\": 1, \"pages\": false}").expect("written");
    check(&[], 1, "suite.json");
    std::fs::remove_dir_all(lax.cassettes()).expect("removed");
    std::fs::create_dir(lax.cassettes()).expect("made");
    check(&[], 1, "there are no cassettes in");
}

#[tokio::test]
async fn only_what_passed_is_admitted_where_the_operator_asks_for_it() {
    let setup = Setup::new(&["mock"]);
    let list = |setup: &Setup| setup.run(&["driver", "list"]).succeeded().stdout;
    assert!(!list(&setup).contains("not loaded"), "nothing is asked for");
    let setup = setup.drivers("require_tested = true");
    let before = list(&setup);
    assert!(before.contains("not loaded") && before.contains("--cassettes DIR --admit"), "{before}");
    let verified = setup.run(&["driver", "verify"]);
    assert!(verified.code == Some(1) && verified.stdout.contains("--cassettes DIR --admit"), "{verified:#?}");

    let ended = tested(&setup, "mock", &["--admit"]).succeeded();
    assert!(ended.stderr.contains("Recorded in"), "{ended:#?}");
    let after = list(&setup);
    assert!(!after.contains("not loaded"), "{after}");
    // With what it passed stands in the record.
    let lock = || Lock::read(&setup.path("drivers.lock")).expect("a lock file");
    let digest = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let own = digest(&built_driver("mock"));
    let record = lock().tested(&own).expect("recorded").clone();
    let cassettes = Cassettes::read_dir(&repository().join("drivers/mock/cassettes")).expect("cassettes");
    assert_eq!((record.suite, record.cassettes_sha256.as_str()), (conformance::SUITE, cassettes.sha256().as_str()));
    let declared = Manifest::read(&repository().join("drivers/mock/cassettes")).expect("declared");
    assert_eq!(record.declarations_sha256, declared.sha256());
    assert_ne!(declared.sha256(), Manifest::default().sha256(), "another declaration has another digest");
    assert_eq!(record.lists, ["instances", "realms"]);
    setup.run(&["driver", "verify"]).succeeded();
    let host = setup.start().await;
    let client = host.client().at("mock", "default").as_user("mockuser", "mockpassword");
    assert_eq!(client.get("/api/instances/inst1").await.ok()["state"], "RUNNING");
}

#[test]
fn a_driver_of_which_no_instances_were_seen_is_not_admitted() {
    let setup = Setup::new(&[]);
    let lax = Lax::with("none");
    let lists = ["servers-two-pages.json", "servers-partial.json", "servers-changed.json", "servers-by-id.json"];
    for name in lists.iter().chain(&BY_TOKEN) {
        std::fs::remove_file(lax.cassettes().join(name)).expect("removed");
    }
    let declared = r#"{"suite": 1, "partial": false, "lists": ["realms"]}"#;
    std::fs::write(lax.cassettes().join("suite.json"), declared).expect("written");
    let lax = lax.describing("plain!");
    let (file, cassettes) = (lax.file().display().to_string(), lax.cassettes().display().to_string());
    let ended = setup.run(&["driver", "test", &file, "--cassettes", &cassettes, "--admit"]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stdout.contains("lists: the provider lists realms and nothing else"), "{ended:#?}");
    assert!(ended.stderr.contains("no instances were listed, so nothing was recorded"), "{ended:#?}");
    assert!(!setup.path("drivers.lock").exists(), "nothing was recorded");
}
