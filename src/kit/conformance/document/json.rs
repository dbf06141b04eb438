//! JSON answers: lists of objects, wherever they are.

mod nodes;

use std::collections::HashSet;

use serde_json::Value;

use super::ids::Fresh;
use super::node::{Place, counts_entries};
use nodes::text_of;

pub(super) use nodes::{
    containers, edited, element, entries, list_of, nodes, ordered, overlaid, with_copies, with_name, with_siblings,
};

/// A list within a document, of which some entries hold ids.
pub(super) struct List {
    /// As JSON pointers have it.
    pointer: String,
    /// The places of the entries that hold an id.
    pub(super) entries: Vec<usize>,
}

impl List {
    pub(super) fn places(&self) -> Vec<Place> {
        self.entries.iter().map(|at| Place::Pointer(format!("{}/{at}", self.pointer))).collect()
    }
}

fn visit(value: &mut Value, change: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Array(entries) => entries.iter_mut().for_each(|entry| visit(entry, change)),
        Value::Object(members) => members.values_mut().for_each(|member| visit(member, change)),
        leaf => change(leaf),
    }
}

pub(super) fn with_values(value: &Value, change: &mut dyn FnMut(&str) -> Option<String>) -> Option<Vec<u8>> {
    let mut copy = value.clone();
    let mut changed = false;
    visit(&mut copy, &mut |leaf| {
        if let Some(text) = text_of(leaf)
            && let Some(new) = change(&text)
        {
            // A number stays one: what reads it may well want one.
            *leaf = match (&*leaf, new.parse::<u64>()) {
                (Value::Number(_), Ok(number)) => Value::from(number),
                _ => Value::String(new),
            };
            changed = true;
        }
    });
    changed.then(|| copy.to_string().into_bytes())
}

/// The list of objects of which the most hold one of these ids; of several, the innermost.
pub(super) fn list(value: &Value, ids: &HashSet<&str>) -> Option<List> {
    fn holds(value: &Value, ids: &HashSet<&str>) -> bool {
        match value {
            Value::Array(entries) => entries.iter().any(|entry| holds(entry, ids)),
            Value::Object(members) => members.values().any(|member| holds(member, ids)),
            leaf => text_of(leaf).is_some_and(|text| ids.contains(text.as_str())),
        }
    }
    fn search(value: &Value, pointer: &str, ids: &HashSet<&str>, best: &mut Option<List>) {
        match value {
            Value::Array(entries) => {
                let holding = |(at, entry): (usize, &Value)| (entry.is_object() && holds(entry, ids)).then_some(at);
                let found: Vec<usize> = entries.iter().enumerate().filter_map(holding).collect();
                if !found.is_empty() && best.as_ref().is_none_or(|best| found.len() >= best.entries.len()) {
                    *best = Some(List { pointer: pointer.to_owned(), entries: found });
                }
                for (at, entry) in entries.iter().enumerate() {
                    search(entry, &format!("{pointer}/{at}"), ids, best);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    search(member, &format!("{pointer}/{name}"), ids, best);
                }
            }
            _ => {}
        }
    }
    let mut best = None;
    search(value, "", ids, &mut best);
    best
}

pub(super) fn reversed(value: &Value, ids: &HashSet<&str>) -> Option<Vec<u8>> {
    let List { pointer, entries } = list(value, ids)?;
    if entries.len() < 2 {
        return None;
    }
    let mut copy = value.clone();
    let array = copy.pointer_mut(&pointer)?.as_array_mut()?;
    for (&front, &back) in entries.iter().zip(entries.iter().rev()).take(entries.len() / 2) {
        array.swap(front, back);
    }
    Some(copy.to_string().into_bytes())
}

pub(super) fn grown(
    value: &Value,
    ids: &HashSet<&str>,
    more: usize,
    listed: usize,
    fresh: &mut Fresh<'_>,
) -> Option<Vec<u8>> {
    let List { pointer, entries } = list(value, ids)?;
    let mut copy = value.clone();
    let array = copy.pointer_mut(&pointer)?.as_array_mut()?;
    let on_page = array.len();
    let patterns: Vec<Value> = entries.iter().filter_map(|&at| array.get(at).cloned()).collect();
    let members = id_members(&patterns, ids);
    for pattern in patterns.iter().cycle() {
        if fresh.made() >= more {
            break;
        }
        let before = fresh.made();
        array.push(renamed(pattern, ids, &members, fresh));
        if fresh.made() == before {
            return None;
        }
    }
    let added = fresh.made();
    count_anew(&mut copy, &[on_page, listed], added);
    Some(copy.to_string().into_bytes())
}

/// The members that hold an id in every entry; where there is none, an id may be anywhere in one.
fn id_members(patterns: &[Value], ids: &HashSet<&str>) -> Vec<String> {
    let Some(first) = patterns.first().and_then(Value::as_object) else { return Vec::new() };
    let is_id = |value: Option<&Value>| value.and_then(text_of).is_some_and(|text| ids.contains(text.as_str()));
    let everywhere = |name: &&String| patterns.iter().all(|pattern| is_id(pattern.get(name.as_str())));
    first.keys().filter(everywhere).cloned().collect()
}

/// A copy of an entry under ids of its own. An id of some length is found within other texts, too, such as the
/// entry's own address.
fn renamed(entry: &Value, ids: &HashSet<&str>, members: &[String], fresh: &mut Fresh<'_>) -> Value {
    let mut copy = entry.clone();
    let mut names: Vec<(String, String)> = Vec::new();
    let mut exchange = |leaf: &mut Value, names: &mut Vec<(String, String)>| {
        let Some(old) = text_of(leaf).filter(|text| ids.contains(text.as_str())) else { return };
        let new = match names.iter().find(|(known, _)| *known == old) {
            Some((_, new)) => new.clone(),
            None => {
                let new = fresh.like(&old);
                names.push((old, new.clone()));
                new
            }
        };
        *leaf = match (&*leaf, new.parse::<u64>()) {
            (Value::Number(_), Ok(number)) => Value::from(number),
            _ => Value::String(new),
        };
    };
    match (members.is_empty(), copy.as_object_mut()) {
        (false, Some(object)) => {
            for name in members {
                if let Some(leaf) = object.get_mut(name) {
                    exchange(leaf, &mut names);
                }
            }
        }
        _ => visit(&mut copy, &mut |leaf| exchange(leaf, &mut names)),
    }
    visit(&mut copy, &mut |leaf| {
        if let Value::String(text) = leaf
            && names.iter().all(|(_, new)| new != text)
        {
            for (old, new) in &names {
                if text.contains(old.as_str()) && (old.len() >= 6 || text.ends_with(&format!("/{old}"))) {
                    *text = text.replace(old.as_str(), new);
                }
            }
        }
    });
    copy
}

/// Members that say how many there are say how many there are now.
fn count_anew(value: &mut Value, counts: &[usize], added: usize) {
    match value {
        Value::Array(entries) => entries.iter_mut().for_each(|entry| count_anew(entry, counts, added)),
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.to_ascii_lowercase();
                let counts_it = counts_entries(&name)
                    && member.as_u64().is_some_and(|number| counts.iter().any(|&count| count as u64 == number));
                match counts_it {
                    true => *member = Value::from(member.as_u64().unwrap_or(0).saturating_add(added as u64)),
                    false => count_anew(member, counts, added),
                }
            }
        }
        _ => {}
    }
}
