//! Entries with more elements than the recorded ones: many addresses, interfaces and labels instead of one. A driver
//! that reads the first element of a list within an entry has to read all of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::judge::addresses;
use super::page::{Page, play_body};
use crate::driver::CallError;
use crate::kit::conformance::document::{Document, Edit, Node, Place, Side};
use crate::kit::conformance::stand::Run;
use crate::kit::conformance::suite::Suite;
use crate::kit::conformance::times;
use crate::model::{Instance, Resource};

/// How many elements more an entry has: one, and more than any round number at which a driver may stop.
const MORE: [usize; 2] = [1, 40];
const MANY: usize = MORE[1];
/// How many nested lists are tried for an address: the list of addresses, and the list of interfaces around it.
const LEVELS: usize = 2;
/// How many digits an id has at least. Words have fewer.
const DIGITS: usize = 4;
/// Numbers below are kinds and versions.
const LEAST_ID: u64 = 10;

/// What is wrong with what comes where a list that an address or a label stands in has more elements like its own.
pub(super) async fn fault(suite: &Suite, page: &Page<'_>, (entry, node): (usize, &Node)) -> Option<String> {
    let own = &page.entries[entry];
    let text = node.text.as_deref().filter(|text| !text.is_empty())?;
    let [id] = own.ids.iter().collect::<Vec<_>>()[..] else { return None };
    let before = find(page.case.run.resources(), id)?;
    if let Some(why) = labels(suite, page, (&own.place, node, text), before).await {
        return Some(why);
    }
    text.parse::<IpAddr>().ok()?;
    if !addresses(before).iter().any(|address| address == text) {
        return None;
    }
    for level in 0..LEVELS {
        let element = page.document.element(&own.place, &node.place, level)?;
        if holds_id(&page.document, &element, id) {
            return None;
        }
        let within = within(&page.document, &element);
        for more in MORE {
            let copies: Vec<_> = (1..=more).map(|number| varied(&page.document, &within, number)).collect();
            let run = play_body(suite, page, page.document.with_copies(&element, &copies)?).await;
            let Some(now) = find(run.resources(), id) else {
                // Whether it may fail for a single one is for others to judge.
                return (more == MANY && !is_limit(&run))
                    .then(|| format!("has {text}, and {more} more like it stand there, {} came", run.came()));
            };
            let listed: Vec<IpAddr> = addresses(now).iter().filter_map(|address| address.parse().ok()).collect();
            let new = (1..=more).filter_map(|number| other_address(text, number));
            let mut missing = new.filter(|new| !listed.contains(new));
            if let Some(first) = missing.next() {
                let others =
                    if more == 1 { "another one like it stands".to_owned() } else { format!("{more} more stand") };
                return Some(format!(
                    "has {text}, and {others} there, {} of them are no addresses of {id}, the first {first}",
                    missing.count() + 1
                ));
            }
        }
    }
    None
}

/// The same of labels: members of an object, or elements of a list with the label's name in each.
async fn labels(
    suite: &Suite,
    page: &Page<'_>,
    (entry, node, text): (&Place, &Node, &str),
    before: &Instance,
) -> Option<String> {
    let name = |number: usize| format!("suite-label-{number}");
    let value = |number: usize| format!("suite-value-{number}");
    let own_name = node.path.rsplit('/').next().unwrap_or_default();
    let is_member = before.labels.iter().any(|(key, value)| **key == *own_name && **value == *text);
    let (body, wanted): (_, Vec<(String, String)>) = match before.labels.iter().find(|(key, _)| **key == *text) {
        Some((_, kept)) => {
            let element = page.document.element(entry, &node.place, 0)?;
            if holds_id(&page.document, &element, before.id.as_str()) {
                return None;
            }
            let copies: Vec<_> =
                (1..=MANY).map(|number| vec![(node.place.clone(), Edit::Text(name(number)))]).collect();
            let wanted = (1..=MANY).map(|number| (name(number), kept.to_string()));
            (page.document.with_copies(&element, &copies)?, wanted.collect())
        }
        None if is_member => {
            let members: Vec<_> = (1..=MANY).map(|number| (name(number), value(number))).collect();
            let beside = [(node.place.clone(), members.clone())];
            (page.document.with_siblings(&beside, Side::Behind)?, members)
        }
        None => return None,
    };
    let run = play_body(suite, page, body).await;
    let Some(now) = find(run.resources(), before.id.as_str()) else {
        return (!is_limit(&run)).then(|| format!("is a label, and {MANY} more stand there, {} came", run.came()));
    };
    let is_listed = |key: &str, value: &str| now.labels.iter().any(|(own, other)| **own == *key && **other == *value);
    let own = before.labels.iter().map(|(key, value)| (&**key, &**value));
    let all = own.chain(wanted.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let mut missing = all.filter(|(key, value)| !is_listed(key, value));
    let (first, _) = missing.next()?;
    let id = &before.id;
    Some(format!(
        "is a label, and {MANY} more stand there, {} of them are missing from {id}, the first {first:?}",
        missing.count() + 1
    ))
}

fn find<'a>(rows: &'a [Resource], id: &str) -> Option<&'a Instance> {
    rows.iter().find_map(|row| match row {
        Resource::Instance(instance) if instance.id.as_str() == id => Some(instance),
        _ => None,
    })
}

fn is_limit(run: &Run) -> bool {
    matches!(&run.outcome, Err(failure) if matches!(failure.error, CallError::Limit { .. }))
}

fn holds_id(document: &Document, element: &Place, id: &str) -> bool {
    document.nodes_in(element).iter().any(|node| node.text.as_deref() == Some(id))
}

/// What is in an element, which may be a value itself.
fn within(document: &Document, element: &Place) -> Vec<Node> {
    let is_within = |node: &Node| node.place == *element || document.is_within(&node.place, element);
    document.nodes().into_iter().filter(is_within).collect()
}

/// What is another text in a copy of an element: its addresses, and what stands for something.
fn varied(document: &Document, within: &[Node], number: usize) -> Vec<(Place, Edit)> {
    let edit = |node: &Node| {
        let text = node.text.as_deref()?;
        let new = match document.is_number(&node.place) {
            true => text.parse::<u64>().ok().filter(|id| *id >= LEAST_ID)?.checked_add(number as u64)?.to_string(),
            false => other_text(text, number)?,
        };
        Some((node.place.clone(), Edit::Text(new)))
    };
    within.iter().filter_map(edit).collect()
}

fn other_text(text: &str, number: usize) -> Option<String> {
    if let Some(address) = other_address(text, number) {
        return Some(address.to_string());
    }
    let is_id = text.bytes().filter(u8::is_ascii_digit).count() >= DIGITS && times::instant(text).is_none();
    let (start, end) = text.split_at_checked(text.len().checked_sub(2)?)?;
    (is_id && end.is_ascii()).then(|| format!("{start}{number:02}"))
}

/// Another address of the same network, by its number.
fn other_address(text: &str, number: usize) -> Option<IpAddr> {
    match text.parse().ok()? {
        IpAddr::V4(address) => {
            let [one, two, three, last] = address.octets();
            let other = (usize::from(last.saturating_sub(1)) + number) % 254 + 1;
            Some(Ipv4Addr::new(one, two, three, u8::try_from(other).ok()?).into())
        }
        IpAddr::V6(address) => {
            let mut segments = address.segments();
            segments[7] = segments[7].wrapping_add(u16::try_from(number).ok()?);
            Some(Ipv6Addr::from(segments).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_copy_has_addresses_and_ids_of_its_own() {
        let check = |text: &str, number: usize, want: Option<&str>| {
            assert_eq!(other_text(text, number).as_deref(), want, "{text}");
        };
        check("10.0.0.254", 1, Some("10.0.0.1"));
        check("2001:db8::1", 40, Some("2001:db8::29"));
        check("eni-0d4c8a6e2b9f7310c", 7, Some("eni-0d4c8a6e2b9f73107"));
        check("86:00:00:00:00:00", 12, Some("86:00:00:00:00:12"));
        check("fixed_v4", 1, None);
        check("2026-11-02T08:15:00Z", 1, None);
        let others: BTreeSet<_> = (1..=MANY).filter_map(|number| other_address("203.0.113.44", number)).collect();
        assert_eq!(others.len(), MANY);
        assert!(!others.contains(&"203.0.113.44".parse::<IpAddr>().expect("an address")));
    }

    #[test]
    fn what_tells_kinds_apart_stays_in_a_copy() {
        let body = br#"[{"id":"a1","nets":[{"ip":"10.0.0.4","version":4,"network":33,"kind":"inner"}]}]"#;
        let document = Document::read(body).expect("JSON");
        let element = Place::Pointer("/0/nets/0".to_owned());
        let copy = varied(&document, &within(&document, &element), 1);
        let grown = document.with_copies(&element, &[copy]).expect("grown");
        let json: serde_json::Value = serde_json::from_slice(&grown).expect("JSON");
        let want = serde_json::json!({"ip": "10.0.0.5", "version": 4, "network": 34, "kind": "inner"});
        assert_eq!(json[0]["nets"][1], want);
    }
}
