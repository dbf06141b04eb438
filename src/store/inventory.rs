//! The last known resources.

use async_trait::async_trait;

use super::{Page, Result};
use crate::model::{
    AccountId, Flapping, HookId, HookStatus, HookUrl, Kind, Owner, Resource, ResourceId, State, Timestamp,
};

#[async_trait]
pub trait Inventory {
    /// A page of an account's resources of one kind, sorted by id (bytewise).
    ///
    /// # Errors
    /// `PastUnknown` if the query is for a time that is unknown, or no longer kept.
    async fn list(&self, account: AccountId, query: ListQuery) -> Result<Page<Seen>>;

    /// One resource, with the hook of `owner` on it.
    async fn find(&self, account: AccountId, kind: Kind, id: &ResourceId, owner: &Owner) -> Result<Option<Seen>>;

    /// One resource as it was known at this time, without a hook.
    ///
    /// # Errors
    /// `PastUnknown` if that time is unknown, or no longer kept.
    async fn find_at(&self, account: AccountId, kind: Kind, id: &ResourceId, at: Timestamp) -> Result<Option<Seen>>;
}

#[derive(Clone, Debug)]
pub struct ListQuery {
    pub kind: Kind,
    pub id: Option<ResourceId>,
    pub state: Option<State>,
    /// Instances in this realm.
    pub realm: Option<String>,
    /// Only resources after this id.
    pub after: Option<ResourceId>,
    pub limit: usize,
    /// The resources as they were known at this time, instead of now.
    pub at: Option<Timestamp>,
    /// The owner whose hook is shown.
    pub owner: Owner,
}

/// The last known state of a resource.
#[derive(Clone, Debug)]
pub struct Seen {
    pub resource: Resource,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub state_since: Timestamp,
    /// Only for a realm, while its state is damped.
    pub flapping: Option<Flapping>,
    /// The hook of the requesting owner on it.
    pub track: Option<Track>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    pub hook: HookId,
    pub url: HookUrl,
    pub token_set: bool,
    pub status: HookStatus,
}
