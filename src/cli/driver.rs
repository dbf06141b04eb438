//! `tracker driver`: which drivers there are, which of them the operator vetted, and how new ones are begun.

mod approve;
mod list;
mod new;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Driver {
    /// List the drivers that are there, with why any of them is not loaded
    List(list::List),
    /// Show what a driver asks for, and let the host load it from then on
    Approve(approve::Approve),
    /// Make a project for a driver of your own, that builds and loads
    New(new::New),
}

impl Driver {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Driver::List(list) => list.run(),
            Driver::Approve(approve) => approve.run(),
            Driver::New(new) => new.run(),
        }
    }
}

/// The beginning of a SHA-256, enough to tell two files apart by eye.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
