//! `tracker watch`, as somebody runs it in a terminal: what comes, and that nothing is missed while the host is away.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::wait::{SOON, eventually};
use crate::support::{Client, Host, Lines, Setup, tracker};

/// Ends with the test that began it.
struct Watching {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Watching {
    fn start(host: &Host, arguments: &[&str]) -> Watching {
        let base = host.client().base();
        let own = ["--user", "mockuser", "--password-env", "SECRET", "--driver", "mock", "--provider", "fast"];
        Watching::at(&base, "mockpassword", &[&own, arguments].concat())
    }

    /// Of a host at that URL, with that in the variable SECRET.
    fn at(base: &str, secret: &str, arguments: &[&str]) -> Watching {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tracker"))
            .args(["watch", base])
            .args(arguments)
            .env_clear()
            .env("SECRET", secret)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let (stdout, stderr) = (Lines::default(), Lines::default());
        stdout.follow(child.stdout.take().expect("piped"));
        stderr.follow(child.stderr.take().expect("piped"));
        Watching { child, stdout, stderr }
    }

    /// Waits for so many lines.
    async fn lines(&self, count: usize) -> Vec<String> {
        eventually(SOON, "lines of what happens", async || {
            let text = self.stdout.text();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            if lines.len() > count { Ok(lines[..count].to_vec()) } else { Err(text + &self.stderr.text()) }
        })
        .await
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A world in which some state changes in every second.
async fn world() -> (Host, Client) {
    let options = "count = \"40\", churn = \"900\"";
    let setup = Setup::new(&["mock"]).provider("mock", "fast", "http://mock.invalid", options);
    let host = setup.account("mock", "fast", "mockuser", "mockpassword").start().await;
    let client = host.client().at("mock", "fast").as_user("mockuser", "mockpassword");
    (host, client)
}

#[tokio::test]
async fn what_happens_is_shown_and_nothing_is_missed_while_the_host_is_away() {
    let (mut host, client) = world().await;
    let watching = Watching::start(&host, &["--since", "0", "--output", "json"]);
    watching.lines(5).await;
    host.stop().await;
    eventually(SOON, "it says that it tries again", async || match watching.stderr.text() {
        text if text.contains("trying again in 1 s") => Ok(()),
        text => Err(text),
    })
    .await;
    let before = watching.stdout.text().lines().count();
    host.start().await;
    let lines = watching.lines(before + 5).await;
    let journal = client.get("/api/changes?since=0").await.ok();
    let id = |change: &Value| change["id"].as_str().expect("an id").to_owned();
    let told: Vec<String> = lines.iter().map(|line| id(&serde_json::from_str(line).expect("JSON"))).collect();
    let journal: Vec<String> = journal.as_array().expect("a list").iter().map(id).collect();
    assert_eq!(told, journal[..told.len()], "each once, and in order");
}

#[tokio::test]
async fn lines_are_for_people_and_what_there_is_comes_first() {
    let (host, client) = world().await;
    client.until("/api/instances?limit=1", "it was listed", |list| list["instances"][0].is_object()).await;
    let watching = Watching::start(&host, &["--snapshot", "--kind", "instance", "--color", "always"]);
    let lines = watching.lines(41).await;
    assert!(lines[..40].iter().all(|line| line.contains("  instance ") && line.contains('\u{1b}')), "{lines:#?}");
    assert!(lines[40].contains(" -> ") || lines[40].contains("instance."), "{lines:#?}");
    let filtered = Watching::start(&host, &["--since", "0", "--to", "STOPPED", "--color", "never"]);
    for line in filtered.lines(3).await {
        assert!(line.ends_with("-> STOPPED") && !line.contains('\u{1b}'), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_watched_is_said() {
    let (host, _) = world().await;
    let folder = tempfile::tempdir().expect("a folder");
    let base = host.client().base();
    std::fs::write(folder.path().join("token"), "trk_none").expect("written");
    let check = |arguments: &[&str], code: i32, words: &str| {
        let ended = tracker(folder.path(), &[&["watch"], arguments].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{ended:#?}");
        assert!(ended.stderr.contains(words), "{words}: {ended:#?}");
    };
    check(&[&base], 2, "--token-file");
    check(&[&base, "--token-file", "none"], 2, "none");
    check(&[&base, "--token-file", "token"], 1, "there is no such token");
    check(&["tracker.example", "--token-file", "token"], 2, "http");
    let ended = tokio::task::block_in_place(|| {
        Command::new(env!("CARGO_BIN_EXE_tracker"))
            .args(["watch", &base, "--user", "mockuser", "--password-env", "PASSWORD", "--driver", "mock"])
            .args(["--provider", "fast", "--to", "ASLEEP"])
            .env_clear()
            .env("PASSWORD", "mockpassword")
            .output()
            .expect("run")
    });
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("to \"ASLEEP\" is one of"), "{stderr}");
}

/// A host that is another's, or a proxy, may send back what it was told.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_sent_back_is_not_shown() {
    use axum::http::{HeaderMap, StatusCode};
    use axum::response::IntoResponse as _;

    let refusing = |headers: HeaderMap| async move {
        let told = headers["authorization"].to_str().expect("text").to_owned();
        let problem = serde_json::json!({ "detail": format!("nobody is called {told}") });
        (StatusCode::UNAUTHORIZED, problem.to_string()).into_response()
    };
    let telling = |headers: HeaderMap| async move {
        let told = headers["authorization"].to_str().expect("text").to_owned();
        let events = format!(
            "event: instance.state\ndata: {{\"a\": \"{told}\"}}\n\nevent: end\ndata: {{\"reason\": \"{told}\"}}\n\n"
        );
        ([("content-type", "text/event-stream")], events).into_response()
    };
    let router = axum::Router::new()
        .route("/refusing/api/changes", axum::routing::get(refusing))
        .route("/telling/api/changes", axum::routing::get(telling));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });

    const SECRET: &str = "sw0rdfish-of-ann";
    let pair = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("ann:{SECRET}"));
    let by_token: &[&str] = &["--token-env", "SECRET"];
    let by_password: &[&str] = &["--user", "ann", "--password-env", "SECRET"];
    for login in [by_token, by_password] {
        for (place, output) in [("refusing", "text"), ("telling", "text"), ("telling", "json")] {
            let arguments = [&["--output", output], login].concat();
            let watching = Watching::at(&format!("{base}/{place}"), SECRET, &arguments);
            let shown = eventually(SOON, "what came is shown", async || match watching.stderr.text() {
                text if text.contains('\n') => Ok(watching.stdout.text() + &text),
                text => Err(text),
            })
            .await;
            assert!(shown.contains("[secret]"), "{login:?} {place} {output}: {shown}");
            assert!(!shown.contains(SECRET) && !shown.contains(&pair), "{login:?} {place} {output}: {shown}");
        }
    }
    serving.abort();
}
