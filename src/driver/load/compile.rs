//! Compiles a driver's file to machine code. A malicious or faulty file can make the compiler need minutes and
//! gigabytes. So a child process compiles it: this same program, within limits that the system enforces. All its memory
//! is released when it ends. The child is also the first process that parses the file.
//!
//! The child writes the machine code into a file that the host names, and reports the outcome on its standard output.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::Semaphore;

use super::error::LoadError;
use super::outline::Outline;
use crate::driver::limits::Limits;
use crate::driver::message::message;
use crate::driver::sandbox::linker::{is_linked, linker};
use crate::supply::{AdmissionError, DriverFile, sha256};

/// The subcommand that the child is started with.
pub const SUBCOMMAND: &str = "compile-driver";
/// The most that is read of what a child says: the names of an outline, and what is wrong with the file.
const MOST_SAID: u64 = 1 << 20;
/// The same of its complaints, when it ends before it could say anything.
const MOST_COMPLAINED: u64 = 4096;
/// A child's environment. Its allocator takes memory as it is needed: else it begins by taking a gibibyte, of which the
/// system knows no more than that it may be written to. And what it needs grows with its threads, of which a large
/// machine would give it many.
const ENVIRONMENT: [(&str, &str); 2] = [("MIMALLOC_ARENA_EAGER_COMMIT", "0"), ("RAYON_NUM_THREADS", "2")];
/// Children stand back behind what serves.
const NICENESS: i32 = 10;

/// What compiling one driver may take. All but `executable` have a key of the same name under `[drivers.compile]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The program whose subcommand compiles; without one the calling process does, within no limits.
    pub executable: Option<PathBuf>,
    /// Memory of one child, in bytes. There are as many children at once as there are cores.
    pub memory: usize,
    /// CPU time of one child, on all its threads; in whole seconds.
    pub cpu: Duration,
    /// Wall clock of one child.
    pub time: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { executable: None, memory: 1536 << 20, cpu: Duration::from_secs(60), time: Duration::from_secs(300) }
    }
}

/// What a child finds out.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    outline: Outline,
    /// The SHA-256 of the machine code, which is in its file.
    compiled: Result<String, Refused>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Refused {
    Malformed(String),
    OtherWorld(String),
    Version(String),
    Imports(String),
    Unfit(String),
    NoRoom(String),
    Unkept(String),
}

impl From<Refused> for LoadError {
    fn from(refused: Refused) -> LoadError {
        match refused {
            Refused::Malformed(why) => AdmissionError::Malformed(why).into(),
            Refused::OtherWorld(why) => LoadError::OtherWorld(message(why)),
            Refused::Version(found) => LoadError::Version { found: message(found) },
            Refused::Imports(name) => LoadError::Imports(message(name)),
            Refused::Unfit(why) => LoadError::Unfit(message(why)),
            Refused::NoRoom(why) => LoadError::NoRoom(message(why)),
            Refused::Unkept(why) => LoadError::Compiler(message(why)),
        }
    }
}

/// What is told of an error of another kind is its text.
impl From<LoadError> for Refused {
    fn from(error: LoadError) -> Refused {
        match error {
            LoadError::OtherWorld(why) => Refused::OtherWorld(why),
            LoadError::Version { found } => Refused::Version(found),
            LoadError::Imports(name) => Refused::Imports(name),
            LoadError::Unfit(why) => Refused::Unfit(why),
            LoadError::Admission(AdmissionError::Malformed(why)) => Refused::Malformed(why),
            LoadError::NoRoom(why) => Refused::NoRoom(why),
            LoadError::Compiler(why) => Refused::Unkept(why),
            other => Refused::Malformed(other.to_string()),
        }
    }
}

/// Checks a file and compiles it into another.
fn compile(component: &[u8], engine: &wasmtime::Engine, output: &Path) -> Report {
    let outline = match Outline::of(component) {
        Ok(outline) => outline,
        Err(why) => {
            return Report { outline: Outline::default(), compiled: Err(Refused::Malformed(message(why))) };
        }
    };
    let compiled = || {
        let linker = linker(engine).map_err(|error| Refused::Unkept(format!("{error:#}")))?;
        outline.check_world(|name| is_linked(&linker, name))?;
        outline.check_size()?;
        let malformed = |error: wasmtime::Error| Refused::Malformed(message(format!("{error:#}")));
        let compiled = engine.precompile_component(component).map_err(malformed)?;
        // Of what was compiled, and not of what the disk has afterwards.
        let digest = sha256(&compiled);
        keep(output, &compiled).map_err(|error| LoadError::unkept(output, &error))?;
        Ok(digest)
    };
    let compiled = compiled();
    Report { outline, compiled }
}

fn keep(output: &Path, compiled: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).open(output)?;
    file.write_all(compiled)?;
    file.sync_all()
}

/// What the command line of a child says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Limits of the child itself: bytes, and seconds of CPU time.
    pub memory: u64,
    pub cpu: u64,
    /// The limits of sandboxes that machine code depends on.
    pub sandbox_memory: usize,
    pub table_elements: usize,
    /// The file that it is written into; it is there, and empty.
    pub output: PathBuf,
}

impl Child {
    fn arguments(&self) -> Vec<std::ffi::OsString> {
        let Child { memory, cpu, sandbox_memory, table_elements, output } = self;
        let numbers = [memory.to_string(), cpu.to_string(), sandbox_memory.to_string(), table_elements.to_string()];
        let subcommand = std::iter::once(SUBCOMMAND.into());
        subcommand.chain(numbers.map(Into::into)).chain(std::iter::once(output.into())).collect()
    }

    /// Binds this process to the limits for good: the first thing that a child does.
    ///
    /// # Errors
    /// Where the system refuses a limit.
    pub fn bind(&self) -> io::Result<()> {
        let limit = |resource, soft: u64, hard: u64| {
            // What the host itself is bound to can't be more.
            let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
            let limit = Rlimit { current: Some(soft.min(most)), maximum: Some(hard.min(most)) };
            setrlimit(resource, limit).map_err(io::Error::from)
        };
        // What is written to, and not what is only reserved: an engine reserves more than there is.
        limit(Resource::Data, self.memory, self.memory)?;
        limit(Resource::Fsize, self.memory, self.memory)?;
        limit(Resource::Cpu, self.cpu, self.cpu.saturating_add(1))?;
        limit(Resource::Core, 0, 0)?;
        // It is a courtesy, and no limit.
        let _ = rustix::process::setpriority_process(None, NICENESS);
        Ok(())
    }

    /// Compiles what comes on standard input.
    ///
    /// # Errors
    /// Where the input can't be read, or there can be no engine within the limits.
    pub fn compile(&self, mut input: impl io::Read) -> anyhow::Result<Report> {
        let mut component = Vec::new();
        input.read_to_end(&mut component)?;
        let Child { sandbox_memory, table_elements, .. } = *self;
        // One sandbox will do: machine code does not depend on how many there are.
        let limits = Limits { memory: sandbox_memory, table_elements, sandboxes: 1, ..Limits::default() };
        let engine = wasmtime::Engine::new(&limits.engine_config()).map_err(|error| anyhow::anyhow!("{error:#}"))?;
        Ok(compile(&component, &engine, &self.output))
    }
}

/// Who compiles for an engine.
#[derive(Debug)]
pub(in crate::driver) struct Compiler {
    settings: Settings,
    /// As many at once as there are cores.
    turns: Arc<Semaphore>,
}

impl Compiler {
    pub(in crate::driver) fn new(settings: Settings) -> Compiler {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Compiler { settings, turns: Arc::new(Semaphore::new(cores)) }
    }

    /// Compiles a file into another, which is there and empty. Gives the outline, and the SHA-256 of the machine code.
    pub(in crate::driver) async fn compile(
        &self,
        (engine, limits): (&wasmtime::Engine, &Limits),
        file: &DriverFile,
        output: &Path,
    ) -> Result<(Outline, Result<String, LoadError>), LoadError> {
        let _turn = self.turns.acquire().await.expect("invariant: the semaphore is never closed");
        let report = match &self.settings.executable {
            Some(executable) => self.by_child(executable, limits, file, output).await?,
            None => {
                let (engine, bytes, output) = (engine.clone(), Arc::clone(&file.bytes), output.to_owned());
                let compiled = tokio::task::spawn_blocking(move || compile(&bytes, &engine, &output)).await;
                compiled.map_err(|error| LoadError::Compiler(error.to_string()))?
            }
        };
        match report.compiled {
            Err(Refused::Malformed(why)) => Err(AdmissionError::Malformed(message(why)).into()),
            Err(refused) => Ok((report.outline, Err(refused.into()))),
            Ok(digest) => Ok((report.outline, Ok(digest))),
        }
    }

    async fn by_child(
        &self,
        executable: &Path,
        limits: &Limits,
        file: &DriverFile,
        output: &Path,
    ) -> Result<Report, LoadError> {
        let Settings { memory, cpu, time, .. } = &self.settings;
        let child = Child {
            memory: *memory as u64,
            cpu: cpu.as_secs().max(1),
            sandbox_memory: limits.memory,
            table_elements: limits.table_elements,
            output: output.to_owned(),
        };
        let failed = |error: io::Error| LoadError::Compiler(format!("{}: {error}", executable.display()));
        let mut running = Command::new(executable)
            .args(child.arguments())
            .env_clear()
            .envs(ENVIRONMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let (mut input, said, complained) = (running.stdin.take(), running.stdout.take(), running.stderr.take());
        let feed = async {
            if let Some(input) = &mut input {
                // One that ends early reads no more: how it ended says why.
                let _ = input.write_all(&file.bytes).await;
            }
            drop(input.take());
        };
        let listen = async {
            let mut text = Vec::new();
            if let Some(said) = said {
                said.take(MOST_SAID).read_to_end(&mut text).await?;
            }
            Ok::<_, io::Error>(text)
        };
        let hear = async {
            let mut text = Vec::new();
            if let Some(complained) = complained {
                // What can't be read of it is not worth an error.
                let _ = complained.take(MOST_COMPLAINED).read_to_end(&mut text).await;
            }
            String::from_utf8_lossy(&text).into_owned()
        };
        let ended = tokio::time::timeout(*time, async { tokio::join!(feed, listen, hear, running.wait()) }).await;
        let Ok(((), said, complaint, status)) = ended else {
            let _ = running.kill().await;
            return Err(self.passed("time", "time", format!("{time:?}")));
        };
        let (said, status) = (said.map_err(failed)?, status.map_err(failed)?);
        if !status.success() {
            return Err(self.ended(status, &complaint));
        }
        serde_json::from_slice(&said)
            .map_err(|error| LoadError::Compiler(format!("its report cannot be read: {error}")))
    }

    /// Why a child did not end as it should.
    fn ended(&self, status: ExitStatus, complaint: &str) -> LoadError {
        let is = |signal: Signal| status.signal() == Some(signal.as_raw());
        if is(Signal::XCPU) {
            return self.passed("CPU time", "cpu", format!("{:?}", self.settings.cpu));
        }
        let file_size = getrlimit(Resource::Fsize).current.filter(|most| *most < self.settings.memory as u64);
        if is(Signal::XFSZ)
            && let Some(most) = file_size
        {
            return LoadError::NoRoom(format!(
                "what it wrote is longer than the {most} bytes that the system lets a file of the host have (ulimit -f)"
            ));
        }
        // An allocation that fails aborts a program; one that the system can't bear is killed; and what grows into a file
        // that is too long was too long in memory.
        if is(Signal::ABORT) || is(Signal::KILL) || is(Signal::XFSZ) {
            return self.passed("memory", "memory", format!("{} bytes", self.settings.memory));
        }
        match message(complaint.trim().to_owned()) {
            complaint if complaint.is_empty() => LoadError::Compiler(format!("it ended with {status}")),
            complaint => LoadError::Compiler(format!("it ended with {status}: {complaint}")),
        }
    }

    fn passed(&self, limit: &'static str, setting: &'static str, value: String) -> LoadError {
        LoadError::CompileLimit { limit, setting, value }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// What is said of a child that runs this script.
    async fn ended(script: &str) -> String {
        let directory = tempfile::TempDir::new().expect("a folder");
        let executable = directory.path().join("compiler");
        fs::write(&executable, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&executable, fs::Permissions::from_mode(0o700)).expect("executable");
        let compiler = Compiler::new(Settings::default());
        let file = DriverFile { bytes: Arc::new(vec![0; 1 << 20]), sha256: String::new() };
        let output = directory.path().join("output");
        let compiled = compiler.by_child(&executable, &Limits::default(), &file, &output).await;
        compiled.expect_err("it compiles nothing").to_string()
    }

    #[tokio::test]
    async fn an_error_says_what_the_child_complained_of() {
        let said = ended("echo 'Error: no such limit' >&2; exit 3").await;
        assert!(said.contains("exit status: 3: Error: no such limit"), "{said}");
        let said = ended("exit 4").await;
        assert!(said.ends_with("exit status: 4"), "{said}");
        // One that complains without end is heard only for a while.
        let said = ended("while echo complaint >&2; do :; done; exit 5").await;
        assert!(said.contains("complaint complaint") && said.len() < 2000, "{said}");
        assert!(ended("kill -ABRT $$").await.contains("drivers.compile.memory"));
    }
}
