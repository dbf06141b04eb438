//! The ids of the host's keys, and the secrets sealed with them.

use async_trait::async_trait;

use super::super::fair_pool::Flow;
use super::super::{SqliteStore, keys};
use crate::model::{KeyId, Timestamp};
use crate::store::{Keys, Resealed, Result, SealedPage, SealedPlace, StoreKey};

#[async_trait]
impl Keys for SqliteStore {
    async fn keys(&self) -> Result<Vec<StoreKey>> {
        self.read(Flow::Host, |reading| Ok(keys::read(reading)?)).await
    }

    async fn set_current_key(&self, key: KeyId) -> Result<()> {
        self.write(Flow::Host, move |writing| {
            // What was sealed with a key that is the current one again is sealed with the current key.
            let sql = "UPDATE keys SET is_current = 0, until = NULL WHERE is_current = 1 AND id <> ?1";
            writing.prepare(sql)?.execute([key.0])?;
            let sql = "INSERT INTO keys (id, is_current, until) VALUES (?1, 1, NULL)
                       ON CONFLICT (id) DO UPDATE SET is_current = 1, until = NULL";
            writing.prepare(sql)?.execute([key.0])?;
            Ok(())
        })
        .await
    }

    async fn sealed(&self, after: SealedPlace, limit: usize) -> Result<SealedPage> {
        self.read(Flow::Host, move |reading| keys::page(reading, after, limit)).await
    }

    async fn reseal(&self, resealed: Vec<Resealed>) -> Result<()> {
        let (rows, mut left) = (self.step_rows.max(1), resealed);
        while !left.is_empty() {
            left = self
                .write_step(Flow::Host, move |writing| {
                    for done in 0..rows {
                        if done > 0 && writing.is_turn_over() {
                            break;
                        }
                        let Some(value) = left.pop() else { break };
                        keys::put(writing, value)?;
                    }
                    Ok(left)
                })
                .await?;
        }
        Ok(())
    }

    async fn note_resealed(&self, current: KeyId, until: Timestamp) -> Result<bool> {
        self.write(Flow::Host, move |writing| {
            let is_current = "SELECT 1 FROM keys WHERE id = ?1 AND is_current = 1";
            if !writing.prepare(is_current)?.exists([current.0])? {
                return Ok(false);
            }
            let sql = "UPDATE keys SET until = ?1 WHERE is_current = 0 AND until IS NULL";
            writing.prepare(sql)?.execute([until.as_millis()])?;
            Ok(true)
        })
        .await
    }

    async fn forget_key(&self, key: KeyId) -> Result<()> {
        self.write(Flow::Host, move |writing| {
            writing.prepare("DELETE FROM keys WHERE id = ?1 AND is_current = 0")?.execute([key.0])?;
            Ok(())
        })
        .await
    }
}
