//! `tracker driver pull`: fetches driver files from their sources. An approved driver is fetched with the approved
//! digest or not at all. A driver that is not approved is written to a file, and is not loaded.

use std::path::{Path, PathBuf};

use clap::Args;

use super::difference::place;
use super::login::LoginArgs;
use crate::cli::config_args::ConfigArgs;
use crate::cli::output;
use crate::cli::process::runtime;
use crate::cli::usage::UsageError;
use crate::config::Config;
use crate::supply::source::{self, missing, provide};
use crate::supply::{Approval, Evidence, Lock, Source};

#[derive(Debug, Args)]
#[command(after_help = "\
The command stores the driver's signatures from the registry beside its file.

Examples:
  tracker driver pull                                     every approved driver whose file is missing
  tracker driver pull ec2                                 one of them
  tracker driver pull oci://ghcr.io/example/ec2:1.2.0     a file, without approving it
  tracker driver pull https://example.com/ec2.wasm --output /tmp/ec2.wasm")]
pub(crate) struct Pull {
    /// An approved driver's name, https://... or oci://...
    #[arg(value_name = "NAME|SOURCE")]
    what: Option<String>,
    /// The file to write; if absent, a name from the source
    #[arg(short, long, value_name = "FILE", requires = "what")]
    output: Option<PathBuf>,
    #[command(flatten)]
    login: LoginArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Pull {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = self.config.load_without_accounts()?;
        match &self.what {
            Some(what) if what.contains("://") => {
                let source = what.parse::<Source>().map_err(|error| UsageError(error.to_string()))?;
                self.to_file(&config, &source)
            }
            Some(_) if self.output.is_some() => {
                Err(UsageError("an approved driver goes into the directory of drivers: leave out --output".into())
                    .into())
            }
            what => self.approved(&config, what.as_deref()),
        }
    }

    fn to_file(&self, config: &Config, source: &Source) -> anyhow::Result<()> {
        let path = self.output.clone().unwrap_or_else(|| named_after(source).into());
        if path.exists() {
            let path = path.display();
            return Err(UsageError(format!("{path} exists: name another file with --output")).into());
        }
        let fetcher = self.login.fetcher(config, Some(source))?;
        let fetched = runtime()?.block_on(fetcher.fetch(source, None))?;
        source::keep(&path, &fetched.bytes, fetched.evidence.as_ref())?;
        output::line!("{} ({})", path.display(), bytesize::ByteSize(fetched.bytes.len() as u64));
        output::line!("From       {}", place(&fetched.resolved));
        output::line!("SHA-256    {}", fetched.sha256);
        if let Some(evidence) = &fetched.evidence {
            output::line!("Signatures {} in {}", evidence.signatures.len(), Evidence::path_of(&path).display());
        }
        output::line!("\nIt is not approved. To approve it: tracker driver approve {}", fetched.resolved);
        Ok(())
    }

    fn approved(&self, config: &Config, name: Option<&str>) -> anyhow::Result<()> {
        let lock = Lock::read(&config.drivers.lock)?;
        let directory = &config.drivers.directory;
        let is_meant = |approval: &&Approval| name.is_none_or(|name| name == approval.name);
        let meant: Vec<&Approval> = lock.drivers().iter().filter(is_meant).collect();
        if let Some(name) = name
            && meant.is_empty()
        {
            let lock = config.drivers.lock.display();
            return Err(UsageError(format!("there is no driver {name:?} in {lock}: name one, or a source")).into());
        }
        let fetcher = self.login.fetcher(config, name.and(one_registry(&meant).as_ref()))?;
        let wanted: Vec<&Approval> =
            missing(directory, &lock, config.limits.driver_bytes).into_iter().filter(is_meant).collect();
        if wanted.is_empty() {
            output::line!("Every approved driver is already in {}: nothing to do.", directory.display());
            return Ok(());
        }
        let runtime = runtime()?;
        let mut failed = Vec::new();
        for approval in &wanted {
            match runtime.block_on(provide(&fetcher, directory, approval)) {
                Ok(path) => output::line!("{} {}: {}", approval.name, approval.version, path.display()),
                Err(error) => failed.push(format!("{} {}: {error}", approval.name, approval.version)),
            }
        }
        match failed.is_empty() {
            true => Ok(()),
            false => anyhow::bail!("{}", failed.join("\n       ")),
        }
    }
}

/// The source of drivers that all come from one registry: a login goes to the one that it is for.
fn one_registry(approvals: &[&Approval]) -> Option<Source> {
    let sources = approvals.iter().map(|approval| approval.source.as_deref()?.parse::<Source>().ok());
    let mut sources = sources.collect::<Option<Vec<_>>>()?;
    let registry = |source: &Source| match source {
        Source::Oci(reference) => Some(reference.registry().to_owned()),
        Source::File(_) | Source::Https(_) => None,
    };
    let first = registry(sources.first()?)?;
    sources.iter().all(|source| registry(source).as_ref() == Some(&first)).then(|| sources.remove(0))
}

/// What a file is called that comes from a source.
fn named_after(source: &Source) -> String {
    let name = match source {
        Source::File(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        Source::Https(url) => url.path().rsplit('/').next().unwrap_or_default().to_owned(),
        Source::Oci(reference) => reference.repository().rsplit('/').next().unwrap_or_default().to_owned(),
    };
    match Path::new(&name).extension().is_some_and(|extension| extension == "wasm") {
        true => name,
        false => format!("{name}.wasm"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_its_source() {
        let check = |text: &str, want: &str| assert_eq!(named_after(&text.parse().expect(text)), want);
        check("https://example.com/drivers/ec2.wasm", "ec2.wasm");
        check("https://example.com/ec2", "ec2.wasm");
        check("https://example.com/..%2fec2", "..%2fec2.wasm");
        check("oci://ghcr.io/me/drivers/ec2:1.2.0", "ec2.wasm");
        check("oci://localhost:5000/ec2.wasm:1", "ec2.wasm");
    }
}
