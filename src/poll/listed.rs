//! A list as the diff reads it: resources stay in place, and only changed ones are moved. A poll of a long list spends
//! most of its time waiting for memory; this file overlaps these waits.

use std::hint::black_box;

use super::fingerprint::Form;
use crate::model::{Address, Resource, ResourceId, Text};

/// How many fingerprints are computed at once: as many resources as stay in the first-level cache until they are
/// needed.
const AHEAD: usize = 32;

pub(super) struct Listed {
    /// The resources, from the first one that was not dropped.
    resources: std::vec::IntoIter<Resource>,
    /// How many of these were passed.
    passed: usize,
    /// The fingerprints of the next resources.
    fingerprints: Vec<u64>,
    /// The index of the next resource's fingerprint.
    at: usize,
    form: Form,
}

impl Listed {
    pub(super) fn new(resources: Vec<Resource>) -> Listed {
        let resources = resources.into_iter();
        Listed { resources, passed: 0, fingerprints: Vec::with_capacity(AHEAD), at: 0, form: Form::default() }
    }

    /// The number of remaining resources.
    pub(super) fn len(&self) -> usize {
        self.resources.len() - self.passed
    }

    /// The id of the next resource; none at the end of the list.
    pub(super) fn id(&self) -> Option<&ResourceId> {
        self.resources.as_slice().get(self.passed).map(Resource::id)
    }

    /// The fingerprint of the next resource.
    pub(super) fn fingerprint(&mut self) -> Option<u64> {
        if self.at == self.fingerprints.len() {
            self.look_ahead();
        }
        self.fingerprints.get(self.at).copied()
    }

    /// Passes the next resource, whose fingerprint was read.
    pub(super) fn pass(&mut self) {
        self.passed += 1;
        self.at += 1;
    }

    /// Takes the next resource and its fingerprint.
    pub(super) fn take(&mut self) -> Option<(Resource, u64)> {
        let fingerprint = self.fingerprint()?;
        let resource = self.resources.nth(std::mem::take(&mut self.passed))?;
        self.at += 1;
        Some((resource, fingerprint))
    }

    fn look_ahead(&mut self) {
        if let Some(last) = std::mem::take(&mut self.passed).checked_sub(1) {
            drop(self.resources.nth(last));
        }
        let resources = self.resources.as_slice();
        let ahead = &resources[..AHEAD.min(resources.len())];
        // Providers list in any order, so the parts of these resources are anywhere in memory. None of these reads
        // depends on another, so the memory is fetched for all of them in the time of a few.
        black_box(ahead.iter().map(read_some).fold(0, u8::wrapping_add));
        self.fingerprints.clear();
        self.fingerprints.extend(ahead.iter().map(|resource| self.form.fingerprint(resource)));
        self.at = 0;
    }
}

/// Reads one byte of each allocation of a resource.
fn read_some(resource: &Resource) -> u8 {
    let Resource::Instance(instance) = resource else { return 0 };
    let of_text = |text: &[u8]| text.first().copied().unwrap_or(0);
    let of_addresses = |addresses: &[Address]| addresses.first().map_or(0, |address| of_text(address.value.as_bytes()));
    let of_label = |label: Option<&(Text, Text)>| label.map_or(0, |(_, value)| of_text(value.as_bytes()));
    of_addresses(&instance.public_addresses)
        .wrapping_add(of_addresses(&instance.private_addresses))
        .wrapping_add(of_label(instance.labels.first()))
        .wrapping_add(of_label(instance.labels.last()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Realm, RealmState};
    use crate::poll::fingerprint::fingerprint;

    fn realm(number: usize) -> Resource {
        let id = ResourceId::parse(format!("r-{number:04}")).expect("an id");
        Resource::Realm(Realm { id, name: number.to_string().into(), state: RealmState::Available, limit: None })
    }

    #[test]
    fn each_is_passed_or_taken_with_its_own_fingerprint() {
        let check = |count: usize, is_taken: fn(usize) -> bool| {
            let mut listed = Listed::new((0..count).map(realm).collect());
            for number in 0..count {
                let next = realm(number);
                assert_eq!(listed.id(), Some(next.id()), "{number} of {count}");
                if is_taken(number) {
                    let print = fingerprint(&next);
                    assert_eq!(listed.take(), Some((next, print)), "{number} of {count}");
                } else {
                    assert_eq!(listed.fingerprint(), Some(fingerprint(&next)), "{number} of {count}");
                    listed.pass();
                }
            }
            assert_eq!((listed.len(), listed.id()), (0, None), "{count}");
            assert_eq!((listed.fingerprint(), listed.take()), (None, None), "{count}");
        };
        for count in [0, 1, AHEAD - 1, AHEAD, AHEAD + 1, 5 * AHEAD + 3] {
            check(count, |_| true);
            check(count, |_| false);
            check(count, |number| number % 3 == 0);
            check(count, |number| number % AHEAD == AHEAD - 1);
            check(count, |number| number > AHEAD / 2 && number.is_multiple_of(7));
        }
    }
}
