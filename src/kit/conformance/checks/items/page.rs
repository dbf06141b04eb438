//! An answer that contains a list, and the result with changed values in it.

use std::collections::BTreeSet;

use crate::driver::wire::Answered;
use crate::kit::conformance::document::{Document, Edit, Node, Place};
use crate::kit::conformance::stage::{Stage, recorded, with_body};
use crate::kit::conformance::stand::{Run, ids};
use crate::kit::conformance::suite::{Case, Suite};

/// What is written where something can't be read.
pub(super) const UNREADABLE: &str = "suite-unreadable";

/// An answer with a list in it.
pub(super) struct Page<'a> {
    pub(super) case: &'a Case,
    pub(super) at: usize,
    pub(super) answered: Answered,
    pub(super) document: Document,
    pub(super) entries: Vec<Entry>,
}

pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) nodes: Vec<Node>,
    /// The listed ids that it holds.
    pub(super) ids: BTreeSet<String>,
}

/// The answers of a case that have entries.
pub(super) fn pages(case: &Case) -> Vec<Page<'_>> {
    let ids = ids(case.run.resources());
    let page = |(at, exchange): (usize, _)| {
        let answered = recorded(exchange).ok()?;
        let document = Document::read(&answered.body)?;
        let entry = |place: &Place| {
            let nodes = document.nodes_in(place);
            let held = nodes.iter().filter_map(|node| node.text.as_deref()).filter(|text| ids.contains(text));
            Entry { place: place.clone(), ids: held.map(str::to_owned).collect(), nodes }
        };
        let entries: Vec<Entry> = document.entries(&ids).iter().map(entry).collect();
        (!entries.is_empty()).then_some(Page { case, at, answered, document, entries })
    };
    case.cassette.exchanges.iter().enumerate().filter_map(page).collect()
}

pub(super) async fn play(suite: &Suite, page: &Page<'_>, edits: &[(Place, Edit)]) -> Run {
    play_body(suite, page, page.document.edited(edits)).await
}

pub(super) async fn play_body(suite: &Suite, page: &Page<'_>, body: Vec<u8>) -> Run {
    let stage = Stage::of(&page.case.cassette).rearranged().with(page.at, Ok(with_body(&page.answered, body)));
    suite.list(page.case, stage).await
}

/// Another text of the same make: with another last digit, or a letter more.
pub(super) fn stain(text: &str) -> Option<String> {
    if matches!(text, "true" | "false") {
        return None;
    }
    let Some((at, digit)) = text.char_indices().rev().find(|(_, c)| c.is_ascii_digit()) else {
        return Some(format!("{text}x"));
    };
    // Another digit that is as good in a day, an hour and an address.
    let other = if digit == '0' { '1' } else { char::from(digit as u8 - 1) };
    let other = if digit == '1' { '2' } else { other };
    let mut stained = text.to_owned();
    stained.replace_range(at..=at, &other.to_string());
    Some(stained)
}
