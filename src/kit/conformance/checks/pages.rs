//! Whether a driver reads every page in the same way: values of a first page are put onto later pages, and values of
//! later pages onto the first.

use std::collections::HashSet;

use http::StatusCode;

use crate::driver::Coverage;
use crate::driver::wire::Answered;
use crate::kit::conformance::document::{Document, Node};
use crate::kit::conformance::stage::{Stage, recorded, with_body};
use crate::kit::conformance::stand::{Run, difference, ids, is_alike};
use crate::kit::conformance::suite::{Case, Suite, ids_of};
use crate::kit::conformance::verdict::Verdict;

/// An answer with something of a list.
struct Page {
    at: usize,
    answered: Answered,
    document: Document,
}

fn pages(case: &Case) -> Vec<Page> {
    let ids = ids(case.run.resources());
    let page = |(at, exchange): (usize, _)| {
        let answered: Answered = recorded(exchange).ok()?;
        let document = Document::read(&answered.body)?;
        (!document.entries(&ids).is_empty()).then_some(Page { at, answered, document })
    };
    case.cassette.exchanges.iter().enumerate().filter_map(page).collect()
}

/// The whole lists of several pages, each with these.
fn paged(suite: &Suite) -> Vec<(&Case, Vec<Page>)> {
    let whole = suite.lists().filter(|case| {
        let listing = case.run.outcome.as_ref();
        case.run.pages.len() > 1 && listing.is_ok_and(|listing| listing.coverage == Coverage::Complete)
    });
    let paged = whole.map(|case| (case, pages(case)));
    paged.filter(|(_, pages)| pages.len() > 1).collect()
}

/// Something that is said of a page beside its entries.
enum Fact {
    Node(Node),
    Headers,
    Status(StatusCode),
}

impl Fact {
    /// For people.
    fn name(&self) -> &str {
        match self {
            Fact::Node(node) => &node.path,
            Fact::Headers => "its headers",
            Fact::Status(_) => "its status",
        }
    }

    /// A page with what another one says; none where it says that itself.
    fn on(&self, page: &Page, other: &Page) -> Option<Answered> {
        match self {
            Fact::Node(node) => {
                let body = page.document.overlaid(&other.document, node)?;
                (body != page.document.edited(&[])).then(|| with_body(&page.answered, body))
            }
            Fact::Headers => {
                let mut answered = page.answered.clone();
                other.answered.headers.iter().for_each(|(name, value)| {
                    answered.headers.insert(name.clone(), value.clone());
                });
                (answered.headers != page.answered.headers).then_some(answered)
            }
            Fact::Status(status) => {
                (*status != page.answered.status).then(|| Answered { status: *status, ..page.answered.clone() })
            }
        }
    }
}

/// What stands beside the entries of a page, the outermost of it.
fn beside(page: &Page, ids: &HashSet<&str>) -> Vec<Node> {
    let entries = page.document.entries(ids);
    let containers = page.document.containers(ids);
    let is_outside = |node: &Node| {
        !entries.iter().any(|entry| page.document.is_within(&node.place, entry) || node.place == *entry)
            && !containers.iter().any(|list| {
                list.place == node.place
                    || page.document.is_within(&list.place, &node.place)
                    || page.document.is_within(&node.place, &list.place)
            })
    };
    let outside: Vec<Node> = page.document.nodes().into_iter().filter(is_outside).collect();
    let is_inner = |node: &Node| outside.iter().any(|other| page.document.is_within(&node.place, &other.place));
    outside.iter().filter(|node| !is_inner(node)).cloned().collect()
}

/// Holds that what makes a list partial where it stands on one page does so on every page; says how many pages were tried.
pub(super) async fn partial_everywhere(suite: &Suite, verdict: &mut Verdict) -> usize {
    let mut tried = 0;
    let is_partial =
        |run: &Run| matches!(&run.outcome, Ok(listing) if matches!(listing.coverage, Coverage::Partial(_)));
    for (case, pages) in paged(suite) {
        let alike = suite.lists().filter(|other| other.cassette.list == case.cassette.list && is_partial(&other.run));
        for other in alike {
            let ids = ids(other.run.resources());
            for source in self::pages(other) {
                let facts = beside(&source, &ids).into_iter().map(Fact::Node);
                let facts = facts.chain([Fact::Headers, Fact::Status(source.answered.status)]);
                for fact in facts {
                    let mut said = Vec::new();
                    for page in &pages {
                        let Some(answered) = fact.on(page, &source) else { continue };
                        tried += 1;
                        let run = suite.list(case, Stage::of(&case.cassette).with(page.at, Ok(answered))).await;
                        let is_whole = ids_of(case) == self::ids(run.resources());
                        if is_partial(&run) || is_whole {
                            said.push((page.at, is_partial(&run)));
                        }
                    }
                    let find = |partial: bool| said.iter().find(|(_, is)| *is == partial).map(|(at, _)| at + 1);
                    if let (Some(partial), Some(whole)) = (find(true), find(false)) {
                        verdict.find(case.finding(
                            format!(
                                "with {} of {} in the answer to exchange {partial}, the list is partial, and in that to \
                                 exchange {whole} it is not",
                                fact.name(),
                                other.name()
                            ),
                            "look on each page for what makes a list partial, from the first to the last",
                        ));
                    }
                }
            }
        }
    }
    tried
}

/// Holds that an entry is read alike on every page; says how many lists were tried.
pub(super) async fn entries_change_pages(suite: &Suite, verdict: &mut Verdict) -> usize {
    let mut tried = 0;
    for (case, pages) in paged(suite) {
        let ids = ids(case.run.resources());
        let [first, .., last] = pages.as_slice() else { continue };
        let with = |page: &Page, other: &Page| page.document.with_entries_of(&other.document, &ids);
        let (Some(to_front), Some(to_back)) = (with(first, last), with(last, first)) else { continue };
        tried += 1;
        let stage = Stage::of(&case.cassette).rearranged();
        let stage = stage.with(first.at, Ok(with_body(&first.answered, to_front)));
        let run = suite.list(case, stage.with(last.at, Ok(with_body(&last.answered, to_back)))).await;
        if !is_alike(&case.run, &run) {
            let what = match &run.outcome {
                Ok(listing) => difference(case.run.resources(), &listing.resources),
                Err(_) => run.came(),
            };
            verdict.find(case.finding(
                format!("with the entries of its first page on its last one, and the other way round, another list came: {what}"),
                "read the entries of each page in one way",
            ));
        }
    }
    tried
}
