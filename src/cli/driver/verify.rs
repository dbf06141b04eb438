//! `tracker driver verify`: checks that each approved driver is present and is the approved one, without loading any.

use clap::Args;

use super::find::short;
use crate::cli::config_args::ConfigArgs;
use crate::cli::output;
use crate::cli::table::table;
use crate::driver::load::check_contract;
use crate::supply::verify::verify;
use crate::supply::{Lock, Role};

#[derive(Debug, Args)]
#[command(after_help = "\
The command checks that each approved driver's file exists, has the approved digest, is a component of a supported contract,
has a valid source, is signed as drivers.signatures requires, and is tested if drivers.require_tested is set. It compiles, runs
and fetches nothing. It also names files without an approval. The host never loads these, and they are no failure.

Exit codes: 0 success, 1 a check failed, 2 wrong command line or configuration.

Examples:
  tracker driver verify
  tracker driver verify --config tracker.toml")]
pub(crate) struct Verify {
    #[command(flatten)]
    config: ConfigArgs,
}

impl Verify {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = self.config.load_without_accounts()?;
        let directory = &config.drivers.directory;
        let lock = Lock::read(&config.drivers.lock)?;
        let verified = verify(&config.drivers, &lock, config.limits.driver_bytes, check_contract)
            .map_err(|error| anyhow::anyhow!("can't read the directory of drivers {}: {error}", directory.display()))?;
        let file_name = |path: &std::path::Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut rows = Vec::new();
        for checked in &verified.approvals {
            let role = match checked.role {
                Role::Current => "current",
                Role::Shadow => "shadow",
            };
            let digest = lock.in_role(&checked.name, checked.role).map(|approval| short(&approval.sha256).to_owned());
            let mut status: Vec<String> = checked.faults.iter().map(ToString::to_string).collect();
            if status.is_empty() {
                status.push("good".into());
            }
            let mut cells = [checked.name.clone(), checked.version.clone(), role.into(), digest.unwrap_or_default()];
            for status in status {
                let [name, version, role, digest] = std::mem::take(&mut cells);
                rows.push([name, version, role, digest, file_name(&checked.file), status]);
            }
        }
        for path in &verified.unapproved {
            let status = "not approved, so not loaded".to_owned();
            rows.push(["-".into(), "-".into(), "-".into(), "-".into(), file_name(path), status]);
        }
        if rows.is_empty() {
            output::line!(
                "No driver is approved in {}, and {} has none.",
                config.drivers.lock.display(),
                directory.display()
            );
            return Ok(());
        }
        output::text!("{}", table(["DRIVER", "VERSION", "ROLE", "SHA-256", "FILE", "STATUS"], rows));
        let wrong = verified.approvals.iter().filter(|checked| !checked.faults.is_empty()).count();
        match verified.is_good() {
            true => Ok(()),
            false => {
                anyhow::bail!("{wrong} of {} approved drivers would not be loaded", lock.drivers().len())
            }
        }
    }
}
