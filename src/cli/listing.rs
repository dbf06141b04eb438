//! Prints a list: a table for people, JSON in the API's words for programs, and a line on its coverage. The same for
//! every command that lists.

use clap::ValueEnum;
use serde::Serialize;

use super::output;
use super::table::table;
use crate::driver::{Coverage, Listing};
use crate::model::{
    AccountKey, Address, Instance, InstanceState, Kind, Realm, RealmState, Resource, ResourceId, Timestamp,
};

/// What to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum What {
    Instances,
    Realms,
}

impl From<What> for Kind {
    fn from(what: What) -> Kind {
        match what {
            What::Instances => Kind::Instance,
            What::Realms => Kind::Realm,
        }
    }
}

/// How to print a list.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Output {
    Table,
    Json,
}

/// Prints the list, and to standard error what it is worth.
pub(super) fn print(key: &AccountKey, listing: &Listing, output: Output) -> anyhow::Result<()> {
    match output {
        Output::Table => output::text!("{}{}", as_table(&listing.resources), gone_lines(gone(listing))),
        Output::Json => output::json(&as_json(listing))?,
    }
    output::stderr_line!("{}", closing_line(key, listing));
    Ok(())
}

/// Of a list of what changed, the ids of what is no more.
fn gone(listing: &Listing) -> Option<&[ResourceId]> {
    match &listing.coverage {
        Coverage::Delta(gone) => Some(gone),
        Coverage::Complete | Coverage::Partial(_) | Coverage::Misfit(_) => None,
    }
}

fn gone_lines(gone: Option<&[ResourceId]>) -> String {
    gone.unwrap_or_default().iter().map(|id| format!("gone: {id}\n")).collect()
}

/// What is listed; of a list of what changed that, and beside it the ids of what is no more.
fn as_json(listing: &Listing) -> serde_json::Value {
    let listed = documents(&listing.resources);
    match gone(listing) {
        None => serde_json::json!(listed),
        Some(gone) => {
            let gone: Vec<&str> = gone.iter().map(ResourceId::as_str).collect();
            serde_json::json!({ "changed": listed, "gone": gone })
        }
    }
}

fn as_table(resources: &[Resource]) -> String {
    if resources.iter().any(|resource| resource.kind() == Kind::Realm) {
        let rows = resources.iter().map(|resource| {
            let name = resource.name().unwrap_or_default();
            [resource.id().to_string(), name.to_owned(), resource.state().to_string()]
        });
        return table(["ID", "NAME", "STATE"], rows);
    }
    let shown = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let rows = resources.iter().filter_map(|resource| match resource {
        Resource::Instance(instance) => Some([
            instance.id.to_string(),
            shown(instance.name.as_deref()),
            resource.state().to_string(),
            instance.provider_state.to_string(),
            shown(instance.realm.as_deref()),
            shown(instance.hardware_profile.as_deref()),
            shown(instance.public_addresses.first().map(|address| address.value.as_str())),
        ]),
        Resource::Realm(_) => None,
    });
    table(["ID", "NAME", "STATE", "PROVIDER STATE", "REALM", "PROFILE", "ADDRESS"], rows)
}

/// What the list is worth, and what it took.
fn closing_line(key: &AccountKey, listing: &Listing) -> String {
    let usage = &listing.usage;
    let coverage = match &listing.coverage {
        Coverage::Complete => "complete".to_owned(),
        Coverage::Delta(removed) => format!("what changed, {} gone", removed.len()),
        Coverage::Partial(reason) | Coverage::Misfit(reason) => {
            format!("NOT complete: {}", super::table::printable(reason))
        }
    };
    let count = |number: u32, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    format!(
        "{key}: {} listed, {coverage}; {}, {}, {:.1?}, sandbox {}",
        listing.resources.len(),
        count(usage.pages, "page"),
        count(usage.requests, "request"),
        usage.wall,
        bytesize::ByteSize(usage.memory as u64),
    )
}

/// A resource as JSON, in the API's words.
#[derive(Serialize)]
#[serde(untagged)]
enum Document<'a> {
    Instance(InstanceDocument<'a>),
    Realm(RealmDocument<'a>),
}

#[derive(Serialize)]
struct InstanceDocument<'a> {
    id: &'a str,
    name: Option<&'a str>,
    state: InstanceState,
    provider_state: &'a str,
    owner: Option<&'a str>,
    realm: Option<&'a str>,
    image: Option<&'a str>,
    hardware_profile: Option<&'a str>,
    public_addresses: &'a [Address],
    private_addresses: &'a [Address],
    labels: serde_json::Map<String, serde_json::Value>,
    launched_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct RealmDocument<'a> {
    id: &'a str,
    name: &'a str,
    state: RealmState,
    limit: Option<u64>,
}

fn documents(resources: &[Resource]) -> Vec<Document<'_>> {
    resources
        .iter()
        .map(|resource| match resource {
            Resource::Instance(instance) => Document::Instance(instance_document(instance)),
            Resource::Realm(realm) => Document::Realm(realm_document(realm)),
        })
        .collect()
}

fn instance_document(instance: &Instance) -> InstanceDocument<'_> {
    InstanceDocument {
        id: instance.id.as_str(),
        name: instance.name.as_deref(),
        state: instance.state,
        provider_state: &instance.provider_state,
        owner: instance.owner.as_deref(),
        realm: instance.realm.as_deref(),
        image: instance.image.as_deref(),
        hardware_profile: instance.hardware_profile.as_deref(),
        public_addresses: &instance.public_addresses,
        private_addresses: &instance.private_addresses,
        labels: instance.labels.iter().map(|(name, value)| (name.to_string(), value.as_str().into())).collect(),
        launched_at: instance.launched_at,
    }
}

fn realm_document(realm: &Realm) -> RealmDocument<'_> {
    RealmDocument { id: realm.id.as_str(), name: &realm.name, state: realm.state, limit: realm.limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_is_printed_as_the_api_words_it() {
        let instance = Resource::Instance(Instance {
            id: crate::model::ResourceId::parse("inst1").expect("id"),
            name: Some("web".into()),
            owner: None,
            realm: Some("us".into()),
            image: None,
            hardware_profile: None,
            state: InstanceState::ShuttingDown,
            provider_state: "shutting-down".into(),
            launched_at: None,
            public_addresses: vec![].into(),
            private_addresses: vec![].into(),
            labels: vec![("team".into(), "blue".into())].into(),
        });
        let usage = crate::driver::Usage::default();
        let mut listing =
            Listing { resources: vec![instance], coverage: Coverage::Complete, usage, memory: Default::default() };
        let json = as_json(&listing);
        assert_eq!(json[0]["state"], "SHUTTING_DOWN");
        assert_eq!(json[0]["labels"]["team"], "blue");
        let table = as_table(&listing.resources);
        assert!(table.contains("inst1  web   SHUTTING_DOWN  shutting-down   us"), "{table}");

        listing.coverage = Coverage::Delta(vec![ResourceId::parse("inst2").expect("id")]);
        let json = as_json(&listing);
        assert_eq!((&json["changed"][0]["id"], &json["gone"][0]), (&"inst1".into(), &"inst2".into()));
        assert_eq!(gone_lines(gone(&listing)), "gone: inst2\n");
    }
}
