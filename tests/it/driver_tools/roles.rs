//! An account with endpoints by role and an access token, at a live provider: what the command line says of it is what the
//! driver is told, and what is recorded.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::play;
use crate::support::{Ended, built_faulty, tracker};

const TOKEN: &str = "an-access-token-of-the-tests";

/// Answers each request that begins as one of these, with the token where one is asked for, and any other with 404. Gives where
/// it listens.
fn part(answers: &'static [(&'static str, &'static str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(&stream, answers));
        }
    });
    endpoint
}

/// Takes one request, answers it, and closes the connection.
fn answer(mut stream: &TcpStream, answers: &[(&str, &str)]) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).ok().filter(|read| *read > 0)?;
    }
    let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    reader.read_exact(&mut vec![0; length.unwrap_or(0)]).ok()?;
    let is_refused = head.starts_with("POST") && !head.contains(&format!("Bearer {TOKEN}"));
    let (status, body) = match answers.iter().find(|(begins, _)| head.starts_with(begins)) {
        Some(_) if is_refused => ("401 Unauthorized", "{}"),
        Some((_, body)) => ("200 OK", *body),
        None => ("404 Not Found", "{}"),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .ok()
}

/// Runs a tool on the driver, as an account with a token.
fn tool(folder: &TempDir, name: &str, endpoints: &[String], more: &[&str]) -> Ended {
    let command = ["driver", name, "./driver.wasm", "--yes", "--provider", "lab", "--user", "demo"];
    let password = ["--password-file", "token", "--allow-addresses", "127.0.0.1"];
    let endpoints: Vec<&str> = endpoints.iter().flat_map(|endpoint| ["--endpoint", endpoint]).collect();
    tracker(folder.path(), &[&command[..], &password, &endpoints, more].concat())
}

#[tokio::test]
async fn an_account_with_roles_and_a_token_is_run_and_recorded() {
    let own = part(&[("GET /zones ", r#"{ "zones": [{ "id": "z1", "name": "One", "up": true }] }"#)]);
    let identity = part(&[("POST /v3/tokens ", r#"{ "token": "a-token-of-the-provider" }"#)]);
    let compute = part(&[(
        "GET /servers?page=1 ",
        r#"{ "servers": [{ "id": 17, "name": "web", "status": "on", "zone": "z1" }], "next": null, "total": 1 }"#,
    )]);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("token"), TOKEN).expect("written");
    std::fs::write(folder.path().join("driver.wasm"), built_faulty("lax")).expect("written");
    let endpoints = [own.clone(), format!("identity={identity}/v3"), format!("compute={compute}")];
    let kind = ["--password-kind", "access-token", "--password-expires", "2030-01-01T00:00:00Z"];

    let ran = tool(&folder, "run", &endpoints, &[&kind[..], &["--trace"]].concat()).succeeded();
    assert!(ran.stdout.contains("web") && ran.stderr.contains(&format!("> POST {identity}/v3/tokens")), "{ran:#?}");
    assert!(ran.stderr.contains(&format!("{compute} (the account's endpoint for compute)")), "{ran:#?}");

    let kept = [&kind[..], &["--cassettes", "kept"]].concat();
    let recorded = tool(&folder, "record", &endpoints, &kept).succeeded();
    assert_eq!(recorded.stdout.matches("played once: it gave the same result").count(), 2, "{recorded:#?}");
    for file in ["instances.json", "realms.json"] {
        let text = std::fs::read_to_string(folder.path().join("kept").join(file)).expect("written");
        assert!(!text.contains(TOKEN) && !text.contains("a-token-of-the-provider"), "{text}");
        let account = serde_json::from_str::<Value>(&text).expect("JSON")["account"].clone();
        let want = json!({
            "provider": "lab",
            "endpoint": own,
            "endpoints": { "compute": compute, "identity": format!("{identity}/v3") },
            "user": "demo",
            "secret": "access-token",
            "secret_expires": "2030-01-01T00:00:00.000Z",
        });
        assert_eq!(account, want);
    }
    assert_eq!(play(&folder.path().join("driver.wasm"), &folder.path().join("kept")).await, 2);
}

#[test]
fn what_the_driver_does_not_take_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("token"), TOKEN).expect("written");
    std::fs::write(folder.path().join("driver.wasm"), built_faulty("lax")).expect("written");
    let own = "http://127.0.0.1:9".to_owned();
    let check = |endpoints: &[&str], more: &[&str], want: &str| {
        let endpoints: Vec<String> = endpoints.iter().map(|endpoint| (*endpoint).to_owned()).collect();
        let ended = tool(&folder, "record", &endpoints, &[more, &["--cassettes", "kept"]].concat());
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        assert!(ended.stderr.contains(want), "{want:?} is not in {ended:#?}");
        assert!(!Path::new(&folder.path().join("kept")).exists(), "nothing is written");
    };
    check(
        &[&own, "volume=http://127.0.0.1:9"],
        &[],
        "\"volume\", which is not a role of the driver; its roles: identity",
    );
    check(&[&own, "identity=127.0.0.1"], &[], "\"127.0.0.1\" is not an endpoint");
    check(&[&own, "compute=http://127.0.0.1:9", "compute=http://127.0.0.1:9"], &[], "twice for the role \"compute\"");
    check(&["compute=http://127.0.0.1:9"], &[], "give its own endpoint as well, with --endpoint URL");
    check(&[&own], &["--password-kind", "private-key"], "the driver takes: password, access-token");
    check(&[&own], &["--password-kind", "token"], "possible values: password, private-key, access-token");
    check(&[&own], &["--password-expires", "2030-01-01T00:00:00Z"], "a password does not expire");
}
