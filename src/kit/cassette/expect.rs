//! The expected outcome of a scenario. Each member may be absent, and is then not checked.

mod row;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::driver::{CallError, Coverage, Listing};
use crate::model::{Resource, ResourceId, State};

pub use row::Row;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// How many resources are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<ExpectedCoverage>,
    /// The word of the error that it ends with, in the place of a list.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_error")]
    pub error: Option<String>,
    /// With the error `throttled`: how long the provider asks to be left alone.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "wait")]
    pub retry_after: Option<ExpectedWait>,
    /// Of instances: which state each of the provider's words means.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "states")]
    pub states: BTreeMap<String, State>,
    /// Every id that is listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    /// Resources to their last field. Where there are as many as ids, each that is listed is one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Row>,
    /// Of a list of what changed: every id that is no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpectedCoverage {
    Complete,
    Partial,
    /// Only what changed.
    Delta,
}

/// A provider's Retry-After: a number of seconds, or `null` where it says nothing of when to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ExpectedWait {
    Seconds(u64),
    Unsaid,
}

impl ExpectedWait {
    /// What an error says of it; none where the error is another one.
    fn of(error: &CallError) -> Option<ExpectedWait> {
        match error {
            CallError::Throttled { retry_after, .. } => {
                Some(retry_after.map_or(ExpectedWait::Unsaid, |wait| ExpectedWait::Seconds(wait.as_secs())))
            }
            _ => None,
        }
    }
}

/// For people.
impl fmt::Display for ExpectedWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExpectedWait::Seconds(seconds) => write!(f, "a Retry-After of {seconds} seconds"),
            ExpectedWait::Unsaid => f.write_str("no Retry-After"),
        }
    }
}

/// A member that is there says something, `null` as well.
fn wait<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ExpectedWait>, D::Error> {
    Ok(Some(Option::<u64>::deserialize(deserializer)?.map_or(ExpectedWait::Unsaid, ExpectedWait::Seconds)))
}

/// The errors that a driver may give. What the host says of a driver gone wrong is nothing to expect.
const ERRORS: [&str; 6] =
    ["unauthorized", "forbidden", "throttled", "unavailable", "invalid-account", "unexpected-answer"];

fn known_error<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let error = Option::<String>::deserialize(deserializer)?;
    match &error {
        Some(word) if !ERRORS.contains(&word.as_str()) => {
            Err(serde::de::Error::custom(format!("there is no error {word:?}; there are: {}", ERRORS.join(", "))))
        }
        _ => Ok(error),
    }
}

fn states<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, State>, D::Error> {
    let words = BTreeMap::<String, String>::deserialize(deserializer)?;
    let state = |(word, state): (String, String)| match state.parse() {
        Ok(state) => Ok((word, state)),
        Err(error) => Err(serde::de::Error::custom(format!("{state:?} is {error}"))),
    };
    words.into_iter().map(state).collect()
}

impl Expect {
    /// The most resources that are expected one by one: what is longer is not for people to read.
    pub const MOST_ROWS: usize = 100;

    /// What would be expected of a call that ends like this one.
    pub fn of(listed: Result<&Listing, &CallError>) -> Expect {
        match listed {
            Ok(listing) => Expect {
                count: Some(listing.resources.len()),
                coverage: Some(ExpectedCoverage::of(&listing.coverage)),
                error: None,
                retry_after: None,
                resources: match listing.resources.len() {
                    0..=Expect::MOST_ROWS => listing.resources.iter().map(Row::of).collect(),
                    _ => Vec::new(),
                },
                states: words(&listing.resources),
                ids: (listing.resources.len() <= Expect::MOST_ROWS)
                    .then(|| listing.resources.iter().map(|resource| resource.id().to_string()).collect()),
                gone: gone(&listing.coverage).map(|gone| gone.iter().map(ToString::to_string).collect()),
            },
            Err(error) => Expect {
                error: Some(error.code().to_string()),
                retry_after: ExpectedWait::of(error),
                ..Expect::default()
            },
        }
    }

    /// In what a call ended otherwise than expected, a sentence each.
    pub fn differences(&self, listed: Result<&Listing, &CallError>) -> Vec<String> {
        let mut differences = Vec::new();
        let listing = match (listed, &self.error) {
            (Err(error), Some(expected)) if error.code().to_string() == *expected => {
                if let Some(wait) = self.retry_after
                    && ExpectedWait::of(error) != Some(wait)
                {
                    let came = ExpectedWait::of(error).unwrap_or(ExpectedWait::Unsaid);
                    differences.push(format!("{wait} was expected, and {came} came"));
                }
                return differences;
            }
            (Err(error), Some(expected)) => {
                return vec![format!("the error {expected} was expected, and {} came: {error}", error.code())];
            }
            (Err(error), None) => return vec![format!("a list was expected, and an error came: {error}")],
            (Ok(listing), Some(expected)) => {
                return vec![format!(
                    "the error {expected} was expected, and a list of {} came",
                    listing.resources.len()
                )];
            }
            (Ok(listing), None) => listing,
        };
        if let Some(expected) = self.count
            && expected != listing.resources.len()
        {
            differences.push(format!("{expected} resources were expected, and {} came", listing.resources.len()));
        }
        if let Some(expected) = self.coverage
            && expected != ExpectedCoverage::of(&listing.coverage)
        {
            let expected = match expected {
                ExpectedCoverage::Complete => "a complete list",
                ExpectedCoverage::Partial => "a partial list",
                ExpectedCoverage::Delta => "a list of what changed",
            };
            let came = match &listing.coverage {
                Coverage::Complete => "said to be complete".into(),
                Coverage::Partial(why) | Coverage::Misfit(why) => format!("partial: {why}"),
                Coverage::Delta(gone) => format!("one of what changed, with {} gone", gone.len()),
            };
            differences.push(format!("{expected} was expected, and it is {came}"));
        }
        let listed_words = words(&listing.resources);
        for (word, expected) in &self.states {
            match listed_words.get(word) {
                None => differences.push(format!("no instance in the state {word:?} came, and one was expected")),
                Some(state) if state != expected => {
                    differences.push(format!("{word:?} was expected to be {expected}, and is {state}"));
                }
                Some(_) => {}
            }
        }
        differences.extend(self.resources.iter().filter_map(|row| row.difference(&listing.resources)));
        let listed = listing.resources.iter().map(Resource::id);
        differences.extend(other_ids("other ids", self.ids.as_deref(), listed));
        let gone = gone(&listing.coverage).unwrap_or_default();
        differences.extend(other_ids("other ids that are gone", self.gone.as_deref(), gone));
        differences
    }
}

/// The ids that a list says are no more, if it is one of what changed.
fn gone(coverage: &Coverage) -> Option<&[ResourceId]> {
    match coverage {
        Coverage::Delta(gone) => Some(gone),
        Coverage::Complete | Coverage::Partial(_) | Coverage::Misfit(_) => None,
    }
}

/// In what ids are not those that were expected; both are sorted.
fn other_ids<'a>(
    what: &str,
    expected: Option<&[String]>,
    came: impl IntoIterator<Item = &'a ResourceId>,
) -> Option<String> {
    let mut expected: Vec<&str> = expected?.iter().map(String::as_str).collect();
    expected.sort_unstable();
    let came: Vec<&str> = came.into_iter().map(ResourceId::as_str).collect();
    let only = |of: &[&str], others: &[&str]| -> String {
        let only: Vec<&str> = of.iter().filter(|id| !others.contains(id)).take(5).copied().collect();
        if only.is_empty() { "none".into() } else { only.join(", ") }
    };
    (expected != came).then(|| {
        format!("{what} were expected: missing are {}; new are {}", only(&expected, &came), only(&came, &expected))
    })
}

impl ExpectedCoverage {
    fn of(coverage: &Coverage) -> ExpectedCoverage {
        match coverage {
            Coverage::Complete => ExpectedCoverage::Complete,
            Coverage::Partial(_) | Coverage::Misfit(_) => ExpectedCoverage::Partial,
            Coverage::Delta(_) => ExpectedCoverage::Delta,
        }
    }
}

/// The provider's words for states, with what they mean.
fn words(resources: &[Resource]) -> BTreeMap<String, State> {
    let word = |resource: &Resource| match resource {
        Resource::Instance(instance) => Some((instance.provider_state.to_string(), State::Instance(instance.state))),
        Resource::Realm(_) => None,
    };
    resources.iter().filter_map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Usage;
    use crate::model::{Realm, RealmState, ResourceId};

    fn listing(ids: &[&str], coverage: Coverage) -> Listing {
        let realm = |id: &&str| {
            let id = ResourceId::parse(*id).expect("an id");
            Resource::Realm(Realm { id, name: "n".into(), state: RealmState::Available, limit: None })
        };
        Listing {
            resources: ids.iter().map(realm).collect(),
            coverage,
            usage: Usage::default(),
            memory: Default::default(),
        }
    }

    #[test]
    fn what_came_otherwise_is_said() {
        let check = |expect: &str, listed: Result<Listing, CallError>, want: &[&str]| {
            let expect: Expect = serde_json::from_str(expect).expect("read");
            let differences = expect.differences(listed.as_ref());
            assert_eq!(differences.len(), want.len(), "{differences:?}");
            for (difference, want) in differences.iter().zip(want) {
                assert!(difference.contains(want), "{difference} should say {want}");
            }
        };
        let two = || Ok(listing(&["a", "b"], Coverage::Complete));
        let denied = || Err(CallError::Unauthorized("no".into()));
        check("{}", two(), &[]);
        check(r#"{"count": 2, "coverage": "complete", "ids": ["b", "a"]}"#, two(), &[]);
        check(r#"{"count": 3, "coverage": "partial"}"#, two(), &["3 resources", "said to be complete"]);
        check(r#"{"ids": ["a", "c"]}"#, two(), &["missing are c; new are b"]);
        check(r#"{"states": {"off": "STOPPED"}}"#, two(), &["no instance in the state \"off\""]);
        check(r#"{"error": "unauthorized"}"#, denied(), &[]);
        check(r#"{"error": "forbidden"}"#, denied(), &["forbidden was expected, and unauthorized came"]);
        check("{}", denied(), &["a list was expected"]);
        check(r#"{"error": "forbidden"}"#, two(), &["a list of 2 came"]);
        let throttled = |seconds: Option<u64>| {
            let retry_after = seconds.map(std::time::Duration::from_secs);
            CallError::Throttled { retry_after, message: "no".into() }
        };
        check(r#"{"error": "throttled"}"#, Err(throttled(Some(7))), &[]);
        check(r#"{"error": "throttled", "retry_after": 7}"#, Err(throttled(Some(7))), &[]);
        check(r#"{"error": "throttled", "retry_after": 7}"#, Err(throttled(None)), &["no Retry-After came"]);
        check(r#"{"error": "throttled", "retry_after": null}"#, Err(throttled(None)), &[]);
        let none = "no Retry-After was expected, and a Retry-After of 0 seconds came";
        check(r#"{"error": "throttled", "retry_after": null}"#, Err(throttled(Some(0))), &[none]);
        for (error, want) in [(throttled(None), "null"), (throttled(Some(7)), "7")] {
            let written = serde_json::to_string(&Expect::of(Err(&error))).expect("JSON");
            assert_eq!(written, format!(r#"{{"error":"throttled","retry_after":{want}}}"#));
        }
        let partial = listing(&[], Coverage::Partial("a zone is down".into()));
        check(r#"{"coverage": "complete"}"#, Ok(partial), &["partial: a zone is down"]);
        let delta = |gone: &[&str]| {
            let gone = gone.iter().map(|id| ResourceId::parse(*id).expect("an id")).collect();
            listing(&["a"], Coverage::Delta(gone))
        };
        check(r#"{"coverage": "delta", "gone": ["c", "b"]}"#, Ok(delta(&["b", "c"])), &[]);
        check(
            r#"{"coverage": "complete", "gone": []}"#,
            Ok(delta(&["b"])),
            &["what changed, with 1 gone", "new are b"],
        );
        check(
            r#"{"coverage": "delta", "gone": ["b"]}"#,
            two(),
            &["said to be complete", "gone were expected: missing are b"],
        );
        for listing in [listing(&["a"], Coverage::Complete), delta(&["b"])] {
            assert_eq!(Expect::of(Ok(&listing)).differences(Ok(&listing)), Vec::<String>::new());
        }
    }
}
