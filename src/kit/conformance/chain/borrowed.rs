//! Extends a list of one page like another list of the provider, of which a cassette shows several pages. That is
//! possible if this list's answer has a place for the cursor, too, or if the driver asks for the first page by its
//! number.

use std::collections::HashSet;

use super::parameters::parameters;
use super::template::Template;
use super::{Cursor, Link, played};
use crate::kit::conformance::document::{Document, Edit, Node, Place, counts_entries};
use crate::kit::conformance::stage::{recorded, with_body};
use crate::kit::conformance::suite::{Case, ids_of};

impl Link {
    /// How a list of one page goes on where the provider gives pages of it as it does of another list, whose link this is.
    pub(in super::super) fn borrowed(&self, paged: &Case, single: &Case) -> Option<Link> {
        if self.kind == Cursor::Id {
            return None;
        }
        let ids = ids_of(single);
        let held = played(single).into_iter().filter_map(|(asked, at)| {
            let answered = recorded(&single.cassette.exchanges[at]).ok()?;
            let document = Document::read(&answered.body)?;
            (!document.entries(&ids).is_empty()).then_some((asked, answered, document))
        });
        let held: Vec<_> = held.collect();
        let [(asked, answered, document)] = held.as_slice() else { return None };
        let begins_with = parameters(asked).get(&self.parameter).cloned();
        let is_asked_for = begins_with.is_some() && begins_with == self.begins_with;
        let mut first: Option<Document> = None;
        for node in self.first.cursors(&self.second, &self.parameter) {
            let Some(outer) = outermost(node) else { continue };
            if is_asked_for || has_place(document, node, &outer) {
                let own = first.as_ref().unwrap_or(document);
                first = Some(Document::read(&own.overlaid(self.first.document(), &outer)?)?);
            }
        }
        let paths = (self.requests[0].url.path(), asked.url.path());
        let body = adapted(&first?, &ids, (ids_of(paged).len(), ids.len()), paths);
        // Who follows an address asks with the parameters that are in it.
        let mut second = (*asked).clone();
        second.url.set_query(self.requests[1].url.query());
        Some(Link {
            first: Template::of(&with_body(answered, body), &ids)?,
            last: Template::of(answered, &ids)?,
            parameter: self.parameter.clone(),
            begins_with,
            second: self.second.clone(),
            kind: self.kind,
            requests: [(*asked).clone(), second],
        })
    }
}

/// The member of an answer's root that a node is, or is in. None in XML, where answers of two kinds have two roots.
fn outermost(node: &Node) -> Option<Node> {
    let Place::Pointer(pointer) = &node.place else { return None };
    let name = pointer.split('/').nth(1)?;
    Some(Node { place: Place::Pointer(format!("/{name}")), path: format!("/{name}"), text: None })
}

/// Whether an answer has a place for a cursor: the very member, the object that it is in, or an empty one further out.
fn has_place(document: &Document, cursor: &Node, outer: &Node) -> bool {
    let nodes = document.nodes();
    let is_empty = |own: &Node| !nodes.iter().any(|node| document.is_within(&node.place, &own.place));
    nodes.iter().any(|own| {
        let is_object = own.text.is_none() && !document.is_null(&own.place);
        own.path == cursor.path
            || is_object && (own.path == cursor.parent() || own.place == outer.place && is_empty(own))
    })
}

/// An answer in which what came from that to another list speaks of this one.
fn adapted(document: &Document, ids: &HashSet<&str>, (other, own): (usize, usize), paths: (&str, &str)) -> Vec<u8> {
    let entries = document.entries(ids);
    let outside = document
        .nodes()
        .into_iter()
        .filter(|node| !entries.iter().any(|entry| *entry == node.place || document.is_within(&node.place, entry)));
    let edit = |node: Node| {
        let text = node.text?;
        let name = node.path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let counts = counts_entries(&name) && text.parse() == Ok(other);
        let new = match counts {
            true => own.to_string(),
            false => text.replace(paths.0, paths.1),
        };
        (new != text).then_some((node.place, Edit::Text(new)))
    };
    document.edited(&outside.filter_map(edit).collect::<Vec<_>>())
}
