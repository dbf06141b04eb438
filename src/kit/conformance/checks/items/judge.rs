//! The acceptable results for a malformed entry.

use std::collections::BTreeSet;

use super::page::Entry;
use crate::driver::{CallError, Coverage};
use crate::kit::cassette::Cassette;
use crate::kit::conformance::document::{Edit, Node};
use crate::kit::conformance::stand::{Run, difference};
use crate::kit::conformance::times;
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
    /// The words for states that lists of this kind have: one may be said by a number, too.
    pub(super) states: &'a BTreeSet<&'a str>,
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
                    // So is an id without a letter.
                    CallError::Contract(_) if self.is_emptied_id() => None,
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

    /// Whether all that is in the entry is of one resource.
    fn is_of_one(&self) -> bool {
        self.entry.ids.len() == 1
    }

    /// What the entry has beside what was edited.
    fn other_texts(&self) -> impl Iterator<Item = &str> {
        let others = self.entry.nodes.iter().filter(|node| node.place != self.edited.place);
        others.filter_map(|node| node.text.as_deref())
    }

    /// Whether a value stood where the edit was, and nowhere else.
    fn is_only_here(&self, value: &str) -> bool {
        let is_left = matches!(self.edit, Edit::Text(new) if new == value);
        let is_elsewhere = self.other_texts().any(|text| text.contains(value));
        self.is_of_one() && !value.is_empty() && self.edited.text.as_deref() == Some(value) && !is_left && !is_elsewhere
    }

    /// A field with another value than before, which is no id.
    pub(super) fn taken_from_elsewhere(&self) -> Option<Found> {
        let base = self.base.resources();
        let rows = self.run.resources().iter().filter(|row| self.entry.ids.contains(row.id().as_str()));
        let mut fields = rows.flat_map(|row| FIELDS.map(|(name, field)| (row, name, field)));
        fields.find_map(|(row, name, field)| {
            let Resource::Instance(after) = row else { return None };
            let before = base.iter().find_map(|before| match before {
                Resource::Instance(before) if before.id == after.id => Some(before),
                _ => None,
            })?;
            let value = field(after).filter(|value| !value.is_empty() && field(before) != Some(value))?;
            let is_new = matches!(self.edit, Edit::Text(text) if text == value);
            let is_known = is_new || self.entry.ids.contains(value) || name == "provider_state";
            (!is_known).then(|| Found { id: after.id.to_string(), name, value: value.to_owned(), field })
        })
    }

    fn is_emptied_id(&self) -> bool {
        matches!(self.edit, Edit::Text(text) if text.is_empty())
            && self.edited.text.as_ref().is_some_and(|text| self.entry.ids.contains(text))
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
        let is_accounts = |value: &str| {
            let mut own = [&account.provider, &account.user].into_iter().chain(account.options.values());
            own.any(|own| own == value)
        };
        let known = |value: &str| {
            texts.iter().any(|text| text.contains(value) || value.contains(*text) && text.len() >= 3)
                || is_accounts(value)
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
            if Some(new) == old && name != "provider_state" && self.is_only_here(new) && !is_accounts(new) {
                return Some(format!("{name} of {id} is still {new:?}, which is nowhere in the entry any more"));
            }
            if Some(new) == old || new.is_empty() || known(new) {
                continue;
            }
            let whose = match neighbours().find(|other| field(other) == Some(new)) {
                Some(other) => format!("which is that of {}", other.id),
                None if name == "provider_state" && self.states.contains(new) => continue,
                None => "which is nowhere in the entry".to_owned(),
            };
            return Some(format!("{name} of {id} is {new:?}, {whose}"));
        }
        let kept = addresses(after).into_iter().find(|value| self.is_only_here(value));
        if let Some(kept) = kept.filter(|kept| addresses(before).contains(kept)) {
            return Some(format!("{kept} is still an address of {id}, and is nowhere in the entry any more"));
        }
        if let Some(new) = after.launched_at {
            let is_in = |text: &str| new >= times::FIRST_CLOUD && times::read(text).contains(&new);
            let is_there = self.other_texts().any(is_in);
            let was_there = self.edited.text.as_deref().is_some_and(is_in);
            let is_edit = matches!(self.edit, Edit::Text(text) if is_in(text));
            let has_changed = after.launched_at != before.launched_at;
            if !is_there && !is_edit && (has_changed || was_there && self.is_of_one()) {
                return Some(format!("launched_at of {id} is {new}, which is nowhere in the entry"));
            }
        }
        if after.provider_state.is_empty() && after.state != InstanceState::Unknown {
            let state = State::Instance(after.state);
            return Some(format!("{id} is {state} without a word for its state, and is `unknown`"));
        }
        None
    }
}

/// Of both lists.
pub(super) fn addresses(instance: &Instance) -> Vec<String> {
    let both = instance.public_addresses.iter().chain(&instance.private_addresses);
    both.map(|address| address.value.to_string()).collect()
}

/// A value of a field that stands elsewhere in the entry than it did.
pub(super) struct Found {
    pub(super) id: String,
    pub(super) name: &'static str,
    pub(super) value: String,
    field: Field,
}

impl Found {
    pub(super) fn is_in(&self, resource: &Resource) -> bool {
        match resource {
            Resource::Instance(instance) if instance.id.as_str() == self.id => {
                (self.field)(instance) == Some(self.value.as_str())
            }
            _ => false,
        }
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
