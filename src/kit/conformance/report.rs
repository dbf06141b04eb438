//! The result of the suite.

use std::time::Duration;

use serde::Serialize;

use crate::model::{Kind, whole_millis};

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

/// So many of something, in words for people.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn as_millis<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(whole_millis(*duration))
}

#[cfg(test)]
mod tests {
    use super::*;

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
