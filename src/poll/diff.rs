//! What changed between what is stored and what was listed. Pure: one pass over two sequences sorted by
//! id, which touches nothing of a resource that is as it was.

use std::cmp::Ordering;
use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::model::change::ChangeType;
use crate::model::{
    Address, AddressKind, Instance, InstanceState, InvalidResourceId, Kind, NewChange, RealmState, Resource,
    ResourceId, State, Timestamp,
};
use crate::store::{Comparison, Delta, Known, KnownResource, Missing, Upsert};

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

/// A list, compared with what is stored as that comes.
pub struct Comparing {
    sight: Sight,
    /// What is left of it.
    listed: std::vec::IntoIter<Resource>,
    scratch: Vec<u8>,
    delta: Delta,
}

impl Comparing {
    pub fn new(observation: Observation) -> Comparing {
        let Observation { kind, resources, complete, observed_at, last_complete, confirmations, former_words, late } =
            observation;
        Comparing {
            sight: Sight { kind, complete, observed_at, last_complete, confirmations, former_words, late },
            listed: resources.into_iter(),
            scratch: Vec::new(),
            delta: Delta::default(),
        }
    }

    /// Takes the next of the list, which is not stored; nothing, at its end.
    fn appeared_next(&mut self) -> Option<()> {
        let resource = self.listed.next()?;
        let fingerprint = fingerprint_with(&resource, &mut self.scratch);
        self.sight.appeared(resource, fingerprint, &mut self.delta);
        Some(())
    }
}

impl Comparison for Comparing {
    fn known(&mut self, known: Known<'_>) -> Result<(), InvalidResourceId> {
        self.delta.known += 1;
        // Looked at where it lies: what is as it was is moved nowhere.
        while let Some(next) = self.listed.as_slice().first() {
            match next.id().as_str().cmp(known.id) {
                Ordering::Less => {}
                Ordering::Equal => break,
                Ordering::Greater => return self.sight.absent(known, &mut self.delta),
            }
            self.appeared_next();
        }
        let Some(resource) = self.listed.next() else {
            return self.sight.absent(known, &mut self.delta);
        };
        let fingerprint = fingerprint_with(&resource, &mut self.scratch);
        if known.fingerprint != fingerprint || known.missing != 0 {
            self.sight.changed(resource, fingerprint, known, &mut self.delta);
        }
        Ok(())
    }

    fn end(mut self: Box<Self>) -> Delta {
        while self.appeared_next().is_some() {}
        self.delta
    }
}

/// Compares a list with what is stored, which is sorted by id too, where both are at hand.
pub fn diff(observation: Observation, known: &[KnownResource]) -> Delta {
    let mut comparing = Comparing::new(observation);
    for known in known {
        comparing.known(known.as_known()).expect("invariant: the id of a known resource is one");
    }
    Box::new(comparing).end()
}

/// From when and what a list sees.
struct Sight {
    kind: Kind,
    complete: bool,
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

    fn changed(&self, resource: Resource, fingerprint: u64, known: Known<'_>, delta: &mut Delta) {
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
            (Some(words), Resource::Instance(instance)) => {
                words.get(&instance.id).is_some_and(|word| instance.provider_state == *word)
            }
            _ => false,
        }
    }

    fn absent(&self, known: Known<'_>, delta: &mut Delta) -> Result<(), InvalidResourceId> {
        if !self.complete {
            return Ok(());
        }
        let id = ResourceId::parse(known.id)?;
        delta.affected += usize::from(known.missing == 0);
        let seen = self.last_seen(known);
        let times = known.missing.saturating_add(1);
        if times < self.confirmations {
            delta.missing.push(Missing { id, times, seen });
            return Ok(());
        }
        let (change_type, new_state) = match self.kind {
            Kind::Instance => (ChangeType::InstanceRemoved, State::Instance(InstanceState::Finish)),
            Kind::Realm => (ChangeType::RealmRemoved, State::Realm(RealmState::Unavailable)),
        };
        delta.changes.push(NewChange {
            change_type,
            subject: self.kind.into(),
            resource: id.clone(),
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
        delta.removed.push(id);
        Ok(())
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
    fn last_seen(&self, known: Known<'_>) -> Timestamp {
        match self.last_complete {
            Some(complete) if known.missing == 0 => complete.max(known.seen),
            _ => known.seen,
        }
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
