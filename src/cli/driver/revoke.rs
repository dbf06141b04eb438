//! `tracker driver revoke`: takes the approval of a driver back. Its file stays, but the host does not load it.

use clap::Args;

use super::approve::as_what;
use super::ask::ask;
use super::find::short;
use crate::cli::config_args::ConfigArgs;
use crate::cli::output;
use crate::cli::usage::UsageError;
use crate::supply::{Lock, Role};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tracker driver revoke ec2               the driver, and its shadow if it has one
  tracker driver revoke ec2 --shadow      the shadow alone
  tracker driver revoke ec2 --yes         without asking, as a script does")]
pub(crate) struct Revoke {
    /// The driver's name
    #[arg(value_name = "NAME")]
    name: String,
    /// Revoke only the shadow
    #[arg(long)]
    shadow: bool,
    /// Revoke without asking
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Revoke {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = self.config.load_without_accounts()?;
        let mut lock = Lock::read(&config.drivers.lock)?;
        let role = self.shadow.then_some(Role::Shadow);
        let revoked = lock.revoke(&self.name, role);
        if revoked.is_empty() {
            return Err(UsageError(nothing(&self.name, role, &lock, &config.drivers.lock.display())).into());
        }
        for approval in &revoked {
            let (digest, by) = (short(&approval.sha256), &approval.approved_by);
            let role = as_what(approval.role);
            output::line!("{} {}, SHA-256 {digest}, approved{role} by {by}", approval.name, approval.version);
        }
        let question = "Revoke this approval? The host then does not poll its accounts.";
        let question = if self.shadow { "Take this approval back?" } else { question };
        if !self.yes && !ask(question, "review the above, and add --yes to revoke it")? {
            anyhow::bail!("not revoked, and nothing was changed");
        }
        lock.write(&config.drivers.lock)?;
        output::line!("Revoked in {}. Its file stays in place.", config.drivers.lock.display());
        output::line!("A running host uses it until you run: tracker driver reload");
        Ok(())
    }
}

fn nothing(name: &str, role: Option<Role>, lock: &Lock, path: &dyn std::fmt::Display) -> String {
    let mut there: Vec<&str> = lock
        .drivers()
        .iter()
        .filter(|approval| role.is_none_or(|role| role == approval.role))
        .map(|approval| approval.name.as_str())
        .collect();
    there.dedup();
    let what = if role == Some(Role::Shadow) { "shadow of driver" } else { "driver" };
    match there.is_empty() {
        true => format!("there is no {what} {name:?} in {path}, and no other either"),
        false => format!("there is no {what} {name:?} in {path}; it has: {}", there.join(", ")),
    }
}
