//! The commands of README.md and of the book, each pasted into a shell as it stands there, with what is printed held against
//! what comes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use super::{markdown::Block, page, pages};
use crate::support::wait::{SOON, eventually};
use crate::support::{Host, Receiver, Setup, built_driver, free_port};

/// The port of the host, and that of the receiver, in all of the documentation.
const HOST_PORT: &str = "3001";
const RECEIVER_PORT: &str = "8000";

/// Words that stand for one another: what is printed has one of them, and the world of the moment another.
const STATES: [&str; 7] = ["PENDING", "RUNNING", "STOPPING", "STOPPED", "FINISH", "ERROR", "UNKNOWN"];
/// The state that is two words, and one in its place.
const TWO_WORDS: (&str, &str) = ("SHUTTING_DOWN", "STOPPING");

/// A shell that a reader types into, with all that was started from it.
struct Shell {
    folder: PathBuf,
    process: Child,
    input: ChildStdin,
    /// What stands in the documentation, and what takes its place.
    ports: [(&'static str, u16); 2],
    blocks: usize,
    background: Vec<PathBuf>,
}

impl Shell {
    fn start(folder: &Path, host: u16, receiver: u16, variables: &[(&str, &str)]) -> Shell {
        let programs = Path::new(env!("CARGO_BIN_EXE_tracker")).parent().expect("a folder").display().to_string();
        let path = std::env::var("PATH").expect("a path");
        let mut command = Command::new("sh");
        command.current_dir(folder).env_clear().env("PATH", format!("{programs}:{path}")).env("HOME", folder);
        command.envs(variables.iter().copied());
        // With a group of its own, all of it can be ended.
        let mut process = command.process_group(0).stdin(Stdio::piped()).spawn().expect("a shell");
        let mut input = process.stdin.take().expect("piped");
        input.write_all(b"set -eu\n").expect("written");
        let ports = [(HOST_PORT, host), (RECEIVER_PORT, receiver)];
        Shell { folder: folder.to_owned(), process, input, ports, blocks: 0, background: Vec::new() }
    }

    fn file(&self, what: &str) -> PathBuf {
        self.folder.join(format!(".{what}-{}", self.blocks))
    }

    fn read(&self, what: &str) -> String {
        std::fs::read_to_string(self.file(what)).unwrap_or_default()
    }

    /// Writes the next block into a file, and gives its number.
    fn write(&mut self, block: &Block) -> usize {
        self.blocks += 1;
        let text = self.ports.iter().fold(block.text.clone(), |text, (port, own)| text.replace(port, &own.to_string()));
        std::fs::write(self.file("block"), text).expect("written");
        self.blocks
    }

    fn type_in(&mut self, line: &str) {
        self.input.write_all(line.as_bytes()).expect("the shell is there");
    }

    /// Runs a block to its end, and gives what it printed.
    async fn run(&mut self, place: &str, block: &Block) -> String {
        let n = self.write(block);
        self.type_in(&format!(". ./.block-{n} > .out-{n} 2> .err-{n} < /dev/null; echo done > .end-{n}\n"));
        let what = format!("the commands of {place} end");
        eventually(SOON, &what, async || {
            if self.read("end").ends_with('\n') {
                return Ok(());
            }
            let said = format!("{}\n{}\n{}", block.text, self.read("out"), self.read("err"));
            let ended = self.process.try_wait().expect("asked");
            assert!(ended.is_none(), "{place}: a command failed:\n{said}");
            Err(said)
        })
        .await;
        self.read("out")
    }

    /// Runs a block until the shell ends. It says at which address it listens, once it does.
    async fn run_in_background(&mut self, place: &str, block: &Block) {
        let n = self.write(block);
        self.type_in(&format!("( . ./.block-{n} ) > .out-{n} 2>&1 < /dev/null &\n"));
        self.background.push(self.file("out"));
        let what = format!("the command of {place} listens");
        eventually(SOON, &what, async || {
            let said = self.read("out");
            if said.contains("http://127.0.0.1:") { Ok(()) } else { Err(said) }
        })
        .await;
    }

    fn said_in_background(&self) -> String {
        let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        self.background.iter().map(read).collect()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let id = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself; there is nobody left to tell.
        let _ = id.map(|id| kill_process_group(id, Signal::KILL));
        let _ = self.process.wait();
    }
}

/// Pastes every block of a page, and holds what is printed against what comes. `before` is told of each block before it is
/// pasted.
async fn paste(path: &str, shell: &mut Shell, mut before: impl AsyncFnMut(&Block)) {
    let mut printed = None;
    let mut pasted = 0;
    for block in page(path).blocks() {
        let place = format!("{path}:{}", block.line);
        match block.info.split(',').collect::<Vec<_>>().as_slice() {
            ["sh"] => {
                before(&block).await;
                printed = Some(shell.run(&place, &block).await);
                pasted += 1;
            }
            ["sh", "background"] => shell.run_in_background(&place, &block).await,
            [_, "output"] => {
                let printed = printed.take().unwrap_or_else(|| panic!("{place}: no command stands before this output"));
                assert!(fits(&block.text, &printed), "{place}: it says\n{}\nand what came is\n{printed}", block.text);
            }
            [_, "eventually"] => {
                eventually(SOON, &format!("what is printed at {place}"), async || {
                    let said = shell.said_in_background();
                    if fits(&format!("...{}...", block.text), &said) { Ok(()) } else { Err(said) }
                })
                .await;
            }
            _ => printed = None,
        }
    }
    assert!(pasted > 0, "{path} has no commands");
}

/// Whether a text is what was printed: `...` is anything, a word with a digit is any such word, and a state any state. White
/// space says nothing.
fn fits(printed: &str, text: &str) -> bool {
    let one_word = |text: &str| text.replace(TWO_WORDS.0, TWO_WORDS.1);
    let (printed, text) = (one_word(printed), one_word(text));
    let (pattern, words) = (words(&printed), words(&text));
    // As for file names with stars: where it does not go on, the last star takes one word more.
    let (mut at, mut next, mut star) = (0, 0, None);
    while next < words.len() {
        match pattern.get(at) {
            Some(&"...") => {
                star = Some((at + 1, next));
                at += 1;
            }
            Some(word) if is_alike(word, words[next]) => (at, next) = (at + 1, next + 1),
            _ => match &mut star {
                Some((after, from)) => {
                    *from += 1;
                    (at, next) = (*after, *from);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|word| *word == "...")
}

fn is_alike(one: &str, other: &str) -> bool {
    let has_digit = |word: &str| word.contains(|c: char| c.is_ascii_digit());
    one == other || has_digit(one) && has_digit(other) || STATES.contains(&one) && STATES.contains(&other)
}

/// Words and signs, each by itself.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            _ if rest.starts_with("...") => 3,
            _ if first.is_alphanumeric() => rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (word, after) = rest.split_at(end);
        words.push(word);
        rest = after.trim_start();
    }
    words
}

#[test]
fn output_is_compared() {
    let check = |printed: &str, text: &str, want: bool| assert_eq!(fits(printed, text), want, "{printed} | {text}");
    check("a b", "a  b\n", true);
    check("a b", "a c", false);
    check("a", "a b", false);
    check("a b", "a", false);
    check("{\"id\":\"chg_01\", ... \"x\":1}", "{\"id\":\"chg_02\",\"y\":\"x\",\"x\":23}", true);
    check("... b ... d", "a b c b d", true);
    check("... b ... d", "a b c", false);
    check("\"RUNNING\" -> STOPPED", "\"FINISH\" -> PENDING", true);
    check("RUNNING", "running", false);
    check("v1,...", "v1,aa+/=", true);
    check("\"trk_...\"", "\"trk_a_b-c\"", true);
    check("STOPPED", "SHUTTING_DOWN", true);
}

#[tokio::test]
async fn the_first_hook_works_as_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(folder.path().join("target/drivers")).expect("made");
    std::fs::write(folder.path().join("target/drivers/mock.wasm"), built_driver("mock")).expect("written");
    let mut shell = Shell::start(folder.path(), free_port(), free_port(), &[]);
    paste("README.md", &mut shell, async |_| {}).await;
}

/// A host that has the simulated cloud of the book, and a shell beside it.
async fn host_and_shell(receiver: &Receiver) -> (Host, Shell) {
    const POLLS: &str = "[polling]\ninstances_every = \"300ms\"\n\n[api]\nrefresh_every = \"0s\"\n";
    let setup = Setup::new(&["mock"]).polls(POLLS).default_provider("mock", "default");
    let setup = setup.account("mock", "default", "mockuser", "mockpassword").account_options("count = 3\nchurn = 3600");
    let host = setup.start().await;
    let client = host.client().as_user("mockuser", "mockpassword");
    client.until("/api/instances", "there are some", |list| list["instances"][0].is_object()).await;
    let (host_port, receiver_port) = (port(&host.client().base()), port(&receiver.url("")));
    let address = host.client().base();
    let variables = [
        ("TRACKER", address.as_str()),
        ("ME", "mockuser:mockpassword"),
        ("TRACKER_CONFIG", "tracker.toml"),
        ("MOCK_PASSWORD", "mockpassword"),
    ];
    let shell = Shell::start(&host.setup().path("."), host_port, receiver_port, &variables);
    (host, shell)
}

fn port(address: &str) -> u16 {
    let digits = address.trim_end_matches('/').rsplit(':').next().expect("a port");
    digits.parse().unwrap_or_else(|_| panic!("{address} ends in a port"))
}

async fn paste_beside_a_host(path: &str) {
    let receiver = Receiver::start().await;
    let (mut host, mut shell) = host_and_shell(&receiver).await;
    paste(path, &mut shell, async |block| {
        // The page says so before it.
        if block.text.contains("tracker restore") {
            assert!(host.stop().await.success());
        }
    })
    .await;
}

#[tokio::test]
async fn every_request_with_curl_works() {
    paste_beside_a_host("docs/api/curl.md").await;
}

#[tokio::test]
async fn the_commands_of_the_book_do_what_is_printed() {
    let has_commands = |page: &super::Page| page.blocks().iter().any(|block| block.info == "sh");
    let others = pages().into_iter().filter(|page| page.is_of_the_book() && page.path != "docs/api/curl.md");
    let paths: Vec<String> = others.filter(has_commands).map(|page| page.path).collect();
    assert!(paths.len() > 10, "{paths:?}");
    for path in paths {
        paste_beside_a_host(&path).await;
    }
}

#[tokio::test]
async fn the_reference_names_every_route_and_every_problem() {
    let host = Setup::new(&[]).start().await;
    let map = page("docs/api/overview.md").text;
    let described: Value = host.client().get("/openapi.json").await.ok();
    let routes = described["paths"].as_object().expect("paths");
    assert!(routes.len() > 20, "{described}");
    for route in routes.keys() {
        assert!(map.contains(&format!("{route}`")), "docs/api/overview.md has no {route}");
    }
    let errors = page("docs/reference/errors.md").text;
    let named: BTreeSet<&str> = errors.split('`').skip(1).step_by(2).collect();
    let list = host.client().get("/problems").await.ok();
    let problems = list["problems"].as_array().expect("a list");
    assert!(problems.len() > 30, "{list}");
    let mut missing = String::new();
    for problem in problems {
        let slug = problem["type"].as_str().expect("text").trim_start_matches("/problems/");
        if !named.contains(slug) {
            let _ = writeln!(missing, "{slug}: {}", problem["meaning"]);
        }
    }
    assert!(missing.is_empty(), "docs/reference/errors.md has no\n{missing}");
}

/// Runs the function of the page on a callback.
const JUDGE: &str = "
import json, sys
given = json.load(sys.stdin)
print(is_genuine(given['secret'], given['headers'], given['body'].encode()))
";

#[tokio::test]
async fn the_verification_in_python_tells_genuine_callbacks() {
    let mut receiver = Receiver::start().await;
    let (host, _shell) = host_and_shell(&receiver).await;
    let client = host.client().as_user("mockuser", "mockpassword");
    let hook = client.post("/api/hooks", &serde_json::json!({ "url": receiver.url("mine") })).await.ok();
    let secret = hook["secret"].as_str().expect("a secret");
    let callback = receiver.next().await;
    let verify = page("docs/hooks/verify.md");
    let block =
        verify.blocks().into_iter().find(|block| block.info == "python" && block.text.contains("def is_genuine"));
    let script = format!("{}{JUDGE}", block.expect("a function").text);
    let judge = |body: &str| {
        let headers: serde_json::Map<String, Value> = callback
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().expect("text").into()))
            .collect();
        let given = serde_json::json!({ "secret": secret, "headers": headers, "body": body }).to_string();
        let mut command = Command::new("python3");
        let mut python =
            command.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3");
        python.stdin.take().expect("piped").write_all(given.as_bytes()).expect("written");
        String::from_utf8(python.wait_with_output().expect("ended").stdout).expect("UTF-8")
    };
    let body = std::str::from_utf8(&callback.body).expect("UTF-8");
    assert_eq!(judge(body), "True\n");
    assert_eq!(judge(&body.replace("mock", "mork")), "False\n");
}
