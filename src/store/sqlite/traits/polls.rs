//! Polls: when they are due, who claims them, and their outcome.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::params;

use super::super::columns::kind_number;
use super::super::fair_pool::Flow;
use super::super::listeners::Listeners;
use super::super::{SqliteStore, attention, due_polls, endpoints, flaps, known, mass_changes, polls, record, wanted};
use crate::model::breaker::Standing;
use crate::model::{AccountId, AccountKey, Flapping, Kind, ResourceId, Timestamp};
use crate::store::{
    Admission, Comparison, Decided, Decision, Delta, Effects, Held, HeldId, HeldMassChange, KnownResource, Passing,
    PlacedProvider, PollClaim, PollFailure, PollHeld, PollRecord, PollStatus, PollTicket, Polls, ProviderStates,
    Recorded, Result,
};

#[async_trait]
impl Polls for SqliteStore {
    async fn request_poll(&self, account: AccountId, kind: Kind, at: Timestamp) -> Result<()> {
        self.write(Flow::Account(account), move |writing| due_polls::request(writing, account, kind, at)).await
    }

    async fn request_ids(&self, account: AccountId, ids: Vec<ResourceId>, at: Timestamp) -> Result<()> {
        self.write(Flow::Account(account), move |writing| wanted::request(writing, account, ids, at)).await
    }

    async fn claim_due_polls(&self, claim: PollClaim) -> Result<Vec<PollTicket>> {
        self.write_passing(Flow::Host, move |writing| polls::claim(writing, &claim)).await
    }

    async fn next_poll_due(&self, now: Timestamp, admission: Arc<dyn Admission>) -> Result<Option<Timestamp>> {
        self.read(Flow::Host, move |reading| endpoints::next_due(reading, now, &*admission)).await
    }

    async fn place_providers(&self, placed: Vec<PlacedProvider>) -> Result<()> {
        self.write(Flow::Host, move |writing| endpoints::place(writing, &placed)).await
    }

    async fn endpoints(&self) -> Result<Vec<(Arc<str>, Standing)>> {
        self.read(Flow::Host, |reading| endpoints::known(reading)).await
    }

    async fn known_resources(&self, account: AccountId, kind: Kind) -> Result<Vec<KnownResource>> {
        self.read(Flow::Account(account), move |reading| known::all(reading, account, kind)).await
    }

    async fn compare_known(
        &self,
        account: AccountId,
        kind: Kind,
        mut comparison: Box<dyn Comparison>,
    ) -> Result<Delta> {
        self.read(Flow::Account(account), move |reading| {
            known::each(reading, account, kind, &mut *comparison)?;
            Ok(comparison.end())
        })
        .await
    }

    async fn known_among(&self, account: AccountId, kind: Kind, ids: Vec<ResourceId>) -> Result<Vec<KnownResource>> {
        self.read(Flow::Account(account), move |reading| known::among(reading, account, kind, ids)).await
    }

    async fn count_known(&self, account: AccountId, kind: Kind) -> Result<usize> {
        self.read(Flow::Account(account), move |reading| {
            let mut count =
                reading.prepare_cached("SELECT COUNT(*) FROM resources WHERE account = ?1 AND kind = ?2")?;
            let count: i64 = count.query_row(params![account.0, kind_number(kind)], |row| row.get(0))?;
            Ok(usize::try_from(count).unwrap_or(usize::MAX))
        })
        .await
    }

    async fn passing(&self, account: AccountId) -> Result<Vec<Passing>> {
        self.read(Flow::Account(account), move |reading| attention::passing(reading, account)).await
    }

    async fn provider_states(&self, account: AccountId) -> Result<ProviderStates> {
        self.read(Flow::Account(account), move |reading| polls::provider_states(reading, account)).await
    }

    async fn awaited(&self, account: AccountId, passing: Vec<Passing>, since: Timestamp) -> Result<Vec<ResourceId>> {
        let listeners =
            self.write_passing(Flow::Account(account), move |writing| Listeners::of(writing, account)).await?;
        self.read(Flow::Account(account), move |reading| {
            attention::awaited(reading, (account, &listeners), &passing, since)
        })
        .await
    }

    async fn record_poll(&self, record: PollRecord) -> Result<Recorded> {
        record::record(self, record).await
    }

    async fn record_poll_failure(&self, failure: PollFailure) -> Result<()> {
        self.write(Flow::Account(failure.account), move |writing| polls::record_failure(writing, &failure)).await
    }

    async fn put_off_poll(&self, account: AccountId, kind: Kind, lease: i64, until: Timestamp) -> Result<()> {
        self.write_passing(Flow::Account(account), move |writing| polls::put_off(writing, account, kind, lease, until))
            .await
    }

    async fn release_poll(&self, account: AccountId, kind: Kind, lease: i64, until: Timestamp) -> Result<()> {
        self.write_passing(Flow::Account(account), move |writing| polls::release(writing, account, kind, lease, until))
            .await
    }

    async fn provider_flapping(&self, account: AccountId) -> Result<Option<Flapping>> {
        self.read(Flow::Account(account), move |reading| flaps::provider(reading, account)).await
    }

    async fn hold_poll(&self, held: PollHeld) -> Result<()> {
        self.write(Flow::Account(held.account), move |writing| mass_changes::hold(writing, &held)).await
    }

    async fn held_mass_changes(&self) -> Result<Vec<HeldMassChange>> {
        self.read(Flow::Host, mass_changes::all).await
    }

    async fn held_mass_change(&self, account: AccountId, kind: Kind) -> Result<Option<(Held, Effects)>> {
        self.read(Flow::Account(account), move |reading| mass_changes::of(reading, account, kind)).await
    }

    async fn decide_mass_change(
        &self,
        account: AccountKey,
        kind: Kind,
        only: Option<HeldId>,
        decision: Decision,
        now: Timestamp,
    ) -> Result<Decided> {
        self.write(Flow::Key(account.clone()), move |writing| {
            mass_changes::decide(writing, (&account, kind), only, decision, now)
        })
        .await
    }

    async fn poll_status(&self, account: AccountId) -> Result<Vec<PollStatus>> {
        self.read(Flow::Account(account), move |reading| polls::status(reading, account)).await
    }
}
