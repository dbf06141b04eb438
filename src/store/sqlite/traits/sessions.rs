//! The sessions of drivers.

use async_trait::async_trait;

use super::super::fair_pool::Flow;
use super::super::{SqliteStore, sessions};
use crate::model::Timestamp;
use crate::store::{DriverSessions, Result, SessionPage, SessionPlace, StoredSession};

#[async_trait]
impl DriverSessions for SqliteStore {
    async fn save_sessions(&self, sessions: Vec<StoredSession>) -> Result<Vec<bool>> {
        self.write_passing_step(Flow::Host, move |writing| {
            sessions.iter().map(|session| sessions::save(writing, session)).collect()
        })
        .await
    }

    async fn sessions(&self, after: Option<SessionPlace>, limit: usize) -> Result<SessionPage> {
        self.read(Flow::Host, move |reading| sessions::page(reading, after, limit)).await
    }

    async fn forget_sessions(&self, now: Timestamp) -> Result<()> {
        while self.write_passing_step(Flow::Host, move |writing| sessions::forget(writing, now)).await? {}
        Ok(())
    }
}
