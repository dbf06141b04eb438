//! What a driver may make of an entry that is not as it should be.

use std::collections::BTreeSet;

use super::Entry;
use crate::driver::cassette::Cassette;
use crate::driver::conformance::document::{Edit, Node};
use crate::driver::conformance::stand::difference;
use crate::driver::conformance::{Run, times};
use crate::driver::{CallError, Coverage};
use crate::model::{Instance, InstanceState, Resource, State};

/// One list with an edited entry.
pub(super) struct Trial<'a> {
    /// The list without the edit.
    pub(super) base: &'a Run,
    pub(super) run: &'a Run,
    pub(super) entry: &'a Entry,
    pub(super) edited: &'a Node,
    pub(super) edit: &'a Edit,
    /// Whether other entries do without what was taken away.
    pub(super) is_spared: bool,
}

impl Trial<'_> {
    /// What is wrong with what came, if anything is.
    pub(super) fn fault(&self, cassette: &Cassette) -> Option<String> {
        let listing = match &self.run.outcome {
            Err(failure) => {
                return match failure.error {
                    CallError::UnexpectedAnswer(_) if !self.is_spared => None,
                    // An address that is none is refused by the host in the driver's place.
                    CallError::Contract(_) if self.is_address() => None,
                    CallError::UnexpectedAnswer(_) => {
                        Some(format!("as it is in other entries, expected a list, and {} came", self.run.came()))
                    }
                    _ => Some(format!("expected a list with it, or `unexpected-answer`, and {} came", self.run.came())),
                };
            }
            Ok(listing) => listing,
        };
        let (base, now) = (self.base.resources(), &listing.resources);
        let in_part = matches!(listing.coverage, Coverage::Partial(_));
        let find = |rows: &[Resource], id: &str| rows.iter().find(|row| row.id().as_str() == id).cloned();
        // Another id is as good as the one that was there, if the entry still has one.
        let renamed = matches!(self.edit, Edit::Text(_))
            && self.edited.text.as_ref().is_some_and(|text| self.entry.ids.contains(text));
        for row in base {
            let id = row.id().as_str();
            match find(now, id) {
                _ if self.entry.ids.contains(id) && (in_part || renamed) => {}
                None if in_part => {}
                None => {
                    let which = if self.entry.ids.contains(id) { "it" } else { "another entry" };
                    return Some(format!("{which}, {id}, is missing from {}", self.run.came()));
                }
                Some(other) if !self.entry.ids.contains(id) && other != *row => {
                    return Some(format!("another entry changed: {}", difference(std::slice::from_ref(row), &[other])));
                }
                Some(_) => {}
            }
        }
        if now.len() > base.len() {
            return Some(format!("more is listed than before: {}", difference(base, now)));
        }
        let rows = now.iter().filter(|row| self.entry.ids.contains(row.id().as_str()));
        rows.filter_map(|row| match (find(base, row.id().as_str())?, row) {
            (Resource::Instance(before), Resource::Instance(after)) => self.invented(&before, after, now, cassette),
            _ => None,
        })
        .next()
    }

    fn is_address(&self) -> bool {
        matches!(self.edit, Edit::Text(_) | Edit::OtherType)
            && self.edited.text.as_ref().is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok())
    }

    /// A value that the entry does not have.
    fn invented(&self, before: &Instance, after: &Instance, all: &[Resource], cassette: &Cassette) -> Option<String> {
        let id = &after.id;
        let texts: BTreeSet<&str> = self.entry.nodes.iter().filter_map(|node| node.text.as_deref()).collect();
        let account = &cassette.account;
        let known = |value: &str| {
            texts.iter().any(|text| text.contains(value) || value.contains(*text) && text.len() >= 3)
                || [&account.provider, &account.user]
                    .into_iter()
                    .chain(account.options.values())
                    .any(|own| own == value)
                || matches!(self.edit, Edit::Text(new) if new == value)
                || value == "suite"
                || value == "1"
        };
        let neighbours = || {
            all.iter().filter_map(|row| match row {
                Resource::Instance(other) if !self.entry.ids.contains(other.id.as_str()) => Some(other),
                _ => None,
            })
        };
        for (name, field) in FIELDS {
            let (Some(new), old) = (field(after), field(before)) else { continue };
            if Some(new) == old || new.is_empty() || known(new) {
                continue;
            }
            let whose = match neighbours().find(|other| field(other) == Some(new)) {
                Some(other) => format!("which is that of {}", other.id),
                None => "which is nowhere in the entry".to_owned(),
            };
            return Some(format!("{name} of {id} is {new:?}, {whose}"));
        }
        if let Some(new) = after.launched_at
            && after.launched_at != before.launched_at
            && !texts.iter().any(|text| times::read(text).contains(&new))
        {
            return Some(format!("launched_at of {id} is {new}, which is nowhere in the entry"));
        }
        if after.provider_state.is_empty() && after.state != InstanceState::Unknown {
            let state = State::Instance(after.state);
            return Some(format!("{id} is {state} without a word for its state, and is `unknown`"));
        }
        None
    }
}

type Field = fn(&Instance) -> Option<&str>;

const FIELDS: [(&str, Field); 6] = [
    ("name", |one| one.name.as_deref()),
    ("owner", |one| one.owner.as_deref()),
    ("realm", |one| one.realm.as_deref()),
    ("image", |one| one.image.as_deref()),
    ("hardware_profile", |one| one.hardware_profile.as_deref()),
    ("provider_state", |one| Some(&one.provider_state)),
];
