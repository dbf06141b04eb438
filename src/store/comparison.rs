//! A list against what is stored: what the comparison is shown, and what it finds.

use std::collections::VecDeque;

use crate::model::{ChangeType, InvalidResourceId, Resource, ResourceId, State, Timestamp};

/// A list that is compared with what is stored, while that is read. They come sorted by id (bytewise), each once.
pub trait Comparison: Send {
    /// Whether the next of what is stored, which was not missing, is on the list as it is stored: then it is passed over,
    /// and nothing more of it is read.
    fn passes(&mut self, id: &str, fingerprint: u64) -> bool;

    /// Takes the next of what is stored, where it does not pass.
    ///
    /// # Errors
    /// If its id is none: whether it is one is only asked where it is not on the list.
    fn known(&mut self, known: Known<'_>) -> Result<(), InvalidResourceId>;

    /// Nothing more is stored.
    fn end(self: Box<Self>) -> Delta;
}

/// What the diff needs of a stored resource, and no more: it is read for every resource at every poll.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub id: &'a str,
    /// Of the whole record, see `poll::diff`.
    pub fingerprint: u64,
    pub state: State,
    /// In how many complete lists in a row it was missing.
    pub missing: u32,
    /// When it was last seen, should that be earlier than the last complete list.
    pub seen: Timestamp,
    /// Whether it is stored as missing from a list that was not recorded to its end. That is not counted, and is to be
    /// written anew, also where nothing else is.
    pub unsettled: bool,
}

/// What a comparison found, which is what is to be written. Empty where nothing changed.
#[derive(Debug, Default)]
pub struct Delta {
    pub upserts: Upserts,
    pub missing: Vec<Missing>,
    pub removed: Vec<Removed>,
    /// How many resources are stored.
    pub known: usize,
    /// How many of them vanished, or are in another state.
    pub affected: usize,
}

/// A stored resource by itself.
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

/// New or changed resources, and those seen again after having been missing, by their ids from below. Those at the end
/// may still lie where they were listed, so that a first list is not held twice.
#[derive(Default)]
pub struct Upserts {
    found: VecDeque<Upsert>,
    rest: Option<Box<dyn ExactSizeIterator<Item = Upsert> + Send>>,
}

impl Upserts {
    pub fn push(&mut self, upsert: Upsert) {
        self.found.push_back(upsert);
    }

    /// Those of resources that are stored, and some that are new.
    pub fn found(&self) -> impl Iterator<Item = &Upsert> {
        self.found.iter()
    }

    /// Alters each, those that still lie where they were listed when it is their turn.
    pub fn alter(&mut self, alter: impl Fn(&mut Upsert) + Send + 'static) {
        self.found.iter_mut().for_each(&alter);
        if let Some(rest) = self.rest.take() {
            self.rest = Some(Box::new(rest.map(move |mut upsert| {
                alter(&mut upsert);
                upsert
            })));
        }
    }

    /// Adds what comes last.
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
    /// Whether its state differs from what was stored, or it is new: `state_since` starts anew.
    pub state_changed: bool,
    /// What the journal says of it.
    pub change: Option<Transition>,
}

/// A change of a resource, as far as neither the resource nor its list says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    pub change_type: ChangeType,
    pub old_state: Option<State>,
    pub new_state: State,
    /// When the resource was last seen as it was before.
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
