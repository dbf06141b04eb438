//! Large lists, and the resources that lists use.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::driver::{CallError, Limits};
use crate::kit::conformance::growth::{Growth, THOUSAND, growth};
use crate::kit::conformance::report::{Finding, UsageRow, Used, count};
use crate::kit::conformance::stand::{Run, StandError, difference, ids};
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;
use crate::model::{Kind, whole_millis};

/// More than one page of any provider, and more than any round number at which a driver may stop.
const LARGE: usize = 2_100;
/// What of a limit is a warning, in per cent.
const WARNING: u64 = 50;

pub(super) async fn thousand(suite: &Suite) -> Result<Verdict, StandError> {
    let mut verdict = match suite.manifest.kinds().contains(&Kind::Instance) {
        true => a_thousand_instances(suite).await,
        false => Verdict::nothing("suite.json says that the provider lists no instances"),
    };
    if suite.makes_requests() {
        larger(suite, &mut verdict).await;
    }
    Ok(verdict)
}

async fn a_thousand_instances(suite: &Suite) -> Verdict {
    let cases = longest_first(suite, Kind::Instance);
    if let Some(case) = cases.first().filter(|case| case.run.resources().len() >= THOUSAND) {
        let mut verdict = Verdict::tried(format!("{}, which has {}", case.name(), case.run.resources().len()));
        verdict.usage.push(row(case.name(), &case.run, &suite.blank.limits));
        return verdict;
    }
    for case in cases {
        if let Some(grown) = grown(suite, case, THOUSAND).await {
            let mut verdict = Verdict::tried(format!(
                "{} with exchange {} grown to {} in all",
                case.name(),
                grown.at + 1,
                grown.wanted.len()
            ));
            verdict.usage.push(row(
                &format!("{} grown to {}", case.name(), grown.wanted.len()),
                &grown.run,
                &suite.blank.limits,
            ));
            if let Some((why, what_to_do)) = grown.fault(case) {
                verdict.find(case.finding(why, what_to_do));
            }
            return verdict;
        }
    }
    let mut verdict = Verdict::tried("nothing");
    verdict.find(Finding {
        cassette: None,
        why: "no answer could be made to hold a thousand instances: in none is there a JSON array of objects, or a \
              row of XML elements, that hold the listed ids as values"
            .into(),
        what_to_do: "add a cassette that lists 1,000 instances or more".into(),
    });
    verdict
}

/// Tries one list of each kind with a page that is larger than any. A limit that it passes is no fault: providers give so much
/// on several pages.
async fn larger(suite: &Suite, verdict: &mut Verdict) {
    for kind in suite.manifest.kinds() {
        for case in longest_first(suite, kind) {
            let Some(grown) = grown(suite, case, LARGE).await else { continue };
            let is_limit =
                matches!(&grown.run.outcome, Err(failure) if matches!(failure.error, CallError::Limit { .. }));
            if let Some((why, what_to_do)) = grown.fault(case).filter(|_| !is_limit) {
                verdict.find(case.finding(why, what_to_do));
            }
            verdict.tried.push_str(&format!("; {} grown to {}", case.name(), grown.wanted.len()));
            break;
        }
    }
}

/// The lists of everything of a kind that have something in them, the longest first.
fn longest_first(suite: &Suite, kind: Kind) -> Vec<&Case> {
    let lists = suite.lists().filter(|case| case.cassette.list == kind && !case.run.resources().is_empty());
    let mut cases: Vec<&Case> = lists.collect();
    cases.sort_by_key(|case| std::cmp::Reverse(case.run.resources().len()));
    cases
}

/// A list of which one answer has copies of its entries.
struct GrownList {
    at: usize,
    /// The ids that it has to have.
    wanted: BTreeSet<String>,
    run: Run,
}

/// Adds entries to the largest answer of a case until the whole list has `entries`, and lists it.
async fn grown(suite: &Suite, case: &Case, entries: usize) -> Option<GrownList> {
    let Growth { at, wanted, stage } = growth(case, entries)?;
    let run = suite.list(case, stage).await;
    Some(GrownList { at, wanted, run })
}

impl GrownList {
    /// In what the list is not what its answers have, and what to do.
    fn fault(&self, case: &Case) -> Option<(String, &'static str)> {
        let wanted = self.wanted.len();
        let listing = match &self.run.outcome {
            Ok(listing) => listing,
            Err(failure) => {
                let remedy = match &failure.error {
                    CallError::Limit { .. } => "read answers as they come, and hold no more than one page",
                    _ => {
                        "see what the driver does with many entries on one page; where the provider's answers have something \
                         in them that copies break, add a cassette that lists 1,000 instances"
                    }
                };
                return Some((format!("expected {wanted} listed, and {} came", self.run.came()), remedy));
            }
        };
        let listed = ids(&listing.resources);
        let is_whole = self.wanted.iter().all(|id| listed.contains(id.as_str()));
        (!is_whole || listing.resources.len() != wanted).then(|| {
            (
                format!(
                    "expected {wanted} listed, and {} were ({})",
                    listing.resources.len(),
                    difference(case.run.resources(), &listing.resources)
                ),
                "list every entry of a page, however many there are; where the provider's answers have something in \
                 them that copies break, add a cassette that lists 1,000 instances",
            )
        })
    }
}

pub(super) async fn limits(suite: &Suite) -> Result<Verdict, StandError> {
    let mut verdict = Verdict::tried(count(suite.cases.len(), "list"));
    for case in &suite.cases {
        let row = row(case.name(), &case.run, &suite.blank.limits);
        let passed = match &case.run.outcome {
            Err(failure) => matches!(failure.error, CallError::Limit { .. }).then(|| failure.to_string()),
            Ok(_) => None,
        };
        for (what, used, setting) in parts(&row) {
            let percent = used.percent();
            let figures = format!(
                "{what}: {percent} % of its limit ({} of {}; setting: drivers.limits.{setting})",
                used.used, used.limit
            );
            if percent > 100 {
                verdict.find(case.finding(figures, REMEDY));
            } else if percent > WARNING {
                verdict.warnings.push(format!("{}: {figures}", case.name()));
            }
        }
        if let Some(why) = passed {
            verdict.find(case.finding(why, REMEDY));
        }
        verdict.usage.push(row);
    }
    Ok(verdict)
}

const REMEDY: &str = "read answers as they come, take as many entries a page as the provider gives, and ask for nothing \
                      that is not listed";

fn row(what: &str, run: &Run, limits: &Limits) -> UsageRow {
    let usage = run.usage();
    let used = |used: u64, limit: u64| Used { used, limit };
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    UsageRow {
        what: what.to_owned(),
        listed: run.resources().len(),
        memory: used(usage.memory as u64, limits.memory as u64),
        page_cpu_micros: used(micros(run.page_cpu), micros(limits.cpu_per_page)),
        requests: used(usage.requests.into(), limits.requests.into()),
        pages: used(usage.pages.into(), limits.pages.into()),
        wall_millis: used(whole_millis(usage.wall), whole_millis(limits.poll_timeout)),
    }
}

fn parts(row: &UsageRow) -> [(&'static str, Used, &'static str); 5] {
    [
        ("memory", row.memory, "memory"),
        ("CPU time of a page, in microseconds", row.page_cpu_micros, "cpu_per_page"),
        ("requests", row.requests, "requests"),
        ("pages", row.pages, "pages"),
        ("time, in milliseconds", row.wall_millis, "poll_timeout"),
    ]
}
