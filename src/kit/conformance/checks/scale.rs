//! Large lists, and what lists take.

use std::time::Duration;

use crate::driver::{CallError, Limits};
use crate::kit::conformance::document::Document;
use crate::kit::conformance::report::{Finding, UsageRow, Used, count};
use crate::kit::conformance::stage::{Stage, recorded, with_body};
use crate::kit::conformance::stand::{Run, StandError, difference, ids};
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;
use crate::model::{Kind, whole_millis};

const THOUSAND: usize = 1_000;
/// What of a limit is a warning, in per cent.
const WARNING: u64 = 50;

pub(super) async fn thousand(suite: &Suite) -> Result<Verdict, StandError> {
    if !suite.manifest.kinds().contains(&Kind::Instance) {
        return Ok(Verdict::nothing("suite.json says that the provider lists no instances"));
    }
    let mut cases: Vec<&Case> = suite.lists().filter(|case| case.cassette.list == Kind::Instance).collect();
    cases.sort_by_key(|case| std::cmp::Reverse(case.run.resources().len()));
    if let Some(case) = cases.first().filter(|case| case.run.resources().len() >= THOUSAND) {
        let mut verdict = Verdict::tried(format!("{}, which has {}", case.name(), case.run.resources().len()));
        verdict.usage.push(row(case.name(), &case.run, &suite.blank.limits));
        return Ok(verdict);
    }
    for case in cases.into_iter().filter(|case| !case.run.resources().is_empty()) {
        if let Some(verdict) = grown(suite, case).await {
            return Ok(verdict);
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
    Ok(verdict)
}

/// Grows the largest answer of a case to a thousand.
async fn grown(suite: &Suite, case: &Case) -> Option<Verdict> {
    let resources = case.run.resources();
    let ids = ids(resources);
    let documents = case.cassette.exchanges.iter().enumerate().filter_map(|(at, exchange)| {
        let answered = recorded(exchange).ok()?;
        let document = Document::read(&answered.body)?;
        Some((document.count(&ids), at, answered, document))
    });
    let (count, at, answered, document) = documents.max_by_key(|(count, ..)| *count)?;
    if count == 0 {
        return None;
    }
    let grown = document.grown(&ids, THOUSAND.saturating_sub(resources.len()), resources.len())?;
    let run =
        suite.list(case, Stage::of(&case.cassette).rearranged().with(at, Ok(with_body(&answered, grown.body)))).await;
    let wanted = resources.len() + grown.added.len();
    let mut verdict = Verdict::tried(format!("{} with exchange {} grown to {wanted} in all", case.name(), at + 1));
    verdict.usage.push(row(&format!("{} grown to {wanted}", case.name()), &run, &suite.blank.limits));
    match &run.outcome {
        Err(failure) => {
            let remedy = match &failure.error {
                CallError::Limit { .. } => "read answers as they come, and hold no more than one page",
                _ => {
                    "see what the driver does with many entries on one page; where the provider's answers have something \
                     in them that copies break, add a cassette that lists 1,000 instances"
                }
            };
            verdict.find(case.finding(format!("expected {wanted} listed, and {} came", run.came()), remedy));
        }
        Ok(listing) => {
            let missing =
                grown.added.iter().filter(|id| !listing.resources.iter().any(|one| one.id().as_str() == **id));
            let missing = missing.count()
                + ids.iter().filter(|id| !listing.resources.iter().any(|one| one.id().as_str() == **id)).count();
            if missing > 0 || listing.resources.len() != wanted {
                verdict.find(case.finding(
                    format!(
                        "expected {wanted} listed, and {} were ({})",
                        listing.resources.len(),
                        difference(resources, &listing.resources)
                    ),
                    "list every entry of a page, however many there are; where the provider's answers have something in \
                     them that copies break, add a cassette that lists 1,000 instances",
                ));
            }
        }
    }
    Some(verdict)
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
