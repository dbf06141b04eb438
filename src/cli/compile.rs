//! `tracker compile-driver`: the child process that checks and compiles one driver. Not for people: the host and the
//! other subcommands start it, with the file on its standard input.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;

use crate::driver::compile::Child;

#[derive(Debug, Args)]
pub(super) struct CompileDriver {
    /// Memory of this process, in bytes
    memory: u64,
    /// CPU time of this process, in seconds
    cpu: u64,
    /// Linear memory of a sandbox, in bytes
    sandbox_memory: usize,
    /// Elements in the tables of a sandbox
    table_elements: usize,
    /// The file to write machine code to
    output: PathBuf,
}

impl CompileDriver {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let CompileDriver { memory, cpu, sandbox_memory, table_elements, output } = self;
        let child = Child { memory, cpu, sandbox_memory, table_elements, output };
        child.bind()?;
        let report = child.compile(std::io::stdin().lock())?;
        let mut stdout = std::io::stdout().lock();
        serde_json::to_writer(&mut stdout, &report)?;
        stdout.flush()?;
        Ok(())
    }
}

/// This program, as it is started again. On Linux it is this very file, also once another version has taken its place.
pub(super) fn this_program() -> std::io::Result<PathBuf> {
    match cfg!(target_os = "linux") {
        true => Ok("/proc/self/exe".into()),
        false => std::env::current_exe(),
    }
}
