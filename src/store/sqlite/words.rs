//! The properties of a hook that only Rust reads: filter, retries, description. One column holds them as JSON with
//! short names, in the store's own format, like the attributes of resources.

use std::time::Duration;

use rusqlite::types::{FromSqlError, FromSqlResult, ValueRef};
use serde::{Deserialize, Serialize};

use super::super::Result;
use super::columns::{Column, kind_number, state_number};
use super::fault::Fault;
use crate::model::{ChangeType, Filter, HookSpec, IdPattern, Kind, State};

pub(super) struct Words {
    pub(super) filter: Filter,
    pub(super) retries: Option<Vec<Duration>>,
    pub(super) description: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Stored {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kinds: Vec<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ids: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    realms: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    types: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    from: Vec<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    to: Vec<i64>,
    /// In milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<Vec<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

pub(super) fn write(spec: &HookSpec) -> Result<String> {
    let filter = &spec.filter;
    let millis = |wait: &Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let states = |states: &[State]| states.iter().map(|state| state_number(*state)).collect();
    let stored = Stored {
        kinds: filter.kinds.iter().map(|kind| kind_number(*kind)).collect(),
        ids: filter.ids.iter().map(IdPattern::to_string).collect(),
        realms: filter.realms.clone(),
        types: filter.types.iter().map(|what| what.as_str().to_owned()).collect(),
        from: states(&filter.from),
        to: states(&filter.to),
        retries: spec.retries.as_ref().map(|waits| waits.iter().map(millis).collect()),
        description: spec.description.clone(),
    };
    Ok(serde_json::to_string(&stored).map_err(Fault::Words)?)
}

impl Column for Words {
    fn read(value: ValueRef<'_>) -> FromSqlResult<Words> {
        let stored: Stored = serde_json::from_str(value.as_str()?).map_err(FromSqlError::other)?;
        let numbers = |numbers: &[i64]| {
            numbers.iter().map(|&number| State::read(ValueRef::Integer(number))).collect::<FromSqlResult<Vec<State>>>()
        };
        Ok(Words {
            filter: Filter {
                kinds: stored
                    .kinds
                    .iter()
                    .map(|&number| Kind::read(ValueRef::Integer(number)))
                    .collect::<FromSqlResult<_>>()?,
                ids: stored
                    .ids
                    .iter()
                    .map(|text| IdPattern::parse(text).map_err(FromSqlError::other))
                    .collect::<FromSqlResult<_>>()?,
                realms: stored.realms,
                types: stored
                    .types
                    .iter()
                    .map(|text| ChangeType::read(ValueRef::Text(text.as_bytes())))
                    .collect::<FromSqlResult<_>>()?,
                from: numbers(&stored.from)?,
                to: numbers(&stored.to)?,
            },
            retries: stored.retries.map(|waits| waits.into_iter().map(Duration::from_millis).collect()),
            description: stored.description,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Format, HookUrl, InstanceState, Mode, RealmState};

    #[test]
    fn are_read_as_they_were_written() {
        let check = |filter: Filter, retries: Option<Vec<Duration>>, description: Option<&str>| {
            let spec = HookSpec {
                url: HookUrl::parse("https://example.com/").expect("a URL"),
                token: None,
                filter,
                format: Format::Json,
                mode: Mode::Every,
                rate: None,
                retries,
                description: description.map(str::to_owned),
            };
            let text = write(&spec).expect("written");
            let read = Words::read(ValueRef::Text(text.as_bytes())).expect(&text);
            assert_eq!((read.filter, read.retries, read.description), (spec.filter, spec.retries, spec.description));
        };
        check(Filter::default(), None, None);
        check(Filter::default(), Some(vec![]), Some("text"));
        let filter = Filter {
            kinds: Kind::ALL.to_vec(),
            ids: vec![IdPattern::Exact("i-1".into()), IdPattern::Prefix("web-".into())],
            realms: vec!["us".into()],
            types: ChangeType::ALL.to_vec(),
            from: vec![State::Instance(InstanceState::Running)],
            to: vec![State::Realm(RealmState::Available), State::Instance(InstanceState::Unknown)],
        };
        check(filter, Some(vec![Duration::ZERO, Duration::from_millis(1500)]), None);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let check = |text: &str| assert!(Words::read(ValueRef::Text(text.as_bytes())).is_err(), "{text}");
        check("");
        check(r#"{"kinds":[9]}"#);
        check(r#"{"types":["instance.exploded"]}"#);
        check(r#"{"ids":[""]}"#);
        check(r#"{"from":[99]}"#);
    }
}
