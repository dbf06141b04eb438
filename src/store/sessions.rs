//! The sessions of drivers across polls, such as login tokens. They save logins and are never necessary: they may be
//! lost.

use async_trait::async_trait;

use super::Result;
use crate::model::{AccountKey, Sealed, Timestamp};

#[async_trait]
pub trait DriverSessions {
    /// Saves each session and replaces the saved one. Returns for each whether its account is known; the session of an
    /// unknown account is not saved. May be lost in a power cut.
    async fn save_sessions(&self, sessions: Vec<StoredSession>) -> Result<Vec<bool>>;

    /// The saved sessions after this place, in order; fewer than `limit` only if there are no more.
    async fn sessions(&self, after: Option<SessionPlace>, limit: usize) -> Result<SessionPage>;

    /// Deletes the sessions that have expired by this time, in steps.
    async fn forget_sessions(&self, now: Timestamp) -> Result<()>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    pub account: AccountKey,
    /// SHA-256 of the driver's file.
    pub driver: String,
    /// None if the session is empty and has to be deleted.
    pub content: Option<SessionContent>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionContent {
    /// When its last entry expires.
    pub until: Timestamp,
    pub sealed: Sealed,
}

#[derive(Debug, Default)]
pub struct SessionPage {
    pub sessions: Vec<StoredSession>,
    /// The place after which the next page begins, if there may be one.
    pub next: Option<SessionPlace>,
}

/// A place in the order of saved sessions, which the store defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPlace(pub(super) i64, pub(super) String);
