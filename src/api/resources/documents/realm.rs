//! The representation of a realm in the API.

use serde::Serialize;
use utoipa::ToSchema;

use super::track::TrackDocument;
use crate::model::change::href;
use crate::model::{Flapping, Kind, Realm, RealmState, Timestamp};
use crate::store::Seen;

/// A realm.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Realm)]
pub(crate) struct RealmDocument<'a> {
    id: &'a str,
    href: String,
    name: &'a str,
    state: RealmState,
    #[schema(required)]
    limit: Option<u64>,
    first_seen: Timestamp,
    last_seen: Timestamp,
    state_since: Timestamp,
    // A description here would wrap the members into a `oneOf`, in which generators of clients don't find them.
    #[serde(flatten)]
    #[schema(value_type = FlappingMembers, inline)]
    flapping: Option<Flapping>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    track: Option<TrackDocument>,
}

/// The members of a realm while its state is flapping, so that its changes are damped.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of what is written where `flapping` is")]
struct FlappingMembers {
    #[schema(required = false)]
    damped_since: Timestamp,
    #[schema(required = false)]
    flips: u32,
}

impl<'a> RealmDocument<'a> {
    pub(crate) fn of(
        realm: &'a Realm,
        seen: &Seen,
        public_url: &str,
        track: Option<TrackDocument>,
    ) -> RealmDocument<'a> {
        RealmDocument {
            id: realm.id.as_str(),
            href: href(public_url, Kind::Realm, &realm.id),
            name: &realm.name,
            state: realm.state,
            limit: realm.limit,
            first_seen: seen.first_seen,
            last_seen: seen.last_seen,
            state_since: seen.state_since,
            flapping: seen.flapping.clone(),
            track,
        }
    }
}
