//! Lists a chain of pages, and compares the list with the chain.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::driver::Coverage;
use crate::kit::conformance::chain::Made;
use crate::kit::conformance::stand::{Run, Stand};
use crate::kit::conformance::suite::{Case, Suite};

/// The pages of a chain, where some are enough.
pub(super) const SOME: usize = 20;

pub(super) async fn play(suite: &Suite, case: &Case, made: &Made) -> Run {
    play_on(&suite.stand, suite, case, made).await
}

pub(super) async fn play_on(stand: &Stand, suite: &Suite, case: &Case, made: &Made) -> Run {
    let target = suite.blank.stranger(&case.cassette);
    stand.list_as(target, &case.cassette, Arc::clone(&made.chain) as _).await
}

/// In what a list is not the chain's.
pub(super) fn fault(made: &Made, run: &Run) -> Option<String> {
    let asked = made.chain.asked();
    if let Some(turn) = asked.iter().position(Option::is_none) {
        return Some(format!("request {} has a cursor that no page gave", turn + 1));
    }
    let pages: BTreeSet<usize> = asked.iter().copied().flatten().collect();
    let is_whole = |coverage: &Coverage| matches!(coverage, Coverage::Complete | Coverage::Delta(_));
    let whole = run.outcome.as_ref().is_ok_and(|listing| is_whole(&listing.coverage));
    if !whole || pages.len() < made.chain.pages() {
        return Some(format!("{} were asked for, and {} came", pages.len(), run.came()));
    }
    let listed: BTreeSet<String> = run.resources().iter().map(|resource| resource.id().to_string()).collect();
    let missing: Vec<&str> = made.ids.difference(&listed).take(3).map(String::as_str).collect();
    match missing.is_empty() && listed.len() == made.ids.len() {
        true => None,
        false => Some(format!(
            "{} resources were expected and {} came; missing are {}",
            made.ids.len(),
            listed.len(),
            if missing.is_empty() { "none".to_owned() } else { missing.join(", ") }
        )),
    }
}
