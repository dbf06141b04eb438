//! The representation of an instance in the API.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::track::TrackDocument;
use crate::model::change::href;
use crate::model::{Address, Instance, InstanceState, Kind, Text, Timestamp};
use crate::store::Seen;

/// An instance. A value that the provider does not give is null, so that every instance has the same members; only
/// `track` is absent if there is no hook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Instance)]
pub(crate) struct InstanceDocument<'a> {
    id: &'a str,
    href: String,
    #[schema(required)]
    name: Option<&'a str>,
    state: InstanceState,
    provider_state: &'a str,
    #[schema(required)]
    owner: Option<&'a str>,
    #[schema(required)]
    realm: Option<&'a str>,
    #[schema(required)]
    image: Option<&'a str>,
    #[schema(required)]
    hardware_profile: Option<&'a str>,
    public_addresses: &'a [Address],
    private_addresses: &'a [Address],
    #[serde(serialize_with = "as_map")]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    labels: &'a [(Text, Text)],
    #[schema(required)]
    launched_at: Option<Timestamp>,
    first_seen: Timestamp,
    last_seen: Timestamp,
    state_since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    track: Option<TrackDocument>,
}

impl<'a> InstanceDocument<'a> {
    pub(crate) fn of(
        instance: &'a Instance,
        seen: &Seen,
        public_url: &str,
        track: Option<TrackDocument>,
    ) -> InstanceDocument<'a> {
        InstanceDocument {
            id: instance.id.as_str(),
            href: href(public_url, Kind::Instance, &instance.id),
            name: instance.name.as_deref(),
            state: instance.state,
            provider_state: &instance.provider_state,
            owner: instance.owner.as_deref(),
            realm: instance.realm.as_deref(),
            image: instance.image.as_deref(),
            hardware_profile: instance.hardware_profile.as_deref(),
            public_addresses: &instance.public_addresses,
            private_addresses: &instance.private_addresses,
            labels: &instance.labels,
            launched_at: instance.launched_at,
            first_seen: seen.first_seen,
            last_seen: seen.last_seen,
            state_since: seen.state_since,
            track,
        }
    }
}

fn as_map<S: Serializer>(labels: &[(Text, Text)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(labels.iter().map(|(name, value)| (name, value)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{AddressKind, HookId, HookStatus, HookUrl, Resource, ResourceId};
    use crate::store::Track;

    #[test]
    fn has_the_members_of_the_contract() {
        let at = Timestamp::from_millis;
        let seen = Seen {
            resource: Resource::Instance(Instance {
                id: ResourceId::parse("i/1 a").expect("id"),
                name: Some("web".into()),
                owner: None,
                realm: Some("us".into()),
                image: Some("img1".into()),
                hardware_profile: None,
                state: InstanceState::ShuttingDown,
                provider_state: "shutting-down".into(),
                launched_at: Some(at(0)),
                public_addresses: vec![Address { kind: AddressKind::Ipv4, value: "192.0.2.1".into() }].into(),
                private_addresses: vec![].into(),
                labels: vec![("env".into(), "prod".into()), ("team".into(), "a".into())].into(),
            }),
            first_seen: at(1000),
            last_seen: at(3000),
            state_since: at(2000),
            flapping: None,
            track: Some(Track {
                hook: HookId(7),
                url: HookUrl::parse("https://example.com/cb").expect("url"),
                token_set: true,
                status: HookStatus::Paused,
            }),
        };
        let track = seen.track.as_ref().map(TrackDocument::from);
        let Resource::Instance(instance) = &seen.resource else { unreachable!("it is one") };
        let document = InstanceDocument::of(instance, &seen, "https://tracker.example", track);
        let document = serde_json::to_value(document).expect("json");
        assert_eq!(
            document,
            json!({
                "id": "i/1 a",
                "href": "https://tracker.example/api/instances/i%2F1%20a",
                "name": "web",
                "state": "SHUTTING_DOWN",
                "provider_state": "shutting-down",
                "owner": null,
                "realm": "us",
                "image": "img1",
                "hardware_profile": null,
                "public_addresses": [{ "kind": "ipv4", "value": "192.0.2.1" }],
                "private_addresses": [],
                "labels": { "env": "prod", "team": "a" },
                "launched_at": "1970-01-01T00:00:00.000Z",
                "first_seen": "1970-01-01T00:00:01.000Z",
                "last_seen": "1970-01-01T00:00:03.000Z",
                "state_since": "1970-01-01T00:00:02.000Z",
                "track": { "hook": "https://example.com/cb", "id": "7", "status": "paused", "token": true },
            })
        );
    }
}
