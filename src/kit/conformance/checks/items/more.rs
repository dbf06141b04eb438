//! More than the recorded entries have: a second address where there was one. What is read of the first element of a list
//! within an entry is read of each.

use super::judge::addresses;
use super::page::{Page, play_body, stain};
use crate::kit::conformance::document::Node;
use crate::kit::conformance::suite::Suite;
use crate::model::Resource;

/// What is wrong with what comes where the list that an address stands in has another element like its own.
pub(super) async fn fault(suite: &Suite, page: &Page<'_>, (entry, node): (usize, &Node)) -> Option<String> {
    let own = &page.entries[entry];
    let text = node.text.as_deref()?;
    let [id] = own.ids.iter().collect::<Vec<_>>()[..] else { return None };
    text.parse::<std::net::IpAddr>().ok()?;
    let new = stain(text).filter(|new| own.nodes.iter().all(|other| other.text.as_deref() != Some(new)))?;
    new.parse::<std::net::IpAddr>().ok()?;
    let place = own.place.clone();
    let body = page.document.with_another(&place, &node.place, &new)?;
    let find = |rows: &[Resource]| {
        rows.iter().find_map(|row| match row {
            Resource::Instance(instance) if instance.id.as_str() == id.as_str() => Some(instance.clone()),
            _ => None,
        })
    };
    let before = find(page.case.run.resources())?;
    let run = play_body(suite, page, body).await;
    // Whether it may fail is for others to judge.
    let now = find(run.resources())?;
    let was_listed = addresses(&before).iter().any(|address| address == text);
    let is_listed = addresses(&now).contains(&new);
    (was_listed && !is_listed)
        .then(|| format!("has {text}, and another one like it has {new}, {new} is no address of {id}"))
}
