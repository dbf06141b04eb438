//! Members that feed only optional fields of an instance. The suite finds them by changing their values. An entry
//! without one of them is still listed.

use super::page::{Page, play, stain};
use crate::driver::{CallError, Coverage};
use crate::kit::conformance::document::Node;
use crate::kit::conformance::stand::Run;
use crate::kit::conformance::suite::Suite;
use crate::model::{Instance, Resource};

/// What is wrong with a list that ended for want of a member, if it could have done without.
pub(super) async fn fault(suite: &Suite, page: &Page<'_>, (entry, node): (usize, &Node), run: &Run) -> Option<String> {
    let has_ended = matches!(&run.outcome, Err(failure) if matches!(failure.error, CallError::UnexpectedAnswer(_)));
    // A list may be held to have something in each of its places.
    if !has_ended || node.path.ends_with("/[]") {
        return None;
    }
    let entry = &page.entries[entry];
    let [id] = entry.ids.iter().collect::<Vec<_>>()[..] else { return None };
    let before = instance(&page.case.run, id)?;
    let inside = |leaf: &&Node| leaf.place == node.place || page.document.is_within(&leaf.place, &node.place);
    let mut fed = None;
    for leaf in entry.nodes.iter().filter(inside) {
        let Some(new) = leaf.text.as_deref().filter(|text| !text.is_empty()).and_then(stain) else { continue };
        let run = play(suite, page, &[(leaf.place.clone(), super::Edit::Text(new))]).await;
        let now = instance(&run, id)?;
        if (now.state, &now.provider_state) != (before.state, &before.provider_state) {
            return None;
        }
        fed = fed.or_else(|| fed_by(before, now));
    }
    let fed = fed?;
    Some(format!("which changes {fed} of {id} and nothing that an instance needs, {} came", run.came()))
}

/// An instance of a whole list.
fn instance<'a>(run: &'a Run, id: &str) -> Option<&'a Instance> {
    let listing = run.outcome.as_ref().ok()?;
    if matches!(listing.coverage, Coverage::Partial(_) | Coverage::Misfit(_)) {
        return None;
    }
    listing.resources.iter().find_map(|resource| match resource {
        Resource::Instance(instance) if instance.id.as_str() == id => Some(instance),
        _ => None,
    })
}

/// A field that has another value than before. Labels are left aside: what is a name with no text is for the driver to say.
fn fed_by(before: &Instance, now: &Instance) -> Option<&'static str> {
    let was_there = |address: &&crate::model::Address| {
        let mut all = before.public_addresses.iter().chain(&before.private_addresses);
        all.any(|other| other.value == address.value)
    };
    let mut addresses = now.public_addresses.iter().chain(&now.private_addresses);
    let is_new = |was: Option<&str>, is: Option<&str>| is.is_some() && was != is;
    let fields = [
        (addresses.any(|address| !was_there(&address)), "an address"),
        (is_new(before.name.as_deref(), now.name.as_deref()), "the name"),
        (is_new(before.owner.as_deref(), now.owner.as_deref()), "the owner"),
        (is_new(before.realm.as_deref(), now.realm.as_deref()), "the realm"),
        (is_new(before.image.as_deref(), now.image.as_deref()), "the image"),
        (is_new(before.hardware_profile.as_deref(), now.hardware_profile.as_deref()), "the hardware profile"),
        (now.launched_at.is_some() && now.launched_at != before.launched_at, "the time of launch"),
    ];
    fields.into_iter().find_map(|(is_fed, field)| is_fed.then_some(field))
}
