//! Ids unlike any recorded one. A provider may use any id, and the host identifies a resource by it, letter for letter.

use std::collections::{BTreeMap, BTreeSet};

use crate::driver::CallError;
use crate::kit::conformance::document::{Document, Edit};
use crate::kit::conformance::stage::{Stage, recorded, with_body};
use crate::kit::conformance::stand::{Run, ids};
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;
use crate::model::ResourceId;

/// Holds that every id comes out as it went in, or that the answer is refused; says how many lists were tried.
pub(super) async fn kept(suite: &Suite, verdict: &mut Verdict) -> usize {
    let mut tried = 0;
    for case in suite.richest() {
        for (what, make) in MAKES {
            let Some((stage, wanted)) = renamed(case, make) else { continue };
            tried += 1;
            let run = suite.list(case, stage).await;
            if let Some(why) = fault(&run, &wanted) {
                verdict.find(case.finding(
                    format!("with ids {what}, {why}"),
                    "keep an id as the provider writes it, letter for letter: two that differ in anything are two",
                ));
            }
        }
    }
    tried
}

/// An id in the place of one, by its number in the list.
type Make = fn(&str, usize) -> String;

/// What ids may have in common, in letters.
const COMMON: &str = "suite-0123456789-0123456789-0123456789-0123456789-0123456789";

const MAKES: [(&str, Make); 10] = [
    ("in the other case", |id, _| swapped(id)),
    ("in capitals", |id, _| id.to_uppercase()),
    ("with letters of both cases", |id, at| format!("aZ{at}-{id}-Bq")),
    // The first and the second are one and the same but for that.
    ("that differ in case alone", |_, at| match at % 2 {
        0 => format!("suite-id-{}", at / 2),
        _ => format!("Suite-ID-{}", at / 2),
    }),
    ("with zeros before them", |id, at| format!("00{at}0{id}")),
    ("with signs and letters of other scripts in them", |id, at| format!("{id}/\u{e9}\u{732b}:{at}+%2F=.~_@ b")),
    ("that have a long beginning in common", |_, at| format!("{COMMON}-{at}")),
    ("that have a long end in common", |_, at| format!("{at}-{COMMON}")),
    ("of which one begins with another", |_, at| format!("suite-{:04}-{}", at / 100, "0".repeat(at % 100))),
    ("as long as they may be", |id, at| {
        let id = format!("{at}-{id}-");
        format!("{id}{}", "x".repeat(ResourceId::MAX_BYTES.saturating_sub(id.len())))
    }),
];

fn swapped(id: &str) -> String {
    let swap = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    id.chars().map(swap).collect()
}

/// A case's answers with other ids, and these; none where ids are numbers, or the same as before.
fn renamed(case: &Case, make: Make) -> Option<(Stage, BTreeSet<String>)> {
    let ids = ids(case.run.resources());
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut stage = Stage::of(&case.cassette).rearranged();
    for (at, exchange) in case.cassette.exchanges.iter().enumerate() {
        let Ok(answered) = recorded(exchange) else { continue };
        let Some(document) = Document::read(&answered.body) else { continue };
        let Some(path) = document.id_path(&ids) else { continue };
        let mut edits = Vec::new();
        for node in document.nodes().into_iter().filter(|node| node.path == path) {
            let Some(own) = node.text.filter(|text| ids.contains(text.as_str())) else { continue };
            if document.is_number(&node.place) {
                return None;
            }
            let number = names.len();
            let new = names.entry(own).or_insert_with_key(|own| make(own, number));
            edits.push((node.place, Edit::Text(new.clone())));
        }
        stage = stage.with(at, Ok(with_body(&answered, document.edited(&edits))));
    }
    let is_whole = !names.is_empty() && names.len() == ids.len() && names.iter().any(|(old, new)| old != new);
    is_whole.then(|| (stage, names.into_values().collect()))
}

fn fault(run: &Run, wanted: &BTreeSet<String>) -> Option<String> {
    let listing = match &run.outcome {
        Ok(listing) => listing,
        Err(failure) => {
            let is_refused = matches!(failure.error, CallError::UnexpectedAnswer(_) | CallError::Contract(_));
            return (!is_refused)
                .then(|| format!("expected a list with them, or `unexpected-answer`, and {} came", run.came()));
        }
    };
    let listed: BTreeSet<String> = listing.resources.iter().map(|resource| resource.id().to_string()).collect();
    let missing = wanted.difference(&listed).next();
    let other = listed.difference(wanted).next();
    match (missing, other) {
        (Some(missing), Some(other)) => Some(format!("{missing:?} is not listed, and {other:?} is")),
        (Some(missing), None) => Some(format!("{missing:?} is not listed")),
        (None, Some(other)) => Some(format!("{other:?} is listed, which the provider does not have")),
        (None, None) => None,
    }
}
