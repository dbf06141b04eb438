//! `tracker driver push`: pushes a driver into a registry, as the standard WebAssembly artifact, so that others can
//! approve it from there.

use std::sync::Arc;

use clap::Args;

use super::find::find;
use super::login::LoginArgs;
use crate::cli::config_args::ConfigArgs;
use crate::cli::output;
use crate::cli::process::runtime;
use crate::cli::usage::UsageError;
use crate::clock::SystemClock;
use crate::driver::{DriverInfo, Engine, Outline, load};
use crate::net::Clients;
use crate::supply::source::{Artifact, Label};
use crate::supply::{Source, sha256};

#[derive(Debug, Args)]
#[command(after_help = "\
The file has to be a driver that this host can load; it does not have to be approved. The command prints the source with
the digest.

Examples:
  tracker driver push ./target/ec2.wasm oci://ghcr.io/example/ec2:1.2.0
  tracker driver push ec2 oci://registry.example.com/ec2:1.2.0 --username me --password-file token
  tracker driver push ec2 oci://localhost:5000/ec2:1.2.0")]
pub(crate) struct Push {
    /// A file, or a driver's name in the directory of drivers
    #[arg(value_name = "FILE|NAME")]
    what: String,
    /// The target: oci://HOST/REPOSITORY:TAG
    #[arg(value_name = "SOURCE")]
    to: String,
    #[command(flatten)]
    login: LoginArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Push {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = self.config.load_without_accounts()?;
        let to = self.to.parse::<Source>().map_err(|error| UsageError(error.to_string()))?;
        match &to {
            Source::Oci(reference) if reference.digest().is_none() => {}
            _ => return Err(UsageError(format!("{to}: the target has to be oci://HOST/REPOSITORY:TAG")).into()),
        }
        let file = find(&self.what, &config.drivers.directory)?;
        let fetcher = self.login.fetcher(&config, Some(&to))?;
        let clients = Clients::new(config.network.clone())?;
        let engine = Engine::compiling(config.compile.clone(), config.limits.clone(), clients, Arc::new(SystemClock))?;
        let runtime = runtime()?;
        let inspected = runtime.block_on(load::inspect(&engine, &file, None));
        let info = inspected.map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?.info;
        let bytes = std::fs::read(&file)?;
        if sha256(&bytes) != info.digest {
            anyhow::bail!("{}: it changed during the check, and was not pushed", file.display());
        }
        let Outline { imports, exports, .. } =
            Outline::of(&bytes).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
        let imports = imports.into_iter().map(|import| import.name).collect();
        let artifact = Artifact { bytes, imports, exports, labels: labels(&info) };
        let pinned = runtime.block_on(fetcher.push(artifact, &to))?;
        output::line!("Pushed {} {}, SHA-256 {}.", info.name, info.version, info.digest);
        output::line!("{pinned}");
        Ok(())
    }
}

fn labels(info: &DriverInfo) -> Vec<Label> {
    let DriverInfo { name, title, version, .. } = info;
    let title_or_name = if title.is_empty() { name } else { title };
    vec![
        Label::Title(title_or_name.clone()),
        Label::Version(version.clone()),
        Label::Description(format!("Driver {name:?} for Tracker")),
    ]
}
