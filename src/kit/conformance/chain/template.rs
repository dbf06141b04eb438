//! One recorded page as the template for others.

use std::collections::{BTreeSet, HashSet};

use http::HeaderValue;
use url::Url;

use super::parameters::name;
use crate::driver::wire::Answered;
use crate::kit::conformance::document::{Document, Edit, Node, Place, counts_entries};
use crate::kit::conformance::stage::{recounted, with_body};

pub(super) struct Template {
    answered: Answered,
    document: Document,
    /// What is in entries.
    inside: Vec<Node>,
    /// What is outside of them.
    outside: Vec<Node>,
    /// The ids on it, in its order.
    ids: Vec<String>,
    /// Where they stand; nowhere on an empty page.
    id_path: Option<String>,
}

/// What a page is to have.
pub(super) struct Page<'a> {
    /// The ids that it has, and those that it is to have; none for a page without entries.
    pub(super) ids: Option<&'a Vec<(String, String)>>,
    /// The cursor that it has, and the one that it is to have; none for the last page.
    pub(super) cursor: Option<(&'a str, &'a str)>,
    /// The cursor to the last page.
    pub(super) last: Option<&'a str>,
    pub(super) parameter: &'a str,
    /// Which one it is, and how many there are.
    pub(super) number: (usize, usize),
    /// How many entries the recorded list has, and how many the made one.
    pub(super) total: (usize, usize),
}

impl Template {
    pub(super) fn of(answered: &Answered, listed: &HashSet<&str>) -> Option<Template> {
        let document = Document::read(&answered.body)?;
        let entries = document.entries(listed);
        let inside: Vec<Node> = entries.iter().flat_map(|place| document.nodes_in(place)).collect();
        let within: BTreeSet<&Place> = inside.iter().map(|node| &node.place).collect();
        let outside: Vec<Node> = document.nodes().into_iter().filter(|node| !within.contains(&node.place)).collect();
        let id_path = document.id_path(listed);
        let held = inside.iter().filter(|node| id_path.as_ref() == Some(&node.path));
        let held = held.filter_map(|node| node.text.clone());
        let ids: Vec<String> = held.filter(|text| listed.contains(text.as_str())).collect();
        Some(Template { answered: answered.clone(), document, inside, outside, ids, id_path })
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str)
    }

    /// With how many entries it has about so many bytes; never fewer than it has.
    pub(super) fn entries_of(&self, bytes: usize) -> usize {
        let own = self.ids.len().max(1);
        own.max(bytes * own / self.answered.body.len().max(1))
    }

    /// The same with more entries, under ids of their own.
    pub(super) fn enlarged(&self, entries: usize) -> Option<Template> {
        let more = entries.checked_sub(self.ids.len()).filter(|more| *more > 0)?;
        let ids: HashSet<&str> = self.ids().collect();
        let grown = self.document.grown(&ids, more, usize::MAX)?;
        let all: HashSet<&str> = ids.into_iter().chain(grown.added.iter().map(String::as_str)).collect();
        Template::of(&with_body(&self.answered, grown.body), &all)
    }

    pub(super) fn document(&self) -> &Document {
        &self.document
    }

    /// Where the cursor stands beside the entries.
    pub(super) fn cursors(&self, cursor: &str, parameter: &str) -> impl Iterator<Item = &Node> {
        self.outside.iter().filter(move |node| carried(node, cursor, parameter, cursor).is_some())
    }

    /// Whether the cursor stands in it.
    pub(super) fn has_cursor(&self, cursor: &str, parameter: &str) -> bool {
        let in_body = self.cursors(cursor, parameter).next().is_some();
        let encoded = encoded(cursor);
        let in_header =
            |value: &HeaderValue| value.to_str().is_ok_and(|text| text == cursor || text.contains(&encoded));
        in_body || self.answered.headers.values().any(in_header)
    }

    pub(super) fn page(&self, page: Page<'_>) -> Answered {
        let mut edits = Vec::new();
        match page.ids {
            None => {
                let lists = self.document.lists(&self.ids().collect());
                edits.extend(lists.into_iter().map(|node| (node.place, Edit::Emptied)));
            }
            Some(pairs) => edits.extend(self.inside.iter().filter_map(|node| {
                let text = node.text.as_deref()?;
                let new = match self.id_path.as_ref() == Some(&node.path) {
                    true => pairs.iter().find(|(old, _)| old == text).map(|(_, new)| new.clone()),
                    // An entry's own address, and whatever else names it.
                    false => pairs
                        .iter()
                        .find(|(old, _)| old.len() >= 6 && text.contains(old.as_str()))
                        .map(|(old, new)| text.replace(old.as_str(), new)),
                };
                Some((node.place.clone(), Edit::Text(new?)))
            })),
        }
        for node in &self.outside {
            if let Some(new) = self.changed(node, &page) {
                edits.push((node.place.clone(), Edit::Text(new)));
            }
        }
        let answered = with_body(&self.answered, self.document.edited(&edits));
        let mut answered = recounted(answered, |count| (count == page.total.0).then_some(page.total.1));
        if let Some((old, new)) = page.cursor {
            let of = |cursor: &str| format!("{}={}", name(page.parameter), encoded(cursor));
            // Of several links in one header, that to the last page leads there.
            let linked = |link: &str| {
                let is_last = link.contains("rel=\"last\"") || link.contains("rel=last");
                link.replace(&of(old), &of(page.last.filter(|_| is_last).unwrap_or(new)))
            };
            for value in answered.headers.values_mut() {
                let changed = value.to_str().ok().and_then(|text| match text == old {
                    true => Some(new.to_owned()),
                    false => text.contains(&of(old)).then(|| text.split_inclusive(',').map(linked).collect::<String>()),
                });
                if let Some(changed) = changed.and_then(|changed| HeaderValue::from_str(&changed).ok()) {
                    *value = changed;
                }
            }
        }
        answered
    }

    /// What stands outside of entries, where it counts pages or entries or leads to the next page.
    fn changed(&self, node: &Node, page: &Page<'_>) -> Option<String> {
        let text = node.text.as_deref()?;
        let own = node.path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let number = text.parse::<usize>().ok();
        if counts_entries(&own) && number == Some(page.total.0) {
            return Some(page.total.1.to_string());
        }
        if number.is_some() && (own == "page" || own == "current_page" || own == "page_number") {
            return Some(page.number.0.to_string());
        }
        if number.is_some() && (own.contains("last") || own == "pages" || own == "total_pages") {
            return Some(page.number.1.to_string());
        }
        let (old, new) = page.cursor?;
        // On the first of two pages, the next one is the last one, too: here it is not.
        let leads_to_last = names_last(node) && self.has_other_than_last(old, page.parameter);
        carried(node, old, page.parameter, page.last.filter(|_| leads_to_last).unwrap_or(new))
    }

    /// Whether a cursor stands at a place that is not called the last one.
    fn has_other_than_last(&self, cursor: &str, parameter: &str) -> bool {
        let mut others = self.outside.iter().filter(|node| !names_last(node));
        others.any(|node| carried(node, cursor, parameter, cursor).is_some())
    }
}

/// Whether a node is what providers call the address, or the cursor, of the last page.
fn names_last(node: &Node) -> bool {
    const NAMES: [&str; 8] =
        ["last", "lastpage", "lasturl", "lasturi", "lasthref", "lastlink", "lastpageurl", "lastcursor"];
    let plain = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    node.path.split('/').any(|name| NAMES.contains(&plain(name).as_str()))
}

/// A node with another cursor in it, if it has one: as it is, or in an address.
fn carried(node: &Node, old: &str, parameter: &str, new: &str) -> Option<String> {
    let text = node.text.as_deref()?;
    if text == old {
        return Some(new.to_owned());
    }
    let base = Url::parse("https://base.invalid/").ok()?;
    let name = name(parameter);
    let is_address = text.contains('?') && (text.starts_with("http") || text.starts_with('/'));
    let address = if is_address { base.join(text).ok()? } else { return None };
    if !address.query_pairs().any(|(key, value)| key == name && value == old) {
        return None;
    }
    let pairs: Vec<String> = address
        .query_pairs()
        .map(|(key, value)| {
            let value = if key == name { encoded(new) } else { encoded(&value) };
            format!("{}={value}", encoded(&key))
        })
        .collect();
    let place = text.split('?').next().unwrap_or_default();
    Some(format!("{place}?{}", pairs.join("&")))
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
        .to_string()
        .replace("%2D", "-")
        .replace("%5F", "_")
        .replace("%2E", ".")
        .replace("%7E", "~")
}

/// A cursor of the same make, with a number in it.
pub(super) fn alike(cursor: &str, number: u64) -> String {
    format!("{cursor}{number:04}")
}

/// Long, and with all that has a meaning somewhere: at the beginning of some, at the end of others.
pub(super) fn odd(number: u64) -> String {
    const PARTS: [&str; 5] = ["a+b/c==", "x y&z=1;#%2F?", "{\"k\":[1]}", "<é>'\\$!~*,:@", " blank"];
    const LONG: usize = 1_500;
    let turn = usize::try_from(number).unwrap_or(0);
    let part = PARTS[turn % PARTS.len()];
    let length = if number.is_multiple_of(3) { LONG } else { 0 };
    let filler = "abcdefghij".repeat(length / 10);
    match (turn / PARTS.len()).is_multiple_of(2) {
        true => format!("{part}{filler}{number}"),
        false => format!("{number}{filler}{part}"),
    }
}
