//! `tracker backup` and `tracker restore`: a host's store as one file, made while it runs, and taken up elsewhere with the key
//! that it names.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tracker::clock::Stopwatch;

use crate::support::wait::at_most;
use crate::support::{Ended, Lab, Lines, Receiver, Running, Setup, at_terminal};

/// What a command that failed says.
fn refusal(ended: Ended) -> String {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:#?}");
    ended.stderr
}

/// The id of a key that a text names.
fn key_id(text: &str) -> String {
    let (_, rest) = text.split_once("the key ").unwrap_or_else(|| panic!("it names a key: {text}"));
    let id: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    assert_eq!(id.len(), 16, "{text}");
    id
}

#[tokio::test]
async fn a_backup_of_a_running_host_is_restored_with_its_key_and_old_cursors_are_refused() {
    let mut receiver = Receiver::start().await;
    let mut lab = Lab::start(&[("i-1", "running")]).await;
    let secret = lab.track("i-1", &receiver).await;
    lab.becomes(&[("i-1", "stopped")]).await;
    receiver.next().await.change(&secret);
    let setup = |lab: &Lab| lab.host.setup().path(".");

    let made = lab.host.setup().run(&["backup", "backup"]).succeeded();
    assert!(made.stdout.contains("verified"), "{made:#?}");
    assert_eq!(made.stderr, "", "how far it is is for terminals");
    let key = key_id(&made.stdout);
    let odd = lab.host.setup().run(&["backup", "odd\nForged.backup"]).succeeded();
    assert!(odd.stdout.contains("odd Forged.backup"), "a name ends no line: {odd:#?}");
    let again = refusal(lab.host.setup().run(&["backup", "backup"]));
    assert!(again.contains("backup exists") && again.contains("--force"), "{again}");
    let shown = at_terminal(&setup(&lab), &["backup", "backup", "--force", "--config", "tracker.toml"], "").succeeded();
    assert!(shown.stdout.contains("copying: 100 %") && shown.stdout.contains("verifying"), "{shown:#?}");
    let own = refusal(lab.host.setup().run(&["backup", "data/tracker.db", "--force"]));
    assert!(own.contains("a file of the host's store"), "{own}");
    let running = refusal(lab.host.setup().run(&["restore", "backup", "--force"]));
    assert!(running.contains("tracker.db is in use"), "{running}");

    // What comes after the backup is not in it.
    lab.becomes(&[("i-1", "terminated")]).await;
    let list = lab.client.get("/api/instances").await;
    let cursor = list.headers["tracker-cursor"].to_str().expect("text").to_owned();
    let feed = format!("/api/changes?since={cursor}");
    lab.client.get(&feed).await.ok();
    assert!(lab.host.stop().await.success());
    let data = |name: &str| lab.host.setup().path("data").join(name);
    let there = refusal(lab.host.setup().run(&["restore", "backup"]));
    assert!(there.contains("a store exists") && there.contains("--force"), "{there}");

    // It takes the key, which is not in the backup.
    let own_key = std::fs::read(data("key")).expect("read");
    let backup = std::fs::read(lab.host.setup().path("backup")).expect("read");
    let text = own_key.strip_suffix(b"\n").expect("a line");
    assert!(!backup.windows(text.len()).any(|window| window == text));
    let bytes = BASE64.decode(text).expect("base64");
    assert!(!backup.windows(bytes.len()).any(|window| window == bytes));
    std::fs::remove_file(data("key")).expect("removed");
    let lacking = refusal(lab.host.setup().run(&["restore", "backup", "--force"]));
    assert_eq!(key_id(&lacking), key, "{lacking}");
    assert!(lacking.contains("there is no key file data/key") && !data("key").exists(), "{lacking}");
    lab.host.setup().secret_file("data/key", &BASE64.encode([7; 32]));
    let other = refusal(lab.host.setup().run(&["restore", "backup", "--force"]));
    assert_eq!(key_id(&other), key, "{other}");
    std::fs::write(data("key"), &own_key).expect("written");

    let restored = lab.host.setup().run(&["restore", "backup", "--force"]).succeeded();
    assert!(restored.stdout.contains("is kept as data/tracker.db.before-restore"), "{restored:#?}");
    lab.host.start().await;
    let problem = lab.client.get(&feed).await.problem(400);
    assert_eq!(problem["type"], "/problems/foreign-cursor", "{problem}");
    assert_eq!(problem["list"][0], "/api/instances", "{problem}");
    // The hook is there, with its secret, and hears of what happened since.
    let until_gone = async {
        loop {
            let change = receiver.next().await.change(&secret);
            if change["new_state"] == "FINISH" {
                return change;
            }
        }
    };
    let change: Value = until_gone.await;
    assert_eq!(change["resource"]["id"], "i-1");
}

#[test]
fn what_is_no_store_is_neither_backed_up_nor_restored() {
    let setup = Setup::new(&[]);
    let nothing = refusal(setup.run(&["backup", "backup"]));
    assert!(nothing.contains("there is no store data/tracker.db"), "{nothing}");
    std::fs::write(setup.path("notes"), "Dear diary, ".repeat(1000)).expect("written");
    let other = refusal(setup.run(&["restore", "notes"]));
    assert!(other.contains("notes is not a store of Tracker"), "{other}");
    assert!(!setup.path("data/tracker.db").exists());
    let nowhere = setup.run(&["backup", "drivers"]);
    assert_eq!(nowhere.code, Some(2), "{nowhere:#?}");
}

#[tokio::test]
async fn a_backup_and_a_restore_that_are_killed_leave_a_whole_store() {
    const INSTANCES: usize = 5_000;
    const KILLS: u32 = 12;
    let ids: Vec<String> = (0..INSTANCES).map(|number| format!("i-{number:04}")).collect();
    let mut lab = Lab::start(&[("i-0000", "running")]).await;
    lab.provider.has(&ids.iter().map(|id| (id.as_str(), "running")).collect::<Vec<_>>());
    lab.client.until(&format!("/api/instances/{}", ids[INSTANCES - 1]), "all are there", |_| true).await;
    let make_hook =
        async |lab: &Lab| lab.client.post("/api/hooks", &json!({ "url": "http://127.0.0.1:9/" })).await.ok();
    let hooks = async |lab: &Lab| lab.client.get("/api/hooks").await.ok()["hooks"].as_array().expect("a list").len();
    make_hook(&lab).await;
    let folder = lab.host.setup().path(".");
    let whole = Stopwatch::start();
    lab.host.setup().run(&["backup", "backup"]).succeeded();
    let whole = whole.elapsed();
    let arguments = |words: &[&'static str]| [words, &["--config", "tracker.toml"]].concat();
    let killed = async |words: &[&'static str], after: Duration| {
        let running = Running::start(&folder, &arguments(words), &Lines::default());
        at_most(after, std::future::pending::<()>()).await;
        drop(running);
    };

    for kill in 0..KILLS {
        killed(&["backup", "backup", "--force"], whole * kill / KILLS).await;
        let checked = lab.host.setup().run(&["backup", "other", "--force"]).succeeded();
        assert!(checked.stdout.contains("verified"), "{checked:#?}");
    }
    lab.host.setup().run(&["backup", "backup", "--force"]).succeeded();
    make_hook(&lab).await;
    for kill in 0..KILLS {
        assert!(lab.host.stop().await.success());
        killed(&["restore", "backup", "--force"], whole * kill / KILLS).await;
        lab.host.start().await;
        let there = hooks(&lab).await;
        assert!((1..=2).contains(&there), "{there} hooks after the kill {kill}");
        if there == 1 {
            make_hook(&lab).await;
        }
    }
    assert!(lab.host.stop().await.success());
    lab.host.setup().run(&["restore", "backup", "--force"]).succeeded();
    lab.host.start().await;
    assert_eq!(hooks(&lab).await, 1, "the backup was made before the second hook");
    let left: Vec<_> =
        std::fs::read_dir(&folder).expect("read").map(|entry| entry.expect("an entry").file_name()).collect();
    let left: Vec<_> = left.iter().filter(|name| name.to_string_lossy().contains("backup")).collect();
    assert_eq!(left, ["backup"], "nothing is left of those that were killed");
}
