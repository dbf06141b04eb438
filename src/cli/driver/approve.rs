//! `tracker driver approve`: a person decides on the requests of a driver. The command shows everything that it grants.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tempfile::TempDir;

use super::ask::ask;
use super::difference::{Asked, Before, place, summary};
use super::find::find;
use super::login::LoginArgs;
use crate::cli::config_args::ConfigArgs;
use crate::cli::output;
use crate::cli::process::{environment, runtime};
use crate::cli::usage::UsageError;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::driver::{DriverInfo, Engine, Inspected, load};
use crate::net::Clients;
use crate::supply::grants::Pattern;
use crate::supply::source::{self, signatures_beside};
use crate::supply::{Approval, Evidence, Lock, Role, Source};

#[derive(Debug, Args)]
#[command(after_help = "\
The command copies a file from elsewhere into the directory of drivers under a new name, beside the version that is approved
now. It changes nothing before you say yes. It pins a tag of a registry by its digest.

Examples:
  tracker driver approve mock                              the file mock.wasm of the directory of drivers
  tracker driver approve ./target/ec2.wasm                 any file
  tracker driver approve https://example.com/ec2.wasm
  tracker driver approve oci://ghcr.io/example/ec2:1.2.0
  tracker driver approve oci://ghcr.io/example/ec2:1.3.0 --shadow    beside the current version, without effect
  tracker driver approve ec2 --endpoint https://ec2.eu-west-1.amazonaws.com    and none of the others
  tracker driver approve ec2 --yes                         without asking, as a script does")]
pub(crate) struct Approve {
    /// A driver's name in the directory of drivers, a file, https://... or oci://...
    #[arg(value_name = "NAME|FILE|SOURCE")]
    what: String,
    /// Approve without asking
    #[arg(short, long)]
    yes: bool,
    /// Run it as a shadow of the current version: the host compares its lists and does not use them
    #[arg(long)]
    shadow: bool,
    /// Grant only this endpoint of those that it asks for; repeatable
    #[arg(long, value_name = "PATTERN")]
    endpoint: Vec<String>,
    #[command(flatten)]
    login: LoginArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// A file that is to be looked at, and where it came from.
struct Candidate {
    file: PathBuf,
    origin: Origin,
    /// Where it lies while nobody approved it.
    _folder: Option<TempDir>,
}

enum Origin {
    /// It lies in the directory of drivers.
    Directory,
    /// It lies elsewhere on this machine, or was fetched.
    Source { source: Source, evidence: Option<Evidence> },
}

impl Approve {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = self.config.load_without_accounts()?;
        let mut lock = Lock::read(&config.drivers.lock)?;
        let runtime = runtime()?;
        let candidate = runtime.block_on(self.candidate(&config))?;
        let clients = Clients::new(config.network.clone())?;
        let engine = Engine::compiling(config.compile.clone(), config.limits.clone(), clients, Arc::new(SystemClock))?;
        // What is compiled now, the host finds in its cache.
        let inspected = runtime.block_on(load::inspect(&engine, &candidate.file, Some(&config.drivers.cache)));
        let shown = candidate.shown();
        let inspected = inspected.map_err(|error| anyhow::anyhow!("{shown}: {error}"))?;
        let Inspected { ref info, size, .. } = inspected;
        let granted = granted(&info.asks_for, &self.endpoint)?;
        let current = lock.by_name(&info.name).cloned();
        let role = self.role(info, current.as_ref())?;

        let described = current.as_ref().filter(|current| current.sha256 != info.digest);
        let described = described.and_then(|old| runtime.block_on(describe(&engine, &config, old)));
        let before = current.as_ref().map(|approval| Before {
            approval,
            info: if approval.sha256 == info.digest { Some(info) } else { described.as_ref() },
        });
        let signatures = candidate.evidence().map_or(0, |evidence| evidence.signatures.len());
        let imports: Vec<String> = inspected.imports.iter().map(|import| import.name.clone()).collect();
        output::text!(
            "{}",
            summary(&Asked { info, place: shown, size, granted: &granted, imports: &imports, signatures, before })
        );
        let approval = Approval {
            name: info.name.clone(),
            version: info.version.clone(),
            role,
            file: candidate.file_name(info),
            source: candidate.source().map(ToString::to_string),
            sha256: info.digest.clone(),
            endpoints: granted,
            approved_at: SystemClock.now(),
            approved_by: user(),
        };
        let path = config.drivers.directory.join(&approval.file);
        let known = lock.in_role(&info.name, role).cloned();
        if known.as_ref().is_some_and(|known| is_same(known, &approval)) && path.exists() {
            output::line!("\nIt is approved already: nothing to do.");
            return Ok(());
        }
        let question = match role {
            Role::Current => "Let the host load it, and reach this?",
            Role::Shadow => "Let the host load it beside the current version, and reach this?",
        };
        if !self.yes && !ask(question, "review the above, and add --yes to approve it")? {
            anyhow::bail!("not approved, and nothing was changed");
        }
        let made = candidate.keep(&path, &info.digest)?;
        let (name, version) = (info.name.clone(), info.version.clone());
        lock.approve(approval);
        if let Err(error) = lock.write(&config.drivers.lock) {
            for path in made {
                // What is left of it is of no use to anyone, and does no harm either.
                let _ = std::fs::remove_file(path);
            }
            return Err(error.into());
        }
        output::line!("\nApproved {name} {version}{} in {}.", as_what(role), config.drivers.lock.display());
        if !made.is_empty() {
            output::line!("Its file is {}.", path.display());
        }
        let old = known.filter(|old| lock.by_digest(&old.sha256).is_none()).map(|old| old.file);
        if let Some(old) =
            old.map(|file| config.drivers.directory.join(file)).filter(|old| *old != path && old.exists())
        {
            output::line!("{} is no longer approved: remove it when no host runs it.", old.display());
        }
        Ok(())
    }

    async fn candidate(&self, config: &Config) -> anyhow::Result<Candidate> {
        let directory = &config.drivers.directory;
        let source = self.what.contains("://").then(|| self.what.parse::<Source>()).transpose();
        let source = match source.map_err(|error| UsageError(error.to_string()))? {
            Some(source) => source,
            None => {
                // A login is for a registry: said before anything is looked at.
                self.login.fetcher(config, None)?;
                let file = find(&self.what, directory)?;
                let origin = match is_in(&file, directory) {
                    true => Origin::Directory,
                    false => {
                        let evidence = Evidence::read(&file);
                        let evidence = evidence.map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
                        Origin::Source { source: Source::File(file.canonicalize()?), evidence }
                    }
                };
                return Ok(Candidate { file, origin, _folder: None });
            }
        };
        let fetched = self.login.fetcher(config, Some(&source))?.fetch(&source, None).await?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("fetched.wasm");
        std::fs::write(&file, &fetched.bytes)?;
        let origin = Origin::Source { source: fetched.resolved, evidence: fetched.evidence };
        Ok(Candidate { file, origin, _folder: Some(folder) })
    }

    fn role(&self, info: &DriverInfo, current: Option<&Approval>) -> Result<Role, UsageError> {
        match (self.shadow, current) {
            (false, _) => Ok(Role::Current),
            (true, None) => Err(UsageError(format!(
                "there is no current driver {:?} that it could stand beside: approve it without --shadow",
                info.name
            ))),
            (true, Some(current)) if current.sha256 == info.digest => Err(UsageError(format!(
                "this file is the current {} {}: it cannot be its own shadow",
                current.name, current.version
            ))),
            (true, Some(_)) => Ok(Role::Shadow),
        }
    }
}

impl Candidate {
    fn source(&self) -> Option<&Source> {
        match &self.origin {
            Origin::Directory => None,
            Origin::Source { source, .. } => Some(source),
        }
    }

    fn evidence(&self) -> Option<&Evidence> {
        match &self.origin {
            Origin::Directory => None,
            Origin::Source { evidence, .. } => evidence.as_ref(),
        }
    }

    fn shown(&self) -> String {
        self.source().map_or_else(|| self.file.display().to_string(), place)
    }

    /// What it is called in the directory of drivers.
    fn file_name(&self, info: &DriverInfo) -> String {
        match self.origin {
            Origin::Directory => self.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            Origin::Source { .. } => source::file_name(&info.name, &info.version, &info.digest),
        }
    }

    /// Puts it into the directory of drivers, with the signatures that came with it, and gives what was made there.
    fn keep(&self, path: &Path, sha256: &str) -> anyhow::Result<Vec<PathBuf>> {
        let Origin::Source { source, evidence } = &self.origin else { return Ok(Vec::new()) };
        let bytes = std::fs::read(&self.file)?;
        // It may lie where others write, and what was shown is what is approved.
        if crate::supply::sha256(&bytes) != sha256 {
            anyhow::bail!("{}: it changed during the review, and was not approved", self.file.display());
        }
        let mut made = Vec::new();
        if let Source::File(file) = source {
            for (from, to) in signatures_beside(file, path)? {
                std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
                std::fs::copy(from, &to)?;
                made.push(to);
            }
        }
        source::keep(path, &bytes, evidence.as_ref())?;
        made.push(path.to_owned());
        made.extend(evidence.as_ref().map(|_| Evidence::path_of(path)));
        Ok(made)
    }
}

/// What the file of an approval describes, if it still is that file.
async fn describe(engine: &Engine, config: &Config, approval: &Approval) -> Option<DriverInfo> {
    let file = config.drivers.directory.join(&approval.file);
    let inspected = load::inspect(engine, &file, Some(&config.drivers.cache)).await.ok()?;
    (inspected.info.digest == approval.sha256).then_some(inspected.info)
}

/// What is granted: all that is asked for, or the part of it that the operator names.
fn granted(asks_for: &[String], named: &[String]) -> Result<Vec<String>, UsageError> {
    if named.is_empty() {
        return Ok(asks_for.to_vec());
    }
    let asked: Vec<Pattern> = asks_for.iter().filter_map(|text| Pattern::parse(text).ok()).collect();
    let mut granted: Vec<String> = Vec::new();
    for text in named {
        let pattern = Pattern::parse(text).map_err(|error| UsageError(format!("--endpoint: {error}")))?;
        if !asked.iter().any(|asked| asked.covers(&pattern)) {
            let asked = if asks_for.is_empty() { "none".to_owned() } else { asks_for.join(", ") };
            return Err(UsageError(format!(
                "--endpoint {text}: the driver does not ask for it, and granting it would change nothing; it asks for \
                 {asked}"
            )));
        }
        if !granted.contains(text) {
            granted.push(text.clone());
        }
    }
    Ok(granted)
}

fn is_same(known: &Approval, approval: &Approval) -> bool {
    known.sha256 == approval.sha256 && known.endpoints == approval.endpoints && known.source == approval.source
}

pub(super) fn as_what(role: Role) -> &'static str {
    match role {
        Role::Current => "",
        Role::Shadow => " as a shadow",
    }
}

/// Who approves, for the record.
pub(super) fn user() -> String {
    let name = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(environment).filter(|name| !name.is_empty());
    name.map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

fn is_in(file: &Path, directory: &Path) -> bool {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    matches!((folder.canonicalize(), directory.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_directory_is_told_apart() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("mock.wasm");
        std::fs::write(&file, "").expect("written");
        assert!(is_in(&file, folder.path()) && !is_in(&file, Path::new("/")));
    }

    #[test]
    fn less_may_be_granted_and_never_more() {
        let asks_for = ["https://ec2.*.amazonaws.com".to_owned(), "https://sts.amazonaws.com".to_owned()];
        let check = |named: &[&str], want: Result<&[&str], &str>| {
            let named: Vec<String> = named.iter().map(|text| (*text).into()).collect();
            match (granted(&asks_for, &named), want) {
                (Ok(granted), Ok(want)) => assert_eq!(granted, want),
                (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}"),
                (got, want) => panic!("{named:?}: {got:?}, wanted {want:?}"),
            }
        };
        check(&[], Ok(&["https://ec2.*.amazonaws.com", "https://sts.amazonaws.com"]));
        check(&["https://sts.amazonaws.com"], Ok(&["https://sts.amazonaws.com"]));
        let eu = "https://ec2.eu-*.amazonaws.com";
        check(&[eu, eu], Ok(&[eu]));
        check(&["https://s3.amazonaws.com"], Err("does not ask for it"));
        check(&["http://sts.amazonaws.com"], Err("does not ask for it"));
        check(&["sts.amazonaws.com"], Err("--endpoint: "));
    }
}
