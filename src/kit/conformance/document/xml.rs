//! XML answers: elements that repeat, wherever they are. Unchanged parts stay the same, byte for byte.

mod nodes;

use std::collections::HashSet;
use std::ops::Range;

use quick_xml::Reader;
use quick_xml::escape::{escape, unescape};
use quick_xml::events::{BytesStart, Event};

use super::ids::Fresh;

/// A document with where its elements and values stand.
#[derive(Clone, Debug)]
pub(in super::super) struct Xml {
    text: String,
    elements: Vec<Element>,
    values: Vec<Value>,
}

#[derive(Clone, Debug)]
struct Element {
    parent: Option<usize>,
    depth: usize,
    /// With its tags.
    span: Range<usize>,
    /// Between its tags.
    inner: Range<usize>,
    /// Whether it is more than a text: it has elements in it, or attributes.
    is_record: bool,
    has_children: bool,
}

/// The text of an element without elements, or an attribute's.
#[derive(Clone, Debug)]
struct Value {
    element: usize,
    span: Range<usize>,
    text: String,
}

/// How deep a document may be, and how many elements it may have: what is larger is no answer to a list.
const DEEPEST: usize = 200;
const MOST_ELEMENTS: usize = 2_000_000;

impl Xml {
    pub(super) fn read(body: &[u8]) -> Option<Xml> {
        let text = std::str::from_utf8(body).ok()?.to_owned();
        let mut reader = Reader::from_str(&text);
        let mut elements: Vec<Element> = Vec::new();
        let mut attributes: Vec<Value> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut roots = 0;
        loop {
            let from = usize::try_from(reader.buffer_position()).ok()?;
            let event = reader.read_event().ok()?;
            let to = usize::try_from(reader.buffer_position()).ok()?;
            let is_empty = matches!(event, Event::Empty(_));
            match event {
                Event::Start(start) | Event::Empty(start) => {
                    let at = elements.len();
                    if open.len() >= DEEPEST || at >= MOST_ELEMENTS {
                        return None;
                    }
                    match open.last() {
                        Some(&parent) => {
                            elements[parent].has_children = true;
                            elements[parent].is_record = true;
                        }
                        None => roots += 1,
                    }
                    let found = attributes_of(&text, at, &start)?;
                    elements.push(Element {
                        parent: open.last().copied(),
                        depth: open.len(),
                        span: from..to,
                        inner: to..to,
                        is_record: !found.is_empty(),
                        has_children: false,
                    });
                    attributes.extend(found);
                    if !is_empty {
                        open.push(at);
                    }
                }
                Event::End(_) => {
                    let element = elements.get_mut(open.pop()?)?;
                    element.inner.end = from;
                    element.span.end = to;
                }
                Event::Eof => break,
                _ => {}
            }
        }
        if !open.is_empty() || roots != 1 {
            return None;
        }
        let leaf = |(at, element): (usize, &Element)| {
            let raw = text.get(element.inner.clone()).filter(|raw| !element.has_children && !raw.is_empty())?;
            Some(Value { element: at, span: element.inner.clone(), text: plain(raw)? })
        };
        let mut values: Vec<Value> = elements.iter().enumerate().filter_map(leaf).collect();
        values.extend(attributes);
        values.sort_by_key(|value| value.span.start);
        Some(Xml { text, elements, values })
    }

    pub(super) fn with_values(&self, change: &mut dyn FnMut(&str) -> Option<String>) -> Option<Vec<u8>> {
        let changed = |value: &Value| Some((value.span.clone(), escape(change(&value.text)?).into_owned()));
        let changes: Vec<_> = self.values.iter().filter_map(changed).collect();
        (!changes.is_empty()).then(|| self.spliced(0..self.text.len(), &changes).into_bytes())
    }

    /// A part of the text, with some spans in it exchanged; they are in order.
    fn spliced(&self, part: Range<usize>, changes: &[(Range<usize>, String)]) -> String {
        let mut text = String::with_capacity(part.len());
        let mut copied = part.start;
        for (span, new) in changes {
            text.push_str(&self.text[copied..span.start]);
            text.push_str(new);
            copied = span.end;
        }
        text.push_str(&self.text[copied..part.end]);
        text
    }

    /// The elements of one parent, of which the most hold one of these ids; of several such, the innermost.
    pub(super) fn entries(&self, ids: &HashSet<&str>) -> Vec<usize> {
        let mut holding = vec![false; self.elements.len()];
        for value in self.values.iter().filter(|value| ids.contains(value.text.as_str())) {
            let mut at = Some(value.element);
            while let Some(element) = at.filter(|&element| !holding[element]) {
                holding[element] = true;
                at = self.elements[element].parent;
            }
        }
        let mut by_parent: std::collections::BTreeMap<usize, Vec<usize>> = std::collections::BTreeMap::new();
        for (at, element) in self.elements.iter().enumerate() {
            if let Some(parent) = element.parent.filter(|_| holding[at] && element.is_record) {
                by_parent.entry(parent).or_default().push(at);
            }
        }
        let best = by_parent.into_iter().max_by_key(|(parent, entries)| (entries.len(), self.elements[*parent].depth));
        best.map(|(_, entries)| entries).unwrap_or_default()
    }

    pub(super) fn reversed(&self, ids: &HashSet<&str>) -> Option<Vec<u8>> {
        let entries = self.entries(ids);
        if entries.len() < 2 {
            return None;
        }
        let span = |&at: &usize| self.elements[at].span.clone();
        let changes: Vec<_> = entries
            .iter()
            .zip(entries.iter().rev())
            .map(|(place, content)| (span(place), self.text[span(content)].to_owned()))
            .collect();
        Some(self.spliced(0..self.text.len(), &changes).into_bytes())
    }

    pub(super) fn grown(&self, ids: &HashSet<&str>, more: usize, fresh: &mut Fresh<'_>) -> Option<Vec<u8>> {
        let entries = self.entries(ids);
        let end = self.elements[*entries.last()?].span.end;
        let mut copies = String::new();
        for &entry in entries.iter().cycle() {
            if fresh.made() >= more {
                break;
            }
            let before = fresh.made();
            let span = self.elements[entry].span.clone();
            let mut names: Vec<(&str, String)> = Vec::new();
            let mut changes = Vec::new();
            let from = self.values.partition_point(|value| value.span.start < span.start);
            for value in self.values[from..].iter().take_while(|value| value.span.end <= span.end) {
                if !ids.contains(value.text.as_str()) {
                    continue;
                }
                let new = match names.iter().find(|(old, _)| *old == value.text) {
                    Some((_, new)) => new.clone(),
                    None => {
                        let new = fresh.like(&value.text);
                        names.push((&value.text, new.clone()));
                        new
                    }
                };
                changes.push((value.span.clone(), escape(new).into_owned()));
            }
            copies.push_str(&self.spliced(span, &changes));
            if fresh.made() == before {
                return None;
            }
        }
        Some(self.spliced(0..self.text.len(), &[(end..end, copies)]).into_bytes())
    }
}

fn attributes_of(text: &str, element: usize, start: &BytesStart<'_>) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        let raw = attribute.value.as_ref();
        // The attribute's value is a part of the text that it was read from; its place is what is wanted.
        let at = (raw.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        let span = at..at.checked_add(raw.len())?;
        if text.get(span.clone()) != Some(raw) {
            return None;
        }
        values.push(Value { element, span, text: unescape(raw).ok()?.into_owned() });
    }
    Some(values)
}

/// The text that is written between two tags.
fn plain(raw: &str) -> Option<String> {
    match raw.trim().strip_prefix("<![CDATA[").and_then(|rest| rest.strip_suffix("]]>")) {
        Some(data) => Some(data.to_owned()),
        None => unescape(raw).ok().map(|text| text.into_owned()),
    }
}
