//! A disk of a host's own that a test fills up: a file system of bounded size, in a mount namespace in which the host runs;
//! or, where the system lets nobody mount, the largest size that it lets the host's files have.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use super::lines::Killed;
use super::wait::{SOON, eventually};

/// Far more than any test writes. What is not written takes no memory.
const SIZE: u64 = 1 << 30;

/// Has the folder `data` of the working directory on a file system of its own, until nobody writes to it any more.
const MOUNT: &str = "cp -a data before && mount -t tmpfs -o size=\"$0\",mode=0700 disk data && cp -a before/. data && \
                     rm -r before && echo mounted && exec cat";

pub(crate) enum Disk {
    Mounted(Mounted),
    Limited,
}

pub(crate) struct Mounted {
    /// Keeps the namespace, until its standard input ends.
    holder: Killed,
    folder: PathBuf,
}

impl Disk {
    /// One for the folder `data` of this folder, which holds what was in that.
    pub(super) fn mounted(folder: &Path) -> Option<Disk> {
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, &SIZE.to_string()])
            .current_dir(folder);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut holder = Killed(spawned.ok()?);
        let mut said = String::new();
        BufReader::new(holder.0.stdout.take()?).read_line(&mut said).ok()?;
        let folder = folder.to_owned();
        (said == "mounted\n").then_some(Disk::Mounted(Mounted { holder, folder }))
    }

    /// The command with which a program is run where it sees this disk.
    pub(super) fn command(&self, program: &str) -> Command {
        let Disk::Mounted(Mounted { holder, folder }) = self else { return Command::new(program) };
        let mut command = inside(holder);
        // A working directory from outside would lead past what is mounted on it.
        command.args(["sh", "-c", "cd \"$0\" && exec \"$@\""]).arg(folder).arg(program);
        command
    }

    /// Leaves no room on it. The process is the host's; without one, only a file system can be filled.
    pub(super) async fn fill(&self, process: Option<Pid>) {
        match self {
            Disk::Limited => limit(process.expect("a host runs"), Some(0)),
            Disk::Mounted(mounted) => {
                eventually(SOON, "the disk is as large as what is on it", async || mounted.resize(mounted.used()))
                    .await;
            }
        }
    }

    /// Gives it room again. Another process than the one before it has no bound.
    pub(super) fn free(&self, process: Option<Pid>) {
        match (self, process) {
            (Disk::Limited, Some(process)) => limit(process, getrlimit(Resource::Fsize).current),
            (Disk::Limited, None) => {}
            (Disk::Mounted(mounted), _) => mounted.resize(SIZE).unwrap_or_else(|error| panic!("{error}")),
        }
    }
}

impl Mounted {
    /// How many bytes are taken, in whole pages.
    fn used(&self) -> u64 {
        let seen = format!("/proc/{}/root{}/data", self.holder.0.id(), self.folder.display());
        let stat = rustix::fs::statvfs(&seen).unwrap_or_else(|error| panic!("{seen}: {error}"));
        (stat.f_blocks - stat.f_bfree) * stat.f_frsize
    }

    /// Fails where more is on it by now.
    fn resize(&self, size: u64) -> Result<(), String> {
        let mut command = inside(&self.holder);
        command.args(["mount", "-o", &format!("remount,size={size}")]).arg(self.folder.join("data"));
        let output = command.output().expect("nsenter runs");
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

fn inside(holder: &Killed) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--preserve-credentials", "--user", "--mount", "--target", &holder.0.id().to_string(), "--"]);
    command
}

/// Bounds the size to which a process may write files; it is told by an error (EFBIG).
fn limit(process: Pid, current: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    prlimit(Some(process), Resource::Fsize, Rlimit { current, maximum }).expect("limited");
}
