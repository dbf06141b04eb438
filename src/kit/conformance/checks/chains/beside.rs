//! What a page says beside its entries: how many there are, which page it is, which is the last. Any of it may be null.
//! A list that goes on does not end there, and one whose total nobody knows is not sure to be whole.

use crate::driver::{Contract, Coverage};
use crate::kit::conformance::chain::Link;
use crate::kit::conformance::checks::rows::counts;
use crate::kit::conformance::document::{Document, Edit, Node, Place};
use crate::kit::conformance::stage::{Stage, recorded, with_body};
use crate::kit::conformance::stand::ids;
use crate::kit::conformance::suite::{Case, Suite, ids_of};
use crate::kit::conformance::verdict::Verdict;

/// Holds that a list is not taken for a whole one where a page lacks some of what stands beside its entries.
pub(super) async fn unsaid(suite: &Suite, case: &Case, link: &Link, verdict: &mut Verdict) {
    let ids = ids(case.run.resources());
    let pages: Vec<(usize, Document)> = case
        .cassette
        .exchanges
        .iter()
        .enumerate()
        .filter_map(|(at, exchange)| Some((at, Document::read(&recorded(exchange).ok()?.body)?)))
        .filter(|(_, document)| !document.entries(&ids).is_empty())
        .collect();
    let Some((first, document)) = pages.first().filter(|_| pages.len() > 1) else { return };
    let places: Vec<Place> = link.unlinked(document, &ids).into_iter().map(|node| node.place).collect();
    let without = |left: Option<&Place>| -> Vec<(Place, Edit)> {
        places.iter().filter(|place| Some(*place) != left).map(|place| (place.clone(), Edit::Null)).collect()
    };
    let alone = places.iter().map(|place| vec![(place.clone(), Edit::Null)]);
    let all_but_one = places.iter().map(|place| without(Some(place)));
    let nothing = (!places.is_empty()).then(|| without(None));
    for edits in nothing.into_iter().chain(all_but_one).chain(alone) {
        let Ok(answered) = recorded(&case.cassette.exchanges[*first]) else { return };
        let stage = Stage::of(&case.cassette).with(*first, Ok(with_body(&answered, document.edited(&edits))));
        let run = suite.list(case, stage).await;
        let is_complete = matches!(&run.outcome, Ok(listing) if listing.coverage == Coverage::Complete);
        if is_complete && ids_of(case) != self::ids(run.resources()) {
            let named: Vec<String> = edits.iter().map(|(place, _)| document.path_at(place)).collect();
            verdict.find(case.finding(
                format!("where {} of its first page is null, {} came", named.join(" and "), run.came()),
                "follow what leads to the next page; where it is not clear that a page is the last one, say `partial`",
            ));
            return;
        }
    }
    untotalled(suite, case, (link, &pages), verdict).await;
}

/// The pages of a numbered list move while it is read: without a total nobody sees what was missed.
async fn untotalled(suite: &Suite, case: &Case, (link, pages): (&Link, &[(usize, Document)]), verdict: &mut Verdict) {
    // A page of contract 0.1 has no place for a total.
    if !link.has_numbers() || suite.stand.driver.contract() == Contract::V0_1 {
        return;
    }
    let listed = case.run.resources().len();
    let is_total = |node: &Node| counts(node, listed);
    let mut stage = Stage::of(&case.cassette);
    for (at, document) in pages {
        let totals = document.nodes().into_iter().filter(is_total).map(|node| (node.place, Edit::Null));
        let totals: Vec<_> = totals.collect();
        let Ok(answered) = recorded(&case.cassette.exchanges[*at]) else { return };
        if totals.is_empty() {
            return;
        }
        stage = stage.with(*at, Ok(with_body(&answered, document.edited(&totals))));
    }
    let run = suite.list(case, stage).await;
    if matches!(&run.outcome, Ok(listing) if listing.coverage == Coverage::Complete) {
        verdict.find(case.finding(
            "where its total is null on every page, the list is complete".to_owned(),
            "give the provider's total to the host; where several numbered pages come without one, say `partial`: an entry \
             that moves to a page that was read before is on none",
        ));
    }
}
