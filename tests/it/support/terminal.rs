//! The tracker at a terminal, for what it asks only there.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::moto::in_venv;
use super::process::{Ended, TRACKER};

/// Gives a command a terminal; what comes in is typed on it.
const TERMINAL: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

/// Runs the tracker in a folder, to its end, while somebody types these lines. All that it writes is on one screen.
pub(crate) fn at_terminal(folder: &Path, arguments: &[&str], typed: &str) -> Ended {
    let mut command = Command::new(in_venv("python"));
    command.args(["-c", TERMINAL, TRACKER]).args(arguments).current_dir(folder).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut terminal = command.spawn().expect("python of the virtual environment starts");
    terminal.stdin.take().expect("piped").write_all(typed.as_bytes()).expect("typed");
    let Output { status, stdout, stderr } = terminal.wait_with_output().expect("ended");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}
