//! The command line: its subcommands, and how each ends. The only module that prints.
//!
//! Exit codes: 0 success, 1 failure, 2 wrong command line or configuration.

mod account;
mod backup;
mod closed;
mod compile;
mod completions;
mod config_args;
mod damaged;
mod demo;
mod driver;
mod key;
mod listing;
mod logging;
mod man;
mod mass_change;
mod output;
mod poll;
mod process;
mod serve;
mod table;
mod terminal;
mod usage;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use rustix::process::Signal;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::ConfigError;
use crate::model::legible;
use usage::UsageError;

/// Polls cloud accounts once for all clients, and tells each client what changed.
#[derive(Debug, Parser)]
#[command(name = "tracker", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  tracker demo                             run a demonstration, without configuration
  tracker driver approve ./ec2.wasm        approve a driver for loading
  tracker poll --config tracker.toml       list the instances of the configured account now
  tracker serve --config tracker.toml      run the host
  tracker watch --token-env TOKEN          show changes as they happen

Exit codes: 0 success, 1 failure, 2 wrong command line or configuration.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the host: poll, detect changes, serve the API, deliver callbacks
    Serve(serve::Serve),
    /// List the instances or realms of one account now, without the host
    Poll(poll::Poll),
    /// Approve, list and test drivers
    #[command(subcommand)]
    Driver(driver::Driver),
    /// List, accept or reject mass changes
    MassChange(mass_change::MassChange),
    /// Rotate the key that seals the stored secrets
    #[command(subcommand)]
    Key(key::Key),
    /// List and remove damaged rows of the store
    Damaged(damaged::Damaged),
    /// Back up the store into one file, also while the host runs
    Backup(backup::Backup),
    /// Replace the store with a backup
    Restore(backup::Restore),
    /// Show the changes of an account as they happen
    Watch(watch::Watch),
    /// Run a demonstration: a host, the mock driver, a receiver that verifies signatures, a live view
    Demo(demo::Demo),
    /// Print the completion script for a shell
    Completions(completions::Completions),
    /// Write the manual pages, one for each command
    Man(man::Man),
    /// Compile a driver, for the process that started this one
    #[command(hide = true, name = crate::driver::compile::SUBCOMMAND)]
    CompileDriver(compile::CompileDriver),
}

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    let ended = match Cli::try_parse() {
        Ok(cli) => cli.command.run(),
        // What was asked for is help, or the version.
        Err(shown) if !shown.use_stderr() => output::of_clap(&shown).map_err(anyhow::Error::from),
        Err(wrong) => {
            // Told of the arguments as they are shown: in one line each.
            let legible = std::env::args_os().map(|argument| legible(&argument.to_string_lossy()).into_owned());
            output::wrong_arguments(&Cli::try_parse_from(legible).err().unwrap_or(wrong));
            return ExitCode::from(2);
        }
    };
    logging::flush();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::reader_left(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Every error of this house says in its own words what is behind it; its sources would repeat it.
            output::stderr_line!("error: {error}");
            ExitCode::from(exit_code(&error))
        }
    }
}

impl Command {
    fn run(self) -> anyhow::Result<()> {
        // The compiler's process has such a bound on purpose, and whoever started it knows by the signal that it was reached.
        if !matches!(self, Command::CompileDriver(_)) {
            outlive_large_files()?;
        }
        match self {
            Command::Serve(serve) => serve.run(),
            Command::Poll(poll) => poll.run(),
            Command::Driver(driver) => driver.run(),
            Command::MassChange(mass_change) => mass_change.run(),
            Command::Key(key) => key.run(),
            Command::Damaged(damaged) => damaged.run(),
            Command::Backup(backup) => backup.run(),
            Command::Restore(restore) => restore.run(),
            Command::Watch(watch) => watch.run(),
            Command::Demo(demo) => demo.run(),
            Command::Completions(completions) => completions.run(Cli::command()),
            Command::Man(man) => man.run(Cli::command()),
            Command::CompileDriver(compile) => compile.run(),
        }
    }
}

/// Where the system bounds the size of files, has a write beyond that be an error like any other, and not the end without a
/// word. What is set here holds until the process ends.
fn outlive_large_files() -> std::io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop)
}

fn exit_code(error: &anyhow::Error) -> u8 {
    match error.is::<ConfigError>() || error.is::<UsageError>() {
        true => 2,
        false => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_are_taken_or_refused() {
        let check = |line: &str, wanted: bool| {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert_eq!(parsed.is_ok(), wanted, "{line}: {parsed:?}");
        };
        check("tracker serve", true);
        check("tracker serve --config tracker.toml", true);
        check("tracker serve tracker.toml", false);
        check("tracker poll --account mock/default/mockuser --password-env P", true);
        check("tracker poll --driver mock --provider default --user u --password-file p --output json", true);
        check("tracker poll --driver mock", false);
        check("tracker poll --account mock/default/u --user u", false);
        check("tracker poll --account mock/default", false);
        check("tracker poll --password-file a --password-env B", false);
        check("tracker poll --kind volumes", false);
        check("tracker poll --option region", false);
        check("tracker driver list", true);
        check("tracker driver approve mock --yes", true);
        check("tracker driver approve", false);
        check("tracker mass-change list", true);
        check("tracker mass-change accept mock/default/u --kind realms --silent", true);
        check("tracker mass-change reject mock/default/u", true);
        check("tracker mass-change reject mock/default/u --silent", false);
        check("tracker mass-change accept", false);
        check("tracker backup tracker.backup --force --config tracker.toml", true);
        check("tracker backup", false);
        check("tracker restore tracker.backup", true);
        check("tracker restore --force", false);
        check("tracker damaged list", true);
        check("tracker damaged remove-account 7", true);
        check("tracker damaged remove-account ann", false);
        check("tracker driver test ec2.wasm --cassettes cassettes --output json", true);
        check("tracker driver test ec2.wasm --cassettes cassettes --only a-thousand --only cold-start", true);
        check("tracker driver test ec2.wasm --cassettes cassettes --only a-thousand --admit", false);
        check("tracker driver test ec2.wasm", false);
        check("tracker driver inspect ec2.wasm --output json", true);
        check("tracker driver run ec2.wasm --provider p --user u --password-file f --trace", true);
        check("tracker driver run ec2.wasm --provider p --user u --password-file f --trace=full --yes", true);
        check("tracker driver run ec2.wasm --trace full", false);
        check("tracker driver run ec2.wasm --user u", false);
        check("tracker driver run ec2.wasm --allow-addresses 10.0.0.0/40", false);
        check("tracker driver record ec2.wasm --cassettes c --list realms --list instances --replace", true);
        check("tracker driver record ec2.wasm", false);
        check("tracker driver new my-cloud --lang rust --title Mine --directory x", true);
        check("tracker driver new my-cloud", false);
        check("tracker driver new my-cloud --lang cobol", false);
        check("tracker completions bash", true);
        check("tracker completions", false);
        check("tracker completions cmd.exe", false);
        check("tracker man pages", true);
        check("tracker man", false);
        check("tracker demo --once --port 0", true);
        check("tracker demo --once --duration 5s", false);
        check("tracker", false);
    }

    #[test]
    fn what_is_wrong_with_the_question_ends_in_2() {
        let check = |error: anyhow::Error, want: u8| assert_eq!(exit_code(&error), want, "{error}");
        check(UsageError("x".into()).into(), 2);
        check(Config::parse("x = 1", "t.toml", &|_| None).expect_err("unknown key").into(), 2);
        check(anyhow::anyhow!("x"), 1);
    }
}
