//! Finds the hooks of an account that may match a change, without reading all of them.
//!
//! The index leaves out hooks that can't match, and may let through hooks that do not: `Listener::hears` decides. A new
//! condition in filters (labels, for example) works at once through `hears`. It gets faster with a part of `Key` or a
//! bit of `Conditions`.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};

use super::listener::Listener;
use crate::model::{
    ChangeType, Filter, HookId, IdPattern, InstanceState, Kind, NewChange, RealmState, ResourceId, State, Subject,
};

/// Hooks that their filters direct, of one account.
#[derive(Clone, Debug, Default)]
pub(super) struct HookIndex {
    listeners: HashMap<HookId, Listener>,
    /// By what their filters say of ids and realms; sorted.
    buckets: HashMap<Key, Vec<(Conditions, HookId)>>,
    /// How many patterns there are of each length, in bytes.
    prefixes: BTreeMap<usize, usize>,
    /// How many items the filters of the hooks have.
    items: usize,
}

/// The hash of an id, or of the beginning of one, and of a realm. Two that are the same by chance cost a look at a hook
/// more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key(u64);

#[derive(Clone, Copy, Hash)]
enum Place<'a> {
    Exact(&'a str),
    Prefix(&'a str),
    Anywhere,
}

/// What a filter lets through of what there are few words for: a bit for each word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Conditions {
    /// Whether the hook is behind a place of the journal, and is owed nothing as it happens.
    is_behind: bool,
    subjects: u8,
    types: u16,
    from: u16,
    to: u16,
}

/// A hook of more pairs of ids and realms than this is found by its ids alone: what it costs in memory grows with the
/// length of its filter, and not with its square.
const MOST_PAIRS: usize = 64;

/// Which hooks are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Those that are owed changes as they happen.
    UpToDate,
    /// Those that are behind as well, as far as they name the id.
    Naming,
}

impl HookIndex {
    pub(super) fn of(listeners: Vec<Listener>) -> HookIndex {
        let mut index = HookIndex::default();
        for listener in listeners {
            index.add(listener, |bucket, entry| bucket.push(entry));
        }
        for bucket in index.buckets.values_mut() {
            bucket.sort_unstable();
        }
        index
    }

    /// How much it is: a part for the account, for each hook, and for each item of a filter.
    pub(super) fn parts(&self) -> usize {
        1 + self.listeners.len() + self.items
    }

    pub(super) fn items(&self) -> usize {
        self.items
    }

    pub(super) fn hooks(&self) -> impl Iterator<Item = HookId> {
        self.listeners.keys().copied()
    }

    #[cfg(test)]
    pub(super) fn listeners(&self) -> impl Iterator<Item = &Listener> {
        self.listeners.values()
    }

    /// Puts a hook in the place of what was known of it.
    pub(super) fn put(&mut self, listener: Listener) {
        self.remove(listener.hook);
        self.add(listener, |bucket, entry| {
            if let Err(at) = bucket.binary_search(&entry) {
                bucket.insert(at, entry);
            }
        });
    }

    pub(super) fn remove(&mut self, hook: HookId) {
        let Some(listener) = self.listeners.remove(&hook) else { return };
        self.items -= listener.filter.items();
        let entry = (Conditions::of(&listener), hook);
        for key in keys(&listener.filter) {
            let Some(bucket) = self.buckets.get_mut(&key) else { continue };
            if let Ok(at) = bucket.binary_search(&entry) {
                bucket.remove(at);
            }
            if bucket.is_empty() {
                self.buckets.remove(&key);
            }
        }
        for length in lengths(&listener.filter) {
            if let Some(number) = self.prefixes.get_mut(&length) {
                *number -= 1;
                if *number == 0 {
                    self.prefixes.remove(&length);
                }
            }
        }
    }

    fn add(&mut self, listener: Listener, put: impl Fn(&mut Vec<(Conditions, HookId)>, (Conditions, HookId))) {
        let entry = (Conditions::of(&listener), listener.hook);
        for key in keys(&listener.filter) {
            put(self.buckets.entry(key).or_default(), entry);
        }
        for length in lengths(&listener.filter) {
            *self.prefixes.entry(length).or_default() += 1;
        }
        self.items += listener.filter.items();
        self.listeners.insert(listener.hook, listener);
    }

    /// Whether any hook is wanted among those that may hear of an instance leaving that state. Stops at the first.
    pub(super) fn any_leaving(
        &self,
        id: &ResourceId,
        realm: Option<&str>,
        state: InstanceState,
        is_wanted: impl Fn(&Listener) -> bool,
    ) -> bool {
        let types = type_bit(ChangeType::InstanceState) | type_bit(ChangeType::InstanceRemoved);
        let (subject, from) = (subject_bit(Subject::Instance), state_bit(Some(State::Instance(state))));
        self.any_bucket(id.as_str(), realm, |bucket| {
            any_of(
                bucket,
                |conditions| {
                    conditions.subjects & subject != 0 && conditions.types & types != 0 && conditions.from & from != 0
                },
                |hook| self.listeners.get(&hook).is_some_and(&is_wanted),
            )
        })
    }

    /// Whether this holds of any bucket of hooks whose filters may let the id and the realm through.
    fn any_bucket(
        &self,
        id: &str,
        realm: Option<&str>,
        mut is_wanted: impl FnMut(&[(Conditions, HookId)]) -> bool,
    ) -> bool {
        let mut look = |place: Place<'_>| {
            [None, realm]
                .into_iter()
                .take(1 + usize::from(realm.is_some()))
                .any(|realm| self.buckets.get(&Key::of(place, realm)).is_some_and(|bucket| is_wanted(bucket)))
        };
        look(Place::Exact(id))
            || look(Place::Anywhere)
            || self
                .prefixes
                .range(..=id.len())
                .any(|(length, _)| id.get(..*length).is_some_and(|prefix| look(Place::Prefix(prefix))))
    }

    /// The hooks that may hear of the change, in the order of their numbers.
    pub(super) fn candidates(&self, change: &NewChange, wanted: Wanted) -> Vec<&Listener> {
        let id = change.resource.as_str();
        let realm = match change.subject {
            Subject::Realm => Some(id),
            _ => change.realm.as_deref(),
        };
        let mut hooks = Vec::new();
        let mut find = |place: Place<'_>| {
            for realm in [None, realm].into_iter().take(1 + usize::from(realm.is_some())) {
                if let Some(bucket) = self.buckets.get(&Key::of(place, realm)) {
                    admitted(bucket, change, wanted, &mut hooks);
                }
            }
        };
        find(Place::Exact(id));
        if wanted == Wanted::UpToDate {
            find(Place::Anywhere);
            for &length in self.prefixes.range(..=id.len()).map(|(length, _)| length) {
                if let Some(prefix) = id.get(..length) {
                    find(Place::Prefix(prefix));
                }
            }
        }
        // One that several of its patterns find is found once.
        hooks.sort_unstable();
        hooks.dedup();
        hooks.into_iter().filter_map(|hook| self.listeners.get(&hook)).collect()
    }
}

/// Adds those of a bucket that may hear of the change. Hooks of the same conditions stand together, and are passed over
/// together.
fn admitted(bucket: &[(Conditions, HookId)], change: &NewChange, wanted: Wanted, hooks: &mut Vec<HookId>) {
    let mut rest = bucket;
    while let Some((conditions, _)) = rest.first() {
        let same = rest.partition_point(|(other, _)| other <= conditions);
        let (group, others) = rest.split_at(same);
        if (wanted == Wanted::Naming || !conditions.is_behind) && conditions.admit(change) {
            hooks.extend(group.iter().map(|(_, hook)| hook));
        }
        rest = others;
    }
}

/// Whether any hook of a bucket is wanted, of those whose conditions are. Hooks of the same conditions are passed over
/// together.
fn any_of(
    bucket: &[(Conditions, HookId)],
    admit: impl Fn(Conditions) -> bool,
    is_wanted: impl Fn(HookId) -> bool,
) -> bool {
    let mut rest = bucket;
    while let Some((conditions, _)) = rest.first() {
        let (group, others) = rest.split_at(rest.partition_point(|(other, _)| other <= conditions));
        if admit(*conditions) && group.iter().any(|(_, hook)| is_wanted(*hook)) {
            return true;
        }
        rest = others;
    }
    false
}

impl Key {
    fn of(place: Place<'_>, realm: Option<&str>) -> Key {
        let mut hasher = DefaultHasher::new();
        (place, realm).hash(&mut hasher);
        Key(hasher.finish())
    }
}

/// What a hook is found by. None twice, unless its filter says something twice.
fn keys(filter: &Filter) -> Vec<Key> {
    let Filter { ids, realms, .. } = filter;
    let places = match ids.is_empty() {
        true => vec![Place::Anywhere],
        false => ids.iter().map(Place::of).collect(),
    };
    let realms = match realms.is_empty() || ids.len().saturating_mul(realms.len()) > MOST_PAIRS {
        true => vec![None],
        false => realms.iter().map(|realm| Some(realm.as_str())).collect(),
    };
    let mut keys: Vec<Key> =
        places.iter().flat_map(|place| realms.iter().map(|realm| Key::of(*place, *realm))).collect();
    keys.sort_unstable_by_key(|key| key.0);
    keys.dedup();
    keys
}

impl Place<'_> {
    fn of(pattern: &IdPattern) -> Place<'_> {
        match pattern {
            IdPattern::Exact(id) => Place::Exact(id),
            IdPattern::Prefix(prefix) if prefix.is_empty() => Place::Anywhere,
            IdPattern::Prefix(prefix) => Place::Prefix(prefix),
        }
    }
}

/// The lengths of the beginnings of ids that the filter names.
fn lengths(filter: &Filter) -> impl Iterator<Item = usize> {
    filter.ids.iter().filter_map(|pattern| match pattern {
        IdPattern::Prefix(prefix) if !prefix.is_empty() => Some(prefix.len()),
        _ => None,
    })
}

impl Conditions {
    fn of(listener: &Listener) -> Conditions {
        let Filter { kinds, types, from, to, .. } = &listener.filter;
        let subjects = if kinds.is_empty() {
            // What became of hooks is heard only by who names the type.
            let hook = if types.is_empty() { 0 } else { subject_bit(Subject::Hook) };
            Subject::ALL.into_iter().filter(|subject| *subject != Subject::Hook).map(subject_bit).sum::<u8>() | hook
        } else {
            kinds.iter().map(|kind| subject_bit(subject_of(*kind))).fold(0, |bits, bit| bits | bit)
        };
        let states = |states: &[State]| match states {
            [] => u16::MAX,
            _ => states.iter().fold(0, |bits, state| bits | state_bit(Some(*state))),
        };
        Conditions {
            is_behind: listener.behind.is_some(),
            subjects,
            types: if types.is_empty() { u16::MAX } else { types.iter().fold(0, |bits, what| bits | type_bit(*what)) },
            from: states(from),
            to: states(to),
        }
    }

    fn admit(self, change: &NewChange) -> bool {
        self.subjects & subject_bit(change.subject) != 0
            && self.types & type_bit(change.change_type) != 0
            && self.from & state_bit(change.old_state) != 0
            && self.to & state_bit(change.new_state) != 0
    }
}

fn subject_of(kind: Kind) -> Subject {
    match kind {
        Kind::Instance => Subject::Instance,
        Kind::Realm => Subject::Realm,
    }
}

fn subject_bit(subject: Subject) -> u8 {
    1 << subject as u8
}

fn type_bit(what: ChangeType) -> u16 {
    1 << what as u16
}

/// A change of what has no state has a bit, too: a filter that names states does not let it through.
fn state_bit(state: Option<State>) -> u16 {
    let number = match state {
        None => 0,
        Some(State::Instance(state)) => 1 + state as u16,
        Some(State::Realm(state)) => 1 + InstanceState::Unknown as u16 + 1 + state as u16,
    };
    const { assert!(2 + InstanceState::Unknown as u16 + RealmState::Unavailable as u16 <= 15, "each state has a bit") }
    1 << number
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;
    use crate::model::Timestamp;

    fn filters() -> impl Strategy<Value = Filter> {
        let ids = select(vec!["i-1", "i-12", "i-*", "i-1*", "*", "é*", "eu", "e*", "7"]);
        let states = vec![
            State::Instance(InstanceState::Pending),
            State::Instance(InstanceState::Unknown),
            State::Realm(RealmState::Available),
            State::Realm(RealmState::Unavailable),
        ];
        (
            subsequence(Kind::ALL.to_vec(), 0..=2),
            prop::collection::vec(ids, 0..3),
            subsequence(vec!["us", "eu", "i-1"], 0..=2),
            subsequence(ChangeType::ALL.to_vec(), 0..=3),
            subsequence(states.clone(), 0..=2),
            subsequence(states, 0..=2),
        )
            .prop_map(|(kinds, ids, realms, types, from, to)| Filter {
                kinds,
                ids: ids.into_iter().map(|text| IdPattern::parse(text).expect(text)).collect(),
                realms: realms.into_iter().map(str::to_owned).collect(),
                types,
                from,
                to,
            })
    }

    fn changes() -> impl Strategy<Value = NewChange> {
        let state = select(vec![
            None,
            Some(State::Instance(InstanceState::Pending)),
            Some(State::Instance(InstanceState::Unknown)),
            Some(State::Realm(RealmState::Unavailable)),
        ]);
        (
            select(ChangeType::ALL.to_vec()),
            select(Subject::ALL.to_vec()),
            select(vec!["i-1", "i-12", "i-2", "e", "eu", "été", "7"]),
            select(vec![None, Some("us"), Some("eu")]),
            state.clone(),
            state,
        )
            .prop_map(|(change_type, subject, id, realm, old_state, new_state)| NewChange {
                change_type,
                subject,
                resource: ResourceId::parse(id).expect(id),
                name: None,
                realm: realm.map(str::to_owned),
                old_state,
                new_state,
                observed_after: None,
                observed_at: Timestamp::default(),
                passed_over: false,
                details: None,
            })
    }

    fn listener((number, filter, is_behind): (i64, Filter, bool)) -> Listener {
        Listener::filtering(HookId(number), filter, is_behind.then_some(1))
    }

    fn found<'a>(listeners: impl IntoIterator<Item = &'a Listener>, change: &NewChange) -> Vec<i64> {
        let heard = listeners.into_iter().filter(|one| one.behind.is_none() && one.hears(change));
        heard.map(|listener| listener.hook.0).collect()
    }

    proptest! {
        #[test]
        fn each_hook_that_hears_is_found_whatever_came_and_went(
            events in prop::collection::vec((0..6_i64, filters(), any::<bool>(), any::<bool>()), 0..24),
            loaded in 0..24_usize,
            change in changes(),
        ) {
            // A hook test concerns one hook, which is not looked for.
            prop_assume!(change.change_type != ChangeType::HookTest);
            let mut all: BTreeMap<i64, Listener> = BTreeMap::new();
            let mut index = HookIndex::default();
            for (at, (number, filter, is_behind, is_gone)) in events.into_iter().enumerate() {
                if is_gone {
                    all.remove(&number);
                    index.remove(HookId(number));
                } else {
                    let one = listener((number, filter, is_behind));
                    all.insert(number, one.clone());
                    index.put(one);
                }
                if at == loaded {
                    index = HookIndex::of(all.values().cloned().collect());
                }
            }
            let candidates = index.candidates(&change, Wanted::UpToDate);
            prop_assert_eq!(found(candidates, &change), found(all.values(), &change));
            let naming: Vec<i64> = index.candidates(&change, Wanted::Naming).iter().map(|one| one.hook.0).collect();
            for one in all.values().filter(|one| one.awaits(&change)) {
                prop_assert!(naming.contains(&one.hook.0), "{:?} is not among {:?}", one, naming);
            }
            for state in [InstanceState::Pending, InstanceState::Unknown] {
                let (id, realm) = (&change.resource, change.realm.as_deref());
                let awaits = |one: &Listener| one.filter.awaits(id, realm, state);
                prop_assert_eq!(index.any_leaving(id, realm, state, awaits), all.values().any(awaits));
            }
            let hooks: Vec<HookId> = index.hooks().collect();
            hooks.into_iter().for_each(|hook| index.remove(hook));
            prop_assert!(index.buckets.is_empty() && index.prefixes.is_empty() && index.parts() == 1);
        }
    }

    #[test]
    fn hooks_that_wait_for_something_else_are_not_looked_at() {
        let change = NewChange {
            change_type: ChangeType::InstanceState,
            subject: Subject::Instance,
            resource: ResourceId::parse("web-1").expect("an id"),
            name: None,
            realm: Some("us".into()),
            old_state: Some(State::Instance(InstanceState::Pending)),
            new_state: Some(State::Instance(InstanceState::Running)),
            observed_after: None,
            observed_at: Timestamp::default(),
            passed_over: false,
            details: None,
        };
        let all = Filter::default;
        let ids = |text: &str| vec![IdPattern::parse(text).expect(text)];
        let others = [
            Filter { ids: ids("web-2"), ..all() },
            Filter { ids: ids("db-*"), ..all() },
            Filter { ids: ids("web-*"), realms: vec!["eu".into()], ..all() },
            Filter { realms: vec!["eu".into()], ..all() },
            Filter { kinds: vec![Kind::Realm], ..all() },
            Filter { types: vec![ChangeType::InstanceRemoved], ..all() },
            Filter { from: vec![State::Instance(InstanceState::Running)], ..all() },
            Filter { to: vec![State::Instance(InstanceState::Stopped)], ..all() },
            Filter { types: vec![ChangeType::HookDisabled], ..all() },
        ];
        let mut listeners: Vec<Listener> =
            others.into_iter().zip(1..).map(|(filter, number)| listener((number, filter, false))).collect();
        listeners.push(listener((99, Filter { ids: ids("web-*"), ..all() }, false)));
        listeners.push(listener((100, all(), true)));
        let index = HookIndex::of(listeners);
        let looked_at: Vec<i64> = index.candidates(&change, Wanted::UpToDate).iter().map(|one| one.hook.0).collect();
        assert_eq!(looked_at, [99]);
    }
}
