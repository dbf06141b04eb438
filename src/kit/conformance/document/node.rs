//! The nodes of a document, and the edits to them.

use std::collections::BTreeSet;

/// Where something stands in a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Place {
    /// In JSON, as JSON pointers have it.
    Pointer(String),
    /// An element of XML, by its number in the document.
    Element(usize),
    /// A text or an attribute of XML, by its number.
    Value(usize),
}

/// One value, or several together under one name.
#[derive(Clone, Debug)]
pub(in super::super) struct Node {
    pub(in super::super) place: Place,
    /// The names on the way from the root, without places in lists: the same in every entry of a list.
    pub(in super::super) path: String,
    /// Of one value, its text.
    pub(in super::super) text: Option<String>,
}

impl Node {
    /// The path of what it is in.
    pub(in super::super) fn parent(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(parent, _)| parent)
    }
}

/// What is done to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Edit {
    Remove,
    /// It is there, and there is nothing in it: `null`, an empty element.
    Null,
    /// It is there, and nothing is left in it: an empty list or object, an empty element.
    Emptied,
    /// Another text; a number stays one where the text is one.
    Text(String),
    /// A value becomes an object, and several together become a text.
    OtherType,
}

/// On which side of a member others are put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Side {
    Before,
    Behind,
}

impl Side {
    pub(in super::super) const ALL: [Side; 2] = [Side::Before, Side::Behind];
}

/// In which order the members of an object, or the elements within an element, stand: by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Order {
    Ascending,
    Descending,
}

impl Order {
    pub(in super::super) const ALL: [Order; 2] = [Order::Ascending, Order::Descending];

    /// For people.
    pub(in super::super) fn name(self) -> &'static str {
        match self {
            Order::Ascending => "in the order of their names",
            Order::Descending => "in the opposite order of their names",
        }
    }
}

/// A list with more in it.
#[derive(Debug)]
pub(in super::super) struct Grown {
    pub(in super::super) body: Vec<u8>,
    /// The ids that are in it and were not before.
    pub(in super::super) added: BTreeSet<String>,
}

/// Whether a member or a header of that name, in small letters, counts entries: `total`, `X-Total-Count`, `results`.
pub(in super::super) fn counts_entries(name: &str) -> bool {
    name.contains("total") || name.contains("count") || name == "size" || name == "results"
}
