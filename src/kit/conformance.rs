//! The conformance suite: tests a driver against the contract, with the answers that its author recorded and with
//! variations that the suite makes of them. It knows no provider: each check takes what it needs from the cassettes.
//! `docs/drivers/conformance.md` says what each check requires, and how to satisfy it.

mod chain;
mod checks;
mod document;
mod faults;
mod growth;
mod manifest;
mod report;
mod signature;
mod stage;
mod stand;
mod suite;
mod thousand;
mod times;
mod verdict;

use std::path::{Path, PathBuf};

use tokio::sync::OnceCell;

use super::cassette::{CassetteError, Cassettes};
use crate::clock::Stopwatch;
use crate::driver::{Limits, compile};
use crate::model::Kind;
use stage::Stage;
use stand::Blank;
use suite::{Case, Suite};
use verdict::Verdict;

pub use crate::supply::SUITE;
pub use manifest::{ErrorName, ListName, Manifest, ManifestError};
pub use report::{Check, Finding, Report, UsageRow, Used};
pub use stand::StandError;
pub use thousand::{Thousand, thousand};

/// Why the suite could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    #[error(transparent)]
    Cassettes(#[from] CassetteError),
    #[error(
        "there are no cassettes in {0}: record one (tracker driver record), or write one by hand (docs/drivers/cassettes.md)"
    )]
    NoCassettes(PathBuf),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Stand(#[from] StandError),
    #[error("there is no check {name:?}; known checks: {known}")]
    NoCheck { name: String, known: String },
}

/// Which checks are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    #[default]
    All,
    /// These, by name.
    Only(Vec<String>),
}

/// What is tried, and how.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    pub limits: &'a Limits,
    /// Who compiles it.
    pub compile: &'a compile::Settings,
    /// The driver's file. It need not be approved: what it reaches is cassettes.
    pub file: &'a Path,
    /// The directory of cassettes.
    pub cassettes: &'a Path,
    /// Where compiled drivers are kept for the next time; without one, what is compiled is gone with the trial.
    pub compiled: Option<&'a Path>,
    pub selection: &'a Selection,
}

/// Runs the suite.
pub async fn run(trial: Trial<'_>) -> Result<Report, SuiteError> {
    let Trial { limits, compile, file, cassettes, compiled, selection } = trial;
    let selected = select(selection)?;
    let manifest = Manifest::read(cassettes)?;
    let read = Cassettes::read_dir(cassettes)?;
    if read.is_empty() {
        return Err(SuiteError::NoCassettes(cassettes.to_owned()));
    }
    let cassettes_sha256 = read.sha256();
    let blank = Blank::new(file, limits, (compile, compiled))?;
    let stand = blank.stand().await?;
    let mut cases = Vec::new();
    for cassette in read {
        let run = stand.list(&blank, &cassette, Stage::of(&cassette)).await;
        cases.push(Case { cassette, run });
    }
    let info = stand.driver.info();
    let mut report = Report {
        suite: SUITE,
        sha256: blank.file.sha256.clone(),
        name: info.name.clone(),
        version: info.version.clone(),
        cassettes: cases.len(),
        cassettes_sha256,
        declared: manifest.declared(),
        declarations_sha256: manifest.sha256(),
        lists: Kind::ALL
            .into_iter()
            .filter(|kind| {
                let lists = |case: &Case| case.is_list() && case.cassette.list == *kind;
                cases.iter().any(|case| lists(case) && !case.run.resources().is_empty())
            })
            .map(Kind::plural)
            .collect(),
        checks: Vec::new(),
        usage: Vec::new(),
    };
    let suite = Suite { blank, stand, manifest, cases, faulted: OnceCell::new() };
    for entry in selected {
        let (stopwatch, before) = (Stopwatch::start(), suite.blank.runs());
        let verdict = (entry.run)(&suite).await?;
        let findings = verdict.counted();
        let Verdict { tried, warnings, usage, .. } = verdict;
        // A list of a thousand that an author recorded is shown by two checks.
        for row in usage {
            if !report.usage.iter().any(|other| other.what == row.what) {
                report.usage.push(row);
            }
        }
        report.checks.push(Check {
            name: entry.name,
            about: entry.about,
            tried,
            findings,
            warnings,
            runs: suite.blank.runs() - before,
            wall: stopwatch.elapsed(),
        });
    }
    Ok(report)
}

fn select(selection: &Selection) -> Result<Vec<&'static checks::Entry>, SuiteError> {
    let Selection::Only(names) = selection else { return Ok(checks::ALL.iter().collect()) };
    for name in names {
        if !checks::ALL.iter().any(|entry| entry.name == name) {
            let known: Vec<_> = checks::ALL.iter().map(|entry| entry.name).collect();
            return Err(SuiteError::NoCheck { name: name.clone(), known: known.join(", ") });
        }
    }
    Ok(checks::ALL.iter().filter(|entry| names.iter().any(|name| name == entry.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_found_by_name() {
        let all = select(&Selection::All).expect("all").len();
        let names: std::collections::BTreeSet<_> = checks::ALL.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), all, "each has a name of its own");
        let only = Selection::Only(vec!["pages-to-the-end".into()]);
        assert_eq!(select(&only).expect("one").len(), 1);
        let unknown = select(&Selection::Only(vec!["pages".into()]));
        assert!(unknown.is_err_and(|error| error.to_string().contains("pages-to-the-end")));
    }

    #[test]
    fn each_check_is_explained() {
        let guide = include_str!("../../docs/drivers/conformance.md");
        let rows: Vec<&str> = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        for entry in checks::ALL {
            let times = rows.iter().filter(|row| **row == entry.name).count();
            assert_eq!(times, 1, "{} has a row of its own", entry.name);
        }
    }
}
