//! `tracker driver`: which drivers there are, and which of them the operator vetted.

mod approve;
mod list;
mod reload;
mod shadow;
mod test;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Driver {
    /// List the drivers that are there, with why any of them is not loaded
    List(list::List),
    /// Show what a driver asks for, and let the host load it from then on
    Approve(approve::Approve),
    /// Have a running host take up what is approved by now
    Reload(reload::Reload),
    /// Show how the lists of shadows compare with those of the current versions
    Shadow(shadow::Shadow),
    /// Hold a driver to the contract: replay recorded answers, and what can go wrong with them
    Test(test::Test),
}

impl Driver {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Driver::List(list) => list.run(),
            Driver::Approve(approve) => approve.run(),
            Driver::Reload(reload) => reload.run(),
            Driver::Shadow(shadow) => shadow.run(),
            Driver::Test(test) => test.run(),
        }
    }
}

/// The beginning of a SHA-256, enough to tell two files apart by eye.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
