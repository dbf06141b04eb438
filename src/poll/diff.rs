//! Computes the changes between the stored resources and a list. Pure: one pass over two sequences sorted by id, which
//! does not touch unchanged resources.

use super::listed::Listed;
use super::mass_change;
use crate::model::change::ChangeType;
use crate::model::{InstanceState, InvalidResourceId, Kind, RealmState, Resource, ResourceId, State, Timestamp};
use crate::store::{
    Comparison, Delta, Effects, Known, KnownResource, Missing, ProviderStates, Removed, Transition, Upsert,
};

/// One list of an account's resources, with the facts to judge it.
#[derive(Debug)]
pub struct Observation {
    pub kind: Kind,
    /// Sorted by id (bytewise), each id once.
    pub resources: Vec<Resource>,
    /// Whether the list is complete: otherwise it makes no resource missing.
    pub complete: bool,
    /// Whether the list came in several pages or requests: it may then show resources that ended meanwhile, and lack
    /// others that moved to an earlier page.
    pub in_pieces: bool,
    /// When the list was asked for.
    pub observed_at: Timestamp,
    /// When the last complete list before it was asked for.
    pub last_complete: Option<Timestamp>,
    /// In how many complete lists in a row a resource has to be missing until it counts as gone; at least 1.
    pub confirmations: u32,
    pub missed: Missed,
    /// Set if another version of the driver returned the last complete list: the stored words of the provider for the
    /// states of instances. If a state differs now but the word is the same, the driver caused the difference, not the
    /// provider.
    pub former_words: Option<ProviderStates>,
}

/// Resources that were missing from a held list, and in how many lists.
#[derive(Debug, Default)]
pub struct Missed {
    pub effects: Effects,
    pub lists: u32,
}

/// How many more lists than usual a removal waits, at most, while each list lacks something that the one before had.
const PATIENCE: u32 = 2;

/// A list that is compared with the stored resources as they are read.
pub struct Comparing {
    sight: Sight,
    listed: Listed,
    delta: Delta,
    /// Resources that were missing often enough to count as gone.
    vanished: Vec<Vanished>,
    /// Whether something is missing that the list before had.
    misses_anew: bool,
}

struct Vanished {
    missing: Missing,
    state: State,
}

impl Comparing {
    pub fn new(observation: Observation) -> Comparing {
        let Observation {
            kind,
            resources,
            complete,
            in_pieces,
            observed_at,
            last_complete,
            confirmations,
            missed,
            former_words,
        } = observation;
        // The clock may have been set back since: the stored state cannot be newer than this list.
        let last_complete = last_complete.map(|complete| complete.min(observed_at));
        Comparing {
            sight: Sight { kind, complete, in_pieces, observed_at, last_complete, confirmations, missed, former_words },
            listed: Listed::new(resources),
            delta: Delta::default(),
            vanished: Vec::new(),
            misses_anew: false,
        }
    }

    /// Handles a stored resource that is not on the list.
    fn absent(&mut self, known: Known<'_>) -> Result<(), InvalidResourceId> {
        if !self.sight.complete {
            return Ok(());
        }
        self.delta.affected += usize::from(known.missing == 0);
        let missing = self.sight.missing(known)?;
        self.misses_anew |= missing.times == 1;
        if missing.times < self.sight.confirmations {
            self.delta.missing.push(missing);
        } else {
            self.vanished.push(Vanished { missing, state: known.state });
        }
        Ok(())
    }

    /// Removes the vanished resources, unless the list before may have lacked an existing one. If a resource on an
    /// early page ends while a list is read, another one moves to a page that was read already. Then that list lacks
    /// the moved resource, and the list before had it. If this happens in list after list, the removal is believed
    /// anyway.
    fn remove_vanished(&mut self) {
        let may_be_hidden = self.sight.in_pieces && self.misses_anew;
        let patience = self.sight.confirmations.max(2).saturating_add(PATIENCE);
        for Vanished { missing, state } in std::mem::take(&mut self.vanished) {
            if may_be_hidden && missing.times < patience {
                self.delta.missing.push(missing);
            } else {
                self.delta.removed.push(self.sight.removed(missing, state));
            }
        }
        self.delta.missing.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    }
}

impl Comparison for Comparing {
    fn passes(&mut self, id: &str, fingerprint: u64) -> bool {
        let passes =
            self.listed.id().is_some_and(|next| next.as_str() == id) && self.listed.fingerprint() == Some(fingerprint);
        if passes {
            self.delta.known += 1;
            self.listed.pass();
        }
        passes
    }

    fn known(&mut self, known: Known<'_>) -> Result<(), InvalidResourceId> {
        // List entries before it are not stored; after these, the resource may be unchanged.
        while self.listed.id().is_some_and(|next| next.as_str() < known.id) {
            if let Some((resource, fingerprint)) = self.listed.take() {
                self.delta.upserts.push(self.sight.appeared(resource, fingerprint));
            }
        }
        if known.missing == 0 && !known.unsettled && self.passes(known.id, known.fingerprint) {
            return Ok(());
        }
        self.delta.known += 1;
        if self.listed.id().is_none_or(|next| next.as_str() != known.id) {
            return self.absent(known);
        }
        if let Some((resource, fingerprint)) = self.listed.take() {
            self.sight.changed(resource, fingerprint, known, &mut self.delta);
        }
        Ok(())
    }

    fn end(mut self: Box<Self>) -> Delta {
        self.remove_vanished();
        // Everything on a first list is new: the resources are taken from the list when it is their turn to be
        // recorded.
        self.delta.upserts.end_with(Appeared { sight: self.sight, listed: self.listed });
        self.delta
    }
}

/// The end of a list, whose resources are not stored.
struct Appeared {
    sight: Sight,
    listed: Listed,
}

impl Iterator for Appeared {
    type Item = Upsert;

    fn next(&mut self) -> Option<Upsert> {
        let (resource, fingerprint) = self.listed.take()?;
        Some(self.sight.appeared(resource, fingerprint))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.listed.len(), Some(self.listed.len()))
    }
}

impl ExactSizeIterator for Appeared {}

/// Compares a list with the stored resources, also sorted by id, when both are in memory.
pub fn diff(observation: Observation, known: &[KnownResource]) -> Delta {
    let mut comparing = Comparing::new(observation);
    for known in known {
        comparing.known(known.as_known()).expect("invariant: the id of a known resource is one");
    }
    Box::new(comparing).end()
}

/// The time and the source of a list.
struct Sight {
    kind: Kind,
    complete: bool,
    in_pieces: bool,
    observed_at: Timestamp,
    last_complete: Option<Timestamp>,
    confirmations: u32,
    missed: Missed,
    former_words: Option<ProviderStates>,
}

impl Sight {
    fn appeared(&self, resource: Resource, fingerprint: u64) -> Upsert {
        let change_type = match self.kind {
            Kind::Instance => ChangeType::InstanceCreated,
            Kind::Realm => ChangeType::RealmCreated,
        };
        let (new_state, observed_after) = (resource.state(), self.last_complete);
        let change = Transition { change_type, old_state: None, new_state, observed_after };
        Upsert { resource, fingerprint, state_changed: true, change: Some(change) }
    }

    fn changed(&self, resource: Resource, fingerprint: u64, known: Known<'_>, delta: &mut Delta) {
        // The old state as this version of the driver would have mapped it.
        let old_state = if self.is_mapped_anew(&resource) { resource.state() } else { known.state };
        let state_changed = resource.state() != old_state;
        delta.affected += usize::from(state_changed);
        let change_type = match (self.kind, state_changed) {
            (Kind::Instance, true) => Some(ChangeType::InstanceState),
            (Kind::Realm, true) => Some(ChangeType::RealmState),
            (Kind::Instance, false) if known.fingerprint != fingerprint => Some(ChangeType::InstanceUpdated),
            // A change of a realm's name or limit is not reported, and neither is being listed again.
            _ => None,
        };
        let change = change_type.map(|change_type| Transition {
            change_type,
            old_state: Some(old_state),
            new_state: resource.state(),
            observed_after: Some(self.last_seen(known)),
        });
        delta.upserts.push(Upsert { resource, fingerprint, state_changed, change });
    }

    /// Whether the provider's word is the one that another version of the driver saw: then only the mapping differs.
    fn is_mapped_anew(&self, resource: &Resource) -> bool {
        match (&self.former_words, resource) {
            (Some(words), Resource::Instance(instance)) => words.has(&instance.id, &instance.provider_state),
            _ => false,
        }
    }

    /// A stored resource that is not listed, with the number of lists in a row.
    fn missing(&self, known: Known<'_>) -> Result<Missing, InvalidResourceId> {
        let id = ResourceId::parse(known.id)?;
        let held = if self.missed.effects.has(mass_change::gone(&id)) { self.missed.lists } else { 0 };
        let times = known.missing.saturating_add(1).saturating_add(held);
        Ok(Missing { id, times, seen: self.last_seen(known) })
    }

    fn removed(&self, missing: Missing, state: State) -> Removed {
        let (change_type, new_state) = match self.kind {
            Kind::Instance => (ChangeType::InstanceRemoved, State::Instance(InstanceState::Finish)),
            Kind::Realm => (ChangeType::RealmRemoved, State::Realm(RealmState::Unavailable)),
        };
        let observed_after = Some(missing.seen);
        let change = Transition { change_type, old_state: Some(state), new_state, observed_after };
        Removed { id: missing.id, change: Some(change) }
    }

    /// The last time that a stored resource was seen in its stored form.
    fn last_seen(&self, known: Known<'_>) -> Timestamp {
        match self.last_complete {
            Some(complete) if known.missing == 0 => complete.max(known.seen),
            _ => known.seen,
        }
        .min(self.observed_at)
    }
}

#[cfg(test)]
mod tests;
