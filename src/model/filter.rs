//! Filters: which changes a hook, or a reader of the journal, asks for.

use std::fmt;

use super::change::{ChangeType, NewChange, Subject};
use super::resource::{InstanceState, InvalidResourceId, Kind, RealmState, Resource, ResourceId, State};
use super::time::Timestamp;

/// Which changes a hook receives: those that match every list. An empty list matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The kinds of resource.
    pub kinds: Vec<Kind>,
    pub ids: Vec<IdPattern>,
    /// The realms: the realm of an instance, and the id of a realm.
    pub realms: Vec<String>,
    pub types: Vec<ChangeType>,
    /// The state before, and the state now.
    pub from: Vec<State>,
    pub to: Vec<State>,
}

/// An id, or with a `*` at its end all ids with that beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdPattern {
    Exact(String),
    Prefix(String),
}

impl IdPattern {
    pub fn parse(text: &str) -> Result<IdPattern, InvalidIdPattern> {
        let (beginning, is_whole) = text.strip_suffix('*').map_or((text, true), |beginning| (beginning, false));
        if beginning.contains('*') {
            return Err(InvalidIdPattern::Star);
        }
        // `*` alone matches every id.
        if is_whole || !beginning.is_empty() {
            ResourceId::check(beginning)?;
        }
        let beginning = beginning.to_owned();
        Ok(if is_whole { IdPattern::Exact(beginning) } else { IdPattern::Prefix(beginning) })
    }

    /// Whether the id matches the pattern.
    pub fn matches(&self, id: &str) -> bool {
        match self {
            IdPattern::Exact(exact) => exact == id,
            IdPattern::Prefix(prefix) => id.starts_with(prefix.as_str()),
        }
    }
}

impl fmt::Display for IdPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdPattern::Exact(exact) => f.write_str(exact),
            IdPattern::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

/// Completes a sentence that begins with "is not an id, nor a prefix with *".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdPattern {
    #[error("a * has to be at the end, where it stands for the rest of the id")]
    Star,
    #[error(transparent)]
    Id(#[from] InvalidResourceId),
}

/// A list of a filter that can contradict another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterList {
    Kinds,
    Types,
    From,
    To,
}

impl FilterList {
    const ALL: [FilterList; 4] = [FilterList::Kinds, FilterList::Types, FilterList::From, FilterList::To];
}

/// Which states a type of change has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum States {
    None,
    Instance,
    Realm,
    Only(State),
}

impl States {
    fn has(self, state: State) -> bool {
        match (self, state) {
            (States::Instance, State::Instance(_)) | (States::Realm, State::Realm(_)) => true,
            (States::Only(only), state) => only == state,
            _ => false,
        }
    }
}

/// The states before and after in changes of a type, and whether these always differ.
fn states_of(change_type: ChangeType) -> (States, States, bool) {
    match change_type {
        ChangeType::InstanceCreated => (States::None, States::Instance, false),
        ChangeType::InstanceState => (States::Instance, States::Instance, true),
        ChangeType::InstanceUpdated => (States::Instance, States::Instance, false),
        ChangeType::InstanceRemoved => (States::Instance, States::Only(State::Instance(InstanceState::Finish)), false),
        ChangeType::RealmCreated => (States::None, States::Realm, false),
        // After flapping, the state may be the same as before.
        ChangeType::RealmState | ChangeType::ProviderState => (States::Realm, States::Realm, false),
        ChangeType::RealmRemoved => (States::Realm, States::Only(State::Realm(RealmState::Unavailable)), false),
        ChangeType::TrackerGap | ChangeType::TrackerMassChange | ChangeType::HookDisabled | ChangeType::HookTest => {
            (States::None, States::None, false)
        }
    }
}

/// The kind of resource that a type of change is about.
fn kind_of(change_type: ChangeType) -> Option<Kind> {
    match change_type {
        ChangeType::InstanceCreated
        | ChangeType::InstanceState
        | ChangeType::InstanceUpdated
        | ChangeType::InstanceRemoved => Some(Kind::Instance),
        ChangeType::RealmCreated | ChangeType::RealmState | ChangeType::RealmRemoved => Some(Kind::Realm),
        ChangeType::ProviderState
        | ChangeType::TrackerGap
        | ChangeType::TrackerMassChange
        | ChangeType::HookDisabled
        | ChangeType::HookTest => None,
    }
}

impl Filter {
    /// The smallest set of lists that no change can match together; empty if some change can match all.
    pub fn contradiction(&self) -> Vec<FilterList> {
        let subset = |bits: u8| -> Vec<FilterList> {
            FilterList::ALL
                .into_iter()
                .zip(0..)
                .filter_map(|(list, bit)| (bits & (1 << bit) != 0).then_some(list))
                .collect()
        };
        let mut subsets: Vec<Vec<FilterList>> = (1..1 << FilterList::ALL.len()).map(subset).collect();
        subsets.sort_by_key(Vec::len);
        subsets.into_iter().find(|lists| !self.can_be_passed(lists)).unwrap_or_default()
    }

    /// Whether some change could match these lists.
    fn can_be_passed(&self, lists: &[FilterList]) -> bool {
        let is_asked = |list: FilterList| lists.contains(&list);
        ChangeType::ALL.into_iter().any(|change_type| {
            let (before, after, differ) = states_of(change_type);
            let (from, to): (&[State], &[State]) = (&self.from, &self.to);
            let (is_from, is_to) =
                (is_asked(FilterList::From) && !from.is_empty(), is_asked(FilterList::To) && !to.is_empty());
            let differs = |to: State| !(differ && is_from) || from.iter().any(|from| before.has(*from) && *from != to);
            (!is_asked(FilterList::Kinds)
                || self.kinds.is_empty()
                || kind_of(change_type).is_some_and(|kind| self.kinds.contains(&kind)))
                && (!is_asked(FilterList::Types) || self.types.is_empty() || self.types.contains(&change_type))
                && (!is_from || from.iter().any(|state| before.has(*state)))
                && (!is_to || to.iter().any(|state| after.has(*state) && differs(*state)))
        })
    }

    /// How many items its lists have together; its memory grows with them.
    pub fn items(&self) -> usize {
        let Filter { kinds, ids, realms, types, from, to } = self;
        kinds.len() + ids.len() + realms.len() + types.len() + from.len() + to.len()
    }

    /// Whether the change matches.
    pub fn matches(&self, change: &NewChange) -> bool {
        fn allows<T: PartialEq>(list: &[T], value: Option<&T>) -> bool {
            list.is_empty() || value.is_some_and(|value| list.contains(value))
        }
        let id = change.resource.as_str();
        let kind_matches = match change.subject {
            Subject::Hook | Subject::Provider | Subject::Account => self.kinds.is_empty(),
            Subject::Instance => allows(&self.kinds, Some(&Kind::Instance)),
            Subject::Realm => allows(&self.kinds, Some(&Kind::Realm)),
        };
        let realm = || match change.subject {
            Subject::Realm => Some(id),
            _ => change.realm.as_deref(),
        };
        kind_matches
            && allows(&self.types, Some(&change.change_type))
            && (self.ids.is_empty() || self.ids.iter().any(|pattern| pattern.matches(id)))
            && (self.realms.is_empty() || realm().is_some_and(|realm| self.realms.iter().any(|known| known == realm)))
            && allows(&self.from, change.old_state.as_ref())
            && allows(&self.to, change.new_state.as_ref())
    }

    /// Whether a resource matches, as far as the filter is about resources and not about changes.
    pub fn shows(&self, resource: &Resource) -> bool {
        let id = resource.id().as_str();
        let realm = match resource.kind() {
            Kind::Realm => Some(id),
            Kind::Instance => resource.realm(),
        };
        (self.kinds.is_empty() || self.kinds.contains(&resource.kind()))
            && (self.ids.is_empty() || self.ids.iter().any(|pattern| pattern.matches(id)))
            && (self.realms.is_empty() || realm.is_some_and(|realm| self.realms.iter().any(|known| known == realm)))
    }

    /// Whether the change may match with which an instance leaves this state. The next state is not known yet, so `to`
    /// is ignored.
    pub fn awaits(&self, id: &ResourceId, realm: Option<&str>, state: InstanceState) -> bool {
        let leaves = |change_type: ChangeType| {
            self.matches(&NewChange {
                change_type,
                subject: Subject::Instance,
                resource: id.clone(),
                name: None,
                realm: realm.map(str::to_owned),
                old_state: Some(State::Instance(state)),
                new_state: self.to.first().copied(),
                observed_after: None,
                observed_at: Timestamp::default(),
                passed_over: false,
                details: None,
            })
        };
        leaves(ChangeType::InstanceState) || leaves(ChangeType::InstanceRemoved)
    }

    /// Of which kind the lists are that a hook with this filter waits for most.
    pub fn leading_kind(&self) -> Kind {
        if self.kinds == [Kind::Realm] { Kind::Realm } else { Kind::Instance }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_lets_through_what_all_its_lists_do() {
        use crate::model::{InstanceState, RealmState};
        let running = State::Instance(InstanceState::Running);
        let stopped = State::Instance(InstanceState::Stopped);
        let down = State::Realm(RealmState::Unavailable);
        let change = |change_type: ChangeType, subject, id: &str, realm: Option<&str>, from, to| NewChange {
            change_type,
            subject,
            resource: ResourceId::parse(id).expect(id),
            name: None,
            realm: realm.map(str::to_owned),
            old_state: from,
            new_state: to,
            observed_after: None,
            observed_at: Timestamp::default(),
            passed_over: false,
            details: None,
        };
        let stops =
            change(ChangeType::InstanceState, Subject::Instance, "web-1", Some("us"), Some(running), Some(stopped));
        let created = change(ChangeType::InstanceCreated, Subject::Instance, "db", None, None, Some(running));
        let realm = change(ChangeType::RealmState, Subject::Realm, "eu", None, None, Some(down));
        let disabled = change(ChangeType::HookDisabled, Subject::Hook, "7", None, None, None);
        let check = |filter: Filter, want: [bool; 4]| {
            let got = [&stops, &created, &realm, &disabled].map(|change| filter.matches(change));
            assert_eq!(got, want, "{filter:?}");
        };
        let ids = |patterns: &[&str]| Filter {
            ids: patterns.iter().map(|text| IdPattern::parse(text).expect(text)).collect(),
            ..Filter::default()
        };
        let realms = |names: &[&str]| Filter {
            realms: names.iter().map(|&name| name.to_owned()).collect(),
            ..Filter::default()
        };
        let all = Filter::default;
        check(all(), [true, true, true, true]);
        check(Filter { kinds: vec![Kind::Realm], ..all() }, [false, false, true, false]);
        check(Filter { kinds: Kind::ALL.to_vec(), ..all() }, [true, true, true, false]);
        check(ids(&["web-1"]), [true, false, false, false]);
        check(ids(&["web-*", "eu"]), [true, false, true, false]);
        check(ids(&["web"]), [false, false, false, false]);
        check(ids(&["*"]), [true, true, true, true]);
        check(realms(&["us"]), [true, false, false, false]);
        check(realms(&["eu", "us"]), [true, false, true, false]);
        check(Filter { types: vec![ChangeType::InstanceCreated], ..all() }, [false, true, false, false]);
        check(Filter { types: vec![ChangeType::HookDisabled], ..all() }, [false, false, false, true]);
        check(Filter { from: vec![running], ..all() }, [true, false, false, false]);
        check(Filter { to: vec![running, down], ..all() }, [false, true, true, false]);
        check(Filter { from: vec![running], to: vec![running], ..all() }, [false, false, false, false]);
    }

    #[test]
    fn an_instance_is_awaited_by_who_would_hear_of_its_next_state() {
        use crate::model::InstanceState::{Pending, Running, Stopping};
        let id = ResourceId::parse("web-1").expect("an id");
        let check = |filter: Filter, want: [bool; 2]| {
            let got = [Pending, Stopping].map(|state| filter.awaits(&id, Some("us"), state));
            assert_eq!(got, want, "{filter:?}");
        };
        let all = Filter::default;
        check(all(), [true, true]);
        check(Filter { kinds: vec![Kind::Realm], ..all() }, [false, false]);
        check(Filter { ids: vec![IdPattern::Prefix("web-".into())], ..all() }, [true, true]);
        check(Filter { ids: vec![IdPattern::Exact("db".into())], ..all() }, [false, false]);
        check(Filter { realms: vec!["us".into()], ..all() }, [true, true]);
        check(Filter { realms: vec!["eu".into()], ..all() }, [false, false]);
        check(Filter { from: vec![State::Instance(Stopping)], ..all() }, [false, true]);
        check(Filter { to: vec![State::Instance(Running)], ..all() }, [true, true]);
        check(Filter { types: vec![ChangeType::InstanceRemoved], ..all() }, [true, true]);
        check(Filter { types: vec![ChangeType::InstanceCreated], ..all() }, [false, false]);
    }

    #[test]
    fn a_pattern_is_an_id_or_the_beginning_of_one() {
        let check = |text: &str, want: Option<IdPattern>| {
            let got = IdPattern::parse(text).ok();
            assert_eq!(got, want, "{text}");
            assert!(got.is_none_or(|pattern| pattern.to_string() == text));
        };
        check("i-1", Some(IdPattern::Exact("i-1".into())));
        check("i-*", Some(IdPattern::Prefix("i-".into())));
        check("*", Some(IdPattern::Prefix(String::new())));
        check("a*b", None);
        check("", None);
        for text in ["*a", "**", "a**", "*a*"] {
            check(text, None);
        }
        check("a\nb*", None);
        check(&"x".repeat(256), None);
    }

    #[test]
    fn a_filter_that_nothing_can_pass_is_told_by_the_lists_that_show_it() {
        use crate::model::InstanceState::{Finish, Pending, Running};
        let (running, pending) = (State::Instance(Running), State::Instance(Pending));
        let (finish, available) = (State::Instance(Finish), State::Realm(RealmState::Available));
        let check = |kinds: &[Kind], types: &[ChangeType], from: &[State], to: &[State], want: Option<&str>| {
            let filter = Filter {
                kinds: kinds.to_vec(),
                types: types.to_vec(),
                from: from.to_vec(),
                to: to.to_vec(),
                ..Filter::default()
            };
            let found = filter.contradiction();
            let got = (!found.is_empty())
                .then(|| found.iter().map(|list| format!("{list:?}").to_lowercase()).collect::<Vec<_>>().join(" "));
            assert_eq!(got.as_deref(), want, "{filter:?}");
        };
        let (instance, realm) = (Kind::Instance, Kind::Realm);
        check(&[], &[], &[], &[], None);
        for change_type in ChangeType::ALL {
            check(&[], &[change_type], &[], &[], None);
        }
        for state in State::ALL {
            check(&[], &[], &[state], &[], None);
            check(&[], &[], &[], &[state], None);
        }
        check(&[realm], &[ChangeType::InstanceState], &[], &[], Some("kinds types"));
        check(&[instance], &[ChangeType::ProviderState, ChangeType::RealmState], &[], &[], Some("kinds types"));
        check(&[instance, realm], &[ChangeType::TrackerGap], &[], &[], Some("kinds types"));
        check(&[instance], &[], &[], &[available], Some("kinds to"));
        check(&[instance], &[], &[available], &[running], Some("kinds from"));
        check(&[], &[], &[available], &[running], Some("from to"));
        check(&[realm, instance], &[], &[], &[available], None);
        check(&[], &[ChangeType::InstanceCreated], &[pending], &[], Some("types from"));
        check(&[], &[ChangeType::InstanceRemoved], &[], &[running], Some("types to"));
        check(&[], &[ChangeType::InstanceRemoved], &[running], &[finish], None);
        check(&[], &[ChangeType::InstanceState], &[running], &[running], Some("types from to"));
        check(&[], &[ChangeType::InstanceState], &[running], &[running, pending], None);
        check(&[], &[ChangeType::InstanceUpdated], &[running], &[running], None);
        check(&[], &[ChangeType::HookDisabled], &[], &[running], Some("types to"));
        check(&[instance], &[ChangeType::InstanceState, ChangeType::RealmState], &[], &[available], Some("kinds to"));
        check(&[instance], &[ChangeType::InstanceState], &[], &[running, available], None);
    }
}
