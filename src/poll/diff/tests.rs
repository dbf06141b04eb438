//! The diff: small cases by hand, and many random histories compared with a model.

use std::collections::BTreeMap;

use super::*;
use crate::model::{Instance, Realm};
use crate::poll::fingerprint::fingerprint;

fn instance(id: &str, state: InstanceState, image: &str) -> Resource {
    Resource::Instance(Instance {
        id: ResourceId::parse(id).expect(id),
        name: Some(format!("name of {id}").into()),
        owner: None,
        realm: Some("us".into()),
        image: Some(image.into()),
        hardware_profile: None,
        state,
        provider_state: "word".into(),
        launched_at: None,
        public_addresses: vec![].into(),
        private_addresses: vec![].into(),
        labels: vec![].into(),
    })
}

fn realm(id: &str, name: &str, state: RealmState) -> Resource {
    Resource::Realm(Realm { id: ResourceId::parse(id).expect(id), name: name.into(), state, limit: None })
}

fn known(resource: &Resource, missing: u32, seen: i64) -> KnownResource {
    KnownResource {
        id: resource.id().clone(),
        fingerprint: fingerprint(resource),
        state: resource.state(),
        missing,
        seen: Timestamp::from_millis(seen),
    }
}

fn observation(resources: Vec<Resource>, complete: bool) -> Observation {
    Observation {
        kind: resources.first().map_or(Kind::Instance, Resource::kind),
        resources,
        complete,
        in_pieces: false,
        observed_at: Timestamp::from_millis(200),
        last_complete: Some(Timestamp::from_millis(100)),
        confirmations: 2,
        missed: Missed::default(),
        former_words: None,
    }
}

/// A delta in few words: changes, upserts, missing, removed.
fn words(delta: Delta) -> String {
    let upserts: Vec<Upsert> = delta.upserts.collect();
    let changes = changes_of(&upserts, &delta.removed).into_iter().map(|(id, change)| {
        let old = change.old_state.map_or("-", State::as_str);
        let after = change.observed_after.map_or_else(|| "-".into(), |time| time.as_millis().to_string());
        format!("{} {id} {old}>{} {after}..200", change.change_type, change.new_state)
    });
    let upserts = upserts
        .iter()
        .map(|upsert| format!("put {}{}", upsert.resource.id(), if upsert.state_changed { "!" } else { "" }));
    let missing = delta.missing.iter().map(|m| format!("miss {} {}x {}", m.id, m.times, m.seen.as_millis()));
    let removed = delta.removed.iter().map(|removed| format!("drop {}", removed.id));
    changes.chain(upserts).chain(missing).chain(removed).collect::<Vec<_>>().join("; ")
}

/// The changes, in the order in which the store enters them into the journal.
fn changes_of(upserts: &[Upsert], removed: &[Removed]) -> Vec<(ResourceId, Transition)> {
    let upserts = upserts.iter().map(|upsert| (upsert.resource.id().clone(), upsert.change));
    let removed = removed.iter().map(|removed| (removed.id.clone(), removed.change));
    upserts.chain(removed).filter_map(|(id, change)| Some((id, change?))).collect()
}

#[test]
fn another_mapping_of_the_same_word_is_no_change_of_state() {
    use InstanceState::{Running, Stopped};
    let check = |word: &str, now: Resource, want: &str| {
        let before = instance("a", Running, "img");
        let words = ProviderStates::read(|take| {
            take(before.id(), word);
            Ok::<_, std::convert::Infallible>(())
        });
        let words = words.expect("nothing can fail");
        let observation = Observation { former_words: Some(words), ..observation(vec![now], true) };
        assert_eq!(words_of(observation, &before), want, "{word}");
    };
    // Instances here say "word" to their drivers.
    check("word", instance("a", Stopped, "img"), "instance.updated a STOPPED>STOPPED 100..200; put a");
    check("word", instance("a", Running, "img"), "");
    check("word", instance("a", Running, "other"), "instance.updated a RUNNING>RUNNING 100..200; put a");
    check("another", instance("a", Stopped, "img"), "instance.state a RUNNING>STOPPED 100..200; put a!");
}

fn words_of(observation: Observation, before: &Resource) -> String {
    words(diff(observation, &[known(before, 0, 50)]))
}

#[test]
fn each_kind_of_change_is_told_apart() {
    use InstanceState::{Finish, Running, Stopped};
    let a = |state| instance("a", state, "img");
    let check = |listed: Vec<Resource>, complete: bool, stored: Vec<KnownResource>, want: &str| {
        let kind = stored.first().map_or(Kind::Instance, |known| match known.state {
            State::Instance(_) => Kind::Instance,
            State::Realm(_) => Kind::Realm,
        });
        let kind = listed.first().map_or(kind, Resource::kind);
        let observation = Observation { kind, ..observation(listed, complete) };
        assert_eq!(words(diff(observation, &stored)), want);
    };
    check(vec![], true, vec![], "");
    check(vec![a(Running)], true, vec![known(&a(Running), 0, 50)], "");
    check(vec![a(Running)], true, vec![], "instance.created a ->RUNNING 100..200; put a!");
    check(vec![a(Running)], false, vec![], "instance.created a ->RUNNING 100..200; put a!");
    check(vec![a(Stopped)], true, vec![known(&a(Running), 0, 50)], "instance.state a RUNNING>STOPPED 100..200; put a!");
    // Seen in a partial list after the last complete one.
    check(
        vec![a(Stopped)],
        false,
        vec![known(&a(Running), 0, 150)],
        "instance.state a RUNNING>STOPPED 150..200; put a!",
    );
    check(
        vec![instance("a", Running, "other")],
        true,
        vec![known(&a(Running), 0, 50)],
        "instance.updated a RUNNING>RUNNING 100..200; put a",
    );
    check(vec![], true, vec![known(&a(Running), 0, 50)], "miss a 1x 100");
    check(vec![], false, vec![known(&a(Running), 0, 50)], "");
    check(vec![], false, vec![known(&a(Running), 1, 50)], "");
    check(vec![], true, vec![known(&a(Running), 1, 50)], "instance.removed a RUNNING>FINISH 50..200; drop a");
    check(vec![], true, vec![known(&a(Finish), 1, 50)], "instance.removed a FINISH>FINISH 50..200; drop a");
    check(vec![a(Running)], true, vec![known(&a(Running), 1, 50)], "put a");
    check(vec![a(Stopped)], true, vec![known(&a(Running), 1, 50)], "instance.state a RUNNING>STOPPED 50..200; put a!");

    let us = |name, state| realm("us", name, state);
    let stored = || vec![known(&us("US", RealmState::Available), 0, 50)];
    check(vec![us("US", RealmState::Available)], true, stored(), "");
    check(vec![us("USA", RealmState::Available)], true, stored(), "put us");
    check(
        vec![us("US", RealmState::Unavailable)],
        true,
        stored(),
        "realm.state us AVAILABLE>UNAVAILABLE 100..200; put us!",
    );
    check(vec![], true, stored(), "miss us 1x 100");
    check(
        vec![],
        true,
        vec![known(&us("US", RealmState::Available), 1, 50)],
        "realm.removed us AVAILABLE>UNAVAILABLE 50..200; drop us",
    );
}

#[test]
fn the_first_list_has_nothing_before_it() {
    let a = || vec![instance("a", InstanceState::Pending, "img")];
    let first = Observation { last_complete: None, ..observation(a(), true) };
    assert_eq!(words(diff(first, &[])), "instance.created a ->PENDING -..200; put a!");
    // A partial list may have come before the first complete one.
    let first = Observation { last_complete: None, ..observation(vec![], true) };
    assert_eq!(words(diff(first, &[known(&a()[0], 0, 50)])), "miss a 1x 50");
}

#[test]
fn how_often_it_must_be_missing_is_a_setting() {
    let check = |confirmations: u32, missing: u32, want: &str| {
        let stored = vec![known(&instance("a", InstanceState::Stopped, "img"), missing, 50)];
        let empty = Observation { confirmations, ..observation(vec![], true) };
        assert_eq!(words(diff(empty, &stored)), want, "{confirmations} {missing}");
    };
    check(1, 0, "instance.removed a STOPPED>FINISH 100..200; drop a");
    check(3, 0, "miss a 1x 100");
    check(3, 1, "miss a 2x 50");
    check(3, 2, "instance.removed a STOPPED>FINISH 50..200; drop a");
    // The setting was lowered meanwhile.
    check(1, 5, "instance.removed a STOPPED>FINISH 50..200; drop a");
    check(u32::MAX, u32::MAX, "instance.removed a STOPPED>FINISH 50..200; drop a");
}

#[test]
fn what_a_list_in_pieces_lacks_waits_for_one_that_lacks_nothing_new() {
    let removed = |missing: &[u32], confirmations: u32, in_pieces: bool| {
        let stored: Vec<_> = missing
            .iter()
            .enumerate()
            .map(|(at, missing)| known(&instance(&format!("i{at}"), InstanceState::Stopped, "img"), *missing, 50))
            .collect();
        let delta = diff(Observation { confirmations, in_pieces, ..observation(vec![], true) }, &stored);
        assert!(delta.missing.is_sorted_by(|a, b| a.id < b.id), "{:?}", delta.missing);
        let again: Vec<String> =
            delta.missing.iter().map(|missing| format!("{} {}x", missing.id, missing.times)).collect();
        let removed: Vec<String> = delta.removed.iter().map(|removed| removed.id.to_string()).collect();
        (removed.join(" "), again.join(", "))
    };
    let are = |removed: &str, missing: &str| (removed.to_owned(), missing.to_owned());
    assert_eq!(removed(&[0, 1], 1, false), are("i0 i1", ""));
    assert_eq!(removed(&[1, 2], 1, true), are("i0 i1", ""));
    // The list before had what this one lacks: it may have shown it in the place of another.
    assert_eq!(removed(&[0], 1, true), are("", "i0 1x"));
    assert_eq!(removed(&[1, 0, 2], 2, true), are("", "i0 2x, i1 1x, i2 3x"));
    assert_eq!(removed(&[1, 0, 2], 2, false), are("i0 i2", "i1 1x"));
    // Where each list lacks more, that has an end.
    assert_eq!(removed(&[3, 0, 2], 2, true), are("i0", "i1 1x, i2 3x"));
    assert_eq!(removed(&[4, 0, 5], 4, true), are("i2", "i0 5x, i1 1x"));
}

#[test]
fn many_are_told_apart_by_their_ids_bytes() {
    use InstanceState::{Running, Stopped};
    let listed = ["B", "a", "ab", "c", "\u{e9}"].map(|id| instance(id, Running, "img")).to_vec();
    let stored = [("A", Running), ("a", Running), ("ab", Stopped), ("b", Running), ("d", Running)]
        .map(|(id, state)| known(&instance(id, state, "img"), 0, 50));
    assert_eq!(
        words(diff(observation(listed, true), &stored)),
        "instance.created B ->RUNNING 100..200; instance.state ab STOPPED>RUNNING 100..200; \
         instance.created c ->RUNNING 100..200; instance.created \u{e9} ->RUNNING 100..200; \
         put B!; put ab!; put c!; put \u{e9}!; miss A 1x 100; miss b 1x 100; miss d 1x 100"
    );
}

/// A small generator of numbers: the same history for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Applies a delta as the store does.
fn apply(
    stored: &mut BTreeMap<ResourceId, KnownResource>,
    (upserts, missing, removed): (Vec<Upsert>, Vec<Missing>, Vec<Removed>),
    now: Timestamp,
) {
    for Upsert { resource, fingerprint, .. } in upserts {
        let entry =
            KnownResource { id: resource.id().clone(), fingerprint, state: resource.state(), missing: 0, seen: now };
        stored.insert(entry.id.clone(), entry);
    }
    for Missing { id, times, seen } in missing {
        let known = stored.get_mut(&id).expect("only what is stored is missing");
        (known.missing, known.seen) = (times, seen);
    }
    for Removed { id, .. } in removed {
        stored.remove(&id).expect("only what is stored is removed");
    }
}

#[test]
fn in_any_history_changes_tell_what_happened() {
    use InstanceState::{Pending, Running, Stopped};
    for seed in 0..300 {
        let mut random = Random(seed);
        let mut world: BTreeMap<u64, Resource> = BTreeMap::new();
        let mut stored = BTreeMap::new();
        let mut told: BTreeMap<ResourceId, State> = BTreeMap::new();
        let mut last_complete = None;
        for step in 1..40 {
            for _ in 0..random.below(4) {
                let id = random.below(8);
                let state = [Pending, Running, Stopped][random.below(3) as usize];
                match random.below(4) {
                    0 => world.remove(&id),
                    _ => world.insert(id, instance(&format!("i{id}"), state, "img")),
                };
            }
            let now = Timestamp::from_millis(step);
            let complete = random.below(3) > 0;
            let listed: Vec<Resource> = world.values().filter(|_| complete || random.below(2) == 0).cloned().collect();
            let observation = Observation {
                kind: Kind::Instance,
                resources: listed.clone(),
                complete,
                in_pieces: false,
                observed_at: now,
                last_complete,
                confirmations: 2,
                missed: Missed::default(),
                former_words: None,
            };
            let delta = diff(observation, &stored.values().cloned().collect::<Vec<_>>());
            if !complete {
                assert!(delta.removed.is_empty() && delta.missing.is_empty());
            }
            let (upserts, missing, removed) = (delta.upserts.collect::<Vec<_>>(), delta.missing, delta.removed);
            for (id, change) in changes_of(&upserts, &removed) {
                // Each change leaves from where the last one arrived: no state is told twice or skipped.
                assert_eq!(told.get(&id).copied(), change.old_state, "seed {seed} step {step}");
                assert!(change.observed_after < Some(now));
                match change.change_type {
                    ChangeType::InstanceRemoved => told.remove(&id),
                    _ => told.insert(id, change.new_state),
                };
            }
            apply(&mut stored, (upserts, missing, removed), now);
            for resource in &listed {
                assert_eq!(told.get(resource.id()), Some(&resource.state()));
            }
            if complete {
                // What is stored and not missing is the list, to the last field.
                let stored: Vec<_> = stored.values().filter(|known: &&KnownResource| known.missing == 0).collect();
                assert!(stored.iter().map(|known| &known.id).eq(listed.iter().map(Resource::id)));
                assert!(stored.iter().map(|known| known.fingerprint).eq(listed.iter().map(fingerprint)));
            }
            if complete {
                last_complete = Some(now);
                let again = Observation {
                    kind: Kind::Instance,
                    resources: listed,
                    complete: false,
                    in_pieces: false,
                    observed_at: now,
                    last_complete,
                    confirmations: 2,
                    missed: Missed::default(),
                    former_words: None,
                };
                assert_eq!(
                    words(diff(again, &stored.values().cloned().collect::<Vec<_>>())),
                    "",
                    "the same list again"
                );
            }
        }
    }
}
