//! The table that is printed at the end. Each row is also shown once it is measured, so that a run that breaks off has shown
//! something.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

struct Row {
    what: Cow<'static, str>,
    best: String,
    median: String,
    bound: String,
    ratio: String,
}

impl Table {
    /// Times, held against the longest that the median may be.
    pub(crate) fn times(
        &mut self,
        what: impl Into<Cow<'static, str>>,
        mut rounds: Vec<Duration>,
        bound: Option<Duration>,
    ) -> Duration {
        rounds.sort();
        let median = rounds[rounds.len() / 2];
        self.push(Row {
            what: what.into(),
            best: format!("{:.3?}", rounds[0]),
            median: format!("{median:.3?}"),
            bound: bound.map_or_else(|| "-".into(), |bound| format!("<= {bound:?}")),
            ratio: bound.map_or_else(|| "-".into(), |bound| ratio(median.as_secs_f64() / bound.as_secs_f64())),
        });
        median
    }

    /// The hundredth part of times that took longest, held against the longest that they may take.
    pub(crate) fn slowest(&mut self, what: impl Into<Cow<'static, str>>, mut rounds: Vec<Duration>, bound: Duration) {
        rounds.sort();
        self.times(what, vec![rounds[rounds.len() * 99 / 100]], Some(bound));
    }

    /// Rates or parts, of which more is better, held against the least that the median may be.
    pub(crate) fn at_least(
        &mut self,
        what: impl Into<Cow<'static, str>>,
        mut rounds: Vec<f64>,
        unit: &str,
        bound: Option<f64>,
    ) -> f64 {
        rounds.sort_by(f64::total_cmp);
        let median = rounds[rounds.len() / 2];
        self.push(Row {
            what: what.into(),
            best: format!("{} {unit}", figure(rounds[rounds.len() - 1])),
            median: format!("{} {unit}", figure(median)),
            bound: bound.map_or_else(|| "-".into(), |bound| format!(">= {bound} {unit}")),
            ratio: bound.map_or_else(|| "-".into(), |bound| ratio(bound / median)),
        });
        median
    }

    /// How one cost compares with another, round by round, held against the most that the median may be of it.
    pub(crate) fn comparisons(&mut self, what: impl Into<Cow<'static, str>>, mut rounds: Vec<f64>, bound: f64) {
        rounds.sort_by(f64::total_cmp);
        let median = rounds[rounds.len() / 2];
        self.push(Row {
            what: what.into(),
            best: format!("{:.2} x", rounds[0]),
            median: format!("{median:.2} x"),
            bound: format!("<= {bound} x"),
            ratio: ratio(median / bound),
        });
    }

    /// An amount, held against the most that it may be.
    pub(crate) fn amount(&mut self, what: impl Into<Cow<'static, str>>, found: f64, unit: &str, bound: Option<f64>) {
        self.push(Row {
            what: what.into(),
            best: String::new(),
            median: format!("{found:.1} {unit}"),
            bound: bound.map_or_else(|| "-".into(), |bound| format!("<= {bound} {unit}")),
            ratio: bound.map_or_else(|| "-".into(), |bound| ratio(found / bound)),
        });
    }

    /// How a row compares with another, held against the most that it may be of it.
    pub(crate) fn comparison(&mut self, what: impl Into<Cow<'static, str>>, found: f64, bound: Option<f64>) {
        self.push(Row {
            what: what.into(),
            best: String::new(),
            median: format!("{found:.2} x"),
            bound: bound.map_or_else(|| "-".into(), |bound| format!("<= {bound} x")),
            ratio: bound.map_or_else(|| "-".into(), |bound| ratio(found / bound)),
        });
    }

    #[expect(clippy::print_stderr, reason = "the table itself is printed to standard output")]
    fn push(&mut self, row: Row) {
        eprintln!("{row}");
        self.rows.push(row);
    }

    #[expect(clippy::print_stdout, reason = "the table is what a bench is run for")]
    pub(crate) fn print(&self) {
        let head = ["best", "median", "bound", "of bound"].map(str::to_owned);
        let [best, median, bound, ratio] = head;
        println!("\n{}", Row { what: "".into(), best, median, bound, ratio });
        for row in &self.rows {
            println!("{row}");
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { what, best, median, bound, ratio } = self;
        write!(f, "{what:<58} {best:>12} {median:>12} {bound:>14} {ratio:>12}")
    }
}

/// With three digits at least.
fn figure(value: f64) -> String {
    if value < 100.0 { format!("{value:.3}") } else { format!("{value:.0}") }
}

/// What was found, as a part of what it may be; for what is to be large, the other way round.
fn ratio(ratio: f64) -> String {
    format!("{ratio:.2}{}", if ratio > 1.0 { "  MISSED" } else { "" })
}
