//! A provider's answer as a document with values that can be changed, for any provider: JSON or XML. The suite uses it
//! to make answers that nobody recorded (an unknown state, a thousand instances, a different order) from recorded ones.

mod ends;
mod ids;
mod json;
mod node;
mod xml;

use std::collections::{BTreeMap, BTreeSet, HashSet};

pub(super) use ends::ends;
pub(super) use ids::Fresh;
pub(super) use node::{Edit, Grown, Node, Order, Place, Side, counts_entries};

/// An answer's body, understood.
#[derive(Clone, Debug)]
pub(super) enum Document {
    Json(serde_json::Value),
    Xml(xml::Xml),
}

impl Document {
    /// Reads a body; none where it is neither JSON nor XML.
    pub(super) fn read(body: &[u8]) -> Option<Document> {
        let start = body.trim_ascii_start().first()?;
        match start {
            b'{' | b'[' => serde_json::from_slice(body).ok().map(Document::Json),
            b'<' => xml::Xml::read(body).map(Document::Xml),
            _ => None,
        }
    }

    /// The body with values exchanged: `change` is asked about each text and number, and gives what stands in
    /// its place. None where it changed nothing.
    pub(super) fn with_values(&self, change: &mut dyn FnMut(&str) -> Option<String>) -> Option<Vec<u8>> {
        match self {
            Document::Json(value) => json::with_values(value, change),
            Document::Xml(xml) => xml.with_values(change),
        }
    }

    /// Everything that has a name in it, in its order.
    pub(super) fn nodes(&self) -> Vec<Node> {
        match self {
            Document::Json(value) => json::nodes(value, ""),
            Document::Xml(xml) => xml.nodes(None),
        }
    }

    /// Everything that has a name in one entry.
    pub(super) fn nodes_in(&self, entry: &Place) -> Vec<Node> {
        match (self, entry) {
            (Document::Json(value), Place::Pointer(pointer)) => json::nodes(value, pointer),
            (Document::Xml(xml), Place::Element(element)) => xml.nodes(Some(*element)),
            _ => Vec::new(),
        }
    }

    /// Where ids stand: the path with the most of them, and of several the one with the fewest other values.
    pub(super) fn id_path(&self, ids: &HashSet<&str>) -> Option<String> {
        let nodes = self.nodes();
        let mut by_path: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for node in &nodes {
            if let Some(text) = node.text.as_deref().filter(|text| !text.is_empty()) {
                by_path.entry(&node.path).or_default().push(text);
            }
        }
        let held = |texts: &[&str]| texts.iter().filter(|text| ids.contains(**text)).collect::<BTreeSet<_>>().len();
        let best = by_path.iter().max_by_key(|(_, texts)| (held(texts), std::cmp::Reverse(texts.len())));
        best.filter(|(_, texts)| held(texts) > 0).map(|(path, _)| (*path).to_owned())
    }

    /// The entries of the list that all these ids are in: of lists in lists, the outer one.
    pub(super) fn entries(&self, ids: &HashSet<&str>) -> Vec<Place> {
        let Some(path) = self.id_path(ids) else { return Vec::new() };
        let nodes = self.nodes().into_iter().filter(|node| node.path == path);
        let places: Vec<Place> = nodes
            .filter(|node| node.text.as_deref().is_some_and(|text| ids.contains(text)))
            .map(|node| node.place)
            .collect();
        match self {
            Document::Json(value) => json::entries(value, &places)
                .or_else(|| json::list(value, ids).map(|list| list.places()))
                .unwrap_or_default(),
            Document::Xml(xml) => {
                xml.outer_entries(&places).unwrap_or_else(|| xml.entries(ids).into_iter().map(Place::Element).collect())
            }
        }
    }

    /// What the entries with these ids are in, from the innermost to the outermost with a name.
    pub(super) fn containers(&self, ids: &HashSet<&str>) -> Vec<Node> {
        let entries = self.entries(ids);
        match (self, entries.first()) {
            (Document::Json(_), Some(Place::Pointer(entry))) => json::containers(entry),
            (Document::Xml(xml), Some(Place::Element(entry))) => xml.containers(*entry),
            _ => Vec::new(),
        }
    }

    /// The lists that the entries with these ids are in, where they have names: one, or those of a map.
    pub(super) fn lists(&self, ids: &HashSet<&str>) -> Vec<Node> {
        let innermost = |entry: &Place| match (self, entry) {
            (Document::Json(_), Place::Pointer(entry)) => json::list_of(entry),
            (Document::Xml(xml), Place::Element(entry)) => xml.containers(*entry).into_iter().next(),
            _ => None,
        };
        let mut lists: Vec<Node> = self.entries(ids).iter().filter_map(innermost).collect();
        lists.dedup_by(|one, other| one.place == other.place);
        lists
    }

    /// Whether a place is within another one.
    pub(super) fn is_within(&self, inner: &Place, outer: &Place) -> bool {
        match (self, inner, outer) {
            (Document::Json(_), Place::Pointer(inner), Place::Pointer(outer)) => {
                inner.starts_with(&format!("{outer}/"))
            }
            (Document::Xml(xml), inner, outer) => xml.is_within(inner, outer),
            _ => false,
        }
    }

    /// The body with some nodes edited, none of which is in another.
    pub(super) fn edited(&self, edits: &[(Place, Edit)]) -> Vec<u8> {
        match self {
            Document::Json(value) => json::edited(value, edits),
            Document::Xml(xml) => xml.edited(edits),
        }
    }

    /// The element of a list within an entry that contains a value, or is that value. Level 0 is the innermost list, level 1
    /// the list around it. None where there is no list.
    pub(super) fn element(&self, entry: &Place, value: &Place, level: usize) -> Option<Place> {
        match (self, entry, value) {
            (Document::Json(document), Place::Pointer(entry), Place::Pointer(value)) => {
                json::element(document, entry, value, level)
            }
            (Document::Xml(xml), Place::Element(entry), Place::Element(value)) => {
                xml.element(*entry, *value, level).map(Place::Element)
            }
            _ => None,
        }
    }

    /// The body with copies behind an element of a list, each with edits of its own: of what is in the element, where it stands.
    pub(super) fn with_copies(&self, element: &Place, copies: &[Vec<(Place, Edit)>]) -> Option<Vec<u8>> {
        match (self, element) {
            (Document::Json(document), Place::Pointer(element)) => json::with_copies(document, element, copies),
            (Document::Xml(xml), Place::Element(element)) => xml.with_copies(*element, copies),
            _ => None,
        }
    }

    /// The body with members more beside some, each with a name and a text; a number where the one that it stands beside is one,
    /// and a flag where the text is one. None where there is nothing to put there. Members of JSON have no order.
    pub(super) fn with_siblings(&self, beside: &[(Place, Vec<(String, String)>)], side: Side) -> Option<Vec<u8>> {
        match self {
            Document::Json(value) => (side == Side::Behind).then(|| json::with_siblings(value, beside)).flatten(),
            Document::Xml(xml) => xml.with_siblings(beside, side),
        }
    }

    /// The body with what has a name in another order. Lists keep theirs.
    pub(super) fn ordered(&self, order: Order) -> Vec<u8> {
        match self {
            Document::Json(value) => json::ordered(value, order),
            Document::Xml(xml) => xml.ordered(order),
        }
    }

    /// The XML elements that are lists within an entry, of which this document shows it: more than one element of a name is
    /// in one of them somewhere.
    pub(super) fn list_paths(&self) -> BTreeSet<String> {
        match self {
            Document::Json(_) => BTreeSet::new(),
            Document::Xml(xml) => xml.list_paths(),
        }
    }

    /// The path of what is at a place.
    pub(super) fn path_at(&self, place: &Place) -> String {
        self.nodes().into_iter().find(|node| node.place == *place).map(|node| node.path).unwrap_or_default()
    }

    /// Whether nothing is at a place: `null`.
    pub(super) fn is_null(&self, place: &Place) -> bool {
        match (self, place) {
            (Document::Json(value), Place::Pointer(pointer)) => {
                value.pointer(pointer).is_some_and(serde_json::Value::is_null)
            }
            _ => false,
        }
    }

    /// Whether a number is at a place. XML has none.
    pub(super) fn is_number(&self, place: &Place) -> bool {
        match (self, place) {
            (Document::Json(value), Place::Pointer(pointer)) => {
                value.pointer(pointer).is_some_and(serde_json::Value::is_number)
            }
            _ => false,
        }
    }

    /// The body with what another document has at a node, in the place of its own or beside it. None where it has nothing that
    /// it could stand in.
    pub(super) fn overlaid(&self, other: &Document, node: &Node) -> Option<Vec<u8>> {
        match (self, other, &node.place) {
            (Document::Json(own), Document::Json(other), Place::Pointer(pointer)) => {
                json::overlaid(own, pointer, other.pointer(pointer)?)
            }
            (Document::Xml(own), Document::Xml(other), Place::Element(element)) => own.overlaid(other, *element),
            _ => None,
        }
    }

    /// The body with the entries of another document in the place of its own.
    pub(super) fn with_entries_of(&self, other: &Document, ids: &HashSet<&str>) -> Option<Vec<u8>> {
        match (self, other) {
            (Document::Json(own), Document::Json(value)) => {
                match (self.lists(ids).as_slice(), other.lists(ids).as_slice()) {
                    ([Node { place: Place::Pointer(place), .. }], [Node { place: Place::Pointer(of), .. }]) => {
                        json::overlaid(own, place, value.pointer(of)?)
                    }
                    _ => None,
                }
            }
            (Document::Xml(own), Document::Xml(xml)) => {
                let ends = |document: &Document| {
                    let entries = document.entries(ids);
                    match (entries.first()?, entries.last()?) {
                        (Place::Element(first), Place::Element(last)) => Some((*first, *last)),
                        _ => None,
                    }
                };
                own.with_elements_of(ends(self)?, xml, ends(other)?)
            }
            _ => None,
        }
    }

    /// The body with another name for a member of an object. None in XML, whose names are its author's.
    pub(super) fn with_name(&self, place: &Place, name: &str) -> Option<Vec<u8>> {
        match (self, place) {
            (Document::Json(value), Place::Pointer(pointer)) => json::with_name(value, pointer, name),
            _ => None,
        }
    }

    /// An XML body with an element emptied, under a name that nobody knows.
    pub(super) fn renamed(&self, place: &Place) -> Vec<u8> {
        match self {
            Document::Json(_) => self.edited(&[]),
            Document::Xml(xml) => xml.replaced(place, "<suiteUnknown/>"),
        }
    }

    /// An XML body with something else in its root; none where it is no XML.
    pub(super) fn with_root_content(&self, content: &str) -> Option<Vec<u8>> {
        match self {
            Document::Json(_) => None,
            Document::Xml(xml) => xml.with_root_content(content),
        }
    }

    /// How many entries of one list in it hold one of these ids.
    pub(super) fn count(&self, ids: &HashSet<&str>) -> usize {
        match self {
            Document::Json(value) => json::list(value, ids).map_or(0, |list| list.entries.len()),
            Document::Xml(xml) => xml.entries(ids).len(),
        }
    }

    /// The body with the entries that hold these ids in the opposite order; none where there are not two.
    pub(super) fn reversed(&self, ids: &HashSet<&str>) -> Option<Vec<u8>> {
        match self {
            Document::Json(value) => json::reversed(value, ids),
            Document::Xml(xml) => xml.reversed(ids),
        }
    }

    /// The body with copies of those entries behind them, each with ids of its own, until so many ids more are
    /// in it. `listed` is how many the whole list had: where the answer says that number, it says the new one.
    pub(super) fn grown(&self, ids: &HashSet<&str>, more: usize, listed: usize) -> Option<Grown> {
        let mut fresh = Fresh::beside(ids);
        let body = match self {
            Document::Json(value) => json::grown(value, ids, more, listed, &mut fresh),
            Document::Xml(xml) => xml.grown(ids, more, &mut fresh),
        }?;
        Some(Grown { body, added: fresh.into_made() })
    }
}

#[cfg(test)]
mod tests;
