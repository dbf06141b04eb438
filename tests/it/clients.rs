//! The API's description as others' tools read it: clients that generators make of it, in Python and in TypeScript, are
//! type-checked and used against a live host, and a linter reads it. What a tool only warns of is a failure, too.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::moto::in_venv;
use crate::support::wait::at_most;
use crate::support::{Host, Receiver, Setup};

/// For one step of a test. On an idle machine, the longest takes some seconds.
const STEP: Duration = Duration::from_secs(120);

/// A host, and a folder with its description in which clients are made.
struct Workshop {
    host: Host,
    folder: TempDir,
}

impl Workshop {
    async fn open() -> Workshop {
        let host = Setup::new(&["mock"]).default_provider("mock", "default").start().await;
        let folder = tempfile::tempdir().expect("a folder");
        let description = host.client().get("/openapi.json").await;
        assert_eq!(description.status, 200);
        std::fs::write(folder.path().join("openapi.json"), description.text).expect("written");
        Workshop { host, folder }
    }

    /// Brings files of `tests/clients` here.
    fn bring(&self, files: &[&str]) {
        for file in files {
            let name = Path::new(file).file_name().expect("a file");
            std::fs::copy(clients().join(file), self.folder.path().join(name)).expect("copied");
        }
    }

    /// Brings the packages of Node that `make test` installed.
    fn bring_packages(&self) {
        let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients/node_modules");
        assert!(packages.exists(), "{} is not there: run `make test`, which makes it", packages.display());
        std::os::unix::fs::symlink(packages, self.folder.path().join("node_modules")).expect("linked");
    }

    /// A program that runs here, and to which nothing of the surroundings gets but what `PATH` leads to.
    fn program(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
        let venv = in_venv("python").parent().expect("a folder").to_owned();
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::env::join_paths(std::iter::once(venv).chain(std::env::split_paths(&paths)));
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", paths.expect("paths without a colon"))
            .env("HOME", self.folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// A program of a package of Node.
    fn package(&self, program: &str, arguments: &[&str]) -> Command {
        let program = format!("node_modules/{program}");
        self.program("node", &[&[program.as_str()][..], arguments].concat())
    }

    /// Runs a client, and holds its receiver to have been sent the test that the client asked for.
    async fn use_client(&self, mut client: Command) {
        let mut receiver = Receiver::start().await;
        client
            .env("TRACKER_URL", self.host.client().base())
            .env("TRACKER_USER", "mockuser")
            .env("TRACKER_PASSWORD", "mockpassword")
            .env("RECEIVER", receiver.url("client"));
        let said = succeeded(client).await.0;
        let said: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        let change = receiver.next().await.change(said["secret"].as_str().expect("a secret"));
        assert_eq!(change["id"], said["change"]);
    }
}

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Runs a program to its end, which has to be a good one; gives what it wrote to standard output and to standard error.
async fn succeeded(mut command: Command) -> (String, String) {
    let output = at_most(STEP, command.output()).await;
    let output = output.unwrap_or_else(|| panic!("not done within {STEP:?}: {command:?}"));
    let output = output.unwrap_or_else(|error| panic!("{error}: {command:?}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{stdout}\n{stderr}");
    (stdout, stderr)
}

#[tokio::test]
async fn a_generated_python_client_is_typed_and_works() {
    let workshop = Workshop::open().await;
    workshop.bring(&["python/client.py", "python/generator.yaml"]);
    let generate = ["generate", "--path", "openapi.json", "--config", "generator.yaml", "--meta", "none"];
    let generate = [&generate[..], &["--output-path", "tracker_client", "--fail-on-warning"]].concat();
    succeeded(workshop.program(in_venv("openapi-python-client"), &generate)).await;
    // Without `tracker_client/client.py`, which is the same whatever is described, and is not strict.
    let types = ["--strict", "--follow-imports=silent", "client.py", "tracker_client/api", "tracker_client/models"];
    succeeded(workshop.program(in_venv("mypy"), &types)).await;
    workshop.use_client(workshop.program(in_venv("python"), &["client.py"])).await;
}

#[tokio::test]
async fn a_generated_typescript_client_is_typed_and_works() {
    let workshop = Workshop::open().await;
    workshop.bring(&["typescript/client.ts", "typescript/package.json", "typescript/tsconfig.json"]);
    workshop.bring_packages();
    let generate = workshop.package("openapi-typescript/bin/cli.js", &["openapi.json", "--output", "api.ts"]);
    let (_, warnings) = succeeded(generate).await;
    assert_eq!(warnings, "");
    succeeded(workshop.package("typescript/bin/tsc", &["--project", "."])).await;
    workshop.use_client(workshop.program("node", &["client.js"])).await;
}

#[tokio::test]
async fn the_description_has_nothing_that_a_linter_warns_of() {
    let workshop = Workshop::open().await;
    workshop.bring(&["redocly.yaml", ".redocly.lint-ignore.yaml"]);
    workshop.bring_packages();
    let mut lint = workshop
        .package("@redocly/cli/bin/cli.js", &["lint", "openapi.json", "--config", "redocly.yaml", "--format", "json"]);
    lint.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    let (report, _) = succeeded(lint).await;
    let report: Value = serde_json::from_str(&report).unwrap_or_else(|error| panic!("{error}: {report}"));
    let totals = ["errors", "warnings"].map(|kind| report["totals"][kind].as_u64());
    assert_eq!(totals, [Some(0); 2], "{report:#}");
}
