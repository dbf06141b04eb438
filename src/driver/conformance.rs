//! The conformance suite: whether a driver keeps the contract, tried with the answers that its author recorded
//! and with what the suite makes of them. It knows no provider: what a check needs it takes from the cassettes.
//! What each check holds, and how to satisfy it, is in `drivers/CONFORMANCE.md`.

mod admission;
mod chain;
mod checks;
mod document;
mod faults;
mod manifest;
mod signature;
mod stage;
mod stand;
mod times;
mod verdict;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::OnceCell;

use super::cassette::{Cassette, CassetteError, Cassettes};
use super::{Limits, compile};
use crate::clock::Stopwatch;
use crate::model::{Kind, whole_millis};

pub(super) use admission::admit;
pub use manifest::{ErrorName, ListName, Manifest, ManifestError};
pub use stand::StandError;

use faults::Fault;
use stage::Stage;
use stand::{Blank, Run, Stand};
use verdict::Verdict;

/// Which form of the suite this is. It grows with every check that is added or asks for more, and a record of an
/// older one then counts no more.
pub const SUITE: u32 = 8;

/// What came of the suite.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub suite: u32,
    /// The file's, in hexadecimal.
    pub sha256: String,
    pub name: String,
    pub version: String,
    /// How many cassettes there were.
    pub cassettes: usize,
    /// Of their content, in hexadecimal.
    pub cassettes_sha256: String,
    /// What the author declares, which no answer shows.
    pub declared: Vec<String>,
    pub declarations_sha256: String,
    /// Of which kinds a list with something in it was tested.
    pub lists: Vec<&'static str>,
    pub checks: Vec<Check>,
    /// What lists took, against what they may.
    pub usage: Vec<UsageRow>,
}

/// One check and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// Stable: what `--only` and records name it by.
    pub name: &'static str,
    /// What it holds a driver to.
    pub about: &'static str,
    /// What was tried.
    pub tried: String,
    pub findings: Vec<Finding>,
    /// What is not wrong yet.
    pub warnings: Vec<String>,
    /// How many lists were called for.
    pub runs: u32,
    #[serde(rename = "milliseconds", serialize_with = "as_millis")]
    pub wall: Duration,
}

/// Something that a driver does wrong, or that its cassettes do not show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The cassette that shows it.
    pub cassette: Option<String>,
    /// What was expected and what came.
    pub why: String,
    pub what_to_do: String,
}

/// What one list took, and what it may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsageRow {
    pub what: String,
    pub listed: usize,
    pub memory: Used,
    /// Of the page that took most, in microseconds.
    pub page_cpu_micros: Used,
    pub requests: Used,
    pub pages: Used,
    pub wall_millis: Used,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Used {
    pub used: u64,
    pub limit: u64,
}

impl Used {
    /// Rounded up: what is over its limit is over 100.
    pub fn percent(&self) -> u64 {
        self.used.saturating_mul(100).div_ceil(self.limit.max(1))
    }
}

impl Report {
    pub fn passed(&self) -> bool {
        self.checks.iter().all(Check::passed)
    }

    /// Whether a driver that passed may be admitted: one of which no instances were seen may do anything with them.
    pub fn shows_instances(&self) -> bool {
        self.lists.contains(&Kind::Instance.plural())
    }
}

impl Check {
    pub fn passed(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Why the suite could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    #[error(transparent)]
    Cassettes(#[from] CassetteError),
    #[error(
        "there are no cassettes in {0}: record one (tracker driver record), or write one by hand (drivers/CASSETTES.md)"
    )]
    NoCassettes(PathBuf),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Stand(#[from] StandError),
    #[error("there is no check {name:?}; there are: {known}")]
    NoCheck { name: String, known: String },
}

/// A cassette, and what the driver made of it.
struct Case {
    cassette: Cassette,
    run: Run,
}

impl Case {
    fn name(&self) -> &str {
        &self.cassette.name
    }

    /// Whether it shows a list, and the driver gave one. Single instances are none.
    fn is_list(&self) -> bool {
        self.cassette.ids.is_empty() && self.cassette.expect.error.is_none() && self.run.outcome.is_ok()
    }

    fn finding(&self, why: impl Into<String>, what_to_do: impl Into<String>) -> Finding {
        Finding { cassette: Some(self.cassette.name.clone()), why: why.into(), what_to_do: what_to_do.into() }
    }
}

/// Everything that checks work with.
struct Suite {
    blank: Blank,
    stand: Stand,
    manifest: Manifest,
    cases: Vec<Case>,
    /// Lists under faults, which several checks look at.
    faulted: OnceCell<Vec<Faulted>>,
}

/// A list with a fault in one of its answers.
struct Faulted {
    /// By its place among the cases.
    case: usize,
    /// Which exchange's answer it is.
    at: usize,
    fault: Fault,
    run: Run,
}

impl Suite {
    /// Lists by a case's cassette once more.
    async fn list(&self, case: &Case, stage: Stage) -> Run {
        self.stand.list(&self.blank, &case.cassette, stage).await
    }

    /// The cases that show a list.
    fn lists(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(|case| case.is_list())
    }

    /// The cases that show a list, or single instances.
    fn good(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(|case| case.cassette.expect.error.is_none() && case.run.outcome.is_ok())
    }

    /// The cases that show a list of what changed.
    fn changes(&self) -> impl Iterator<Item = &Case> {
        self.lists().filter(|case| case.cassette.since.is_some())
    }

    /// What may be asked for: the kinds of lists, and whether it is what changed.
    fn asked(&self) -> impl Iterator<Item = (Kind, bool)> + use<> {
        Kind::ALL.into_iter().map(|kind| (kind, false)).chain([(Kind::Instance, true)])
    }

    /// Of each kind, and of the lists of what changed, the case with the most exchanges: what faults are put into.
    fn richest(&self) -> Vec<&Case> {
        self.richest_places().into_iter().map(|place| &self.cases[place]).collect()
    }

    fn richest_places(&self) -> Vec<usize> {
        let richest = |(kind, is_of_changes): (Kind, bool)| {
            let asks = |case: &Case| (case.cassette.list, case.cassette.since.is_some()) == (kind, is_of_changes);
            let lists = self.cases.iter().enumerate().filter(|(_, case)| case.is_list() && asks(case));
            lists.max_by_key(|(_, case)| (case.cassette.exchanges.len(), case.run.resources().len()))
        };
        self.asked().filter_map(richest).map(|(place, _)| place).collect()
    }

    /// Of single instances, the case with the most exchanges, where it asks for them as it asks for lists: what an address of
    /// one's own that is not there says is another thing.
    fn richest_of_ids(&self) -> Option<usize> {
        let is_named = |case: &Case| {
            let mut parts = case.run.asked.iter().flat_map(|asked| asked.url.path_segments().into_iter().flatten());
            parts.any(|part| case.cassette.ids.iter().any(|id| id.as_str() == part))
        };
        let cases = self.cases.iter().enumerate().filter(|(_, case)| {
            let is_good = case.cassette.expect.error.is_none() && case.run.outcome.is_ok();
            is_good && self.stand.driver.info().by_id && !case.cassette.ids.is_empty() && !is_named(case)
        });
        cases.max_by_key(|(_, case)| case.cassette.exchanges.len()).map(|(place, _)| place)
    }

    /// The richest cases, with every fault in every answer that faults are put into.
    async fn faulted(&self) -> &[Faulted] {
        self.faulted.get_or_init(|| checks::faulted(self)).await
    }

    /// Whether the driver made a request in any of its lists.
    fn makes_requests(&self) -> bool {
        self.cases.iter().any(|case| case.run.usage().requests > 0 || !case.cassette.exchanges.is_empty())
    }
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

/// So many of something, in words for people.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn as_millis<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(whole_millis(*duration))
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
        let guide = include_str!("../../drivers/CONFORMANCE.md");
        let rows: Vec<&str> = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        for entry in checks::ALL {
            let times = rows.iter().filter(|row| **row == entry.name).count();
            assert_eq!(times, 1, "{} has a row of its own", entry.name);
        }
    }

    #[test]
    fn one_is_not_several() {
        assert_eq!([0, 1, 2].map(|number| count(number, "list")), ["0 lists", "1 list", "2 lists"]);
    }

    #[test]
    fn a_part_is_rounded_up() {
        let percent = |used, limit| Used { used, limit }.percent();
        assert_eq!((percent(0, 10), percent(1, 1000), percent(10, 10), percent(1001, 1000)), (0, 1, 100, 101));
    }
}
