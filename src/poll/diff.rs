//! What changed between what is stored and what was listed. Pure: one pass over two sequences sorted by
//! id, which touches nothing of a resource that is as it was.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::model::change::ChangeType;
use crate::model::{
    Address, AddressKind, Instance, InstanceState, Kind, NewChange, RealmState, Resource, ResourceId, State, Timestamp,
};
use crate::store::{KnownResource, Missing, Upsert};

/// One list of an account's resources, and what is to be known to judge it.
#[derive(Debug)]
pub struct Observation {
    pub kind: Kind,
    /// Sorted by id (bytewise), each id once.
    pub resources: Vec<Resource>,
    /// Whether what is not on it is not there: otherwise nothing is missing because of it.
    pub complete: bool,
    /// When the list was asked for.
    pub observed_at: Timestamp,
    /// When the last complete list before it was asked for.
    pub last_complete: Option<Timestamp>,
    /// In how many complete lists in a row a resource must be missing until it is taken for gone; at least 1.
    pub confirmations: u32,
    /// Where another version of the driver gave the last complete list: the provider's words for the states of
    /// instances, as they are stored. A state that is another now, by the same word, is the driver's doing and
    /// not the provider's.
    pub former_words: Option<HashMap<ResourceId, String>>,
    /// Whether a poll before this one was missed, or this one is late: more may have happened than is seen.
    pub late: bool,
}

/// What is to be written. Empty where nothing changed.
#[derive(Debug, Default)]
pub struct Delta {
    pub upserts: Vec<Upsert>,
    pub missing: Vec<Missing>,
    pub removed: Vec<ResourceId>,
    pub changes: Vec<NewChange>,
    /// How many stored resources vanished, or are in another state.
    pub affected: usize,
}

/// Compares a list with what is stored, which is sorted by id too.
pub fn diff(observation: Observation, known: Vec<KnownResource>) -> Delta {
    let Observation { kind, resources, complete, observed_at, last_complete, confirmations, former_words, late } =
        observation;
    let mut delta = Delta::default();
    let mut scratch = Vec::new();
    // The clock may have been set back since: what was known cannot have been known later than this.
    let last_complete = last_complete.map(|complete| complete.min(observed_at));
    let sight = Sight { kind, observed_at, last_complete, confirmations, former_words, late };
    let mut known = known.into_iter().peekable();
    for resource in resources {
        while let Some(absent) = known.next_if(|known| known.id < *resource.id()) {
            sight.absent(absent, complete, &mut delta);
        }
        let fingerprint = fingerprint_with(&resource, &mut scratch);
        match known.next_if(|known| known.id == *resource.id()) {
            None => sight.appeared(resource, fingerprint, &mut delta),
            Some(known) if known.fingerprint == fingerprint && known.missing == 0 => {}
            Some(known) => sight.changed(resource, fingerprint, &known, &mut delta),
        }
    }
    for absent in known {
        sight.absent(absent, complete, &mut delta);
    }
    delta
}

/// From when and what a list sees.
struct Sight {
    kind: Kind,
    observed_at: Timestamp,
    last_complete: Option<Timestamp>,
    confirmations: u32,
    former_words: Option<HashMap<ResourceId, String>>,
    late: bool,
}

impl Sight {
    fn appeared(&self, resource: Resource, fingerprint: u64, delta: &mut Delta) {
        let change_type = match self.kind {
            Kind::Instance => ChangeType::InstanceCreated,
            Kind::Realm => ChangeType::RealmCreated,
        };
        delta.changes.push(self.change(change_type, &resource, None, self.last_complete));
        delta.upserts.push(Upsert { resource, fingerprint, state_changed: true });
    }

    fn changed(&self, resource: Resource, fingerprint: u64, known: &KnownResource, delta: &mut Delta) {
        // The state before, as this version of the driver would have mapped it.
        let old_state = if self.is_mapped_anew(&resource) { resource.state() } else { known.state };
        let state_changed = resource.state() != old_state;
        delta.affected += usize::from(state_changed);
        let change_type = match (self.kind, state_changed) {
            (Kind::Instance, true) => Some(ChangeType::InstanceState),
            (Kind::Realm, true) => Some(ChangeType::RealmState),
            (Kind::Instance, false) if known.fingerprint != fingerprint => Some(ChangeType::InstanceUpdated),
            // A realm's name or limit is no event that anyone is told of; nor is being listed again.
            _ => None,
        };
        if let Some(change_type) = change_type {
            let after = Some(self.last_seen(known));
            delta.changes.push(self.change(change_type, &resource, Some(old_state), after));
        }
        delta.upserts.push(Upsert { resource, fingerprint, state_changed });
    }

    /// Whether the provider's word is the one that another version of the driver saw: what differs is how it is
    /// mapped.
    fn is_mapped_anew(&self, resource: &Resource) -> bool {
        match (&self.former_words, resource) {
            (Some(words), Resource::Instance(instance)) => words.get(&instance.id) == Some(&instance.provider_state),
            _ => false,
        }
    }

    fn absent(&self, known: KnownResource, complete: bool, delta: &mut Delta) {
        if !complete {
            return;
        }
        delta.affected += usize::from(known.missing == 0);
        let seen = self.last_seen(&known);
        let times = known.missing.saturating_add(1);
        if times < self.confirmations {
            delta.missing.push(Missing { id: known.id, times, seen });
            return;
        }
        let (change_type, new_state) = match self.kind {
            Kind::Instance => (ChangeType::InstanceRemoved, State::Instance(InstanceState::Finish)),
            Kind::Realm => (ChangeType::RealmRemoved, State::Realm(RealmState::Unavailable)),
        };
        delta.changes.push(NewChange {
            change_type,
            subject: self.kind.into(),
            resource: known.id.clone(),
            // The store has these, and nothing else here needs them read.
            name: None,
            realm: None,
            old_state: Some(known.state),
            new_state: Some(new_state),
            observed_after: Some(seen),
            observed_at: self.observed_at,
            passed_over: self.late,
            details: None,
        });
        delta.removed.push(known.id);
    }

    fn change(
        &self,
        change_type: ChangeType,
        resource: &Resource,
        old_state: Option<State>,
        observed_after: Option<Timestamp>,
    ) -> NewChange {
        NewChange {
            change_type,
            subject: self.kind.into(),
            resource: resource.id().clone(),
            name: resource.name().map(str::to_owned),
            realm: resource.realm().map(str::to_owned),
            old_state,
            new_state: Some(resource.state()),
            observed_after,
            observed_at: self.observed_at,
            passed_over: self.late,
            details: None,
        }
    }

    /// The last time that a stored resource was seen as it is stored.
    fn last_seen(&self, known: &KnownResource) -> Timestamp {
        match self.last_complete {
            Some(complete) if known.missing == 0 => complete.max(known.seen),
            _ => known.seen,
        }
        .min(self.observed_at)
    }
}

/// XXH3 (64 bits) of every field of a resource but its id, in one fixed form: it is stored, and compared
/// across restarts and versions. Another form makes every resource look updated once.
pub fn fingerprint(resource: &Resource) -> u64 {
    fingerprint_with(resource, &mut Vec::new())
}

fn fingerprint_with(resource: &Resource, scratch: &mut Vec<u8>) -> u64 {
    scratch.clear();
    let mut form = Form(scratch);
    form.text(resource.state().as_str());
    match resource {
        Resource::Instance(instance) => form.instance(instance),
        Resource::Realm(realm) => {
            form.text(&realm.name);
            form.number(realm.limit.map(u64::cast_signed));
        }
    }
    xxh3_64(scratch)
}

/// Writes fields so that no two records come out the same: each with its length or presence before it.
struct Form<'a>(&'a mut Vec<u8>);

impl Form<'_> {
    fn instance(&mut self, instance: &Instance) {
        let Instance {
            id: _,
            name,
            owner,
            realm,
            image,
            hardware_profile,
            state: _,
            provider_state,
            launched_at,
            public_addresses,
            private_addresses,
            labels,
        } = instance;
        for field in [name, owner, realm, image, hardware_profile] {
            self.optional(field.as_deref());
        }
        self.text(provider_state);
        self.number(launched_at.map(Timestamp::as_millis));
        self.addresses(public_addresses);
        self.addresses(private_addresses);
        self.length(labels.len());
        for (name, value) in labels {
            self.text(name);
            self.text(value);
        }
    }

    fn addresses(&mut self, addresses: &[Address]) {
        self.length(addresses.len());
        for address in addresses {
            self.0.push(match address.kind {
                AddressKind::Ipv4 => 4,
                AddressKind::Ipv6 => 6,
                AddressKind::Hostname => 0,
            });
            self.text(&address.value);
        }
    }

    fn length(&mut self, length: usize) {
        self.0.extend_from_slice(&(length as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.0.push(u8::from(text.is_some()));
        self.text(text.unwrap_or_default());
    }

    fn number(&mut self, number: Option<i64>) {
        self.0.push(u8::from(number.is_some()));
        self.0.extend_from_slice(&number.unwrap_or_default().to_le_bytes());
    }
}

#[cfg(test)]
mod tests;
