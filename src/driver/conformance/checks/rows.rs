//! The rows of an answer held against what was listed: what stands where the ids stand is an id, too.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::repeating::ids;
use crate::driver::Coverage;
use crate::driver::conformance::document::Document;
use crate::driver::conformance::stage::recorded;
use crate::driver::conformance::{Case, StandError, Suite, Verdict, count};

pub(super) async fn each(suite: &Suite) -> Result<Verdict, StandError> {
    if !suite.makes_requests() {
        return Ok(Verdict::nothing("it makes no requests, so there are no rows"));
    }
    let mut verdict = Verdict::default();
    let (mut rows, mut omitted) = (0, 0);
    for case in suite.lists() {
        if matches!(&case.run.outcome, Ok(listing) if matches!(listing.coverage, Coverage::Partial(_))) {
            continue;
        }
        let found = unlisted(case);
        rows += found.rows;
        omitted += case.run.omitted;
        if found.unlisted.len() as u64 > case.run.omitted {
            let named: Vec<&str> = found.unlisted.iter().take(3).map(String::as_str).collect();
            let said = match case.run.omitted {
                0 => "it does not say that it left anything out".to_owned(),
                omitted => format!("it says that it left out {omitted}"),
            };
            verdict.find(case.finding(
                format!(
                    "{} of its answers are not listed ({}), and {said}",
                    count(found.unlisted.len(), "row"),
                    named.join(", ")
                ),
                "list every row; what is no instance (a template, say) is counted in the page's `omitted`, and what can't \
                 be read is an error, or makes the list partial",
            ));
        }
    }
    verdict.tried = format!("{} of answers", count(rows, "row"));
    if omitted > 0 {
        verdict.tried.push_str(&format!("; left out as no instances: {omitted}"));
    }
    Ok(verdict)
}

#[derive(Default)]
struct Rows {
    rows: usize,
    unlisted: BTreeSet<String>,
}

/// What stands in the place of ids, and is not listed.
fn unlisted(case: &Case) -> Rows {
    let ids = ids(case.run.resources());
    let mut found = Rows::default();
    let mut covered: HashSet<String> = HashSet::new();
    for exchange in &case.cassette.exchanges {
        let Some(document) = recorded(exchange).ok().and_then(|answered| Document::read(&answered.body)) else {
            continue;
        };
        let nodes = document.nodes();
        let mut by_path: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for node in &nodes {
            if let Some(text) = node.text.as_deref().filter(|text| !text.is_empty()) {
                by_path.entry(&node.path).or_default().push(text);
            }
        }
        // Where ids are that were not seen yet: a list of something else may refer to instances, too.
        let fresh = |texts: &[&str]| {
            let held = texts.iter().filter(|text| ids.contains(**text) && !covered.contains(**text));
            held.collect::<BTreeSet<_>>().len()
        };
        let best = by_path.values().max_by_key(|texts| (fresh(texts), std::cmp::Reverse(texts.len())));
        let Some(texts) = best.filter(|texts| fresh(texts) > 0) else { continue };
        found.rows += texts.len();
        found.unlisted.extend(texts.iter().filter(|text| !ids.contains(**text)).map(|text| (*text).to_owned()));
        covered.extend(texts.iter().map(|text| (*text).to_owned()));
    }
    found
}
