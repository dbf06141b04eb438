//! `tracker driver approve`: the one moment at which a person looks at what a driver asks for. What is shown
//! is what is granted; nothing is granted unseen.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use clap::Args;

use super::{ask, find, short};
use crate::cli::table::printable;
use crate::cli::{ConfigArgs, environment, runtime};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::driver::{Approval, Engine, Inspected, Lock, Role, load};
use crate::net::Clients;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tracker driver approve mock                   the file mock.wasm of the directory of drivers
  tracker driver approve ./target/ec2.wasm      any file
  tracker driver approve ec2 --yes              without asking, as a script does")]
pub(crate) struct Approve {
    /// A driver's name in the directory of drivers, or a file
    #[arg(value_name = "NAME|FILE")]
    what: String,
    /// Approve without asking
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Approve {
    #[expect(clippy::print_stdout, reason = "the command line's own printing")]
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = self.config.load_without_accounts()?;
        let directory = &config.drivers.directory;
        let file = find(&self.what, directory)?;
        let mut lock = Lock::read(&config.drivers.lock)?;
        let inspected = runtime()?.block_on(inspect(&config, &file))?;
        let old = lock.by_name(&inspected.info.name).cloned();

        print!("{}", summary(&file, &inspected, old.as_ref()));
        let is_known = old
            .as_ref()
            .is_some_and(|old| old.sha256 == inspected.info.digest && old.endpoints == inspected.info.asks_for);
        if is_known {
            println!("\nIt is approved already: nothing to do.");
            return Ok(());
        }
        let question = "Let the host load it, and reach this?";
        if !self.yes && !ask(question, "look at the above, and add --yes to approve it")? {
            anyhow::bail!("not approved, and nothing was changed");
        }
        let Inspected { info, .. } = inspected;
        lock.approve(Approval {
            name: info.name.clone(),
            version: info.version,
            role: Role::Current,
            file: file_name(&file),
            source: None,
            sha256: info.digest,
            endpoints: info.asks_for,
            approved_at: SystemClock.now(),
            approved_by: user(),
        });
        lock.write(&config.drivers.lock)?;
        println!("\nApproved {} in {}.", info.name, config.drivers.lock.display());
        if !is_in(&file, directory) {
            println!("Put it into {} for the host to load it (setting: drivers.directory).", directory.display());
        }
        Ok(())
    }
}

async fn inspect(config: &Config, file: &Path) -> anyhow::Result<Inspected> {
    let clients = Clients::new(config.network.clone())?;
    let engine = Engine::new(config.limits.clone(), clients, Arc::new(SystemClock))?;
    load::inspect(&engine, file).await.map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))
}

/// What the operator decides upon.
fn summary(file: &Path, inspected: &Inspected, old: Option<&Approval>) -> String {
    let Inspected { info, size, .. } = inspected;
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "{label:10} {}", printable(value));
    };
    line("Driver", &format!("{} {} ({})", info.name, info.version, info.title));
    line("File", &format!("{} ({})", file.display(), bytesize::ByteSize(*size)));
    line("SHA-256", &info.digest);
    if let Some(old) = old {
        let on = old.approved_at.to_string();
        let was =
            format!("{} {}, by {} on {}", old.version, short(&old.sha256), old.approved_by, &on[..10.min(on.len())]);
        line("Approved", &was);
    }
    for option in info.options.iter().filter(|option| option.secret) {
        line("Secret", &format!("{}: {} It stays in the host.", option.name, option.help));
    }
    let granted = old.map(|old| old.endpoints.as_slice());
    match info.asks_for.is_empty() {
        true => line("Reaches", "only the endpoint of the account that it works for"),
        false => line("Reaches", "the endpoint of the account that it works for, and:"),
    }
    for endpoint in &info.asks_for {
        match granted {
            Some(granted) if !granted.contains(endpoint) => line("     + new", endpoint),
            _ => line("", endpoint),
        }
    }
    for endpoint in granted.unwrap_or_default().iter().filter(|endpoint| !info.asks_for.contains(endpoint)) {
        line("    - gone", endpoint);
    }
    text
}

/// Who approves, for the record.
pub(super) fn user() -> String {
    let name = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(environment).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_in(file: &Path, directory: &Path) -> bool {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    matches!((folder.canonicalize(), directory.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::DriverInfo;
    use crate::model::Timestamp;

    #[test]
    fn what_is_new_is_shown() {
        let info = DriverInfo {
            name: "ec2".into(),
            title: "Amazon EC2".into(),
            version: "2.0.0".into(),
            digest: "b".repeat(64),
            asks_for: vec!["https://ec2.*.amazonaws.com".into(), "https://evil.example".into()],
            ..DriverInfo::default()
        };
        let inspected = Inspected { info, size: 1 << 20, imports: Vec::new() };
        let old = Approval {
            name: "ec2".into(),
            version: "1.0.0".into(),
            role: Role::Current,
            file: "ec2.wasm".into(),
            source: None,
            sha256: "a".repeat(64),
            endpoints: vec!["https://ec2.*.amazonaws.com".into(), "https://old.example".into()],
            approved_at: Timestamp::from_millis(0),
            approved_by: "root".into(),
        };
        let lines = |old: Option<&Approval>| summary(Path::new("ec2.wasm"), &inspected, old);
        let update = lines(Some(&old));
        assert!(update.contains("     + new https://evil.example\n"), "{update}");
        assert!(update.contains("    - gone https://old.example\n"), "{update}");
        assert!(update.contains("1.0.0 aaaaaaaaaaaa, by root on 1970-01-01"), "{update}");
        assert!(!update.contains("new https://ec2"), "{update}");
        assert!(!lines(None).contains("new"), "{}", lines(None));
    }

    #[test]
    fn a_file_of_the_directory_is_told_apart() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("mock.wasm");
        std::fs::write(&file, "").expect("written");
        assert!(is_in(&file, folder.path()) && !is_in(&file, Path::new("/")));
    }
}
