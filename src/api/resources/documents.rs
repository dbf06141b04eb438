//! The representation of resources in the API: alone, in lists and in streams.

pub(crate) mod instance;
pub(crate) mod realm;
pub(crate) mod track;

use serde::Serialize;

use crate::model::Resource;
use crate::store::Seen;
use instance::InstanceDocument;
use realm::RealmDocument;
use track::TrackDocument;

/// A resource as the API shows it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Document<'a> {
    Instance(Box<InstanceDocument<'a>>),
    Realm(Box<RealmDocument<'a>>),
}

impl<'a> Document<'a> {
    pub(crate) fn of(seen: &'a Seen, public_url: &str, track: Option<TrackDocument>) -> Document<'a> {
        match &seen.resource {
            Resource::Instance(instance) => {
                Document::Instance(Box::new(InstanceDocument::of(instance, seen, public_url, track)))
            }
            Resource::Realm(realm) => Document::Realm(Box::new(RealmDocument::of(realm, seen, public_url, track))),
        }
    }

    /// With the hook that the store found on it.
    pub(crate) fn shown(seen: &'a Seen, public_url: &str) -> Document<'a> {
        Document::of(seen, public_url, seen.track.as_ref().map(TrackDocument::from))
    }
}
