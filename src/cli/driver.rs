//! `tracker driver`: the drivers, their approval, and new projects.

mod approve;
mod ask;
mod difference;
mod find;
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

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Driver {
    /// List the drivers, and why a driver is not loaded
    List(list::List),
    /// Show what a driver asks for, and approve it for loading
    Approve(approve::Approve),
    /// Make a running host load the drivers that are approved now
    Reload(reload::Reload),
    /// Show how the lists of shadows compare with those of the current versions
    Shadow(shadow::Shadow),
    /// Test a driver against the contract, with recorded answers and with faults
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
