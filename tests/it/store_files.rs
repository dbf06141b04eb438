//! The store's files while a host runs: a copy of an idle host's is a backup, and one that is taken away or put back is
//! noticed.

use std::path::Path;

use rusqlite::Connection;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::wait::{SOON, eventually};
use crate::support::{Lab, Receiver, Setup};

#[tokio::test]
async fn the_file_of_an_idle_host_is_the_whole_store() {
    let polls = "[polling]\ninstances_every = \"1h\"\nrealms_every = \"1h\"\njitter = 0.0\n";
    let host = Setup::new(&["mock"]).polls(polls).account("mock", "default", "mockuser", "mockpassword").start().await;
    let client = host.client().at("mock", "default").as_user("mockuser", "mockpassword");
    let seen = client.get("/api/instances").await.ok();
    let seen = seen["instances"].as_array().expect("a list").len();
    assert!(seen > 0);
    let setup = host.setup();
    let (file, copy) = (setup.path("data/tracker.db"), setup.path("copy"));
    eventually(SOON, "a copy has what was seen", async || {
        std::fs::copy(&file, &copy).map_err(|error| error.to_string())?;
        match instances(&copy) {
            Ok(found) if usize::try_from(found) == Ok(seen) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

/// How many instances a store's file has.
fn instances(file: &Path) -> rusqlite::Result<i64> {
    Connection::open(file)?.query_row("SELECT COUNT(*) FROM resources WHERE kind = 0", (), |row| row.get(0))
}

#[tokio::test]
async fn a_host_whose_store_is_taken_away_is_not_ready_and_goes_on_once_it_is_back() {
    let mut receiver = Receiver::start().await;
    let lab = Lab::start(&[("i-1", "running")]).await;
    let secret = lab.track("i-1", &receiver).await;
    let (data, aside) = (lab.host.setup().path("data"), lab.host.setup().path("aside"));
    std::fs::rename(&data, &aside).expect("moved");
    let told = |line: &str| line.contains("data/tracker.db was removed while the host runs").then(|| line.to_owned());
    let line = lab.host.log().find("the host notices by itself", told).await;
    assert!(line.contains("Put that very file back") && line.contains("restore a backup"), "{line}");

    let problem = lab.client.get("/readyz").await.problem(503);
    let failing = problem["failing"].as_array().expect("it says what fails");
    assert!(failing.iter().any(|work| work["error"] == "gone"), "{problem}");
    let form = [("track_hook", receiver.url("other")), ("track_token", "token".to_owned())];
    let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
    let refused = lab.client.put("/api/instances/i-1", &form).await.problem(503);
    assert_eq!(refused["type"], "/problems/store-unavailable", "{refused}");
    assert_eq!(lab.client.get("/api/instances/i-1").await.ok()["state"], "RUNNING");
    assert!(!data.exists(), "nothing is made in its place");

    std::fs::rename(&aside, &data).expect("moved back");
    lab.provider.has(&[("i-1", "stopped")]);
    assert_eq!(receiver.next().await.change(&secret)["new_state"], "STOPPED");
    eventually(SOON, "the host is ready", async || {
        let answer = lab.client.get("/readyz").await;
        if answer.status.is_success() { Ok(()) } else { Err(answer.text) }
    })
    .await;
}

#[tokio::test]
async fn an_older_file_in_the_place_of_a_newer_one_makes_cursors_anew() {
    let mut lab = Lab::start(&[("i-1", "running")]).await;
    let (file, older) = (lab.host.setup().path("data/tracker.db"), lab.host.setup().path("older"));
    let feed = async |lab: &Lab| {
        let list = lab.client.get("/api/instances").await;
        format!("/api/changes?since={}", list.headers["tracker-cursor"].to_str().expect("text"))
    };
    assert!(lab.host.stop().await.success());
    std::fs::copy(&file, &older).expect("copied");
    lab.host.start().await;
    lab.becomes(&[("i-1", "stopped")]).await;
    let newer = feed(&lab).await;
    lab.host.kill();
    lab.host.start().await;
    lab.client.get(&newer).await.ok();

    assert!(lab.host.stop().await.success());
    std::fs::copy(&older, &file).expect("put back");
    lab.host.start().await;
    let problem = lab.client.get(&newer).await.problem(400);
    assert_eq!(problem["type"], "/problems/foreign-cursor", "{problem}");
    let log = lab.host.log().text();
    assert!(log.contains("the store may be an older one"), "{log}");
    let now = feed(&lab).await;
    lab.host.kill();
    lab.host.start().await;
    lab.client.get(&now).await.ok();
}

#[tokio::test]
async fn a_compiled_driver_that_is_written_over_is_run_as_it_was() {
    let mut lab = Lab::start(&[("i-1", "running")]).await;
    let files: Vec<_> = std::fs::read_dir(lab.host.setup().path("data/compiled")).expect("the host made it").collect();
    let files: Vec<_> = files.into_iter().map(|entry| entry.expect("an entry").path()).collect();
    assert!(!files.is_empty());
    for (content, word) in [(vec![], "stopped"), (vec![0xff; 1 << 20], "running")] {
        files.iter().for_each(|file| std::fs::write(file, &content).expect("written"));
        lab.becomes(&[("i-1", word)]).await;
    }
    // The next host compiles it again, also where what is no file is in its place.
    assert!(lab.host.stop().await.success());
    lab.host.start().await;
    lab.becomes(&[("i-1", "stopped")]).await;
    for (file_type, word) in [(FileType::Directory, "running"), (FileType::Fifo, "stopped")] {
        assert!(lab.host.stop().await.success());
        for file in &files {
            match std::fs::metadata(file).expect("it is there").is_dir() {
                true => std::fs::remove_dir(file).expect("removed"),
                false => std::fs::remove_file(file).expect("removed"),
            }
            match file_type {
                FileType::Directory => std::fs::create_dir(file).expect("made"),
                other => mknodat(CWD, file, other, Mode::RUSR | Mode::WUSR, 0).expect("made"),
            }
        }
        lab.host.start().await;
        lab.becomes(&[("i-1", word)]).await;
        let log = lab.host.log().text();
        for file in &files {
            let name = file.file_name().expect("a name").to_str().expect("UTF-8");
            let is_named = |line: &str| line.contains(name) && line.contains("it is no regular file");
            assert!(log.lines().any(is_named), "{name}: {log}");
        }
    }
}

#[tokio::test]
async fn a_host_whose_store_is_missing_refuses_to_start_until_a_backup_is_restored() {
    let mut lab = Lab::start(&[("i-1", "running")]).await;
    lab.client.post("/api/hooks", &serde_json::json!({ "url": "http://127.0.0.1:9/" })).await.ok();
    lab.host.setup().run(&["backup", "backup"]).succeeded();
    assert!(lab.host.stop().await.success());
    let data = lab.host.setup().path("data");
    let lose = || {
        for name in ["tracker.db", "tracker.db-wal", "tracker.db-shm"] {
            let _ = std::fs::remove_file(data.join(name));
        }
    };
    lose();
    for content in [None, Some("")] {
        if let Some(content) = content {
            std::fs::write(data.join("tracker.db"), content).expect("written");
        }
        let refused = lab.host.setup().run(&["serve"]);
        assert_eq!(refused.code, Some(1), "{refused:#?}");
        for words in ["data/tracker.db is", "data/tracker.db.seen is left of it", "tracker restore", "remove"] {
            assert!(refused.stderr.contains(words), "{words}: {refused:#?}");
        }
    }
    lab.host.setup().run(&["restore", "backup"]).succeeded();
    lab.host.start().await;
    assert_eq!(lab.client.get("/api/hooks").await.ok()["hooks"].as_array().map(Vec::len), Some(1));

    assert!(lab.host.stop().await.success());
    lose();
    std::fs::remove_file(data.join("tracker.db.seen")).expect("removed");
    lab.host.start().await;
    assert_eq!(lab.client.get("/api/hooks").await.ok()["hooks"].as_array().map(Vec::len), Some(0), "it began anew");
}
