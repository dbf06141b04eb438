//! Requests that a client may repeat.

use async_trait::async_trait;
use rusqlite::types::Value;

use super::super::SqliteStore;
use super::super::fair_pool::Flow;
use super::super::requests::{self, Found};
use crate::store::{RepeatableRequest, Repeats, Replay, Result};

#[async_trait]
impl Repeats for SqliteStore {
    async fn find_answer(&self, request: &RepeatableRequest) -> Result<Option<Replay>> {
        let (flow, asked) = (Flow::Account(request.id.account), request.clone());
        let found = self.read(flow.clone(), move |reading| requests::look_up(reading, reading.damages, &asked)).await?;
        Ok(match found {
            None | Some(Found::Begun(_)) => None,
            Some(Found::Ended(replay)) => Some(replay),
            Some(Found::Damaged) => {
                let request = request.clone();
                self.write(flow, move |writing| requests::lose(writing, &request)).await?;
                Some(Replay::Lost)
            }
        })
    }

    async fn lose_answer(&self, request: &RepeatableRequest, why: &'static str) -> Result<()> {
        let request = request.clone();
        self.write(Flow::Account(request.id.account), move |writing| {
            let id = &request.id;
            let key = vec![
                Value::Integer(id.account.0),
                Value::Blob(id.owner.word().as_bytes().to_vec()),
                Value::Blob(id.key.as_bytes().to_vec()),
            ];
            writing.memory.damages.note("requests", Some(id.account), key, "answer", why);
            requests::lose(writing, &request)
        })
        .await
    }
}
