//! Secrets whose names are values themselves: `{"name": "password", "value": "..."}`, and the same in XML and in
//! settings.

use std::ops::Range;

use super::found::Found;
use super::names::{holds_a_name, holds_a_value, is_credential};
use super::scan::{next_quote, tag_end, unescaped};

/// How far a name and its value may be apart.
const APART: usize = 64;

/// A name and where its value stands.
struct Leaf {
    name: String,
    /// Of name and value together.
    whole: Range<usize>,
    value: Range<usize>,
}

/// The secrets of a text, in no order.
pub(super) fn found(text: &str, all: &mut Vec<Found>) {
    lists(text, all);
    for leaves in [elements(text), members(text), lines(text)] {
        for (one, other) in leaves.iter().zip(leaves.iter().skip(1)) {
            if !text.get(one.whole.end..other.whole.start).is_some_and(is_beside) {
                continue;
            }
            for (namer, value) in [(one, other), (other, one)] {
                let named = || unescaped(text[namer.value.clone()].trim());
                if holds_a_name(&namer.name) && holds_a_value(&value.name) && is_credential(&named()) {
                    all.push(Found { range: value.value.clone(), is_number: false });
                }
            }
        }
    }
}

/// Whether what is between two leaves has them in one object, or in one element.
fn is_beside(between: &str) -> bool {
    // The end of one element, and the beginning of another.
    const TAGS: usize = 2;
    let between = between.strip_prefix("]]>").unwrap_or(between);
    between.len() <= APART && !between.contains(['{', '}', '[', ']']) && between.matches('<').count() <= TAGS
}

/// Attributes, and elements that have nothing but text.
fn elements(text: &str) -> Vec<Leaf> {
    const CDATA: &str = "<![CDATA[";
    let mut leaves = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find('<').map(|at| from + at + 1) {
        from = start;
        let Some(end) = tag_end(text, start) else { break };
        let name = text[start..end].split(|c: char| c.is_whitespace() || "/<>".contains(c)).next().unwrap_or_default();
        if name.is_empty() || name.starts_with(['!', '?']) {
            continue;
        }
        let before = leaves.len();
        attributes(text, start + name.len()..end, &mut leaves);
        from = end;
        if text[..end].ends_with("/>") {
            continue;
        }
        let (content, closing) = match text[end..].strip_prefix(CDATA) {
            Some(rest) => (end + CDATA.len(), text.len() - rest.len() + rest.find("]]>").unwrap_or(rest.len())),
            None => (end, text[end..].find('<').map_or(text.len(), |at| end + at)),
        };
        if text[content..closing].trim().is_empty() {
            continue;
        }
        // The text of an element that an attribute names is its value.
        let is_named = leaves[before..].iter().any(|leaf| holds_a_name(&leaf.name));
        let name = if is_named { "value" } else { name };
        leaves.push(Leaf { name: name.to_owned(), whole: start..closing, value: content..closing });
        if is_named && let Some(leaf) = leaves.last_mut() {
            leaf.whole.start = end;
        }
        from = closing;
    }
    leaves
}

/// `name="value"` in a tag.
fn attributes(text: &str, within: Range<usize>, leaves: &mut Vec<Leaf>) {
    let mut from = within.start;
    while let Some((quote, start)) = next_quote(text, from).filter(|(_, start)| *start < within.end) {
        let end = quote.closes(text, start, within.end - start);
        let before = text[from..start - 1].trim_end();
        let name =
            before.strip_suffix('=').map(|name| name.trim().rsplit(char::is_whitespace).next().unwrap_or_default());
        let Some(end) = end else { return };
        if let Some(name) = name {
            leaves.push(Leaf { name: name.to_owned(), whole: from..end + 1, value: start..end });
        }
        from = end + 1;
    }
}

/// `"name": "value"`, also in a text that is quoted itself.
fn members(text: &str) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    let mut from = 0;
    while let Some((quote, start)) = next_quote(text, from) {
        from = start;
        let Some(end) = quote.closes(text, start, APART) else { continue };
        let behind = end + quote.length();
        let after = text[behind..].trim_start();
        let Some(after) = after.strip_prefix("=>").or_else(|| after.strip_prefix([':', '='])) else { continue };
        let begin = text.len() - after.trim_start().len();
        let Some((quote, value)) = next_quote(text, begin).filter(|(quote, value)| value - quote.length() == begin)
        else {
            continue;
        };
        let closing = quote.closes(text, value, usize::MAX);
        let (value_end, whole_end) =
            closing.map_or((text.len(), text.len()), |closing| (closing, closing + quote.length()));
        leaves.push(Leaf { name: text[start..end].to_owned(), whole: start..whole_end, value: value..value_end });
        // There may be others in it.
        from = value;
    }
    leaves
}

/// `["name", "value"]`.
fn lists(text: &str, all: &mut Vec<Found>) {
    let mut from = 0;
    while let Some((quote, start)) = next_quote(text, from) {
        from = start;
        if !text[..start - quote.length()].trim_end().ends_with('[') {
            continue;
        }
        let Some(end) = quote.closes(text, start, APART) else { continue };
        let Some(after) = text[end + quote.length()..].trim_start().strip_prefix(',') else { continue };
        let begin = text.len() - after.trim_start().len();
        if let Some((quote, value)) = next_quote(text, begin).filter(|(quote, value)| value - quote.length() == begin)
            && is_credential(&unescaped(&text[start..end]))
        {
            let end = quote.closes(text, value, usize::MAX).unwrap_or(text.len());
            all.push(Found { range: value..end, is_number: false });
        }
    }
}

/// Settings: `name: value` or `name = value`, one on a line.
fn lines(text: &str) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let begin = at;
        at += line.len();
        let Some(separator) = line.find([':', '=']) else { continue };
        let name = line[..separator].trim().trim_start_matches("- ").trim();
        let rest = &line[separator + 1..];
        let value = rest.trim().trim_matches(['"', '\'']);
        if name.is_empty() || value.is_empty() {
            continue;
        }
        let start = begin + separator + 1 + rest.find(value).unwrap_or_default();
        let whole = begin..start + value.len();
        leaves.push(Leaf { name: name.to_owned(), whole, value: start..start + value.len() });
    }
    leaves
}
