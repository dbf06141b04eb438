//! The API against its own description: Schemathesis asks a live host for everything that the description allows and for
//! much that it does not, follows what one answer says to the next, and holds each answer to what is described.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::Setup;
use crate::support::moto::in_venv;

/// Short waits and streams: all of them are asked for, many times.
const SETTINGS: &str = "[api]\nfeed_wait = \"1s\"\nfeed_stream_for = \"1s\"\npoll_wait = \"2s\"\nrefresh_every = \"0s\"\n\
                        hooks_per_account = 100000\ntokens_per_account = 100000\n\
                        [api.credentials]\nnew_accounts_per_peer = 100000\n";

/// For how long it asks, in seconds; `OPENAPI_SECONDS` says otherwise, and `make fuzz-api` asks for ten minutes.
const SECONDS: &str = "45";

#[tokio::test]
async fn the_api_is_as_it_is_described() {
    let host = Setup::new(&["mock"]).polls(SETTINGS).default_provider("mock", "default").start().await;
    let url = host.client().base();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis");
    let reports = tempfile::tempdir().expect("a folder");
    let seconds = std::env::var("OPENAPI_SECONDS").unwrap_or_else(|_| SECONDS.to_owned());
    let mut command = Command::new(in_venv("schemathesis"));
    command
        .arg("--config-file")
        .arg(folder.join("schemathesis.toml"))
        .args(["run", &format!("{url}/openapi.json"), "--auth", "mockuser:mockpassword", "--checks", "all"])
        .args(["--max-examples", "15", "--max-time", &seconds, "--seed", "1", "--continue-on-failure", "--no-color"])
        .envs([("TRACKER_URL", url.as_str()), ("TRACKER_USER", "mockuser"), ("TRACKER_PASSWORD", "mockpassword")])
        .env("SCHEMATHESIS_HOOKS", "tracker_formats")
        .env("PYTHONPATH", folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(reports.path())
        .stdin(Stdio::null());
    let run = tokio::task::spawn_blocking(move || command.output());
    let run = run.await.expect("no panic").expect("schemathesis of the virtual environment starts");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    for phase in ["Coverage", "Fuzzing", "Stateful"] {
        let is_done = said.lines().any(|line| line.trim_end().ends_with(phase) && line.contains('\u{2705}'));
        assert!(is_done, "{phase} was not made:\n{said}");
    }
}
