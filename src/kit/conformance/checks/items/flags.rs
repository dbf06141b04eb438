//! Flags with the same value in every recorded entry. The meaning of the other value is untested, so it must not affect
//! a state, and must not silently remove an entry from a list.

use std::collections::BTreeSet;

use super::page::{Page, play};
use crate::driver::Coverage;
use crate::kit::conformance::document::{Edit, Node};
use crate::kit::conformance::stand::Run;
use crate::kit::conformance::suite::Suite;
use crate::model::{Resource, State};

/// What is wrong with what comes where a flag has the value that no recorded entry has. `words` are those that they have.
pub(super) async fn fault(suite: &Suite, page: &Page<'_>, node: &Node, words: &BTreeSet<&str>) -> Option<String> {
    let other = match node.text.as_deref()? {
        "true" => "false",
        "false" => "true",
        _ => return None,
    };
    if words.contains(other) {
        return None;
    }
    let states = |run: &Run| -> Vec<(String, State)> {
        run.resources().iter().map(|resource| (resource.id().to_string(), state_of(resource))).collect()
    };
    // In every entry: one may be in the state that the other value says.
    let same = page.entries.iter().flat_map(|entry| &entry.nodes);
    let same = same.filter(|other| other.path == node.path && other.text == node.text);
    let edits: Vec<_> = same.map(|node| (node.place.clone(), Edit::Text(other.to_owned()))).collect();
    let run = play(suite, page, &edits).await;
    let (before, now) = (states(&page.case.run), states(&run));
    let is_whole = matches!(&run.outcome, Ok(listing) if !matches!(listing.coverage, Coverage::Partial(_)));
    if is_whole && run.omitted == page.case.run.omitted {
        let is_missing = |(id, _): &&(String, State)| now.iter().all(|(other, _)| other != id);
        if let Some((id, _)) = before.iter().find(is_missing) {
            return Some(format!("is {other}, {id} is missing, and nothing says that it was left out"));
        }
    }
    let (id, was, is) = before.iter().find_map(|(id, was)| {
        let (_, is) = now.iter().find(|(other, is)| other == id && is != was)?;
        Some((id, was, is))
    })?;
    Some(format!("is {other}, {id} is {is} and not {was}, and no cassette shows that value"))
}

fn state_of(resource: &Resource) -> State {
    match resource {
        Resource::Instance(instance) => State::Instance(instance.state),
        Resource::Realm(realm) => State::Realm(realm.state),
    }
}
