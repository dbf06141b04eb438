//! Members of JSON, one by one: their positions, and the document without one or with a different value.

use serde_json::{Value, json};

use crate::kit::conformance::document::node::{Edit, Node, Order, Place};

/// The members within a value, which its pointer names; what is in a list has the list's path.
pub(in super::super) fn nodes(value: &Value, within: &str) -> Vec<Node> {
    fn visit(value: &Value, (pointer, path): (&str, &str), found: &mut Vec<Node>) {
        match value {
            Value::Array(entries) => {
                for (at, entry) in entries.iter().enumerate() {
                    let pointer = format!("{pointer}/{at}");
                    if !entry.is_object() && !entry.is_array() {
                        found.push(Node {
                            place: Place::Pointer(pointer.clone()),
                            path: format!("{path}/[]"),
                            text: text_of(entry),
                        });
                    }
                    visit(entry, (&pointer, path), found);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    let (pointer, path) = (format!("{pointer}/{name}"), format!("{path}/{}", in_path(&name)));
                    found.push(Node {
                        place: Place::Pointer(pointer.clone()),
                        path: path.clone(),
                        text: text_of(member).or_else(|| member.as_bool().map(|is| is.to_string())),
                    });
                    visit(member, (&pointer, &path), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    if let Some(value) = value.pointer(within) {
        visit(value, (within, &path_of(within)), &mut found);
    }
    found
}

/// A pointer without places in lists.
fn path_of(pointer: &str) -> String {
    let is_name = |part: &&str| !part.is_empty() && !part.bytes().all(|byte| byte.is_ascii_digit());
    pointer.split('/').filter(is_name).map(|name| format!("/{}", in_path(name))).collect()
}

/// A member's name in a path. A name with a slash in it is the key of a map (`zones/north-1`): its values are alike.
fn in_path(name: &str) -> &str {
    if name.contains("~1") { "*" } else { name }
}

/// The entries of the innermost array that all places are in, or of the arrays of a map. None where these are no lists of
/// objects.
pub(in super::super) fn entries(value: &Value, places: &[Place]) -> Option<Vec<Place>> {
    let pointers: Vec<Vec<&str>> = places
        .iter()
        .filter_map(|place| match place {
            Place::Pointer(pointer) => Some(pointer.split('/').collect()),
            Place::Element(_) | Place::Value(_) => None,
        })
        .collect();
    let first = pointers.first().filter(|_| pointers.len() > 1)?;
    let common = (0..first.len()).take_while(|&at| pointers.iter().all(|parts| parts.get(at) == first.get(at))).count();
    let list = first[..common].join("/");
    let Some(array) = value.pointer(&list)?.as_array() else { return in_several(value, &pointers) };
    let mut found: Vec<usize> = pointers.iter().filter_map(|parts| parts.get(common)?.parse().ok()).collect();
    found.sort_unstable();
    found.dedup();
    let are_objects = found.iter().all(|&at| array.get(at).is_some_and(Value::is_object));
    are_objects.then(|| found.into_iter().map(|at| Place::Pointer(format!("{list}/{at}"))).collect())
}

/// The entries of several arrays with one path.
fn in_several(value: &Value, pointers: &[Vec<&str>]) -> Option<Vec<Place>> {
    let entry = |parts: &Vec<&str>| {
        let pointer = |at: usize| parts[..at].join("/");
        let is_entry = |at: &usize| {
            value.pointer(&pointer(*at)).is_some_and(Value::is_object)
                && value.pointer(&pointer(at - 1)).is_some_and(Value::is_array)
        };
        (1..parts.len()).rev().find(is_entry).map(pointer)
    };
    let mut found = pointers.iter().map(entry).collect::<Option<Vec<String>>>()?;
    found.dedup();
    let mut paths = found.iter().map(|pointer| path_of(pointer));
    let first = paths.next()?;
    paths.all(|path| path == first).then(|| found.into_iter().map(Place::Pointer).collect())
}

/// What an entry is in, by name.
pub(in super::super) fn containers(entry: &str) -> Vec<Node> {
    let mut found = Vec::new();
    let mut pointer = entry.rsplit_once('/').map_or("", |(list, _)| list);
    while let Some((parent, name)) = pointer.rsplit_once('/') {
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            found.push(Node { place: Place::Pointer(pointer.to_owned()), path: path_of(pointer), text: None });
        }
        pointer = parent;
    }
    found
}

/// The list that an entry is in, where it has a name or is the whole document.
pub(in super::super) fn list_of(entry: &str) -> Option<Node> {
    let is_root = entry.rsplit_once('/').is_some_and(|(list, _)| list.is_empty());
    let root = || Node { place: Place::Pointer(String::new()), path: String::new(), text: None };
    containers(entry).into_iter().next().or_else(|| is_root.then(root))
}

pub(in super::super) fn edited(value: &Value, edits: &[(Place, Edit)]) -> Vec<u8> {
    with_edits(value, edits).to_string().into_bytes()
}

fn with_edits(value: &Value, edits: &[(Place, Edit)]) -> Value {
    let mut copy = value.clone();
    let mut edits: Vec<_> = edits.iter().collect();
    // From the end on: what is removed from a list moves what stands behind it.
    edits.sort_by_key(|(place, _)| std::cmp::Reverse(order(place)));
    for (place, edit) in edits {
        let Place::Pointer(pointer) = place else { continue };
        edit_one(&mut copy, pointer, edit);
    }
    copy
}

/// The element of a list within an entry that contains a value, or is that value. Level 0 is the innermost list, level 1
/// the list around it.
pub(in super::super) fn element(document: &Value, entry: &str, value: &str, level: usize) -> Option<Place> {
    let parts: Vec<&str> = value.strip_prefix(entry)?.split('/').collect();
    let list = |at: usize| format!("{entry}{}", parts[..at].join("/"));
    let mut lists = (1..parts.len()).rev().filter(|at| document.pointer(&list(*at)).is_some_and(Value::is_array));
    let at = lists.nth(level)?;
    Some(Place::Pointer(format!("{}/{}", list(at), parts[at])))
}

/// Copies behind an element of a list, each with edits of its own.
pub(in super::super) fn with_copies(document: &Value, element: &str, copies: &[Vec<(Place, Edit)>]) -> Option<Vec<u8>> {
    let made: Option<Vec<Value>> =
        copies.iter().map(|edits| with_edits(document, edits).pointer(element).cloned()).collect();
    let (list, at) = element.rsplit_once('/')?;
    let behind = at.parse::<usize>().ok()? + 1;
    let mut copy = document.clone();
    let entries = copy.pointer_mut(list)?.as_array_mut()?;
    entries.splice(behind..behind, made?);
    Some(copy.to_string().into_bytes())
}

/// Another value at a place, in the place of what is there or as a member that was not.
pub(in super::super) fn overlaid(document: &Value, pointer: &str, value: &Value) -> Option<Vec<u8>> {
    let mut copy = document.clone();
    let (parent, name) = pointer.rsplit_once('/')?;
    match copy.pointer_mut(parent)? {
        Value::Object(members) => drop(members.insert(plain(name), value.clone())),
        Value::Array(entries) => *entries.get_mut(name.parse::<usize>().ok()?)? = value.clone(),
        _ => return None,
    }
    Some(copy.to_string().into_bytes())
}

/// Members more in the objects that some values are in.
pub(in super::super) fn with_siblings(document: &Value, beside: &[(Place, Vec<(String, String)>)]) -> Option<Vec<u8>> {
    let mut copy = document.clone();
    let mut has_changed = false;
    for (place, members) in beside {
        let Place::Pointer(pointer) = place else { continue };
        let is_number = document.pointer(pointer).is_some_and(Value::is_number);
        let Some((parent, _)) = pointer.rsplit_once('/') else { continue };
        let Some(object) = copy.pointer_mut(parent).and_then(Value::as_object_mut) else { continue };
        for (name, text) in members {
            let number = text.parse::<serde_json::Number>().ok().filter(|_| is_number);
            let value = match (number, text.parse::<bool>()) {
                (Some(number), _) => Value::Number(number),
                (None, Ok(flag)) => Value::Bool(flag),
                (None, Err(_)) => Value::from(text.as_str()),
            };
            object.insert(name.clone(), value);
            has_changed = true;
        }
    }
    has_changed.then(|| copy.to_string().into_bytes())
}

/// A member under another name, which no other one has.
pub(in super::super) fn with_name(document: &Value, pointer: &str, name: &str) -> Option<Vec<u8>> {
    let mut copy = document.clone();
    let (parent, old) = pointer.rsplit_once('/')?;
    let members = copy.pointer_mut(parent)?.as_object_mut()?;
    let value = members.remove(&plain(old))?;
    members.insert(name.to_owned(), value).is_none().then(|| copy.to_string().into_bytes())
}

/// A name as it is, where a pointer has it.
fn plain(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}

/// The text with the members of each object in another order, which a map does not keep.
pub(in super::super) fn ordered(value: &Value, order: Order) -> Vec<u8> {
    fn write(value: &Value, order: Order, text: &mut String) {
        match value {
            Value::Array(entries) => {
                text.push('[');
                for (at, entry) in entries.iter().enumerate() {
                    if at > 0 {
                        text.push(',');
                    }
                    write(entry, order, text);
                }
                text.push(']');
            }
            Value::Object(members) => {
                let mut names: Vec<&String> = members.keys().collect();
                names.sort_unstable();
                if order == Order::Descending {
                    names.reverse();
                }
                text.push('{');
                for (at, name) in names.into_iter().enumerate() {
                    if at > 0 {
                        text.push(',');
                    }
                    text.push_str(&Value::from(name.as_str()).to_string());
                    text.push(':');
                    write(&members[name], order, text);
                }
                text.push('}');
            }
            leaf => text.push_str(&leaf.to_string()),
        }
    }
    let mut text = String::new();
    write(value, order, &mut text);
    text.into_bytes()
}

/// Places in lists by their number.
fn order(place: &Place) -> Vec<(u64, String)> {
    let Place::Pointer(pointer) = place else { return Vec::new() };
    pointer.split('/').map(|part| (part.parse().unwrap_or(0), part.to_owned())).collect()
}

fn edit_one(document: &mut Value, pointer: &str, edit: &Edit) {
    if *edit == Edit::Remove {
        let Some((parent, name)) = pointer.rsplit_once('/') else { return };
        match document.pointer_mut(parent) {
            Some(Value::Object(members)) => drop(members.remove(&plain(name))),
            Some(Value::Array(entries)) => {
                if let Some(at) = name.parse().ok().filter(|&at: &usize| at < entries.len()) {
                    entries.remove(at);
                }
            }
            _ => {}
        }
        return;
    }
    let Some(value) = document.pointer_mut(pointer) else { return };
    *value = match (edit, &*value) {
        (Edit::Text(text), Value::Number(_)) => {
            text.parse::<serde_json::Number>().map_or_else(|_| Value::from(text.as_str()), Value::Number)
        }
        (Edit::Text(text), Value::Bool(_)) if matches!(text.as_str(), "true" | "false") => Value::from(text == "true"),
        (Edit::Text(text), _) => Value::from(text.as_str()),
        (Edit::Emptied, Value::Array(_)) => json!([]),
        (Edit::Emptied, Value::Object(_)) => json!({}),
        (Edit::OtherType, Value::Array(_) | Value::Object(_)) => json!("suite"),
        (Edit::OtherType, _) => json!({ "suite": 1 }),
        (Edit::Null | Edit::Emptied | Edit::Remove, _) => Value::Null,
    };
}

/// Values that are text or a number, as text; numbers as the document writes them.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
