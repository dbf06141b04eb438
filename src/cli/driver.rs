//! `tracker driver`: which drivers there are, which of them the operator vetted, and how new ones are begun.

mod approve;
mod difference;
mod inspect;
mod list;
mod login;
mod new;
mod pull;
mod push;
mod record;
mod reload;
mod revoke;
mod run;
mod shadow;
mod test;
mod trace;
mod tried;
mod verify;

use std::io::{BufRead as _, IsTerminal as _, Write as _, stderr, stdin};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::UsageError;
use crate::supply::wasm_files;

#[derive(Debug, Subcommand)]
pub(super) enum Driver {
    /// List the drivers, and why a driver is not loaded
    List(list::List),
    /// Show what a driver asks for, and approve it for loading
    Approve(approve::Approve),
    /// Have a running host take up what is approved by now
    Reload(reload::Reload),
    /// Show how the lists of shadows compare with those of the current versions
    Shadow(shadow::Shadow),
    /// Hold a driver to the contract: replay recorded answers, and what can go wrong with them
    Test(test::Test),
    /// Show what a component is, what it asks for, and whether the host would load it
    Inspect(inspect::Inspect),
    /// List a live account's instances or realms through a driver, approved or not
    Run(run::Run),
    /// Record a provider's answers into cassettes, without secrets
    Record(record::Record),
    /// Create a project for a new driver that builds and loads
    New(new::New),
    /// Check every approved driver without loading any
    Verify(verify::Verify),
    /// Take a driver's approval back
    Revoke(revoke::Revoke),
    /// Fetch missing approved drivers, or any driver into a file
    Pull(pull::Pull),
    /// Push a driver to an OCI registry
    Push(push::Push),
}

impl Driver {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Driver::List(list) => list.run(),
            Driver::Approve(approve) => approve.run(),
            Driver::Reload(reload) => reload.run(),
            Driver::Shadow(shadow) => shadow.run(),
            Driver::Test(test) => test.run(),
            Driver::Inspect(inspect) => inspect.run(),
            Driver::Run(run) => run.run(),
            Driver::Record(record) => record.run(),
            Driver::New(new) => new.run(),
            Driver::Verify(verify) => verify.run(),
            Driver::Revoke(revoke) => revoke.run(),
            Driver::Pull(pull) => pull.run(),
            Driver::Push(push) => push.run(),
        }
    }
}

/// The beginning of a SHA-256, enough to tell two files apart by eye.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// The file that is meant: a path as it is, a name as `NAME.wasm` in the directory of drivers.
fn find(what: &str, directory: &Path) -> Result<PathBuf, UsageError> {
    let path = Path::new(what);
    let is_path = what.contains('/') || path.extension().is_some_and(|extension| extension == "wasm");
    let file = match is_path {
        true => path.to_owned(),
        false => directory.join(format!("{what}.wasm")),
    };
    if file.is_file() {
        return Ok(file);
    }
    if is_path {
        return Err(UsageError(format!("there is no file {}", file.display())));
    }
    let there = wasm_files(directory).unwrap_or_default();
    let there: Vec<_> = there.iter().filter_map(|file| file.file_stem()?.to_str()).collect();
    let there = match there.is_empty() {
        true => "it has no drivers".to_owned(),
        false => format!("it has: {}", there.join(", ")),
    };
    let directory = directory.display();
    Err(UsageError(format!("there is no {what}.wasm in {directory}; {there} (setting: drivers.directory)")))
}

/// Asks on the terminal. Without one nobody can answer, and silence is no consent; `instead` says what to do.
fn ask(question: &str, instead: &str) -> anyhow::Result<bool> {
    if !stdin().is_terminal() {
        return Err(UsageError(format!("there is no terminal to ask on: {instead}")).into());
    }
    write!(stderr(), "\n{question} [y/N] ")?;
    stderr().flush()?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_file_of_the_directory() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("mock.wasm");
        std::fs::write(&file, "").expect("written");
        assert_eq!(find("mock", folder.path()).expect("found"), file);
        assert_eq!(find(&file.display().to_string(), Path::new("/")).expect("found"), file);
        let check = |what: &str, want: &str| {
            let error = find(what, folder.path()).expect_err(what).to_string();
            assert!(error.contains(want), "{error}");
        };
        check("ec2", "it has: mock");
        check("./ec2.wasm", "there is no file ./ec2.wasm");
    }
}
