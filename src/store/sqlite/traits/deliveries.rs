//! Deliveries: each operation has a separate file.

use async_trait::async_trait;

use super::super::columns::get;
use super::super::fair_pool::Flow;
use super::super::{SqliteStore, attempts, catch_up, claim, pending, settle};
use crate::model::Timestamp;
use crate::store::{
    CatchUp, CaughtUp, Deliveries, DeliveryClaim, DueDelivery, KeptAttempts, LeasePlace, LeaseRequest, Leased, Result,
    Settling,
};

#[async_trait]
impl Deliveries for SqliteStore {
    async fn claim_due_deliveries(&self, claim: DeliveryClaim) -> Result<Vec<DueDelivery>> {
        self.write_passing(Flow::Host, move |writing| claim::claim(writing, &claim)).await
    }

    async fn next_delivery_due(&self) -> Result<Option<Timestamp>> {
        self.read(Flow::Host, |reading| {
            let mut select = reading.prepare_cached("SELECT MIN(due) FROM destinations WHERE due IS NOT NULL")?;
            Ok(select.query_row((), |row| get(row, 0))?)
        })
        .await
    }

    async fn settle(&self, settling: Settling) -> Result<()> {
        settle::settle(self, settling).await
    }

    async fn catch_up(&self, now: Timestamp, limits: CatchUp) -> Result<CaughtUp> {
        if !self.read(Flow::Host, |reading| catch_up::is_any_behind(reading)).await? {
            return Ok(CaughtUp::All);
        }
        self.write_passing_step(Flow::Host, move |writing| catch_up::catch_up(writing, now, limits)).await
    }

    async fn lend_pending(&self, request: LeaseRequest) -> Result<Leased> {
        pending::lend(self, request).await
    }

    async fn acknowledge_pending(&self, lease: LeasePlace, up_to: i64) -> Result<u64> {
        pending::acknowledge(self, lease, up_to).await
    }

    async fn return_pending(&self, lease: LeasePlace) -> Result<()> {
        pending::give_back(self, lease).await
    }

    async fn count_waiting(&self) -> Result<u64> {
        self.read(Flow::Host, |reading| {
            let sql = "SELECT number FROM counts WHERE name = 'waiting'";
            let number: i64 = reading.prepare_cached(sql)?.query_row((), |row| row.get(0))?;
            Ok(number.unsigned_abs())
        })
        .await
    }

    async fn forget_attempts(&self, kept: KeptAttempts, limit: usize) -> Result<bool> {
        self.write_passing_step(Flow::Host, move |writing| attempts::forget(writing, kept, limit)).await
    }
}
