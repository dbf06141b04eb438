//! Lists that no cassette shows on several pages, at providers with pages in another list. The driver has to follow the
//! same cursor or link here.

use super::play::{fault, play};
use crate::driver::Coverage;
use crate::kit::conformance::chain::{Cursors, Link, Shape};
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;

/// How many pages are made.
const PAGES: usize = 3;

/// Tries a list of one page of each kind that has none of several, and one of what changed; gives their names.
pub(super) async fn led_on<'a>(suite: &'a Suite, verdict: &mut Verdict) -> Vec<&'a str> {
    let asks = |case: &Case| (case.cassette.list, case.cassette.since.is_some());
    let whole = suite.lists().filter(|case| {
        let is_whole = |coverage: &Coverage| matches!(coverage, Coverage::Complete | Coverage::Delta(_));
        case.run.outcome.as_ref().is_ok_and(|listing| is_whole(&listing.coverage)) && !case.run.resources().is_empty()
    });
    let whole: Vec<&Case> = whole.collect();
    let links: Vec<(&Case, Link)> = whole.iter().filter_map(|case| Some((*case, Link::of(case)?))).collect();
    let mut tried = Vec::new();
    for asked in suite.asked().filter(|asked| !links.iter().any(|(case, _)| asks(case) == *asked)) {
        let singles = whole.iter().filter(|case| asks(case) == asked && case.run.pages.len() == 1);
        let borrowed = |single: &&'a Case| {
            links.iter().find_map(|(paged, link)| Some((*single, paged.name(), link.borrowed(paged, single)?)))
        };
        let Some((single, like, link)) = singles.filter_map(borrowed).next() else { continue };
        tried.push(single.name());
        let shape = Shape { pages: PAGES, cursors: Cursors::Alike, has_empty_pages: false, entries: 0, blanks: 0 };
        let made = link.chain(single, shape);
        let run = play(suite, single, &made).await;
        if let Some(why) = fault(&made, &run) {
            verdict.find(single.finding(
                format!("with {PAGES} pages, each of which leads to the next as in {like}, {why}"),
                "follow what leads to the next page in every list in which the provider has it, however short the list is today",
            ));
        }
    }
    tried
}
