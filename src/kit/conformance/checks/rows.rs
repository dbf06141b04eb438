//! Compares the rows of an answer with the list: every value in the position of an id is an id.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::driver::{Contract, Coverage};
use crate::kit::cassette::Cassette;
use crate::kit::conformance::document::{Document, Edit, Node};
use crate::kit::conformance::report::count;
use crate::kit::conformance::stage::{Stage, recorded, recounted, with_body};
use crate::kit::conformance::stand::{Run, StandError, ids};
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;
use crate::model::{Kind, ResourceId};

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
    let mut falsified = 0;
    for case in suite.richest().into_iter().filter(|case| case.cassette.since.is_none() && is_complete(&case.run)) {
        for (what, stage) in falsified_answers(suite, case) {
            falsified += 1;
            let run = suite.list(case, stage).await;
            if is_complete(&run) {
                verdict.find(case.finding(
                    format!("where {what}, {} came", run.came()),
                    "give the host all that is on a page, and the provider's own count as the page's `total`: it sees what \
                     does not fit together",
                ));
            }
        }
    }
    let empty = empty_accounts(suite, &mut verdict).await;
    verdict.tried = format!("{} of answers; answers that do not fit together: {falsified}", count(rows, "row"));
    if empty > 0 {
        verdict.tried.push_str(&format!("; without a row: {empty}"));
    }
    if omitted > 0 {
        verdict.tried.push_str(&format!("; left out as no instances: {omitted}"));
    }
    Ok(verdict)
}

/// Answers of an account that has no instances any more: a whole list with nothing in it. Says how many were tried.
async fn empty_accounts(suite: &Suite, verdict: &mut Verdict) -> usize {
    let mut tried = 0;
    let lists = suite.lists().filter(|case| {
        let Cassette { list, since, .. } = &case.cassette;
        let is_whole = is_complete(&case.run) && !case.run.resources().is_empty();
        *list == Kind::Instance && since.is_none() && is_whole
    });
    // A page behind others may say so, and is no first one then.
    let lists: Vec<&Case> = lists.collect();
    let least = lists.iter().map(|case| case.run.pages.len()).min();
    for case in lists.into_iter().filter(|case| Some(case.run.pages.len()) == least) {
        let ids = ids(case.run.resources());
        let pages = case.cassette.exchanges.iter().enumerate().filter_map(|(at, exchange)| {
            let answered = recorded(exchange).ok()?;
            let document = Document::read(&answered.body)?;
            let lists = document.lists(&ids);
            let path = lists.first()?.path.clone();
            Some((at, answered, document, lists, path))
        });
        let pages: Vec<_> = pages.collect();
        // The last one leads to no other.
        let (Some((at, ..)), Some((_, answered, document, lists, path))) = (pages.first(), pages.last()) else {
            continue;
        };
        tried += 1;
        let nodes = document.nodes();
        let counts = nodes.iter().filter(|node| counts(node, ids.len()));
        let counts = counts.map(|node| (node.place.clone(), Edit::Text("0".to_owned())));
        let emptied = lists.iter().map(|list| (list.place.clone(), Edit::Emptied));
        let edits: Vec<_> = counts.chain(emptied).collect();
        let empty = with_body(answered, document.edited(&edits));
        let empty = recounted(empty, |count| (count == ids.len()).then_some(0));
        let stage = Stage::of(&case.cassette).with(*at, Ok(empty));
        // Where a provider gives an empty list to those who may see nothing, a driver asks in a second way. Cassettes
        // without instances show what for.
        let stage = stage.beside(suite.lists().map(|other| &other.cassette).filter(|other| is_empty_list(case, other)));
        let run = suite.list(case, stage).await;
        if !is_complete(&run) || !run.resources().is_empty() {
            verdict.find(case.finding(
                format!(
                    "with nothing in {path}, expected a whole list without anything in it, and {} came",
                    run.came()
                ),
                "take a list without entries for what it is: an account may have none",
            ));
        }
    }
    tried
}

fn is_complete(run: &Run) -> bool {
    matches!(&run.outcome, Ok(listing) if listing.coverage == Coverage::Complete)
}

/// Whether a cassette is the complete list of an account like that of a case, without anything in it.
fn is_empty_list(case: &Case, other: &Cassette) -> bool {
    let expect = &other.expect;
    let is_empty = expect.count == Some(0) || expect.ids.as_ref().is_some_and(Vec::is_empty);
    other.list == case.cassette.list && expect.error.is_none() && is_empty
}

/// Lists in which an entry is missing, and shows: another one has its place, or the provider counts one more.
fn falsified_answers(suite: &Suite, case: &Case) -> Vec<(String, Stage)> {
    let ids = ids(case.run.resources());
    let mut falsified = Vec::new();
    let mut counted = Stage::of(&case.cassette).rearranged();
    let mut count: Option<String> = None;
    falsified.extend(on_two_pages(case, &ids));
    let mut is_twice = false;
    for (at, exchange) in case.cassette.exchanges.iter().enumerate() {
        let Ok(answered) = recorded(exchange) else { continue };
        let Some(document) = Document::read(&answered.body) else { continue };
        let Some(path) = document.id_path(&ids) else { continue };
        let nodes = document.nodes();
        let own = nodes.iter().filter(|node| node.path == path);
        let mut own = own.filter(|node| node.text.as_deref().is_some_and(|text| ids.contains(text)));
        if let (Some(first), Some(second)) = (own.next(), own.next())
            && !is_twice
            && let Some(id) = first.text.clone()
        {
            let body = document.edited(&[(second.place.clone(), Edit::Text(id.clone()))]);
            let stage = Stage::of(&case.cassette).rearranged().with(at, Ok(with_body(&answered, body)));
            falsified.push((format!("{id} stands twice on one page of exchange {}", at + 1), stage));
            is_twice = true;
        }
        let total = nodes.iter().filter(|node| counts(node, ids.len())).map(|node| &node.place);
        let more = (ids.len() + 1).to_string();
        let edits: Vec<_> = total.map(|place| (place.clone(), Edit::Text(more.clone()))).collect();
        if !edits.is_empty() {
            counted = counted.with(at, Ok(with_body(&answered, document.edited(&edits))));
            count = Some(more);
        }
    }
    // A page of contract 0.1 has no place for it.
    if let Some(count) = count.filter(|_| suite.stand.driver.contract() != Contract::V0_1) {
        falsified.push((format!("the provider counts {count} in all, and gives {}", ids.len()), counted));
    }
    falsified
}

/// A list of which an entry of one page stands on another one in the place of that page's own: as where entries move between
/// two requests. None where pages have ids in common.
fn on_two_pages(case: &Case, ids: &HashSet<&str>) -> Option<(String, Stage)> {
    let mut before: Option<(usize, Vec<String>)> = None;
    for (at, exchange) in case.cassette.exchanges.iter().enumerate() {
        let Ok(answered) = recorded(exchange) else { continue };
        let Some(document) = Document::read(&answered.body) else { continue };
        let Some(path) = document.id_path(ids) else { continue };
        let own = document.nodes().into_iter().filter(|node| node.path == path);
        let own: Vec<Node> = own.filter(|node| node.text.as_deref().is_some_and(|text| ids.contains(text))).collect();
        let held: Vec<String> = own.iter().filter_map(|node| node.text.clone()).collect();
        let (Some((page, known)), Some(second)) = (&before, own.first()) else {
            before = before.or((!held.is_empty()).then_some((at, held)));
            continue;
        };
        let moved = known.first().filter(|_| !held.iter().any(|id| known.contains(id)))?;
        let body = document.edited(&[(second.place.clone(), Edit::Text(moved.clone()))]);
        let stage = Stage::of(&case.cassette).rearranged().with(at, Ok(with_body(&answered, body)));
        return Some((format!("{moved} stands on the pages of the exchanges {} and {}", page + 1, at + 1), stage));
    }
    None
}

/// Whether a member says how many entries the whole list has.
pub(super) fn counts(node: &Node, listed: usize) -> bool {
    let name = node.path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    (name.contains("total") || name == "results" || name == "count")
        && node.text.as_deref().and_then(|text| text.parse().ok()) == Some(listed)
}

#[derive(Default)]
struct Rows {
    rows: usize,
    unlisted: BTreeSet<String>,
}

/// What stands in the place of ids, and is neither listed nor said to be gone.
fn unlisted(case: &Case) -> Rows {
    let mut ids = ids(case.run.resources());
    if let Ok(listing) = &case.run.outcome
        && let Coverage::Delta(gone) = &listing.coverage
    {
        ids.extend(gone.iter().map(ResourceId::as_str));
    }
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
