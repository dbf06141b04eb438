//! `tracker driver test`: runs the conformance suite over a file, which need not be approved, and prints the result. It
//! also records that the file passed.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::find::short;
use crate::cli::config_args::ConfigArgs;
use crate::cli::output;
use crate::cli::process::runtime;
use crate::cli::table::{printable, table};
use crate::cli::usage::UsageError;
use crate::clock::{Clock as _, SystemClock};
use crate::kit::conformance::{self, Check, Finding, Report, Selection, SuiteError, Trial, UsageRow, Used};
use crate::supply::{Lock, Tested};

#[derive(Debug, Args)]
#[command(after_help = "\
The driver reaches only the cassettes, and need not be approved. docs/drivers/conformance.md explains each check and how to
pass it; docs/drivers/cassettes.md explains cassettes.

Examples:
  tracker driver test target/drivers/ec2.wasm --cassettes drivers/ec2/cassettes
  tracker driver test ec2.wasm --cassettes cassettes --only broken-answers
  tracker driver test ec2.wasm --cassettes cassettes --admit     record in drivers.lock that it passed")]
pub(crate) struct Test {
    /// The driver's file
    file: PathBuf,
    /// The directory of the driver's cassettes and its suite.json
    #[arg(long, value_name = "DIR")]
    cassettes: PathBuf,
    /// Run only this check; repeatable
    #[arg(long, value_name = "CHECK", conflicts_with = "admit")]
    only: Vec<String>,
    /// Record in the lock file that the file passed, for hosts with drivers.require_tested
    #[arg(long)]
    admit: bool,
    /// The format of the output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

impl Test {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = self.config.load_without_accounts()?;
        if !self.file.is_file() {
            return Err(UsageError(format!("there is no file {}", self.file.display())).into());
        }
        let selection = match self.only.is_empty() {
            true => Selection::All,
            false => Selection::Only(self.only.clone()),
        };
        let trial = Trial {
            limits: &config.limits,
            compile: &config.compile,
            file: &self.file,
            cassettes: &self.cassettes,
            compiled: None,
            selection: &selection,
        };
        let report = runtime()?.block_on(conformance::run(trial)).map_err(|error| match error {
            SuiteError::NoCheck { .. } => anyhow::Error::from(UsageError(error.to_string())),
            SuiteError::Stand(error) => anyhow::anyhow!("{}: {error}", self.file.display()),
            other => anyhow::anyhow!("{other}"),
        })?;
        match self.output {
            Output::Text => output::text!("{}", text(&report)),
            Output::Json => output::json(&report)?,
        }
        let failed = report.checks.iter().filter(|check| !check.passed()).count();
        if failed > 0 {
            let admitted = if self.admit { "; nothing was recorded" } else { "" };
            anyhow::bail!("{failed} of {} checks failed{admitted}", report.checks.len());
        }
        if self.admit {
            anyhow::ensure!(
                report.shows_instances(),
                "no instances were listed, so nothing was recorded: add a cassette that lists some"
            );
            let mut lock = Lock::read(&config.drivers.lock)?;
            lock.record_tested(Tested {
                sha256: report.sha256.clone(),
                suite: report.suite,
                checks: u32::try_from(report.checks.len()).unwrap_or(u32::MAX),
                cassettes_sha256: report.cassettes_sha256.clone(),
                declarations_sha256: report.declarations_sha256.clone(),
                lists: report.lists.iter().map(|list| (*list).to_owned()).collect(),
                tested_at: SystemClock.now(),
                tested_by: super::approve::user(),
            });
            lock.write(&config.drivers.lock)?;
            output::stderr_line!("Recorded in {} that the driver passed.", config.drivers.lock.display());
            if lock.by_digest(&report.sha256).is_none() {
                output::stderr_line!("It is not approved yet: tracker driver approve {}", self.file.display());
            }
        }
        Ok(())
    }
}

/// The report for a terminal. What a driver or a provider wrote goes through `printable`.
fn text(report: &Report) -> String {
    let mut text = format!(
        "{} {} ({}), form {} of the suite, {} cassettes ({})\n",
        printable(&report.name),
        printable(&report.version),
        short(&report.sha256),
        report.suite,
        report.cassettes,
        short(&report.cassettes_sha256)
    );
    for declared in &report.declared {
        let _ = writeln!(text, "Declared by its author, not checked: {}", printable(declared));
    }
    text.push('\n');
    for check in &report.checks {
        check_text(&mut text, check);
    }
    if !report.usage.is_empty() {
        text.push('\n');
        let headings = ["LIST", "LISTED", "PEAK MEMORY", "CPU A PAGE", "REQUESTS", "PAGES", "TIME"];
        text.push_str(&table(headings, report.usage.iter().map(usage_cells)));
    }
    let passed = report.checks.iter().filter(|check| check.passed()).count();
    let warnings: usize = report.checks.iter().map(|check| check.warnings.len()).sum();
    let runs: u32 = report.checks.iter().map(|check| check.runs).sum();
    let _ = write!(text, "\n{passed} of {} checks passed, over {runs} lists", report.checks.len());
    text.push_str(&match warnings {
        0 => ".\n".to_owned(),
        1 => "; 1 warning.\n".to_owned(),
        several => format!("; {several} warnings.\n"),
    });
    text
}

fn check_text(text: &mut String, check: &Check) {
    let mark = match (check.passed(), check.warnings.is_empty()) {
        (false, _) => "FAILED",
        (true, false) => "warns ",
        (true, true) => "passed",
    };
    let _ = writeln!(text, "{mark}  {:24}{}", check.name, printable(&check.tried));
    if !check.passed() {
        let _ = writeln!(text, "          {}", check.about);
    }
    for Finding { cassette, why, what_to_do } in &check.findings {
        let place = cassette.as_ref().map_or(String::new(), |name| format!("{}: ", printable(name)));
        let _ = writeln!(text, "        - {place}{}", printable(why));
        let _ = writeln!(text, "          What to do: {}", printable(what_to_do));
    }
    for warning in &check.warnings {
        let _ = writeln!(text, "        - {}", printable(warning));
    }
}

fn usage_cells(row: &UsageRow) -> [String; 7] {
    let cell = |used: Used, amount: String| format!("{amount} ({} %)", used.percent());
    let millis = |micros: u64| format!("{}.{} ms", micros / 1000, micros % 1000 / 100);
    [
        row.what.clone(),
        row.listed.to_string(),
        cell(row.memory, bytesize::ByteSize(row.memory.used).to_string()),
        cell(row.page_cpu_micros, millis(row.page_cpu_micros.used)),
        cell(row.requests, row.requests.used.to_string()),
        cell(row.pages, row.pages.used.to_string()),
        cell(row.wall_millis, format!("{} ms", row.wall_millis.used)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_is_wrong_and_what_to_do() {
        let check = |name, findings, warnings: &[&str]| Check {
            name,
            about: "A list goes on to its end.",
            tried: "2 lists".into(),
            findings,
            warnings: warnings.iter().map(|text| (*text).to_owned()).collect(),
            runs: 2,
            wall: std::time::Duration::ZERO,
        };
        let finding = Finding {
            cassette: Some("two-pages".into()),
            why: "one id is listed \u{1b}[2Jtwice".into(),
            what_to_do: "list it once".into(),
        };
        let used = |used| Used { used, limit: 1000 };
        let row = UsageRow {
            what: "two-pages".into(),
            listed: 3,
            memory: used(600),
            page_cpu_micros: used(1),
            requests: used(2),
            pages: used(2),
            wall_millis: used(0),
        };
        let report = Report {
            suite: 1,
            sha256: "a".repeat(64),
            name: "lax".into(),
            version: "1.0.0".into(),
            cassettes: 1,
            cassettes_sha256: "c".repeat(64),
            declared: vec!["paging: false".into()],
            declarations_sha256: "d".repeat(64),
            lists: vec!["instances"],
            checks: vec![check("pages-to-the-end", vec![finding], &[]), check("within-limits", vec![], &["60 %"])],
            usage: vec![row],
        };
        let text = text(&report);
        let has = |part: &str| assert!(text.contains(part), "{part:?} is not in:\n{text}");
        has("lax 1.0.0 (aaaaaaaaaaaa), form 1 of the suite, 1 cassettes (cccccccccccc)\n");
        has("Declared by its author, not checked: paging: false\n");
        has("FAILED  pages-to-the-end        2 lists\n          A list goes on to its end.\n");
        has("- two-pages: one id is listed <U+001B>[2Jtwice\n          What to do: list it once\n");
        has("warns   within-limits           2 lists\n        - 60 %\n");
        has("600 B (60 %)");
        has("1 of 2 checks passed, over 4 lists; 1 warning.\n");
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["checks"][0]["findings"][0]["cassette"], "two-pages");
    }
}
