//! What was last seen.

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
    /// `PastUnknown` where it is to be of a time that is not known, or no longer.
    async fn list(&self, account: AccountId, query: ListQuery) -> Result<Page<Seen>>;

    /// One of them, with the hook of `owner` on it.
    async fn find(&self, account: AccountId, kind: Kind, id: &ResourceId, owner: &Owner) -> Result<Option<Seen>>;

    /// One of them, as it was known at that time; no hook is shown.
    ///
    /// # Errors
    /// `PastUnknown` where that is not known, or no longer.
    async fn find_at(&self, account: AccountId, kind: Kind, id: &ResourceId, at: Timestamp) -> Result<Option<Seen>>;
}

#[derive(Clone, Debug)]
pub struct ListQuery {
    pub kind: Kind,
    pub id: Option<ResourceId>,
    pub state: Option<State>,
    /// Instances in this realm.
    pub realm: Option<String>,
    /// Only those that come after this id.
    pub after: Option<ResourceId>,
    pub limit: usize,
    /// As it was known at that time, and not as it is.
    pub at: Option<Timestamp>,
    /// Whose hook is shown.
    pub owner: Owner,
}

/// A resource as the tracker last saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub resource: Resource,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub state_since: Timestamp,
    /// Of a realm, while changes of its state are not told.
    pub flapping: Option<Flapping>,
    /// The asking owner's hook on it.
    pub track: Option<Track>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    pub hook: HookId,
    pub url: HookUrl,
    pub token_set: bool,
    pub status: HookStatus,
}
