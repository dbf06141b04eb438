//! Comparison of a list with the stored resources: its input and its result.

use std::collections::VecDeque;

use crate::model::{ChangeType, InvalidResourceId, Resource, ResourceId, State, Timestamp};

/// Compares a list with the stored resources while these are read. They come sorted by id (bytewise), each once.
pub trait Comparison: Send {
    /// Whether the next stored resource, which was not missing, is on the list unchanged: then it is skipped, and
    /// nothing more of it is read.
    fn passes(&mut self, id: &str, fingerprint: u64) -> bool;

    /// Takes the next stored resource if it does not pass.
    ///
    /// # Errors
    /// If its id is invalid. That is only checked if the id is not on the list.
    fn known(&mut self, known: Known<'_>) -> Result<(), InvalidResourceId>;

    /// There are no more stored resources.
    fn end(self: Box<Self>) -> Delta;
}

/// The part of a stored resource that the diff needs, and no more: it is read for every resource at every poll.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub id: &'a str,
    /// The fingerprint of all fields, see `poll::fingerprint`.
    pub fingerprint: u64,
    pub state: State,
    /// In how many complete lists in a row the resource was missing.
    pub missing: u32,
    /// When it was last seen, if that is earlier than the last complete list.
    pub seen: Timestamp,
    /// Whether it is stored as missing from a list that was not recorded completely. That does not count, and the row
    /// has to be rewritten even if nothing else changes.
    pub unsettled: bool,
}

/// The changes that a comparison found, which have to be written. Empty if nothing changed.
#[derive(Debug, Default)]
pub struct Delta {
    pub upserts: Upserts,
    pub missing: Vec<Missing>,
    pub removed: Vec<Removed>,
    /// How many resources are stored.
    pub known: usize,
    /// How many of these vanished or are in another state.
    pub affected: usize,
}

/// A stored resource as an owned value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownResource {
    pub id: ResourceId,
    pub fingerprint: u64,
    pub state: State,
    pub missing: u32,
    pub seen: Timestamp,
}

impl KnownResource {
    pub fn as_known(&self) -> Known<'_> {
        let KnownResource { ref id, fingerprint, state, missing, seen } = *self;
        Known { id: id.as_str(), fingerprint, state, missing, seen, unsettled: false }
    }
}

/// New or changed resources, and those seen again after they were missing, in ascending order of ids. Those at the end
/// may still be in the list itself, so that a first list is not held twice.
#[derive(Default)]
pub struct Upserts {
    found: VecDeque<Upsert>,
    rest: Option<Box<dyn ExactSizeIterator<Item = Upsert> + Send>>,
}

impl Upserts {
    pub fn push(&mut self, upsert: Upsert) {
        self.found.push_back(upsert);
    }

    /// The upserts of stored resources, and of some new ones.
    pub fn found(&self) -> impl Iterator<Item = &Upsert> {
        self.found.iter()
    }

    /// Alters each upsert; those that are still in the list are altered when it is their turn.
    pub fn alter(&mut self, alter: impl Fn(&mut Upsert) + Send + 'static) {
        self.found.iter_mut().for_each(&alter);
        if let Some(rest) = self.rest.take() {
            self.rest = Some(Box::new(rest.map(move |mut upsert| {
                alter(&mut upsert);
                upsert
            })));
        }
    }

    /// Adds the upserts at the end.
    pub fn end_with(&mut self, rest: impl ExactSizeIterator<Item = Upsert> + Send + 'static) {
        self.rest = Some(Box::new(rest));
    }

    pub fn len(&self) -> usize {
        self.found.len() + self.rest.as_ref().map_or(0, |rest| rest.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Iterator for Upserts {
    type Item = Upsert;

    fn next(&mut self) -> Option<Upsert> {
        self.found.pop_front().or_else(|| self.rest.as_mut()?.next())
    }
}

impl From<Vec<Upsert>> for Upserts {
    fn from(found: Vec<Upsert>) -> Upserts {
        Upserts { found: found.into(), rest: None }
    }
}

impl std::fmt::Debug for Upserts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upserts").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
pub struct Upsert {
    pub resource: Resource,
    pub fingerprint: u64,
    /// Whether the resource is new or its state differs from the stored one: `state_since` is reset.
    pub state_changed: bool,
    /// What the journal says of it.
    pub change: Option<Transition>,
}

/// The part of a change that neither the resource nor its list contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    pub change_type: ChangeType,
    pub old_state: Option<State>,
    pub new_state: State,
    /// When the resource was last seen in its old state.
    pub observed_after: Option<Timestamp>,
}

/// A resource that is gone. The store has its name and realm.
#[derive(Clone, Debug)]
pub struct Removed {
    pub id: ResourceId,
    /// What the journal says of it.
    pub change: Option<Transition>,
}

#[derive(Clone, Debug)]
pub struct Missing {
    pub id: ResourceId,
    pub times: u32,
    pub seen: Timestamp,
}
