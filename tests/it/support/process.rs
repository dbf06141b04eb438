//! Processes of the tracker: hosts that run, and commands that run to their end.

use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::lines::{Killed, Lines};
use super::wait::{SOON, eventually};

/// A tracker that runs until it is told otherwise.
pub(crate) struct Running {
    process: Killed,
    /// What it prints.
    pub(crate) stdout: Lines,
}

impl Running {
    /// What it writes to standard error goes to the log.
    pub(crate) fn start(folder: &Path, arguments: &[&str], log: &Lines) -> Running {
        Running::begin(command(folder, arguments), log)
    }

    pub(super) fn begin(mut command: Command, log: &Lines) -> Running {
        let mut running = Running::begin_with(command.stderr(Stdio::piped()));
        log.follow(running.process.0.stderr.take().expect("piped"));
        running
    }

    /// What it writes to standard error goes where the command says.
    pub(super) fn begin_with(command: &mut Command) -> Running {
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the tracker starts");
        let stdout = Lines::default();
        stdout.follow(process.stdout.take().expect("piped"));
        Running { process: Killed(process), stdout }
    }

    pub(super) fn id(&self) -> Pid {
        let id = i32::try_from(self.process.0.id()).expect("a process id");
        Pid::from_raw(id).expect("a process id is not 0")
    }

    pub(super) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.process.0.try_wait().expect("asked")
    }

    /// Sends a signal, and waits until it has ended of it.
    pub(crate) async fn ended_by(&mut self, signal: Signal, log: &Lines) -> ExitStatus {
        kill_process(self.id(), signal).expect("signalled");
        eventually(SOON, "the tracker ends when asked", async || self.has_ended().ok_or_else(|| log.text())).await
    }
}

/// A command that ran to its end.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn succeeded(self) -> Ended {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }
}

/// Runs the tracker in a folder, to its end.
pub(crate) fn tracker(folder: &Path, arguments: &[&str]) -> Ended {
    ended(&mut command(folder, arguments))
}

pub(super) fn ended(command: &mut Command) -> Ended {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().expect("the tracker runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

pub(super) const TRACKER: &str = env!("CARGO_BIN_EXE_tracker");

pub(super) fn command(folder: &Path, arguments: &[&str]) -> Command {
    in_folder(Command::new(TRACKER), folder, arguments)
}

pub(super) fn in_folder(mut command: Command, folder: &Path, arguments: &[&str]) -> Command {
    // Whatever is set where the tests run is not part of them.
    command.args(arguments).current_dir(folder).env_clear();
    command
}
