//! Values that are lost together with an unrelated member: an address, a label, a name. They are listed whether the
//! member is there or not, unless the member describes them; in that case a different word in its place takes them
//! away, too.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::judge::addresses;
use super::kinds::{Said, said};
use super::page::{Page, play, stain};
use crate::kit::conformance::document::{Edit, Node, Place};
use crate::kit::conformance::stand::Run;
use crate::kit::conformance::suite::Suite;
use crate::model::Resource;

/// What is lost with a member that was taken away, and stands elsewhere. `edits` are those beside that one, with which `base`
/// came; `run` is without the member.
pub(super) async fn fault(
    suite: &Suite,
    page: &Page<'_>,
    (entry, node): (usize, &Node),
    edits: &[(Place, Edit)],
    (base, run): (&Run, &Run),
) -> Option<String> {
    let own = &page.entries[entry];
    if own.ids.len() != 1 {
        return None;
    }
    let is_inside = |leaf: &&Node| leaf.place == node.place || page.document.is_within(&leaf.place, &node.place);
    let outside: BTreeSet<&str> =
        own.nodes.iter().filter(|leaf| !is_inside(leaf)).filter_map(|leaf| leaf.text.as_deref()).collect();
    let is_lost = |before: &&Said, now: &BTreeSet<Said>| !now.iter().any(|one| one.is_same(before));
    let (before, without) = (said(base, &own.ids)?, said(run, &own.ids)?);
    // An address may be made of another text, as that of a host is of its network. An empty text stands everywhere.
    let inside: Vec<&str> = own.nodes.iter().filter(is_inside).filter_map(|leaf| leaf.text.as_deref()).collect();
    let is_made = |one: &Said| one.is_address() && !inside.iter().any(|text| text.contains(one.value.as_str()));
    let is_elsewhere = |one: &Said| !one.value.is_empty() && (outside.contains(one.value.as_str()) || is_made(one));
    let lost: Vec<&Said> = before.iter().filter(|one| is_lost(one, &without) && is_elsewhere(one)).collect();
    if lost.is_empty() {
        return None;
    }
    let mut other: Vec<(Place, Edit)> = edits.to_vec();
    for leaf in own.nodes.iter().filter(is_inside) {
        if let Some(text) = leaf.text.as_deref().filter(|text| !text.is_empty()) {
            other.push((leaf.place.clone(), Edit::Text(changed(text)?)));
        }
    }
    let with_another = said(&play(suite, page, &other).await, &own.ids)?;
    let found = lost.into_iter().find(|one| !is_lost(one, &with_another))?;
    Some(format!("{} {} of {} is missing, which stands elsewhere in the entry", found.what, found.value, found.id))
}

fn changed(text: &str) -> Option<String> {
    match text {
        "true" => Some("false".to_owned()),
        "false" => Some("true".to_owned()),
        text => stain(text),
    }
}

/// What is lost of an address where all others of its instance are taken away: an address that is read beside others is read
/// alone.
pub(super) async fn alone(suite: &Suite, page: &Page<'_>, (entry, node): (usize, &Node)) -> Option<String> {
    let own = &page.entries[entry];
    let [id] = own.ids.iter().collect::<Vec<_>>()[..] else { return None };
    let text = node.text.as_deref()?;
    text.parse::<IpAddr>().ok()?;
    let of = |run: &Run| {
        run.resources().iter().find_map(|row| match row {
            Resource::Instance(instance) if instance.id.as_str() == id.as_str() => Some(addresses(instance)),
            _ => None,
        })
    };
    let listed = of(&page.case.run)?;
    let is_listed = |text: &str| listed.iter().any(|address| address == text);
    let others: Vec<(Place, Edit)> = own
        .nodes
        .iter()
        .filter(|other| other.place != node.place && other.text.as_deref().is_some_and(is_listed))
        .map(|other| (other.place.clone(), Edit::Remove))
        .collect();
    if !is_listed(text) || others.is_empty() {
        return None;
    }
    // Whether it is read there at all: the same address may stand at several places.
    let new = stain(text).filter(|new| own.nodes.iter().all(|other| other.text.as_deref() != Some(new)))?;
    let read = of(&play(suite, page, &[(node.place.clone(), Edit::Text(new.clone()))]).await)?;
    if !read.contains(&new) {
        return None;
    }
    let now = of(&play(suite, page, &others).await)?;
    (!now.iter().any(|address| address == text))
        .then(|| format!("is the only address of {id}, {text} is not listed, and it is beside others"))
}
