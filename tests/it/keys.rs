//! The host's key: what a host does that lacks it, and how it is rotated while the host runs, is killed, and rests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::support::process::tracker;
use crate::support::wait::{SOON, eventually};
use crate::support::{Host, Lab, Receiver};

fn lines(host: &Host) -> Vec<String> {
    let text = std::fs::read_to_string(host.setup().path("data/key")).expect("a key file");
    text.lines().map(str::to_owned).collect()
}

/// The ids that `tracker key list` shows, with their use.
fn listed(host: &Host) -> Vec<(String, String)> {
    let listed = host.setup().run(&["key", "list"]).succeeded().stdout;
    let rows = listed.lines().skip(1).map(|row| {
        let (id, used) = row.split_once(' ').expect("columns");
        (id.to_owned(), used.trim().to_owned())
    });
    rows.collect()
}

async fn tracked(receiver: &Receiver, number: usize) -> (Lab, Vec<String>) {
    let lab = Lab::start(&[("i-1", "running")]).await;
    let mut secrets = Vec::new();
    for hook in 0..number {
        let made = lab.client.post("/api/hooks", &json!({ "url": receiver.url(&format!("cb{hook}")) })).await.ok();
        secrets.push(made["secret"].as_str().expect("a secret").to_owned());
    }
    (lab, secrets)
}

/// Each hook hears of the next change, signed with its secret.
async fn all_hear(lab: &Lab, receiver: &mut Receiver, secrets: &[String], state: &str) {
    lab.becomes(&[("i-1", state)]).await;
    for _ in secrets {
        let callback = receiver.next().await;
        let hook: usize = callback.path.trim_start_matches("/cb").parse().expect("a number");
        callback.change(&secrets[hook]);
    }
}

#[tokio::test]
async fn a_key_is_rotated_while_the_host_runs() {
    let mut receiver = Receiver::start().await;
    let (mut lab, secrets) = tracked(&receiver, 20).await;
    let keyed = lab.client.with_key("again");
    let body = json!({ "url": receiver.url("keyed"), "types": ["hook.test"] });
    let first = keyed.post("/api/hooks", &body).await.ok();
    let before = lines(&lab.host);
    let old = listed(&lab.host);
    assert_eq!((before.len(), old.len()), (1, 1));

    let rotated = lab.host.setup().run(&["key", "rotate"]).succeeded();
    assert!(rotated.stdout.contains("Every stored secret is sealed with the key"), "{rotated:#?}");
    let after = lines(&lab.host);
    assert_eq!((after.len(), &after[1]), (2, &before[0]));
    let keys = listed(&lab.host);
    assert!(keys[0].1.starts_with("current") && keys[1].1.starts_with("old: needed until"), "{keys:?}");
    assert_eq!(keys[1].0, old[0].0);

    // Nobody notices, neither now nor after a start, and also without the old key.
    all_hear(&lab, &mut receiver, &secrets, "stopped").await;
    assert_eq!(keyed.post("/api/hooks", &body).await.ok(), first);
    let kept = lab.host.setup().run(&["key", "prune"]).succeeded().stdout;
    assert!(kept.contains("needs every key"), "{kept}");
    lab.host.kill();
    lab.host.start().await;
    assert_eq!(keyed.post("/api/hooks", &body).await.ok(), first);
    all_hear(&lab, &mut receiver, &secrets, "running").await;
    assert!(lab.host.stop().await.success());
    std::fs::write(lab.host.setup().path("data/key"), format!("{}\n", after[0])).expect("written");
    lab.host.start().await;
    all_hear(&lab, &mut receiver, &secrets, "stopped").await;
    assert!(lab.host.log().text().contains("lacks an old key"));
}

#[tokio::test]
async fn a_rotation_goes_on_after_a_kill_and_without_a_host() {
    let mut receiver = Receiver::start().await;
    let (mut lab, secrets) = tracked(&receiver, 20).await;
    for state in ["stopped", "running", "stopped"] {
        let before = lines(&lab.host).len();
        let (folder, config) = (lab.host.setup().path("."), lab.host.setup().path("tracker.toml"));
        let config = config.to_str().expect("UTF-8").to_owned();
        let rotation = std::thread::spawn(move || tracker(&folder, &["key", "rotate", "--config", &config]));
        eventually(SOON, "there is a new key", async || {
            let now = lines(&lab.host).len();
            if now > before { Ok(()) } else { Err(format!("{now} keys")) }
        })
        .await;
        lab.host.kill();
        rotation.join().expect("ended");
        lab.host.start().await;
        eventually(SOON, "the host ends the rotation", async || {
            let keys = listed(&lab.host);
            if keys.iter().any(|(_, used)| used.contains("sealed with it")) { Err(format!("{keys:?}")) } else { Ok(()) }
        })
        .await;
        all_hear(&lab, &mut receiver, &secrets, state).await;
    }
    assert!(lab.host.stop().await.success());
    let rotated = lab.host.setup().run(&["key", "rotate"]).succeeded();
    assert!(rotated.stdout.contains("Every stored secret is sealed with the key"), "{rotated:#?}");
    let newest = lines(&lab.host)[0].clone();
    std::fs::write(lab.host.setup().path("data/key"), format!("{newest}\n")).expect("written");
    lab.host.start().await;
    all_hear(&lab, &mut receiver, &secrets, "running").await;
}

#[tokio::test]
async fn a_host_without_its_key_refuses_to_start() {
    let receiver = Receiver::start().await;
    let (mut lab, _) = tracked(&receiver, 1).await;
    let id = listed(&lab.host)[0].0.clone();
    assert!(lab.host.stop().await.success());
    let file = lab.host.setup().path("data/key");
    let kept = std::fs::read(&file).expect("read");
    let refused = |expected: &str| {
        let ended = lab.host.setup().run(&["serve"]);
        assert_eq!(ended.code, Some(1), "{ended:#?}");
        assert!(ended.stderr.contains(&id) && ended.stderr.contains(expected), "{ended:#?}");
    };
    std::fs::remove_file(&file).expect("removed");
    refused("put that key back");
    assert!(!file.exists(), "no new key takes its place");
    let other = lab.host.setup().secret_file("other", "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=");
    std::fs::copy(other, &file).expect("written");
    refused("give the host the key that belongs to the store");
    let wrong = lab.host.setup().run(&["key", "rotate"]);
    assert!(wrong.code == Some(1) && wrong.stderr.contains(&id), "{wrong:#?}");
    std::fs::write(&file, kept).expect("written");
    lab.host.start().await;
    assert_ne!(lab.client.get("/api/hooks").await.ok()["hooks"], Value::Null);
}

#[tokio::test]
async fn commands_at_the_same_time_lose_no_key() {
    let mut receiver = Receiver::start().await;
    let (mut lab, secrets) = tracked(&receiver, 2).await;
    let config = lab.host.setup().path("tracker.toml").to_str().expect("UTF-8").to_owned();
    for _ in 0..4 {
        let start = |command: &'static str| {
            let (folder, config) = (lab.host.setup().path("."), config.clone());
            std::thread::spawn(move || tracker(&folder, &["key", command, "--config", &config]))
        };
        let [one, other, prune] = ["rotate", "rotate", "prune"].map(start);
        for rotated in [one, other] {
            rotated.join().expect("ended").succeeded();
        }
        // It may come between the writing of a key and its use.
        let pruned = prune.join().expect("ended");
        assert!(pruned.code == Some(0) || pruned.stderr.contains("run `tracker key rotate` first"), "{pruned:#?}");
        let keys = listed(&lab.host);
        assert!(keys.iter().all(|(_, shown)| shown.ends_with("yes")), "{keys:?}");
    }
    assert!(listed(&lab.host).len() > 4, "each key is needed for a day");
    lab.host.kill();
    lab.host.start().await;
    all_hear(&lab, &mut receiver, &secrets, "stopped").await;
    let left = std::fs::read_dir(lab.host.setup().path("data")).expect("a folder");
    assert!(!left.into_iter().any(|entry| entry.expect("an entry").file_name().to_string_lossy().ends_with(".new")));
}

#[tokio::test]
async fn a_file_with_many_keys_is_pruned_and_no_more_are_added() {
    let mut receiver = Receiver::start().await;
    let (mut lab, secrets) = tracked(&receiver, 1).await;
    let file = lab.host.setup().path("data/key");
    let write = |own: &str, others: u8| {
        let others = (0..others).map(|number| BASE64.encode([number; 32]));
        let lines: Vec<String> = std::iter::once(own.to_owned()).chain(others).collect();
        std::fs::write(&file, lines.join("\n")).expect("written");
    };
    let own = lines(&lab.host)[0].clone();
    write(&own, 15);
    let refused = lab.host.setup().run(&["key", "rotate"]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("has 16 keys") && refused.stderr.contains("`tracker key prune`"), "{refused:#?}");
    assert_eq!(lines(&lab.host).len(), 16, "nothing was written");

    // More than it would ever write: it starts, and is helped.
    write(&own, 40);
    assert!(lab.host.stop().await.success());
    assert_eq!(listed(&lab.host).len(), 41);
    lab.host.start().await;
    lab.host.setup().run(&["key", "prune"]).succeeded();
    assert_eq!(lines(&lab.host), [own]);
    lab.host.setup().run(&["key", "rotate"]).succeeded();
    all_hear(&lab, &mut receiver, &secrets, "stopped").await;
}
