//! A shadow beside the current version of a driver. It lists what the current version has listed; differences are
//! counted, and some are kept as examples. Its lists have no other effect.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use super::call::Driver;
use super::listing::{Coverage, Listing};
use super::target::Target;
use crate::model::{AccountKey, Instance, Kind, Realm, Resource, ResourceId, State, Timestamp};

/// How many of the newest differences are kept to be looked at.
const EXAMPLES: usize = 20;

/// A shadow and what came of its lists so far.
#[derive(Debug)]
pub struct Shadow {
    driver: Arc<Driver>,
    tally: Mutex<Tally>,
}

/// What came of a shadow's lists since it was loaded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Lists that were compared, and of these the ones in which nothing differed.
    pub lists: u64,
    pub equal_lists: u64,
    /// Lists that the shadow could not give where the current version could.
    pub failures: u64,
    pub last_failure: Option<Failure>,
    /// Resources that were compared.
    pub resources: u64,
    pub counts: Counts,
    /// The newest, newest last.
    pub examples: VecDeque<Example>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub at: Timestamp,
    pub account: AccountKey,
    pub message: String,
}

/// How often each kind of difference was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub coverage: u64,
    pub only_current: u64,
    pub only_shadow: u64,
    pub state: u64,
    pub fields: u64,
    /// Resources whose provider had another word for their state by the time of the second list: they changed
    /// in between, and nothing can be said of how they were mapped.
    pub changed_between: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    pub at: Timestamp,
    pub account: AccountKey,
    pub kind: Kind,
    pub difference: Difference,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    Coverage { current: Coverage, shadow: Coverage },
    OnlyCurrent(ResourceId),
    OnlyShadow(ResourceId),
    State { id: ResourceId, current: State, shadow: State },
    Fields { id: ResourceId, names: Vec<&'static str> },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Coverage { current, shadow } => {
                write!(f, "the list is {current} for the current version and {shadow} for the shadow")
            }
            Difference::OnlyCurrent(id) => write!(f, "{id} is listed by the current version only"),
            Difference::OnlyShadow(id) => write!(f, "{id} is listed by the shadow only"),
            Difference::State { id, current, shadow } => {
                write!(f, "{id} is {current} to the current version and {shadow} to the shadow")
            }
            Difference::Fields { id, names } => write!(f, "{id} differs in {}", names.join(", ")),
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Coverage::Complete => f.write_str("complete"),
            Coverage::Partial(why) | Coverage::Misfit(why) => write!(f, "partial ({why})"),
            Coverage::Delta(removed) => write!(f, "a delta ({} gone)", removed.len()),
        }
    }
}

impl Shadow {
    pub(super) fn new(driver: Arc<Driver>) -> Shadow {
        Shadow { driver, tally: Mutex::default() }
    }

    pub fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    pub fn tally(&self) -> Tally {
        self.tally.lock().expect("invariant: no holder of this lock can panic").clone()
    }

    /// Lists what the current version has just listed, and takes down what differs.
    pub async fn follow(&self, target: &Target, kind: Kind, current: &Listing, now: Timestamp) {
        let account = &target.key;
        match self.driver.list(target, kind).await {
            Ok(shadow) => {
                let comparison = compare(current, &shadow);
                let differences = comparison.differences.len();
                if differences > 0 {
                    tracing::warn!(
                        %account, %kind, differences, driver.version = self.driver.info().version,
                        "the shadow's list differs: {}", comparison.differences[0]
                    );
                }
                self.take_down(account, kind, comparison, now);
            }
            Err(failure) => self.failed(account, failure.to_string(), now),
        }
    }

    /// Takes down that the shadow gave no list.
    pub fn failed(&self, account: &AccountKey, message: String, now: Timestamp) {
        tracing::warn!(%account, driver.version = self.driver.info().version, "the shadow returned no list: {message}");
        let mut tally = self.tally.lock().expect("invariant: no holder of this lock can panic");
        tally.failures += 1;
        tally.last_failure = Some(Failure { at: now, account: account.clone(), message });
    }

    fn take_down(&self, account: &AccountKey, kind: Kind, comparison: Comparison, now: Timestamp) {
        let mut tally = self.tally.lock().expect("invariant: no holder of this lock can panic");
        tally.lists += 1;
        tally.equal_lists += u64::from(comparison.differences.is_empty());
        tally.resources += comparison.resources;
        tally.counts.changed_between += comparison.changed_between;
        for difference in comparison.differences {
            *match difference {
                Difference::Coverage { .. } => &mut tally.counts.coverage,
                Difference::OnlyCurrent(_) => &mut tally.counts.only_current,
                Difference::OnlyShadow(_) => &mut tally.counts.only_shadow,
                Difference::State { .. } => &mut tally.counts.state,
                Difference::Fields { .. } => &mut tally.counts.fields,
            } += 1;
            if tally.examples.len() == EXAMPLES {
                tally.examples.pop_front();
            }
            tally.examples.push_back(Example { at: now, account: account.clone(), kind, difference });
        }
    }
}

#[derive(Debug, Default, PartialEq)]
struct Comparison {
    resources: u64,
    changed_between: u64,
    differences: Vec<Difference>,
}

/// Compares two lists of the same account, which are sorted by id.
fn compare(current: &Listing, shadow: &Listing) -> Comparison {
    let mut comparison = Comparison::default();
    if std::mem::discriminant(&current.coverage) != std::mem::discriminant(&shadow.coverage) {
        let (current, shadow) = (current.coverage.clone(), shadow.coverage.clone());
        comparison.differences.push(Difference::Coverage { current, shadow });
    }
    let mut candidates = shadow.resources.iter().peekable();
    for resource in &current.resources {
        while let Some(extra) = candidates.next_if(|candidate| candidate.id() < resource.id()) {
            comparison.resources += 1;
            comparison.differences.push(Difference::OnlyShadow(extra.id().clone()));
        }
        comparison.resources += 1;
        match candidates.next_if(|candidate| candidate.id() == resource.id()) {
            None => comparison.differences.push(Difference::OnlyCurrent(resource.id().clone())),
            Some(candidate) if changed_between(resource, candidate) => comparison.changed_between += 1,
            Some(candidate) if resource.state() != candidate.state() => {
                let (current, shadow) = (resource.state(), candidate.state());
                comparison.differences.push(Difference::State { id: resource.id().clone(), current, shadow });
            }
            Some(candidate) => {
                let names = fields_that_differ(resource, candidate);
                if !names.is_empty() {
                    comparison.differences.push(Difference::Fields { id: resource.id().clone(), names });
                }
            }
        }
    }
    for extra in candidates {
        comparison.resources += 1;
        comparison.differences.push(Difference::OnlyShadow(extra.id().clone()));
    }
    comparison
}

fn changed_between(current: &Resource, shadow: &Resource) -> bool {
    match (current, shadow) {
        (Resource::Instance(current), Resource::Instance(shadow)) => current.provider_state != shadow.provider_state,
        _ => false,
    }
}

fn fields_that_differ(current: &Resource, shadow: &Resource) -> Vec<&'static str> {
    let differing: Vec<(&'static str, bool)> = match (current, shadow) {
        (Resource::Instance(a), Resource::Instance(b)) => instance_fields(a, b),
        (Resource::Realm(a), Resource::Realm(b)) => realm_fields(a, b),
        _ => vec![("kind", true)],
    };
    differing.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

fn instance_fields(a: &Instance, b: &Instance) -> Vec<(&'static str, bool)> {
    vec![
        ("name", a.name != b.name),
        ("owner", a.owner != b.owner),
        ("realm", a.realm != b.realm),
        ("image", a.image != b.image),
        ("hardware_profile", a.hardware_profile != b.hardware_profile),
        ("launched_at", a.launched_at != b.launched_at),
        ("public_addresses", a.public_addresses != b.public_addresses),
        ("private_addresses", a.private_addresses != b.private_addresses),
        ("labels", a.labels != b.labels),
    ]
}

fn realm_fields(a: &Realm, b: &Realm) -> Vec<(&'static str, bool)> {
    vec![("name", a.name != b.name), ("limit", a.limit != b.limit)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::usage::Usage;
    use crate::model::InstanceState;

    fn instance(id: &str, state: InstanceState, word: &str, name: &str) -> Resource {
        Resource::Instance(Instance {
            id: ResourceId::parse(id).expect("an id"),
            name: Some(name.into()),
            owner: None,
            realm: None,
            image: None,
            hardware_profile: None,
            state,
            provider_state: word.into(),
            launched_at: None,
            public_addresses: vec![].into(),
            private_addresses: vec![].into(),
            labels: vec![].into(),
        })
    }

    fn listing(resources: &[Resource]) -> Listing {
        Listing {
            resources: resources.to_vec(),
            coverage: Coverage::Complete,
            usage: Usage::default(),
            memory: Default::default(),
        }
    }

    #[test]
    fn what_differs_is_named() {
        use InstanceState::{Running, Stopped};
        let check = |current: &[Resource], shadow: &[Resource], want: &[&str]| {
            let comparison = compare(&listing(current), &listing(shadow));
            let got: Vec<String> = comparison.differences.iter().map(ToString::to_string).collect();
            assert_eq!(got, want);
            comparison
        };
        let a = instance("a", Running, "up", "web");
        let b = instance("b", Running, "up", "db");
        check(&[a.clone(), b.clone()], &[a.clone(), b.clone()], &[]);
        check(&[a.clone(), b.clone()], std::slice::from_ref(&b), &["a is listed by the current version only"]);
        check(std::slice::from_ref(&a), &[a.clone(), b.clone()], &["b is listed by the shadow only"]);
        check(std::slice::from_ref(&b), &[a.clone(), b.clone()], &["a is listed by the shadow only"]);
        let mapped = instance("a", Stopped, "up", "web");
        check(std::slice::from_ref(&a), &[mapped], &["a is RUNNING to the current version and STOPPED to the shadow"]);
        check(std::slice::from_ref(&a), &[instance("a", Running, "up", "www")], &["a differs in name"]);
        let moved = check(&[a], &[instance("a", Stopped, "down", "web")], &[]);
        assert_eq!((moved.resources, moved.changed_between), (1, 1));

        let partial = Listing { coverage: Coverage::Partial("half".into()), ..listing(&[]) };
        let comparison = compare(&listing(&[]), &partial);
        assert_eq!(comparison.differences.len(), 1);
        assert_eq!(
            comparison.differences[0].to_string(),
            "the list is complete for the current version and partial (half) for the shadow"
        );
    }
}
