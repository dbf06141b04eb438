//! Instances, but for their addresses, which are in other answers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use tracker_driver_sdk::{Error, Instance, InstanceState, time};

/// An instance as Oracle has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    id: String,
    lifecycle_state: String,
    display_name: Option<String>,
    compartment_id: Option<String>,
    availability_domain: Option<String>,
    shape: Option<String>,
    time_created: Option<String>,
    source_details: Option<Source>,
    /// What older answers have instead of `sourceDetails`.
    image_id: Option<String>,
    freeform_tags: Option<BTreeMap<String, Value>>,
    /// Tags by their namespaces.
    defined_tags: Option<BTreeMap<String, BTreeMap<String, Value>>>,
}

/// An image, or a boot volume, which has no image.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    image_id: Option<String>,
}

pub fn instance(entry: Entry) -> Result<Instance, Error> {
    if entry.id.is_empty() {
        return Err(Error::UnexpectedAnswer("an instance in the answer has no id".to_owned()));
    }
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    let source = entry.source_details.and_then(|source| text(source.image_id));
    // A defined tag and a free one may have the same name: the defined one counts, which not everybody may set.
    let mut labels: BTreeMap<String, String> =
        entry.freeform_tags.into_iter().flatten().map(|(name, value)| (name, written(value))).collect();
    for (namespace, tags) in entry.defined_tags.into_iter().flatten() {
        labels.extend(tags.into_iter().map(|(name, value)| (format!("{namespace}.{name}"), written(value))));
    }
    Ok(Instance {
        name: text(entry.display_name),
        owner: text(entry.compartment_id),
        realm: text(entry.availability_domain),
        image: source.or_else(|| text(entry.image_id)),
        hardware_profile: text(entry.shape),
        launched_at: entry.time_created.as_deref().and_then(time::parse_rfc3339),
        labels: labels.into_iter().collect(),
        ..Instance::new(entry.id, state(&entry.lifecycle_state), entry.lifecycle_state)
    })
}

pub fn state(word: &str) -> InstanceState {
    match word {
        "PROVISIONING" | "STARTING" => InstanceState::Pending,
        "RUNNING" => InstanceState::Running,
        "STOPPING" => InstanceState::Stopping,
        "STOPPED" => InstanceState::Stopped,
        "TERMINATING" => InstanceState::ShuttingDown,
        "TERMINATED" => InstanceState::Finish,
        // `CREATING_IMAGE` and `MOVING`, too: the instance was on or off before and is so after it, and the API does not
        // say which.
        _ => InstanceState::Unknown,
    }
}

/// A tag's value: a text, or a number or a flag of a defined tag.
fn written(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
