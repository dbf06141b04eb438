//! The parameters of a request, wherever they stand: in its query, in a form, or in JSON.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::driver::wire::Asked;

/// By where they stand and their names.
pub(in super::super) type Parameters = BTreeMap<String, String>;

pub(in super::super) fn parameters(asked: &Asked) -> Parameters {
    let mut found = Parameters::new();
    for (name, value) in asked.url.query_pairs() {
        found.insert(format!("query {name}"), value.into_owned());
    }
    match serde_json::from_slice::<Value>(&asked.body) {
        Ok(value) if value.is_object() => json(&value, "json ", &mut found),
        _ if asked.body.contains(&b'=') => {
            for (name, value) in url::form_urlencoded::parse(&asked.body) {
                found.insert(format!("form {name}"), value.into_owned());
            }
        }
        _ => {}
    }
    found
}

fn json(value: &Value, path: &str, found: &mut Parameters) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| json(member, &format!("{path}/{name}"), found));
        }
        Value::Array(entries) => {
            entries.iter().enumerate().for_each(|(at, entry)| json(entry, &format!("{path}/{at}"), found));
        }
        Value::String(text) => drop(found.insert(path.to_owned(), text.clone())),
        Value::Null => {}
        other => drop(found.insert(path.to_owned(), other.to_string())),
    }
}

/// The name of a parameter by itself.
pub(super) fn name(parameter: &str) -> &str {
    parameter.split_once(' ').map_or(parameter, |(_, name)| name)
}
