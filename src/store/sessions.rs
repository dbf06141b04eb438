//! What drivers remember of accounts across polls, such as login tokens. It spares logins and is never needed: it may be
//! lost.

use async_trait::async_trait;

use super::Result;
use crate::model::{AccountKey, Sealed, Timestamp};

#[async_trait]
pub trait DriverSessions {
    /// Saves each of these in the place of what was saved before. Says of each whether its account is known; of one that
    /// is not, nothing is saved. May be lost in a power cut.
    async fn save_sessions(&self, sessions: Vec<StoredSession>) -> Result<Vec<bool>>;

    /// Saved sessions in the order of their places, after this one; fewer than `limit` only if there are no more.
    async fn sessions(&self, after: Option<SessionPlace>, limit: usize) -> Result<SessionPage>;

    /// Forgets the sessions that ran out by then, in steps.
    async fn forget_sessions(&self, now: Timestamp) -> Result<()>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    pub account: AccountKey,
    /// SHA-256 of the driver's file.
    pub driver: String,
    /// None: there is nothing to remember any more.
    pub content: Option<SessionContent>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionContent {
    /// When the last of it runs out.
    pub until: Timestamp,
    pub sealed: Sealed,
}

#[derive(Debug, Default)]
pub struct SessionPage {
    pub sessions: Vec<StoredSession>,
    /// After which the next page begins, if there may be one.
    pub next: Option<SessionPlace>,
}

/// A place in the order of saved sessions, which is of the store's making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPlace(pub(super) i64, pub(super) String);
