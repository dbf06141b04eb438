//! Elements and attributes of XML, one by one: their positions, and the document without one or with a different value.

use std::collections::{BTreeMap, BTreeSet};

use quick_xml::escape::escape;

use super::Xml;
use crate::kit::conformance::document::node::{Edit, Node, Order, Place, Side};

impl Xml {
    /// The name of an element, without its namespace.
    fn name(&self, element: usize) -> &str {
        let span = &self.elements[element].span;
        let tag = self.text[span.clone()].trim_start_matches('<');
        let name = tag.split(|c: char| c.is_whitespace() || matches!(c, '/' | '>')).next().unwrap_or_default();
        name.rsplit(':').next().unwrap_or(name)
    }

    fn path(&self, element: usize) -> String {
        let mut names = Vec::new();
        let mut at = Some(element);
        while let Some(element) = at {
            names.push(self.name(element));
            at = self.elements[element].parent;
        }
        names.iter().rev().map(|name| format!("/{name}")).collect()
    }

    /// The elements and attributes within one, or within the root.
    pub(in super::super) fn nodes(&self, within: Option<usize>) -> Vec<Node> {
        let within = within.unwrap_or(0);
        let Some(outer) = self.elements.get(within).map(|element| element.span.clone()) else { return Vec::new() };
        let mut found = Vec::new();
        for (at, element) in self.elements.iter().enumerate().skip(within) {
            if element.span.start >= outer.end {
                break;
            }
            let is_attribute = |value: &&(usize, &super::Value)| value.1.span.end <= element.inner.start;
            let own = self.values_in(element.span.clone()).filter(|(_, value)| value.element == at);
            let own: Vec<_> = own.collect();
            if at != within {
                let text = own.iter().find(|value| !is_attribute(value)).map(|(_, value)| value.text.clone());
                // An element without anything in it is an empty text.
                let text = text.or_else(|| (!element.has_children).then(String::new));
                found.push(Node { place: Place::Element(at), path: self.path(at), text });
            }
            for (number, value) in own.iter().filter(is_attribute) {
                let path = format!("{}/@{}", self.path(at), self.attribute_name(value));
                found.push(Node { place: Place::Value(*number), path, text: Some(value.text.clone()) });
            }
        }
        found
    }

    fn values_in(&self, span: std::ops::Range<usize>) -> impl Iterator<Item = (usize, &super::Value)> {
        let from = self.values.partition_point(|value| value.span.start < span.start);
        self.values.iter().enumerate().skip(from).take_while(move |(_, value)| value.span.end <= span.end)
    }

    /// Where the name of an attribute stands.
    fn attribute_start(&self, value: &super::Value) -> usize {
        let before = &self.text[..value.span.start];
        let name = before.trim_end_matches(['"', '\'']).trim_end().trim_end_matches('=').trim_end();
        name.rfind(char::is_whitespace).map_or(0, |blank| blank + 1)
    }

    fn attribute_name(&self, value: &super::Value) -> &str {
        let rest = &self.text[self.attribute_start(value)..value.span.start];
        rest.split('=').next().unwrap_or_default().trim()
    }

    /// The elements of the innermost one that all places are in; none where there is one place only.
    pub(in super::super) fn outer_entries(&self, places: &[Place]) -> Option<Vec<Place>> {
        let element = |place: &Place| match place {
            Place::Element(element) => Some(*element),
            Place::Value(value) => Some(self.values.get(*value)?.element),
            Place::Pointer(_) => None,
        };
        // From the root to the place.
        let chain = |element: usize| {
            let mut chain: Vec<usize> = std::iter::successors(Some(element), |&at| self.elements[at].parent).collect();
            chain.reverse();
            chain
        };
        let chains: Vec<Vec<usize>> = places.iter().filter_map(element).map(chain).collect();
        let first = chains.first().filter(|_| chains.len() > 1)?;
        let common =
            (0..first.len()).take_while(|&at| chains.iter().all(|chain| chain.get(at) == first.get(at))).count();
        let mut found: Vec<usize> = chains.iter().filter_map(|chain| chain.get(common).copied()).collect();
        found.sort_unstable();
        found.dedup();
        (found.len() > 1).then(|| found.into_iter().map(Place::Element).collect())
    }

    pub(in super::super) fn is_within(&self, inner: &Place, outer: &Place) -> bool {
        let span = |place: &Place| match place {
            Place::Element(element) => self.elements.get(*element).map(|element| element.span.clone()),
            Place::Value(value) => self.values.get(*value).map(|value| value.span.clone()),
            Place::Pointer(_) => None,
        };
        match (span(inner), span(outer)) {
            (Some(inner), Some(outer)) => inner != outer && outer.start <= inner.start && inner.end <= outer.end,
            _ => false,
        }
    }

    pub(in super::super) fn containers(&self, entry: usize) -> Vec<Node> {
        let mut found = Vec::new();
        let mut at = self.elements.get(entry).and_then(|entry| entry.parent);
        // The root is the answer itself.
        while let Some(element) = at.filter(|&element| self.elements[element].parent.is_some()) {
            found.push(Node { place: Place::Element(element), path: self.path(element), text: None });
            at = self.elements[element].parent;
        }
        found
    }

    pub(in super::super) fn edited(&self, edits: &[(Place, Edit)]) -> Vec<u8> {
        let mut changes: Vec<_> = edits.iter().filter_map(|(place, edit)| self.change(place, edit)).collect();
        changes.sort_by_key(|(span, _)| span.start);
        self.spliced(0..self.text.len(), &changes).into_bytes()
    }

    pub(in super::super) fn replaced(&self, place: &Place, by: &str) -> Vec<u8> {
        let change = match place {
            Place::Element(element) => self.elements.get(*element).map(|element| (element.span.clone(), by.to_owned())),
            Place::Pointer(_) | Place::Value(_) => None,
        };
        self.spliced(0..self.text.len(), change.as_slice()).into_bytes()
    }

    /// With an element of another document, in the place of the first one of its path, or as the last one of the root where
    /// it is a child of that.
    pub(in super::super) fn overlaid(&self, other: &Xml, element: usize) -> Option<Vec<u8>> {
        let path = other.path(element);
        let new = other.text[other.elements.get(element)?.span.clone()].to_owned();
        let own = (0..self.elements.len()).find(|at| self.path(*at) == path);
        let root = self.elements.first()?;
        let span = match own {
            Some(own) => self.elements[own].span.clone(),
            None if path.rsplit_once('/')?.0 == self.path(0) && root.has_children => root.inner.end..root.inner.end,
            None => return None,
        };
        Some(self.spliced(0..self.text.len(), &[(span, new)]).into_bytes())
    }

    /// With elements more before or behind some.
    pub(in super::super) fn with_siblings(
        &self,
        beside: &[(Place, Vec<(String, String)>)],
        side: Side,
    ) -> Option<Vec<u8>> {
        let change = |(place, members): &(Place, Vec<(String, String)>)| {
            let Place::Element(element) = place else { return None };
            let span = &self.elements.get(*element)?.span;
            let at = if side == Side::Before { span.start } else { span.end };
            let element = |(name, text): &(String, String)| format!("<{name}>{}</{name}>", escape(text.as_str()));
            Some((at..at, members.iter().map(element).collect::<String>()))
        };
        let mut changes: Vec<_> = beside.iter().filter_map(change).filter(|(_, new)| !new.is_empty()).collect();
        changes.sort_by_key(|(span, _)| span.start);
        (!changes.is_empty()).then(|| self.spliced(0..self.text.len(), &changes).into_bytes())
    }

    /// With the elements from the first to the last one exchanged for those of another document.
    pub(in super::super) fn with_elements_of(
        &self,
        own: (usize, usize),
        other: &Xml,
        of: (usize, usize),
    ) -> Option<Vec<u8>> {
        let span = |xml: &Xml, (first, last): (usize, usize)| {
            Some(xml.elements.get(first)?.span.start..xml.elements.get(last)?.span.end)
        };
        let new = other.text[span(other, of)?].to_owned();
        Some(self.spliced(0..self.text.len(), &[(span(self, own)?, new)]).into_bytes())
    }

    pub(in super::super) fn with_root_content(&self, content: &str) -> Option<Vec<u8>> {
        let root = self.elements.first().filter(|root| root.has_children)?;
        Some(self.spliced(0..self.text.len(), &[(root.inner.clone(), content.to_owned())]).into_bytes())
    }

    /// Each element with the elements that are in it, in the order of the document.
    fn children(&self) -> BTreeMap<usize, Vec<usize>> {
        let mut children: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, element) in self.elements.iter().enumerate() {
            if let Some(parent) = element.parent {
                children.entry(parent).or_default().push(at);
            }
        }
        children
    }

    /// The ends of elements, with how deep they stand; the root's is the document's.
    pub(in super::super) fn ends(&self, deepest: usize) -> Vec<(usize, usize)> {
        let within = self.elements.iter().filter(|element| (1..=deepest).contains(&element.depth));
        let mut ends: Vec<_> = within.map(|element| (element.depth, element.span.end)).collect();
        ends.sort_by_key(|(_, end)| *end);
        ends
    }

    /// The text with the elements within each element in another order. Those of one name are a list, and stay in theirs;
    /// where names take turns, the order has a meaning.
    pub(in super::super) fn ordered(&self, order: Order) -> Vec<u8> {
        let children = self.children();
        self.written(0, &children, order).into_bytes()
    }

    fn written(&self, element: usize, children: &BTreeMap<usize, Vec<usize>>, order: Order) -> String {
        let Some(at) = self.elements.get(element) else { return self.text.clone() };
        let Some(own) = children.get(&element) else { return self.text[at.span.clone()].to_owned() };
        let mut placed = own.clone();
        let mut names: Vec<&str> = own.iter().map(|child| self.name(*child)).collect();
        names.dedup();
        let groups = names.len();
        names.sort_unstable();
        names.dedup();
        if names.len() == groups {
            placed.sort_by(|one, two| match order {
                Order::Ascending => self.name(*one).cmp(self.name(*two)),
                Order::Descending => self.name(*two).cmp(self.name(*one)),
            });
        }
        // What is between the elements stays between them.
        let changes: Vec<_> = own
            .iter()
            .zip(placed)
            .map(|(place, content)| (self.elements[*place].span.clone(), self.written(content, children, order)))
            .collect();
        let part = if at.parent.is_none() { 0..self.text.len() } else { at.span.clone() };
        self.spliced(part, &changes)
    }

    /// The element of a list within an entry that contains a value, or is that value. Level 0 is the innermost list, level 1
    /// the list around it.
    pub(in super::super) fn element(&self, entry: usize, value: usize, level: usize) -> Option<usize> {
        let lists = self.list_paths();
        let within = std::iter::successors(Some(value), |&at| self.elements[at].parent).take_while(|&at| at != entry);
        let mut elements = within.filter(|&at| {
            let list = self.elements[at].parent.map(|parent| self.path(parent));
            // Lists of one look as others of that name do.
            list.is_some_and(|list| lists.contains(&list)) || matches!(self.name(at), "item" | "member")
        });
        elements.nth(level)
    }

    /// Copies behind an element, each with edits of its own.
    pub(in super::super) fn with_copies(&self, element: usize, copies: &[Vec<(Place, Edit)>]) -> Option<Vec<u8>> {
        let span = self.elements.get(element)?.span.clone();
        let mut made = String::new();
        for edits in copies {
            let mut changes: Vec<_> = edits.iter().filter_map(|(place, edit)| self.change(place, edit)).collect();
            changes.sort_by_key(|(span, _)| span.start);
            made.push_str(&self.spliced(span.clone(), &changes));
        }
        Some(self.spliced(0..self.text.len(), &[(span.end..span.end, made)]).into_bytes())
    }

    /// The paths of elements that have several of one name in them.
    pub(in super::super) fn list_paths(&self) -> BTreeSet<String> {
        let children = self.children();
        let is_list = |own: &[usize]| {
            let names: BTreeSet<&str> = own.iter().map(|child| self.name(*child)).collect();
            own.len() > 1 && names.len() == 1
        };
        children.iter().filter(|(_, own)| is_list(own)).map(|(element, _)| self.path(*element)).collect()
    }

    fn change(&self, place: &Place, edit: &Edit) -> Option<(std::ops::Range<usize>, String)> {
        match place {
            Place::Pointer(_) => None,
            Place::Value(number) => {
                let value = self.values.get(*number)?;
                Some(match edit {
                    Edit::Remove => (self.attribute_start(value)..value.span.end + 1, String::new()),
                    Edit::Text(text) => (value.span.clone(), escape(text.as_str()).into_owned()),
                    Edit::Null | Edit::Emptied | Edit::OtherType => (value.span.clone(), String::new()),
                })
            }
            Place::Element(element) => {
                let at = self.elements.get(*element)?;
                let start = &self.text[at.span.start..at.inner.start];
                // With its attributes, which say what it is.
                let start = start.trim_end_matches('>').trim_end_matches('/').trim_end();
                let name = start.trim_start_matches('<').split(char::is_whitespace).next().unwrap_or_default();
                let content = match edit {
                    Edit::Remove => return Some((at.span.clone(), String::new())),
                    Edit::Null | Edit::Emptied => return Some((at.span.clone(), format!("{start}/>"))),
                    Edit::Text(text) => escape(text.as_str()).into_owned(),
                    Edit::OtherType if at.has_children => "suite".to_owned(),
                    Edit::OtherType => "<suite>1</suite>".to_owned(),
                };
                Some((at.span.clone(), format!("{start}>{content}</{name}>")))
            }
        }
    }
}
