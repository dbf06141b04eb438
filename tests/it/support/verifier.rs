//! Receivers of other people's making, each a process of its own: they verify callbacks with the public libraries
//! of Standard Webhooks in Python and in Node, read CloudEvents with that project's, and answer 400 to what
//! they can't verify. `tests/receivers/` has them, and says how one speaks with them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};

use serde_json::{Value, json};

use super::lines::{Killed, Lines};
use super::moto::in_venv;
use super::wait::{SOON, eventually};

pub(crate) struct Verifier {
    _process: Killed,
    orders: ChildStdin,
    says: Lines,
    /// How many lines of these were read.
    read: usize,
    port: u64,
}

/// How a receiver reads the body of a callback.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reads {
    Json,
    CloudEvents,
}

/// What became of a callback.
#[derive(Debug)]
pub(crate) struct Heard {
    /// The hook's name.
    pub(crate) hook: String,
    pub(crate) id: String,
    /// What was read once it was verified, or why it was not.
    pub(crate) verdict: Result<Value, String>,
}

impl Verifier {
    pub(crate) async fn python() -> Verifier {
        let mut python = Command::new(in_venv("python"));
        python.arg(receiver("python/receiver.py"));
        Verifier::start(python).await
    }

    pub(crate) async fn node() -> Verifier {
        let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/node/node_modules");
        assert!(packages.exists(), "{} is not there: run `make test`, which makes it", packages.display());
        let mut node = Command::new("node");
        node.arg(receiver("node/receiver.js")).env("NODE_PATH", packages);
        Verifier::start(node).await
    }

    async fn start(mut command: Command) -> Verifier {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let orders = process.stdin.take().expect("piped");
        let says = Lines::default();
        says.follow(process.stdout.take().expect("piped"));
        let mut verifier = Verifier { _process: Killed(process), orders, says, read: 0, port: 0 };
        let first = verifier.line("the receiver says where it listens").await;
        verifier.port = first["listening"].as_u64().unwrap_or_else(|| panic!("a port: {first}"));
        verifier
    }

    /// A hook of this name.
    pub(crate) fn url(&self, hook: &str) -> String {
        format!("http://127.0.0.1:{}/{hook}", self.port)
    }

    /// Tells it with what it verifies the callbacks of a hook: `whsec_...`, or the `whpk_...` of ed25519. Until
    /// then it refuses them all.
    pub(crate) async fn knows(&mut self, hook: &str, key: &str, reads: Reads) {
        let read = match reads {
            Reads::Json => "json",
            Reads::CloudEvents => "cloudevents",
        };
        let path = format!("/{hook}");
        writeln!(self.orders, "{}", json!({ "path": path, "key": key, "read": read })).expect("the receiver listens");
        let line = self.line("the receiver knows the hook").await;
        assert_eq!(line["knows"], path, "{line}");
    }

    /// The next callback, whichever hook it is for.
    pub(crate) async fn next(&mut self) -> Heard {
        let line = self.line("a callback").await;
        let text = |member: &str| line[member].as_str().unwrap_or_else(|| panic!("{member} of {line}")).to_owned();
        let verdict = match line.get("taken") {
            Some(taken) => Ok(taken.clone()),
            None => Err(text("refused")),
        };
        Heard { hook: text("path").trim_start_matches('/').to_owned(), id: text("id"), verdict }
    }

    /// The next callback, which it took.
    pub(crate) async fn next_taken(&mut self) -> Value {
        let heard = self.next().await;
        heard.verdict.unwrap_or_else(|why| panic!("{} of {} was refused: {why}", heard.id, heard.hook))
    }

    async fn line(&mut self, what: &str) -> Value {
        let (says, read) = (&self.says, self.read);
        let line = eventually(SOON, what, async || {
            let text = says.text();
            let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
            whole.lines().nth(read).map(str::to_owned).ok_or(text)
        })
        .await;
        self.read += 1;
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

fn receiver(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/receivers").join(script)
}
